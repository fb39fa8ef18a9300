//! The objects of one namespace, watched.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Resource, ResourceExt as _};
use mesegate_resource::{
    BanSpec, GroupSpec, Kind, MinetestBan, MinetestProxy, MinetestServer, MinetestServerGroup,
    ProxySpec, ServerSpec,
};
use serde::de::DeserializeOwned;
use tokio::sync::{OnceCell, watch};

use crate::known::{Known, Strange};
use crate::metrics::Metrics;
use crate::pauses::pauses;
use crate::world::{Broken, Object, Ports, Slice, World};

/// The label that tells the Service of a slice.
const SERVICE: &str = "kubernetes.io/service-name";

pub(crate) type Guarded<K> = Store<DeserializeGuard<Known<K>>>;

/// What the API server has told so far. Cloning shares it.
#[derive(Clone)]
pub struct Cluster {
    /// Backends.
    pub servers: Guarded<MinetestServer>,
    /// Groups.
    pub groups: Guarded<MinetestServerGroup>,
    /// Fleets.
    pub proxies: Guarded<MinetestProxy>,
    /// Declared bans.
    pub bans: Guarded<MinetestBan>,
    services: Guarded<Service>,
    slices: Guarded<EndpointSlice>,
    manages: bool,
    revision: watch::Receiver<u64>,
    seen: Arc<OnceCell<bool>>,
}

impl Cluster {
    /// Begins to watch a namespace. Watches are tried again for ever. `manages` tells whether
    /// controllers run managed servers.
    pub fn watch(client: &Client, namespace: &str, metrics: &Metrics, manages: bool) -> Self {
        let (sender, revision) = watch::channel(0);
        let watching = Watching {
            client: client.clone(),
            namespace: namespace.to_owned(),
            revision: Arc::new(sender),
            strange: Strange::new(metrics.clone()),
            metrics: metrics.clone(),
        };
        Self {
            servers: watching.follow(""),
            groups: watching.follow(""),
            proxies: watching.follow(""),
            bans: watching.follow(""),
            services: watching.follow(""),
            slices: watching.follow(""),
            manages,
            revision,
            seen: Arc::default(),
        }
    }

    /// Waits until everything was seen once. False if that will not happen any more.
    pub async fn synced(&self) -> bool {
        // One waits for all: a store wakes only the last of several tasks that wait for it
        // (kube-runtime's `utils/delayed_init.rs`), so the others would wait for ever.
        *self.seen.get_or_init(|| self.all_ready()).await
    }

    async fn all_ready(&self) -> bool {
        self.servers.wait_until_ready().await.is_ok()
            && self.groups.wait_until_ready().await.is_ok()
            && self.proxies.wait_until_ready().await.is_ok()
            && self.bans.wait_until_ready().await.is_ok()
            && self.services.wait_until_ready().await.is_ok()
            && self.slices.wait_until_ready().await.is_ok()
    }

    /// A number that changes with every change.
    pub fn revision(&self) -> watch::Receiver<u64> {
        self.revision.clone()
    }

    /// What tells an object of a kind of ours from others that have had its name.
    pub fn uid(&self, kind: &str, name: &str, namespace: &str) -> Option<String> {
        match kind {
            ServerSpec::KIND => uid(&self.servers, name, namespace),
            GroupSpec::KIND => uid(&self.groups, name, namespace),
            ProxySpec::KIND => uid(&self.proxies, name, namespace),
            BanSpec::KIND => uid(&self.bans, name, namespace),
            _ => None,
        }
    }

    /// Proxies that were connected, as the statuses say that were written last.
    pub fn connected_before(&self) -> usize {
        let connected = |it: &Arc<DeserializeGuard<Known<MinetestProxy>>>| {
            let status = it.0.as_ref().ok()?.status.as_ref()?;
            status.connected.map(|it| it as usize)
        };
        self.proxies.state().iter().filter_map(connected).sum()
    }

    /// All of it as plain data, by name.
    pub fn world(&self) -> World {
        let mut world = World { manages: self.manages, ..World::default() };
        let broken = &mut world.broken;
        world.servers = objects(&self.servers, broken, |it| it.spec.clone());
        world.groups = objects(&self.groups, broken, |it| it.spec.clone());
        world.proxies = objects(&self.proxies, broken, |it| it.spec.clone());
        world.bans = objects(&self.bans, broken, |it| it.spec.clone());
        for guarded in self.services.state() {
            if let Ok(service) = &guarded.0 {
                let names = udp_ports(service);
                let owner = controlled_by(&service.metadata).map(str::to_owned);
                world.services.insert(service.name_any(), Ports { names, owner });
            }
        }
        let slices = self.slices.state();
        world.slices =
            slices.iter().filter_map(|it| it.0.as_ref().ok().and_then(|it| slice(it))).collect();
        world
    }
}

