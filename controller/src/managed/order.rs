//! Which servers may be changed now. A pure function.
//!
//! A change of what a server's pod is made of ends the pod, and the next one begins. That is done
//! to one server at a time, and to none while another one of a group of its is away.

use std::collections::{BTreeMap, BTreeSet};

/// A managed server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Groups that it is in.
    pub groups: BTreeSet<String>,
    /// What its pod is to be made of.
    pub wanted: String,
    /// What there is of it, if anything.
    pub now: Option<Now>,
}

/// A server that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// What its pod is made of.
    pub revision: String,
    /// Whether it is to run at all.
    pub runs: bool,
    /// Whether its pod is of that revision, runs, and players can reach it.
    pub well: bool,
    /// Whether its pod was changed while there was one, and not only made.
    pub rolled: bool,
}

/// What is to be done with a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is not there, and is made.
    Create,
    /// It is changed at once: nobody plays there.
    Replace,
    /// It is changed, as it is its turn.
    Roll,
    /// It is changed when the server of that name is well, or was changed.
    Wait(String),
    /// It is as wanted, but not well yet.
    Come,
    /// It is as wanted.
    Rest,
}

/// What is to be done with each, by name.
pub fn steps(servers: &[Server]) -> BTreeMap<&str, Step> {
    let ordered: BTreeMap<&str, &Server> = servers.iter().map(|it| (&*it.name, it)).collect();
    let mut steps = BTreeMap::new();
    for (name, server) in &ordered {
        let step = match &server.now {
            None => Step::Create,
            Some(now) if now.revision == server.wanted && now.well => Step::Rest,
            Some(now) if now.revision == server.wanted => Step::Come,
            Some(now) if !now.runs || !now.well => Step::Replace,
            Some(_) => continue,
        };
        steps.insert(*name, step);
    }
    let mut turn: Option<&str> = None;
    for (name, server) in &ordered {
        if steps.contains_key(name) {
            continue;
        }
        let away = |other: &&Server| {
            let Some(now) = &other.now else { return false };
            let replaced = steps.get(&*other.name) == Some(&Step::Replace);
            let company = !other.groups.is_disjoint(&server.groups);
            now.runs && (replaced || !now.well && (now.rolled || company))
        };
        let first = ordered.values().copied().find(away).map(|it| &*it.name).or(turn);
        let step = match first {
            Some(other) => Step::Wait(other.to_owned()),
            None => {
                turn = Some(name);
                Step::Roll
            }
        };
        steps.insert(*name, step);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str, groups: &str, revision: &str, well: bool, rolled: bool) -> Server {
        let now = Now { revision: revision.into(), runs: true, well, rolled };
        Server {
            name: name.into(),
            groups: groups.split_whitespace().map(str::to_owned).collect(),
            wanted: "new".into(),
            now: Some(now),
        }
    }

    fn said(servers: &[Server]) -> Vec<String> {
        let all = steps(servers);
        servers.iter().map(|it| format!("{:?}", all[&*it.name])).collect()
    }

    #[test]
    fn servers_are_changed_one_after_the_other() {
        let mut all: Vec<Server> =
            ["c", "a", "b"].iter().map(|it| server(it, "", "old", true, false)).collect();
        let mut order = Vec::new();
        for _ in 0..9 {
            let steps = steps(&all);
            let rolled: Vec<String> = steps
                .iter()
                .filter(|(_, step)| **step == Step::Roll)
                .map(|(name, _)| (*name).to_owned())
                .collect();
            assert!(rolled.len() <= 1);
            if let Some(name) = rolled.first() {
                let now = all.iter_mut().find(|it| it.name == *name).unwrap().now.as_mut().unwrap();
                *now = Now { revision: "new".into(), runs: true, well: false, rolled: true };
                order.push(name.clone());
                // None while this one is away.
                assert_eq!(said(&all).iter().filter(|it| *it == "Roll").count(), 0);
            } else if let Some(it) = all.iter_mut().find(|it| !it.now.as_ref().unwrap().well) {
                it.now.as_mut().unwrap().well = true;
            }
        }
        assert_eq!(order, ["a", "b", "c"]);
        assert_eq!(said(&all), ["Rest", "Rest", "Rest"]);
    }

    #[test]
    fn one_that_does_not_come_back_stops_the_order_until_it_is_mended() {
        let broken = server("b", "", "new", false, true);
        let rest = server("a", "", "old", true, false);
        assert_eq!(said(&[rest.clone(), broken.clone()]), [r#"Wait("b")"#, "Come"]);
        let mended = Server { wanted: "newer".into(), ..broken };
        // It is changed at once, and the other one still waits for it.
        assert_eq!(said(&[rest, mended]), [r#"Wait("b")"#, "Replace"]);
    }

    #[test]
    fn a_server_that_was_only_made_holds_up_its_own_group() {
        let new = server("new", "games", "new", false, false);
        let all = [
            new.clone(),
            server("mate", "arcade games", "old", true, true),
            server("other", "lobby", "old", true, true),
        ];
        assert_eq!(said(&all), ["Come", r#"Wait("new")"#, "Roll"]);
    }

    #[test]
    fn where_nobody_plays_nothing_is_waited_for() {
        let mut stopped = server("a", "games", "old", true, false);
        stopped.now.as_mut().unwrap().runs = false;
        let missing = Server { now: None, ..server("b", "games", "", true, false) };
        let all = [stopped, missing, server("c", "games", "old", true, false)];
        assert_eq!(said(&all), ["Replace", "Create", "Roll"]);
        // Those that are down are mended together.
        let down = ["a", "b"].map(|it| server(it, "games", "old", false, true));
        assert_eq!(said(&down), ["Replace", "Replace"]);
    }
}
