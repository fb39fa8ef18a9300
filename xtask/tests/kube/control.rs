//! From objects in a real API server to what two proxies serve, and back into the objects.

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use xtask::controller::{Controller, ControllerSpec};
use xtask::kube::Cluster;
use xtask::paths;

use crate::fleet::{
    Fleet, PATIENCE, SOON, condition, default_target, in_force, labelled, listed, server, up,
};
use crate::support::{applied, apply, cluster, controller_rights, get};

const GROUPS: &str = "\
apiVersion: mesegate.dev/v1alpha1
kind: MinetestServerGroup
metadata: { name: everything }
spec: { selector: { matchLabels: { in: all } } }
---
apiVersion: mesegate.dev/v1alpha1
kind: MinetestServerGroup
metadata: { name: games }
spec: { selector: { matchLabels: { kind: game } } }
";

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn objects_become_servers_of_all_proxies_and_say_what_became_of_them() {
    let mut fleet = Fleet::new();
    let (lobby, arena) = (fleet.server("lobby"), fleet.server("arena"));
    let cluster = cluster();
    applied(&cluster, &(server("lobby", lobby.addr(), "") + &default_target("lobby") + GROUPS));
    let mut spec = ControllerSpec::new("controller-0").flag("--ban-retention", "1s");
    if cluster.is_own() {
        spec = spec.kubeconfig(controller_rights(&cluster));
    }
    let controller = Controller::start(&cluster, &spec).unwrap();
    let urls = [controller.url()];
    fleet.start(&[&urls, &urls]);
    let players = [fleet.join(0, "alice"), fleet.join(1, "bob")];

    // A server that is added while players are in the game.
    applied(&cluster, &server("arena", arena.addr(), ""));
    fleet.all("a new server is known", SOON, |it| listed(it, "arena"));
    fleet.all("a new server answers", SOON, |it| up(it, "arena"));
    for bot in &players {
        fleet.runtime.block_on(bot.say(">server arena"));
        fleet.arrives(bot.name(), &arena);
    }

    // Edits.
    applied(&cluster, &server("arena", arena.addr(), ", displayName: Coliseum"));
    fleet.all("an edited name is there", SOON, |it| in_force(it, "Coliseum"));
    fleet.runtime.block_on(players[0].say(">server games"));
    let refused =
        fleet.runtime.block_on(players[0].expect_chat("cannot enter games", PATIENCE)).unwrap();
    println!("kube: a group without members: {:?}", refused.text);
    applied(&cluster, &labelled("lobby", lobby.addr(), "in: all, kind: game", ""));
    fleet.all("a label is there", SOON, |it| in_force(it, "\"kind\":\"game\""));
    fleet.runtime.block_on(players[0].say(">server games"));
    fleet.arrives("alice", &lobby);
    applied(&cluster, &server("arena", arena.addr(), ", state: Disabled"));
    fleet.all("a disabled server is out of service", SOON, |it| !up(it, "arena"));
    applied(&cluster, &server("arena", arena.addr(), ""));
    fleet.all("it is back", SOON, |it| up(it, "arena"));
    // Those who were there stayed.
    fleet.arrives("bob", &arena);

    services(&cluster, &fleet, arena.addr().port());
    mistakes(&cluster, &server("lobby", lobby.addr(), ", fallbacks: [ { server: nowhere } ]"));
    applied(&cluster, &server("lobby", lobby.addr(), ""));
    columns(&cluster, &lobby.addr().to_string());

    let deleted = cluster.kubectl(&["delete", "--wait=false", "mts/arena", "mts/cloud"]).unwrap();
    assert!(deleted.success, "{deleted:?}");
    fleet.all("deleted servers are gone", SOON, |it| !listed(it, "arena") && !listed(it, "cloud"));
    newer_definitions(&cluster, &fleet, &controller);
    old_bans(&cluster, &fleet);
    assert!(players.iter().all(|it| it.closed().is_none()));
    assert!(!controller.log().contains("forbidden"), "{}", controller.log());
}

