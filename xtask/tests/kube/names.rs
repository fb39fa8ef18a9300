//! One name is in the game once over all proxies.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mesegate_testkit::{Bot, BotOptions, JoinError};
use xtask::controller::{Controller, ControllerSpec};

use crate::fleet::{Fleet, PATIENCE, class, connected, two_servers, up};

/// Names that are raced for at the same time.
const NAMES: usize = 10;

/// What came of one name's races.
#[derive(Debug, Default)]
struct Outcome {
    one: usize,
    nobody: usize,
    refusals: Vec<String>,
}

/// Two logins at once, again and again.
async fn race(name: String, proxies: [SocketAddr; 2], rounds: usize) -> Outcome {
    let mut outcome = Outcome::default();
    for round in 0..rounds {
        let login = |proxy| Bot::join(BotOptions::new(proxy, &name));
        let (first, second) = tokio::join!(login(proxies[0]), login(proxies[1]));
        let inside = [&first, &second].iter().filter(|it| it.is_ok()).count();
        assert!(inside < 2, "{name} is in the game twice in round {round}");
        match inside {
            1 => outcome.one += 1,
            _ => outcome.nobody += 1,
        }
        for login in [first, second] {
            match login {
                Ok(bot) => bot.leave().await,
                Err(JoinError::Denied { text, .. }) => {
                    if !outcome.refusals.contains(&text) {
                        outcome.refusals.push(text);
                    }
                }
                Err(error) => panic!("{name}: {error}"),
            }
        }
        // The server sees that the player left, and the name is given back.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    outcome
}

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn of_two_logins_with_one_name_only_one_is_let_in() {
    let rounds = if std::env::var_os("MESEGATE_LONG").is_some() { 100 } else { 20 };
    let mut fleet = Fleet::new();
    // Each proxy's players have a server of their own, which knows nothing of the other's.
    let (lobby, arena, cluster) = two_servers(&fleet, &class("other", "arena"));
    let controller = Controller::start(&cluster, &ControllerSpec::new("controller-0")).unwrap();
    let urls = [controller.url()];
    fleet.start(&[&urls]);
    let second = fleet.proxy("proxy-b", &urls, None, &[("--proxy-class", "other")]);
    fleet.proxies.push(second);
    fleet.all("both proxies are connected", PATIENCE, |it| {
        connected(it) && up(it, "lobby") && up(it, "arena")
    });
    let proxies = [fleet.proxies[0].address(), fleet.proxies[1].address()];
    let start = Instant::now();
    let outcomes = fleet.runtime.block_on(async {
        let races = (0..NAMES).map(|it| tokio::spawn(race(format!("twin{it}"), proxies, rounds)));
        let races: Vec<_> = races.collect();
        let mut outcomes = Vec::new();
        for race in races {
            outcomes.push(race.await.unwrap());
        }
        outcomes
    });
    let sum = |count: &dyn Fn(&Outcome) -> usize| outcomes.iter().map(count).sum::<usize>();
    let (one, nobody) = (sum(&|it| it.one), sum(&|it| it.nobody));
    println!(
        "kube: {} races in {:.1} s: {one} had a winner, {nobody} had none; refusals: {:?}",
        NAMES * rounds,
        start.elapsed().as_secs_f64(),
        outcomes[0].refusals
    );
    // Otherwise nobody ever being let in would pass, too.
    assert!(one > nobody, "{outcomes:?}");
    assert!(lobby.joins() > 0 && arena.joins() > 0);
    assert_eq!(lobby.joins() + arena.joins(), one as u64);
}
