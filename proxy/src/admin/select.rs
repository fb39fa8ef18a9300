//! Which players a call means.

use std::collections::HashSet;

use mesegate_proto::admin::v1 as pb;

use super::failure::Failure;
use crate::players::Presence;

const MAX_SERVERS: usize = 256;
const MAX_NAMES: usize = 1000;
/// Longer than any name.
const MAX_PREFIX: usize = 64;

/// A checked selector.
#[derive(Debug, Default)]
pub(super) struct Selection {
    servers: HashSet<String>,
    names: HashSet<String>,
    prefix: String,
}

impl Selection {
    /// Checks a selector; with none, everybody is meant.
    pub(super) fn new(selector: Option<pb::PlayerSelector>) -> Result<Self, Failure> {
        let pb::PlayerSelector { servers, names, name_prefix } = selector.unwrap_or_default();
        if servers.len() > MAX_SERVERS {
            return Err(Failure::field("selector.servers", format!("at most {MAX_SERVERS}")));
        }
        if names.len() > MAX_NAMES {
            return Err(Failure::field("selector.names", format!("at most {MAX_NAMES}")));
        }
        if name_prefix.len() > MAX_PREFIX {
            let wrong = format!("at most {MAX_PREFIX} characters");
            return Err(Failure::field("selector.name_prefix", wrong));
        }
        Ok(Self {
            servers: servers.into_iter().collect(),
            names: names.into_iter().collect(),
            prefix: name_prefix,
        })
    }

    /// As [`Selection::new`]; everybody must be meant expressly.
    pub(super) fn deliberate(
        selector: Option<pb::PlayerSelector>,
        all: bool,
    ) -> Result<Self, Failure> {
        let selection = Self::new(selector)?;
        let nothing = selection.servers.is_empty()
            && selection.names.is_empty()
            && selection.prefix.is_empty();
        if nothing && !all {
            let wrong = "gives nothing; set all to mean everybody";
            return Err(Failure::field("selector", wrong));
        }
        Ok(selection)
    }

    /// Whether a player is meant.
    pub(super) fn means(&self, player: &Presence) -> bool {
        let on = || player.whereabouts.server().is_some_and(|s| self.servers.contains(s));
        let begins = || {
            let head = player.name.as_bytes().get(..self.prefix.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(self.prefix.as_bytes()))
        };
        (self.servers.is_empty() || on())
            && (self.names.is_empty() || self.names.contains(&player.name))
            && begins()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::SystemTime;

    use super::*;
    use crate::players::Whereabouts;

    fn player(name: &str, server: &str) -> Presence {
        Presence {
            name: name.into(),
            address: Ipv4Addr::LOCALHOST.into(),
            protocol: 52,
            joined: SystemTime::now(),
            whereabouts: Whereabouts::On(server.into()),
            since: SystemTime::now(),
        }
    }

    #[test]
    fn all_that_is_given_must_hold() {
        let selector = |servers: &[&str], names: &[&str], prefix: &str| {
            let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
            Selection::new(Some(pb::PlayerSelector {
                servers: own(servers),
                names: own(names),
                name_prefix: prefix.into(),
            }))
            .unwrap()
        };
        let alice = player("Alice", "lobby");
        assert!(Selection::default().means(&alice));
        assert!(selector(&["lobby", "x"], &["Alice"], "aL").means(&alice));
        assert!(!selector(&["arena"], &["Alice"], "").means(&alice));
        assert!(!selector(&["lobby"], &["alice"], "").means(&alice));
        assert!(!selector(&[], &[], "alicex").means(&alice));
    }

    #[test]
    fn everybody_is_meant_on_purpose_only() {
        assert!(Selection::deliberate(None, false).is_err());
        assert!(Selection::deliberate(None, true).is_ok());
    }
}
