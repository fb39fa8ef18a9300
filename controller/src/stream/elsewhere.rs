//! Who is in the game at other proxies, for a proxy that wants to know.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mesegate_proto::admin::v1::Player;
use mesegate_proto::control::v1::PlayerReport;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::Instant;

use crate::fleet::{Change, Fleet};

/// How long changes are gathered before they are told: most of those that follow are of the same
/// players.
const GATHER: Duration = Duration::from_millis(500);

/// Players in one message.
const PLAYERS: usize = 5000;

/// What one proxy is told.
pub(super) struct Elsewhere {
    fleet: Fleet,
    /// The proxy, which knows its own players.
    proxy: String,
    changes: broadcast::Receiver<Change>,
    /// The last that is known of those about whom something is to be told: at most one entry for
    /// everybody who is or was in the game.
    gathered: HashMap<String, Now>,
    due: Option<Instant>,
    /// What can be sent at once.
    parts: VecDeque<PlayerReport>,
}

/// What has become of somebody.
enum Now {
    There(Arc<Player>),
    Gone { returning: bool },
}

impl Elsewhere {
    /// Begins with everybody.
    pub(super) fn new(fleet: Fleet, proxy: String) -> Self {
        let (everybody, changes) = fleet.follow();
        let (gathered, due, parts) = (HashMap::new(), None, VecDeque::new());
        let mut new = Self { fleet, proxy, changes, gathered, due, parts };
        new.tell_all(&everybody);
        new
    }

    /// The next report. None is lost if it is not waited for to the end.
    pub(super) async fn next(&mut self) -> PlayerReport {
        loop {
            if let Some(part) = self.parts.pop_front() {
                return part;
            }
            tokio::select! {
                change = self.changes.recv() => match change {
                    Ok(change) => self.gather(change),
                    Err(RecvError::Lagged(_)) => {
                        let (everybody, changes) = self.fleet.follow();
                        self.changes = changes;
                        self.gathered.clear();
                        self.due = None;
                        self.tell_all(&everybody);
                    }
                    Err(RecvError::Closed) => std::future::pending().await,
                },
                () = until(self.due) => self.tell(),
            }
        }
    }

    fn gather(&mut self, change: Change) {
        let (name, now) = match change {
            Change::Present(player) if player.proxy == self.proxy => {
                (player.name.clone(), Now::Gone { returning: false })
            }
            Change::Present(player) => (player.name.clone(), Now::There(player)),
            Change::Gone { name, returning } => (name, Now::Gone { returning }),
        };
        self.gathered.insert(name, now);
        self.due.get_or_insert_with(|| Instant::now() + GATHER);
    }

    fn tell(&mut self) {
        self.due = None;
        let mut report = PlayerReport::default();
        for (name, now) in self.gathered.drain() {
            match now {
                Now::There(player) => report.present.push(shown(&player)),
                Now::Gone { returning } => {
                    if returning {
                        report.returning.push(name.clone());
                    }
                    report.left.push(name);
                }
            }
            if report.present.len() + report.left.len() >= PLAYERS {
                self.parts.push_back(std::mem::take(&mut report));
            }
        }
        self.parts.push_back(report);
    }

    fn tell_all(&mut self, everybody: &[Arc<Player>]) {
        let others = everybody.iter().filter(|player| player.proxy != self.proxy);
        let others: Vec<Player> = others.map(|player| shown(player)).collect();
        let mut parts = others.chunks(PLAYERS);
        let report = |full, part: &[Player], more| PlayerReport {
            full,
            present: part.to_vec(),
            more,
            ..PlayerReport::default()
        };
        self.parts.push_back(report(true, parts.next().unwrap_or_default(), parts.len() > 0));
        while let Some(part) = parts.next() {
            self.parts.push_back(report(false, part, parts.len() > 0));
        }
    }
}

/// What other proxies need to know of a player.
fn shown(player: &Player) -> Player {
    Player {
        name: player.name.clone(),
        server: player.server.clone(),
        state: player.state,
        proxy: player.proxy.clone(),
        ..Player::default()
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(present: &[(&str, &str)], left: &[&str], returning: &[&str]) -> PlayerReport {
        let own = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
        let player = |(name, server): &(&str, &str)| Player {
            name: (*name).into(),
            server: (*server).into(),
            address: "192.0.2.1".into(),
            ..Player::default()
        };
        let present = present.iter().map(player).collect();
        let (left, returning) = (own(left), own(returning));
        PlayerReport { present, left, returning, ..PlayerReport::default() }
    }

    fn text(report: &PlayerReport) -> String {
        let there = report.present.iter().map(|it| {
            assert!(it.address.is_empty(), "nobody else's business");
            format!("{}@{}/{}", it.name, it.proxy, it.server)
        });
        let gone = report
            .left
            .iter()
            .map(|it| format!("-{it}{}", if report.returning.contains(it) { "?" } else { "" }));
        let mut all: Vec<String> = there.chain(gone).collect();
        all.sort();
        format!("{}{}", if report.full { "all: " } else { "" }, all.join(" "))
    }

    #[tokio::test(start_paused = true)]
    async fn changes_of_others_are_gathered_and_the_last_counts() {
        let fleet = Fleet::default();
        let [a, b] = ["a", "b"].map(|it| fleet.enter(("c".into(), it.into()), String::new()));
        a.players(report(&[("alice", "x")], &[], &[]));
        b.players(report(&[("bob", "x")], &[], &[]));
        let mut at_a = Elsewhere::new(fleet.clone(), "a".into());
        assert_eq!(text(&at_a.next().await), "all: bob@b/x");
        // Others' moves, comings and goings; and one who was there and comes here.
        b.players(report(&[("bob", "y"), ("eve", "x"), ("dan", "x")], &[], &[]));
        b.players(report(&[("bob", "z")], &["eve", "dan"], &["dan"]));
        a.players(report(&[("alice", "y"), ("eve", "x")], &[], &[]));
        assert_eq!(text(&at_a.next().await), "-alice -dan? -eve bob@b/z");
        let none = tokio::time::timeout(GATHER * 3, at_a.next()).await;
        assert!(none.is_err(), "{none:?}");
    }

    #[tokio::test]
    async fn everybody_comes_in_parts() {
        let fleet = Fleet::default();
        let seat = fleet.enter(("c".into(), "b".into()), String::new());
        let names: Vec<String> = (0..=PLAYERS).map(|n| format!("p{n}")).collect();
        let present: Vec<(&str, &str)> = names.iter().map(|it| (it.as_str(), "x")).collect();
        seat.players(report(&present, &[], &[]));
        let mut elsewhere = Elsewhere::new(fleet, "a".into());
        let (one, two) = (elsewhere.next().await, elsewhere.next().await);
        assert_eq!((one.full, one.present.len(), one.more), (true, PLAYERS, true));
        assert_eq!((two.full, two.present.len(), two.more), (false, 1, false));
    }
}
