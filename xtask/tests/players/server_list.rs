//! What real servers tell the public server list, and what the proxy tells it.

use std::collections::BTreeMap;
use std::time::Duration;

use mesegate_testkit::{Announced, ServerList};
use serde_json::{Value, json};
use xtask::engine::{Server, ServerSpec};
use xtask::lab::{Generation, Lab};
use xtask::proxy::{Proxy, ProxySpec};
use xtask::wait;

use crate::bots::{self, runtime};
use crate::support::SOON;

/// Longer than an engine takes until its first update: 300 s after the start, whoever comes or goes
/// meanwhile (`server.cpp`, `Server::AsyncRunStep`).
const UPDATE: Duration = Duration::from_secs(330);

/// The first announcement that is as `wanted`.
fn first(list: &ServerList, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
    let first =
        wait::until(limit, || list.announced().into_iter().find(|it: &Announced| wanted(&it.json)));
    let first = first.unwrap_or_else(|| panic!("it never came: {:?}", list.announced()));
    assert_eq!(first.status, 202, "{first:?}");
    first.json
}

/// The keys of the first announcement of an action, with their types.
fn keys(list: &ServerList, action: &str) -> BTreeMap<String, &'static str> {
    kinds(&first(list, SOON, |it| it["action"] == action))
}

/// The keys of an announcement, with their types.
fn kinds(announced: &Value) -> BTreeMap<String, &'static str> {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "truth",
        Value::Number(number) if number.is_u64() => "whole number",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fields = announced.as_object().unwrap();
    fields.iter().map(|(key, value)| (key.clone(), kind(value))).collect()
}

fn listed(list: &ServerList) {
    let shown = wait::until(SOON, || (list.entries().len() == 1).then_some(()));
    assert!(shown.is_some(), "the list does not show it: {:?}", list.announced());
}

fn announcing(lab: &Lab, generation: Generation, list: &ServerList) -> Server {
    let spec = ServerSpec::new("listed", generation)
        .setting("server_announce", true)
        .setting("serverlist_url", list.url())
        .setting("server_address", "127.0.0.1")
        .setting("server_description", "A server");
    Server::start(lab, spec).unwrap()
}

fn announced_proxy(server: &Server, list: &ServerList) -> Proxy {
    let fields = format!(
        "announce:\n  serverListUrl: {}\n  name: A network\n  description: Words\n  \
         address: 127.0.0.1\n  gameId: minetest_game\n  mapgen: flat\n  interval: 1s",
        list.url()
    );
    let spec = ProxySpec::new(&[("listed", server.address())]).proxy_fields(&fields);
    Proxy::start(&spec).unwrap()
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn the_proxy_announces_what_servers_do() {
    let lab = Lab::ensure(&Generation::ALL).unwrap();
    for generation in Generation::ALL {
        let list = ServerList::start().unwrap();
        let mut server = announcing(&lab, generation, &list);
        let theirs = keys(&list, "start");
        listed(&list);

        let ours_list = ServerList::start().unwrap();
        let mut proxy = announced_proxy(&server, &ours_list);
        let ours = keys(&ours_list, "start");
        listed(&ours_list);
        assert_eq!(ours, theirs, "{generation}");

        proxy.stop(Duration::from_secs(10)).unwrap();
        server.stop().unwrap();
        assert_eq!(keys(&ours_list, "delete"), keys(&list, "delete"), "{generation}");
        println!("{generation}: {} keys the same", theirs.len());
    }
}

/// Takes five minutes, of which almost all is waiting.
#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn the_proxy_goes_on_announcing_as_servers_do() {
    let lab = Lab::ensure(&Generation::ALL).unwrap();
    let runtime = runtime();
    // All at once, because each takes as long.
    let listed = Generation::ALL.map(|generation| {
        let list = ServerList::start().unwrap();
        let server = announcing(&lab, generation, &list);
        let bot = runtime.block_on(bots::join(server.address(), "alice"));
        (generation, list, server, bot)
    });
    let list = ServerList::start().unwrap();
    let mut proxy = announced_proxy(&listed[0].2, &list);
    let bot = runtime.block_on(bots::join(proxy.address(), "bob"));
    let update = |list: &ServerList, player: &str| {
        let with = |it: &Value| it["clients_list"].as_array().unwrap().contains(&json!(player));
        let found = first(list, UPDATE, |it| it["action"] == "update" && with(it));
        assert_eq!(found["clients"], found["clients_list"].as_array().unwrap().len(), "{found}");
        found
    };
    let ours = update(&list, "bob");
    for (generation, list, server, bot) in &listed {
        let theirs = update(list, "alice");
        println!("{generation}: after {} s: {theirs}", theirs["uptime"]);
        assert_eq!(kinds(&ours), kinds(&theirs), "{generation}");
        assert_eq!(theirs["port"], server.address().port(), "{generation}");
        assert_eq!(bot.closed(), None, "{generation}");
    }
    assert_eq!(ours["port"], proxy.address().port());
    // It has not been forgotten meanwhile, and its time goes on.
    let uptimes: Vec<u64> =
        list.announced().iter().filter_map(|it| it.json["uptime"].as_u64()).collect();
    assert!(uptimes.is_sorted() && uptimes.last() > uptimes.first(), "{uptimes:?}");
    assert_eq!(list.entries().len(), 1);
    drop(bot);
    proxy.stop(Duration::from_secs(10)).unwrap();
}
