//! Players without eyes, as processes of their own: `mesegate-bots` of the workspace, and what they
//! tell of themselves.

mod outcome;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

pub use outcome::Outcome;

use crate::kube::owned;
use crate::{Error, Result, program, wait};

/// How long they may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(20);

/// What a player tells. All times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: u64,
    /// Who.
    pub player: String,
    /// What.
    pub what: What,
}

/// What has happened to a player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It stands in a world.
    Joined {
        /// Logins that were tried.
        tries: u64,
        /// Milliseconds since the end of its last visit, if there was one.
        away: Option<u64>,
    },
    /// The chat said that the proxy is going to be left.
    Told,
    /// A visit has ended.
    Ended {
        /// With the offer to reconnect.
        asked: bool,
        /// What was read, or what was found out.
        text: String,
    },
    /// A login failed.
    Refused {
        /// Whether it is to be tried again: with the offer to do so, or nobody answered at one of
        /// several addresses.
        again: bool,
        /// Why.
        text: String,
    },
}

/// Where a player was last, by its own question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Here {
    /// When it was answered.
    pub at: u64,
    /// The server, as players are told.
    pub server: String,
    /// The proxy's name.
    pub proxy: String,
    /// Map blocks that it holds.
    pub blocks: u64,
    /// Messages of this visit that were no chat.
    pub world: u64,
    /// Whether something would have made a client crash or leave.
    pub violated: bool,
}

#[derive(Debug, Default)]
struct Ledger {
    events: Vec<Event>,
    here: BTreeMap<String, Here>,
}

/// A running crowd. Dropping it kills its process, of which servers learn after their timeouts.
#[derive(Debug)]
pub struct Crowd {
    child: Child,
    stdin: Option<ChildStdin>,
    ledger: Arc<Mutex<Ledger>>,
    size: usize,
    log: PathBuf,
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

impl Crowd {
    /// Builds the program, so that nothing is waited for later.
    ///
    /// # Errors
    /// When it does not compile.
    pub fn build() -> Result<PathBuf> {
        program::build("mesegate-bots", "MESEGATE_BOTS")
    }

    /// Players who join at these addresses, by turns, a few in a second. Every second one says
    /// `say` then. Complaints of the program go to `log`.
    ///
    /// # Errors
    /// When the program cannot be built or started.
    pub fn start(
        addresses: &[SocketAddr],
        size: usize,
        prefix: &str,
        say: &str,
        log: &Path,
    ) -> Result<Self> {
        let mut command = owned(&Self::build()?);
        for address in addresses {
            command.args(["--address", &address.to_string()]);
        }
        command.args(["--players", &size.to_string(), "--prefix", prefix, "--say", say]);
        let file = std::fs::File::create(log);
        let file = file.map_err(Error::io(format!("making {}", log.display())))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().map_err(Error::io("starting mesegate-bots"))?;
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        if let Some(output) = child.stdout.take() {
            let ledger = ledger.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
                    let value = serde_json::from_str(&line).unwrap_or_default();
                    lock(&ledger).take(&value);
                }
            });
        }
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, ledger, size, log: log.into() })
    }

    /// Waits until everybody is in a world, and on one of these proxies, by an answer that was given
    /// after this call; gives where they are.
    ///
    /// # Errors
    /// When that does not come about within `limit`, with who is elsewhere.
    pub fn settled(&self, proxies: &[String], limit: Duration) -> Result<BTreeMap<String, Here>> {
        let since = now();
        let fine = |it: &Here| it.at >= since && proxies.contains(&it.proxy) && it.blocks > 0;
        let done = wait::until(limit, || {
            let here = self.here();
            (here.len() == self.size && here.values().all(fine)).then_some(here)
        });
        done.ok_or_else(|| {
            let here = self.here();
            let late: Vec<_> = here.iter().filter(|(_, it)| !fine(it)).take(5).collect();
            let outcome = Outcome::of(&self.events(since));
            Error::Timeout {
                what: format!("everybody's place on {proxies:?} ({} came at all)", here.len()),
                seconds: limit.as_secs(),
                log: self.log.clone(),
                tail: format!("{late:?}\n{outcome:?}\n{}", wait::read(&self.log)),
            }
        })
    }

    /// Where everybody was last.
    pub fn here(&self) -> BTreeMap<String, Here> {
        lock(&self.ledger).here.clone()
    }

    /// What has happened since then, except that somebody is still where they were.
    pub fn events(&self, since: u64) -> Vec<Event> {
        lock(&self.ledger).events.iter().filter(|it| it.at >= since).cloned().collect()
    }

    /// Everybody leaves.
    ///
    /// # Errors
    /// When the program does not end.
    pub fn leave(mut self) -> Result<()> {
        drop(self.stdin.take());
        let ended = wait::until(GOODBYE, || self.child.try_wait().ok().flatten());
        ended.map(drop).ok_or_else(|| Error::Timeout {
            what: "the players' leave".into(),
            seconds: GOODBYE.as_secs(),
            log: self.log.clone(),
            tail: wait::read(&self.log),
        })
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    fn take(&mut self, line: &Value) {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| line[name].as_u64().unwrap_or_default();
        let flag = |name: &str| line[name].as_bool().unwrap_or_default();
        let (at, player) = (number("at"), text("player"));
        let what = match line["event"].as_str() {
            Some("here") => {
                let here = Here {
                    at,
                    server: text("server"),
                    proxy: text("proxy"),
                    blocks: number("blocks"),
                    world: number("world"),
                    violated: line["violations"].as_array().is_none_or(|it| !it.is_empty()),
                };
                self.here.insert(player, here);
                return;
            }
            Some("joined") => What::Joined { tries: number("tries"), away: line["away"].as_u64() },
            Some("told") => What::Told,
            Some("ended") => What::Ended { asked: flag("asked"), text: text("text") },
            Some("refused") => What::Refused { again: flag("again"), text: text("text") },
            _ => return,
        };
        self.events.push(Event { at, player, what });
    }
}
