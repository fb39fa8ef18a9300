//! The entry in the public server list, from start to goodbye.

use std::time::{Duration, Instant};

use mesegate_testkit::{Announced, FakeServer, ServerList};
use serde_json::{Value, json};

use crate::support::{Documents, Launch, SOON, eventually, lobby, within};

const FOREVER: u64 = 120;

/// The actions with their answers, in order.
fn said(list: &ServerList) -> Vec<String> {
    let text = |it: Announced| format!("{} {}", it.json["action"].as_str().unwrap(), it.status);
    list.announced().into_iter().map(text).collect()
}

fn last(list: &ServerList) -> Value {
    list.announced().pop().unwrap().json
}

async fn until(what: &str, list: &ServerList, wanted: impl Fn(&[String]) -> bool) {
    eventually(what, 2 * SOON, || wanted(&said(list))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_told_from_start_to_end() {
    within(FOREVER, async {
        let server = FakeServer::of(lobby()).unwrap();
        let list = ServerList::start().unwrap();
        let documents = |more: &str| {
            let fields = format!(
                "announce: {{ serverListUrl: \"{}\", name: A network, gameId: testkit, \
                 interval: 2s, mods: [ mod_a ], {more} }}",
                list.url()
            );
            Documents::new().server("lobby", server.addr()).proxy(&fields)
        };
        let mut proxy = Launch::new(documents("")).start().await;
        let port = proxy.addr.port();
        // The list shows it after its ping was answered.
        eventually("the entry", SOON, || list.entries().len() == 1).await;
        let first = list.announced().remove(0);
        assert_eq!((first.status, &first.json["action"]), (202, &json!("start")));
        assert_eq!(first.json["port"], port);
        let facts = ["proto_min", "proto_max", "clients", "clients_max", "mods", "password"];
        let facts = facts.map(|key| first.json[key].clone());
        assert_eq!(
            facts,
            [json!(37), json!(53), json!(0), json!(1000), json!(["mod_a"]), json!(false)]
        );

        // Players are told of as they are in the game.
        let alice = proxy.join("alice").await;
        eventually("alice in the list", SOON, || last(&list)["clients"] == 1).await;
        assert_eq!(last(&list)["clients_list"], json!(["alice"]));
        assert_eq!(last(&list)["action"], "update");
        assert!(last(&list)["uptime"].as_u64() >= first.json["uptime"].as_u64());

        // A list that has forgotten is told all anew.
        list.forget();
        let anew = |said: &[String]| said.windows(2).any(|it| it == ["update 400", "start 202"]);
        until("a start after the list forgot", &list, anew).await;
        eventually("the entry", SOON, || list.entries().len() == 1).await;

        // An edit is told without a restart, as a start; and names can be kept back.
        proxy.edit(&documents("description: Edited, players: false").yaml());
        eventually("the edit", SOON, || last(&list)["description"] == "Edited").await;
        assert_eq!(last(&list)["action"], "start");
        assert_eq!((last(&list).get("clients_list"), &last(&list)["clients"]), (None, &json!(1)));

        // It can be ended, and begun again.
        proxy.edit(&documents("enabled: false").yaml());
        until("a goodbye", &list, |said| said.last().unwrap() == "delete 202").await;
        assert_eq!(list.entries().len(), 0);
        proxy.edit(&documents("").yaml());
        eventually("the entry", SOON, || list.entries().len() == 1).await;

        // The end of the process is told at once.
        let begun = Instant::now();
        proxy.terminate();
        assert!(proxy.ended().await.0.success());
        assert_eq!(said(&list).last().unwrap(), "delete 202");
        assert_eq!(last(&list), json!({ "action": "delete", "port": port }));
        assert_eq!(list.entries().len(), 0);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert!(said(&list).iter().all(|it| it.ends_with("202") || it == "update 400"));
        drop(alice);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_away_is_told_when_it_is_back() {
    within(FOREVER, async {
        let server = FakeServer::of(lobby()).unwrap();
        let list = ServerList::start().unwrap();
        let at = list.addr();
        let fields = format!(
            "announce: {{ serverListUrl: \"{}\", name: A network, gameId: testkit, \
             address: localhost, interval: 1s }}",
            list.url()
        );
        let documents = Documents::new().server("lobby", server.addr()).proxy(&fields);
        let mut proxy = Launch::new(documents).start().await;
        eventually("the entry", SOON, || list.entries().len() == 1).await;
        assert_eq!(list.entries()[0]["address"], "localhost");
        drop(list);
        proxy.logged("the server list was not reached").await;
        // It comes back with nothing of what it knew.
        let list = ServerList::start_at(at).unwrap();
        eventually("the entry", 2 * SOON, || list.entries().len() == 1).await;
        assert_eq!(said(&list)[..2], ["update 400", "start 202"]);
        drop(list);
        // Nobody waits for a list that is not there.
        proxy.terminate();
        let (status, took) = proxy.ended().await;
        assert!(status.success() && took < Duration::from_secs(5), "{status} {took:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_list_has_against_it_is_in_the_log() {
    within(FOREVER, async {
        let server = FakeServer::of(lobby()).unwrap();
        let list = ServerList::start().unwrap();
        // Nobody listens there, as the list finds out after it has taken the announcement.
        let fields = format!(
            "announce: {{ serverListUrl: \"{}\", name: A network, gameId: testkit, port: 9, \
             interval: 1s }}",
            list.url()
        );
        let documents = Documents::new().server("lobby", server.addr()).proxy(&fields);
        let proxy = Launch::new(documents).start().await;
        let line = proxy.logged("the server list took it and has something to say").await;
        assert!(line.contains("no answer to the ping of 127.0.0.1:9"), "{line}");
        assert_eq!(list.entries().len(), 0);
    })
    .await;
}
