//! What the services are over.

use std::net::IpAddr;
use std::time::Instant;

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::control::v1::DataCommand;

use crate::failure::Failure;
use crate::select::Selection;

/// A part of the list of players.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// By name.
    pub players: Vec<pb::Player>,
    /// Whether more follow.
    pub more: bool,
    /// How many are meant in all.
    pub total: usize,
}

/// What has changed in the list of players.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Somebody came, or is somewhere else now.
    Present(pb::Player),
    /// Somebody of that name left.
    Gone(String),
}

/// Why no further changes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// So many were missed.
    Behind(u64),
    /// The process ends.
    Stopping,
}

/// Changes in the order in which they were made.
#[tonic::async_trait]
pub trait Changes: Send {
    /// The next one.
    async fn next(&mut self) -> Result<Change, Ended>;
}

/// Something that happens again and again.
#[tonic::async_trait]
pub trait Signal: Send {
    /// Waits until it has happened since the last call, at least once. May never return.
    async fn happened(&mut self);
}

/// Where to, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// A server or group; [`Network::check_target`] knew it.
    pub target: pb::Target,
    /// Whether the player may be asked to connect anew.
    pub allow_reconnect: bool,
    /// Only tells what would be done.
    pub dry_run: bool,
}

/// What became of a move, and where the player is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// What became of it; never FAILED.
    pub outcome: pb::MoveOutcome,
    /// Where the player is now.
    pub server: String,
}

/// The end of a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kick {
    /// What the player reads.
    pub text: String,
    /// Whether the client offers to reconnect.
    pub reconnect: bool,
    /// Whether a ban is the cause, or an operator.
    pub ban: bool,
}

/// A ban to be made. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct NewBan {
    /// Whom it concerns.
    pub subject: Option<pb::BanSubject>,
    /// What the player reads: printable, at most 500 bytes; may be empty.
    pub reason: String,
    /// What only operators read: at most 2000 bytes.
    pub note: String,
    /// Who makes it.
    pub author: String,
    /// Now.
    pub created: i64,
    /// When it ends by itself: after now.
    pub expires: Option<i64>,
}

/// Which ban.
#[derive(Debug, Clone, PartialEq)]
pub enum BanKey {
    /// By its id.
    Id(String),
    /// The one about exactly this subject.
    Subject(Option<pb::BanSubject>),
}

/// Players, servers, proxies and bans, and what can be done to them. All of it is shown with
/// addresses; the services take them out for callers who may not see them.
///
/// What has a deadline is given up then and fails with TIMEOUT.
#[tonic::async_trait]
pub trait Network: Send + Sync + 'static {
    /// Players who are meant, by name: at most `limit` that come after `after`.
    fn players(&self, after: Option<&str>, limit: usize, wanted: &Selection) -> Page;

    /// The player of that name.
    fn player(&self, name: &str) -> Option<pb::Player>;

    /// Everybody, and all changes from that very moment on.
    fn follow(&self) -> (Vec<pb::Player>, Box<dyn Changes>);

    /// All servers, by name.
    fn servers(&self) -> Vec<pb::Server>;

    /// Whatever changes [`Network::servers`].
    fn server_changes(&self) -> Box<dyn Signal>;

    /// All proxies, by name.
    fn proxies(&self) -> Vec<pb::Proxy>;

    /// Whether there is such a target.
    fn check_target(&self, target: &pb::Target) -> Result<(), Failure>;

    /// Sends a player to a target and waits until they are there.
    async fn go(&self, name: &str, order: &Move, deadline: Instant) -> Result<Moved, Failure>;

    /// Ends a player's visit.
    async fn kick(&self, name: &str, kick: Kick, deadline: Instant) -> Result<(), Failure>;

    /// Writes a line into the chat of players, who can answer the player `from`; gives how many were
    /// sent it.
    async fn tell(
        &self,
        wanted: &Selection,
        text: &str,
        from: Option<&str>,
        deadline: Instant,
    ) -> Result<u32, Failure>;

    /// The player of that name with all that is known of them, as [`Network::player`] need not have
    /// it at hand.
    async fn find(&self, name: &str, _deadline: Instant) -> Result<pb::Player, Failure> {
        self.player(name).ok_or_else(|| Failure::no_such_player(name))
    }

    /// How the connections of a player do.
    async fn inspect(
        &self,
        name: &str,
        deadline: Instant,
    ) -> Result<pb::InspectPlayerResponse, Failure>;

    /// Hands data of servers' mods to another server's, by way of a player there; gives how many of
    /// the parcels were taken, from the first on.
    async fn carry(&self, data: DataCommand, deadline: Instant) -> Result<u32, Failure>;

    /// Sets whether players may enter a server. `by` is who asked.
    async fn set_state(
        &self,
        server: &str,
        state: pb::ServerState,
        by: &str,
        deadline: Instant,
    ) -> Result<(), Failure>;

    /// Sets whether a proxy lets players in.
    async fn drain(&self, proxy: &str, cancel: bool, deadline: Instant) -> Result<(), Failure>;

    /// Makes a ban; gives it, and who was sent away.
    async fn create_ban(
        &self,
        ban: NewBan,
        deadline: Instant,
    ) -> Result<(pb::Ban, Vec<String>), Failure>;

    /// Lifts a ban.
    async fn delete_ban(&self, key: BanKey, deadline: Instant) -> Result<pb::Ban, Failure>;

    /// At most `limit` bans in the order in which they were made, after the one with the key
    /// `after`; each with its key.
    async fn bans(
        &self,
        after: Option<&str>,
        limit: usize,
        include_expired: bool,
    ) -> Result<Vec<(String, pb::Ban)>, Failure>;

    /// The ban that keeps somebody out.
    async fn banned(
        &self,
        name: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Option<pb::Ban>, Failure>;

    /// Waits until the process was asked to stop.
    async fn stopped(&self);
}
