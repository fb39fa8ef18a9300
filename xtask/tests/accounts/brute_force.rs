//! Somebody guesses a password from many addresses at once.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::login::client::{AwaitHello, Ended, Method};
use mesegate_protocol::login::{DenyCode, Step};
use mesegate_testkit::{Bot, BotOptions, FakeServer, World, procfs};
use mesegate_transport::{Config, Link};
use tokio::net::UdpSocket;
use xtask::proxy::{Proxy, ProxySpec};

use crate::lab::{PATIENCE, join, runtime};

/// Wrong passwords, and how many are under way at once.
const GUESSES: usize = 10_000;
const AT_ONCE: usize = 32;

/// Addresses that they come from.
const ADDRESSES: usize = 1_000;

/// Processor time that the proxy may use for each of them.
const COST: Duration = Duration::from_millis(6);

/// Passes datagrams on from an address of its own, as a machine elsewhere would send them.
pub(crate) async fn elsewhere(
    from: Ipv4Addr,
    to: SocketAddr,
) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let back = UdpSocket::bind((from, 0)).await.unwrap();
    back.connect(to).await.unwrap();
    let address = front.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut out, mut back_in) = ([0; 2048], [0; 2048]);
        let mut client = None;
        loop {
            tokio::select! {
                Ok((length, sender)) = front.recv_from(&mut out) => {
                    client = Some(sender);
                    let _ = back.send(&out[..length]).await;
                }
                Ok(length) = back.recv(&mut back_in) => {
                    if let Some(client) = client {
                        let _ = front.send_to(&back_in[..length], client).await;
                    }
                }
            }
        }
    });
    (address, task)
}

/// What came of a guess.
#[derive(Debug, PartialEq, Eq)]
enum Guess {
    /// It was compared with the password.
    Wrong,
    /// It was not looked at.
    Refused,
    /// Something else.
    Lost(String),
}

/// One wrong password, with no arithmetic on this side: any A and any proof will do.
async fn guess(addr: SocketAddr, name: &str, config: Arc<Config>) -> Guess {
    let lost = |what: &str| Guess::Lost(what.to_owned());
    let Ok(mut link) = Link::connect(addr, config).await else { return lost("socket") };
    let (hello, init) = AwaitHello::new(name, ProtocolVersion::MAX);
    let _ = link.send(1, false, init.clone());
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut repeat = Instant::now() + Duration::from_millis(1500);
    enum State {
        Hello(AwaitHello),
        Salt(mesegate_protocol::login::client::AwaitSaltAndB),
        Accept(mesegate_protocol::login::client::AwaitAccept),
    }
    let mut state = State::Hello(hello);
    loop {
        link.flush();
        let Some(message) = link.recv() else {
            if link.closed().is_some() || Instant::now() > deadline {
                return lost("no answer");
            }
            let _ = tokio::time::timeout(Duration::from_millis(200), link.drive()).await;
            if matches!(state, State::Hello(_)) && Instant::now() > repeat {
                let _ = link.send(1, false, init.clone());
                repeat = Instant::now() + Duration::from_millis(1500);
            }
            continue;
        };
        let ended = |ended: Ended| match ended {
            Ended::Denied(denied) if denied.code == DenyCode::WrongPassword => Guess::Wrong,
            Ended::Denied(denied) if denied.text.contains("Too many") => Guess::Refused,
            other => Guess::Lost(other.to_string()),
        };
        state = match state {
            State::Hello(hello) => match hello.on_message(&message.data) {
                Ok(Step::Next(greeted)) => {
                    let Ok(Method::Prove(prover)) = greeted.choose() else {
                        return lost("no login");
                    };
                    let (next, message) = prover.start(&[7; 256]);
                    let _ = link.send(1, true, message);
                    State::Salt(next)
                }
                Ok(Step::Stay(same) | Step::PassOn(same)) => State::Hello(same),
                Err(error) => return ended(error),
            },
            State::Salt(salt) => match salt.on_message(&message.data) {
                Ok(Step::Next(answer)) => {
                    let (next, message) = answer.prove(&[9; 32]);
                    let _ = link.send(1, true, message);
                    State::Accept(next)
                }
                Ok(Step::Stay(same) | Step::PassOn(same)) => State::Salt(same),
                Err(error) => return ended(error),
            },
            State::Accept(accept) => match accept.on_message(&message.data) {
                Ok(Step::Next(_)) => return lost("let in"),
                Ok(Step::Stay(same) | Step::PassOn(same)) => State::Accept(same),
                Err(error) => return ended(error),
            },
        };
    }
}

