//! The entries in the public server list: one for each `MinetestProxy` that asks for it, with all
//! its proxies together. Only the replica that leads makes them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mesegate_serverlist::{Facts, Subject, Wanted, announce};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::unix_now;
use crate::compile::Compiled;
use crate::fleet::Fleet;

/// Where players connect unless the document says otherwise: the engine's own default.
const PORT: u16 = 30000;

/// What new players may do: what proxies give them (`default_privs` of engines).
const PRIVILEGES: &str = "interact, shout";

/// One entry.
#[derive(Debug, Clone)]
struct Listing {
    class: String,
    compiled: watch::Receiver<Arc<Compiled>>,
    fleet: Fleet,
    leads: watch::Receiver<bool>,
}

impl Subject for Listing {
    fn wanted(&mut self) -> Wanted {
        // Another replica has taken over, or will.
        if !*self.leads.borrow() {
            return Wanted::Silent;
        }
        let compiled = self.compiled.borrow();
        match compiled.proxies.get(&self.class).and_then(|spec| spec.announce.as_ref()) {
            Some(announce) if announce.enabled && self.fleet.is_open(&self.class) => {
                Wanted::Listed(Box::new(announce.clone()), PORT)
            }
            _ => Wanted::Unlisted,
        }
    }

    fn facts(&mut self, _late: Duration) -> Option<Facts> {
        let spec = self.compiled.borrow().proxies.get(&self.class).cloned()?;
        let gathering = self.fleet.gathering(&self.class)?;
        Some(Facts {
            version: concat!("mesegate-", env!("CARGO_PKG_VERSION")).to_owned(),
            protocols: gathering.protocols,
            players: gathering.players,
            max_players: gathering.max_players,
            uptime: Duration::from_secs(unix_now().saturating_sub(gathering.started)),
            // The controller's own says nothing about that of the proxies.
            lag: None,
            password: !spec.password_policy.allow_empty,
            privileges: PRIVILEGES.to_owned(),
        })
    }
}

/// Keeps the entries true until `stopping` is. They stay in the list then: the network goes on
/// without this process, and the next replica goes on with them.
pub async fn keep_listed(
    fleet: Fleet,
    mut compiled: watch::Receiver<Arc<Compiled>>,
    leads: watch::Receiver<bool>,
    mut stopping: watch::Receiver<bool>,
) {
    // Ended with this function, without a word.
    let mut entries = JoinSet::new();
    // One for ever for each name: an object that is made again goes on where the last one ended.
    let mut known: BTreeSet<String> = BTreeSet::new();
    let (_never, go_on) = watch::channel(false);
    loop {
        let now = Arc::clone(&compiled.borrow_and_update());
        for (class, spec) in &now.proxies {
            if spec.announce.is_some() && known.insert(class.clone()) {
                let listing = Listing {
                    class: class.clone(),
                    compiled: compiled.clone(),
                    fleet: fleet.clone(),
                    leads: leads.clone(),
                };
                entries.spawn(announce(listing, go_on.clone()));
            }
        }
        tokio::select! {
            changed = compiled.changed() => if changed.is_err() { return },
            _ = stopping.wait_for(|it| *it) => return,
        }
    }
}