/// How objects of a namespace are watched.
pub(crate) struct Watching {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// Changes with every change.
    pub(crate) revision: Arc<watch::Sender<u64>>,
    pub(crate) strange: Strange,
    pub(crate) metrics: Metrics,
}

impl Watching {
    /// Watches the objects of a kind that have these labels, all if it is empty.
    pub(crate) fn follow<K>(&self, labels: &str) -> Guarded<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + std::marker::Sync
            + 'static,
    {
        let (store, writer) = reflector::store();
        let api: Api<DeserializeGuard<Known<K>>> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let (revision, metrics) = (Arc::clone(&self.revision), self.metrics.clone());
        let kind = K::kind(&()).into_owned();
        let mut config = watcher::Config::default();
        if !labels.is_empty() {
            config = config.labels(labels);
        }
        tokio::spawn(self.strange.clone().during(async move {
            let events = watcher(api, config)
                .modify(|object| object.meta_mut().managed_fields = None)
                .backoff(pauses())
                .reflect(writer);
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                match event {
                    Ok(_) => revision.send_modify(|it| *it = it.wrapping_add(1)),
                    Err(error) => {
                        metrics.watch_errors_total.with_label_values(&[kind.as_str()]).inc();
                        tracing::warn!(kind, %error, "a watch failed and is tried again");
                    }
                }
            }
        }));
        store
    }
}

/// The uid of the object that controls one, if one does.
pub(crate) fn controlled_by(meta: &ObjectMeta) -> Option<&str> {
    let mut owners = meta.owner_references.iter().flatten();
    owners.find(|it| it.controller == Some(true)).map(|it| &*it.uid)
}

fn uid<K>(store: &Guarded<K>, name: &str, namespace: &str) -> Option<String>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.get(&ObjectRef::new(name).within(namespace))?.meta().uid.clone()
}

fn objects<K, S: Kind>(
    store: &Guarded<K>,
    broken: &mut Vec<Broken>,
    spec: impl Fn(&K) -> S,
) -> Vec<Object<S>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let mut good = Vec::new();
    for guarded in store.state() {
        let meta = guarded.meta();
        // Something on its way out is not to be used any more.
        if meta.deletion_timestamp.is_some() {
            continue;
        }
        let name = meta.name.clone().unwrap_or_default();
        let generation = meta.generation.unwrap_or_default();
        match &guarded.0 {
            Ok(object) => good.push(Object {
                name,
                uid: meta.uid.clone(),
                labels: meta.labels.clone().unwrap_or_default(),
                generation,
                spec: Arc::new(spec(object)),
            }),
            Err(error) => {
                let error = error.error.clone();
                broken.push(Broken { kind: S::KIND, name, generation, error });
            }
        }
    }
    good
}

fn udp_ports(service: &Service) -> Vec<String> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
    let udp = ports.into_iter().flatten().filter(|it| it.protocol.as_deref() == Some("UDP"));
    udp.map(|it| it.name.clone().unwrap_or_default()).collect()
}

/// What of a slice can be used. An endpoint whose readiness is not known counts as ready, as the
/// field's description in discovery.k8s.io/v1 asks for.
fn slice(slice: &EndpointSlice) -> Option<Slice> {
    let service = slice.metadata.labels.as_ref()?.get(SERVICE)?.clone();
    let udp = slice.ports.iter().flatten().filter(|it| it.protocol.as_deref() == Some("UDP"));
    let ports: BTreeMap<String, u16> = udp
        .filter_map(|it| {
            let port = u16::try_from(it.port?).ok().filter(|port| *port != 0)?;
            Some((it.name.clone().unwrap_or_default(), port))
        })
        .collect();
    let ready = slice
        .endpoints
        .iter()
        .filter(|it| it.conditions.as_ref().and_then(|it| it.ready).unwrap_or(true));
    let addresses = ready.filter_map(|it| it.addresses.first().cloned()).collect();
    Some(Slice { service, ports, addresses })
}
