-- The project's own test game. It takes names of Minetest Game for other things, numbers its nodes
-- in another order, and has at least one of everything that a proxy in front of several worlds has
-- to translate. It has to load in every engine since 5.6, stands still, and looks the same to
-- everybody who joins.
--
-- Chat commands: /conflict show     everything at once that is not in the world itself
--                /conflict picture  the part of it that does not move, for screenshots
--                /conflict form     a form with every element that names something

conflict = {}

local core = core or minetest -- before 5.8 there is only the old name
conflict.core = core

-- Later engines write `5.10.0`, all of them with two dots.
conflict.minor = tonumber(core.get_version().string:match("^5%.(%d+)")) or 0

function conflict.since(minor)
	return conflict.minor >= minor
end

-- Escapes a texture that is an argument of a texture modifier.
function conflict.nest(texture)
	return (texture:gsub("[\\^:]", "\\%0"))
end

local nest = conflict.nest

-- A texture inside a texture inside a texture inside a texture.
conflict.deep = "conflict_a.png^[mask:" .. nest(
	"conflict_frame.png^[combine:16x16:0,0=" .. nest(
		"conflict_b.png^(conflict_c.png^[opacity:128)^[lowpart:50:" .. nest(
			"default_stone.png^[colorize:#00ff00:60")))

local path = core.get_modpath("conflict")
for _, part in ipairs({"nodes", "items", "entities", "forms", "scene", "show"}) do
	dofile(path .. "/" .. part .. ".lua")
end
