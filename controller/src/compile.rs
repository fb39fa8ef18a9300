//! From what the cluster says to what proxies are told, and what is to be said about each object.
//!
//! A pure function: the same world gives the same sets, whichever replica makes them. Nothing in
//! an object stops the others: what a proxy would refuse is left out, and the object's conditions
//! say so.

mod address;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mesegate_proto::control::v1::{Address, Resource};
use mesegate_resource::{
    BanSpec, GroupSpec, Kind, Managed, Name, ProxySpec, Reason, ServerSpec, ServiceRef, Target,
};
use serde::Serialize;

use crate::managed;
use crate::set::{Item, Set};
use crate::world::{Object, World};

/// What was found out about one aspect of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether all is well.
    pub good: bool,
    /// The cause in one word.
    pub reason: Reason,
    /// The cause in words.
    pub message: String,
}

impl Finding {
    pub(crate) fn good(reason: Reason) -> Self {
        Self { good: true, reason, message: String::new() }
    }

    pub(crate) fn bad(reason: Reason, message: impl Into<String>) -> Self {
        Self { good: false, reason, message: message.into() }
    }
}

/// What was found out about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its generation.
    pub generation: i64,
    /// Whether the document is valid among the others.
    pub accepted: Finding,
    /// Whether what it refers to was found; only servers and proxies refer to anything.
    pub resolved: Option<Finding>,
    /// Where a server is.
    pub address: Option<String>,
    /// The servers of a group.
    pub members: Vec<String>,
}

impl Verdict {
    fn new(generation: i64, accepted: Finding) -> Self {
        Self { generation, accepted, resolved: None, address: None, members: Vec::new() }
    }
}

/// The result.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Compiled {
    /// What the proxies of each class get. A class is missing when there is no such
    /// `MinetestProxy`, or when its default target is not there: proxies keep what they have.
    pub sets: BTreeMap<String, Arc<Set>>,
    /// The `MinetestProxy` of each of these classes.
    pub proxies: BTreeMap<String, Arc<ProxySpec>>,
    /// Whether controllers run managed servers.
    pub manages: bool,
    /// By kind and name.
    pub verdicts: BTreeMap<(&'static str, String), Verdict>,
}

/// Makes sets and verdicts. `now` is in Unix seconds, for bans that are over.
pub fn compile(world: &World, now: u64) -> Compiled {
    let mut out = Compiled { manages: world.manages, ..Compiled::default() };
    for broken in &world.broken {
        let finding = Finding::bad(Reason::Invalid, &broken.error);
        let key = (broken.kind, broken.name.clone());
        out.verdicts.insert(key, Verdict::new(broken.generation, finding));
    }
    let servers = out.readable(&world.servers);
    let servers = out.without_bad_names(servers);
    let groups = out.readable(&world.groups);
    let bans = out.readable(&world.bans);
    let proxies = out.readable(&world.proxies);
    let server_names: BTreeSet<&str> = servers.iter().map(|it| it.name.as_str()).collect();
    let groups = out.without_conflicts(groups, &server_names);
    let known = targets::Known::new(&server_names, &groups);
    let mut items = Vec::new();
    for server in &servers {
        let (verdict, item) = compile_server(server, world, &known);
        items.push(item);
        out.verdicts.insert((ServerSpec::KIND, server.name.as_str().to_owned()), verdict);
    }
    for group in &groups {
        let own = Target::Group(group.name.clone());
        let (accepted, fallbacks) = known.check(&own, &group.spec.fallbacks);
        let mut verdict = Verdict::new(group.generation, accepted);
        let members = servers.iter().filter(|it| group.spec.selector.matches(it.labels));
        verdict.members = members.map(|it| it.name.as_str().to_owned()).collect();
        verdict.members.sort();
        let spec = GroupSpec { fallbacks, ..group.spec.clone() };
        items.push(item(group, &spec, None));
        out.verdicts.insert((GroupSpec::KIND, group.name.as_str().to_owned()), verdict);
    }
    for ban in &bans {
        let over = ban.spec.expires_at.is_some_and(|end| end.unix() <= now as i64);
        let accepted = if over {
            Finding::bad(Reason::Expired, "the ban is over; delete the object")
        } else {
            items.push(item(ban, ban.spec, None));
            Finding::good(Reason::Accepted)
        };
        let key = (BanSpec::KIND, ban.name.as_str().to_owned());
        out.verdicts.insert(key, Verdict::new(ban.generation, accepted));
    }
    for proxy in &proxies {
        let mut verdict = Verdict::new(proxy.generation, Finding::good(Reason::Accepted));
        match known.missing(&proxy.spec.default_target) {
            None => {
                verdict.resolved = Some(Finding::good(Reason::ResolvedRefs));
                let all = items.iter().cloned().chain([item(proxy, proxy.spec, None)]);
                let class = proxy.name.as_str().to_owned();
                out.proxies.insert(class, Arc::new(proxy.spec.clone()));
                out.sets.insert(proxy.name.as_str().to_owned(), Arc::new(Set::new(all)));
            }
            Some(why) => {
                let message =
                    format!("spec.defaultTarget: {why}; until then proxies keep what they have");
                verdict.accepted = Finding::bad(Reason::UnknownTarget, &*message);
                verdict.resolved = Some(Finding::bad(Reason::UnknownTarget, message));
            }
        }
        out.verdicts.insert((ProxySpec::KIND, proxy.name.as_str().to_owned()), verdict);
    }
    out
}

