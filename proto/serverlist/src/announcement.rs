//! What the list is told, as JSON.

use std::ops::RangeInclusive;
use std::time::Duration;

use mesegate_resource::Announce;
use serde::Serialize;

/// Most characters of an announcement: the list refuses longer ones.
pub(crate) const LIMIT: usize = 8192;

/// What is true of the network at the moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Release of the program.
    pub version: String,
    /// Versions of the network protocol that clients can connect with.
    pub protocols: RangeInclusive<u16>,
    /// Names of those who are in the game.
    pub players: Vec<String>,
    /// The most players that are let in.
    pub max_players: u32,
    /// How long the network has been there.
    pub uptime: Duration,
    /// How late things are done; nothing if nobody measures it.
    pub lag: Option<Duration>,
    /// Whether empty passwords are refused.
    pub password: bool,
    /// What new players may do, with commas between.
    pub privileges: String,
}

/// What an announcement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Start,
    Update,
    Delete,
}

impl Action {
    /// One name for logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// An announcement. Keys and types are those of engines.
#[derive(Debug, Serialize)]
struct Announcement<'a> {
    action: Action,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(flatten)]
    state: Option<State<'a>>,
    #[serde(flatten)]
    beginning: Option<Beginning<'a>>,
}

/// What is said in `start` and `update`.
#[derive(Debug, Serialize)]
struct State<'a> {
    name: &'a str,
    description: &'a str,
    version: &'a str,
    url: &'a str,
    proto_min: u16,
    proto_max: u16,
    creative: bool,
    damage: bool,
    password: bool,
    pvp: bool,
    uptime: u64,
    /// Time in the world. A network has no single world.
    game_time: u64,
    clients: usize,
    clients_max: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    clients_list: Option<&'a [String]>,
    gameid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<f64>,
}

/// What is said in `start` only.
#[derive(Debug, Serialize)]
struct Beginning<'a> {
    dedicated: bool,
    rollback: bool,
    can_see_far_names: bool,
    mapgen: &'a str,
    privs: &'a str,
    mods: &'a [String],
}

/// The text that says that the network is not there any more.
pub(crate) fn goodbye(announce: &Announce, port: u16) -> String {
    let address = announce.address.as_deref();
    let action = Action::Delete;
    write(&Announcement { action, port, address, state: None, beginning: None })
}

/// The text for the list. What makes it too long is left out: first the names of the players, then
/// the mods, then the end of the description.
pub(crate) fn text(announce: &Announce, facts: &Facts, port: u16, action: Action) -> String {
    let names = announce.players.then_some(&*facts.players);
    let (mods, all) = (&*announce.mods, usize::MAX);
    let mut written = attempt(announce, facts, port, action, names, mods, all);
    // What is left of the document's texts then is at most 1300 characters, and JSON makes six of
    // one at most.
    for (mods, description) in [(mods, all), (&[], all), (&[], 100)] {
        if written.chars().count() <= LIMIT {
            break;
        }
        written = attempt(announce, facts, port, action, None, mods, description);
    }
    written
}

fn attempt(
    announce: &Announce,
    facts: &Facts,
    port: u16,
    action: Action,
    names: Option<&[String]>,
    mods: &[String],
    description: usize,
) -> String {
    let description = match announce.description.char_indices().nth(description) {
        Some((end, _)) => &announce.description[..end],
        None => &announce.description,
    };
    let update = action == Action::Update;
    let lag = facts.lag.map(|it| it.as_secs_f64()).filter(|it| update && *it > 0.0);
    let state = State {
        name: &announce.name,
        description,
        version: &facts.version,
        url: &announce.url,
        proto_min: *facts.protocols.start(),
        proto_max: *facts.protocols.end(),
        creative: announce.creative,
        damage: announce.damage,
        password: facts.password,
        pvp: announce.pvp,
        uptime: facts.uptime.as_secs(),
        game_time: 0,
        clients: facts.players.len(),
        clients_max: facts.max_players,
        clients_list: names,
        gameid: &announce.game_id,
        lag,
    };
    let beginning = Beginning {
        dedicated: true,
        rollback: false,
        can_see_far_names: announce.far_names,
        mapgen: &announce.mapgen,
        privs: &facts.privileges,
        mods,
    };
    write(&Announcement {
        action,
        port,
        address: announce.address.as_deref(),
        state: Some(state),
        beginning: (!update).then_some(beginning),
    })
}

