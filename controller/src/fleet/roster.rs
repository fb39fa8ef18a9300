//! Who is in the game, at any proxy.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use mesegate_admin::Page;
use mesegate_proto::admin::v1::Player;
use tokio::sync::broadcast;

use super::Key;

/// Changes that a watcher may be behind: a moment in which all players of large proxies move.
const CHANGES: usize = 65_536;

/// Bytes of a name, and of a server's. Longer ones are no names.
const NAME: usize = 63;

/// What has changed.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Somebody came, or is somewhere else now.
    Present(Arc<Player>),
    /// Nobody of that name is there any more.
    Gone {
        /// The name.
        name: String,
        /// Whether they were asked to connect anew.
        returning: bool,
    },
}

/// Who is in the game, by name.
#[derive(Debug)]
pub(super) struct Roster {
    /// Those who use a name, the one who has done so for longest first. More than one are there
    /// only for as long as proxies disagree.
    names: BTreeMap<String, Vec<(Key, Arc<Player>)>>,
    /// How many players each server has; servers without any are not in it.
    by_server: HashMap<String, u32>,
    changes: broadcast::Sender<Change>,
}

impl Default for Roster {
    fn default() -> Self {
        let changes = broadcast::Sender::new(CHANGES);
        Self { names: BTreeMap::new(), by_server: HashMap::new(), changes }
    }
}

impl Roster {
    /// Somebody is at a proxy.
    pub(super) fn put(&mut self, key: &Key, player: &Arc<Player>) {
        self.change(&player.name, false, |users| {
            users.retain(|(at, _)| at != key);
            let since = |player: &Player| player.joined.map(|it| (it.seconds, it.nanos));
            let at = users.partition_point(|(_, other)| since(other) <= since(player));
            users.insert(at, (key.clone(), Arc::clone(player)));
        });
    }

    /// Somebody has left a proxy; `returning` if they were asked to connect anew.
    pub(super) fn remove(&mut self, key: &Key, name: &str, returning: bool) {
        self.change(name, returning, |users| users.retain(|(at, _)| at != key));
    }

    fn change(
        &mut self,
        name: &str,
        returning: bool,
        change: impl FnOnce(&mut Vec<(Key, Arc<Player>)>),
    ) {
        let mut users = self.names.remove(name).unwrap_or_default();
        let before = users.first().map(|(_, player)| Arc::clone(player));
        change(&mut users);
        let after = users.first().map(|(_, player)| Arc::clone(player));
        if !users.is_empty() {
            self.names.insert(name.to_owned(), users);
        }
        if before == after {
            return;
        }
        if let Some(before) = &before
            && let Some(count) = self.by_server.get_mut(&before.server)
        {
            *count -= 1;
            if *count == 0 {
                self.by_server.remove(&before.server);
            }
        }
        if let Some(after) = &after {
            match self.by_server.get_mut(&after.server) {
                Some(count) => *count += 1,
                None => drop(self.by_server.insert(after.server.clone(), 1)),
            }
        }
        // Nobody may be listening.
        let _ = match after {
            Some(after) => self.changes.send(Change::Present(after)),
            None => self.changes.send(Change::Gone { name: name.to_owned(), returning }),
        };
    }

    /// The player of that name, and where.
    pub(super) fn get(&self, name: &str) -> Option<&(Key, Arc<Player>)> {
        self.names.get(name)?.first()
    }

    /// How many players each server has; servers without any are not in it.
    pub(super) fn by_server(&self) -> &HashMap<String, u32> {
        &self.by_server
    }

