//! Writing statuses: by server-side apply, only what has changed, not too often, and only while
//! this replica leads.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use kube::api::{Api, Patch, PatchParams};
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::{Client, Error, Resource};
use mesegate_resource::{
    API_VERSION, BanSpec, BanStatus, Condition, GroupSpec, GroupStatus, Kind, MinetestBan,
    MinetestProxy, MinetestServer, MinetestServerGroup, ProxySpec, ProxyStatus, ServerSpec,
    ServerStatus, Timestamp,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::clock::unix_now;
use crate::cluster::Cluster;
use crate::compile::Compiled;
use crate::events::{Events, Happening};
use crate::fleet::Fleet;
use crate::known::Known;
use crate::lease::Leadership;
use crate::managed::Rollouts;
use crate::metrics::Metrics;
use crate::status::{View, is_ready};

/// Who writes, as the API server records it.
pub(crate) const MANAGER: &str = "mesegate-controller";

/// The least time between two rounds of writing.
const ROUND: Duration = Duration::from_millis(500);

/// Numbers of players alone are written this often.
const PLAYERS: Duration = Duration::from_secs(30);

/// Writes of one round; the rest wait for the next one.
const MOST: usize = 200;

/// Writes at a time.
const AT_A_TIME: usize = 8;

/// How long what was written is believed to be there.
const BELIEF: Duration = Duration::from_mins(5);

/// Writes statuses.
pub struct Writer<L> {
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
    /// What becomes of managed servers.
    pub rollouts: watch::Receiver<Arc<Rollouts>>,
    /// Where it is told what has changed.
    pub events: Events,
    /// Whether to write at all.
    pub leadership: L,
    /// Counters.
    pub metrics: Metrics,
}

type Key = (&'static str, String);

/// What was written, and when.
type Written = HashMap<Key, (Value, Instant)>;

impl<L: Leadership> Writer<L> {
    /// Writes until the process ends.
    pub async fn run(mut self) {
        let mut written = Written::new();
        let mut leads = self.leadership.changes();
        loop {
            if self.leadership.leads() {
                self.round(&mut written).await;
            } else {
                written.clear();
            }
            tokio::time::sleep(ROUND).await;
            tokio::select! {
                changed = self.compiled.changed() => if changed.is_err() { return },
                () = self.fleet.changed() => {}
                changed = self.rollouts.changed() => if changed.is_err() { return },
                changed = leads.changed() => if changed.is_err() { return },
                // For what changes with time alone, and what failed.
                () = tokio::time::sleep(Duration::from_secs(5)) => {}
            }
        }
    }

    async fn round(&mut self, written: &mut Written) {
        let wanted = self.wanted(written);
        written.retain(|key, (_, at)| wanted.contains_key(key) && at.elapsed() < BELIEF);
        let due = wanted.into_iter().filter_map(|(key, change)| {
            let (before, status) = change?;
            let last = written.get(&key);
            let same = last.is_some_and(|(it, _)| *it == status);
            let calm = last.is_some_and(|(it, at)| {
                at.elapsed() < PLAYERS && without_players(it) == without_players(&status)
            });
            (!same && !calm).then_some((key, (before, status)))
        });
        let mut writes = Vec::new();
        let mut before = HashMap::new();
        for (key, (old, status)) in due.take(MOST) {
            before.insert(key.clone(), old);
            writes.push(self.write(key, status));
        }
        let mut writes = futures_util::stream::iter(writes).buffer_unordered(AT_A_TIME);
        while let Some((key, status, result)) = writes.next().await {
            match result {
                Ok(()) => {
                    self.metrics.status_writes_total.with_label_values(&[key.0]).inc();
                    // What this replica wrote may not have come back yet.
                    let last = written.get(&key).map(|(it, _)| it).or(before.get(&key));
                    self.tell(&key, last, &status);
                    written.insert(key, (status, Instant::now()));
                }
                // Deleted in the meantime.
                Err(Error::Api(status)) if status.is_not_found() => {}
                Err(error) => {
                    self.metrics.status_errors_total.with_label_values(&[key.0]).inc();
                    tracing::warn!(kind = key.0, name = key.1, %error, "a status was not written");
                }
            }
        }
    }

    /// Tells what a status says that the one before did not.
    fn tell(&self, (kind, name): &Key, before: Option<&Value>, status: &Value) {
        let before = before.map(conditions).unwrap_or_default();
        let uid = self.cluster.uid(kind, name, &self.namespace);
        let after = conditions(status);
        for it in Happening::between(kind, name, uid.as_deref(), &before, &after) {
            self.events.record(it);
        }
    }

    /// Every object, and if its status differs from what it should be, both of them. The status of
    /// an object that cannot be read is not known; what was `written` last stands for it.
    fn wanted(&mut self, written: &Written) -> BTreeMap<Key, Option<(Value, Value)>> {
        let compiled = Arc::clone(&self.compiled.borrow_and_update());
        let (connected, players) = self.fleet.view();
        let now = Timestamp::from_unix(unix_now() as i64);
        let rollouts = Arc::clone(&self.rollouts.borrow_and_update());
        let view = View::new(&compiled, &connected, &players, &rollouts, now);
        let mut all = BTreeMap::new();
        let verdict = |kind, name: &str| compiled.verdicts.get(&(kind, name.to_owned()));
        let mut ready = BTreeMap::new();
        let none = ServerStatus::default();
        for object in readable(&self.cluster.servers.state()) {
            let name = object.metadata.name.clone().unwrap_or_default();
            let before = object.status.as_ref().unwrap_or(&none);
            let Some(verdict) = verdict(ServerSpec::KIND, &name) else { continue };
            let status = view.server(&name, verdict, &object.spec, before);
            ready.insert(name.clone(), is_ready(&status.conditions));
            all.insert((ServerSpec::KIND, name), change(before, &status));
        }
        let ready = |name: &str| ready.get(name).copied().unwrap_or(false);
        let none = GroupStatus::default();
        for object in readable(&self.cluster.groups.state()) {
            let name = object.metadata.name.clone().unwrap_or_default();
            let before = object.status.as_ref().unwrap_or(&none);
            let Some(verdict) = verdict(GroupSpec::KIND, &name) else { continue };
            let status = view.group(verdict, &ready, before);
            all.insert((GroupSpec::KIND, name), change(before, &status));
        }
        let none = ProxyStatus::default();
        for object in readable(&self.cluster.proxies.state()) {
            let name = object.metadata.name.clone().unwrap_or_default();
            let before = object.status.as_ref().unwrap_or(&none);
            let Some(verdict) = verdict(ProxySpec::KIND, &name) else { continue };
            let status = view.proxy(&name, verdict, before);
            all.insert((ProxySpec::KIND, name), change(before, &status));
        }
        let none = BanStatus::default();
        for object in readable(&self.cluster.bans.state()) {
            let name = object.metadata.name.clone().unwrap_or_default();
            let before = object.status.as_ref().unwrap_or(&none);
            let Some(verdict) = verdict(BanSpec::KIND, &name) else { continue };
            let status = view.ban(verdict, before);
            all.insert((BanSpec::KIND, name), change(before, &status));
        }
        for (key, verdict) in &compiled.verdicts {
            if all.contains_key(key) {
                continue;
            }
            let last = written.get(key).map(|(it, _)| it.clone()).unwrap_or_default();
            let before = BanStatus { observed_generation: None, conditions: conditions(&last) };
            // Nothing but conditions, as all kinds have them.
            let status = json!(view.ban(verdict, &before));
            all.insert(key.clone(), (last != status).then_some((last, status)));
        }
        all
    }

    async fn write(&self, key: Key, status: Value) -> (Key, Value, Result<(), Error>) {
        let (kind, name) = &key;
        let patch = Patch::Apply(json!({
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": { "name": name },
            "status": status,
        }));
        let result = match *kind {
            ServerSpec::KIND => self.apply::<MinetestServer>(name, &patch).await,
            GroupSpec::KIND => self.apply::<MinetestServerGroup>(name, &patch).await,
            ProxySpec::KIND => self.apply::<MinetestProxy>(name, &patch).await,
            _ => self.apply::<MinetestBan>(name, &patch).await,
        };
        (key, status, result)
    }

    async fn apply<K>(&self, name: &str, patch: &Patch<Value>) -> Result<(), Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned,
    {
        let api: Api<DeserializeGuard<K>> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = PatchParams::apply(MANAGER).force();
        api.patch_status(name, &params, patch).await.map(|_| ())
    }
}

/// What a status was and what it should be, unless that is the same.
fn change<S: Serialize + PartialEq>(before: &S, status: &S) -> Option<(Value, Value)> {
    (before != status).then(|| (json!(before), json!(status)))
}

fn readable<K>(objects: &[Arc<DeserializeGuard<Known<K>>>]) -> impl Iterator<Item = &K> {
    objects.iter().filter_map(|it| it.0.as_ref().ok().map(|it| &it.0))
}

/// The conditions in a status.
fn conditions(status: &Value) -> Vec<Condition> {
    let list = status.get("conditions").cloned().unwrap_or_default();
    serde_json::from_value(list).unwrap_or_default()
}

/// A status without what changes whenever a player comes or goes.
fn without_players(status: &Value) -> Value {
    let mut status = status.clone();
    if let Some(fields) = status.as_object_mut() {
        fields.remove("players");
        if let Some(proxies) = fields.get_mut("proxies").and_then(Value::as_array_mut) {
            for proxy in proxies {
                proxy.as_object_mut().map(|it| it.remove("players"));
            }
        }
    }
    status
}
