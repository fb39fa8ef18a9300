//! Comparing visits through the proxy with visits that went straight to the server.

use std::collections::BTreeMap;

use mesegate_protocol::to_client;
use mesegate_testkit::state::{Content, Names, Recording, State, differences, take_back};
use xtask::lab::Generation;

use crate::servers::World;

/// What every world's visit has to have, so that a comparison of two says something.
const ALWAYS: [u16; 16] = [
    to_client::INVENTORY,
    to_client::INVENTORY_FORMSPEC,
    to_client::FORMSPEC_PREPEND,
    to_client::DETACHED_INVENTORY,
    to_client::SHOW_FORMSPEC,
    to_client::HUDADD,
    to_client::HUD_SET_PARAM,
    to_client::PLAY_SOUND,
    to_client::ADD_PARTICLESPAWNER,
    to_client::SET_SKY,
    to_client::SET_SUN,
    to_client::SET_MOON,
    to_client::EYE_OFFSET,
    to_client::FOV,
    to_client::PRIVILEGES,
    to_client::MOVEMENT,
];

/// And what the game that uses everything has besides.
const CONFLICT: [u16; 11] = [
    to_client::ADDNODE,
    to_client::REMOVENODE,
    to_client::NODEMETA_CHANGED,
    to_client::HUDCHANGE,
    to_client::HUDRM,
    to_client::STOP_SOUND,
    to_client::FADE_SOUND,
    to_client::SPAWN_PARTICLE,
    to_client::DELETE_PARTICLESPAWNER,
    to_client::MINIMAP_MODES,
    to_client::LOCAL_PLAYER_ANIMATIONS,
];

fn is_complete(world: World, version: u16, state: &State) {
    let more: &[u16] = if world == World::Conflict { &CONFLICT } else { &[] };
    for command in ALWAYS.iter().chain(more) {
        let name = to_client::name(*command);
        assert!(
            state.sequences.contains_key(command),
            "{} at {version} sends no {name}: what is compared is incomplete",
            world.name()
        );
    }
    let pushes = state.sequences.get(&to_client::MEDIA_PUSH).map_or(0, Vec::len);
    // 39 gets every file twice, earlier versions get none.
    let expected = match (world, version) {
        (World::Plain | World::Modded, _) | (_, ..=38) => 0,
        (World::Conflict, 39) => 4,
        (World::Conflict, _) => 2,
    };
    assert_eq!(pushes, expected, "{} at {version}", world.name());
    assert!(state.blocks.len() > 20, "only {} blocks", state.blocks.len());
    let entities = if world == World::Conflict { 10 } else { 1 };
    assert!(state.objects.len() > entities, "only {} objects", state.objects.len());
}

