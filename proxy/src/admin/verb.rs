//! What can be called, and who may.

/// What somebody may do. Each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
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
            Self::Viewer => "viewer",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
        }
    }
}

/// One call of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verb {
    pub(crate) service: &'static str,
    pub(crate) method: &'static str,
    /// The least role that may.
    pub(crate) role: Role,
}

macro_rules! verbs {
    ($($name:ident = $service:literal $method:literal $role:ident;)*) => {
        impl Verb {
            $(pub(crate) const $name: Self =
                Self { service: $service, method: $method, role: Role::$role };)*

            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

verbs! {
    LIST_PLAYERS = "PlayerService" "ListPlayers" Viewer;
    GET_PLAYER = "PlayerService" "GetPlayer" Viewer;
    WATCH_PLAYERS = "PlayerService" "WatchPlayers" Viewer;
    MOVE_PLAYER = "PlayerService" "MovePlayer" Moderator;
    MOVE_PLAYERS = "PlayerService" "MovePlayers" Moderator;
    KICK_PLAYER = "PlayerService" "KickPlayer" Moderator;
    SEND_MESSAGE = "PlayerService" "SendMessage" Moderator;
    CREATE_BAN = "BanService" "CreateBan" Moderator;
    DELETE_BAN = "BanService" "DeleteBan" Moderator;
    LIST_BANS = "BanService" "ListBans" Moderator;
    CHECK_BAN = "BanService" "CheckBan" Moderator;
    LIST_SERVERS = "ServerService" "ListServers" Viewer;
    GET_SERVER = "ServerService" "GetServer" Viewer;
    WATCH_SERVERS = "ServerService" "WatchServers" Viewer;
    SET_SERVER_STATE = "ServerService" "SetServerState" Admin;
    LIST_PROXIES = "ProxyService" "ListProxies" Viewer;
    GET_PROXY = "ProxyService" "GetProxy" Viewer;
    DRAIN_PROXY = "ProxyService" "DrainProxy" Admin;
}
