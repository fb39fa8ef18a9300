//! What the proxies of a class are together.

use std::ops::RangeInclusive;

use mesegate_proto::admin::v1::{Proxy, ProxyState};

use super::{Fleet, Member};

/// What the connected proxies of a class that let players in are together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathering {
    /// Who is on a server, by name; those of proxies that let nobody in any more, too.
    pub players: Vec<String>,
    /// The most players that are let in.
    pub max_players: u32,
    /// When the first of the processes began, in Unix seconds.
    pub started: u64,
    /// Versions of the network protocol that clients can connect with at any of them.
    pub protocols: RangeInclusive<u16>,
}

impl Fleet {
    /// Whether players can enter at any proxy of the class.
    pub fn is_open(&self, class: &str) -> bool {
        let state = self.lock();
        state.members.iter().any(|((of, _), member)| of == class && open(member).is_some())
    }

    /// What they are together; `None` if players can enter at none of them.
    pub fn gathering(&self, class: &str) -> Option<Gathering> {
        let state = self.lock();
        let members = || state.members.iter().filter(|((of, _), _)| of == class).map(|(_, it)| it);
        let open: Vec<&Proxy> = members().filter_map(open).collect();
        let version = |of: fn(&Proxy) -> u32| open.iter().map(move |it| of(it) as u16);
        let protocols =
            version(|it| it.protocol_min).max()?..=version(|it| it.protocol_max).min()?;
        let began = |it: &&Proxy| it.started.map_or(0, |it| it.seconds.max(0).unsigned_abs());
        let mut players: Vec<String> = members()
            .flat_map(|member| member.players.values())
            .filter(|player| !player.server.is_empty())
            .map(|player| player.name.clone())
            .collect();
        players.sort();
        players.dedup();
        Some(Gathering {
            players,
            max_players: open.iter().fold(0, |sum, it| sum.saturating_add(it.max_players)),
            started: open.iter().map(began).min()?,
            protocols,
        })
    }
}

/// What a proxy that lets players in says about itself.
fn open(member: &Member) -> Option<&Proxy> {
    let proxy = member.proxy.as_ref()?;
    let serves = proxy.state() == ProxyState::Serving && proxy.protocol_max > 0;
    (serves && member.gone.is_none()).then_some(proxy)
}

#[cfg(test)]
mod tests {
    use mesegate_proto::admin::v1::Player;
    use mesegate_proto::control::v1::PlayerReport;
    use prost_types::Timestamp;

    use super::*;

    #[test]
    fn a_class_is_what_its_proxies_are_together() {
        let fleet = Fleet::default();
        assert_eq!((fleet.gathering("a"), fleet.is_open("a")), (None, false));
        let enter = |class: &str, name: &str, state: ProxyState, began, protocols: [u32; 2]| {
            let seat = fleet.enter((class.into(), name.into()), "1".into());
            let [protocol_min, protocol_max] = protocols;
            seat.proxy(Proxy {
                state: state.into(),
                max_players: 100,
                started: Some(Timestamp { seconds: began, nanos: 0 }),
                protocol_min,
                protocol_max,
                ..Proxy::default()
            });
            let player = |name: &str, server: &str| Player {
                name: name.into(),
                server: server.into(),
                ..Player::default()
            };
            let present = vec![player(name, "lobby"), player(&format!("{name}_loads"), "")];
            seat.players(PlayerReport { full: true, present, ..PlayerReport::default() });
            seat
        };
        let seats = [
            enter("a", "one", ProxyState::Serving, 500, [37, 49]),
            enter("a", "two", ProxyState::Serving, 400, [38, 51]),
            enter("a", "draining", ProxyState::Draining, 100, [39, 40]),
            enter("a", "new", ProxyState::Starting, 100, [0, 0]),
            enter("b", "other", ProxyState::Starting, 100, [0, 0]),
        ];
        let gathering = fleet.gathering("a").unwrap();
        assert_eq!(gathering.players, ["draining", "new", "one", "two"]);
        let Gathering { max_players, started, protocols, .. } = gathering;
        assert_eq!((max_players, started, protocols), (200, 400, 38..=49));
        assert!(fleet.is_open("a") && !fleet.is_open("b"));
        drop(seats);
        assert!(!fleet.is_open("a"));
    }
}
