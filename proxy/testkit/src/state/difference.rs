//! What differs between two visits.

use std::collections::BTreeMap;

use mesegate_protocol::to_client;

use super::messages::State;
use super::relation::first_difference;

/// What a server says when it likes, not when asked: how often is a matter of time.
const REPEATED: [u16; 5] = [
    to_client::TIME_OF_DAY,
    to_client::HP,
    to_client::BREATH,
    to_client::MOVE_PLAYER,
    to_client::MEDIA,
];

/// What a proxy may say before a world's own messages so that nothing of another world stays, and
/// how often.
const TAKEN_BACK: [(u16, usize); 16] = [
    (to_client::SHOW_FORMSPEC, 1),
    (to_client::FORMSPEC_PREPEND, 1),
    (to_client::HUD_SET_FLAGS, 1),
    (to_client::HUD_SET_PARAM, 3),
    (to_client::SET_SKY, 1),
    (to_client::CLOUD_PARAMS, 1),
    (to_client::OVERRIDE_DAY_NIGHT_RATIO, 1),
    (to_client::EYE_OFFSET, 1),
    (to_client::LOCAL_PLAYER_ANIMATIONS, 1),
    (to_client::FOV, 1),
    // The second names the world's own pictures if they are not called as the client expects.
    (to_client::SET_SUN, 2),
    (to_client::SET_MOON, 2),
    (to_client::SET_STARS, 1),
    (to_client::MINIMAP_MODES, 1),
    (to_client::SET_LIGHTING, 1),
    (to_client::CAMERA, 1),
];

/// Takes the messages away that a proxy may have put before those of `direct`, and gives them, so
/// that what they say can be looked at.
pub fn take_back(direct: &State, through: &mut State) -> BTreeMap<u16, Vec<String>> {
    let mut taken = BTreeMap::new();
    for (command, limit) in TAKEN_BACK {
        let own = direct.sequences.get(&command).map_or(0, Vec::len);
        if let Some(all) = through.sequences.get_mut(&command) {
            let extra = all.len().saturating_sub(own).min(limit);
            taken.insert(command, all.drain(..extra).collect());
            if all.is_empty() {
                through.sequences.remove(&command);
            }
        }
    }
    taken
}

/// Everything in which `through` is not what `direct` is, one line each. Map blocks that only one
/// visit got are no difference: which come first is a matter of time.
pub fn differences(direct: &State, through: &State) -> Vec<String> {
    let mut found = Vec::new();
    for (who, state) in [("directly", direct), ("through the proxy", through)] {
        for what in &state.unreadable {
            found.push(format!("{who}: {what}"));
        }
    }
    sequences(direct, through, &mut found);
    maps("block", &direct.blocks, &through.blocks, false, &mut found);
    for (name, said) in &direct.objects {
        match through.objects.get(name) {
            Some(other) => maps(&format!("object {name}:"), said, other, true, &mut found),
            None => found.push(format!("object {name} is missing")),
        }
    }
    for name in through.objects.keys().filter(|name| !direct.objects.contains_key(*name)) {
        found.push(format!("object {name} is nobody's"));
    }
    found
}

fn sequences(direct: &State, through: &State, found: &mut Vec<String>) {
    let empty = Vec::new();
    let commands = direct.sequences.keys().chain(through.sequences.keys());
    let commands: std::collections::BTreeSet<u16> = commands.copied().collect();
    for command in commands {
        let of = |state: &State| {
            let mut all = state.sequences.get(&command).unwrap_or(&empty).clone();
            if REPEATED.contains(&command) {
                all.sort();
                all.dedup();
            }
            all
        };
        let (own, other) = (of(direct), of(through));
        let name = to_client::name(command);
        for (number, (a, b)) in own.iter().zip(&other).enumerate() {
            if a != b {
                found.push(format!("{name} {number} {}", first_difference(a, b)));
            }
        }
        let short = |text: &String| text.chars().take(200).collect::<String>();
        for text in own.iter().skip(other.len()) {
            found.push(format!("{name} is missing: {}", short(text)));
        }
        for text in other.iter().skip(own.len()) {
            found.push(format!("{name} was not sent by the server: {}", short(text)));
        }
    }
}

fn maps<K: Ord + std::fmt::Debug>(
    what: &str,
    direct: &BTreeMap<K, String>,
    through: &BTreeMap<K, String>,
    all: bool,
    found: &mut Vec<String>,
) {
    for (key, own) in direct {
        match through.get(key) {
            Some(other) if other == own => {}
            Some(other) => found.push(format!("{what} {key:?} {}", first_difference(own, other))),
            None if all => found.push(format!("{what} {key:?} is missing")),
            None => {}
        }
    }
    if all {
        for key in through.keys().filter(|key| !direct.contains_key(key)) {
            found.push(format!("{what} {key:?} was not sent by the server"));
        }
    }
}
