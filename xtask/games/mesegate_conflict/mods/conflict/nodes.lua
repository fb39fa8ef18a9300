-- Nodes: every draw type, every kind of reference, and names that mean something else elsewhere.

local core, since, nest = conflict.core, conflict.since, conflict.nest
local S = core.get_translator("conflict")

-- In the order of registration, which is also the order of the scene.
conflict.shown = {}

local function node(name, def)
	def.description = def.description or name
	def.groups = def.groups or {oddly_breakable_by_hand = 2}
	def.light_source = def.light_source or 5
	def.paramtype = def.paramtype or "light"
	core.register_node(":" .. name, def)
	if not def.hidden then
		table.insert(conflict.shown, {name = name, param2 = def.shown_param2 or 0})
	end
end

local function sound(name)
	return {name = name, gain = 0.5, pitch = 1.1}
end

-- The footstep is nobody's: it stays as it is, and nothing is heard.
local sounds = {footstep = sound("conflict_silent"), dig = sound("__group"),
	dug = sound("default_dug_node"), place = sound("default_place_node"),
	place_failed = sound("conflict_ping")}

-- Registered from the end of the alphabet, so that ids go the other way round.
node("default:wood", {tiles = {"default_wood.png^[transformR90"}, sounds = sounds,
	groups = {choppy = 1, fence = 1}})
node("default:torch", {drawtype = "mesh", mesh = "torch_floor.obj", walkable = false, use_texture_alpha = "clip",
	tiles = {{name = "default_torch_on_floor.png", backface_culling = false}}})
node("default:stone", {description = S("A stone of another kind"), sounds = sounds,
	tiles = {"default_stone.png"}, node_dig_prediction = "default:dirt"})
node("default:glass", {drawtype = "glasslike_framed", sunlight_propagates = true,
	paramtype2 = "glasslikeliquidlevel", shown_param2 = 30,
	tiles = {"default_glass.png", "default_glass.png^[opacity:100"},
	special_tiles = {"default_water.png"}, use_texture_alpha = "blend"})
node("default:dirt", {tiles = {"default_dirt.png^conflict_c.png"}, sounds = sounds})
-- Items in Minetest Game.
node("default:stick", {drawtype = "fencelike", tiles = {"default_wood.png"}})
node("default:coal_lump", {drawtype = "allfaces", tiles = {"conflict_frame.png"}})

local function liquid(name, tint)
	local both = {liquid_alternative_source = name .. "_source",
		liquid_alternative_flowing = name .. "_flowing", liquid_viscosity = 2, liquid_range = 3,
		liquid_renewable = false, walkable = false, pointable = false, buildable_to = true,
		drowning = 1, damage_per_second = 0, use_texture_alpha = "blend",
		post_effect_color = {a = 100, r = 200, g = 0, b = 0}, hidden = true}
	local function still(file)
		return {name = file, backface_culling = false,
			animation = {type = "vertical_frames", aspect_w = 16, aspect_h = 16, length = 2}}
	end
	local source = table.copy(both)
	source.drawtype, source.liquidtype = "liquid", "source"
	source.tiles = {"default_water.png" .. tint}
	source.special_tiles = {still("default_water_source_animated.png")}
	node(name .. "_source", source)
	local flowing = table.copy(both)
	flowing.drawtype, flowing.liquidtype = "flowingliquid", "flowing"
	flowing.paramtype2 = "flowingliquid"
	flowing.tiles = {"default_water.png" .. tint}
	flowing.special_tiles = {"default_water.png" .. tint, "default_water.png" .. tint}
	node(name .. "_flowing", flowing)
end

liquid("default:water", "")
liquid("conflict:acid", "^[multiply:#40ff40")

node("default:fence_wood", {drawtype = "nodebox", tiles = {"default_wood.png"},
	node_box = {type = "connected", fixed = {-0.1, -0.5, -0.1, 0.1, 0.5, 0.1},
		connect_left = {-0.5, 0, -0.05, -0.1, 0.2, 0.05},
		connect_right = {0.1, 0, -0.05, 0.5, 0.2, 0.05},
		disconnected_top = {-0.2, 0.4, -0.2, 0.2, 0.5, 0.2}},
	connects_to = {"group:fence", "default:stone", "conflict:deep", "default:stick"},
	connect_sides = {"left", "right"}, groups = {fence = 1}})

-- Own names -----------------------------------------------------------------------------------------

node("conflict:base", {tiles = {"conflict_a.png"}, paramtype = "none", is_ground_content = true})
node("conflict:deep", {tiles = {conflict.deep}, overlay_tiles = {"", "", "conflict_frame.png"}})
node("conflict:same_picture", {tiles = {"conflict_red.png"}})
node("conflict:airlike", {drawtype = "airlike", inventory_image = "conflict_c.png",
	wield_image = "conflict_c.png^[transformFX"})
node("conflict:glasslike", {drawtype = "glasslike", tiles = {"default_glass.png"},
	use_texture_alpha = "clip"})
node("conflict:glass_optional", {drawtype = "glasslike_framed_optional",
	tiles = {"default_glass.png", "conflict_frame.png"}})
node("conflict:leaves", {drawtype = "allfaces_optional", tiles = {"conflict_plant.png"},
	special_tiles = {"conflict_frame.png"}, waving = 0})
