//! When the list is told what.

use std::time::Duration;

use mesegate_resource::Announce;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::announcement::{self, Action, Facts};
use crate::answer::Answer;
use crate::form;
use crate::post::{self, PostError};

/// How often it is looked whether there is something to say.
const LOOK: Duration = Duration::from_millis(500);

/// How long the list may take to answer.
const ANSWER: Duration = Duration::from_secs(20);

/// How long it may take to answer a goodbye at the end of the process.
const FAREWELL: Duration = Duration::from_secs(2);

/// The first pause after a failure; every further one doubles it.
const PAUSE: Duration = Duration::from_secs(5);

/// Pause after which the list is told of an edit, and before a forgotten server starts anew.
const SETTLE: Duration = Duration::from_secs(1);

/// Most characters of the list's words in the log.
const QUOTED: usize = 500;

/// What is to be announced.
pub trait Subject: Send {
    /// What is wanted now. Asked twice a second.
    fn wanted(&mut self) -> Wanted;

    /// What is true now; `late` is by how much the clock of the announcer was late at most since
    /// the last announcement. `None` if there is nothing to say yet.
    fn facts(&mut self, late: Duration) -> Option<Facts>;
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// To be in the list, with a UDP port for when the document names none.
    Listed(Box<Announce>, u16),
    /// Not to be in it. An entry made before is taken back.
    Unlisted,
    /// To say nothing. An entry made before is somebody else's concern.
    Silent,
}

/// An entry that the list may have.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    announce: Announce,
    port: u16,
}

impl Entry {
    fn new(announce: Announce, port: u16) -> Self {
        Self { port: announce.port.unwrap_or(port), announce }
    }

    /// Whether both are the same to the list.
    fn is(&self, other: &Self) -> bool {
        let identity = |it: &Self| {
            let Announce { server_list_url, address, .. } = &it.announce;
            (server_list_url.clone(), address.clone(), it.port)
        };
        identity(self) == identity(other)
    }
}

/// Announces until `stopping` is true, and takes the entry back then unless the subject is silent.
/// A list that is away is asked again, ever more seldom.
pub async fn announce(subject: impl Subject, mut stopping: watch::Receiver<bool>) {
    let mut announcer = Announcer {
        subject,
        entry: None,
        current: None,
        next: Instant::now(),
        failures: 0,
        late: Duration::ZERO,
    };
    loop {
        let turn = async {
            let due = Instant::now() + LOOK;
            tokio::time::sleep_until(due).await;
            announcer.late = announcer.late.max(due.elapsed());
            announcer.turn().await;
        };
        tokio::select! {
            () = turn => {}
            _ = stopping.wait_for(|it| *it) => break,
        }
    }
    if announcer.subject.wanted() != Wanted::Silent {
        announcer.take_back(FAREWELL).await;
    }
}

struct Announcer<S> {
    subject: S,
    /// What the list has, or may have got by a request that was not answered.
    entry: Option<Entry>,
    /// What is wanted, and whether the list has heard of all of it.
    current: Option<(Entry, bool)>,
    next: Instant,
    failures: u32,
    late: Duration,
}

impl<S: Subject> Announcer<S> {
    async fn turn(&mut self) {
        let wanted = match self.subject.wanted() {
            Wanted::Listed(announce, port) => Entry::new(*announce, port),
            Wanted::Unlisted => {
                self.current = None;
                return self.take_back(ANSWER).await;
            }
            Wanted::Silent => {
                (self.current, self.entry) = (None, None);
                return;
            }
        };
        if self.current.as_ref().is_none_or(|(current, _)| *current != wanted) {
            let first = self.current.is_none();
            self.current = Some((wanted.clone(), false));
            self.next = if first { Instant::now() } else { Instant::now() + SETTLE };
            self.failures = 0;
        }
        if self.next > Instant::now() {
            return;
        }
        if self.entry.as_ref().is_some_and(|entry| !entry.is(&wanted)) {
            self.take_back(ANSWER).await;
        }
        self.tell(wanted).await;
    }

    /// Tells the list what is true now.
    async fn tell(&mut self, wanted: Entry) {
        let told = self.current.as_ref().is_some_and(|(_, told)| *told);
        let action = if self.entry.is_some() && told { Action::Update } else { Action::Start };
        let late = std::mem::take(&mut self.late);
        let Some(facts) = self.subject.facts(late) else { return };
        let text = announcement::text(&wanted.announce, &facts, wanted.port, action);
        // It may arrive although its answer does not.
        self.entry.get_or_insert_with(|| wanted.clone());
        let answer = send(&wanted, action, &text, ANSWER).await;
        let interval = wanted.announce.interval.0;
        self.next = Instant::now() + interval;
        match answer {
            Ok(Answer::Forgotten { before }) if !(before && action == Action::Start) => {
                self.entry = None;
                // A list that forgets at once is not to be asked in a circle.
                self.next = Instant::now() + if action == Action::Update { SETTLE } else { PAUSE };
            }
            Ok(Answer::Filed | Answer::Warned(_) | Answer::Forgotten { .. }) => {
                self.failures = 0;
                self.entry = Some(wanted);
                if let Some((_, told)) = &mut self.current {
                    *told = true;
                }
            }
            Ok(Answer::Refused(..)) => {
                self.entry = None;
                self.retry(interval);
            }
            Err(_) => self.retry(interval),
        }
    }

    /// When it is tried again after a failure.
    fn retry(&mut self, interval: Duration) {
        let pause = PAUSE.saturating_mul(1 << self.failures.min(10)).min(interval);
        self.failures += 1;
        // Networks that lost the list at the same moment do not all come back at the same one.
        self.next = Instant::now() + pause.mul_f64(rand::random_range(0.8..1.2));
    }

    /// Says goodbye, if there is an entry. Once: the list forgets by itself.
    async fn take_back(&mut self, limit: Duration) {
        let Some(entry) = self.entry.take() else { return };
        let text = announcement::goodbye(&entry.announce, entry.port);
        // Said in the log; there is nothing else to be done about it.
        let _ = send(&entry, Action::Delete, &text, limit).await;
    }
}

/// Posts a text and says in the log what came of it.
async fn send(
    entry: &Entry,
    action: Action,
    text: &str,
    limit: Duration,
) -> Result<Answer, PostError> {
    let list = entry.announce.server_list_url.as_str();
    let url = format!("{}/announce", list.trim_end_matches('/'));
    let posted = post::post(&url, &form::content_type(), form::body(text), limit).await;
    let answer = posted.map(|(status, text)| Answer::read(status, &text));
    let action = action.as_str();
    let quoted = |text: &str| -> String { text.chars().take(QUOTED).collect() };
    match &answer {
        Ok(Answer::Filed) => tracing::info!(list, action, "announced to the server list"),
        Ok(Answer::Warned(text)) => {
            let said = quoted(text);
            tracing::warn!(list, action, said, "the server list took it and has something to say");
        }
        Ok(Answer::Forgotten { .. }) => {
            tracing::info!(list, action, "the server list has no such entry any more");
        }
        Ok(Answer::Refused(status, text)) => {
            let said = quoted(text);
            tracing::warn!(list, action, status, said, "the server list refused it");
        }
        Err(error) => tracing::warn!(list, action, %error, "the server list was not reached"),
    }
    answer
}
