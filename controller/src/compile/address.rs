//! Where a Service is.

use mesegate_resource::{Endpoint, Reason, ServiceRef};

use super::Finding;
use crate::world::{Ports, World};

/// The address of one endpoint: the first of those that are ready, in the order of their text, so
/// that all replicas and all proxies choose the same one. A game server has one.
pub(super) fn find(reference: &ServiceRef, world: &World) -> Result<Endpoint, Finding> {
    let (name, port) = (reference.name.as_str(), reference.port.as_str());
    let Some(Ports { names: ports, .. }) = world.services.get(name) else {
        let message = format!("there is no Service {name} in this namespace");
        return Err(Finding::bad(Reason::ServiceNotFound, message));
    };
    if !ports.iter().any(|it| it == port) {
        let known: Vec<&str> =
            ports.iter().map(String::as_str).filter(|it| !it.is_empty()).take(12).collect();
        let known = if known.is_empty() { "none".into() } else { known.join(", ") };
        let message = format!("the Service {name} has no UDP port {port}; it has: {known}");
        return Err(Finding::bad(Reason::PortNotFound, message));
    }
    let slices = world.slices.iter().filter(|slice| slice.service == name);
    let ready = slices.filter_map(|slice| {
        let port = slice.ports.get(port)?;
        slice.addresses.iter().min().map(|address| (address, *port))
    });
    let Some((host, port)) = ready.min() else {
        let message = format!("no endpoint of the Service {name} is ready");
        return Err(Finding::bad(Reason::NoEndpoints, message));
    };
    Ok(Endpoint { host: host.clone(), port })
}

/// As [`find`], of a server that the controller runs: the Service has to be its own.
pub(super) fn find_own(
    own: &ServiceRef,
    uid: Option<&str>,
    world: &World,
) -> Result<Endpoint, Finding> {
    let name = own.name.as_str();
    match world.services.get(name) {
        // What was made before is there all the same.
        None if !world.manages => {
            let message = "the controller was started without --managed-servers (the chart's \
                           controller.managedServers.enabled) and runs no servers";
            Err(Finding::bad(Reason::NotManaged, message))
        }
        Some(it) if it.owner.is_none() || it.owner.as_deref() != uid => {
            let message = format!(
                "there is a Service {name} that is not this server's; delete it, or call the \
                 server something else"
            );
            Err(Finding::bad(Reason::NotOwned, message))
        }
        _ => find(own, world),
    }
}
