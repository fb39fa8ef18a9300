//! Real servers whose mods talk to the proxy, and to each other through it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use mesegate_testkit::Bot;
use xtask::engine::{Server, ServerSpec};
use xtask::lab::Generation::{self, V5_6, V5_10, V5_15};
use xtask::lab::Lab;
use xtask::paths;
use xtask::proxy::{Proxy, ProxySpec};
use xtask::run::RunFolder;

use crate::bots::{PATIENCE, join, runtime};
use crate::support::SOON;

fn mesegate_mod() -> PathBuf {
    paths::workspace().join("deploy/luanti-mod/mesegate")
}

/// A server with the mod and this token.
fn talking(lab: &Lab, name: &str, generation: Generation, token: &str) -> Server {
    let spec = ServerSpec::new(name, generation)
        .probe(name)
        .own_mod("mesegate_talk")
        .mod_folder(mesegate_mod())
        .setting("enable_mod_channels", true)
        .setting("chat_message_limit_per_10sec", 0)
        .setting("mesegate.token", token);
    Server::start(lab, spec).unwrap()
}

async fn says(bot: &Bot, server: &Server, line: &str, expected: &str, limit: Duration) -> String {
    let logged = server.log().len();
    bot.say(line).await;
    let found = server.wait_log_since(logged, expected, limit);
    found.unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn mods_of_different_servers_talk_and_move_players() {
    let lab = Lab::ensure(&Generation::ALL).unwrap();
    let run = RunFolder::temporary("proxy").unwrap();
    let token = |server| Proxy::mod_token(run.path(), server).unwrap();
    let red = talking(&lab, "red", V5_6, &token("red"));
    let green = talking(&lab, "green", V5_15, &token("green"));
    // The token of another server, and a mod that pretends.
    let blue = talking(&lab, "blue", V5_10, &token("red"));
    let yellow = ServerSpec::new("yellow", V5_10)
        .probe("yellow")
        .own_mod("mesegate_talk")
        .setting("enable_mod_channels", true)
        .setting("mesegate_talk.forge", true);
    let yellow = Server::start(&lab, yellow).unwrap();
    let servers = [&red, &green, &blue, &yellow];
    let named: Vec<_> = servers.iter().map(|it| (it.name(), it.address())).collect();
    let rights = "modApi:\n  allow: [ Players, Addresses, Message, Move, Data ]\n  rate: 10000";
    let spec = ProxySpec::new(&named).folder(run.path().to_owned()).server_fields(rights);
    let proxy = Proxy::start(&spec).unwrap();

    runtime().block_on(async {
        let alice = join(proxy.address(), "alice").await;
        red.wait_log("talk: ready alice red 127.0.0.1 ", SOON).unwrap();
        let bob = join(proxy.address(), "bob").await;
        red.wait_log("talk: ready bob red 127.0.0.1 ", SOON).unwrap();
        // Nobody is on green yet: this waits there.
        let line = says(&alice, &red, "/talk note green early", "talk: note", SOON).await;
        assert!(line.contains(r#""waiting":1"#), "{line}");
        bob.say(">server green").await;
        green.wait_log("talk: ready bob green 127.0.0.1 ", SOON).unwrap();
        green.wait_log("talk: note from red early", SOON).unwrap();
        // Until red's engine has seen bob go, its mod may choose his session to speak through.
        red.wait_log("probe: leave bob", SOON).unwrap();

        let line = says(&alice, &red, "/talk players", "talk: players", SOON).await;
        for expected in ["\"alice\"", "\"bob\"", "\"green\"", "\"more\":false"] {
            assert!(line.contains(expected), "{line}");
        }
        let line = says(&alice, &red, "/talk where bob", "talk: where", SOON).await;
        assert!(line.contains("\"green\""), "{line}");
        says(&alice, &red, "/talk where eve", "talk: where failed NO_SUCH_PLAYER", SOON).await;
        says(&alice, &red, "/talk message bob psst", "talk: message", SOON).await;
        bob.expect_chat("psst", PATIENCE).await.unwrap();
        says(&alice, &red, "/talk note nowhere x", "talk: note failed NO_SUCH_TARGET", SOON).await;
        let line = says(&alice, &red, "/talk note all hello", "talk: note", SOON).await;
        assert!(line.contains(r#""servers":3"#), "{line}");
        green.wait_log("talk: note from red hello", SOON).unwrap();

        // A thousand each way, at the same time, in order and once.
        let began = Instant::now();
        alice.say("/talk count green 1000").await;
        bob.say("/talk count red 1000").await;
        for (server, other) in [(&red, "green"), (&green, "red")] {
            let limit = Duration::from_mins(1);
            server.wait_log(&format!("talk: received 1000 from {other}"), limit).unwrap();
            server.wait_log(&format!("talk: sent 1000 to {other}"), limit).unwrap();
            let log = server.log();
            for wrong in ["out of order", "count failed"] {
                assert!(!log.contains(wrong), "{log}");
            }
        }
        println!("a thousand messages each way took {:.1} s", began.elapsed().as_secs_f64());

        // Only so many requests are carried out at a time.
        let flood = says(&alice, &red, "/talk flood 1000", "talk: flood", SOON).await;
        let refused: u32 =
            flood.split(' ').rev().nth(1).and_then(|it| it.parse().ok()).unwrap_or_default();
        assert!(refused > 300, "{flood}");

        // A mod may move its own players, and only those.
        let denied = "talk: move failed PERMISSION";
        tokio::time::sleep(Duration::from_secs(1)).await;
        says(&alice, &red, "/talk move bob red", denied, SOON).await;
        says(&bob, &green, "/talk move bob nowhere", "talk: move failed NO_SUCH_TARGET", SOON)
            .await;
        let logged = red.log().len();
        let line = says(&bob, &green, "/talk move bob red", "talk: move", SOON).await;
        assert!(line.contains("\"moved\""), "{line}");
        red.wait_log_since(logged, "talk: ready bob red", SOON).unwrap();

        // Who does not know the token is not heard, and does not listen.
        bob.say(">server blue").await;
        blue.wait_log("a greeting for bob was refused", SOON).unwrap();
        says(&bob, &blue, "/talk players", "talk: players failed NOT_CONNECTED", SOON).await;
        bob.say(">server yellow").await;
        yellow.wait_log("talk: forged for bob", SOON).unwrap();
        let line = proxy.wait_log("a mod's message was refused", SOON).unwrap();
        assert!(line.contains("wrong_proof") && line.contains("yellow"), "{line}");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let line = says(&alice, &red, "/talk where bob", "talk: where", SOON).await;
        assert!(line.contains("\"yellow\""), "the forged order was obeyed: {line}");
        let audited = proxy.log();
        assert!(audited.contains("mod:green") && audited.contains("verb=\"move\""), "{audited}");
    });
}

/// A client that joins the proxy's channels hears nothing there and can say nothing.
#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn clients_are_kept_out_of_the_proxys_channels() {
    use mesegate_protocol::play::channel;

    let lab = Lab::ensure(&[V5_15]).unwrap();
    let run = RunFolder::temporary("proxy").unwrap();
    let red = talking(&lab, "red", V5_15, &Proxy::mod_token(run.path(), "red").unwrap());
    let spec = ProxySpec::new(&[("red", red.address())])
        .folder(run.path().to_owned())
        .server_fields("modApi: { allow: [ Players ] }");
    let proxy = Proxy::start(&spec).unwrap();
    runtime().block_on(async {
        let alice = join(proxy.address(), "alice").await;
        red.wait_log("talk: ready alice red no address", SOON).unwrap();
        for name in [&b"mesegate:alice"[..], b"mesegate:bob"] {
            alice.send(0, true, channel::encode_join(name)).await;
            alice.send(0, true, channel::encode_say(name, b"1 0 1 0 {}")).await;
        }
        alice.send(0, true, channel::encode_join(b"news")).await;
        alice
            .until_within("the channel news", PATIENCE, |it| it.mod_channels.contains("news"))
            .await
            .unwrap();
        says(&alice, &red, "/talk players", "talk: players {", SOON).await;
        says(&alice, &red, "/talk message alice x", "talk: message failed PERMISSION", SOON).await;
        let channels = alice.look(|it| it.mod_channels.clone());
        assert_eq!(channels.into_iter().collect::<Vec<_>>(), ["news"]);
    });
}
