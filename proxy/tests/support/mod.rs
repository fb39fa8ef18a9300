//! The proxy as its users run it, a process of its own, with fake servers behind it and bots in
//! front. All addresses are on loopback and free, so tests run side by side.
#![allow(dead_code, unreachable_pub, missing_docs)]

mod documents;
mod http;
mod proxy;

use std::time::Duration;

use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::content::NodeDefs;
use mesegate_protocol::login::DenyCode;
use mesegate_testkit::{Bot, FakeServer, FakeServerOptions, JoinError, View, World};

pub use documents::Documents;
pub use proxy::{Launch, Proxy};

/// How long an answer may take on a machine that has much else to do.
pub const SOON: Duration = Duration::from_secs(10);

/// Runs a test, at most for `seconds`.
pub async fn within<T>(seconds: u64, test: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(seconds);
    tokio::time::timeout(limit, test).await.expect("the test takes too long")
}

/// Waits until `done` holds, and says what for if it never does.
pub async fn eventually(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + limit;
    while !done() {
        assert!(tokio::time::Instant::now() < end, "waited {limit:?} for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Where players of the second server start, far from those of the first.
pub const ARENA: [f32; 3] = [200.0, 33.5, -200.0];

/// Where players of the first server start.
pub const LOBBY: [f32; 3] = [0.0, 1.5, 0.0];

/// The first server of most tests.
pub fn lobby() -> World {
    World::new("lobby")
}

/// The second server: the same nodes as the lobby under other ids, one of them used there for
/// another node, and starts elsewhere.
pub fn arena() -> World {
    World::new("arena")
        .with_nodes([("testkit:dirt", 200), ("testkit:stone", 999), ("testkit:sand", 7)])
        .with_spawn(ARENA)
}

/// Two servers that fit each other and a proxy in front.
pub struct Pair {
    pub lobby: FakeServer,
    pub arena: FakeServer,
    pub proxy: Proxy,
}

impl Pair {
    pub async fn start() -> Self {
        Self::of(FakeServerOptions::new(lobby()), FakeServerOptions::new(arena())).await
    }

    pub async fn of(lobby: FakeServerOptions, arena: FakeServerOptions) -> Self {
        let lobby = FakeServer::start(lobby).unwrap();
        let arena = FakeServer::start(arena).unwrap();
        let documents = Documents::new()
            .server_with("lobby", lobby.addr(), "fallbacks: [ { server: arena } ]")
            .server("arena", arena.addr());
        let proxy = Launch::new(documents).start().await;
        Self { lobby, arena, proxy }
    }
}

/// The code, text and reconnect offer of a refusal; anything else fails the test.
pub fn refusal(result: Result<Bot, JoinError>) -> (DenyCode, String, bool) {
    match result {
        Err(JoinError::Denied { code, text, reconnect }) => (code, text, reconnect),
        other => panic!("not refused but {other:?}"),
    }
}

/// The name under which the bot's own definitions have a content id.
pub fn node_name(bot: &Bot, id: u16) -> String {
    let nodes = NodeDefs::decode(bot.node_def(), bot.version()).unwrap().nodes;
    nodes.into_iter().find(|node| node.id == id).map(|node| node.name).unwrap_or_default()
}

/// Asks for a server and waits for the first position there. Returns how long that took.
pub async fn go(bot: &Bot, server: &str, place: [f32; 3]) -> Duration {
    bot.travel(&format!(">server {server}"), place, 1.0, SOON).await.unwrap()
}

/// The block that holds a place.
pub fn block_at(place: [f32; 3]) -> [i16; 3] {
    place.map(|axis| (axis / 16.0).floor() as i16)
}

/// Waits for what a server sends last.
pub async fn settled(bot: &Bot, server: &FakeServer) {
    let around = block_at(server.world().spawn);
    let all = |view: &View| {
        let near = |position: &[i16; 3]| (0..3).all(|i| (position[i] - around[i]).abs() <= 1);
        let blocks = view.blocks.iter().filter(|(p, block)| near(p) && !block.ignored).count();
        blocks >= 18 && view.other_objects().len() >= usize::from(server.world().entities)
    };
    bot.until("all of the world", all).await.unwrap();
}

/// Fails if the client was told anything that would have ended an engine client.
pub fn assert_sound(bot: &Bot) {
    assert_eq!(bot.view().violations, Vec::<String>::new(), "{}", bot.name());
}

/// The newest protocol version.
pub const NEWEST: ProtocolVersion = ProtocolVersion::MAX;
