-- The project's own test mod. It writes one line to the server's log for everything a player does
-- ("probe: VERB PLAYER DETAILS"), lays a floor in the server's own colour, and puts up on command
-- what a hop has to take down again. It has to load in every engine since 5.6.
--
-- Settings: mesegate_probe.colour  = red|green|blue|yellow   colour of the floor at the spawn point
--           mesegate_probe.padding = N                       so many more nodes, to move node ids
--           mesegate_probe.dress   = PART,PART,...           what every player gets up on joining

local core = core or minetest -- before 5.8 there is only the old name
local colour = core.settings:get("mesegate_probe.colour")
local padding = tonumber(core.settings:get("mesegate_probe.padding") or 0)
local dress = string.split(core.settings:get("mesegate_probe.dress") or "", ",")
-- Where in a row of four this world's things are, so that two worlds never put them at one place.
local column = ({red = 0, green = 1, blue = 2, yellow = 3})[colour] or 0

local function say(...)
	core.log("action", "probe: " .. table.concat({...}, " "))
end

local function at(pos)
	return core.pos_to_string(vector.round(pos))
end

for i = 1, padding do
	core.register_node("mesegate_probe:pad" .. i, {
		description = "Padding " .. i,
		tiles = {"mesegate_probe_yellow.png^[colorize:#000:" .. i % 200},
		groups = {oddly_breakable_by_hand = 3},
	})
end

-- The floor ---------------------------------------------------------------------------------------

local floor = colour and "mesegate_probe:" .. colour
local low, high = vector.new(-12, 8, -12), vector.new(12, 8, 12)

local function put(pos, name)
	-- Even the same node once more is sent to everybody who sees it.
	if core.get_node(pos).name ~= name then
		core.set_node(pos, {name = name})
	end
end

local function lay_floor()
	core.load_area(low, high)
	for x = low.x, high.x do
		for z = low.z, high.z do
			put(vector.new(x, low.y, z), floor)
		end
	end
	for x = -2, 2 do
		for z = -2, 4 do
			put(vector.new(x, low.y + 1, z), "air")
		end
	end
end

if floor then
	core.register_node(floor, {
		description = "Floor of the " .. colour .. " server",
		tiles = {"mesegate_probe_" .. colour .. ".png"},
		light_source = 14,
		groups = {oddly_breakable_by_hand = 3},
	})
	core.after(0, function()
		core.emerge_area(vector.new(-32, -16, -32), vector.new(47, 32, 47), function(_, _, left)
			if left > 0 then
				return
			end
			lay_floor()
			-- The first node of every block below tells whose block it is.
			for x = -32, 32, 16 do
				for z = -32, 32, 16 do
					put(vector.new(x, 0, z), floor)
				end
			end
			say("floor", colour)
		end)
	end)
end

-- What a server says of itself to those who join tells how long it has been up; this is the same
-- for everybody.
core.get_server_status = function()
	return "probe: status"
end

-- What players do ---------------------------------------------------------------------------------

-- What a hop has to take down, by part; see the end.
local up = {}
local cubes = {}

local function detached_name(player)
	return "mesegate_probe_" .. (colour or "") .. "_" .. player
end

core.register_on_joinplayer(function(player)
	local name = player:get_player_name()
	local info = core.get_player_information(name) or {}
	say("join", name, "protocol", tostring(info.protocol_version), "language",
		tostring(info.lang_code), "version", tostring(info.version_string))
	-- Everybody finds the same, whatever was done here before.
	player:set_hp(20)
	if floor then
		lay_floor()
		player:get_inventory():set_list("main", {floor .. " 99"})
	end
	for _, part in ipairs(dress) do
		up[part](player)
	end
end)

core.register_on_leaveplayer(function(player, timed_out)
	local name = player:get_player_name()
	say("leave", name, timed_out and "timeout" or "quit")
	if cubes[name] then
		cubes[name]:remove()
		cubes[name] = nil
	end
	core.remove_detached_inventory(detached_name(name))
end)

core.register_on_chat_message(function(name, text)
	say("chat", name, text)
end)

core.register_on_dignode(function(pos, node, digger)
	if digger and digger:is_player() then
		say("dig", digger:get_player_name(), node.name, at(pos))
	end
end)