fn write(announcement: &Announcement<'_>) -> String {
    // Only maps whose keys are no texts could not be written.
    serde_json::to_string(announcement).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document(more: Value) -> Announce {
        let mut all = json!({ "name": "Name", "gameId": "game", "port": 30123 });
        let (Value::Object(all), Value::Object(more)) = (&mut all, more) else { unreachable!() };
        all.extend(more);
        serde_json::from_value(Value::Object(all.clone())).unwrap()
    }

    fn facts(players: usize) -> Facts {
        Facts {
            version: "mesegate-1".into(),
            protocols: 37..=49,
            players: (0..players).map(|n| format!("player_number_{n:05}")).collect(),
            max_players: 100,
            uptime: Duration::from_millis(61_900),
            lag: Some(Duration::from_millis(125)),
            password: true,
            privileges: "interact, shout".into(),
        }
    }

    fn said(document: &Announce, facts: &Facts, action: Action) -> Value {
        serde_json::from_str(&text(document, facts, 30123, action)).unwrap()
    }

    #[test]
    fn a_start_says_everything() {
        let document = document(json!({
            "description": "Words", "url": "https://a.example", "address": "play.a.example",
            "mods": ["mod_a"], "farNames": true, "mapgen": "v7", "pvp": false,
        }));
        assert_eq!(
            said(&document, &facts(2), Action::Start),
            json!({
                "action": "start", "port": 30123, "address": "play.a.example",
                "name": "Name", "description": "Words", "version": "mesegate-1",
                "url": "https://a.example", "proto_min": 37, "proto_max": 49,
                "creative": false, "damage": true, "password": true, "pvp": false,
                "uptime": 61, "game_time": 0, "clients": 2, "clients_max": 100,
                "clients_list": ["player_number_00000", "player_number_00001"],
                "gameid": "game", "dedicated": true, "rollback": false,
                "can_see_far_names": true, "mapgen": "v7", "privs": "interact, shout",
                "mods": ["mod_a"],
            })
        );
    }

    #[test]
    fn an_update_says_what_changes_and_a_goodbye_who_goes() {
        let document = document(json!({ "players": false }));
        let update = said(&document, &facts(2), Action::Update);
        assert_eq!((&update["lag"], &update["clients"]), (&json!(0.125), &json!(2)));
        for missing in ["clients_list", "mods", "privs", "dedicated", "address"] {
            assert_eq!(update.get(missing), None, "{missing}");
        }
        let goodbye: Value = serde_json::from_str(&goodbye(&document, 30123)).unwrap();
        assert_eq!(goodbye, json!({ "action": "delete", "port": 30123 }));
    }

    #[test]
    fn no_text_is_too_long() {
        let length = |document: &Announce, players| {
            let text = text(document, &facts(players), 30123, Action::Start);
            assert!(text.chars().count() <= LIMIT, "{} characters", text.chars().count());
            serde_json::from_str::<Value>(&text).unwrap()
        };
        let short = document(json!({ "mods": ["a", "b"] }));
        assert_eq!(length(&short, 300)["clients_list"].as_array().map(Vec::len), Some(300));
        let crowd = length(&short, 1000);
        assert_eq!((crowd.get("clients_list"), &crowd["clients"]), (None, &json!(1000)));
        assert_eq!(crowd["mods"], json!(["a", "b"]));
        let mods: Vec<String> =
            (0..500).map(|n| format!("a_very_long_name_of_a_mod_{n}")).collect();
        let modded = length(&document(json!({ "mods": mods, "description": "x" })), 3);
        assert_eq!((&modded["mods"], &modded["description"]), (&json!([]), &json!("x")));
        // The longest that a document can say, in characters that JSON makes long.
        let many = |count| "\u{1}".repeat(count);
        let worst = document(json!({
            "name": many(200), "description": many(1000), "url": many(500), "gameId": many(100),
            "mapgen": many(100), "address": "a".repeat(253), "mods": mods,
        }));
        assert_eq!(length(&worst, 1000)["description"], json!(many(100)));
    }
}
