//! What is the same on several servers is sent once, under its own name, and costs nothing.

use std::collections::BTreeSet;

use bytes::Bytes;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::content::{FeaturesView, ItemView};
use mesegate_testkit::state::{Content, Recording};
use xtask::engine::Server;
use xtask::lab::Generation::V5_15;
use xtask::lab::Lab;
use xtask::proxy::{Proxy, ProxySpec};

use crate::equality::runtime;
use crate::servers::{SOON, World};
use crate::visit::Visit;

/// The newest version of the servers here.
const VERSION: u16 = 51;

fn visit(world: World, addr: std::net::SocketAddr, player: &str) -> Recording {
    let visit = Visit { world, version: VERSION, download: true };
    runtime().block_on(visit.record(addr, player))
}

fn through(servers: &[(&str, &Server)]) -> Proxy {
    let named: Vec<_> = servers.iter().map(|(name, it)| (*name, it.address())).collect();
    Proxy::start(&ProxySpec::new(&named)).unwrap()
}

/// The names of everything that is defined.
fn names(content: &Content) -> BTreeSet<&str> {
    let nodes = content.nodes.iter().map(|(_, name, _)| name.as_str());
    nodes.chain(content.items.keys().map(String::as_str)).collect()
}

fn decompressed(proxy: &Proxy) -> f64 {
    let name = "blocks_decompressed_total";
    let page = proxy.get("/metrics").unwrap().1;
    assert!(page.contains(&format!("mesegate_proxy_{name}")), "there is no metric {name}");
    proxy.metric(name).unwrap()
}

/// Two servers with the same game cost what one costs: the definitions that clients get are the
/// very bytes of the first, there is no other file, and no block of either is looked into.
#[test]
#[ignore = "needs the lab: cargo xtask test --only worlds"]
fn two_servers_with_one_game_cost_as_much_as_one() {
    let lab = Lab::ensure(&[V5_15]).unwrap();
    let one = World::Plain.start(&lab, V5_15);
    let two = World::Plain.start(&lab, V5_15);
    let direct = visit(World::Plain, one.address(), "direct");
    let both = through(&[("one", &one), ("two", &two)]);
    let first = visit(World::Plain, both.address(), "first");
    both.arrive_at("two").unwrap();
    let second = visit(World::Plain, both.address(), "second");
    for (who, recording) in [("first", &first), ("second", &second)] {
        // Not printed: that is 17 kB each.
        assert!(recording.item_def == direct.item_def, "{who}: ITEMDEF has other bytes");
        assert!(recording.node_def == direct.node_def, "{who}: NODEDEF has other bytes");
        assert!(recording.content == direct.content, "{who}: other files");
    }
    assert!(first.events.len() > 100 && second.events.len() > 100);
    assert_eq!(decompressed(&both), 0.0);
    let log =
        one.wait_log("probe: join first ", SOON).and(two.wait_log("probe: join second ", SOON));
    log.unwrap();
}

/// Of a game with mods beside the same game without, only the mods are added.
#[test]
#[ignore = "needs the lab: cargo xtask test --only worlds"]
fn mods_beside_their_game_add_only_the_difference() {
    let lab = Lab::ensure(&[V5_15]).unwrap();
    let plain = World::Plain.start(&lab, V5_15);
    let modded = World::Modded.start(&lab, V5_15);
    let of_plain = visit(World::Plain, plain.address(), "direct").content;
    let of_modded = visit(World::Modded, modded.address(), "direct").content;
    let proxy = through(&[("plain", &plain), ("modded", &modded)]);
    let merged = visit(World::Plain, proxy.address(), "through").content;
    // The server that players arrive on keeps all its numbers: nothing of it is looked into.
    assert_eq!(decompressed(&proxy), 0.0);

    let both: BTreeSet<_> = of_plain.files.iter().chain(&of_modded.files).collect();
    let sent: BTreeSet<_> = merged.files.iter().collect();
    let hashes = |files: &BTreeSet<(&String, &[u8; 20])>| {
        files.iter().map(|(_, hash)| **hash).collect::<BTreeSet<_>>()
    };
    assert_eq!(hashes(&sent), hashes(&both), "other files than those of the two servers");
    assert!(sent.len() <= both.len(), "{} files instead of {}", sent.len(), both.len());

    let own: BTreeSet<_> = names(&of_plain).union(&names(&of_modded)).copied().collect();
    let sent = names(&merged);
    assert!(own.is_subset(&sent), "missing: {:?}", own.difference(&sent).collect::<Vec<_>>());
    let renamed: Vec<_> = sent.difference(&own).collect();
    println!(
        "{} names of one, {} of the other, {} together, {} sent; renamed: {renamed:?}",
        names(&of_plain).len(),
        names(&of_modded).len(),
        own.len(),
        sent.len()
    );
    for name in renamed {
        // Something that the mods changed: both games have it, and not the same.
        let base = name.strip_prefix("modded_").unwrap_or_else(|| panic!("{name} is nobody's"));
        assert!(names(&of_plain).contains(base) && names(&of_modded).contains(base), "{name}");
        assert_ne!(
            definition(&of_plain, base),
            definition(&of_modded, base),
            "{base} is the same in both and was renamed"
        );
    }
}

/// The definitions of a node and an item, groups and other sets in one order, and connections to
/// other nodes by number left out.
fn definition(content: &Content, name: &str) -> (Option<Bytes>, Option<Bytes>) {
    let node = content.nodes.iter().find(|(_, other, _)| other == name).map(|(_, _, bytes)| {
        let bare = FeaturesView::parse(bytes).unwrap().with_connects_to(&[]);
        FeaturesView::parse(&bare).unwrap().ordered().unwrap_or(bare.clone())
    });
    let item = content.items.get(name).map(|bytes| {
        let view = ItemView::parse(bytes, ProtocolVersion(VERSION)).unwrap();
        view.ordered().unwrap_or(bytes.clone())
    });
    (node, item)
}
