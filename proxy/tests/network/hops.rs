//! Going from server to server: what the client holds afterwards, and who hears what.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mesegate_protocol::content::{Media, MediaFile, MediaPush, PushContent, frame};
use mesegate_protocol::wire::Writer;
use mesegate_protocol::{to_client, to_server};
use mesegate_testkit::{
    Bot, BotOptions, FakeServer, FakeServerOptions, Impairment, ObjectView, Relay, RelayOptions,
    Show, View,
};
use sha1::{Digest as _, Sha1};

use crate::support::{
    ARENA, LOBBY, Pair, SOON, arena, assert_sound, block_at, eventually, go, lobby, node_name,
    settled, within,
};

const FOREVER: u64 = 90;

/// Everything of a view that must not depend on where the player was before.
fn held(view: &View) -> impl PartialEq + std::fmt::Debug + use<> {
    let names = |object: &ObjectView| (object.name.clone(), object.is_player);
    let mut objects: Vec<_> = view.objects.values().map(names).collect();
    objects.sort();
    let real = view.blocks.iter().filter(|(_, block)| !block.ignored);
    (
        (view.huds.clone(), view.sounds.clone(), view.spawners.clone(), view.detached.clone()),
        (view.players.clone(), view.privileges.clone(), view.formspec.clone()),
        (view.inventory.clone(), view.hp, view.breath, objects),
        real.map(|(position, _)| *position).collect::<Vec<_>>(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_world_stays_behind() {
    within(FOREVER, async {
        let mut lobby = lobby();
        lobby.show = Show::all(4);
        let mut servers = FakeServerOptions::new(lobby);
        servers.first_player_object = 3;
        let mut fuller = arena();
        fuller.entities = 5;
        let pair = Pair::of(servers, FakeServerOptions::new(fuller)).await;

        let alice = pair.proxy.join("alice").await;
        settled(&alice, &pair.lobby).await;
        alice.until("a HUD", |view| !view.huds.is_empty()).await.unwrap();
        let shown = alice.view();
        for round in 0..3 {
            let taken = go(&alice, "arena", ARENA).await;
            println!("hop {round}: {taken:?}");
            settled(&alice, &pair.arena).await;
            assert_eq!(pair.arena.players(), ["alice"]);
            assert!(pair.lobby.until(|lobby| lobby.players().is_empty()).await);

            // A client that was never anywhere else is the yardstick.
            let direct = BotOptions::new(pair.arena.addr(), "direct");
            let direct = Bot::join(direct).await.unwrap();
            settled(&direct, &pair.arena).await;
            let both = |view: &View| view.players.len() == 2;
            alice.until("both in the list", both).await.unwrap();
            let anonymous = |view: &View| format!("{:?}", held(view)).replace("direct", "alice");
            let (alices, directs) = (alice.view(), direct.view());
            assert_eq!(anonymous(&alices), anonymous(&directs), "round {round}");
            for command in [
                to_client::SET_SKY,
                to_client::OVERRIDE_DAY_NIGHT_RATIO,
                to_client::FORMSPEC_PREPEND,
            ] {
                assert_ne!(alices.states[&command], shown.states[&command], "{command:#x}");
            }
            assert_ne!(alices.hud_params[&1], shown.hud_params[&1]);
            assert_eq!(alices.own_object, shown.own_object, "the client is somebody else");
            direct.leave().await;
            assert!(pair.arena.until(|arena| arena.players() == ["alice"]).await);

            go(&alice, "lobby", LOBBY).await;
            settled(&alice, &pair.lobby).await;
            alice.until("the HUD again", |view| view.huds == shown.huds).await.unwrap();
        }
        assert_sound(&alice);
        let ok = pair.proxy.metric("moves_total", &[("result", "ok")]);
        assert_eq!(ok, 6.0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_have_the_clients_ids_everywhere() {
    within(FOREVER, async {
        let pair = Pair::start().await;
        for version in [37, 46, 53] {
            let bot = pair.proxy.bot(&format!("v{version}")).with_version(version);
            let bot = Bot::join(bot).await.unwrap();
            settled(&bot, &pair.lobby).await;
            let first = |bot: &Bot, place| bot.look(|view| view.blocks[&block_at(place)].first);
            assert_eq!(node_name(&bot, first(&bot, LOBBY)), "testkit:stone");
            go(&bot, "arena", ARENA).await;
            settled(&bot, &pair.arena).await;
            assert_eq!(node_name(&bot, first(&bot, ARENA)), "testkit:dirt");

            let names = [(999, "testkit:stone"), (7, "testkit:sand"), (200, "testkit:dirt")];
            for (x, (id, name)) in names.into_iter().enumerate() {
                let position = [x as i16, 5, 5];
                let mut w = Writer::command(to_client::ADDNODE);
                w.v3s16(position).u16(id).u8(0).u8(0).bool(false);
                pair.arena.send(bot.name(), 0, true, w.finish());
                bot.until("the node", |view| view.nodes.contains_key(&position)).await.unwrap();
                let seen = bot.look(|view| view.nodes[&position]);
                assert_eq!(node_name(&bot, seen), name, "version {version}");
            }
            assert_sound(&bot);
        }
    })
    .await;
}

fn raw(command: u16, body: &[u8]) -> Bytes {
    let mut w = Writer::command(command);
    w.raw(body);
    w.finish()
}

/// INTERACT with an object (`client/client.cpp` interact, `util/pointedthing.cpp` serialize).
fn punch(object: u16) -> Bytes {
    let [high, low] = object.to_be_bytes();
    let mut w = Writer::command(to_server::INTERACT);
    w.u8(0).u16(2).str32(&[0, 2, high, low]).raw(&[0; 38]);
    w.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_player_does_arrives_where_the_player_is() {
    within(FOREVER, async {
        let mut lobby = FakeServerOptions::new(lobby());
        // The player's own object has the number that an entity has in the arena.
        lobby.first_player_object = 3;
        let mut world = arena();
        world.entities = 5;
        let pair = Pair::of(lobby, FakeServerOptions::new(world)).await;
        let alice = pair.proxy.join("alice").await;
        assert_eq!(alice.look(|view| view.own_object), Some(3));
        alice.send(0, true, mesegate_protocol::play::channel::encode_join(b"news")).await;
        alice.until("the channel", |view| view.mod_channels.contains("news")).await.unwrap();

        go(&alice, "arena", ARENA).await;
        let there = |arena: &FakeServer| arena.position("alice").is_some_and(|(n, _)| n > 12);
        assert!(pair.arena.until(there).await);

        settled(&alice, &pair.arena).await;
        let entity = |view: &View| {
            let own = view.own_object;
            let other = |(id, _): &(&u16, &ObjectView)| Some(**id) != own;
            // Entities go round at distances that tell them apart (radius 3 + id).
            let far = |object: &ObjectView| {
                let [x, _, z] = object.position;
                ((x - ARENA[0]).hypot(z - ARENA[2]) - 6.0).abs() < 0.5
            };
            view.objects.iter().filter(other).find(|(_, o)| far(o)).map(|(id, _)| *id)
        };
        let id = alice.look(entity).expect("entity 3 at 6 nodes");
        assert_ne!(id, 3, "it would be the player's own");
        alice.send(0, true, punch(id)).await;
        alice.send(0, true, raw(to_server::INVENTORY_ACTION, b"Move 1 a b")).await;
        alice.send(0, true, raw(to_server::PLAYERITEM, &[0, 4])).await;
        alice.send(0, true, raw(to_server::INVENTORY_FIELDS, &[0, 1, b'f', 0, 0])).await;
        alice.say("hello arena").await;
        alice.expect_chat("<alice> hello arena", SOON).await.unwrap();

        let bodies = |command| -> Vec<Vec<u8>> {
            let arrived = pair.arena.arrived_from("alice", command);
            assert!(arrived.iter().all(|a| a.channel == 0 && a.reliable));
            arrived.into_iter().map(|arrived| arrived.body.to_vec()).collect()
        };
        assert_eq!(bodies(to_server::INTERACT), [&punch(3)[2..]]);
        assert_eq!(bodies(to_server::INVENTORY_ACTION), [b"Move 1 a b"]);
        // Said to the lobby, repeated for the arena.
        assert_eq!(bodies(to_server::MODCHANNEL_JOIN), [b"\0\x04news"]);
        assert_eq!(bodies(to_server::PLAYERITEM).last().unwrap(), &[0, 4]);
        assert_eq!(bodies(to_server::INVENTORY_FIELDS), [[0, 1, b'f', 0, 0]]);
        assert_eq!(pair.lobby.arrived_from("alice", to_server::INTERACT), []);
        assert_eq!(pair.lobby.said_by("alice"), Vec::<String>::new());
        assert_sound(&alice);
    })
    .await;
}

/// They are on their way for as long as the path is, and would put the player at the old place in
/// the new world.
#[tokio::test(flavor = "multi_thread")]
async fn positions_in_the_old_world_do_not_reach_the_new_one() {
    within(FOREVER, async {
        let pair = Pair::start().await;
        let far = Impairment { delay: Duration::from_millis(100), ..Impairment::default() };
        let relay = Relay::loopback(pair.proxy.addr, RelayOptions::both(1, far)).unwrap();
        let mut options = BotOptions::new(relay.addr(), "alice");
        options.step = Duration::from_millis(10);
        let alice = Bot::join(options).await.unwrap();
        let done = AtomicBool::new(false);
        let watch = async {
            let (mut strays, mut seen) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                let place = pair.arena.position("alice").map(|(_, place)| place);
                seen += u32::from(place.is_some());
                strays += u32::from(place.is_some_and(|p| (p[0] - ARENA[0]).abs() > 20.0));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            (strays, seen)
        };
        let hop = async {
            go(&alice, "arena", ARENA).await;
            let there = |arena: &FakeServer| arena.position("alice").is_some_and(|(n, _)| n > 50);
            assert!(pair.arena.until(there).await);
            done.store(true, Ordering::Relaxed);
        };
        let ((strays, seen), ()) = tokio::join!(watch, hop);
        assert!(seen > 20, "looked {seen} times");
        assert_eq!(strays, 0, "of {seen} looks");
        assert_sound(&alice);
    })
    .await;
}

/// What a client tells once, right after CLIENT_READY, when its first server is still being
/// entered (`client/client.cpp` sendUpdateClientInfo), reaches every server.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_says_once_is_repeated_to_every_server() {
    within(FOREVER, async {
        let pair = Pair::start().await;
        let mut options = pair.proxy.bot("alice");
        options.wait_in_game = false;
        let alice = Bot::join(options).await.unwrap();
        let mut w = Writer::command(to_server::UPDATE_CLIENT_INFO);
        w.u32(1920).u32(1080).f32(1.0).f32(1.0).f32(20.0).f32(15.0).bool(false);
        let info = w.finish();
        alice.send(2, true, info.clone()).await;
        alice.until("the lobby", View::in_game).await.unwrap();
        settled(&alice, &pair.lobby).await;
        go(&alice, "arena", ARENA).await;
        settled(&alice, &pair.arena).await;
        for server in [&pair.lobby, &pair.arena] {
            let told = |server: &FakeServer| -> Vec<Bytes> {
                let told = server.arrived_from("alice", to_server::UPDATE_CLIENT_INFO);
                told.into_iter().map(|arrived| arrived.body).collect()
            };
            assert!(server.until(|server| !told(server).is_empty()).await);
            assert_eq!(told(server), [info.slice(2..)]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_a_server_offers_later_arrive_and_are_confirmed() {
    within(FOREVER, async {
        let pair = Pair::start().await;
        let alice = pair.proxy.join("alice").await;
        go(&alice, "arena", ARENA).await;
        let content = Bytes::from(vec![42; 70_000]);
        let push = MediaPush {
            sha1: Sha1::digest(&content).into(),
            name: "late.png".into(),
            cache: false,
            content: PushContent::Token(77),
        };
        pair.arena.send("alice", 0, true, push.encode());
        let asked = |arena: &FakeServer| arena.arrived_from("alice", to_server::REQUEST_MEDIA);
        assert!(pair.arena.until(|arena| !asked(arena).is_empty()).await);
        let data = frame(&content, alice.version()).unwrap();
        let files = vec![MediaFile { name: "late.png".into(), data }];
        let media = Media { bunches: 1, index: 0, files };
        pair.arena.send("alice", 2, true, media.encode());
        alice.until("the file", |view| view.pushed.contains("late.png")).await.unwrap();
        let confirmed = |arena: &FakeServer| arena.arrived_from("alice", to_server::HAVE_MEDIA);
        assert!(pair.arena.until(|arena| !confirmed(arena).is_empty()).await);
        assert_eq!(&confirmed(&pair.arena)[0].body[..], [1, 0, 0, 0, 77]);
        assert_sound(&alice);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_players_hop_at_once() {
    within(FOREVER, async {
        let pair = Pair::start().await;
        let join = |index| pair.proxy.join(Box::leak(format!("bot{index}").into_boxed_str()));
        let mut bots = Vec::new();
        for index in 0..20 {
            bots.push(join(index).await);
        }
        for round in 0..4 {
            let (server, place) = if round % 2 == 0 { ("arena", ARENA) } else { ("lobby", LOBBY) };
            let mut hops = Vec::new();
            for bot in &bots {
                hops.push(go(bot, server, place));
            }
            let begun = tokio::time::Instant::now();
            let mut slowest = Duration::ZERO;
            for hop in join_all(hops).await {
                slowest = slowest.max(hop);
            }
            println!("20 players to {server}: {:?}, slowest {slowest:?}", begun.elapsed());
        }
        eventually("everybody in the lobby", SOON, || pair.lobby.players().len() == 20).await;
        for bot in &bots {
            settled(bot, &pair.lobby).await;
            assert_sound(bot);
            assert_eq!(bot.closed(), None);
        }
    })
    .await;
}

/// Runs futures side by side in one task.
async fn join_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(|f| Some(Box::pin(f))).collect();
    let mut results = Vec::new();
    std::future::poll_fn(|context| {
        for slot in &mut running {
            if let Some(future) = slot
                && let std::task::Poll::Ready(result) = future.as_mut().poll(context)
            {
                results.push(result);
                *slot = None;
            }
        }
        if running.iter().all(Option::is_none) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    results
}
