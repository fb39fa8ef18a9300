//! What is said about each object: its status, from what was found out and what proxies report.
//! Pure functions.

use std::collections::HashMap;
use std::sync::Arc;

use mesegate_resource::{
    BanStatus, Condition, ConditionStatus, ConditionType, GroupStatus, Kind, ProxyMember,
    ProxySpec, ProxyStatus, Reason, ServerSpec, ServerState, ServerStatus, Timestamp,
};

use crate::compile::{Compiled, Finding, Verdict};
use crate::fleet::Connected;
use crate::managed::Rollouts;
use crate::set::{Item, Set};

/// Members of a fleet that its status names.
const MAX_MEMBERS: usize = 64;

/// All that statuses are made of.
pub struct View<'a> {
    compiled: &'a Compiled,
    /// Proxies, and whether they have all that is in force.
    connected: Vec<(&'a Connected, bool)>,
    players: &'a HashMap<String, u32>,
    rollouts: &'a Rollouts,
    now: Timestamp,
}

/// Conditions of one object.
struct Conditions<'a> {
    before: &'a [Condition],
    generation: i64,
    now: Timestamp,
    list: Vec<Condition>,
}

impl Conditions<'_> {
    fn set(
        &mut self,
        kind: ConditionType,
        status: ConditionStatus,
        reason: Reason,
        message: impl Into<String>,
    ) {
        let before = self.before.iter().find(|it| it.kind == kind && it.status == status);
        self.list.push(Condition {
            kind,
            status,
            observed_generation: Some(self.generation),
            last_transition_time: before.map_or(self.now, |it| it.last_transition_time),
            reason,
            message: message.into(),
        });
    }

    fn finding(&mut self, kind: ConditionType, finding: &Finding) {
        let status = if finding.good { ConditionStatus::True } else { ConditionStatus::False };
        self.set(kind, status, finding.reason, &finding.message);
    }

    /// Conditions that do not hold, as words.
    fn missing(&self) -> Vec<String> {
        let missing = self.list.iter().filter(|it| it.status != ConditionStatus::True);
        missing.map(|it| format!("{:?}: {:?}", it.kind, it.reason)).collect()
    }

    fn ready(&mut self, otherwise: Option<(Reason, String)>) {
        let missing = self.missing();
        match otherwise {
            Some((reason, message)) => {
                self.set(ConditionType::Ready, ConditionStatus::False, reason, message);
            }
            None if missing.is_empty() => {
                self.set(ConditionType::Ready, ConditionStatus::True, Reason::Ready, "");
            }
            None => {
                let message = missing.join(", ");
                let reason = Reason::NotReady;
                self.set(ConditionType::Ready, ConditionStatus::False, reason, message);
            }
        }
    }
}

impl<'a> View<'a> {
    /// What was found out, the proxies that are connected, how many players each server has, and
    /// what becomes of managed servers.
    pub fn new(
        compiled: &'a Compiled,
        connected: &'a [Connected],
        players: &'a HashMap<String, u32>,
        rollouts: &'a Rollouts,
        now: Timestamp,
    ) -> Self {
        let hash = |set: &Arc<Set>| set.hash();
        let connected = connected.iter().map(|it| {
            let wanted = compiled.sets.get(&it.class).map(hash);
            (it, wanted.is_some() && it.acked.as_ref().map(hash) == wanted)
        });
        Self { compiled, connected: connected.collect(), players, rollouts, now }
    }

