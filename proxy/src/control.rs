//! Documents from a controller instead of files.
//!
//! [`client`] keeps a control stream open and turns what comes over it into networks; a set that
//! is refused leaves the good one in force. [`last_good`] keeps that one on disk, so that a proxy
//! starts without its controller.

mod client;
mod documents;
mod errands;
mod last_good;
mod report;

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot, watch};
use tonic::transport::Endpoint;

use crate::metrics::Metrics;
use crate::network::Network;
use client::Client;
use last_good::LastGood;
pub(crate) use report::Sources;

/// What a proxy needs to know to have a controller.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where the controller is.
    pub(crate) endpoint: Endpoint,
    /// Which `MinetestProxy` counts.
    pub(crate) class: String,
    /// What the controller calls this proxy.
    pub(crate) name: String,
    /// Where the last good documents are kept.
    pub(crate) data: PathBuf,
}

/// A network to be put in force, and whom to tell that it is.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) network: Network,
    pub(crate) done: oneshot::Sender<()>,
}

/// Networks as they come.
#[derive(Debug)]
pub(crate) struct Updates {
    pub(crate) receiver: mpsc::Receiver<Update>,
    /// For what the controller is to be told, once there is something to tell.
    pub(crate) sources: watch::Sender<Option<Sources>>,
}

/// Where a controller is, from the flag's value.
///
/// # Errors
/// The text names the flag when the value is not a URL that can be used.
pub(crate) fn endpoint(url: &str) -> Result<Endpoint, String> {
    let wrong = |why: String| {
        format!("--controller {url:?}: {why}; write for example http://127.0.0.1:7443")
    };
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|it| wrong(it.to_string()))?;
    if endpoint.uri().scheme_str() != Some("http") || endpoint.uri().host().is_none() {
        return Err(wrong("only http:// is known".into()));
    }
    Ok(endpoint)
}

/// Begins to follow a controller. The first network is that of the last good documents, if there
/// are any.
pub(crate) fn follow(settings: Settings, metrics: Metrics) -> Updates {
    let (sender, receiver) = mpsc::channel(1);
    let (sources, watched) = watch::channel(None);
    let last_good = LastGood::new(&settings.data);
    tokio::spawn(Client::new(settings, last_good, metrics, sender, watched).run());
    Updates { receiver, sources }
}
