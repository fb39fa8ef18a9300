//! Documents that were read one by one, checked against each other.

use std::collections::BTreeMap;
use std::path::Path;

use mesegate_resource::{BanSpec, GroupSpec, Metadata, Name, ProxySpec, ServerSpec, Target};

use super::place::{Place, ResourceError};
use crate::network::{Ban, Group, Network, Server};

/// One document that was read.
pub(super) enum Read {
    Server(Metadata, Box<ServerSpec>),
    Group(Metadata, GroupSpec),
    Proxy(Metadata, ProxySpec),
    Ban(Metadata, BanSpec),
}

/// What is known under which name.
#[derive(Default)]
struct Names<'a> {
    servers: BTreeMap<Name, Place<'a>>,
    groups: BTreeMap<Name, Place<'a>>,
    bans: BTreeMap<Name, Place<'a>>,
}

/// Makes a network of documents.
pub(super) fn assemble(
    path: &Path,
    docs: Vec<(Place<'_>, Read)>,
) -> Result<Network, ResourceError> {
    let mut names = Names::default();
    let (mut servers, mut groups, mut bans) = (Vec::new(), Vec::new(), Vec::new());
    let mut proxy: Option<(Place<'_>, ProxySpec)> = None;
    for (place, read) in docs {
        match read {
            Read::Server(metadata, spec) => {
                unique("MinetestServer", &mut names.servers, &metadata.name, &place)?;
                servers.push((place.clone(), server(metadata, *spec, &place)?));
            }
            Read::Group(metadata, spec) => {
                unique("MinetestServerGroup", &mut names.groups, &metadata.name, &place)?;
                groups.push((place, Group::new(metadata.name, spec)));
            }
            Read::Ban(metadata, spec) => {
                unique("MinetestBan", &mut names.bans, &metadata.name, &place)?;
                bans.push(Ban { name: metadata.name, spec });
            }
            Read::Proxy(metadata, spec) => {
                if let Some((first, _)) = &proxy {
                    let name = metadata.name;
                    let what = format!(
                        "{name} is the second MinetestProxy (the first is at {first}); keep one"
                    );
                    return Err(place.wrong("kind", what));
                }
                proxy = Some((place, spec));
            }
        }
    }
    for (name, place) in &names.groups {
        if let Some(first) = names.servers.get(name) {
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
    names.check(&spec.default_target, &place, "spec.defaultTarget")?;
    for (place, server) in &servers {
        let own = Target::Server(server.name.clone());
        names.check_all(&own, &server.spec.fallbacks, place)?;
    }
    for (place, group) in &groups {
        let own = Target::Group(group.name.clone());
        names.check_all(&own, &group.spec.fallbacks, place)?;
    }
    no_cycle(&groups)?;
    let servers = servers.into_iter().map(|(_, server)| server).collect();
    let groups = groups.into_iter().map(|(_, group)| group).collect();
    Ok(Network::new(servers, groups, bans, spec))
}

/// A server with its address.
fn server(
    metadata: Metadata,
    spec: ServerSpec,
    place: &Place<'_>,
) -> Result<Server, ResourceError> {
    let Some(endpoint) = spec.endpoint.clone() else {
        let what = "needs a controller, which resolves Services; write endpoint with host and port";
        return Err(place.wrong("spec.serviceRef", what));
    };
    Ok(Server { name: metadata.name, labels: metadata.labels, endpoint, spec })
}

fn unique<'a>(
    kind: &str,
    known: &mut BTreeMap<Name, Place<'a>>,
    name: &Name,
    place: &Place<'a>,
) -> Result<(), ResourceError> {
    if let Some(first) = known.insert(name.clone(), place.clone()) {
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
        if here.contains_key(name) {
            return Ok(());
        }
        let known: Vec<&str> = here.keys().take(12).map(Name::as_str).collect();
        let what = if there.contains_key(name) {
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
fn no_cycle(groups: &[(Place<'_>, Group)]) -> Result<(), ResourceError> {
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
