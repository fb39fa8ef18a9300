-- Talks to the Mesegate proxy in front of this server. doc/mod-api.md says what other mods can do
-- with it and how the lines look that are exchanged.
--
-- Needs in the server's configuration:
--   enable_mod_channels = true
--   mesegate.token = what `mesegate-proxy mod-token NAME` prints

local core = core or minetest -- before 5.8 there is only the old name

mesegate = {}

local VERSION = "1"
local PREFIX = "mesegate:"
local TIMEOUT = 35 -- seconds; the proxy gives up after 30

local token = core.settings:get("mesegate.token") or ""
-- Other mods get the settings, too; but they do not get it from here.
token = token:gsub("%s", "")

if token == "" then
	core.log("warning", "[mesegate] mesegate.token is not set; the proxy cannot be talked to")
end
if not core.settings:get_bool("enable_mod_channels", false) then
	core.log("warning", "[mesegate] enable_mod_channels is off; the proxy cannot be talked to")
end

-- Proofs -------------------------------------------------------------------------------------------

-- Exclusive or of a byte with a constant; Lua 5.1 has no operator for it.
local function xor(a, b)
	local result, bit = 0, 1
	while a > 0 or b > 0 do
		if a % 2 ~= b % 2 then
			result = result + bit
		end
		a, b, bit = math.floor(a / 2), math.floor(b / 2), bit * 2
	end
	return result
end

-- HMAC-SHA1 (RFC 2104); the key, 64 digits, is as long as a block.
local function pad(key, constant)
	local bytes = {}
	for i = 1, 64 do
		bytes[i] = string.char(xor(key:byte(i) or 0, constant))
	end
	return table.concat(bytes)
end

local inner, outer = pad(token, 0x36), pad(token, 0x5c)

local function proof(text)
	return core.sha1(outer .. core.sha1(inner .. text, true))
end

local secure = SecureRandom and SecureRandom()

local function nonce()
	local bytes = secure and secure:next_bytes(16)
	if not bytes then
		bytes = core.sha1(math.random() .. core.get_us_time(), true):sub(1, 16)
	end
	return (bytes:gsub(".", function(c)
		return string.format("%02x", c:byte())
	end))
end

-- Sessions -----------------------------------------------------------------------------------------

-- By player: how they are connected. `greeted` is one that has not proved itself yet.
local sessions, greeted = {}, {}
-- Calls that wait for an answer, by id: {callback, player, deadline, name}.
local calls = {}
local last_id = 0
local receivers, ready_hooks = {}, {}

local function proven(from, session, number, json)
	return table.concat({from, session.channel_name, session.theirs, session.ours, number, json},
		"\n")
end

local function write(session, message)
	local json = core.write_json(message)
	session.sent = session.sent + 1
	local line = proof(proven("mod", session, session.sent, json))
	session.channel:send_all(table.concat(
		{VERSION, session.theirs, string.format("%d", session.sent), line, json}, " "))
end

-- The message in a line, if the proxy wrote it for this session and it was not taken before.
local function read(session, nonce_of_line, number, line_proof, json)
	if session.theirs ~= nonce_of_line or number <= session.received then
		return nil
	end
	if proof(proven("proxy", session, string.format("%d", number), json)) ~= line_proof then
		return nil
	end
	session.received = number
	return core.parse_json(json)
end

local function finish(id, result, err, text)
	local call = calls[id]
	calls[id] = nil
	if call and call.callback then
		call.callback(result, err, text)
	end
end

local function greet(name, nonce_of_line, line_proof, json)
	local channel_name = PREFIX .. name
	local session = {
		player = name,
		channel_name = channel_name,
		channel = core.mod_channel_join(channel_name),
		theirs = nonce_of_line,
		ours = "",
		sent = 0,
		received = 0,
	}
	local hello = read(session, nonce_of_line, 1, line_proof, json)
	if not hello or hello.hello ~= name then
		core.log("warning", "[mesegate] a greeting for " .. name ..
			" was refused: the token is not the proxy's, or it was not the proxy")
		return
	end
	session.server = hello.server
	local ours = nonce()
	write(session, {ready = ours})
	session.ours, session.sent, session.received = ours, 0, 0
	greeted[name] = session
end

local function handle(session, message)
	if message.session then
		session.address, session.protocol = message.address, message.protocol
		mesegate.server = session.server
		for _, hook in ipairs(ready_hooks) do
			hook(session.player)
		end
	elseif message.result then
		finish(message.id, message.result)
	elseif message.error then
		if not message.id then
			core.log("error", "[mesegate] the proxy could not read a request: " .. message.text)
		else
			finish(message.id, nil, message.error, message.text)
		end
	elseif message.topic then
		for _, receiver in ipairs(receivers[message.topic] or {}) do
			receiver(message.data, message.from)
		end
	end
end

