//! Players of different real servers know of each other.

use std::time::Duration;

use mesegate_protocol::play::ModRestrictions;
use mesegate_protocol::to_client;
use mesegate_testkit::{Bot, View};
use xtask::lab::Generation::{V5_6, V5_15};

use crate::bots::{self, NEAR, PATIENCE, SPAWN, runtime};
use crate::support::{Network, SOON, content};

async fn listed(bot: &Bot, names: &[&str]) {
    let same = |view: &View| view.players.iter().map(String::as_str).eq(names.iter().copied());
    bot.until(&format!("a list of {names:?}"), same).await.unwrap();
}

/// The words of the proxy in what a bot is told from now on, for a while.
async fn told(bot: &Bot) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(line) = bot.chat(Duration::from_secs(3)).await {
        told.push(line.text);
    }
    told.retain(|text| text.starts_with(['+', '-']));
    told
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn players_of_all_servers_are_listed_and_announced() {
    let network = Network::start(&[V5_6, V5_15]);
    let mut documents = std::fs::read_to_string(network.proxy.resources()).unwrap();
    documents += "  playerList: Network\n  csmRestrictions: { forbid: [ ClientMods ] }\n  \
                  messages: { joined: \"+{player}\", left: \"-{player}\" }\n";
    std::fs::write(network.proxy.resources(), documents).unwrap();
    network.proxy.wait_log("the documents were read again", SOON).unwrap();
    let runtime = runtime();
    let alice = runtime.block_on(bots::join(network.proxy.address(), "alice"));
    let carol = network.join(V5_15, "carol");
    runtime.block_on(async {
        listed(&alice, &["alice", "carol"]).await;
        alice.travel(">server green", SPAWN, NEAR, PATIENCE).await.unwrap();
        let bob = bots::join(network.proxy.address(), "bob").await;
        for bot in [&alice, &bob] {
            listed(bot, &["alice", "bob", "carol"]).await;
            let body = bot.look(|view| view.states.get(&to_client::CSM_RESTRICTION_FLAGS).cloned());
            // The servers' default is to forbid all but mods as such.
            let all = ModRestrictions { flags: 0x3f, range: 0 };
            assert_eq!(ModRestrictions::decode(&body.unwrap()), Ok(all), "{}", bot.name());
        }
        bob.leave().await;
        listed(&alice, &["alice", "carol"]).await;
        assert_eq!(told(&alice).await, ["+carol", "+bob", "-bob"]);
    });
    content(&carol);
    carol.stop().unwrap();
    runtime.block_on(listed(&alice, &["alice"]));
    assert_eq!(runtime.block_on(told(&alice)), ["-carol"]);
}
