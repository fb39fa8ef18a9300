//! Documents that were read one by one, checked against each other.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use mesegate_resource::{
    BanSpec, GroupSpec, Kind as _, Metadata, Name, ProxySpec, ServerSpec, Target,
};

use super::place::{Place, ResourceError};
use crate::network::{Ban, Group, Network, Server};

/// One document that was read. Networks share what it holds, so that one which differs in a few
/// documents costs little.
#[derive(Debug, Clone)]
pub(crate) enum Read {
    Server(Arc<Server>),
    Group(Name, Arc<GroupSpec>),
    Proxy(Name, Arc<ProxySpec>),
    Ban(Arc<Ban>),
}

impl Read {
    /// A server with its address.
    pub(super) fn server(
        metadata: Metadata,
        spec: ServerSpec,
        place: &Place<'_>,
    ) -> Result<Self, ResourceError> {
        let Some(endpoint) = spec.endpoint.clone() else {
            let (field, what) = if spec.managed.is_some() {
                (
                    "spec.managed",
                    "needs a controller, which runs the server; write endpoint with host and port",
                )
            } else {
                (
                    "spec.serviceRef",
                    "needs a controller, which resolves Services; write endpoint with host and port",
                )
            };
            return Err(place.wrong(field, what));
        };
        let server = Server { name: metadata.name, labels: metadata.labels, endpoint, spec };
        Ok(Self::Server(Arc::new(server)))
    }

    pub(super) fn group((metadata, spec): (Metadata, GroupSpec)) -> Self {
        Self::Group(metadata.name, Arc::new(spec))
    }

    pub(super) fn proxy((metadata, spec): (Metadata, ProxySpec)) -> Self {
        Self::Proxy(metadata.name, Arc::new(spec))
    }

    pub(super) fn ban((metadata, spec): (Metadata, BanSpec)) -> Self {
        Self::Ban(Arc::new(Ban { name: metadata.name, spec }))
    }
}

/// What is known under which name.
type Places<'a> = HashMap<&'a str, &'a Place<'a>>;

/// All names of one kind each.
#[derive(Default)]
struct Names<'a> {
    servers: Places<'a>,
    groups: Places<'a>,
    bans: Places<'a>,
}