    /// Everybody, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Player>> {
        self.names.values().filter_map(|users| users.first()).map(|(_, player)| player)
    }

    /// Those who are wanted, by name: at most `limit` that come after `after`. Without `wanted`,
    /// everybody.
    pub(super) fn page(
        &self,
        after: Option<&str>,
        limit: usize,
        wanted: Option<impl Fn(&Player) -> bool>,
    ) -> Page {
        let total = match &wanted {
            Some(wanted) => self.iter().filter(|player| wanted(player)).count(),
            None => self.names.len(),
        };
        let wanted = |player: &Player| wanted.as_ref().is_none_or(|wanted| wanted(player));
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.names.range::<str, _>((begin, Bound::Unbounded));
        let mut rest = rest
            .filter_map(|(_, users)| users.first())
            .map(|(_, player)| &**player)
            .filter(|player| wanted(player));
        let players = rest.by_ref().take(limit).cloned().collect();
        Page { players, more: rest.next().is_some(), total }
    }

    /// Changes from now on.
    pub(super) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
}

/// A reported player with what is known without the report; `None` if it cannot be one.
pub(super) fn checked(player: Player, proxy: &str) -> Option<Arc<Player>> {
    if player.name.is_empty() || player.name.len() > NAME || player.server.len() > NAME {
        return None;
    }
    let address: Option<IpAddr> = player.address.parse().ok();
    let address = address.map(|it| it.to_string()).unwrap_or_default();
    Some(Arc::new(Player { proxy: proxy.to_owned(), address, ..player }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player(name: &str, server: &str, joined: i64) -> Arc<Player> {
        let joined = Some(prost_types::Timestamp { seconds: joined, nanos: 0 });
        let (name, server) = (name.into(), server.into());
        Arc::new(Player { name, server, joined, ..Player::default() })
    }

    #[test]
    fn a_name_that_is_used_twice_is_that_of_the_older_session() {
        let mut roster = Roster::default();
        let mut changes = roster.changes();
        let [old, new]: [Key; 2] = [("c".into(), "old".into()), ("c".into(), "new".into())];
        roster.put(&new, &player("a", "y", 2));
        roster.put(&old, &player("a", "x", 1));
        roster.put(&new, &player("a", "z", 2));
        assert_eq!(roster.get("a").unwrap().0, old);
        roster.remove(&old, "a", true);
        assert_eq!(roster.get("a").unwrap().1.server, "z");
        roster.remove(&new, "a", true);
        assert!(roster.get("a").is_none() && roster.iter().count() == 0);
        let told: Vec<String> = std::iter::from_fn(|| changes.try_recv().ok())
            .map(|change| match change {
                Change::Present(player) => player.server.clone(),
                Change::Gone { name, returning } => {
                    format!("-{name}{}", if returning { "?" } else { "" })
                }
            })
            .collect();
        assert_eq!(told, ["y", "x", "z", "-a?"]);
    }

    #[test]
    fn pages_lead_through_everybody_once() {
        let mut roster = Roster::default();
        let key: Key = ("c".into(), "p".into());
        for n in 10..35 {
            roster.put(&key, &player(&format!("p{n}"), if n < 20 { "x" } else { "y" }, n));
        }
        let mut seen: Vec<String> = Vec::new();
        loop {
            let page = roster.page(
                seen.last().map(String::as_str),
                4,
                Some(|it: &Player| it.server == "y"),
            );
            assert_eq!(page.total, 15);
            seen.extend(page.players.into_iter().map(|it| it.name));
            if !page.more {
                break;
            }
        }
        let everybody = roster.page(Some("p30"), 2, None::<fn(&Player) -> bool>);
        assert_eq!((everybody.players.len(), everybody.more, everybody.total), (2, true, 25));
        assert_eq!(seen, (20..35).map(|n| format!("p{n}")).collect::<Vec<_>>());
    }

    #[test]
    fn reports_are_not_believed_blindly() {
        let good = Player { name: "a".into(), address: "::1".into(), ..Player::default() };
        let checked = |player| checked(player, "p");
        assert_eq!(checked(good.clone()).unwrap().proxy, "p");
        let odd = Player { address: "x".repeat(1000), ..good.clone() };
        assert_eq!(checked(odd).unwrap().address, "");
        assert!(checked(Player { name: "x".repeat(64), ..good.clone() }).is_none());
        assert!(checked(Player { server: "x".repeat(64), ..good }).is_none());
    }
}