core.register_on_placenode(function(pos, node, placer)
	if placer and placer:is_player() then
		say("place", placer:get_player_name(), node.name, at(pos))
	end
end)

core.register_on_player_inventory_action(function(player, action, _, info)
	say("inventory", player:get_player_name(), action, tostring(info.from_list),
		tostring(info.to_list))
end)

core.register_on_player_receive_fields(function(player, form, fields)
	say("fields", player:get_player_name(), form, core.write_json(fields) or "")
end)

core.register_on_respawnplayer(function(player)
	say("respawn", player:get_player_name())
end)

core.register_on_authplayer(function(name, ip, success)
	if not success then
		say("authfail", name, ip)
	end
end)

local channel = core.mod_channel_join("mesegate_probe")

core.register_on_modchannel_message(function(name, sender, text)
	say("modchannel", sender == "" and "server" or sender, name, text)
end)

-- What a hop has to take down ---------------------------------------------------------------------

local cube = "mesegate_probe:cube" .. (colour and "_" .. colour or "")

core.register_entity(cube, {
	initial_properties = {
		visual = "cube",
		visual_size = {x = 1, y = 1},
		textures = {"mesegate_probe_yellow.png", "mesegate_probe_yellow.png",
			"mesegate_probe_yellow.png", "mesegate_probe_yellow.png",
			"mesegate_probe_yellow.png", "mesegate_probe_yellow.png"},
		static_save = false,
	},
	on_punch = function(self, puncher)
		say("punch", puncher and puncher:get_player_name() or "?")
	end,
	on_rightclick = function(self, clicker)
		say("rightclick", clicker:get_player_name())
	end,
})

-- A square of the server's colour at a place of its own, and the server's name.
function up.marker(player)
	local texture = "mesegate_probe_" .. (colour or "red") .. ".png"
	player:hud_add({hud_elem_type = "image", type = "image", text = texture .. "^[resize:48x48",
		position = {x = 0.6 + 0.1 * column, y = 0.7}, scale = {x = 1, y = 1}})
	player:hud_add({hud_elem_type = "text", type = "text", number = 0xffffff,
		text = "WORLD " .. (colour or "?"):upper(),
		position = {x = 0.5, y = 0.3}, scale = {x = 100, y = 100}, size = {x = 2, y = 2}})
end

-- Nothing in sight moves by itself.
function up.still(player)
	player:set_clouds({density = 0})
	player:hud_set_flags({crosshair = false})
end

function up.hud(player)
	player:hud_add({hud_elem_type = "text", type = "text", text = "PROBE HUD", number = 0xff2020,
		position = {x = 0.5, y = 0.4}, scale = {x = 100, y = 100}, size = {x = 3, y = 3}})
	player:hud_add({hud_elem_type = "image", type = "image", text = "mesegate_probe_green.png",
		position = {x = 0.9, y = 0.5}, scale = {x = 6, y = 6}})
	player:hud_add({hud_elem_type = "statbar", type = "statbar", text = "mesegate_probe_blue.png",
		number = 10, position = {x = 0.1, y = 0.5}, size = {x = 16, y = 16}})
	player:hud_add({hud_elem_type = "waypoint", type = "waypoint", name = "PROBE WAYPOINT",
		text = " m", number = 0x20ff20, world_pos = vector.new(0, 12, 30)})
	player:hud_set_flags({crosshair = false, wielditem = false})
	player:hud_set_hotbar_itemcount(4)
	player:hud_set_hotbar_image("mesegate_probe_red.png")
end

function up.sky(player)
	local base = ({"#602080", "#204060", "#606020", "#206040"})[column + 1]
	player:set_sky({type = "plain", base_color = base, clouds = false})
	player:set_sun({visible = false, sunrise_visible = false})
	player:set_moon({visible = false})
	player:set_stars({visible = true, count = 10, star_color = "#ff0000"})
	player:set_clouds({density = 0.9, color = "#ff00ff"})
	player:override_day_night_ratio(0.5)
	if player.set_lighting then
		player:set_lighting({shadows = {intensity = 0.3}, saturation = 0.5})
	end
end

