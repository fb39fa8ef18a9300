//! Which replica writes: the one that holds a Lease.
//!
//! A holder that was away for longer than the lease lasts is replaced. Its own clock decides for
//! it, and for the others how long they have seen the same state of the lease, so clocks that
//! differ do no harm (as in client-go's `tools/leaderelection/leaderelection.go`).

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, Error};
use tokio::sync::watch;

use crate::metrics::Metrics;

/// How long a lease lasts without being renewed.
const DURATION: Duration = Duration::from_secs(15);

/// How often it is renewed, and looked at by the others.
const RENEWAL: Duration = Duration::from_secs(4);

/// Whether this process is the one that writes.
pub trait Leadership: Send + std::marker::Sync {
    /// Whether it is, at this moment.
    fn leads(&self) -> bool;

    /// Changes whenever that does.
    fn changes(&self) -> watch::Receiver<bool>;
}

/// Leadership by a Lease of the cluster.
#[derive(Debug, Clone)]
pub struct Holder {
    leads: watch::Receiver<bool>,
}

impl Leadership for Holder {
    fn leads(&self) -> bool {
        *self.leads.borrow()
    }

    fn changes(&self) -> watch::Receiver<bool> {
        self.leads.clone()
    }
}

/// Tries to hold the lease until told to stop, and gives it back then. The task ends when that is
/// done.
pub fn hold(
    client: &Client,
    namespace: &str,
    name: &str,
    identity: String,
    metrics: Metrics,
    mut stopping: watch::Receiver<bool>,
) -> (Holder, tokio::task::JoinHandle<()>) {
    let (sender, leads) = watch::channel(false);
    let mut attempt = Attempt {
        api: Api::namespaced(client.clone(), namespace),
        name: name.to_owned(),
        identity,
        seen: None,
        held: None,
    };
    let task = tokio::spawn(async move {
        loop {
            // A request that hangs must not outlast the lease.
            let tried = tokio::time::timeout(RENEWAL, attempt.acquire()).await;
            if let Ok(Err(error)) = tried {
                tracing::warn!(%error, "the lease could not be read or written");
            }
            let leads = attempt.holds();
            metrics.leader.set(leads.into());
            if sender.send_if_modified(|it| std::mem::replace(it, leads) != leads) {
                metrics.lease_transitions_total.inc();
                tracing::info!(leads, "who writes has changed");
            }
            tokio::select! {
                () = tokio::time::sleep(RENEWAL) => {}
                _ = stopping.wait_for(|it| *it) => break,
            }
        }
        sender.send_replace(false);
        metrics.leader.set(0);
        if attempt.holds() {
            match tokio::time::timeout(RENEWAL, attempt.release()).await {
                Ok(Ok(())) => tracing::info!("the lease is given back"),
                Ok(Err(error)) => tracing::warn!(%error, "the lease could not be given back"),
                Err(_) => tracing::warn!("the lease could not be given back in time"),
            }
        }
    });
    (Holder { leads }, task)
}

struct Attempt {
    api: Api<Lease>,
    name: String,
    identity: String,
    /// Version of somebody else's lease, and since when it has been the same.
    seen: Option<(Option<String>, Instant)>,
    /// When it was last renewed by us.
    held: Option<Instant>,
}

impl Attempt {
    fn holds(&self) -> bool {
        self.held.is_some_and(|at| at.elapsed() < DURATION)
    }

    async fn acquire(&mut self) -> Result<(), Error> {
        // Taken before the request: the lease is not held longer than it lasts.
        let now = Instant::now();
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            let lease = self.lease(ObjectMeta::default(), &LeaseSpec::default());
            match self.api.create(&PostParams::default(), &lease).await {
                Ok(_) => self.held = Some(now),
                Err(Error::Api(status)) if status.is_already_exists() => {}
                Err(error) => return Err(error),
            }
            return Ok(());
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder != self.identity && !holder.is_empty() {
            self.held = None;
            let version = lease.metadata.resource_version.clone();
            let since = match &self.seen {
                Some((seen, since)) if *seen == version => *since,
                _ => {
                    self.seen = Some((version, now));
                    now
                }
            };
            if since.elapsed() < DURATION {
                return Ok(());
            }
        }
        let lease = self.lease(lease.metadata, &spec);
        match self.api.replace(&self.name, &PostParams::default(), &lease).await {
            Ok(_) => self.held = Some(now),
            // Somebody else was faster.
            Err(Error::Api(status)) if status.is_conflict() => self.held = None,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The lease in our hands. With the version it was read in, so that of two only one succeeds.
    fn lease(&self, read: ObjectMeta, before: &LeaseSpec) -> Lease {
        let ours = before.holder_identity.as_deref() == Some(&self.identity);
        let now = Some(MicroTime(Timestamp::now()));
        let transitions = before.lease_transitions.unwrap_or_default();
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(DURATION.as_secs() as i32),
            acquire_time: if ours { before.acquire_time.clone() } else { now.clone() },
            renew_time: now,
            lease_transitions: Some(if ours { transitions } else { transitions + 1 }),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta { name: Some(self.name.clone()), ..read };
        Lease { metadata, spec: Some(spec) }
    }

    async fn release(&mut self) -> Result<(), Error> {
        let mut lease = self.api.get(&self.name).await?;
        if let Some(spec) = &mut lease.spec
            && spec.holder_identity.as_deref() == Some(&self.identity)
        {
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
            self.api.replace(&self.name, &PostParams::default(), &lease).await?;
        }
        Ok(())
    }
}
