//! What real servers tell the public server list, and what the proxy tells it.

use std::collections::BTreeMap;
use std::time::Duration;

use mesegate_testkit::{Announced, ServerList};
use serde_json::Value;
use xtask::engine::{Server, ServerSpec};
use xtask::lab::{Generation, Lab};
use xtask::proxy::{Proxy, ProxySpec};
use xtask::wait;

use crate::support::SOON;

/// The keys of the first announcement of an action, with their types.
fn keys(list: &ServerList, action: &str) -> BTreeMap<String, &'static str> {
    let first = wait::until(SOON, || {
        list.announced().into_iter().find(|it: &Announced| it.json["action"] == action)
    });
    let first = first.unwrap_or_else(|| panic!("no {action}: {:?}", list.announced()));
    assert_eq!(first.status, 202, "{first:?}");
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "truth",
        Value::Number(number) if number.is_u64() => "whole number",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fields = first.json.as_object().unwrap();
    fields.iter().map(|(key, value)| (key.clone(), kind(value))).collect()
}

fn listed(list: &ServerList) {
    let shown = wait::until(SOON, || (list.entries().len() == 1).then_some(()));
    assert!(shown.is_some(), "the list does not show it: {:?}", list.announced());
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn the_proxy_announces_what_servers_do() {
    let lab = Lab::ensure(&Generation::ALL).unwrap();
    for generation in Generation::ALL {
        let list = ServerList::start().unwrap();
        let spec = ServerSpec::new("listed", generation)
            .setting("server_announce", true)
            .setting("serverlist_url", list.url())
            .setting("server_address", "127.0.0.1")
            .setting("server_description", "A server");
        let mut server = Server::start(&lab, spec).unwrap();
        let theirs = keys(&list, "start");
        listed(&list);

        let ours_list = ServerList::start().unwrap();
        let fields = format!(
            "announce:\n  serverListUrl: {}\n  name: A network\n  description: Words\n  \
             address: 127.0.0.1\n  gameId: minetest_game\n  mapgen: flat\n  interval: 1s",
            ours_list.url()
        );
        let spec = ProxySpec::new(&[("listed", server.address())]).proxy_fields(&fields);
        let mut proxy = Proxy::start(&spec).unwrap();
        let ours = keys(&ours_list, "start");
        listed(&ours_list);
        assert_eq!(ours, theirs, "{generation}");

        proxy.stop(Duration::from_secs(10)).unwrap();
        server.stop().unwrap();
        assert_eq!(keys(&ours_list, "delete"), keys(&list, "delete"), "{generation}");
        println!("{generation}: {} keys the same", theirs.len());
    }
}
