//! Servers: what their objects say, and what proxies found out about them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use kube::api::{Api, Patch, PatchParams};
use kube::core::DeserializeGuard;
use mesegate_admin::Failure;
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::control::v1::Probe;
use mesegate_resource::{Kind, MinetestServer, ServerSpec, ServerState};
use serde_json::json;

use super::{MANAGER, Whole};
use crate::events::Happening;

/// Who has set a server's state through the admin interface.
const SET_BY: &str = "mesegate.dev/state-set-by";

/// All servers by name.
pub(super) fn all(whole: &Whole) -> Vec<pb::Server> {
    let compiled = whole.compiled.borrow().clone();
    let probes = whole.fleet.probes();
    let players = whole.fleet.by_server();
    let mut servers = Vec::new();
    for guarded in whole.cluster.servers.state() {
        let Ok(server) = &guarded.0 else { continue };
        let Some(name) = server.metadata.name.clone() else { continue };
        let verdict = compiled.verdicts.get(&(ServerSpec::KIND, name.clone()));
        servers.push(pb::Server {
            title: server.spec.display_name.clone().unwrap_or_else(|| name.clone()),
            endpoint: verdict.and_then(|it| it.address.clone()).unwrap_or_default(),
            state: shown(server.spec.state).into(),
            players: players.get(&name).copied().unwrap_or_default(),
            ..probed(&name, &probes)
        });
    }
    servers.sort_by(|a, b| a.name.cmp(&b.name));
    servers
}

/// What proxies found out about a server: it is up if at least half of those that have looked say
/// so, as in its condition.
fn probed(name: &str, probes: &[Arc<BTreeMap<String, Probe>>]) -> pb::Server {
    let (mut known, mut up, mut protocol) = (0_usize, 0_usize, 0);
    let mut causes: HashMap<&str, usize> = HashMap::new();
    for probe in probes.iter().filter_map(|it| it.get(name)).filter(|it| it.known) {
        known += 1;
        protocol = protocol.max(probe.protocol);
        if probe.up {
            up += 1;
        } else {
            *causes.entry(&probe.reason).or_default() += 1;
        }
    }
    let cause =
        causes.into_iter().max_by_key(|(cause, count)| (*count, *cause)).map(|(cause, _)| cause);
    let reachability = match cause {
        _ if known == 0 => pb::Reachability::Unknown,
        _ if up * 2 >= known => pb::Reachability::Up,
        Some("version_refused") => pb::Reachability::VersionRefused,
        _ => pb::Reachability::Down,
    };
    let problem = cause.map(|cause| format!("{} of {known} proxies: {cause}", known - up));
    pb::Server {
        name: name.to_owned(),
        reachability: reachability.into(),
        problem: problem.unwrap_or_default(),
        protocol,
        ..pb::Server::default()
    }
}

/// Writes a state into a server's object.
pub(super) async fn set_state(
    whole: &Whole,
    name: &str,
    state: pb::ServerState,
    by: &str,
    deadline: Instant,
) -> Result<(), Failure> {
    let state = match state {
        pb::ServerState::Active => ServerState::Active,
        pb::ServerState::Drain => ServerState::Drain,
        pb::ServerState::Disabled => ServerState::Disabled,
        pb::ServerState::Unspecified => return Err(Failure::field("state", "must be given")),
    };
    if whole.state_of(name).is_none() {
        return Err(Failure::no_such_server(name));
    }
    let api: Api<DeserializeGuard<MinetestServer>> =
        Api::namespaced(whole.client.clone(), &whole.namespace);
    let patch = Patch::Merge(json!({
        "metadata": { "annotations": { SET_BY: by } },
        "spec": { "state": state },
    }));
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    match whole.ask(deadline, api.patch(name, &params, &patch)).await {
        Ok(_) => {}
        Err(error) if error.status().is_some_and(|it| it.is_not_found()) => {
            return Err(Failure::no_such_server(name));
        }
        Err(error) => return Err(error.into()),
    }
    whole.in_force(deadline, || whole.state_of(name) == Some(state)).await;
    let uid = whole.cluster.uid(ServerSpec::KIND, name, &whole.namespace);
    let note = format!("{by} has set it to {}", state.as_str());
    let it = Happening::done(ServerSpec::KIND, name, uid, "StateSet", "SetState", note);
    whole.events.record(it);
    Ok(())
}

impl Whole {
    /// What a server's object says.
    fn state_of(&self, server: &str) -> Option<ServerState> {
        let servers = self.cluster.servers.state();
        let mut servers = servers.iter().filter_map(|it| it.0.as_ref().ok());
        servers.find(|it| it.metadata.name.as_deref() == Some(server)).map(|it| it.spec.state)
    }
}

fn shown(state: ServerState) -> pb::ServerState {
    match state {
        ServerState::Active => pb::ServerState::Active,
        ServerState::Drain => pb::ServerState::Drain,
        ServerState::Disabled => pb::ServerState::Disabled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_up_if_half_of_those_who_have_looked_say_so() {
        let look = |up: bool, reason: &str| {
            let server = "lobby".to_owned();
            let probe =
                Probe { server, known: true, up, reason: reason.into(), ..Probe::default() };
            Arc::new(BTreeMap::from([("lobby".to_owned(), probe)]))
        };
        let (up, silent, odd) =
            (look(true, ""), look(false, "timeout"), look(false, "version_refused"));
        let shown = |probes: &[&Arc<BTreeMap<String, Probe>>]| {
            let probes: Vec<_> = probes.iter().map(|it| Arc::clone(it)).collect();
            let server = probed("lobby", &probes);
            (server.reachability(), server.problem)
        };
        use pb::Reachability::{Down, Unknown, Up, VersionRefused};
        assert_eq!(shown(&[]), (Unknown, String::new()));
        assert_eq!(shown(&[&up, &Arc::default()]), (Up, String::new()));
        assert_eq!(shown(&[&up, &silent]), (Up, "1 of 2 proxies: timeout".into()));
        assert_eq!(shown(&[&odd, &silent, &silent]), (Down, "3 of 3 proxies: timeout".into()));
        assert_eq!(shown(&[&odd]).0, VersionRefused);
    }
}
