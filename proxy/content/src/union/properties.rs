//! Whatever servers bring: what clients know it as is what the server means.

use std::collections::HashSet;

use proptest::prelude::*;

use mesegate_protocol::NameMap;

use super::*;
use crate::testing::{Look, tool};

const VERSION: ProtocolVersion = ProtocolVersion(53);
const NAMES: [&str; 6] = ["a", "b", "c", "d", "p1_a", "p2_b"];
const FILES: [&str; 5] = ["x.png", "y.png", "p1_x.png", "heart.png", "crack_anylength.png"];
/// Of different lengths: how long a name is, is a rating.
const GROUPS: [&str; 4] = ["g", "fg", "efg", "abcd"];
const SOUNDS: [&str; 4] = ["s.ogg", "s.1.ogg", "s.2.ogg", "p1_s.ogg"];

fn name_or_none() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just(""), 1 => prop::sample::select(&NAMES[..])]
}

fn texture() -> impl Strategy<Value = String> {
    let files = prop::sample::select(&FILES[..]);
    let two = (files.clone(), files).prop_map(|(a, b)| format!("{a}^[combine:1x1:0,0={b}"));
    // Definitions have to be equal often enough for what makes them differ to matter.
    prop_oneof![4 => Just("x.png".to_owned()), 1 => two]
}

/// Light, texture, flowing alternative, sound, the item's image, what it connects to, and whether
/// it has an item.
type NodeSpec = (u8, String, &'static str, bool, bool, HashSet<usize>, bool);

fn node_spec() -> impl Strategy<Value = NodeSpec> {
    let connects = prop::collection::hash_set(0usize..NAMES.len(), 0..3);
    let light = prop_oneof![5 => Just(0u8), 1 => Just(1u8)];
    let rarely = || prop::bool::weighted(0.2);
    (light, texture(), name_or_none(), rarely(), rarely(), connects, prop::bool::weighted(0.7))
}

fn part() -> impl Strategy<Value = Part> {
    part_twice().prop_map(|(part, _)| part)
}

/// The same part as a server writes it on two starts: sets come in another order.
fn part_twice() -> impl Strategy<Value = (Part, Part)> {
    let groups = prop::sample::subsequence(&GROUPS[..], 0..=GROUPS.len());
    let order = groups.prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle()));
    (spec(), order).prop_map(|(spec, (one, two))| (make(&spec, &one), make(&spec, &two)))
}

