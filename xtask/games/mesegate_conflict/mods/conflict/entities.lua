-- Entities: every visual, every property that names something, attachments.

local core, since = conflict.core, conflict.since

-- In the order in which they are put up. `at` is where; `to` names the one it is attached to.
conflict.figures = {}

local function figure(name, properties, more)
	more = more or {}
	properties.static_save = false
	properties.physical = false
	core.register_entity("conflict:" .. name, {
		initial_properties = properties,
		on_activate = function(self)
			self.object:set_armor_groups({fleshy = 100, conflict = 1})
			if more.dress then
				more.dress(self.object)
			end
		end,
	})
	table.insert(conflict.figures, {name = "conflict:" .. name, to = more.to,
		at = vector.new((#conflict.figures % 9) * 1.5 - 6, 12 + math.floor(#conflict.figures / 9) * 2, 13)})
end

local six = {"default_stone.png", "default_wood.png", "conflict_a.png", "conflict_b.png",
	"conflict_frame.png^[noalpha", conflict.deep}

figure("sprite", {visual = "sprite", textures = {"conflict_sheet.png"}, spritediv = {x = 2, y = 2},
	initial_sprite_basepos = {x = 1, y = 0}, nametag = "default_stone.png", nametag_color = "#ffff00",
	nametag_bgcolor = {a = 120, r = 0, g = 0, b = 80}, infotext = "default:stone"},
	{dress = function(object)
		object:set_animation({x = 1, y = 9}, 0, 0, true)
		local turn = {x = 0, y = 45, z = 0}
		if object.set_bone_override then
			object:set_bone_override("Head", {rotation = {vec = turn}})
		else
			object:set_bone_position("Head", {x = 0, y = 1, z = 0}, turn)
		end
	end})
figure("upright", {visual = "upright_sprite", visual_size = {x = 1, y = 2},
	textures = {"character.png^[resize:16x32", "conflict_b.png"}})
figure("cube", {visual = "cube", textures = six, damage_texture_modifier = "^default_stone.png^[brighten",
	glow = 7, shaded = false, backface_culling = true, show_on_minimap = true,
	selectionbox = {-0.3, -0.3, -0.3, 0.3, 0.3, 0.3, rotate = true}},
	{dress = function(object)
		object:set_texture_mod("^default_dirt.png^[opacity:120")
	end})
figure("mesh", {visual = "mesh", mesh = "boats_boat.obj", textures = {"default_wood.png"},
	colors = {"#ff0000", "#00ff00"}, visual_size = {x = 1, y = 1, z = 2}, use_texture_alpha = true})
figure("wielditem", {visual = "wielditem", wield_item = "default:stone", visual_size = {x = 0.4, y = 0.4}})
figure("item", {visual = "item", wield_item = "default:pick_wood 1 300 \"\\u0001color\\u0002#00ff00\\u0003\"",
	visual_size = {x = 0.4, y = 0.4}})
-- The old way to say what is shown.
figure("textured_item", {visual = "wielditem", textures = {"default:stick"}, visual_size = {x = 0.4, y = 0.4}})
if since(12) then
	figure("node", {visual = "node", node = {name = "default:fence_wood", param2 = 0}})
end
figure("child", {visual = "cube", textures = six, visual_size = {x = 0.3, y = 0.3}}, {to = "conflict:cube"})
figure("grandchild", {visual = "sprite", textures = {"conflict_c.png"}, visual_size = {x = 0.3, y = 0.3}},
	{to = "conflict:child"})
figure("hidden", {visual = "sprite", textures = {"default_stone.png"}, is_visible = false, pointable = false})