node("conflict:torchlike", {drawtype = "torchlike", paramtype2 = "wallmounted", shown_param2 = 1,
	tiles = {"conflict_c.png", "conflict_c.png^[colorize:#f00:80", "conflict_b.png"}})
node("conflict:signlike", {drawtype = "signlike", paramtype2 = "wallmounted", shown_param2 = 1,
	tiles = {"default_chest_front.png"}, selection_box = {type = "wallmounted"}})
node("conflict:plantlike", {drawtype = "plantlike", paramtype2 = "meshoptions", shown_param2 = 2,
	tiles = {"conflict_plant.png"}, visual_scale = 1.2})
node("conflict:degrotate", {drawtype = "plantlike", paramtype2 = "degrotate", shown_param2 = 20,
	tiles = {"conflict_plant.png^[multiply:#ff8080"}})
node("conflict:firelike", {drawtype = "firelike", tiles = {"conflict_c.png"}})
node("conflict:raillike", {drawtype = "raillike", walkable = false, groups = {rail = 1, dig_immediate = 3},
	tiles = {"conflict_rail.png", "conflict_rail.png^[transformR90", "conflict_b.png", "conflict_a.png"}})
node("conflict:rooted", {drawtype = "plantlike_rooted", paramtype2 = "leveled", shown_param2 = 16,
	tiles = {"default_dirt.png"}, special_tiles = {{name = "conflict_plant.png", tileable_vertical = true}}})
node("conflict:nodebox", {drawtype = "nodebox", paramtype2 = "leveled", shown_param2 = 32,
	leveled = 32, leveled_max = 64, tiles = {"default_stone.png", "conflict_b.png"},
	node_box = {type = "leveled", fixed = {-0.5, -0.5, -0.5, 0.5, 0, 0.5}}})
node("conflict:wallbox", {drawtype = "nodebox", paramtype2 = "wallmounted", shown_param2 = 1,
	tiles = {"conflict_a.png"}, node_box = {type = "wallmounted"}})
node("conflict:mesh", {drawtype = "mesh", mesh = "conflict_box.obj", paramtype2 = "facedir",
	shown_param2 = 1, tiles = {"default_chest_front.png"}, visual_scale = 0.9,
	collision_box = {type = "fixed", fixed = {{-0.4, -0.5, -0.4, 0.4, 0.4, 0.4}}}})
node("conflict:anim", {tiles = {{name = "conflict_sheet.png", align_style = "world", scale = 1,
	color = "#ffc0c0"}, "conflict_b.png^[sheet:1x1:0,0"}})
node("conflict:cubes", {tiles = {"conflict_a.png"},
	inventory_image = "[inventorycube{default_stone.png&conflict_c.png{conflict_a.png{conflict_b.png"})
node("conflict:modified", {tiles = {"default_stone.png^[brighten", "default_wood.png^[noalpha",
	"conflict_b.png^[makealpha:230,60,30", "conflict_anim.png^[verticalframe:4:2",
	"conflict_b.png^[resize:8x8^[invert:rgb", "conflict_a.png^[crack:1:3"}})
if since(8) then
	node("conflict:overlaid", {tiles = {"conflict_a.png^[overlay:" .. nest("default_stone.png^[hsl:30:20:0"),
		"conflict_a.png^[hardlight:" .. nest("conflict_b.png^[contrast:20"),
		"[fill:16x16:#8000ff^[screen:#101010", "conflict_b.png^[colorizehsl:20"}})
end
node("conflict:palette", {tiles = {"conflict_frame.png^[noalpha"}, paramtype2 = "color", shown_param2 = 77,
	palette = "conflict_palette.png", color = "#ffffff"})
node("conflict:colorfacedir", {tiles = {"conflict_a.png", {name = "conflict_b.png", color = "white"}},
	paramtype2 = "colorfacedir", shown_param2 = 32 * 5 + 2, palette = "conflict_palette8.png"})
node("conflict:colorwall", {drawtype = "signlike", tiles = {"conflict_frame.png"}, shown_param2 = 8 * 9 + 1,
	paramtype2 = "colorwallmounted", palette = "conflict_palette.png^[transformFY"})
node("conflict:colordeg", {drawtype = "plantlike", tiles = {"conflict_plant.png"}, shown_param2 = 32 * 3 + 4,
	paramtype2 = "colordegrotate", palette = "conflict_palette8.png"})
if since(7) then
	node("conflict:color4dir", {tiles = {"conflict_a.png", "conflict_b.png"}, shown_param2 = 4 * 9 + 1,
		paramtype2 = "color4dir", palette = "conflict_palette.png"})
	node("conflict:4dir", {tiles = {"conflict_a.png", "conflict_b.png"}, paramtype2 = "4dir", shown_param2 = 2})
end
node("conflict:meta", {tiles = {"default_chest_front.png"}})

-- Aliases: one that Minetest Game has with another target, one that is a node there, own ones, and
-- what the map generator asks for.
core.register_alias("stone", "conflict:base")
core.register_alias("default:cobble", "default:stone")
core.register_alias("conflict:old", "conflict:deep")
core.register_alias("mapgen_stone", "conflict:base")
core.register_alias("mapgen_water_source", "default:water_source")
core.register_alias("mapgen_river_water_source", "conflict:acid_source")