type Spec = (
    Vec<Option<NodeSpec>>,
    Vec<(&'static str, u8)>,
    Vec<(&'static str, u8)>,
    Vec<(&'static str, &'static str)>,
    Vec<(&'static str, bool)>,
    bool,
    u16,
);

fn spec() -> impl Strategy<Value = Spec> {
    let nodes = prop::collection::vec(prop::option::of(node_spec()), NAMES.len());
    let files = |names: &'static [&'static str]| {
        prop::collection::vec(
            (prop::sample::select(names), prop_oneof![4 => Just(0u8), 1 => 1u8..3]),
            0..6,
        )
    };
    let aliases =
        prop::collection::vec((prop::sample::select(&["a", "o1", "o2"][..]), name_or_none()), 0..3);
    let tools =
        prop::collection::vec((prop::sample::select(&["t", "u", "a"][..]), any::<bool>()), 0..3);
    (nodes, files(&FILES), files(&SOUNDS), aliases, tools, prop::bool::weighted(0.2), 0u16..4)
}

/// All that is in groups is in these.
fn make((specs, files, sounds, aliases, tools, fist, shift): &Spec, groups: &[&str]) -> Part {
    let image = |own: bool| if own { "x.png" } else { "" };
    let item = |name: &str, own: bool| Item {
        name: Bytes::copy_from_slice(name.as_bytes()),
        raw: tool(name, image(own), groups, VERSION),
    };
    let mut nodes = Vec::new();
    let mut items = vec![item("", *fist), item("air", false)];
    for (at, spec) in specs.iter().enumerate() {
        let Some((light, texture, flowing, sound, own_image, connects, has_item)) = spec else {
            continue;
        };
        let name = NAMES[at];
        let sound = if *sound { "s" } else { "" };
        let look = Look { light: *light, texture, flowing, sound, groups, ..Look::new(name) };
        let connects: Vec<u16> = connects.iter().map(|at| *at as u16 + shift).collect();
        let id = at as u16 + shift;
        let name = Bytes::from_static(name.as_bytes());
        nodes.push(Node { id, name, features: look.features(&connects) });
        if *has_item {
            items.push(item(NAMES[at], *own_image));
        }
    }
    items.extend(tools.iter().map(|(name, own)| item(name, *own)));
    let file = |(name, content): &(&str, u8)| MediaFile {
        name: (*name).to_owned(),
        hash: [*content; 20],
        size: Some(1),
    };
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    Part {
        name: String::new(),
        nodes,
        items,
        aliases: aliases.iter().map(|(a, t)| (text(a), text(t))).collect(),
        media: files.iter().chain(sounds).map(file).collect(),
        remote: String::new(),
    }
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    prop::collection::vec(part(), 1..5).prop_map(|mut parts| {
        for (at, part) in parts.iter_mut().enumerate() {
            part.name = format!("p{at}");
        }
        parts
    })
}

fn join(parts: &[Part]) -> Union {
    let mut union = Union::new(VERSION, parts.iter().map(|part| part.media.as_slice()));
    for part in parts {
        union.add(part.clone()).unwrap();
    }
    union
}

/// What a client makes of all of it.
struct Client {
    nodes: HashMap<u16, Node>,
    items: HashMap<Bytes, Bytes>,
    aliases: HashMap<Bytes, Bytes>,
    files: HashMap<String, MediaFile>,
}

impl Client {
    fn new(union: &Union) -> Self {
        Self {
            nodes: union.nodes().into_iter().map(|node| (node.id, node)).collect(),
            items: union.items().into_iter().map(|item| (item.name, item.raw)).collect(),
            aliases: union.aliases().into_iter().collect(),
            files: union.files().into_iter().map(|file| (file.name.clone(), file)).collect(),
        }
    }

    /// Follows an alias, as clients do for names without a definition.
    fn resolved(&self, name: &Bytes) -> Bytes {
        if self.items.contains_key(name) {
            return name.clone();
        }
        self.aliases.get(name).unwrap_or(name).clone()
    }

    fn check(&self, part: &Part, joined: &Joined, first: bool) {
        let names = joined.translation.names();
        let ids = joined.translation.ids();
        let own_nodes = effective_nodes(part.nodes.clone());
        let called = |name: &Bytes| names.item(name).unwrap_or(name).clone();
        let mine: HashSet<u16> = own_nodes.iter().map(|node| ids.get(node.id)).collect();
        assert_eq!(mine.len(), own_nodes.len(), "two nodes became one");
        for own in &own_nodes {
            let id = ids.get(own.id);
            assert!(!first || id == own.id);
            let node = &self.nodes[&id];
            assert_eq!(node.name, called(&own.name));
            let shape = shape::of_node(&own.name, &own.features, names).unwrap();
            assert_eq!(
                shape,
                shape::of_node(&own.name, &node.features, &NameMap::default()).unwrap()
            );
            let defined = |id: &u16| own_nodes.iter().any(|node| node.id == *id);
            let wanted: HashSet<u16> = shape::connects_of(&own.features)
                .into_iter()
                .filter(defined)
                .map(|id| ids.get(id))
                .collect();
            let found: HashSet<u16> = shape::connects_of(&node.features)
                .into_iter()
                .filter(|id| mine.contains(id))
                .collect();
            assert_eq!(found, wanted);
        }
        let mut seen = HashSet::new();
        let builtin = |item: &&Item| !BUILTIN.contains(&&item.name[..]);
        for own in part.items.iter().filter(builtin).filter(|item| seen.insert(&item.name)) {
            let name = match names.hand() {
                Some(hand) if own.name.is_empty() => hand.clone(),
                _ => called(&own.name),
            };
            let expected = shape::of_item(&own.name, &own.raw, names, VERSION).unwrap();
            let expected = shape::item_called(&expected, &name, VERSION).unwrap();
            assert_eq!(self.items[&name], expected);
        }
        let defined =
            |name: &Bytes| seen.contains(name) || own_nodes.iter().any(|node| node.name == *name);
        let mut known = HashSet::new();
        for (alias, target) in part.aliases.iter().filter(|(alias, _)| known.insert(alias)) {
            // Nobody can say what an undefined target stands for.
            if !defined(alias) && defined(target) && !target.is_empty() {
                let resolved = self.resolved(&called(alias));
                assert_eq!(resolved, called(target), "{alias:?} to {target:?}");
            }
        }
        let mut seen = HashSet::new();
        for file in part.media.iter().filter(|file| seen.insert(&file.name)) {
            let name = match sound_group(&file.name) {
                Some((group, ending)) => {
                    let group = Bytes::copy_from_slice(group.as_bytes());
                    let new = names.sound(&group).unwrap_or(&group);
                    format!("{}{ending}", std::str::from_utf8(new).unwrap())
                }
                None => {
                    let new = names.media(file.name.as_bytes());
                    new.map_or(file.name.clone(), |new| String::from_utf8(new.to_vec()).unwrap())
                }
            };
            assert_eq!(self.files[&name].hash, file.hash, "{}", file.name);
            assert_eq!(joined.media[&file.name].name, name);
        }
        // No foreign file is played with a part's own sounds.
        for (group, count) in [("s", 3), ("p1_s", 1)] {
            let own =
                part.media.iter().filter(|f| sound_group(&f.name).is_some_and(|s| s.0 == group));
            let own: HashSet<&str> = own.map(|file| file.name.as_str()).collect();
            assert!(own.len() <= count);
            if !own.is_empty() {
                let new = names.sound(group.as_bytes()).map_or(group.as_bytes(), |new| new);
                let all = self.files.keys().filter_map(|name| sound_group(name));
                assert_eq!(all.filter(|(name, _)| name.as_bytes() == new).count(), own.len());
            }
        }
        if !part.media.iter().any(|file| file.name == "heart.png") {
            assert!(!self.files.contains_key("heart.png"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_server_finds_what_it_means(parts in parts()) {
        let union = join(&parts);
        let client = Client::new(&union);
        for (at, (part, joined)) in parts.iter().zip(&union.parts).enumerate() {
            client.check(part, joined, at == 0);
        }
        prop_assert_eq!(client.nodes.len(), union.nodes().len());
        prop_assert_eq!(client.items.len(), union.items().len());
        prop_assert_eq!(client.files.len(), union.files().len());
    }

    #[test]
    fn the_same_goes_in_and_the_same_comes_out(parts in parts()) {
        let (one, two) = (join(&parts), join(&parts));
        prop_assert_eq!(one.nodes(), two.nodes());
        prop_assert_eq!(one.items(), two.items());
        prop_assert_eq!(one.aliases(), two.aliases());
        prop_assert_eq!(one.files(), two.files());
        for (one, two) in one.parts.iter().zip(&two.parts) {
            prop_assert_eq!(one.translation.digest(), two.translation.digest());
            prop_assert_eq!(&one.conflicts, &two.conflicts);
        }
    }

    #[test]
    fn a_server_twice_is_that_server_once(part in part()) {
        let twice = [Part { name: "p0".into(), ..part.clone() }, Part { name: "p1".into(), ..part }];
        let (one, two) = (join(&twice[..1]), join(&twice));
        prop_assert!(two.nodes_of_first && two.items_of_first);
        prop_assert!(two.parts.iter().all(|part| part.translation.is_identity()));
        prop_assert_eq!(one.files(), two.files());
    }

    #[test]
    fn order_never_renames_anything((one, two) in part_twice()) {
        let parts = [Part { name: "p0".into(), ..one }, Part { name: "p1".into(), ..two }];
        let (alone, both) = (join(&parts[..1]), join(&parts));
        prop_assert!(both.nodes_of_first && both.items_of_first);
        prop_assert!(both.parts.iter().all(|part| part.translation.is_identity()));
        prop_assert_eq!(&both.parts[1].conflicts, &[]);
        prop_assert_eq!(alone.nodes(), both.nodes());
        prop_assert_eq!(alone.items(), both.items());
    }
}