/// Makes a network of documents. What was read is not read again, so this is cheap beside reading.
pub(super) fn assemble(path: &Path, docs: &[(Place<'_>, Read)]) -> Result<Network, ResourceError> {
    let mut names = Names::default();
    let (mut servers, mut groups, mut bans) = (Vec::new(), Vec::new(), Vec::new());
    let mut proxy: Option<(&Place<'_>, &ProxySpec)> = None;
    for (place, read) in docs {
        match read {
            Read::Server(server) => {
                unique(ServerSpec::KIND, &mut names.servers, &server.name, place)?;
                servers.push((place, server));
            }
            Read::Group(name, spec) => {
                unique(GroupSpec::KIND, &mut names.groups, name, place)?;
                groups.push((place, Group::new(name.clone(), (**spec).clone())));
            }
            Read::Ban(ban) => {
                unique(BanSpec::KIND, &mut names.bans, &ban.name, place)?;
                bans.push(Arc::clone(ban));
            }
            Read::Proxy(name, spec) => {
                if let Some((first, _)) = &proxy {
                    let what = format!(
                        "{name} is the second MinetestProxy (the first is at {first}); keep one"
                    );
                    return Err(place.wrong("kind", what));
                }
                proxy = Some((place, spec));
            }
        }
    }
    for (place, group) in &groups {
        if let Some(first) = names.servers.get(group.name.as_str()) {
            let name = &group.name;
            let what = format!(
                "{name} is also the MinetestServer at {first}; players type both names, so \
                 call the group something else"
            );
            return Err(place.wrong("metadata.name", what));
        }
    }
    let Some((place, spec)) = proxy else {
        let what = "no MinetestProxy document; add one with spec.defaultTarget";
        return Err(ResourceError::whole(path, what));
    };
    names.check(&spec.default_target, place, "spec.defaultTarget")?;
    for (place, server) in &servers {
        if !server.spec.fallbacks.is_empty() {
            names.check_all(&server.target(), &server.spec.fallbacks, place)?;
        }
    }
    for (place, group) in &groups {
        let own = Target::Group(group.name.clone());
        names.check_all(&own, &group.spec.fallbacks, place)?;
    }
    no_cycle(&groups)?;
    let servers = servers.into_iter().map(|(_, server)| Arc::clone(server)).collect();
    let groups = groups.into_iter().map(|(_, group)| group).collect();
    Ok(Network::new(servers, groups, bans, spec.clone()))
}

fn unique<'a>(
    kind: &str,
    known: &mut Places<'a>,
    name: &'a Name,
    place: &'a Place<'a>,
) -> Result<(), ResourceError> {
    if let Some(first) = known.insert(name.as_str(), place) {
        let what = format!("a {kind} {name} is already declared at {first}");
        return Err(place.wrong("metadata.name", what));
    }
    Ok(())
}

impl Names<'_> {
    fn check_all(
        &self,
        own: &Target,
        fallbacks: &[Target],
        place: &Place<'_>,
    ) -> Result<(), ResourceError> {
        for (index, fallback) in fallbacks.iter().enumerate() {
            let field = format!("spec.fallbacks[{index}]");
            if fallback == own {
                let what = format!("{own} cannot be its own fallback");
                return Err(place.wrong(&format!("{field}.{}", key(fallback)), what));
            }
            self.check(fallback, place, &field)?;
        }
        Ok(())
    }

    /// That a target is there.
    fn check(&self, target: &Target, place: &Place<'_>, field: &str) -> Result<(), ResourceError> {
        let (kind, other, here, there) = match target {
            Target::Server(_) => ("MinetestServer", "group", &self.servers, &self.groups),
            Target::Group(_) => ("MinetestServerGroup", "server", &self.groups, &self.servers),
        };
        let name = target.name();
        if here.contains_key(name.as_str()) {
            return Ok(());
        }
        let mut known: Vec<&str> = here.keys().copied().collect();
        known.sort_unstable();
        known.truncate(12);
        let what = if there.contains_key(name.as_str()) {
            format!("there is no {kind} {name}, but a {other}: write {{ {other}: {name} }}")
        } else if known.is_empty() {
            format!("there is no {kind} {name}; none is declared")
        } else {
            format!("there is no {kind} {name}; known: {}", known.join(", "))
        };
        Err(place.wrong(&format!("{field}.{}", key(target)), what))
    }
}

fn key(target: &Target) -> &'static str {
    match target {
        Target::Server(_) => "server",
        Target::Group(_) => "group",
    }
}

/// That the fallbacks of groups lead somewhere. Those of servers are no part of it: they are for
/// players who lose a server, once, so two servers may well be each other's.
fn no_cycle(groups: &[(&Place<'_>, Group)]) -> Result<(), ResourceError> {
    let next: BTreeMap<&Name, Vec<&Name>> = groups
        .iter()
        .map(|(_, group)| {
            let targets = group.spec.fallbacks.iter().filter_map(|target| match target {
                Target::Group(name) => Some(name),
                Target::Server(_) => None,
            });
            (&group.name, targets.collect())
        })
        .collect();
    for (place, group) in groups {
        // Each step is one group further on the way; a way longer than all groups has turned back.
        let mut ways = vec![vec![&group.name]];
        let mut seen = std::collections::BTreeSet::new();
        while let Some(way) = ways.pop() {
            let Some(last) = way.last() else { continue };
            for name in next.get(*last).into_iter().flatten() {
                let mut further = way.clone();
                further.push(name);
                if *name == &group.name {
                    let names: Vec<&str> = further.iter().map(|name| name.as_str()).collect();
                    let what = format!(
                        "the fallbacks of groups lead back to where they began: {}; take one out",
                        names.join(" -> ")
                    );
                    return Err(place.wrong("spec.fallbacks", what));
                }
                if seen.insert(*name) {
                    ways.push(further);
                }
            }
        }
    }
    Ok(())
}