/// Definitions that have more fields than these programs know: objects with them are served as
/// before, by both proxies.
fn newer_definitions(cluster: &Cluster, fleet: &Fleet, controller: &Controller) {
    let path = paths::workspace().join("deploy/crds/minetestservers.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut definition: Value = serde_yaml::from_str(&text).unwrap();
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    for (place, field) in [(String::new(), "zone"), ("/endpoint/properties".into(), "transport")] {
        let fields = definition.pointer_mut(&format!("{spec}{place}")).unwrap();
        fields[field] = json!({ "type": "string", "default": "usual", "description": "New." });
    }
    applied(cluster, &definition.to_string());
    let (newer, edited) = (fleet.server("newer"), fleet.server("edited"));
    let document = |name: &str, port: u16, more: &str| {
        format!(
            "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\nmetadata: {{ name: {name} }}\n\
             spec: {{ endpoint: {{ host: 127.0.0.1, port: {port}, transport: best }}{more} }}\n"
        )
    };
    let server = document("newer", newer.addr().port(), ", zone: north");
    // The API server takes a little while until it has the new definition.
    let taken = xtask::wait::until(PATIENCE, || apply(cluster, &server).success.then_some(()));
    assert!(taken.is_some(), "{:?}", apply(cluster, &server));
    let zone = get(cluster, &["mts/newer", "-o=jsonpath={.spec.zone} {.spec.endpoint.transport}"]);
    assert_eq!(zone, "north best");
    fleet.all("a server with newer fields answers", SOON, |it| up(it, "newer"));
    condition(cluster, "mts/newer", "Programmed", "Programmed");
    // Those that are edited get the new fields' defaults.
    applied(cluster, &document("edited", edited.addr().port(), ""));
    fleet.all("so does one with a default", SOON, |it| up(it, "edited"));
    // Watches that are open give objects by the definition before, until the API server ends them.
    let edits = std::cell::Cell::new(0);
    let both = || {
        edits.set(edits.get() + 1);
        let zone = format!(", zone: north-{}", edits.get());
        applied(cluster, &document("newer", newer.addr().port(), &zone));
        (controller.metric("unknown_fields").unwrap() > 1.5).then_some(())
    };
    assert!(xtask::wait::until(PATIENCE, both).is_some());
    let log = controller.log();
    assert_eq!(log.matches("this release does not know").count(), 2, "{log}");
    // What this release does know has to be right all the same.
    let wrong = apply(cluster, &server.replace("zone: north", "weight: 101"));
    assert!(!wrong.success, "{wrong:?}");
}

/// Bans go some time after their end.
fn old_bans(cluster: &Cluster, fleet: &Fleet) {
    let ban = |name: &str, end: &str| {
        format!(
            "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestBan\nmetadata: {{ name: {name} }}\n\
             spec: {{ target: {{ name: {name} }}{end} }}\n---\n"
        )
    };
    let soon = prost_types::Timestamp::from(SystemTime::now() + Duration::from_secs(3));
    let soon = soon.to_string();
    let soon = format!("{}Z", soon.get(..19).unwrap());
    let soon = ban("soon", &format!(", expiresAt: \"{soon}\""));
    let all = soon + &ban("later", ", expiresAt: \"2099-01-01T00:00:00Z\"") + &ban("never", "");
    applied(cluster, &all);
    fleet.all("bans are in force", SOON, |it| in_force(it, "soon") && in_force(it, "never"));
    let start = Instant::now();
    let bans = || get(cluster, &["mtb", "-o", "name"]);
    let gone = xtask::wait::until(PATIENCE, || (!bans().contains("/soon")).then_some(()));
    println!("kube: a ban that is over was deleted after {:?}", start.elapsed());
    assert!(gone.is_some() && start.elapsed() > Duration::from_secs(2), "{}", bans());
    assert!(bans().contains("/later") && bans().contains("/never"), "{}", bans());
}

/// A server that is found through a Service and its slices.
fn services(cluster: &Cluster, fleet: &Fleet, port: u16) {
    applied(
        cluster,
        "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\nmetadata: { name: cloud }\n\
         spec: { serviceRef: { name: cloud, port: game } }\n",
    );
    condition(cluster, "mts/cloud", "ResolvedRefs", "ServiceNotFound");
    applied(
        cluster,
        "apiVersion: v1\nkind: Service\nmetadata: { name: cloud }\n\
         spec: { ports: [ { name: game, port: 30000, protocol: UDP } ] }\n",
    );
    condition(cluster, "mts/cloud", "ResolvedRefs", "NoEndpoints");
    let slice = |endpoints: &str, port: u16| {
        let text = format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{ name: cloud-1, \
             labels: {{ kubernetes.io/service-name: cloud }} }}\naddressType: IPv4\n\
             ports: [ {{ name: game, port: {port}, protocol: UDP }} ]\nendpoints: [ {endpoints} ]\n"
        );
        applied(cluster, &text);
    };
    let at = |address: &str, ready: bool| {
        format!("{{ addresses: [ {address} ], conditions: {{ ready: {ready} }} }}")
    };
    slice(&at("198.51.100.7", true), 30007);
    fleet.all("a Service is resolved", SOON, |it| in_force(it, "198.51.100.7"));
    slice(&format!("{}, {}", at("198.51.100.7", false), at("198.51.100.8", true)), 30007);
    let moved = |it: &_| in_force(it, "198.51.100.8") && !in_force(it, "198.51.100.7");
    fleet.all("an endpoint is replaced by one that is ready", SOON, moved);
    condition(cluster, "mts/cloud", "ResolvedRefs", "ResolvedRefs");
    // Statuses are written in rounds.
    let shown = || get(cluster, &["mts/cloud"]).contains("198.51.100.8:30007").then_some(());
    assert!(xtask::wait::until(PATIENCE, shown).is_some());
    // The API server takes no loopback addresses in slices, so nobody can be sent there.
    let local = at("127.0.0.1", true);
    let text = format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{ name: cloud-2, \
         labels: {{ kubernetes.io/service-name: cloud }} }}\naddressType: IPv4\n\
         ports: [ {{ name: game, port: {port}, protocol: UDP }} ]\nendpoints: [ {local} ]\n"
    );
    assert!(!apply(cluster, &text).success);
}

