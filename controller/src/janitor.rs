//! Bans that have been over for long are deleted, so that they do not pile up.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use kube::api::{Api, DeleteParams, Preconditions};
use kube::core::DeserializeGuard;
use kube::{Client, Error};
use mesegate_resource::{Interval, MinetestBan};

use crate::clock::unix_now;
use crate::cluster::Cluster;
use crate::known::Known;
use crate::lease::Leadership;
use crate::metrics::Metrics;

/// How often it is looked, at most.
const LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Bans that are deleted at a time; the rest wait for the next look.
const MOST: usize = 500;

/// Requests at a time.
const AT_A_TIME: usize = 4;

/// How long bans stay after their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// For so long.
    For(Duration),
    /// For good.
    Forever,
}

impl Retention {
    /// Reads `forever`, or a time such as 24h.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "forever" {
            return Ok(Self::Forever);
        }
        let wrong = || "write a time such as 24h or 30m, or forever".to_owned();
        Interval::parse(text).map(|it| Self::For(it.0)).ok_or_else(wrong)
    }
}

/// Deletes bans.
pub(crate) struct Janitor<L> {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) cluster: Cluster,
    /// Whether to delete at all.
    pub(crate) leadership: L,
    pub(crate) retention: Retention,
    pub(crate) metrics: Metrics,
}

/// A ban that is to be deleted, as it was seen.
#[derive(Debug, PartialEq)]
struct Over {
    name: String,
    just: Preconditions,
}

/// Whether a ban is to be deleted at a time in Unix seconds.
fn over(ban: &MinetestBan, retention: Duration, now: u64) -> Option<Over> {
    let end = ban.spec.expires_at?.unix();
    let due = end.saturating_add_unsigned(retention.as_secs()) <= now as i64;
    let meta = &ban.metadata;
    if !due || meta.deletion_timestamp.is_some() {
        return None;
    }
    // An edit in the last moment may have given it more time.
    let just =
        Preconditions { uid: meta.uid.clone(), resource_version: meta.resource_version.clone() };
    Some(Over { name: meta.name.clone()?, just })
}

impl<L: Leadership> Janitor<L> {
    /// Works until the process ends.
    pub(crate) async fn run(self) {
        let Retention::For(retention) = self.retention else { return };
        let pause = (retention / 2).clamp(LOOK.0, LOOK.1);
        loop {
            tokio::time::sleep(pause).await;
            if self.leadership.leads() {
                self.round(retention).await;
            }
        }
    }

    async fn round(&self, retention: Duration) {
        let now = unix_now();
        let bans = self.cluster.bans.state();
        let readable = bans.iter().filter_map(|it| it.0.as_ref().ok());
        let all: Vec<Over> =
            readable.filter_map(|ban| over(ban, retention, now)).take(MOST).collect();
        let api: Api<DeserializeGuard<Known<MinetestBan>>> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let deletions = all.into_iter().map(|Over { name, just }| {
            let api = api.clone();
            async move {
                let params = DeleteParams { preconditions: Some(just), ..DeleteParams::default() };
                (api.delete(&name, &params).await.map(drop), name)
            }
        });
        let mut deletions = stream::iter(deletions).buffer_unordered(AT_A_TIME);
        while let Some((result, name)) = deletions.next().await {
            match result {
                Ok(()) => {
                    self.metrics.bans_deleted_total.inc();
                    tracing::info!(name, "a ban that was over was deleted");
                }
                // Somebody else was faster, or has edited it.
                Err(Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
                Err(error) => tracing::warn!(name, %error, "a ban was not deleted"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mesegate_resource::{BanSpec, BanTarget, Timestamp};

    use super::*;

    #[test]
    fn bans_go_after_their_end_and_the_retention() {
        let spec = BanSpec {
            target: BanTarget::Name("Mallory".into()),
            reason: None,
            expires_at: Some(Timestamp::from_unix(1000)),
        };
        let mut ban = MinetestBan::new("mallory", spec);
        ban.metadata.resource_version = Some("7".into());
        let hour = Duration::from_hours(1);
        assert_eq!(over(&ban, hour, 4599), None);
        let found = over(&ban, hour, 4600).unwrap();
        assert_eq!((&*found.name, found.just.resource_version.as_deref()), ("mallory", Some("7")));
        ban.spec.expires_at = None;
        assert_eq!(over(&ban, hour, u64::MAX / 2), None);
    }

    #[test]
    fn retentions_are_read() {
        assert_eq!(Retention::parse("24h"), Ok(Retention::For(Duration::from_hours(24))));
        assert_eq!(Retention::parse("forever"), Ok(Retention::Forever));
        assert!(Retention::parse("1d").is_err());
    }
}
