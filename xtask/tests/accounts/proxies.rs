//! Two proxies with one PostgreSQL database: what one of them is told, the other knows.

use std::path::Path;
use std::time::{Duration, Instant};

use mesegate_testkit::{Bot, FakeServer, JoinError, World};
use xtask::postgres::Postgres;
use xtask::proxy::{Proxy, ProxySpec};

use crate::lab::{PATIENCE, connect, join, runtime, try_join};

/// How soon a mute holds everywhere.
const EVERYWHERE: Duration = Duration::from_secs(5);

/// How soon a ban does: half a second between two looks, and the way.
const BANNED: Duration = Duration::from_secs(1);

const FIELDS: &str = "admission: { freeFailures: 1, longestWaitSeconds: 300 }\n\
                      permissions: { groups: [ { name: staff, permissions: [ 'cmd_*' ] } ], \
                      players: [ { name: boss, groups: [ staff ] } ] }";

fn proxy(server: &FakeServer, url: &str, folder: &Path, name: &str) -> Proxy {
    let file = folder.join("database-url");
    std::fs::write(&file, url).unwrap();
    let spec = ProxySpec::new(&[("lobby", server.addr())])
        .proxy_fields(FIELDS)
        .folder(folder.join(name))
        .flag("--database-file", file.to_str().unwrap());
    Proxy::start(&spec).unwrap()
}

async fn hear(bot: &Bot, words: &str) {
    bot.expect_chat(words, PATIENCE).await.unwrap();
}

/// Says something until the answer has these words, and gives how long that took.
async fn until_told(bot: &Bot, words: &str) -> Duration {
    let began = Instant::now();
    loop {
        bot.say("hello").await;
        if bot.expect_chat(words, Duration::from_millis(200)).await.is_ok() {
            return began.elapsed();
        }
        assert!(began.elapsed() < PATIENCE, "never told {words:?}");
    }
}

fn text(refused: Result<Bot, JoinError>) -> String {
    match refused.map(drop) {
        Err(JoinError::Denied { text, .. }) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn mutes_bans_and_failed_logins_are_known_to_all_proxies_of_a_database() {
    let mut postgres = Postgres::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = postgres.url("postgres");
    runtime().block_on(async {
        // Each proxy has a key of its own, which its server knows players by.
        let servers = [0, 1].map(|_| FakeServer::of(World::new("lobby")).unwrap());
        let one = proxy(&servers[0], &url, folder.path(), "one");
        let other = proxy(&servers[1], &url, folder.path(), "other");
        let boss = join(one.address(), "boss", "secret").await;
        let bob = join(other.address(), "bob", "secret").await;
        boss.say(">mute bob 10m no shouting").await;
        hear(&boss, "bob is muted for 10 minutes.").await;
        let muted = until_told(&bob, "minutes: no shouting.").await;

        // Who is banned at one proxy leaves the other one, and is not let in there.
        let eve = join(other.address(), "eve", "secret").await;
        let ordered = Instant::now();
        boss.say(">ban eve no more").await;
        while eve.closed().is_none() {
            assert!(ordered.elapsed() < PATIENCE, "eve is still there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let banned = ordered.elapsed();
        println!("a ban was in force at the other proxy after {:.2} s", banned.as_secs_f64());
        assert!(banned < BANNED, "{banned:?}");
        let refused = text(try_join(other.address(), "eve", "secret").await);
        assert!(refused.contains("You are banned here: no more"), "{refused}");

        // Away: what is known holds, and who orders something is told.
        postgres.stop().unwrap();
        boss.say(">mute boss 1m").await;
        hear(&boss, "nothing was changed").await;
        boss.say(">unmute bob").await;
        hear(&boss, "nothing was changed").await;
        tokio::time::sleep(EVERYWHERE).await;
        bob.say("hello").await;
        hear(&bob, "minutes: no shouting.").await;
        postgres.resume().unwrap();
        let back = Instant::now();
        loop {
            boss.say(">unmute bob").await;
            if boss.expect_chat("bob may write again.", Duration::from_secs(2)).await.is_ok() {
                break;
            }
            assert!(back.elapsed() < PATIENCE, "no order any more");
        }
        let lifted = until_told(&bob, "<bob> hello").await;
        println!(
            "a mute was known to the other proxy after {:.2} s, its end after {:.2} s",
            muted.as_secs_f64(),
            lifted.as_secs_f64()
        );
        assert!(muted < EVERYWHERE && lifted < EVERYWHERE, "{muted:?}, {lifted:?}");
        bob.leave().await;

        // Somebody guesses at both, in turns.
        for (number, wait) in [0, 1, 2, 4, 8].into_iter().enumerate() {
            // Of what happened elsewhere a proxy knows the second.
            let late = if number == 4 { 2500 } else { 200 };
            tokio::time::sleep(Duration::from_millis(1000 * wait + late)).await;
            let proxy = if number == 4 { &other } else { &one };
            let text = text(try_join(proxy.address(), "bob", "guess").await);
            assert!(text.contains("Wrong password"), "{number}: {text}");
        }
        tokio::time::sleep(Duration::from_secs(7)).await;
        drop(one);
        let again = proxy(&servers[0], &url, folder.path(), "one");
        for proxy in [&again, &other] {
            // The fifth was counted at another proxy than those before.
            let text = text(try_join(proxy.address(), "bob", "secret").await);
            assert!(text.contains("Too many wrong passwords"), "{text}");
        }
        let mut db = connect(&url).await;
        let count = "SELECT number FROM mesegate_failure WHERE name = 'bob'";
        let count: i64 = sqlx::query_scalar(count).fetch_one(&mut db).await.unwrap();
        assert_eq!(count, 5, "one row, added up");
    });
}
