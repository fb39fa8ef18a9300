//! Servers that the controller runs: objects with `managed` become StatefulSets, Services,
//! ConfigMaps and volumes. Only the replica that leads makes them.
//!
//! [`objects`] says what they are, [`order`] which servers may be changed now, [`apply`] brings it
//! to the API server, and [`evacuate`] sends players away before their server is changed.

pub mod apply;
mod evacuate;
pub mod objects;
pub mod order;
mod subject;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{Client, ResourceExt as _};
use mesegate_resource::{Kind, Managed, Name, Reason, ServerSpec, ServerState};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::cluster::{Cluster, Guarded, Watching, controlled_by};
use crate::compile::{Compiled, Finding};
use crate::fleet::Fleet;
use crate::known::Strange;
use crate::lease::Leadership;
use crate::metrics::Metrics;
use apply::{Applier, Trouble};
use objects::{MANAGED_BY, digest};
use order::{Server, Step, steps};
use subject::{Subject, ordered, replicas, said};

/// The least time between two rounds.
const ROUND: Duration = Duration::from_millis(500);

/// How often what proxies and time change is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How long what was applied is believed to be there.
const BELIEF: Duration = Duration::from_mins(5);

/// How long it is waited after something was refused, unless it is another thing then.
const PAUSE: Duration = Duration::from_secs(10);

/// How long an object that was applied counts though the watch does not show it yet.
const AHEAD: Duration = Duration::from_secs(10);

/// How long after it began to lead a replica knows which players there are.
const ACQUAINTED: Duration = Duration::from_secs(20);

/// What becomes of a managed server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// Generation of the server's object.
    pub generation: i64,
    /// Whether it runs as the object says.
    pub finding: Finding,
}

/// What becomes of managed servers, by name.
pub type Rollouts = BTreeMap<String, Rollout>;

/// Keeps managed servers as their objects say.
pub struct Keeper<L> {
    /// The API server.
    pub client: Client,
    /// Where the objects are.
    pub namespace: String,
    /// What it says.
    pub cluster: Cluster,
    /// What was made of that.
    pub compiled: watch::Receiver<Arc<Compiled>>,
    /// What proxies say.
    pub fleet: Fleet,
    /// Whether to make anything.
    pub leadership: L,
    /// Where it is told what became of them.
    pub rollouts: watch::Sender<Arc<Rollouts>>,
    /// Counters.
    pub metrics: Metrics,
}

/// What this replica has done.
#[derive(Default)]
struct Memory {
    /// Since when it leads.
    since: Option<Instant>,
    /// What was applied last of each server.
    applied: HashMap<String, Applied>,
    /// StatefulSets as they were given back, until the watch shows them.
    ahead: HashMap<String, (StatefulSet, Instant)>,
}

/// What was applied of a server.
struct Applied {
    what: String,
    at: Instant,
    /// What came of it, if it was not all done.
    trouble: Option<Finding>,
}

