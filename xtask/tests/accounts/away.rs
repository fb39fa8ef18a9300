//! The database goes away and comes back while people play.

use std::time::{Duration, Instant};

use mesegate_testkit::JoinError;
use xtask::lab::{Generation, Lab};
use xtask::postgres::Postgres;

use crate::lab::{PATIENCE, connect, join, lobby, proxy, runtime, try_join};

const PLAYERS: usize = 20;

/// How long a login may take to be told that the database is away.
const AT_ONCE: Duration = Duration::from_secs(4);

#[test]
#[ignore = "needs the lab: real servers"]
fn players_stay_and_logins_fail_clearly_while_the_database_is_away() {
    let lab = Lab::ensure(&Generation::ALL).unwrap();
    let lobby = lobby(&lab);
    let mut postgres = Postgres::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let proxy = proxy(&lobby, &postgres.url("postgres"), folder.path(), "");
    runtime().block_on(async {
        let mut bots = Vec::new();
        for number in 0..PLAYERS {
            bots.push(join(proxy.address(), &format!("player{number}"), "secret").await);
        }
        postgres.stop().unwrap();
        let gone = Instant::now();
        let mut slowest = Duration::ZERO;
        for name in ["player0-not", "newcomer", "third"] {
            let began = Instant::now();
            let refused = try_join(proxy.address(), name, "secret").await.map(drop);
            slowest = slowest.max(began.elapsed());
            let Err(JoinError::Denied { text, reconnect, .. }) = refused else {
                panic!("{refused:?}")
            };
            assert!(text.contains("Accounts cannot be reached") && reconnect, "{text}");
        }
        assert!(slowest < AT_ONCE, "told after {slowest:?}");
        // A change of the password is refused, and the player plays on.
        let changed = bots[0].change_password("secret", "other", PATIENCE).await.unwrap();
        assert!(!changed, "changed without a database");
        while gone.elapsed() < Duration::from_secs(6) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for (number, bot) in bots.iter().enumerate() {
            let said = format!("still here {number}");
            bot.say(&said).await;
            bot.expect_chat(&said, PATIENCE).await.unwrap();
        }
        // Somebody logs in in the very moment; what is noted about them must not be lost.
        postgres.resume().unwrap();
        let back = Instant::now();
        let late = loop {
            match try_join(proxy.address(), "newcomer", "secret").await {
                Ok(bot) => break bot,
                Err(JoinError::Denied { .. }) => {
                    assert!(back.elapsed() < Duration::from_secs(10), "no login any more");
                }
                Err(error) => panic!("{error}"),
            }
        };
        println!(
            "away: told after {:.2} s at most; {:.2} s after the return somebody logged in",
            slowest.as_secs_f64(),
            back.elapsed().as_secs_f64()
        );
        late.leave().await;
        assert!(bots[1].change_password("secret", "other", PATIENCE).await.unwrap());
        bots[1].expect_chat("Password change successful", PATIENCE).await.unwrap();
        for bot in bots {
            assert_eq!(bot.closed(), None, "{}", bot.name());
            bot.leave().await;
        }
        let mut db = connect(&postgres.url("postgres")).await;
        let since = Instant::now();
        loop {
            let never = "SELECT count(*) FROM auth WHERE last_login <= 0";
            let never: i64 = sqlx::query_scalar(never).fetch_one(&mut db).await.unwrap();
            if never == 0 {
                break;
            }
            assert!(since.elapsed() < PATIENCE, "{never} logins were never noted");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(!proxy.log().contains("lab-only"), "the password is in the log");
}