core.register_on_modchannel_message(function(channel_name, sender, line)
	if channel_name:sub(1, #PREFIX) ~= PREFIX then
		return
	end
	local name = channel_name:sub(#PREFIX + 1)
	-- The proxy speaks in the player's session. Nobody else has any business here.
	if sender ~= name or token == "" then
		return
	end
	local version, line_nonce, number, line_proof, json =
		line:match("^(%S+) (%x+) (%d+) (%x+) (.*)$")
	number = tonumber(number)
	if version ~= VERSION or not number then
		return
	end
	for _, list in ipairs({sessions, greeted}) do
		local session = list[name]
		local message = session and read(session, line_nonce, number, line_proof, json)
		if message then
			if list == greeted then
				-- Only who knows the token can write with our nonce.
				sessions[name], greeted[name] = session, nil
			end
			handle(session, message)
			return
		end
	end
	if number == 1 and not (sessions[name] and sessions[name].theirs == line_nonce) then
		greet(name, line_nonce, line_proof, json)
	end
end)

-- The open calls, as they are now: the callback of one may open others.
local function open_calls()
	local list = {}
	for id, call in pairs(calls) do
		list[id] = call
	end
	return pairs(list)
end

local ask

core.register_on_leaveplayer(function(player)
	local name = player:get_player_name()
	local session = sessions[name] or greeted[name]
	sessions[name], greeted[name] = nil, nil
	if session then
		session.channel:leave()
	end
	for id, call in open_calls() do
		if call.player == name then
			if call.moved == name then
				-- The answer could only have come through the session that the move has ended.
				finish(id, {outcome = "moved", server = call.target})
			elseif call.again then
				ask(id, call)
			else
				finish(id, nil, "PLAYER_LEFT", "the player whose session was used has left")
			end
		end
	end
end)

local function watch()
	local now = core.get_us_time()
	for id, call in open_calls() do
		if now > call.deadline then
			finish(id, nil, "TIMEOUT", "the proxy did not answer")
		end
	end
	core.after(1, watch)
end
core.after(1, watch)

-- A session to ask through: any but that of `not_of`, if there is another.
local function any_session(not_of)
	local found
	for name, session in pairs(sessions) do
		if name ~= not_of then
			return session
		end
		found = session
	end
	return found
end

-- Sends a call, through the session of any player but `not_of` if there is another.
function ask(id, call, not_of)
	local session = any_session(not_of)
	if not session then
		finish(id, nil, "NOT_CONNECTED", "nobody is here through the proxy")
		return
	end
	call.player = session.player
	write(session, call.request)
end

local function call(request, callback, not_of)
	last_id = last_id + 1
	local id = tostring(last_id)
	request.id = id
	calls[id] = {
		callback = callback,
		request = request,
		deadline = core.get_us_time() + TIMEOUT * 1000000,
		-- What only reads may be asked again when the player leaves through whom it was asked.
		again = request.op == "players" or request.op == "where",
		moved = request.op == "move" and request.name,
		target = request.server or request.group,
	}
	ask(id, calls[id], not_of)
end

-- What mods can do ---------------------------------------------------------------------------------

-- Callbacks get `result`, or `nil, error, text`: error is a name such as "NO_SUCH_PLAYER".

-- Whether the proxy can be asked now: somebody is here through it.
function mesegate.is_connected()
	return next(sessions) ~= nil
end

-- `function(player_name)` is called when somebody's session with the proxy stands.
function mesegate.register_on_ready(hook)
	table.insert(ready_hooks, hook)
end

-- result = {players = {{name =, server =}, ...}, more = bool}; at most 200, by name after `after`.
function mesegate.get_players(callback, after)
	call({op = "players", after = after}, callback)
end

-- result = {name =, server =}
function mesegate.where(name, callback)
	call({op = "where", name = name}, callback)
end

-- The real IP address of a player who is here, or nil where the proxy does not tell it.
function mesegate.get_address(name)
	return sessions[name] and sessions[name].address
end

-- The version of the network protocol that a player's own client speaks.
function mesegate.get_protocol(name)
	return sessions[name] and sessions[name].protocol
end

-- Writes a line into somebody's chat, wherever they are.
function mesegate.message(name, text, callback)
	call({op = "message", name = name, text = text}, callback)
end

-- target = {server = NAME} or {group = NAME}; result = {outcome =, server =}
function mesegate.move(name, target, callback)
	call({
		op = "move",
		name = name,
		server = target.server,
		group = target.group,
		allow_reconnect = target.allow_reconnect,
	}, callback, name)
end

-- Sends data, a string, to the mods of a server; to those of all others if `server` is nil.
-- result = {servers = how many, waiting = how many of them have nobody there who could carry it}
function mesegate.send(server, topic, data, callback)
	call({op = "send", server = server, topic = topic, data = data}, callback)
end

-- `function(data, from_server)` is called with what other servers send about a topic.
function mesegate.register_on_receive(topic, receiver)
	receivers[topic] = receivers[topic] or {}
	table.insert(receivers[topic], receiver)
end
