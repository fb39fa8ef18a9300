//! A managed server with what is known of it: what the order is made of, and what is said about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::ResourceExt as _;
use mesegate_resource::{GroupSpec, Kind, MinetestServer, Reason, ServerSpec, ServerState};
use serde_json::Value;

use super::objects::{REVISION, ROLLED, Source, digest};
use super::order::{Now, Server, Step};
use crate::compile::{Compiled, Finding};
use crate::fleet::Connected;

/// A server with what is known of it.
pub(super) struct Subject {
    pub(super) server: Arc<MinetestServer>,
    pub(super) generation: i64,
    pub(super) template: Value,
    pub(super) stopped: bool,
    pub(super) now: Option<StatefulSet>,
}

impl Subject {
    pub(super) fn name(&self) -> &str {
        self.server.metadata.name.as_deref().unwrap_or_default()
    }

    /// None if it is not managed, which those in a list of subjects are.
    pub(super) fn source(&self) -> Option<Source<'_>> {
        let uid = self.server.metadata.uid.as_deref()?;
        Some(Source { name: self.name(), uid, managed: self.server.spec.managed.as_ref()? })
    }
}

/// What is said of a server without trouble.
pub(super) fn said(subject: &Subject, step: &Step) -> Finding {
    match step {
        Step::Rest => {
            let mut finding = Finding::good(Reason::RolledOut);
            if subject.stopped {
                "stopped: spec.state is Disabled".clone_into(&mut finding.message);
            }
            finding
        }
        Step::Wait(other) => {
            let message = format!(
                "servers are changed one after the other: it is its turn when {other} is done"
            );
            Finding::bad(Reason::WaitingForTurn, message)
        }
        Step::Come if subject.now.as_ref().is_some_and(is_done) => {
            let message = "its pod runs; proxies do not reach it yet, and until they do no other \
                           server is changed";
            Finding::bad(Reason::RollingOut, message)
        }
        _ => {
            let message = format!(
                "its pod {}-0 does not run yet; servers that are to be changed after it wait for \
                 that, or until this one's spec is mended",
                subject.name()
            );
            Finding::bad(Reason::RollingOut, message)
        }
    }
}

/// What the order is made of.
pub(super) fn ordered(
    subjects: &[Subject],
    compiled: &Compiled,
    connected: &[Connected],
) -> Vec<Server> {
    let mut groups: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for ((kind, group), verdict) in &compiled.verdicts {
        if *kind == GroupSpec::KIND {
            for member in &verdict.members {
                groups.entry(member).or_default().insert(group.clone());
            }
        }
    }
    let server = |subject: &Subject| {
        let name = subject.name();
        let now = subject.now.as_ref().map(|set| {
            let runs = replicas(set) > 0;
            let annotation = |key| set.annotations().get(key).map_or("", String::as_str);
            let reached = || is_reached(name, compiled, connected);
            Now {
                revision: annotation(REVISION).to_owned(),
                runs,
                well: is_done(set)
                    && (!runs || subject.server.spec.state == ServerState::Disabled || reached()),
                rolled: annotation(ROLLED) == "true",
            }
        });
        Server {
            name: name.to_owned(),
            groups: groups.get(name).cloned().unwrap_or_default(),
            wanted: digest(&subject.template),
            now,
        }
    };
    subjects.iter().map(server).collect()
}

/// Pods that a StatefulSet is to have.
pub(super) fn replicas(set: &StatefulSet) -> i32 {
    set.spec.as_ref().and_then(|it| it.replicas).unwrap_or(1)
}

/// Whether all pods of a StatefulSet are as it says, and have been ready for a while.
fn is_done(set: &StatefulSet) -> bool {
    let Some(status) = &set.status else { return false };
    let wanted = replicas(set);
    status.observed_generation >= set.metadata.generation
        && status.replicas == wanted
        && (wanted == 0 || status.updated_replicas.unwrap_or_default() >= wanted)
        && status.available_replicas.unwrap_or_default() >= wanted
}

/// Whether at least half of the proxies that have a server's present address get an answer, as in
/// its condition. Proxies that have no documents, or are about to end, do not count.
fn is_reached(name: &str, compiled: &Compiled, connected: &[Connected]) -> bool {
    let (mut all, mut up) = (0, 0);
    for proxy in connected.iter().filter(|it| !it.draining) {
        let wanted = compiled.sets.get(&proxy.class).and_then(|it| it.get(ServerSpec::KIND, name));
        let Some(wanted) = wanted else { continue };
        all += 1;
        let has = proxy.acked.as_ref().and_then(|it| it.get(ServerSpec::KIND, name));
        let current = has.is_some_and(|it| it.digest == wanted.digest);
        if current && proxy.probes.get(name).is_some_and(|it| it.known && it.up) {
            up += 1;
        }
    }
    up * 2 >= all
}
