//! All proxies of a class as one entry in the public server list.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesegate_controller::compile::{Compiled, compile};
use mesegate_controller::fleet::{Fleet, Seat};
use mesegate_controller::listing::keep_listed;
use mesegate_controller::world::{Object, World};
use mesegate_proto::admin::v1::{Player, Proxy, ProxyState};
use mesegate_proto::control::v1::PlayerReport;
use mesegate_testkit::{Announced, FakeServer, ServerList};
use serde_json::{Value, json};
use tokio::sync::watch;

fn compiled(proxy: Value) -> Arc<Compiled> {
    fn object<S: serde::de::DeserializeOwned>(name: &str, spec: Value) -> Object<S> {
        let spec = Arc::new(serde_json::from_value(spec).unwrap());
        Object { name: name.into(), uid: None, labels: BTreeMap::new(), generation: 1, spec }
    }
    let servers = vec![object("lobby", json!({ "endpoint": { "host": "h", "port": 1 } }))];
    let proxies = vec![object("default", proxy)];
    Arc::new(compile(&World { servers, proxies, ..World::default() }, 0))
}

fn enter(fleet: &Fleet, name: &str, age: Duration) -> Seat {
    let seat = fleet.enter(("default".into(), name.into()), "1".into());
    seat.proxy(Proxy {
        state: ProxyState::Serving.into(),
        max_players: 100,
        started: Some((SystemTime::now() - age).into()),
        protocol_min: 37,
        protocol_max: 49,
        ..Proxy::default()
    });
    let (name, server) = (format!("player_at_{name}"), "lobby".to_owned());
    let present = vec![Player { name, server, ..Player::default() }];
    seat.players(PlayerReport { full: true, present, ..PlayerReport::default() });
    seat
}

fn said(list: &ServerList) -> Vec<String> {
    let text = |it: Announced| format!("{} {}", it.json["action"].as_str().unwrap(), it.status);
    list.announced().into_iter().map(text).collect()
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(tokio::time::Instant::now() < end, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_announces_all_proxies_as_one() {
    let list = ServerList::start().unwrap();
    // What answers the list's ping in place of the proxies.
    let front = FakeServer::of(mesegate_testkit::World::new("front")).unwrap();
    let proxy = |more: Value| {
        let mut spec = json!({ "defaultTarget": { "server": "lobby" } });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        compiled(spec)
    };
    let announce = json!({ "announce": {
        "serverListUrl": list.url(), "name": "Fleet", "gameId": "g", "interval": "1s",
        "port": front.addr().port(),
    } });
    let (documents, compiled) = watch::channel(proxy(announce.clone()));
    let (leads, led) = watch::channel(false);
    let (stop, stopping) = watch::channel(false);
    let fleet = Fleet::default();
    let task = tokio::spawn(keep_listed(fleet.clone(), compiled, led, stopping));
    let one = enter(&fleet, "one", Duration::from_secs(1000));
    let two = enter(&fleet, "two", Duration::from_secs(2000));

    // Another replica's concern.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(said(&list), [""; 0]);
    leads.send_replace(true);
    until("the entry", || list.entries().len() == 1).await;
    let first = list.announced().remove(0).json;
    assert_eq!(first["clients_list"], json!(["player_at_one", "player_at_two"]));
    let facts = ["clients_max", "proto_min", "proto_max"].map(|key| first[key].clone());
    assert_eq!(facts, [json!(200), json!(37), json!(49)]);
    assert!((2000..2030).contains(&first["uptime"].as_u64().unwrap()), "{first}");

    // The older proxy goes, and the time since the start with it.
    drop(two);
    until("a new beginning", || {
        said(&list).ends_with(&["start 202".into()]) && said(&list).contains(&"update 400".into())
    })
    .await;

    // Losing the lead takes nothing back.
    leads.send_replace(false);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = said(&list);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(said(&list), before);
    assert!(!before.iter().any(|it| it.starts_with("delete")) && list.entries().len() == 1);
    leads.send_replace(true);
    until("the next announcement", || said(&list).len() > before.len()).await;

    // Nobody can play any more; then somebody can, but nobody is to know.
    drop(one);
    until("a goodbye", || said(&list).ends_with(&["delete 202".into()])).await;
    let _three = enter(&fleet, "three", Duration::ZERO);
    until("the entry", || list.entries().len() == 1).await;
    documents.send_replace(proxy(json!({})));
    until("a goodbye", || said(&list).ends_with(&["delete 202".into()])).await;
    documents.send_replace(proxy(announce));
    until("the entry", || list.entries().len() == 1).await;

    // The network goes on without this process.
    stop.send_replace(true);
    task.await.unwrap();
    assert_eq!(list.entries().len(), 1);
}
