-- What stands in the world: all nodes in rows in front of the spawn point, nodes with metadata, and
-- the entities above them.

local core = conflict.core

local function put(pos, node)
	local there = core.get_node(pos)
	if there.name ~= node.name or there.param2 ~= (node.param2 or 0) then
		core.set_node(pos, node)
	end
end

local function fill(list)
	list:set_size("main", 8)
	for index, stack in ipairs(conflict.stacks()) do
		list:set_stack("main", index, stack)
	end
end

conflict.fill = fill

-- Two nodes with forms: one names everything in it, one takes its parts from other variables.
local function inscribe(first, second)
	local meta = core.get_meta(first)
	meta:set_string("infotext", "default_stone.png default:stone")
	meta:set_string("formspec", conflict.form("context"))
	meta:set_string("owner", "default:stone")
	meta:set_string("secret", "not sent")
	meta:mark_as_private("secret")
	fill(meta:get_inventory())
	meta = core.get_meta(second)
	meta:set_string("formspec", "${form}")
	meta:set_string("form", "size[6,5]hypertext[0,0;5,2;hyper;${text}]field[0.3,3;5,1;f;F;${value}]" ..
		"item_image[0,4;1,1;default:stone]image[1,4;1,1;default_stone.png]")
	meta:set_string("text", "<item name=default:stone><img name=default_stone.png>default_stone.png")
	meta:set_string("value", "default_stone.png")
end

local first, second = vector.new(-7, 9, 3), vector.new(-8, 9, 3)

local function build()
	for number, shown in ipairs(conflict.shown) do
		local column, row = (number - 1) % 9, math.floor((number - 1) / 9)
		put(vector.new(column * 2 - 8, 9 + row % 2 * 2, 6 + row * 2), shown)
	end
	-- Fences beside each other and beside things that they connect to.
	for x, name in pairs({[-4] = "default:stone", [-3] = "default:fence_wood", [-2] = "default:fence_wood",
		[-1] = "default:stick", [0] = "default:fence_wood", [1] = "conflict:deep"}) do
		put(vector.new(x, 9, 4), {name = name})
	end
	-- Two pools, closed all around: a source, and where it flows to.
	for index, name in ipairs({"default:water", "conflict:acid"}) do
		local z = 10 + 2 * index
		for x = 9, 12 do
			for dz = -1, 1 do
				local pool = dz == 0 and (x == 10 or x == 11)
				local pos = vector.new(x, 9, z + dz)
				put({x = x, y = 8, z = z + dz}, {name = "conflict:base"})
				if not pool then
					put(pos, {name = "default:glass", param2 = 0})
				elseif x == 10 then
					put(pos, {name = name .. "_source"})
				end
			end
		end
	end
	put(first, {name = "conflict:meta"})
	put(second, {name = "conflict:meta"})
	inscribe(first, second)
end

conflict.signs = {first = first, second = second, inscribe = inscribe}

core.after(0, function()
	core.emerge_area(vector.new(-32, -16, -32), vector.new(47, 32, 47), function(_, _, left)
		if left == 0 then
			build()
			core.log("action", "conflict: scene")
		end
	end)
end)

-- Entities live as long as somebody is near, so they are put up for the first who comes.
local standing = {}

local function put_up()
	for _, figure in ipairs(conflict.figures) do
		local object = standing[figure.name]
		if not object or not object:get_pos() then
			object = core.add_entity(figure.at, figure.name)
			standing[figure.name] = object
			local parent = figure.to and standing[figure.to]
			if object and parent then
				object:set_attach(parent, "", {x = 0, y = 8, z = 0}, {x = 0, y = 45, z = 0}, true)
			end
		end
	end
end

conflict.standing = standing

core.register_on_joinplayer(function(player)
	local name = player:get_player_name()
	player:get_inventory():set_size("main", 32)
	player:get_inventory():set_size("hand", 0)
	player:set_properties({visual = "upright_sprite", visual_size = {x = 1, y = 2},
		textures = {"character.png^[resize:32x32", conflict.deep}})
	player:set_formspec_prepend("background9[0,0;1,1;gui_formbg.png;true;4]bgcolor[#20202080;neither]" ..
		"style_type[button;bgimg=default_stone.png]")
	player:set_inventory_formspec(conflict.form("current_player"))
	player:hud_set_hotbar_image("conflict_a.png^[resize:400x40")
	player:hud_set_hotbar_selected_image("gui_hotbar_selected.png")
	for index, stack in ipairs(conflict.stacks()) do
		player:get_inventory():set_stack("main", index, stack)
	end
	core.after(0.5, function()
		if core.get_player_by_name(name) then
			put_up()
			core.log("action", "conflict: figures " .. name)
		end
	end)
end)