/// Round trips of a player in the game.
async fn latency(bot: &Bot, time: Duration) -> (f64, f64, usize) {
    bot.reset_latency();
    tokio::time::sleep(time).await;
    let (up, down) = bot.latency();
    let (up, down) = (up.summary(), down.summary());
    (up.p50_ms + down.p50_ms, up.p99_ms + down.p99_ms, up.count)
}

#[test]
#[ignore = "a minute of arithmetic"]
fn guessing_from_many_addresses_locks_nobody_out() {
    runtime().block_on(async {
        let server = FakeServer::of(World::new("lobby")).unwrap();
        let proxy = Proxy::start(&ProxySpec::new(&[("lobby", server.addr())]).level("info"));
        let proxy = proxy.unwrap();
        let address = proxy.address();
        join(address, "owner", "the right one").await.leave().await;
        let mut options = BotOptions::new(address, "bystander");
        options.probe = Some(Duration::from_millis(50));
        let bystander = Bot::join(options).await.unwrap();
        let (calm_median, calm_worst, _) = latency(&bystander, Duration::from_secs(3)).await;

        let next = Arc::new(AtomicUsize::new(0));
        let (began, used) = (Instant::now(), procfs::cpu_time(proxy.process()).unwrap());
        let guessers: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let next = Arc::clone(&next);
                tokio::spawn(async move {
                    let (mut wrong, mut refused, mut lost) = (0, 0, Vec::new());
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= GUESSES {
                            return (wrong, refused, lost);
                        }
                        let host = number % ADDRESSES;
                        let from = Ipv4Addr::new(127, 1, (host / 250) as u8, (host % 250) as u8 + 1);
                        let (relay, task) = elsewhere(from, address).await;
                        match guess(relay, "owner", Arc::default()).await {
                            Guess::Wrong => wrong += 1,
                            Guess::Refused => refused += 1,
                            Guess::Lost(why) => lost.push(why),
                        }
                        task.abort();
                    }
                })
            })
            .collect();
        // Meanwhile the owner logs in, from an address that has not failed.
        tokio::time::sleep(Duration::from_secs(1)).await;
        bystander.reset_latency();
        let mut slowest = Duration::ZERO;
        let mut logins = 0;
        while next.load(Ordering::Relaxed) < GUESSES {
            let start = Instant::now();
            join(address, "owner", "the right one").await.leave().await;
            slowest = slowest.max(start.elapsed());
            logins += 1;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let (up, down) = bystander.latency();
        let (up, down) = (up.summary(), down.summary());
        let (mut wrong, mut refused, mut lost) = (0, 0, Vec::new());
        for guesser in guessers {
            let (w, r, l) = guesser.await.unwrap();
            wrong += w;
            refused += r;
            lost.extend(l);
        }
        let used = procfs::cpu_time(proxy.process()).unwrap().saturating_sub(used);
        println!(
            "{GUESSES} guesses from {ADDRESSES} addresses in {:.1} s: {wrong} compared, {refused} \
             refused, {} lost; {:.1} s of processor time; the owner logged in {logins} times in \
             {:.2} s at most; a bystander's round trip {:.1} ms (p99 {:.1}), before {calm_median:.1} \
             (p99 {calm_worst:.1})",
            began.elapsed().as_secs_f64(),
            lost.len(),
            used.as_secs_f64(),
            slowest.as_secs_f64(),
            up.p50_ms + down.p50_ms,
            up.p99_ms + down.p99_ms,
        );
        assert!(lost.len() < GUESSES / 50, "{:?}", &lost[..lost.len().min(5)]);
        // Five of each address are free, and so is each that was waited for: an address has its
        // turn every few seconds.
        assert!(refused > GUESSES / 10, "{wrong} were compared");
        assert!(used < COST * GUESSES as u32, "{used:?} of processor time");
        assert!(logins > 0 && slowest < PATIENCE, "the owner waited {slowest:?}");
        assert!(up.p50_ms + down.p50_ms < 50.0, "a bystander feels it");
        assert_eq!(bystander.closed(), None);
    });
}
