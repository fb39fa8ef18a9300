//! Servers as the proxy sees them.

use std::collections::HashMap;

use mesegate_admin::Failure;
use mesegate_content as content;
use mesegate_proto::admin::v1 as pb;
use mesegate_resource::ServerState;

use crate::shared::Shared;

/// Sets a server's state until the process ends.
pub(super) fn set_state(
    shared: &Shared,
    name: &str,
    state: pb::ServerState,
) -> Result<(), Failure> {
    let state = match state {
        pb::ServerState::Active => ServerState::Active,
        pb::ServerState::Drain => ServerState::Drain,
        pb::ServerState::Disabled => ServerState::Disabled,
        pb::ServerState::Unspecified => return Err(Failure::field("state", "must be given")),
    };
    let network = shared.network.load_full();
    let server = network.server(name).ok_or_else(|| Failure::no_such_server(name))?;
    shared.selector.set_state(&server.name, state);
    Ok(())
}

/// All servers by name.
pub(super) fn all(shared: &Shared) -> Vec<pb::Server> {
    let network = shared.network.load();
    let players = shared.players.by_server();
    let statuses = shared.library.server_status();
    let statuses: HashMap<&str, &content::ServerStatus> =
        statuses.iter().map(|status| (status.name.as_str(), status)).collect();
    let mut servers: Vec<pb::Server> = network
        .servers()
        .map(|server| {
            let name = server.name.as_str();
            let status = statuses.get(name);
            let (reachability, problem) = reachability(status.map(|status| &status.state));
            pb::Server {
                name: name.to_owned(),
                title: server.title().to_owned(),
                endpoint: server.endpoint.to_string(),
                state: shown(shared.selector.state(server)).into(),
                reachability: reachability.into(),
                problem,
                players: players.get(name).copied().unwrap_or_default(),
                protocol: status.and_then(|s| s.newest).map_or(0, |version| version.0.into()),
                checked: status.and_then(|s| s.last_fetch).map(Into::into),
            }
        })
        .collect();
    servers.sort_by(|a, b| a.name.cmp(&b.name));
    servers
}

fn shown(state: ServerState) -> pb::ServerState {
    match state {
        ServerState::Active => pb::ServerState::Active,
        ServerState::Drain => pb::ServerState::Drain,
        ServerState::Disabled => pb::ServerState::Disabled,
    }
}

fn reachability(state: Option<&content::ServerState>) -> (pb::Reachability, String) {
    use content::ServerState::{Down, Unknown, Up, VersionRefused};
    match state {
        None | Some(Unknown) => (pb::Reachability::Unknown, String::new()),
        Some(Up) => (pb::Reachability::Up, String::new()),
        Some(Down { text, .. }) => (pb::Reachability::Down, text.clone()),
        Some(VersionRefused { text }) => (pb::Reachability::VersionRefused, text.clone()),
    }
}
