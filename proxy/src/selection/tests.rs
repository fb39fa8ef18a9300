use std::collections::BTreeMap;

use super::*;

/// Servers `a`, `b`, `c` with these fields, all in one group `all`.
fn network(servers: &[&str], group: &str) -> Network {
    use std::fmt::Write as _;
    let mut yaml = String::new();
    for (name, fields) in ["a", "b", "c"].iter().zip(servers) {
        write!(
            yaml,
            "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\n\
             metadata: {{ name: {name}, labels: {{ in: all }} }}\n\
             spec: {{ endpoint: {{ host: a, port: 1 }}, {fields} }}\n---\n"
        )
        .unwrap();
    }
    write!(
        yaml,
        "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServerGroup\nmetadata: {{ name: all }}\n\
         spec: {{ selector: {{ matchLabels: {{ in: all }} }}, {group} }}\n---\n\
         apiVersion: mesegate.dev/v1alpha1\nkind: MinetestProxy\nmetadata: {{ name: p }}\n\
         spec: {{ defaultTarget: {{ group: all }} }}\n"
    )
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("network.yaml");
    std::fs::write(&file, yaml).unwrap();
    crate::resource::load(&file).unwrap()
}

/// Seats for that many players, all of them kept.
fn fill(network: &Network, players: usize) -> (BTreeMap<String, u32>, Vec<Seat>) {
    let selector = Selector::default();
    let group = network.group("all").unwrap();
    let mut counts = BTreeMap::new();
    let mut seats = Vec::new();
    for _ in 0..players {
        let Some((server, seat)) = selector.seat_in(network, group, |_| true) else { break };
        *counts.entry(server.name.to_string()).or_default() += 1;
        seats.push(seat);
    }
    (counts, seats)
}

fn counts<const N: usize>(of: [(&str, u32); N]) -> BTreeMap<String, u32> {
    of.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[test]
fn least_players_fills_all_alike_and_by_share_where_all_have_a_limit() {
    let (found, _seats) = fill(&network(&["", "", ""], ""), 300);
    assert_eq!(found, counts([("a", 100), ("b", 100), ("c", 100)]));
    let servers = ["maxPlayers: 10", "maxPlayers: 20", "maxPlayers: 30"];
    let (found, _seats) = fill(&network(&servers, ""), 30);
    assert_eq!(found, counts([("a", 5), ("b", 10), ("c", 15)]));
}

#[test]
fn round_robin_goes_round_and_passes_over_those_that_cannot() {
    let network = network(&["", "maxPlayers: 1", ""], "strategy: RoundRobin");
    let group = network.group("all").unwrap();
    let selector = Selector::default();
    let mut seats = Vec::new();
    let mut order = String::new();
    for _ in 0..7 {
        let (server, seat) = selector.seat_in(&network, group, |_| true).unwrap();
        order.push_str(server.name.as_str());
        seats.push(seat);
    }
    assert_eq!(order, "abcacac");
}

#[test]
fn weights_and_chance_spread_as_they_say() {
    let weighted = network(&["weight: 10", "weight: 30", "weight: 0"], "strategy: Weighted");
    let (found, _seats) = fill(&weighted, 4000);
    assert!((850..1150).contains(&found["a"]) && !found.contains_key("c"), "{found:?}");
    let (found, _seats) = fill(&network(&["weight: 0", "weight: 0"], "strategy: Weighted"), 1000);
    assert!((400..600).contains(&found["a"]), "{found:?}");
    let (found, _seats) = fill(&network(&["", "", ""], "strategy: Random"), 3000);
    assert!(found.values().all(|count| (850..1150).contains(count)), "{found:?}");
}

#[test]
fn seats_are_limited_and_come_back() {
    let network = network(&["maxPlayers: 2", "state: Drain", "state: Disabled"], "");
    let (found, seats) = fill(&network, 10);
    assert_eq!(found, counts([("a", 2)]));
    let selector = seats[0].selector.clone();
    let server = |name| network.server(name).unwrap();
    assert_eq!(selector.seat(server("a")).unwrap_err(), Closed::Full);
    assert_eq!(selector.seat(server("b")).unwrap_err(), Closed::Draining);
    assert_eq!(selector.seat(server("c")).unwrap_err(), Closed::Disabled);
    drop(seats);
    assert!(selector.lock().seats.is_empty());
    assert!(selector.seat(server("a")).is_ok());
}

#[test]
fn turns_keep_to_the_rate_and_are_not_given_for_later_than_asked() {
    let network = network(&[""], "joinRate: 20");
    let group = network.group("all").unwrap();
    let selector = Selector::default();
    let now = Instant::now();
    let most = Duration::from_secs(1);
    let turns: Vec<_> = (0..30).map(|_| selector.turn(group, now, most)).collect();
    for (index, turn) in turns.iter().take(21).enumerate() {
        assert_eq!(*turn, Some(Duration::from_millis(50) * index as u32));
    }
    assert!(turns[21..].iter().all(Option::is_none));
    // Turns that nobody took are not saved up.
    let later = now + Duration::from_mins(1);
    let turns: Vec<_> = (0..3).map(|_| selector.turn(group, later, most).unwrap()).collect();
    assert_eq!(turns, [0, 50, 100].map(Duration::from_millis));
    selector.retain(&network);
    assert_eq!(selector.lock().turns.len(), 1);
}
