//! What can be called, and who may.

/// What somebody may do. Each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Be one of a controller's proxies; nothing of the interface.
    Proxy,
    /// See everything but addresses.
    Viewer,
    /// Move, kick, write to and ban players.
    Moderator,
    /// Change what servers and the proxy do.
    Admin,
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Viewer => "viewer",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
        }
    }
}

/// One call of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verb {
    /// Its service, without the package.
    pub service: &'static str,
    /// Its method.
    pub method: &'static str,
    /// The least role that may.
    pub role: Role,
    /// What it does, where rights are given as Kubernetes does: `get`, `list`, `watch`, `create`
    /// or `delete`.
    pub verb: &'static str,
    /// To what.
    pub resource: &'static str,
    /// To which aspect of it; empty for the thing itself.
    pub subresource: &'static str,
}

impl Verb {
    /// Resource and aspect, as roles of Kubernetes write them.
    pub(crate) fn resource(self) -> String {
        match self.subresource {
            "" => self.resource.to_owned(),
            aspect => format!("{}/{aspect}", self.resource),
        }
    }
}

macro_rules! verbs {
    ($($name:ident = $service:literal $method:literal $role:ident,
       $verb:literal $resource:literal $subresource:literal;)*) => {
        impl Verb {
            $(pub(crate) const $name: Self = Self {
                service: $service,
                method: $method,
                role: Role::$role,
                verb: $verb,
                resource: $resource,
                subresource: $subresource,
            };)*

            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

verbs! {
    LIST_PLAYERS = "PlayerService" "ListPlayers" Viewer, "list" "players" "";
    GET_PLAYER = "PlayerService" "GetPlayer" Viewer, "get" "players" "";
    INSPECT_PLAYER = "PlayerService" "InspectPlayer" Moderator, "get" "players" "connection";
    WATCH_PLAYERS = "PlayerService" "WatchPlayers" Viewer, "watch" "players" "";
    MOVE_PLAYER = "PlayerService" "MovePlayer" Moderator, "create" "players" "move";
    MOVE_PLAYERS = "PlayerService" "MovePlayers" Moderator, "create" "players" "move";
    KICK_PLAYER = "PlayerService" "KickPlayer" Moderator, "create" "players" "kick";
    SEND_MESSAGE = "PlayerService" "SendMessage" Moderator, "create" "players" "message";
    CREATE_BAN = "BanService" "CreateBan" Moderator, "create" "bans" "";
    DELETE_BAN = "BanService" "DeleteBan" Moderator, "delete" "bans" "";
    LIST_BANS = "BanService" "ListBans" Moderator, "list" "bans" "";
    CHECK_BAN = "BanService" "CheckBan" Moderator, "get" "bans" "";
    LIST_SERVERS = "ServerService" "ListServers" Viewer, "list" "servers" "";
    GET_SERVER = "ServerService" "GetServer" Viewer, "get" "servers" "";
    WATCH_SERVERS = "ServerService" "WatchServers" Viewer, "watch" "servers" "";
    SET_SERVER_STATE = "ServerService" "SetServerState" Admin, "create" "servers" "drain";
    LIST_PROXIES = "ProxyService" "ListProxies" Viewer, "list" "proxies" "";
    GET_PROXY = "ProxyService" "GetProxy" Viewer, "get" "proxies" "";
    DRAIN_PROXY = "ProxyService" "DrainProxy" Admin, "create" "proxies" "drain";
}
