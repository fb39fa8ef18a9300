-- What is not in the world itself: HUD, sky, forms, inventories, particles, sounds, pushed files,
-- and changes of nodes and entities. Everything comes in a fixed order.

local core, since = conflict.core, conflict.since

local function hud(player, kind, def)
	def[since(9) and "type" or "hud_elem_type"] = kind
	def.position = def.position or {x = 0.5, y = 0.5}
	def.scale = def.scale or {x = 2, y = 2}
	return player:hud_add(def)
end

local function show_hud(player)
	local image = hud(player, "image", {text = conflict.deep, position = {x = 0.9, y = 0.5},
		scale = {x = 4, y = 4}})
	hud(player, "text", {text = "default_stone.png", number = 0xffffff, position = {x = 0.8, y = 0.3},
		scale = {x = 100, y = 100}, size = {x = 2, y = 2}})
	local bar = hud(player, "statbar", {text = "default_stone.png", text2 = "heart.png", number = 7, item = 10,
		position = {x = 0.1, y = 0.5}, size = {x = 16, y = 16}})
	hud(player, "inventory", {text = "main", number = 4, item = 1, direction = 0,
		position = {x = 0.1, y = 0.7}})
	hud(player, "waypoint", {name = "default_stone.png", text = "conflict_a.png", number = 0x20ff20,
		world_pos = vector.new(0, 12, 30)})
	local far = hud(player, "image_waypoint", {text = "default_wood.png", world_pos = vector.new(5, 14, 20)})
	local compass = hud(player, "compass", {text = "conflict_sheet.png", direction = 0,
		size = {x = 64, y = 64}, position = {x = 0.9, y = 0.75}})
	hud(player, "minimap", {size = {x = 64, y = 64}, position = {x = 0.2, y = 0.2}})
	if since(10) then
		hud(player, "hotbar", {position = {x = 0.5, y = 0.8}, direction = 0})
	end
	return image, bar, far, compass
end

local function show_sky(player)
	local file = "conflict_sky.png"
	player:set_sky({type = "skybox", base_color = "#304050", clouds = false,
		textures = {file, file .. "^conflict_c.png", file, "default_stone.png", file, file}})
	player:set_sun({visible = true, texture = "sun.png", tonemap = "conflict_palette8.png",
		sunrise = "conflict_b.png", sunrise_visible = true, scale = 2})
	player:set_moon({visible = true, texture = "conflict_c.png", tonemap = "conflict_palette8.png", scale = 3})
	player:set_stars({visible = true, count = 10, star_color = "#ff0000"})
	player:set_minimap_modes({{type = "surface", label = "default_stone.png", size = 128},
		{type = "texture", label = "Map", texture = "conflict_map.png^default_stone.png", scale = 1}}, 1)
	if player.set_lighting then
		player:set_lighting({saturation = 0.8})
	end
end

local function detached(player)
	local name = player:get_player_name()
	local list = core.create_detached_inventory("default:stone_" .. name, {}, name)
	conflict.fill(list)
	return "detached:default:stone_" .. name
end

local function particles(player)
	local name = player:get_player_name()
	local pos = vector.new(0, 14, 12)
	local base = {pos = pos, velocity = vector.new(0, 0.1, 0), acceleration = vector.new(0, 0, 0),
		expirationtime = 2, size = 3, playername = name}
	local function one(more)
		local def = table.copy(base)
		for key, value in pairs(more) do
			def[key] = value
		end
		core.add_particle(def)
	end
	one({texture = "default_stone.png"})
	one({texture = {name = conflict.deep, alpha = 0.5}})
	one({texture = "conflict_anim.png", glow = 4,
		animation = {type = "vertical_frames", aspect_w = 16, aspect_h = 16, length = 1}})
	one({node = {name = "default:dirt", param2 = 0}, node_tile = 1})
	local function many(more)
		local def = {amount = 4, time = 0, playername = name, minpos = pos, maxpos = pos,
			minexptime = 0.5, maxexptime = 1, minsize = 1, maxsize = 2}
		for key, value in pairs(more) do
			def[key] = value
		end
		return core.add_particlespawner(def)
	end
	many({texture = "default_stone.png^[resize:8x8"})
	many({node = {name = "default:stone"}})
	many({texpool = {"default_wood.png", {name = "conflict_b.png", scale_tween = {2, 1}},
		{name = "conflict_sheet.png", blend = "add",
			animation = {type = "sheet_2d", frames_w = 2, frames_h = 2, frame_length = 0.5}}}})
	many({texture = "conflict_c.png", attached = conflict.standing["conflict:cube"],
		attract = {kind = "point", strength = 1, origin = vector.new(0, 1, 0),
			origin_attached = conflict.standing["conflict:mesh"]}})
	core.delete_particlespawner(many({texture = "conflict_red.png"}), name)
end

