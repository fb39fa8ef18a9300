//! How often somebody may try, and how many may come from where.

use std::net::IpAddr;
use std::time::Instant;

use mesegate_auth::Prefix;
use mesegate_resource::Admission;

use super::{Attempt, Failure};
use crate::admission::{self, TooOften, Who};
use crate::network::Network;
use crate::session::denial::Denial;
use crate::shared::Shared;

impl Attempt<'_> {
    /// Whether this prefix may try this name now.
    pub(super) fn not_too_often(&self) -> Result<(), Failure> {
        let admission = &self.shared.network.load().proxy.admission;
        let who = Who::new(&self.name, self.link.remote_addr().ip(), admission);
        let wait = self.shared.attempts.begin(&who, admission, Instant::now());
        wait.map_err(|wait| {
            let (reason, what, wait) = match wait {
                TooOften::Failures(wait) => ("too_many_failures", "wrong passwords", wait),
                TooOften::Logins(wait) => ("too_many_logins", "logins from your address", wait),
            };
            let seconds = wait.as_secs() + 1;
            Denial::text(reason, format!("Too many {what}. Try again in {seconds} seconds."))
                .with_reconnect()
                .into()
        })
    }

    /// Players with whom this one may be in the game: some places are for some accounts alone.
    pub(super) fn places_for_them(&self, network: &Network) -> u32 {
        let (limits, admission) = (&network.proxy.limits, &network.proxy.admission);
        let permission = &admission.reserved_permission;
        let rule = network.permissions.rule(&self.name, permission);
        if rule.unwrap_or_else(|| self.privileges.contains(permission)) {
            return limits.players;
        }
        limits.players.saturating_sub(admission.reserved_places)
    }
}

/// Counts those who are in the game from where somebody has just come.
pub(super) fn not_too_many(
    shared: &Shared,
    admission: &Admission,
    address: IpAddr,
) -> Result<(), Denial> {
    let many = |of: Prefix, limit: u32| {
        limit > 0 && shared.players.count(|it| of.contains(it.address)) > limit as usize
    };
    let household = admission::prefix(address, admission);
    if many(Prefix::host(address), admission.players_per_address)
        || many(household, admission.players_per_prefix)
    {
        let text = "Too many players are in the game from your address.";
        return Err(Denial::text("address_full", text));
    }
    Ok(())
}
