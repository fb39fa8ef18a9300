//! Bots on a real engine server: what the strict record of a bot calls a violation must not be
//! something that real servers do. Run with `--ignored`; `MESEGATE_TEST_BACKEND` names a server
//! (host:port) that lets new players in.

use std::net::SocketAddr;
use std::time::Duration;

use mesegate_testkit::{Bot, BotOptions};

fn server() -> SocketAddr {
    let value = std::env::var("MESEGATE_TEST_BACKEND").expect("MESEGATE_TEST_BACKEND is set");
    value.parse().expect("MESEGATE_TEST_BACKEND is an address and a port")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real server"]
async fn a_bot_plays_on_a_real_server_at_every_version_it_speaks() {
    let addr = server();
    for version in [37, 39, 40, 41, 43, 46, 48, 51, 53] {
        let name = format!("bot{version}");
        let options = BotOptions::new(addr, &name).with_version(version).with_download();
        let bot = Bot::join(options).await.unwrap();
        assert!(bot.version().0 <= version);
        bot.until("some blocks", |view| view.real_blocks() > 40).await.unwrap();
        bot.until("an inventory", |view| view.inventory.contains("List main")).await.unwrap();
        bot.until("its name in the list", |view| view.players.contains(&name)).await.unwrap();
        bot.say("hello from a bot").await;
        bot.expect_chat("hello from a bot", Duration::from_secs(5)).await.unwrap();
        let view = bot.view();
        assert_eq!(view.violations, Vec::<String>::new(), "at {version}");
        assert!(view.blocks.values().any(|block| block.highest != block.first));
        bot.leave().await;
    }
}