/// The name of a world, and the version that was spoken.
pub(crate) type Place = (&'static str, u16);

/// Compares visits with visits that went straight to the server.
pub(crate) struct Judge {
    direct: BTreeMap<Place, Recording>,
    /// What the proxy says before any world's own messages, by version.
    defaults: BTreeMap<(u16, u16), Vec<String>>,
    related: Option<Related>,
    findings: Findings,
}

/// What one set of definitions for clients is to each world's own.
struct Related {
    version: u16,
    content: Content,
    names: [Result<Names, Vec<String>>; 3],
}

impl Judge {
    /// Knows the direct visits.
    pub(crate) fn new(direct: BTreeMap<Place, Recording>) -> Self {
        let (defaults, findings) = (BTreeMap::new(), Findings::default());
        Self { direct, defaults, related: None, findings }
    }

    /// What was found.
    pub(crate) fn findings(self) -> Findings {
        self.findings
    }

    /// A second visit straight to the server is equal to the first by this measure; otherwise it
    /// would say nothing about a proxy.
    pub(crate) fn once_more(&mut self, world: World, again: &Recording) {
        let version = again.version.0;
        let direct = &self.direct[&(world.name(), version)];
        let names = Names::through(&direct.content, &again.content, again.version);
        let lines = match names {
            Ok(names) => compare(&mut BTreeMap::new(), world, (direct, again), &names),
            Err(lines) => lines,
        };
        self.findings.add(&format!("{} once more", world.name()), version, lines);
    }

    /// A visit to `world` through the proxy, whose clients use the names and numbers of `base`.
    pub(crate) fn look_at(&mut self, base: World, world: World, through: &Recording) {
        let version = through.version.0;
        let place = format!("{} beside {}", world.name(), base.name());
        let known = self.related.take();
        let known = known.filter(|it| it.version == version && it.content == through.content);
        let related = known.unwrap_or_else(|| self.relate(&place, through));
        let direct = &self.direct[&(world.name(), version)];
        let at = World::ALL.iter().position(|it| *it == world).unwrap();
        if let Ok(names) = &related.names[at] {
            let lines = compare(&mut self.defaults, world, (direct, through), names);
            self.findings.add(&place, version, lines);
        }
        self.related = Some(related);
    }

    /// A client has the content of all worlds at the same time.
    fn relate(&mut self, place: &str, through: &Recording) -> Related {
        let version = through.version.0;
        let names = World::ALL.map(|world| {
            let content = &self.direct[&(world.name(), version)].content;
            Names::through(content, &through.content, through.version)
        });
        for (world, names) in World::ALL.into_iter().zip(&names) {
            let place = format!("{place}, content of {}", world.name());
            let lines = names.as_ref().err().cloned().unwrap_or_default();
            self.findings.add(&place, version, lines);
        }
        Related { version, content: through.content.clone(), names }
    }
}

/// The lines in which the second visit differs from the first.
fn compare(
    defaults: &mut BTreeMap<(u16, u16), Vec<String>>,
    world: World,
    (direct, through): (&Recording, &Recording),
    theirs: &Names,
) -> Vec<String> {
    assert_eq!(direct.version, through.version);
    let version = direct.version.0;
    let own = Names::direct(&direct.content, direct.version).unwrap();
    let state = State::of(direct, &own);
    is_complete(world, version, &state);
    let mut seen = State::of(through, theirs);
    let mut lines = Vec::new();
    for (command, mut taken) in take_back(&state, &mut seen) {
        let name = to_client::name(command);
        let picture = match command {
            to_client::SET_SUN => Some("sun.png"),
            to_client::SET_MOON => Some("moon.png"),
            _ => None,
        };
        // The world's own sun, where the client would take another one.
        if let (2, Some(picture)) = (taken.len(), picture)
            && let Some(last) = taken.pop()
            && !last.contains(&own.file(picture))
        {
            lines.push(format!("{name} does not name the world's own {picture}: {last}"));
        }
        // Whatever else it says is the same for every world: the client's own defaults.
        let usual = defaults.entry((version, command)).or_insert_with(|| taken.clone());
        if *usual != taken {
            lines.push(format!("{name} begins with {taken:?}, elsewhere with {usual:?}"));
        }
    }
    lines.extend(differences(&state, &seen));
    lines.extend(direct.violations.iter().map(|it| format!("the server itself: {it}")));
    lines.extend(through.violations.iter().cloned());
    lines
}

/// What is different, with the versions at which it is.
#[derive(Default)]
pub(crate) struct Findings(BTreeMap<String, Vec<u16>>);

impl Findings {
    /// At most this many of each kind are shown.
    const SHOWN: usize = 40;

    fn add(&mut self, place: &str, version: u16, lines: Vec<String>) {
        for line in lines {
            self.0.entry(format!("{place}: {line}")).or_default().push(version);
        }
    }

    /// Panics with what there is.
    pub(crate) fn none(self, generation: Generation) {
        let count = self.0.len();
        let (content, messages): (Vec<_>, Vec<_>) =
            self.0.into_iter().partition(|(line, _)| line.contains("counterpart"));
        let shown =
            messages.into_iter().take(Self::SHOWN).chain(content.into_iter().take(Self::SHOWN));
        let lines: Vec<String> =
            shown.map(|(line, versions)| format!("{line} (at {versions:?})")).collect();
        assert!(count == 0, "{generation}: {count} differences:\n{}", lines.join("\n"));
    }
}