/// An object whose name is one of ours.
struct Readable<'a, S> {
    name: Name,
    uid: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
    generation: i64,
    spec: &'a S,
}

impl Compiled {
    /// Objects with names that proxies know, and with fields that fit together. An API server
    /// refuses the others, unless its definitions are older than this program.
    fn readable<'a, S: Kind>(&mut self, objects: &'a [Object<S>]) -> Vec<Readable<'a, S>> {
        let mut good = Vec::new();
        for object in objects {
            let fault = match (Name::new(&object.name), object.spec.check()) {
                (Some(name), Ok(())) => {
                    let (labels, generation) = (&object.labels, object.generation);
                    let uid = object.uid.as_deref();
                    good.push(Readable { name, uid, labels, generation, spec: &*object.spec });
                    continue;
                }
                (None, _) => "metadata.name: write 1 to 63 of a-z, 0-9 and '-'".to_owned(),
                (_, Err(fault)) => format!("{}: {}", fault.field, fault.what),
            };
            let verdict = Verdict::new(object.generation, Finding::bad(Reason::Invalid, fault));
            self.verdicts.insert((S::KIND, object.name.clone()), verdict);
        }
        good
    }

    /// Servers whose objects can be called like them, if they have some.
    fn without_bad_names<'a>(
        &mut self,
        servers: Vec<Readable<'a, ServerSpec>>,
    ) -> Vec<Readable<'a, ServerSpec>> {
        let (good, bad): (Vec<_>, Vec<_>) = servers
            .into_iter()
            .partition(|it| it.spec.managed.is_none() || Managed::fits(&it.name));
        for server in bad {
            let finding =
                Finding::bad(Reason::Invalid, format!("metadata.name: {}", Managed::NAME_RULE));
            let key = (ServerSpec::KIND, server.name.as_str().to_owned());
            self.verdicts.insert(key, Verdict::new(server.generation, finding));
        }
        good
    }

    /// Groups that no server shares its name with: players type both.
    fn without_conflicts<'a>(
        &mut self,
        groups: Vec<Readable<'a, GroupSpec>>,
        servers: &BTreeSet<&str>,
    ) -> Vec<Readable<'a, GroupSpec>> {
        let (bad, good) = groups.into_iter().partition(|it| servers.contains(it.name.as_str()));
        let bad: Vec<Readable<'_, GroupSpec>> = bad;
        for group in bad {
            let name = group.name.as_str().to_owned();
            let message = format!(
                "there is a MinetestServer {name} as well; the group is left out until one of \
                 them is called something else"
            );
            let finding = Finding::bad(Reason::NameConflict, message);
            let verdict = Verdict::new(group.generation, finding);
            self.verdicts.insert((GroupSpec::KIND, name), verdict);
        }
        good
    }
}

fn compile_server(
    server: &Readable<'_, ServerSpec>,
    world: &World,
    known: &targets::Known<'_>,
) -> (Verdict, Arc<Item>) {
    let own = Target::Server(server.name.clone());
    let (accepted, fallbacks) = known.check(&own, &server.spec.fallbacks);
    let mut verdict = Verdict::new(server.generation, accepted);
    let mut address = None;
    let mut service_ref = server.spec.service_ref.clone();
    if let Some(endpoint) = &server.spec.endpoint {
        verdict.address = Some(endpoint.to_string());
        verdict.resolved = Some(Finding::good(Reason::ResolvedRefs));
    } else {
        let found = match &service_ref {
            Some(reference) => address::find(reference, world),
            None => {
                // Proxies need not know what it is made of.
                let own = ServiceRef { name: server.name.clone(), port: managed::objects::port() };
                let found = address::find_own(&own, server.uid, world);
                service_ref = Some(own);
                found
            }
        };
        match found {
            Ok(found) => {
                verdict.address = Some(found.to_string());
                verdict.resolved = Some(Finding::good(Reason::ResolvedRefs));
                address = Some(Address { host: found.host, port: found.port.into() });
            }
            Err(finding) => verdict.resolved = Some(finding),
        }
    }
    let spec = ServerSpec { fallbacks, service_ref, managed: None, ..server.spec.clone() };
    (verdict, item(server, &spec, address))
}

fn item<S: Kind + Serialize, T>(
    object: &Readable<'_, T>,
    spec: &S,
    address: Option<Address>,
) -> Arc<Item> {
    Item::new(Resource {
        kind: S::KIND.into(),
        name: object.name.as_str().to_owned(),
        labels: object.labels.clone(),
        generation: object.generation,
        // Maps with keys that are no text are the only thing that could not be written.
        spec: serde_json::to_string(spec).unwrap_or_default(),
        address,
    })
}

#[cfg(test)]
mod tests;
