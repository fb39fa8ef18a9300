//! What a controller is told.

use std::sync::Arc;
use std::time::Duration;

use mesegate_content::{Library, ServerState, ServerStatus, to_hex};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::control::v1::connect_request::Message;
use mesegate_proto::control::v1::{PlayerReport, Probe, ProbeReport};
use tokio::sync::{broadcast, watch};
use tokio::time::Interval;

use crate::admin::{self, Local};
use crate::players::{Change, Players, Presence};

/// Players in one message.
const PLAYERS: usize = 5000;

/// How often it is looked whether the proxy lets players in.
const LOOK: Duration = Duration::from_millis(500);

/// Where reports come from.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub(crate) players: Players,
    pub(crate) library: Library,
    pub(crate) local: Arc<Local>,
}

/// What has changed since the last report.
pub(super) struct Reporter {
    sources: Sources,
    changes: broadcast::Receiver<Change>,
    looked: watch::Receiver<u64>,
    /// What was reported last about servers.
    probes: Option<Vec<Probe>>,
    /// What was reported last about the proxy.
    proxy: Option<pb::Proxy>,
    look: Interval,
}

impl Reporter {
    /// Begins with everything.
    pub(super) fn new(sources: Sources) -> (Self, Vec<Message>) {
        let (everybody, changes) = sources.players.follow();
        let mut messages = full(&everybody);
        let looked = sources.library.changes();
        let look = tokio::time::interval(LOOK);
        let mut reporter = Self { sources, changes, looked, probes: None, proxy: None, look };
        messages.extend(reporter.probes());
        messages.extend(reporter.proxy());
        (reporter, messages)
    }

    /// Waits for a change. Nothing is lost if it is not waited for to the end.
    pub(super) async fn changed(&mut self) -> Vec<Message> {
        tokio::select! {
            change = self.changes.recv() => self.players(change),
            changed = self.looked.changed() => match changed {
                Ok(()) => self.probes().into_iter().collect(),
                // The process ends.
                Err(_) => std::future::pending().await,
            },
            _ = self.look.tick() => self.proxy().into_iter().collect(),
        }
    }

    /// One change and those that are there already.
    fn players(&mut self, first: Result<Change, broadcast::error::RecvError>) -> Vec<Message> {
        let mut report = PlayerReport::default();
        let mut next = first.map_err(|_| ());
        while let Ok(change) = next {
            match change {
                Change::Present(presence) => {
                    report.left.retain(|it| *it != presence.name);
                    report.returning.retain(|it| *it != presence.name);
                    report.present.push(player(&presence));
                }
                Change::Gone(name) => {
                    report.present.retain(|it| it.name != name);
                    if self.sources.local.shared.attendance.expects(&name) {
                        report.returning.push(name.clone());
                    }
                    report.left.push(name);
                }
            }
            if report.present.len() + report.left.len() >= PLAYERS {
                return vec![Message::Players(report)];
            }
            next = match self.changes.try_recv() {
                Ok(change) => Ok(change),
                Err(broadcast::error::TryRecvError::Lagged(_)) => Err(()),
                Err(_) => return vec![Message::Players(report)],
            };
        }
        // Some changes were missed.
        let (everybody, changes) = self.sources.players.follow();
        self.changes = changes;
        full(&everybody)
    }

    fn probes(&mut self) -> Option<Message> {
        let probes: Vec<Probe> = self.sources.library.server_status().iter().map(probe).collect();
        if self.probes.as_ref() == Some(&probes) {
            return None;
        }
        self.probes = Some(probes.clone());
        Some(Message::Probes(ProbeReport { probes }))
    }
}

impl Reporter {
    fn proxy(&mut self) -> Option<Message> {
        // Players are counted by their own reports.
        let proxy = pb::Proxy { players: 0, ..self.sources.local.proxy() };
        if self.proxy.as_ref() == Some(&proxy) {
            return None;
        }
        self.proxy = Some(proxy.clone());
        Some(Message::Proxy(proxy))
    }
}

fn full(everybody: &[Arc<Presence>]) -> Vec<Message> {
    let mut parts = everybody.chunks(PLAYERS);
    let report = |full, part: &[Arc<Presence>], more| {
        let present = part.iter().map(|it| player(it)).collect();
        Message::Players(PlayerReport { full, present, more, ..PlayerReport::default() })
    };
    let mut reports = vec![report(true, parts.next().unwrap_or_default(), parts.len() > 0)];
    while let Some(part) = parts.next() {
        reports.push(report(false, part, parts.len() > 0));
    }
    reports
}

/// The controller knows whose report it is.
fn player(presence: &Presence) -> pb::Player {
    admin::shown(presence, "")
}

fn probe(status: &ServerStatus) -> Probe {
    let reason = match &status.state {
        ServerState::Unknown | ServerState::Up => "",
        ServerState::Down { reason, .. } => reason,
        ServerState::VersionRefused { .. } => "version_refused",
    };
    Probe {
        server: status.name.clone(),
        known: status.state != ServerState::Unknown,
        up: status.state.is_up(),
        reason: reason.to_owned(),
        protocol: status.newest.map_or(0, |version| version.0.into()),
        content_hash: status.digest.as_ref().map(to_hex).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_comes_in_parts_of_which_the_first_says_so() {
        let players = Players::default();
        let from = "192.0.2.7".parse().unwrap();
        let _places: Vec<_> = (0..=PLAYERS)
            .map(|n| players.enter(&format!("p{n}"), from, 44, u32::MAX).unwrap())
            .collect();
        let parts = full(&players.follow().0);
        let shape: Vec<_> = parts
            .iter()
            .map(|it| match it {
                Message::Players(report) => (report.full, report.present.len(), report.more),
                other => unreachable!("{other:?}"),
            })
            .collect();
        assert_eq!(shape, [(true, PLAYERS, true), (false, 1, false)]);
        assert_eq!(full(&[]).len(), 1);
    }
}