    fn conditions<'b>(&self, verdict: &Verdict, before: &'b [Condition]) -> Conditions<'b> {
        let generation = verdict.generation;
        let mut made = Conditions { before, generation, now: self.now, list: Vec::new() };
        made.finding(ConditionType::Accepted, &verdict.accepted);
        if let Some(resolved) = &verdict.resolved {
            made.finding(ConditionType::ResolvedRefs, resolved);
        }
        made
    }

    /// Whether the proxies have an object.
    fn programmed(&self, made: &mut Conditions<'_>, kind: &str, name: &str, class: Option<&str>) {
        let (mut all, mut have, mut refused) = (0, 0, None);
        // Proxies of a class stand together.
        let mut last: Option<(&str, Option<&Arc<Item>>)> = None;
        for (proxy, current) in &self.connected {
            if class.is_some_and(|it| it != proxy.class) {
                continue;
            }
            all += 1;
            let wanted = match last {
                Some((class, wanted)) if class == proxy.class => wanted,
                _ => self.compiled.sets.get(&proxy.class).and_then(|it| it.get(kind, name)),
            };
            last = Some((&proxy.class, wanted));
            let there = || proxy.acked.as_ref().and_then(|it| it.get(kind, name));
            if wanted.is_some_and(|it| *current || there().map(|it| it.digest) == Some(it.digest)) {
                have += 1;
            } else if let Some(reason) = &proxy.refused {
                refused.get_or_insert_with(|| format!("{}: {reason}", proxy.name));
            }
        }
        let kind = ConditionType::Programmed;
        let (status, reason, message) = match (all, refused) {
            (0, _) => (ConditionStatus::Unknown, Reason::NoProxies, String::new()),
            _ if have == all => (ConditionStatus::True, Reason::Programmed, String::new()),
            (_, Some(message)) => (ConditionStatus::False, Reason::Refused, message),
            _ => {
                let message = format!("{have} of {all} proxies have it");
                (ConditionStatus::False, Reason::Pending, message)
            }
        };
        made.set(kind, status, reason, message);
    }

    fn players_on(&self, server: &str) -> u32 {
        self.players.get(server).copied().unwrap_or_default()
    }

    /// Of a server.
    pub fn server(
        &self,
        name: &str,
        verdict: &Verdict,
        spec: &ServerSpec,
        before: &ServerStatus,
    ) -> ServerStatus {
        let rollout = self.rollouts.get(name).filter(|it| it.generation == verdict.generation);
        let rollout = rollout.map(|it| &it.finding);
        let mut made = match rollout {
            // Nothing was made that could be found.
            Some(strange) if strange.reason == Reason::NotOwned => {
                let verdict = Verdict { resolved: Some(strange.clone()), ..verdict.clone() };
                self.conditions(&verdict, &before.conditions)
            }
            _ => self.conditions(verdict, &before.conditions),
        };
        self.programmed(&mut made, ServerSpec::KIND, name, None);
        let proxies = self.connected.len() as u32;
        let (mut known, mut up, mut silent, mut hash) = (0_u32, 0_u32, None, None);
        for (proxy, _) in &self.connected {
            let Some(probe) = proxy.probes.get(name).filter(|it| it.known) else { continue };
            known += 1;
            if probe.up {
                up += 1;
            } else {
                silent.get_or_insert_with(|| format!("{}: {}", proxy.name, probe.reason));
            }
            if !probe.content_hash.is_empty() {
                hash.get_or_insert_with(|| probe.content_hash.clone());
            }
        }
        let (status, reason) = match (known, up) {
            (0, _) if proxies == 0 => (ConditionStatus::Unknown, Reason::NoProxies),
            (0, _) => (ConditionStatus::Unknown, Reason::Pending),
            _ if up == known => (ConditionStatus::True, Reason::Reachable),
            _ if up * 2 >= known => (ConditionStatus::True, Reason::PartlyReachable),
            _ => (ConditionStatus::False, Reason::Unreachable),
        };
        made.set(ConditionType::Reachable, status, reason, silent.unwrap_or_default());
        match &hash {
            Some(_) => {
                let kind = ConditionType::ContentReady;
                made.set(kind, ConditionStatus::True, Reason::ContentReady, "");
            }
            None => {
                let kind = ConditionType::ContentReady;
                made.set(kind, ConditionStatus::False, Reason::ContentUnknown, "");
            }
        }
        made.ready(match spec.state {
            ServerState::Active => None,
            ServerState::Drain => Some((Reason::Draining, "spec.state is Drain".into())),
            ServerState::Disabled => Some((Reason::Disabled, "spec.state is Disabled".into())),
        });
        let kind = ConditionType::RolledOut;
        match rollout {
            _ if spec.managed.is_none() => {}
            Some(finding) => made.finding(kind, finding),
            None if !self.compiled.manages => {
                made.set(kind, ConditionStatus::False, Reason::NotManaged, "");
            }
            None => made.set(kind, ConditionStatus::Unknown, Reason::Pending, ""),
        }
        ServerStatus {
            observed_generation: Some(verdict.generation),
            conditions: made.list,
            address: verdict.address.clone(),
            players: Some(self.players_on(name)),
            proxies: Some(proxies),
            reachable_from: Some(up),
            content_hash: hash,
        }
    }

    /// Of a group. `ready` tells which servers are.
    pub fn group(
        &self,
        verdict: &Verdict,
        ready: &impl Fn(&str) -> bool,
        before: &GroupStatus,
    ) -> GroupStatus {
        let mut made = self.conditions(verdict, &before.conditions);
        let members = verdict.members.len() as u32;
        let ready_members = verdict.members.iter().filter(|it| ready(it)).count() as u32;
        made.ready(match (verdict.accepted.good, members, ready_members) {
            (false, ..) => None,
            (_, 0, _) => Some((Reason::NoMembers, "no server has these labels".into())),
            (_, _, 0) => Some((Reason::NoReadyMembers, "none of its servers is ready".into())),
            _ => None,
        });
        GroupStatus {
            observed_generation: Some(verdict.generation),
            conditions: made.list,
            members: Some(members),
            ready_members: Some(ready_members),
            players: Some(verdict.members.iter().map(|it| self.players_on(it)).sum()),
        }
    }

    /// Of a fleet.
    pub fn proxy(&self, name: &str, verdict: &Verdict, before: &ProxyStatus) -> ProxyStatus {
        let mut made = self.conditions(verdict, &before.conditions);
        self.programmed(&mut made, ProxySpec::KIND, name, Some(name));
        made.ready(None);
        let own = || self.connected.iter().map(|(it, _)| *it).filter(|it| it.class == name);
        let member = |proxy: &Connected| ProxyMember {
            name: proxy.name.clone(),
            version: proxy.release.clone(),
            players: proxy.players,
            draining: proxy.draining,
        };
        ProxyStatus {
            observed_generation: Some(verdict.generation),
            conditions: made.list,
            connected: Some(own().count() as u32),
            players: Some(own().map(|it| it.players).sum()),
            proxies: own().take(MAX_MEMBERS).map(member).collect(),
        }
    }

    /// Of a ban.
    pub fn ban(&self, verdict: &Verdict, before: &BanStatus) -> BanStatus {
        let made = self.conditions(verdict, &before.conditions);
        BanStatus { observed_generation: Some(verdict.generation), conditions: made.list }
    }
}

/// Whether the conditions say that it is ready.
pub fn is_ready(conditions: &[Condition]) -> bool {
    conditions
        .iter()
        .any(|it| it.kind == ConditionType::Ready && it.status == ConditionStatus::True)
}
