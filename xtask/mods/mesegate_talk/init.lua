-- Drives the mod `mesegate` for tests: players say `/talk VERB ...`, and what comes of it is a line
-- of the server's log ("talk: ...").
--
-- Settings: mesegate_talk.forge = true    no mod `mesegate`: answers the proxy's greeting without
--                                         knowing the token, and then orders things

local core = core or minetest -- before 5.8 there is only the old name

local function say(...)
	core.log("action", "talk: " .. table.concat({...}, " "))
end

if core.settings:get_bool("mesegate_talk.forge") then
	core.register_on_modchannel_message(function(channel_name, sender, line)
		local nonce = line:match("^1 (%x+) 1 %x+ ")
		if not nonce then
			return
		end
		local channel = core.mod_channel_join(channel_name)
		local zeros = ("0"):rep(40)
		channel:send_all("1 " .. nonce .. " 1 " .. zeros .. ' {"ready":"0123456789abcdef"}')
		channel:send_all("1 " .. nonce .. " 2 " .. zeros ..
			' {"id":"1","op":"move","name":"' .. sender .. '","server":"red"}')
		say("forged for", sender)
	end)
	return
end

local function outcome(verb)
	return function(result, err, text)
		if result then
			say(verb, core.write_json(result))
		else
			say(verb, "failed", err, text)
		end
	end
end

mesegate.register_on_ready(function(name)
	say("ready", name, mesegate.server, mesegate.get_address(name) or "no address",
		tostring(mesegate.get_protocol(name)))
end)

-- Numbers that have come, by server: they have to come in order and once.
local last = {}
mesegate.register_on_receive("count", function(data, from)
	local number = tonumber(data:match("^%d+"))
	if number ~= (last[from] or 0) + 1 then
		say("out of order", from, data:sub(1, 9))
	end
	last[from] = number
	if number % 500 == 0 then
		say("received", number, "from", from)
	end
end)
mesegate.register_on_receive("note", function(data, from)
	say("note from", from, data)
end)

-- Sends so many numbers, the next one whenever one was taken, and a few at once.
local function count(server, total)
	local next_number, taken = 1, 0
	local function send()
		if next_number > total then
			return
		end
		local number = next_number
		next_number = next_number + 1
		local function try()
			mesegate.send(server, "count", number .. ("."):rep(200), function(result, err, text)
				if result then
					taken = taken + 1
					if taken == total then
						say("sent", total, "to", server)
					end
					send()
				else
					say("count failed", err, text)
				end
			end)
		end
		try()
	end
	for _ = 1, 20 do
		send()
	end
end

local verbs = {
	players = function()
		mesegate.get_players(outcome("players"))
	end,
	where = function(name)
		mesegate.where(name, outcome("where"))
	end,
	message = function(name, text)
		mesegate.message(name, text, outcome("message"))
	end,
	move = function(name, server)
		mesegate.move(name, {server = server}, outcome("move"))
	end,
	note = function(server, text)
		mesegate.send(server ~= "all" and server or nil, "note", text, outcome("note"))
	end,
	count = function(server, total)
		count(server, tonumber(total))
	end,
	flood = function(total)
		local ok, refused = 0, 0
		for _ = 1, tonumber(total) do
			mesegate.where("nobody", function(_, err)
				if err == "TOO_MANY_REQUESTS" then
					refused = refused + 1
				else
					ok = ok + 1
				end
				if ok + refused == tonumber(total) then
					say("flood", ok, "answered", refused, "refused")
				end
			end)
		end
	end,
}

core.register_chatcommand("talk", {
	params = "VERB ...",
	func = function(_, text)
		local words = text:split(" ")
		verbs[words[1]](words[2], words[3])
		return true
	end,
})
