//! A bot's visit to one world, from joining until everything that the world has was shown.

use std::net::SocketAddr;
use std::time::Duration;

use mesegate_protocol::to_client;
use mesegate_testkit::state::Recording;
use mesegate_testkit::{Bot, BotOptions, View};
use tokio::time::{Instant, sleep};

use crate::servers::World;

/// How long one thing may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A visit after which the server has forgotten the player again.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) world: World,
    pub(crate) version: u16,
    /// Whether all media are fetched and their hashes checked.
    pub(crate) download: bool,
}

impl Visit {
    /// Joins as `player`, has everything shown, and leaves.
    pub(crate) async fn record(&self, addr: SocketAddr, player: &str) -> Recording {
        let bot = self.join(addr, player).await;
        self.see(bot).await
    }

    /// Joins as `player`.
    pub(crate) async fn join(&self, addr: SocketAddr, player: &str) -> Bot {
        let mut options =
            BotOptions::new(addr, player).with_password("secret").with_version(self.version);
        options.download = self.download;
        options.walk = false;
        // Proxies keep 16 pairs of a version and a language, and nobody's within a minute.
        let language = if self.version.is_multiple_of(2) { "" } else { "de" };
        options.language = language.into();
        options.deadline = PATIENCE;
        Bot::join(options).await.unwrap_or_else(|error| panic!("{player}: {error}"))
    }

    /// Whether the changes of nodes came as such. Where the server takes a map block for one that
    /// the client does not have yet, as it does while it still lights a new map, it sends the block
    /// anew instead (`server.cpp`, sendAddNode).
    pub(crate) fn saw_changes(&self, recording: &Recording) -> bool {
        let came = |command| recording.events.iter().any(|it| it.command == command);
        self.world != World::Conflict
            || [to_client::ADDNODE, to_client::REMOVENODE].into_iter().all(came)
    }

    /// Has everything shown, and leaves.
    pub(crate) async fn see(&self, bot: Bot) -> Recording {
        // A busy server is quiet before it has begun.
        let entities = if self.world == World::Conflict { 10 } else { 0 };
        let begun = move |view: &View| view.blocks.len() >= 25 && view.objects.len() > entities;
        bot.until_within("the world around", PATIENCE, begun).await.unwrap();
        quiet(&bot, Duration::from_millis(500)).await;
        match self.world {
            World::Conflict => show(&bot, "/conflict show", "conflict: shown").await,
            World::Plain | World::Modded => {
                show(&bot, "/probe up", "probe: up").await;
                show(&bot, "/probe up inventory", "probe: up inventory").await;
            }
        }
        // What follows from it comes with the server's next steps.
        for _ in 0..2 {
            show(&bot, "/probe pos", "probe: pos").await;
            sleep(Duration::from_millis(200)).await;
        }
        quiet(&bot, Duration::from_millis(400)).await;
        let recording = Recording::take(&bot).unwrap();
        bot.leave().await;
        recording
    }
}

async fn show(bot: &Bot, command: &str, answer: &str) {
    bot.say(command).await;
    bot.expect_chat(answer, PATIENCE).await.unwrap();
}

/// Waits until neither map blocks nor objects have come for this long.
async fn quiet(bot: &Bot, time: Duration) {
    let end = Instant::now() + PATIENCE;
    let held = || bot.look(|view| (view.blocks.len(), view.objects.len(), view.huds.len()));
    let (mut last, mut since) = (held(), Instant::now());
    while since.elapsed() < time {
        assert!(Instant::now() < end, "{}: it never gets quiet: {last:?}", bot.name());
        sleep(Duration::from_millis(50)).await;
        let now = held();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}
