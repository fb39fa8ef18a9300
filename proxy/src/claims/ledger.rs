//! What is held, what was asked for, and of whom.

use std::collections::HashMap;
use std::time::Duration;

use mesegate_proto::control::v1::connect_request::Message;
use mesegate_proto::control::v1::{
    ClaimAnswer, ClaimHeld, ClaimRelease, ClaimReport, ClaimRequest, ClaimRevoked,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Decision;

/// Messages to the leader that may wait.
const QUEUE: usize = 4096;

/// Names in one message of a report.
const PART: usize = 2000;

/// The state behind [`super::Claims`].
#[derive(Debug)]
pub(super) struct Ledger {
    /// The last request's.
    id: u64,
    held: HashMap<String, Held>,
    asked: HashMap<u64, Asked>,
    leader: Option<Leader>,
    /// Since when there is none, if there is none.
    leaderless: Instant,
}

#[derive(Debug)]
struct Held {
    id: u64,
    since: Instant,
}

#[derive(Debug)]
struct Asked {
    name: String,
    asker: oneshot::Sender<Decision>,
}

#[derive(Debug)]
struct Leader {
    stream: u64,
    sender: mpsc::Sender<Message>,
}

/// A request that was made.
pub(super) struct Request {
    pub(super) id: u64,
    pub(super) answer: oneshot::Receiver<Decision>,
}

/// What an answer means.
pub(super) enum Verdict {
    /// Nothing any more.
    Nothing,
    /// The name is held now.
    Granted { name: String, asker: oneshot::Sender<Decision> },
    /// It is not.
    Refused { asker: oneshot::Sender<Decision> },
}

impl Ledger {
    pub(super) fn new(now: Instant) -> Self {
        let (held, asked) = (HashMap::new(), HashMap::new());
        Self { id: 0, held, asked, leader: None, leaderless: now }
    }

    /// How long there has been no leader.
    pub(super) fn leaderless(&self, now: Instant) -> Duration {
        if self.leader.is_some() { Duration::ZERO } else { now - self.leaderless }
    }

    /// Asks for a name; `None` if there is nobody to ask.
    pub(super) fn ask(&mut self, name: &str, kick_old: bool) -> Option<Request> {
        self.id += 1;
        let id = self.id;
        let name = name.to_owned();
        if !self.send(Message::Claim(ClaimRequest { id, name: name.clone(), kick_old })) {
            return None;
        }
        let (asker, answer) = oneshot::channel();
        self.asked.insert(id, Asked { name, asker });
        Some(Request { id, answer })
    }

    /// Nobody waits for the answer any more.
    pub(super) fn forget(&mut self, id: u64) {
        self.asked.remove(&id);
    }

    /// Holds a name that nobody has decided about; gives the id of that. If there is a leader, it
    /// decides later.
    pub(super) fn keep(&mut self, name: &str, now: Instant) -> u64 {
        self.id += 1;
        let id = self.id;
        self.held.insert(name.to_owned(), Held { id, since: now });
        let held = vec![ClaimHeld { id, name: name.to_owned(), age_ms: 0 }];
        self.send(Message::Claims(ClaimReport { held, complete: false }));
        id
    }

    /// A player has left.
    pub(super) fn release(&mut self, name: &str, id: u64) {
        if self.held.get(name).is_some_and(|held| held.id == id) {
            self.held.remove(name);
            self.send_release(name, id);
        }
    }

    fn send_release(&mut self, name: &str, id: u64) {
        self.send(Message::Release(ClaimRelease { id, name: name.to_owned() }));
    }

    fn send(&mut self, message: Message) -> bool {
        let Some(leader) = &self.leader else { return false };
        let sent = leader.sender.try_send(message).is_ok();
        if !sent {
            // Without its sender the stream ends; the next one begins with a report.
            self.leader = None;
            self.asked.clear();
        }
        sent
    }

    /// A controller leads: it is told what is held, and asked from now on.
    pub(super) fn lead(&mut self, stream: u64, now: Instant) -> mpsc::Receiver<Message> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let age = |held: &Held| (now - held.since).as_millis() as u64;
        let mut all: Vec<ClaimHeld> = Vec::with_capacity(self.held.len());
        all.extend(self.held.iter().map(|(name, held)| ClaimHeld {
            id: held.id,
            name: name.clone(),
            age_ms: age(held),
        }));
        self.leader = Some(Leader { stream, sender });
        self.asked.clear();
        let mut parts = all.chunks(PART).peekable();
        let mut complete = false;
        while !complete {
            let held = parts.next().unwrap_or_default().to_vec();
            complete = parts.peek().is_none();
            self.send(Message::Claims(ClaimReport { held, complete }));
        }
        receiver
    }

    /// A stream has ended or its controller does not lead. False if it was another one that led.
    pub(super) fn lost(&mut self, stream: u64, now: Instant) -> bool {
        let was = self.leader.as_ref().is_some_and(|it| it.stream == stream);
        if was {
            self.leader = None;
            self.asked.clear();
            self.leaderless = now;
        }
        was
    }

    /// The leader has decided.
    pub(super) fn answered(&mut self, answer: &ClaimAnswer, now: Instant) -> Verdict {
        let id = answer.id;
        match self.asked.remove(&id) {
            Some(Asked { name, asker }) if answer.granted => {
                self.held.insert(name.clone(), Held { id, since: now });
                Verdict::Granted { name, asker }
            }
            Some(Asked { asker, .. }) => Verdict::Refused { asker },
            // Too late: nobody waits any more.
            None => {
                if answer.granted {
                    self.send_release(&answer.name, id);
                }
                Verdict::Nothing
            }
        }
    }

    /// The leader takes a name away. False if it is not held any more.
    pub(super) fn revoked(&mut self, revoked: &ClaimRevoked) -> bool {
        let held = self.held.get(&revoked.name).is_some_and(|it| it.id == revoked.id);
        if !held {
            self.send_release(&revoked.name, revoked.id);
        }
        held
    }
}
