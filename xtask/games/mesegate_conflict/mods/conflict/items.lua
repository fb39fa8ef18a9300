-- Items: the hand, tools and things with every field that names something.

local core, since = conflict.core, conflict.since
local S = core.get_translator("conflict")

local function item(kind, name, def)
	def.description = def.description or name
	core["register_" .. kind](":" .. name, def)
end

core.override_item("", {
	wield_image = "wieldhand.png^[colorize:#00f:40",
	wield_scale = {x = 1, y = 1.2, z = 2.5},
	range = 6,
	tool_capabilities = {full_punch_interval = 0.7, max_drop_level = 0,
		groupcaps = {oddly_breakable_by_hand = {times = {0.5, 0.4, 0.3}, uses = 0, maxlevel = 3}},
		damage_groups = {fleshy = 3}},
})

item("tool", "default:pick_wood", {
	description = S("Say @1", "default_stone.png"), short_description = "default:stone",
	inventory_image = "default_tool_woodpick.png",
	inventory_overlay = "conflict_frame.png^[colorize:#ff0:90",
	wield_image = "default_tool_woodpick.png^[transformR90", wield_overlay = "conflict_c.png",
	palette = "conflict_palette.png", color = "#80ff80", range = 5,
	sound = {breaks = "default_dug_node", punch_use = {name = "conflict_ping"},
		punch_use_air = {name = "default_place_node"}},
	tool_capabilities = {full_punch_interval = 1.4, max_drop_level = 2, punch_attack_uses = 33,
		groupcaps = {cracky = {times = {[1] = 3.5, [3] = 1.2}, uses = 7, maxlevel = 2}},
		damage_groups = {fleshy = 9, icy = 1}},
	wear_color = since(9) and {blend = "linear", color_stops = {[0] = "#ff0000", [1] = "#00ff00"}} or nil,
	touch_interaction = since(9) and {pointed_nothing = "user"} or nil,
	pointabilities = since(9) and {nodes = {["default:stone"] = "blocking", ["group:fence"] = true},
		objects = {["conflict:cube"] = false}} or nil,
})

-- A node in Minetest Game.
item("craftitem", "default:chest", {inventory_image = "default_chest_front.png", stack_max = 7,
	liquids_pointable = true, sound = {place = "default_chest_open", place_failed = "conflict_ping",
	eat = "default_chest_open"}, node_placement_prediction = "default:stone"})
item("craftitem", "conflict:sheet", {inventory_image = "conflict_sheet.png^[sheet:2x2:1,0",
	wield_image = conflict.deep, groups = {conflict = 3}})
item("craftitem", "conflict:plain", {})
if since(15) then
	item("craftitem", "conflict:moving", {inventory_image = {name = "conflict_anim.png",
		animation = {type = "vertical_frames", aspect_w = 16, aspect_h = 16, length = 2}}})
end

-- What players carry: items with metadata that changes how they look.
function conflict.stacks()
	local one = ItemStack("default:pick_wood 1 20000")
	local meta = one:get_meta()
	meta:set_string("description", "default_stone.png default:stone")
	meta:set_string("color", "#ff00ff")
	meta:set_int("palette_index", 5)
	meta:set_string("inventory_image", "default_stone.png^[resize:16x16^conflict_c.png")
	meta:set_string("inventory_overlay", conflict.deep)
	meta:set_string("wield_image", "default_wood.png")
	meta:set_string("wield_overlay", "conflict_frame.png")
	meta:set_string("wield_scale", "(1,2,1)")
	meta:set_string("count_meta", "7x")
	meta:set_string("anything", "default_stone.png default:stone \"quoted\" \\ line\nbreak")
	meta:set_tool_capabilities({full_punch_interval = 2, max_drop_level = 1,
		groupcaps = {cracky = {times = {[2] = 2.5}, uses = 3, maxlevel = 1}},
		damage_groups = {fleshy = 4}})
	local two = ItemStack("default:stone 12")
	two:get_meta():set_string("description", "\27(T@conflict)hello\27E")
	local three = ItemStack("conflict:sheet 2")
	three:get_meta():set_string("inventory_image", "conflict_b.png^[sheet:1x1:0,0")
	return {one, two, three, ItemStack("default:chest 3"), ItemStack(""), ItemStack("conflict:palette 4"),
		ItemStack("conflict:cubes"), ItemStack("default:stick 9")}
end
