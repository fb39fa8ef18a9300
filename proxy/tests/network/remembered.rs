//! What proxies with one account store remember together, and over a restart: who is muted, and who
//! has guessed.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use mesegate_testkit::{Bot, FakeServer};

use crate::support::{Documents, Launch, Proxy, SOON, lobby, refusal, within};

const FOREVER: u64 = 120;

/// How soon other proxies know.
const EVERYWHERE: Duration = Duration::from_secs(5);

const FIELDS: &str = "admission: { freeFailures: 1, longestWaitSeconds: 300 }\n  \
                      permissions: { groups: [ { name: staff, permissions: [ 'cmd_*' ] } ], \
                      players: [ { name: Staff, groups: [ staff ] } ] }";

struct Site {
    _server: FakeServer,
    documents: Documents,
    proxy: Proxy,
    database: String,
}

impl Site {
    async fn open(database: String) -> Self {
        let server = FakeServer::of(lobby()).unwrap();
        let documents = Documents::new().server("lobby", server.addr()).proxy(FIELDS);
        let launch = Launch::new(documents.clone()).arg("--database", &database);
        Self { proxy: launch.start().await, _server: server, documents, database }
    }

    /// Ended properly and started again.
    async fn restart(&mut self) {
        self.proxy.terminate();
        self.proxy.ended().await;
        self.start().await;
    }

    async fn start(&mut self) {
        let again = self.proxy.again(self.documents.clone());
        self.proxy = again.arg("--database", &self.database).start().await;
    }
}

fn url(folder: &Path, kind: &str) -> String {
    match kind {
        "files" => format!("files:{}/accounts", folder.display()),
        _ => format!("sqlite:{}/auth.sqlite?mode=rwc", folder.display()),
    }
}

async fn hear(bot: &Bot, words: &str) {
    bot.expect_chat(words, SOON).await.unwrap();
}

/// Says something until the answer has these words, and gives how long that took.
async fn until_told(bot: &Bot, words: &str) -> Duration {
    let began = Instant::now();
    loop {
        bot.say("hello").await;
        if bot.expect_chat(words, Duration::from_millis(500)).await.is_ok() {
            return began.elapsed();
        }
        assert!(began.elapsed() < SOON + EVERYWHERE, "never told {words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mutes_are_known_to_all_proxies_of_a_store_and_survive_restarts() {
    within(FOREVER, async {
        for kind in ["sqlite", "files"] {
            let folder = tempfile::tempdir().unwrap();
            let database = url(folder.path(), kind);
            let mut one = Site::open(database.clone()).await;
            let other = Site::open(database.clone()).await;
            let staff = one.proxy.join("staff").await;
            let bob = other.proxy.join("bob").await;
            staff.say(">mute bob 10m no shouting").await;
            hear(&staff, "bob is muted for 10 minutes.").await;
            let took = until_told(&bob, "minutes: no shouting.").await;
            assert!(took < EVERYWHERE, "{kind}: after {took:?}");
            let show = Command::new(env!("CARGO_BIN_EXE_mesegate-proxy"))
                .args(["accounts", "--database", &database, "show", "bob"])
                .output()
                .unwrap();
            let shown = String::from_utf8_lossy(&show.stdout).into_owned();
            assert!(shown.contains("by staff: no shouting"), "{shown}");
            bob.leave().await;
            staff.leave().await;

            one.restart().await;
            let bob = one.proxy.join("bob").await;
            bob.say("hello").await;
            hear(&bob, "minutes: no shouting.").await;
            let staff = other.proxy.join("staff").await;
            staff.say(">unmute bob").await;
            hear(&staff, "bob may write again.").await;
            let took = until_told(&bob, "<bob> hello").await;
            assert!(took < EVERYWHERE, "{kind}: after {took:?}");
        }
    })
    .await;
}

async fn guess(proxy: &Proxy, password: &str) -> String {
    refusal(Bot::join(proxy.bot("Alice").with_password(password)).await).1
}

async fn guess_at(kind: &str) {
    let folder = tempfile::tempdir().unwrap();
    let database = url(folder.path(), kind);
    let mut one = Site::open(database.clone()).await;
    let other = Site::open(database).await;
    one.proxy.join("Alice").await.leave().await;
    for wait in [0, 1, 2, 4, 8] {
        tokio::time::sleep(Duration::from_millis(1000 * wait + 100)).await;
        let text = guess(&one.proxy, "guess").await;
        assert!(text.contains("Wrong password"), "{text}");
    }
    // Now it is 16 s. They are written soon, but nobody waits for that.
    tokio::time::sleep(Duration::from_secs(7)).await;
    for number in 0..2 {
        // Even the right password.
        let text = guess(&other.proxy, "").await;
        assert!(text.contains("Too many wrong passwords"), "{kind}, {number}: {text}");
    }
    one.restart().await;
    let text = guess(&one.proxy, "").await;
    assert!(text.contains("Too many wrong passwords"), "{kind}: {text}");
    assert!(!text.contains("16 seconds"), "{kind}: begun anew: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_gets_no_fresh_start_from_another_proxy_or_a_restart() {
    within(FOREVER, async {
        tokio::join!(guess_at("sqlite"), guess_at("files"));
    })
    .await;
}
