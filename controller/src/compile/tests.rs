use super::*;
use crate::world::{Broken, Ports, Slice};

fn ports(names: &[&str], owner: Option<&str>) -> Ports {
    let names = names.iter().map(|it| (*it).to_owned()).collect();
    Ports { names, owner: owner.map(str::to_owned) }
}

fn object<S: serde::de::DeserializeOwned>(name: &str, spec: &str) -> Object<S> {
    let spec = Arc::new(serde_json::from_str(spec).unwrap());
    Object {
        name: name.into(),
        uid: Some(format!("uid-{name}")),
        labels: BTreeMap::new(),
        generation: 1,
        spec,
    }
}

fn world() -> World {
    let endpoint = r#"{"endpoint": {"host": "h", "port": 1}"#;
    World {
        servers: vec![
            object("lobby", &format!("{endpoint}}}")),
            object(
                "arena",
                &format!(r#"{endpoint}, "fallbacks": [{{"server": "gone"}}, {{"group": "a"}}]}}"#),
            ),
            object("cloud", r#"{"serviceRef": {"name": "svc", "port": "game"}}"#),
        ],
        groups: vec![
            object(
                "a",
                r#"{"selector": {"matchLabels": {"in": "all"}}, "fallbacks": [{"group": "b"}]}"#,
            ),
            object(
                "b",
                r#"{"selector": {"matchLabels": {"in": "all"}},
                    "fallbacks": [{"group": "a"}, {"server": "lobby"}]}"#,
            ),
            object("lobby", r#"{"selector": {"matchLabels": {"in": "all"}}}"#),
        ],
        proxies: vec![object("default", r#"{"defaultTarget": {"server": "lobby"}}"#)],
        ..World::default()
    }
}

fn accepted(compiled: &Compiled, kind: &'static str, name: &str) -> Reason {
    compiled.verdicts[&(kind, name.to_owned())].accepted.reason
}

fn spec(compiled: &Compiled, kind: &str, name: &str) -> String {
    compiled.sets["default"].get(kind, name).unwrap().resource.spec.clone()
}

#[test]
fn what_is_wrong_is_left_out_and_said() {
    let mut world = world();
    world.broken.push(Broken {
        kind: ServerSpec::KIND,
        name: "odd".into(),
        generation: 4,
        error: "no".into(),
    });
    world.servers.push(object("Not.A.Name", r#"{"endpoint": {"host": "h", "port": 1}}"#));
    let compiled = compile(&world, 0);
    let (server, group) = (ServerSpec::KIND, GroupSpec::KIND);
    assert_eq!(accepted(&compiled, server, "lobby"), Reason::Accepted);
    assert_eq!(accepted(&compiled, server, "arena"), Reason::UnknownTarget);
    assert_eq!(accepted(&compiled, server, "odd"), Reason::Invalid);
    assert_eq!(accepted(&compiled, server, "Not.A.Name"), Reason::Invalid);
    assert_eq!(accepted(&compiled, group, "lobby"), Reason::NameConflict);
    assert_eq!(accepted(&compiled, group, "a"), Reason::FallbackCycle);
    assert_eq!(accepted(&compiled, group, "b"), Reason::FallbackCycle);
    let set = &compiled.sets["default"];
    assert!(set.get(group, "lobby").is_none() && set.get(server, "odd").is_none());
    assert_eq!(set.len(), 3 + 2 + 1);
    assert!(spec(&compiled, server, "arena").contains(r#""fallbacks":[{"group":"a"}]"#));
    assert!(!spec(&compiled, group, "a").contains("fallbacks"));
    assert!(spec(&compiled, group, "b").contains(r#""fallbacks":[{"server":"lobby"}]"#));
}

#[test]
fn services_are_resolved() {
    let mut world = world();
    let resolved = |world: &World| {
        let compiled = compile(world, 0);
        let verdict = compiled.verdicts[&(ServerSpec::KIND, "cloud".to_owned())].clone();
        let item = compiled.sets["default"].get(ServerSpec::KIND, "cloud").unwrap();
        let address = item.resource.address.clone().map(|it| format!("{}:{}", it.host, it.port));
        assert_eq!(verdict.address, address);
        (verdict.resolved.unwrap().reason, address)
    };
    assert_eq!(resolved(&world), (Reason::ServiceNotFound, None));
    world.services.insert("svc".into(), ports(&["web"], None));
    assert_eq!(resolved(&world), (Reason::PortNotFound, None));
    world.services.insert("svc".into(), ports(&["web", "game"], None));
    assert_eq!(resolved(&world), (Reason::NoEndpoints, None));
    let slice = |service: &str, addresses: &[&str]| Slice {
        service: service.into(),
        ports: [("game".into(), 30000)].into(),
        addresses: addresses.iter().map(|it| (*it).to_owned()).collect(),
    };
    world.slices = vec![slice("svc", &[]), slice("other", &["10.0.0.1"])];
    assert_eq!(resolved(&world), (Reason::NoEndpoints, None));
    world.slices.push(slice("svc", &["10.0.0.9", "10.0.0.7"]));
    assert_eq!(resolved(&world), (Reason::ResolvedRefs, Some("10.0.0.7:30000".into())));
}

#[test]
fn managed_servers_are_found_through_their_own_services() {
    let mut world = world();
    world.servers.push(object("pit", r#"{"managed": {"image": "luanti"}}"#));
    world.servers.push(object("9pins", r#"{"managed": {"image": "luanti"}}"#));
    let resolved = |world: &World| {
        let compiled = compile(world, 0);
        let sent = spec(&compiled, ServerSpec::KIND, "pit");
        assert!(sent.contains(r#""serviceRef":{"name":"pit","port":"game"}"#), "{sent}");
        assert!(!sent.contains("managed"), "{sent}");
        compiled.verdicts[&(ServerSpec::KIND, "pit".to_owned())].resolved.clone().unwrap().reason
    };
    assert_eq!(resolved(&world), Reason::NotManaged);
    world.manages = true;
    assert_eq!(resolved(&world), Reason::ServiceNotFound);
    for stranger in [None, Some("uid-of-another")] {
        world.services.insert("pit".into(), ports(&["game"], stranger));
        assert_eq!(resolved(&world), Reason::NotOwned);
    }
    world.services.insert("pit".into(), ports(&["game"], Some("uid-pit")));
    assert_eq!(resolved(&world), Reason::NoEndpoints);
    let verdict = compile(&world, 0).verdicts[&(ServerSpec::KIND, "9pins".to_owned())].clone();
    assert_eq!(verdict.accepted.reason, Reason::Invalid);
    assert!(verdict.accepted.message.contains("begins with a letter"), "{verdict:?}");
}

#[test]
fn a_fleet_without_its_default_target_keeps_what_it_has() {
    let mut world = world();
    world.proxies.push(object("other", r#"{"defaultTarget": {"group": "arena"}}"#));
    let compiled = compile(&world, 0);
    assert_eq!(compiled.sets.keys().collect::<Vec<_>>(), ["default"]);
    let verdict = &compiled.verdicts[&(ProxySpec::KIND, "other".to_owned())];
    assert_eq!(verdict.accepted.reason, Reason::UnknownTarget);
    assert!(verdict.accepted.message.contains("{ server: arena }"), "{verdict:?}");
}

#[test]
fn the_same_world_in_another_order_is_the_same_set_and_bans_end() {
    let mut world = world();
    let ban = r#"{"target": {"name": "Mallory"}, "expiresAt": "1970-01-01T00:01:40Z"}"#;
    world.bans.push(object("mallory", ban));
    let first = compile(&world, 99);
    assert!(first.sets["default"].get(BanSpec::KIND, "mallory").is_some());
    world.servers.reverse();
    world.groups.reverse();
    assert_eq!(compile(&world, 99), first);
    let later = compile(&world, 100);
    assert_eq!(accepted(&later, BanSpec::KIND, "mallory"), Reason::Expired);
    assert!(later.sets["default"].get(BanSpec::KIND, "mallory").is_none());
    assert_ne!(later.sets["default"].hash(), first.sets["default"].hash());
}