impl<L: Leadership> Keeper<L> {
    /// Works until the process ends.
    pub async fn run(self) {
        let (sender, mut changes) = watch::channel(0);
        let watching = Watching {
            client: self.client.clone(),
            namespace: self.namespace.clone(),
            revision: Arc::new(sender),
            strange: Strange::new(self.metrics.clone()),
            metrics: self.metrics.clone(),
        };
        let (label, value) = MANAGED_BY;
        let sets: Guarded<StatefulSet> = watching.follow(&format!("{label}={value}"));
        if !self.cluster.synced().await || sets.wait_until_ready().await.is_err() {
            return;
        }
        let mut objects = self.cluster.revision();
        let mut leads = self.leadership.changes();
        let mut memory = Memory::default();
        loop {
            changes.mark_unchanged();
            objects.mark_unchanged();
            if self.leadership.leads() {
                memory.since.get_or_insert_with(Instant::now);
                let rollouts = self.round(&sets, &mut memory).await;
                self.rollouts.send_if_modified(|old| {
                    let differs = **old != rollouts;
                    if differs {
                        *old = Arc::new(rollouts);
                    }
                    differs
                });
            } else {
                memory = Memory::default();
                self.rollouts.send_replace(Arc::default());
            }
            tokio::time::sleep(ROUND).await;
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                changed = objects.changed() => if changed.is_err() { return },
                changed = leads.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn round(&self, sets: &Guarded<StatefulSet>, memory: &mut Memory) -> Rollouts {
        let applier = Applier {
            client: self.client.clone(),
            namespace: self.namespace.clone(),
            metrics: self.metrics.clone(),
        };
        let compiled = Arc::clone(&self.compiled.borrow());
        let (connected, players) = self.fleet.view();
        let mut there: HashMap<String, StatefulSet> = HashMap::new();
        for guarded in sets.state() {
            if let Ok(set) = &guarded.0
                && set.metadata.deletion_timestamp.is_none()
            {
                there.insert(set.name_any(), set.0.clone());
            }
        }
        memory.ahead.retain(|name, (set, at)| {
            let seen = there.get(name).and_then(|it| it.metadata.generation);
            let behind = seen < set.metadata.generation && at.elapsed() < AHEAD;
            if behind {
                there.insert(name.clone(), set.clone());
            }
            behind
        });
        let acquainted = memory.since.is_some_and(|it| it.elapsed() >= ACQUAINTED);
        let mut subjects = Vec::new();
        for guarded in self.cluster.servers.state() {
            let Ok(server) = &guarded.0 else { continue };
            if server.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let name = server.name_any();
            let uid = server.metadata.uid.as_deref();
            let now = there.remove(&name).filter(|it| controlled_by(&it.metadata) == uid);
            if server.spec.managed.is_none() {
                if let (Some(set), Some(uid)) = (now, uid) {
                    applier.remove(&name, uid, &set).await;
                    memory.applied.remove(&name);
                }
                continue;
            }
            // The verdict may be about the edit before; who is left out here would hold up nobody.
            let valid = server.spec.check().is_ok()
                && Name::new(&name).is_some_and(|it| Managed::fits(&it));
            let generation = server.metadata.generation.unwrap_or_default();
            if !valid {
                continue;
            }
            let deserted = acquainted && players.get(&name).copied().unwrap_or_default() == 0;
            let stopped = server.spec.state == ServerState::Disabled
                && (now.as_ref().is_none_or(|it| replicas(it) == 0) || deserted);
            let mut subject = Subject {
                server: Arc::new(server.0.clone()),
                generation,
                template: Value::Null,
                stopped,
                now,
            };
            if let Some(source) = subject.source() {
                subject.template = source.template();
                subjects.push(subject);
            }
        }
        memory.applied.retain(|name, _| subjects.iter().any(|it| it.name() == name));
        let servers = ordered(&subjects, &compiled, &connected);
        let steps = steps(&servers);
        let mut rollouts = Rollouts::new();
        for (subject, server) in subjects.iter().zip(&servers) {
            let Some(step) = steps.get(&*server.name) else { continue };
            let unseen = compiled
                .verdicts
                .get(&(ServerSpec::KIND, server.name.clone()))
                .and_then(|it| it.resolved.as_ref())
                .is_some_and(|it| it.reason == Reason::ServiceNotFound);
            let finding = self.bring(&applier, subject, server, step, unseen, memory).await;
            let rollout = Rollout { generation: subject.generation, finding };
            rollouts.insert(server.name.clone(), rollout);
        }
        rollouts
    }

    /// Does a step, and tells what became of it.
    async fn bring(
        &self,
        applier: &Applier,
        subject: &Subject,
        server: &Server,
        step: &Step,
        unseen: bool,
        memory: &mut Memory,
    ) -> Finding {
        let Some(source) = subject.source() else {
            return Finding::bad(Reason::ApplyFailed, "the object has no uid");
        };
        let whole = !matches!(step, Step::Wait(_));
        let what = digest(&json!([
            source.uid,
            source.managed,
            subject.stopped,
            whole,
            server.now.as_ref().map(|it| it.runs),
        ]));
        let fresh = memory.applied.get(&server.name).is_some_and(|it| {
            let calm = if it.trouble.is_some() { PAUSE } else { BELIEF };
            let missing = unseen && it.trouble.is_none() && it.at.elapsed() > PAUSE;
            it.what == what && it.at.elapsed() < calm && !missing
        });
        // A step that changes something is done whatever was done before, unless it was refused.
        let change = matches!(step, Step::Create | Step::Replace | Step::Roll);
        let troubled = memory.applied.get(&server.name).is_some_and(|it| it.trouble.is_some());
        if !fresh || change && !troubled {
            if *step == Step::Roll && !troubled {
                evacuate::all(&self.fleet, &server.name, &subject.server.spec.fallbacks).await;
            }
            let set = whole.then(|| {
                let rolled = match step {
                    Step::Replace | Step::Roll => server.now.as_ref().is_some_and(|it| it.runs),
                    _ => server.now.as_ref().is_some_and(|it| it.rolled),
                };
                source.stateful_set(&subject.template, subject.stopped, rolled)
            });
            if change {
                tracing::info!(server = server.name, ?step, "a managed server is changed");
            }
            let (given, trouble) = match applier.put_all(&source, set).await {
                Ok((given, None)) => (given, None),
                Ok((given, Some(problem))) => {
                    (given, Some(Finding::bad(Reason::VolumeFixed, problem)))
                }
                Err(Trouble::NotOwned(message)) => {
                    (None, Some(Finding::bad(Reason::NotOwned, message)))
                }
                Err(Trouble::Refused(message)) => {
                    (None, Some(Finding::bad(Reason::ApplyFailed, message)))
                }
            };
            if let Some(given) = given {
                memory.ahead.insert(server.name.clone(), (given, Instant::now()));
            }
            let applied = Applied { what, at: Instant::now(), trouble };
            memory.applied.insert(server.name.clone(), applied);
        }
        let trouble = memory.applied.get(&server.name).and_then(|it| it.trouble.clone());
        trouble.unwrap_or_else(|| said(subject, step))
    }
}