/// What is wrong with one object is said there, and nothing else suffers.
fn mistakes(cluster: &Cluster, lobby: &str) {
    applied(
        cluster,
        "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServerGroup\nmetadata: { name: lobby }\n\
         spec: { selector: { matchLabels: { in: all } } }\n",
    );
    condition(cluster, "mtg/lobby", "Accepted", "NameConflict");
    applied(cluster, lobby);
    condition(cluster, "mts/lobby", "Accepted", "UnknownTarget");
    let deleted = cluster.kubectl(&["delete", "mtg/lobby"]).unwrap();
    assert!(deleted.success, "{deleted:?}");
    let wrong = apply(
        cluster,
        "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\nmetadata: { name: wrong }\n\
         spec: { endpoint: { host: a, port: 1 }, serviceRef: { name: b } }\n",
    );
    assert!(!wrong.success && wrong.complaints.contains("serviceRef"), "{wrong:?}");
}

/// Conditions and what `kubectl get` shows.
fn columns(cluster: &Cluster, lobby: &str) {
    for object in ["mts/lobby", "mtg/everything", "mtg/games", "mtp/default"] {
        condition(cluster, object, "Accepted", "Accepted");
    }
    for object in ["mts/lobby", "mts/arena", "mtg/everything", "mtp/default"] {
        condition(cluster, object, "Ready", "Ready");
    }
    condition(cluster, "mtg/games", "Ready", "NoMembers");
    // Mere numbers of players are written every 30 s.
    let players = || get(cluster, &["mtp/default", "-o=jsonpath={.status.players}"]);
    let counted = xtask::wait::until(PATIENCE * 2, || (players() == "2").then_some(()));
    assert!(counted.is_some(), "{} players", players());
    let table = get(cluster, &["mts,mtg,mtp", "-o", "wide"]);
    println!("{table}");
    let row = |name: &str| {
        let row = table.lines().find(|it| it.contains(&format!("/{name} ")));
        row.unwrap().split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("lobby")[..3], ["True", "Active", lobby]);
    assert_eq!(row("everything")[..4], ["True", "2", "2", "LeastPlayers"]);
    assert_eq!(row("games")[..3], ["False", "0", "0"]);
    assert_eq!(row("default")[..3], ["True", "2", "2"]);
}
