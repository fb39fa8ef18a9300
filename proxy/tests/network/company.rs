//! What players get to know of each other across servers, and what mods of their clients may do.

use std::time::Duration;

use mesegate_protocol::play::ModRestrictions;
use mesegate_protocol::to_client;
use mesegate_testkit::{Bot, FakeServer, FakeServerOptions, View};

use crate::support::{
    ARENA, Documents, LOBBY, Launch, Pair, Proxy, SOON, arena, assert_sound, eventually, go, lobby,
    within,
};

const FOREVER: u64 = 60;

async fn listed(bot: &Bot, names: &[&str]) {
    let same = |view: &View| view.players.iter().map(String::as_str).eq(names.iter().copied());
    bot.until(&format!("a list of {names:?}"), same).await.unwrap();
}

/// Two servers, and fields of the proxy.
async fn pair(fields: &str) -> Pair {
    let lobby = FakeServer::start(FakeServerOptions::new(lobby())).unwrap();
    let arena = FakeServer::start(FakeServerOptions::new(arena())).unwrap();
    let proxy = Launch::new(documents(&lobby, &arena, fields)).start().await;
    Pair { lobby, arena, proxy }
}

fn documents(lobby: &FakeServer, arena: &FakeServer, fields: &str) -> Documents {
    Documents::new().server("lobby", lobby.addr()).server("arena", arena.addr()).proxy(fields)
}

async fn edit(pair: &Pair, fields: &str) {
    let read = |proxy: &Proxy| proxy.log().matches("were read again").count();
    let before = read(&pair.proxy);
    pair.proxy.edit(&documents(&pair.lobby, &pair.arena, fields).yaml());
    eventually("the edited documents", SOON, || read(&pair.proxy) > before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_player_list_is_that_of_the_network() {
    within(FOREVER, async {
        let pair = pair("playerList: Network").await;
        let alice = pair.proxy.join("alice").await;
        listed(&alice, &["alice"]).await;
        let bob = pair.proxy.join("bob").await;
        go(&bob, "arena", ARENA).await;
        for bot in [&alice, &bob] {
            listed(bot, &["alice", "bob"]).await;
        }
        // Hops of oneself and of others change nothing, nor does what the servers say.
        go(&alice, "arena", ARENA).await;
        go(&bob, "lobby", LOBBY).await;
        let carol = pair.proxy.join("carol").await;
        for bot in [&alice, &bob, &carol] {
            listed(bot, &["alice", "bob", "carol"]).await;
        }
        carol.leave().await;
        for bot in [&alice, &bob] {
            listed(bot, &["alice", "bob"]).await;
        }
        // An edit counts from the next server on, one way and the other.
        edit(&pair, "playerList: World").await;
        go(&alice, "lobby", LOBBY).await;
        go(&alice, "arena", ARENA).await;
        listed(&alice, &["alice"]).await;
        listed(&bob, &["alice", "bob"]).await;
        edit(&pair, "playerList: Network").await;
        go(&alice, "lobby", LOBBY).await;
        listed(&alice, &["alice", "bob"]).await;
        bob.leave().await;
        listed(&alice, &["alice"]).await;
        assert_sound(&alice);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_and_leaves_are_told_to_the_others() {
    within(FOREVER, async {
        let fields = "messages: { joined: \"+ {player} is here\", left: \"- {player} is gone\" }";
        let pair = pair(fields).await;
        let alice = pair.proxy.join("alice").await;
        go(&alice, "arena", ARENA).await;
        let bob = pair.proxy.join("bob").await;
        let line = alice.expect_chat("bob", SOON).await.unwrap();
        assert_eq!(line.text, "+ bob is here");
        // Going somewhere is neither.
        go(&bob, "arena", ARENA).await;
        go(&bob, "lobby", LOBBY).await;
        bob.leave().await;
        // Servers greet with the name of who comes, so only what the proxy says is looked for.
        let mut heard = Vec::new();
        while let Some(line) = alice.chat(Duration::from_secs(3)).await {
            heard.push(line.text);
        }
        heard.retain(|text| text.starts_with(['+', '-']));
        assert_eq!(heard, ["- bob is gone"]);
        // Nobody is told of themselves, and nobody of anything when there is no text.
        edit(&pair, "limits: { players: 9 }").await;
        let bob = pair.proxy.join("bob").await;
        bob.leave().await;
        while let Some(line) = alice.chat(Duration::from_secs(1)).await {
            assert!(!line.text.starts_with(['+', '-']), "{line:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_network_forbids_is_added_to_what_each_server_forbids() {
    within(FOREVER, async {
        let forbidden = |bot: &Bot| {
            let body = bot.look(|view| view.states.get(&to_client::CSM_RESTRICTION_FLAGS).cloned());
            ModRestrictions::decode(&body.unwrap()).unwrap()
        };
        let pair =
            pair("csmRestrictions: { forbid: [ ClientMods, NodeLookup ], lookupRange: 7 }").await;
        let alice = pair.proxy.join("alice").await;
        // The server forbids everything but mods as such, and looking up nodes from anywhere.
        assert_eq!(forbidden(&alice), ModRestrictions { flags: 0x3f, range: 0 });
        let lenient = ModRestrictions { flags: 2, range: 0 };
        pair.lobby.send("alice", 0, true, lenient.encode());
        eventually("other restrictions", SOON, || forbidden(&alice).flags != 0x3f).await;
        assert_eq!(forbidden(&alice), ModRestrictions { flags: 0x13, range: 7 });
        go(&alice, "arena", ARENA).await;
        assert_eq!(forbidden(&alice), ModRestrictions { flags: 0x3f, range: 0 });
    })
    .await;
}
