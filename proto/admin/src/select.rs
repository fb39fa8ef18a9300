//! Which players a call means.

use std::collections::HashSet;

use mesegate_proto::admin::v1 as pb;

use crate::failure::Failure;

const MAX_SERVERS: usize = 256;
const MAX_NAMES: usize = 1000;
/// Longer than any name.
const MAX_PREFIX: usize = 64;

/// Which players are meant: a checked selector.
#[derive(Debug, Default)]
pub struct Selection {
    servers: HashSet<String>,
    names: HashSet<String>,
    prefix: String,
}

impl Selection {
    /// Checks a selector; with none, everybody is meant.
    ///
    /// # Errors
    /// When it names too much.
    pub fn new(selector: Option<pb::PlayerSelector>) -> Result<Self, Failure> {
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
    pub(crate) fn deliberate(
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

    /// It as a selector again.
    pub fn selector(&self) -> pb::PlayerSelector {
        pb::PlayerSelector {
            servers: self.servers.iter().cloned().collect(),
            names: self.names.iter().cloned().collect(),
            name_prefix: self.prefix.clone(),
        }
    }

    /// Whether a player is meant, by name and the server they are on.
    pub fn means(&self, name: &str, server: Option<&str>) -> bool {
        let on = || server.is_some_and(|server| self.servers.contains(server));
        let begins = || {
            let head = name.as_bytes().get(..self.prefix.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(self.prefix.as_bytes()))
        };
        (self.servers.is_empty() || on())
            && (self.names.is_empty() || self.names.contains(name))
            && begins()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(Selection::default().means("Alice", Some("lobby")));
        assert!(selector(&["lobby", "x"], &["Alice"], "aL").means("Alice", Some("lobby")));
        assert!(!selector(&["arena"], &["Alice"], "").means("Alice", Some("lobby")));
        assert!(!selector(&["lobby"], &["alice"], "").means("Alice", Some("lobby")));
        assert!(!selector(&[], &[], "alicex").means("Alice", Some("lobby")));
    }

    #[test]
    fn everybody_is_meant_on_purpose_only() {
        assert!(Selection::deliberate(None, false).is_err());
        assert!(Selection::deliberate(None, true).is_ok());
    }
}