local function sounds(player)
	local name = player:get_player_name()
	core.sound_play("default_place_node", {to_player = name, gain = 0.1, loop = true})
	core.sound_play("conflict_ping", {to_player = name, gain = 0.1}, true)
	core.sound_play({name = "default_dug_node", pitch = 1.2}, {to_player = name, pos = vector.new(1, 10, 8)})
	core.sound_play("conflict_silent", {to_player = name, gain = 0.3})
	local last = core.sound_play("default_chest_open", {to_player = name,
		object = conflict.standing["conflict:cube"], loop = true})
	core.sound_fade(last, 0.1, 0.01)
	core.sound_stop(last)
end

local function changes()
	local pos = vector.new(0, 10, 4)
	core.set_node(pos, {name = "default:coal_lump"})
	core.swap_node(pos, {name = "conflict:palette", param2 = 9})
	core.remove_node(pos)
	conflict.signs.inscribe(conflict.signs.first, conflict.signs.second)
	core.set_node(vector.new(2, 9, 4), {name = "conflict:meta"})
	core.get_meta(vector.new(2, 9, 4)):set_string("formspec", conflict.form("context"))
	core.set_node(vector.new(2, 9, 4), {name = "air"})
	local cube = conflict.standing["conflict:cube"]
	if cube then
		cube:set_texture_mod("^default_wood.png^[opacity:90")
		cube:set_properties({textures = {"default_dirt.png", conflict.deep, "conflict_a.png",
			"conflict_a.png", "default_stone.png", "conflict_red.png"}})
	end
	local sprite = conflict.standing["conflict:sprite"]
	if sprite then
		-- Told to who is there, and to nobody who comes later.
		sprite:set_sprite({x = 0, y = 1}, 1, 1, false)
	end
	local item = conflict.standing["conflict:item"]
	if item then
		item:set_properties({wield_item = "default:stone 2"})
	end
end

-- Files that no client has: one under a name of its own, one under a name of Minetest Game.
local function push(player)
	for _, name in ipairs({"conflict_pushed.png", "default_cobble.png"}) do
		local source = io.open(core.get_modpath("conflict") .. "/textures/conflict_b.png", "rb")
		local target = core.get_worldpath() .. "/" .. name
		-- Bytes after the end of a picture do not change it, but its hash.
		core.safe_file_write(target, source:read("*a") .. name)
		source:close()
		core.dynamic_add_media({filepath = target, to_player = player:get_player_name()}, function(who)
			core.log("action", "conflict: pushed " .. name .. " " .. who)
		end)
	end
end

local function body(player)
	player:set_fov(80)
	player:set_eye_offset({x = 0, y = 0, z = 0}, {x = 0, y = 2, z = 0})
	player:set_local_animation({x = 0, y = 9}, {x = 10, y = 19}, {x = 20, y = 29}, {x = 30, y = 39}, 12)
	player:set_nametag_attributes({text = "default_stone.png"})
	player:override_day_night_ratio(0.9)
	player:get_inventory():set_stack("main", 5, "conflict:same_picture 3")
	local hand = player:get_inventory()
	hand:set_size("hand", 1)
	hand:set_stack("hand", 1, "default:pick_wood")
end

local parts = {}

function parts.picture(player)
	show_hud(player)
	show_sky(player)
end

function parts.form(player)
	local location = detached(player)
	-- The list itself is sent with the server's next step, and a form before it is an error.
	core.after(0.2, core.show_formspec, player:get_player_name(), "default:stone", conflict.form(location))
end

function parts.show(player)
	local name = player:get_player_name()
	local image, bar, far, compass = show_hud(player)
	player:hud_change(image, "text", "conflict_b.png^default_stone.png")
	player:hud_change(bar, "text", "default_wood.png")
	player:hud_change(bar, "text2", "conflict_c.png")
	player:hud_change(bar, "number", 3)
	player:hud_change(far, "text", "conflict_a.png")
	player:hud_remove(compass)
	show_sky(player)
	body(player)
	particles(player)
	sounds(player)
	changes()
	push(player)
	parts.form(player)
	core.after(1, function()
		player = core.get_player_by_name(name)
		if player then
			-- Clients before protocol 39 are not pushed anything.
			if core.get_player_information(name).protocol_version >= 39 then
				hud(player, "image", {text = "conflict_pushed.png^default_cobble.png"})
			end
			core.chat_send_player(name, "conflict: shown")
		end
	end)
end

core.register_on_player_receive_fields(function(player, form, fields)
	local keys = {}
	for key, value in pairs(fields) do
		table.insert(keys, key .. "=" .. value)
	end
	table.sort(keys)
	core.log("action", "conflict: fields " .. player:get_player_name() .. " " .. form .. " " ..
		table.concat(keys, "|"))
end)

core.register_chatcommand("conflict", {
	params = "show | picture | form",
	description = "Tests of the proxy",
	func = function(name, text)
		local player = core.get_player_by_name(name)
		if not player or not parts[text] then
			return false, "what?"
		end
		parts[text](player)
		return true, "conflict: " .. text
	end,
})
