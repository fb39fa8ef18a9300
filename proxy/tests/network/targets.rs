//! Where players go when servers are dead, full, draining, disabled or silent, all at once.

use std::time::{Duration, Instant};

use mesegate_testkit::{Bot, Closed, FakeServer, FakeServerOptions, LoginRule};

use crate::support::{
    Documents, Launch, Proxy, SOON, assert_sound, eventually, lobby, refusal, within,
};

const FOREVER: u64 = 150;

fn servers<const N: usize>() -> [FakeServer; N] {
    std::array::from_fn(|_| FakeServer::of(lobby()).unwrap())
}

/// Many players at once, in turns of twenty.
async fn crowd(proxy: &Proxy, count: usize) -> Vec<Bot> {
    let mut bots = Vec::new();
    while bots.len() < count {
        let turn = bots.len()..count.min(bots.len() + 20);
        let joins: Vec<_> =
            turn.map(|i| tokio::spawn(Bot::join(proxy.bot(&format!("bot{i}"))))).collect();
        for join in joins {
            bots.push(join.await.unwrap().unwrap());
        }
    }
    bots
}

/// The text with which a bot was sent away.
fn last_words(bot: &Bot) -> Option<String> {
    match bot.closed()? {
        Closed::Denied { text, reconnect, .. } => {
            assert!(reconnect, "{text}");
            Some(text)
        }
        other => panic!("{}: {other:?}", bot.name()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_player_ends_somewhere_or_is_told_why_not() {
    within(FOREVER, async {
        let [home, dead, full, drain, a, b, hole] = servers::<7>();
        let off = FakeServerOptions::new(lobby());
        let off = FakeServer::start(off).unwrap();
        let everywhere = "fallbacks: [ { server: dead }, { server: full }, { server: drain }, \
                          { server: off }, { group: pair } ]";
        let member = "maxPlayers: 5\n  fallbacks: [ { group: pair }, { server: home } ]";
        let documents = Documents::new()
            .server_with("home", home.addr(), everywhere)
            .server_with("dead", dead.addr(), "fallbacks: [ { server: home } ]")
            .server_with("full", full.addr(), "fallbacks: [ { server: dead } ]")
            .server_with("drain", drain.addr(), "state: Drain")
            .server_with("off", off.addr(), "state: Disabled")
            .labelled("a", a.addr(), "in: pair", member)
            .labelled("b", b.addr(), "in: pair", member)
            .server("hole", hole.addr())
            .group("pair", "fallbacks: [ { server: hole } ]");
        let known = ["home", "dead", "full", "drain", "a", "b", "hole"];
        let proxy = Launch::new(documents).content_of(&known).start().await;
        let bots = crowd(&proxy, 24).await;
        full.set_rule(LoginRule::Full);
        hole.set_rule(LoginRule::Silent);
        dead.die().await;
        let began = Instant::now();
        home.shutdown("Nightly backup", true).await;
        let settled = |bots: &[Bot], left: usize| {
            bots.iter().filter(|bot| bot.closed().is_none()).count() == left
                && a.players().len() + b.players().len() == left
        };
        eventually("ten players on the pair", Duration::from_secs(40), || settled(&bots, 10)).await;
        println!("24 players settled after {:?}", began.elapsed());
        let mut away = 0;
        for bot in &bots {
            let Some(text) = last_words(bot) else { continue };
            away += 1;
            // How it began, and what was tried.
            for words in [
                "No server of the network can be entered now.",
                "home was lost: Nightly backup",
                "dead: ",
                "full: the server is full",
                "drain: nobody is let in there any more",
                "off: it is out of service",
            ] {
                assert!(text.contains(words), "{text}");
            }
        }
        assert_eq!(away, 14);
        assert_eq!([drain.joins(), off.joins()], [0, 0]);
        // Nobody was sent to and fro.
        let lost = proxy.metric("fallbacks_total", &[("server", "home")]);
        assert_eq!(lost, 24.0);

        // One of the pair is lost: the other is full, and where they came from is no more.
        let before = (a.players().len(), b.players().len());
        assert_eq!(before, (5, 5));
        a.die().await;
        eventually("five players", Duration::from_mins(1), || {
            bots.iter().filter(|bot| bot.closed().is_none()).count() == 5
        })
        .await;
        assert_eq!(b.players().len(), 5);
        for bot in &bots {
            let _ = last_words(bot);
            if bot.closed().is_none() {
                assert_sound(bot);
            }
        }
    })
    .await;
}

/// Two servers let everybody in, hang up at once, and are each other's fallback.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_send_players_on_to_each_other_end_in_one_message() {
    within(FOREVER, async {
        let [a, b] = servers::<2>();
        let documents = Documents::new()
            .server_with("a", a.addr(), "fallbacks: [ { server: b } ]")
            .server_with("b", b.addr(), "fallbacks: [ { server: a } ]");
        let proxy = Launch::new(documents).start().await;
        let alice = proxy.join("alice").await;
        b.set_rule(LoginRule::LeaveAtReady);
        a.shutdown("Out of diamonds", true).await;
        let closed = alice.wait_closed(SOON).await;
        let Some(Closed::Denied { text, .. }) = closed else { panic!("{closed:?}") };
        assert!(text.contains("a was lost: Out of diamonds"), "{text}");
        assert_eq!(proxy.metric("fallbacks_total", &[]), 2.0);
        let (_, text, _) = refusal(Bot::join(proxy.bot("bob")).await);
        assert!(text.contains("b was lost") || text.contains("a: "), "{text}");
        assert!(b.joins() <= 3, "{}", b.joins());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_players_are_spread_at_the_join_rate() {
    const CROWD: usize = 200;
    const RATE: usize = 100;
    within(FOREVER, async {
        let home = FakeServer::of(lobby()).unwrap();
        let members = servers::<4>();
        let mut documents =
            Documents::new().server_with("home", home.addr(), "fallbacks: [ { group: all } ]");
        for (member, name) in members.iter().zip(["m1", "m2", "m3", "m4"]) {
            documents = documents.labelled(name, member.addr(), "in: all", "");
        }
        let documents = documents.group("all", &format!("joinRate: {RATE}"));
        let proxy = Launch::new(documents).start().await;
        let bots = crowd(&proxy, CROWD).await;
        assert_eq!(home.players().len(), CROWD);
        let began = Instant::now();
        let watch = async {
            let mut samples = vec![(began.elapsed(), 0)];
            loop {
                let joins: u64 = members.iter().map(FakeServer::joins).sum();
                samples.push((began.elapsed(), joins));
                if joins as usize >= CROWD || began.elapsed() > Duration::from_secs(30) {
                    break samples;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ((), samples) = tokio::join!(home.shutdown("", true), watch);
        let taken = samples.last().unwrap().0;
        // The most that came in any second.
        let most = samples.iter().map(|(at, joins)| {
            let until = samples.iter().rfind(|(t, _)| *t <= *at + Duration::from_secs(1)).unwrap();
            until.1 - joins
        });
        let most = most.max().unwrap();
        let sizes: Vec<usize> = members.iter().map(|member| member.players().len()).collect();
        println!("{CROWD} players in {taken:?}, at most {most} in a second, as {sizes:?}");
        assert!(taken < Duration::from_secs(3), "{taken:?}");
        // Entering takes a moment that differs from player to player.
        assert!(most as usize <= RATE + RATE / 4, "{most}");
        eventually("everybody", SOON, || members.iter().all(|it| it.players().len() == CROWD / 4))
            .await;
        for bot in &bots {
            assert_eq!(bot.closed(), None, "{}", bot.name());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn players_wait_in_a_queue_and_are_told_their_place() {
    within(FOREVER, async {
        let [server] = servers::<1>();
        let documents = Documents::new()
            .labelled("a", server.addr(), "in: all", "maxPlayers: 2")
            .group("all", "emptyPolicy: Wait")
            .arriving("group: all");
        let proxy = Launch::new(documents).start().await;
        let mut there = vec![proxy.join("first").await, proxy.join("second").await];
        let mut waiting = Vec::new();
        for name in ["third", "fourth", "fifth"] {
            waiting.push(tokio::spawn(Bot::join(proxy.bot(name))));
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        assert_eq!(server.players().len(), 2);
        for (place, join) in waiting.into_iter().enumerate() {
            drop(there.remove(0));
            let bot = join.await.unwrap().unwrap();
            let line = format!("all has no room now. You are number {} in the queue.", place + 1);
            bot.expect_chat(&line, SOON).await.unwrap();
            assert!(server.players().contains(&bot.name().to_owned()));
            assert!(server.players().len() <= 2);
            there.push(bot);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn players_come_back_to_the_server_they_chose_unless_it_has_vanished() {
    within(FOREVER, async {
        let [home, far, spare] = servers::<3>();
        let base = Documents::new()
            .server_with("home", home.addr(), "fallbacks: [ { server: spare } ]")
            .server("spare", spare.addr())
            .proxy("rejoinLast: true");
        let documents =
            base.clone().server_with("far", far.addr(), "fallbacks: [ { server: spare } ]");
        let proxy = Launch::new(documents).start().await;
        let alice = proxy.join("alice").await;
        assert_eq!(home.players(), ["alice"]);
        alice.say(">server far").await;
        eventually("the move", SOON, || far.players() == ["alice"]).await;
        alice.leave().await;
        eventually("the end", SOON, || far.players().is_empty()).await;
        let alice = proxy.join("alice").await;
        assert_eq!(far.players(), ["alice"]);

        // It does not let her in, and she reads why; a fallback is not where she wants to be.
        alice.leave().await;
        far.set_rule(LoginRule::Full);
        let alice = proxy.join("alice").await;
        assert_eq!(home.players(), ["alice"]);
        let line = "You cannot enter far: the server is full. You are on home.";
        alice.expect_chat(line, SOON).await.unwrap();
        alice.leave().await;
        far.set_rule(LoginRule::Accept);
        let alice = proxy.join("alice").await;
        assert_eq!(far.players(), ["alice"]);
        alice.leave().await;

        // It has gone from the documents.
        proxy.edit(&base.yaml());
        proxy.logged("were read again").await;
        let _alice = proxy.join("alice").await;
        assert_eq!(home.players(), ["alice"]);
        assert!(spare.players().is_empty());
    })
    .await;
}
