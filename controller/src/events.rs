//! Events: what happened to an object, where `kubectl describe` shows it.
//!
//! They are for people, so the ones too many are left out: a queue that never waits, and a rate
//! limit. The same event about the same object becomes a series.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use mesegate_resource::{API_VERSION, Condition, ConditionStatus, ConditionType, Reason};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::metrics::Metrics;

/// Who tells, as the API server records it.
const CONTROLLER: &str = "mesegate.dev/controller";

/// Events that may wait.
const QUEUE: usize = 256;

/// Events that may be told at once, and how often one more.
const BURST: f64 = 50.0;
const PER_SECOND: f64 = 5.0;

/// How long the API server may take for one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Characters of a note; events.k8s.io/v1 allows 1 kB.
const NOTE: usize = 1000;

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// Kind of the object.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid; without it the event is not shown with the object.
    pub uid: Option<String>,
    /// Whether somebody ought to do something about it.
    pub warning: bool,
    /// The cause in one word.
    pub reason: String,
    /// What was done, in one word.
    pub action: &'static str,
    /// In words. More than 1000 bytes are cut off.
    pub note: String,
}

impl Happening {
    /// Something that was done to an object because somebody asked for it.
    pub fn done(
        kind: &str,
        name: &str,
        uid: Option<String>,
        reason: &str,
        action: &'static str,
        note: String,
    ) -> Self {
        let (kind, name, reason) = (kind.to_owned(), name.to_owned(), reason.to_owned());
        Self { kind, name, uid, warning: false, reason, action, note }
    }

    /// What has changed between two lists of conditions of an object: whether it is accepted,
    /// what it refers to, whether a proxy refused it, and what becomes of a managed server.
    pub fn between(
        kind: &str,
        name: &str,
        uid: Option<&str>,
        before: &[Condition],
        after: &[Condition],
    ) -> Vec<Self> {
        let told = |now: &&Condition| {
            let good = now.status == ConditionStatus::True;
            let was = before.iter().find(|it| it.kind == now.kind);
            let same = was.is_some_and(|it| (it.status, it.reason) == (now.status, now.reason));
            match now.kind {
                _ if same => false,
                ConditionType::Accepted => true,
                // That a new object has what it needs goes without saying.
                ConditionType::ResolvedRefs => !good || was.is_some(),
                ConditionType::Programmed => now.reason == Reason::Refused,
                // While nobody leads, nobody knows.
                ConditionType::RolledOut => now.status != ConditionStatus::Unknown,
                _ => false,
            }
        };
        let happening = |now: &Condition| Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            uid: uid.map(str::to_owned),
            warning: now.status != ConditionStatus::True && !is_progress(now.reason),
            reason: format!("{:?}", now.reason),
            action: "Check",
            note: now.message.clone(),
        };
        after.iter().filter(told).map(happening).collect()
    }
}

/// Whether nobody need do anything about it.
fn is_progress(reason: Reason) -> bool {
    matches!(reason, Reason::RollingOut | Reason::WaitingForTurn)
}

/// Tells what happens. Cloning shares the queue.
#[derive(Debug, Clone)]
pub struct Events {
    sender: mpsc::Sender<Happening>,
    metrics: Metrics,
}

impl Events {
    /// Tells the API server, in `namespace`. `identity` is what this replica is called.
    pub fn publish(client: Client, namespace: String, identity: String, metrics: Metrics) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let reporter = Reporter { controller: CONTROLLER.into(), instance: Some(identity) };
        let recorder = Recorder::new(client, reporter);
        tokio::spawn(tell(recorder, namespace, receiver, metrics.clone()));
        Self { sender, metrics }
    }

    /// Tells it soon, or not at all if too much happens.
    pub fn record(&self, happening: Happening) {
        if self.sender.try_send(happening).is_err() {
            self.metrics.events_dropped_total.inc();
        }
    }
}

async fn tell(
    recorder: Recorder,
    namespace: String,
    mut receiver: mpsc::Receiver<Happening>,
    metrics: Metrics,
) {
    let mut allowance = Allowance::new();
    while let Some(happening) = receiver.recv().await {
        if !allowance.take() {
            metrics.events_dropped_total.inc();
            continue;
        }
        let (event, object) = event(happening, &namespace);
        let told = tokio::time::timeout(PATIENCE, recorder.publish(&event, &object)).await;
        match told {
            Ok(Ok(())) => metrics.events_total.inc(),
            failed => {
                metrics.events_dropped_total.inc();
                let why = failed.map_or_else(|late| late.to_string(), |it| format!("{it:?}"));
                tracing::debug!(why, "an event was not taken");
            }
        }
    }
}

fn event(happening: Happening, namespace: &str) -> (Event, ObjectReference) {
    let Happening { kind, name, uid, warning, reason, action, mut note } = happening;
    note.truncate(note.floor_char_boundary(NOTE));
    let event = Event {
        type_: if warning { EventType::Warning } else { EventType::Normal },
        reason,
        note: (!note.is_empty()).then_some(note),
        action: action.to_owned(),
        secondary: None,
    };
    let object = ObjectReference {
        api_version: Some(API_VERSION.to_owned()),
        kind: Some(kind),
        name: Some(name),
        namespace: Some(namespace.to_owned()),
        uid,
        ..ObjectReference::default()
    };
    (event, object)
}

/// How many events may be told now.
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    fn new() -> Self {
        Self { left: BURST, at: Instant::now() }
    }

    fn take(&mut self) -> bool {
        let now = Instant::now();
        let grown = (now - self.at).as_secs_f64() * PER_SECOND;
        self.left = (self.left + grown).min(BURST);
        self.at = now;
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use mesegate_resource::Timestamp;

    use super::*;

    fn condition(kind: ConditionType, status: ConditionStatus, reason: Reason) -> Condition {
        Condition {
            kind,
            status,
            observed_generation: Some(1),
            last_transition_time: Timestamp::from_unix(0),
            reason,
            message: "words".into(),
        }
    }

    #[test]
    fn changes_of_reasons_are_told_and_nothing_else() {
        use ConditionStatus::{False, True};
        use ConditionType::{Accepted, Programmed, Reachable, ResolvedRefs};
        let good = [
            condition(Accepted, True, Reason::Accepted),
            condition(ResolvedRefs, True, Reason::ResolvedRefs),
            condition(Programmed, True, Reason::Programmed),
            condition(Reachable, True, Reason::Reachable),
        ];
        let bad = [
            condition(Accepted, False, Reason::NameConflict),
            condition(ResolvedRefs, False, Reason::NoEndpoints),
            condition(Programmed, False, Reason::Refused),
            condition(Reachable, False, Reason::Unreachable),
        ];
        let told = |before: &[Condition], after: &[Condition]| -> Vec<(String, bool)> {
            let all = Happening::between("K", "n", None, before, after);
            all.into_iter().map(|it| (it.reason, it.warning)).collect()
        };
        let event = |reason: &str, warning| (reason.to_owned(), warning);
        assert_eq!(told(&[], &good), [event("Accepted", false)]);
        assert!(told(&good, &good).is_empty() && told(&bad, &bad).is_empty());
        let all = [event("NameConflict", true), event("NoEndpoints", true), event("Refused", true)];
        assert_eq!(told(&good, &bad), all);
        assert_eq!(told(&bad, &good), [event("Accepted", false), event("ResolvedRefs", false)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_told_and_then_a_few_a_second() {
        let mut allowance = Allowance::new();
        assert_eq!((0..200).filter(|_| allowance.take()).count(), 50);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!((0..200).filter(|_| allowance.take()).count(), 10);
    }
}
