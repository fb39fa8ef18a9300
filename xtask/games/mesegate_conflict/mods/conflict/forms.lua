-- Forms: every element that names a texture, an item or a model, and texts that only look so.

local core, since = conflict.core, conflict.since
local esc = core.formspec_escape

-- Quotes around values are part of the value for clients of 5.6.
local quoted = since(10) and "<img name=\"conflict_b.png^default_stone.png\">" ..
	"<item name='default:pick_wood 1 200'>" or ""

-- `location` is where the list at the end is.
function conflict.form(location)
	return "formspec_version[4]size[16,12]" ..
		"style[styled;bgimg=default_stone.png;bgimg_hovered=conflict_b.png;bgimg_pressed=" ..
			esc("conflict_a.png^[colorize:#f00:90") .. ";bgimg_middle=2;sound=default_place_node]" ..
		"style_type[image_button;fgimg=default_wood.png;fgimg_hovered=conflict_c.png;sound=conflict_ping]" ..
		"style[plain:hovered;textcolor=#ff0]" ..
		"background[0,0;2,2;default_dirt.png]background[0,0;1,1;conflict_b.png;true]" ..
		"background9[0,0;16,12;default_stone.png;false;4]" ..
		"image[0.2,0.2;1,1;" .. esc(conflict.deep) .. "]image[1.4,0.2;1,1;default_stone.png;2]" ..
		"animated_image[2.6,0.2;1,1;moving;conflict_anim.png;4;0]" ..
		"item_image[3.8,0.2;1,1;default:stone]item_image[5,0.2;1,1;default:pick_wood 1 3000]" ..
		"item_image[6.2,0.2;1,1;stone]" ..
		"item_image_button[7.4,0.2;1,1;default:stone 5;default:stone;default:stone]" ..
		"image_button[8.6,0.2;1,1;default_wood.png;default_wood.png;default_wood.png]" ..
		"image_button[9.8,0.2;1,1;default_wood.png;pressed;x;false;true;" ..
			esc("conflict_b.png^default_stone.png") .. "]" ..
		"image_button_exit[11,0.2;1,1;conflict_a.png;leave;x]" ..
		"model[12.2,0.2;2,2;model;boats_boat.obj;default_wood.png," .. esc(conflict.deep) ..
			";0,30;false;false;0,0;0]" ..
		"tablecolumns[image,0=default_stone.png,1=" .. esc("conflict_a.png^conflict_c.png") ..
			",align=left;text;color;tree]" ..
		"table[0.2,2.4;4,2;table;0,default_stone.png,#ff0000,0,1,default:stone,#00ff00,1;1]" ..
		"hypertext[4.6,2.4;5,2;hyper;" .. esc("<b>default_stone.png</b> \\<img name=default_stone.png> " ..
			"<img name=default_stone.png width=16 height=16><img name=conflict_b.png^conflict_c.png>" ..
			"<item name=default:stone width=16>" .. quoted ..
			"<action name=default:stone>default:stone</action>") .. "]" ..
		"label[0.2,5;default_stone.png default:stone]vertlabel[15.5,1;default.png]" ..
		"button[4.6,4.8;2,0.8;styled;default_stone.png]button[7,4.8;2,0.8;plain;default:stone]" ..
		"field[10,2.6;3,0.8;field;default_stone.png;default_stone.png]" ..
		"textarea[10,3.8;3,1;area;default:stone;default:stone\ndefault_wood.png]" ..
		"dropdown[10,5;3,0.8;choice;default:stone,default_stone.png;2]" ..
		"textlist[13.2,2.6;2,2;rows;default_stone.png,default:stone;1]" ..
		"checkbox[13.2,5;check;default_stone.png;true]pwdfield[0.2,5.6;3,0.8;pwd;default_stone.png]" ..
		"tabheader[0,0;tabs;default_stone.png,default:stone;1]box[3.6,5.4;0.5,0.5;#ff00ff]" ..
		"tooltip[plain;default_stone.png;#000;#fff]listcolors[#888;#aaa;#000]bgcolor[#080808bb;true]" ..
		(since(9) and "button_url[13.2,5.4;2,0.8;url;default_stone.png;https://example.org/default_stone.png]" or "") ..
		"container[0,6]image[14.6,0;1,1;conflict_palette.png]container_end[]" ..
		"list[" .. location .. ";main;0.2,6.6;8,1;]list[current_player;main;0.2,8;8,2;]listring[]"
end