function up.body(player)
	player:set_physics_override({speed = 0.5, jump = 2, gravity = 0.5})
	player:set_eye_offset({x = 0, y = 5, z = 0}, {x = 0, y = 0, z = 0})
	player:set_fov(100)
	player:set_nametag_attributes({text = "PROBE", color = "#00ffff"})
	-- Not `zoom_fov`: Minetest Game's binoculars set it whenever they look at it.
	player:set_properties({visual_size = {x = 2, y = 2}, eye_height = 3})
	player:set_bone_position("Head", {x = 0, y = 6, z = 0}, {x = 0, y = 30, z = 0})
	player:set_formspec_prepend("bgcolor[#204020;true]")
	player:set_inventory_formspec("size[8,5]label[1,0;PROBE INVENTORY]list[current_player;main;0,1;8,4;]")
	player:set_hp(11)
end

function up.world(player)
	local pos = player:get_pos()
	local name = player:get_player_name()
	if cubes[name] then
		cubes[name]:remove()
	end
	cubes[name] = core.add_entity(vector.add(pos, {x = 0, y = 1, z = 4}), cube)
	core.add_particlespawner({amount = 200, time = 0, playername = name,
		minpos = vector.add(pos, -5), maxpos = vector.add(pos, 5),
		-- Nothing can take back a particle that flies already, so they have to be short-lived.
		minexptime = 0.5, maxexptime = 1,
		minvel = {x = 0, y = 1, z = 0}, maxvel = {x = 0, y = 2, z = 0}, minsize = 2, maxsize = 4,
		texture = "mesegate_probe_red.png"})
	core.sound_play("default_place_node", {to_player = name, loop = true, gain = 0.1})
	if core.registered_nodes["default:chest"] then
		local chest = vector.round(vector.add(pos, {x = 2, y = 0, z = 3}))
		core.set_node(chest, {name = "default:chest"})
		core.get_meta(chest):get_inventory():add_item("main", "default:stone 7")
	end
end

function up.inventory(player)
	local name = player:get_player_name()
	local detached = core.create_detached_inventory(detached_name(name), {
		on_put = function(_, list, index, stack)
			say("detached", name, list, tostring(index), stack:to_string())
		end,
	}, name)
	detached:set_size("main", 8)
	detached:set_stack("main", 2, "default:stone 3")
	-- The list itself is sent with the server's next step, and a form before it is an error.
	core.after(0.2, core.show_formspec, name, "mesegate_probe:form",
		"size[8,6]label[0,0;PROBE FORM]list[detached:" .. detached_name(name) ..
		";main;0,1;8,1;]list[current_player;main;0,2;8,3;]button_exit[3,5;2,1;ok;OK]")
end

core.register_chatcommand("probe", {
	params = "up [PART] | pos | kick TEXT | die | channel TEXT | media NAME",
	description = "Tests of the proxy",
	func = function(name, text)
		local player = core.get_player_by_name(name)
		local verb, rest = text:match("^(%S+)%s*(.*)$")
		if not player then
			return false, "only in the game"
		elseif verb == "up" then
			-- Always in the same order. An open form would take the keyboard, so it comes only when
			-- asked for.
			for _, part in ipairs({"marker", "hud", "sky", "body", "world", "inventory"}) do
				if rest == part or (rest == "" and part ~= "inventory" and part ~= "marker") then
					up[part](player)
				end
			end
			say("up", name, rest)
		elseif verb == "pos" then
			say("pos", name, at(player:get_pos()), "hp", tostring(player:get_hp()))
		elseif verb == "kick" then
			core.kick_player(name, rest)
		elseif verb == "die" then
			player:set_hp(0)
		elseif verb == "channel" then
			channel:send_all(rest)
		elseif verb == "media" then
			-- A texture that no client has yet, under a name of the caller's choice.
			local path = core.get_worldpath() .. "/" .. rest
			local source = io.open(core.get_modpath("mesegate_probe")
				.. "/textures/mesegate_probe_red.png", "rb")
			core.safe_file_write(path, source:read("*a"))
			source:close()
			core.dynamic_add_media({filepath = path, to_player = name}, function(who)
				say("media", who, rest)
			end)
		else
			return false, "what?"
		end
		return true, "probe: " .. text
	end,
})
