//! References between servers and groups.

use std::collections::{BTreeMap, BTreeSet};

use mesegate_resource::{GroupSpec, Reason, Target};

use super::{Finding, Readable};

/// Everything that can be referred to.
pub(super) struct Known<'a> {
    servers: &'a BTreeSet<&'a str>,
    /// Groups with the groups that can be got to from them by fallbacks, in any number of steps.
    groups: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Known<'a> {
    pub(super) fn new(
        servers: &'a BTreeSet<&'a str>,
        groups: &'a [Readable<'_, GroupSpec>],
    ) -> Self {
        let next: BTreeMap<&str, Vec<&str>> = groups
            .iter()
            .map(|group| {
                let targets = group.spec.fallbacks.iter().filter_map(|target| match target {
                    Target::Group(name) => Some(name.as_str()),
                    Target::Server(_) => None,
                });
                (group.name.as_str(), targets.collect())
            })
            .collect();
        let reach = |from: &'a str| {
            let mut seen = BTreeSet::new();
            let mut open = vec![from];
            while let Some(group) = open.pop() {
                for name in next.get(group).into_iter().flatten() {
                    if seen.insert(*name) {
                        open.push(name);
                    }
                }
            }
            seen
        };
        let groups = groups.iter().map(|it| it.name.as_str()).map(|it| (it, reach(it))).collect();
        Self { servers, groups }
    }

    /// Why a target is not there; `None` if it is.
    pub(super) fn missing(&self, target: &Target) -> Option<String> {
        let name = target.name().as_str();
        let (here, there, kind, other) = match target {
            Target::Server(_) => {
                let there = self.groups.contains_key(name);
                (self.servers.contains(name), there, "MinetestServer", "group")
            }
            Target::Group(_) => {
                let there = self.servers.contains(name);
                (self.groups.contains_key(name), there, "MinetestServerGroup", "server")
            }
        };
        match (here, there) {
            (true, _) => None,
            (false, true) => Some(format!(
                "there is no {kind} {name}, but a {other}: write {{ {other}: {name} }}"
            )),
            (false, false) => Some(format!("there is no {kind} {name}")),
        }
    }

    /// What is wrong with fallbacks, and those that are right.
    pub(super) fn check(&self, own: &Target, fallbacks: &[Target]) -> (Finding, Vec<Target>) {
        let mut finding = Finding::good(Reason::Accepted);
        let mut good = Vec::new();
        for (index, target) in fallbacks.iter().enumerate() {
            let wrong = if target == own || self.leads_back(own, target) {
                let message = format!(
                    "spec.fallbacks[{index}]: {target} leads back to {own}; it is left out"
                );
                Some(Finding::bad(Reason::FallbackCycle, message))
            } else {
                self.missing(target).map(|why| {
                    let message = format!("spec.fallbacks[{index}]: {why}; it is left out");
                    Finding::bad(Reason::UnknownTarget, message)
                })
            };
            match wrong {
                None => good.push(target.clone()),
                // The first fault is the one to mend first.
                Some(wrong) if finding.good => finding = wrong,
                Some(_) => {}
            }
        }
        (finding, good)
    }

    /// Whether the fallbacks of groups lead from `target` to `own`. Those of servers are for
    /// players who lose a server, once, so two servers may well be each other's.
    fn leads_back(&self, own: &Target, target: &Target) -> bool {
        let (Target::Group(own), Target::Group(target)) = (own, target) else { return false };
        self.groups.get(target.as_str()).is_some_and(|reach| reach.contains(own.as_str()))
    }
}
