//! What one player does, for as long as it may.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mesegate_testkit::{Bot, BotOptions, ChatLine, Closed, JoinError};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// An event.
pub(crate) type Line = Value;

/// Between two questions where it is.
const ASK: Duration = Duration::from_secs(3);

/// After so long without an answer nothing gets through any more: the engine's own limit is 30 s.
const SILENCE: Duration = Duration::from_secs(15);

/// How long a login may take where there is nowhere else to go, and where there is.
const LOGIN: Duration = Duration::from_secs(30);
const LOGIN_OF_MANY: Duration = Duration::from_secs(6);

/// As long as it takes to see the button and to press it.
const BUTTON: Duration = Duration::from_secs(1);

/// What the proxy says when it is being left, and when it is asked (`console/look.rs`).
const NOTICE: &str = "you will be asked to reconnect";
const WHEREABOUTS: (&str, &str) = ("You are on ", ", through the proxy ");

/// How a visit ended.
enum End {
    /// With the offer to reconnect; the words.
    Asked(String),
    /// In another way; in words.
    Lost(String),
    /// By ourselves.
    Left,
}

/// A player.
pub(crate) struct Player {
    pub(crate) name: String,
    pub(crate) addresses: Arc<[SocketAddr]>,
    /// The one that it goes to.
    pub(crate) at: usize,
    /// What it says first.
    pub(crate) say: Option<String>,
    pub(crate) lines: mpsc::Sender<Line>,
    pub(crate) stopped: watch::Receiver<bool>,
}

impl Player {
    /// Comes after a while, and comes back for as long as nothing stops it.
    pub(crate) async fn play(mut self, after: Duration) {
        sleep(after).await;
        let mut goodbye: Option<Instant> = None;
        let mut tries = 0;
        while !*self.stopped.borrow() {
            tries += 1;
            let address = self.addresses[self.at];
            let mut options = BotOptions::new(address, &self.name);
            options.events = 0;
            options.deadline = if self.addresses.len() > 1 { LOGIN_OF_MANY } else { LOGIN };
            match Bot::join(options).await {
                Ok(bot) => {
                    let away = goodbye.map(|it| it.elapsed().as_millis() as u64);
                    let more = json!({ "address": address, "tries": tries, "away": away });
                    self.tell("joined", more).await;
                    if let Some(text) = self.say.take() {
                        bot.say(&text).await;
                    }
                    let end = self.stay(&bot).await;
                    (goodbye, tries) = (Some(Instant::now()), 0);
                    match end {
                        End::Asked(text) => {
                            self.tell("ended", json!({ "asked": true, "text": text })).await;
                        }
                        End::Lost(text) => {
                            self.tell("ended", json!({ "asked": false, "text": text })).await;
                        }
                        End::Left => return bot.leave().await,
                    }
                }
                Err(error) => {
                    self.at = (self.at + 1) % self.addresses.len();
                    let again = match &error {
                        JoinError::Denied { reconnect, .. } => *reconnect,
                        // As where no proxy is.
                        JoinError::Timeout { .. } => self.addresses.len() > 1,
                        _ => false,
                    };
                    let more = json!({ "again": again, "text": error.to_string() });
                    self.tell("refused", more).await;
                }
            }
            sleep(BUTTON).await;
        }
    }

    async fn tell(&self, event: &str, more: Value) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut line = json!({ "event": event, "player": self.name, "at": at as u64 });
        if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
            line.extend(more);
        }
        // Nobody listens any more when all is over.
        let _ = self.lines.send(line).await;
    }

    /// Plays until the connection ends.
    async fn stay(&self, bot: &Bot) -> End {
        let mut stopped = self.stopped.clone();
        let mut ticks = interval(ASK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut unanswered, mut heard) = (None::<Instant>, 0);
        let closed = loop {
            tokio::select! {
                () = end(&mut stopped) => return End::Left,
                closed = bot.wait_closed(SILENCE) => {
                    if let Some(closed) = closed {
                        break closed;
                    }
                }
                line = bot.chat(SILENCE) => {
                    if let Some(line) = line {
                        heard += 1;
                        if self.hear(bot, &line, heard).await {
                            unanswered = None;
                        }
                    }
                }
                _ = ticks.tick() => {
                    let since = *unanswered.get_or_insert_with(Instant::now);
                    if since.elapsed() > SILENCE {
                        return End::Lost(format!("no answer for {} s", SILENCE.as_secs()));
                    }
                    bot.say(">whereami").await;
                }
            }
        };
        while let Some(line) = bot.chat(Duration::ZERO).await {
            self.hear(bot, &line, heard).await;
        }
        match closed {
            Closed::Denied { text, reconnect: true, .. } => End::Asked(text),
            Closed::Denied { text, .. } => End::Lost(format!("sent away for good: {text}")),
            Closed::Transport(reason) => End::Lost(format!("the connection ended: {reason}")),
            Closed::Left => End::Left,
        }
    }

    /// Whether a line tells where it is. `heard` lines are no messages of a world.
    async fn hear(&self, bot: &Bot, line: &ChatLine, heard: u64) -> bool {
        if line.text.contains(NOTICE) {
            self.tell("told", json!({})).await;
        }
        let Some((server, proxy)) = whereabouts(&line.text) else { return false };
        let seen = bot.look(|view| {
            json!({
                "server": server,
                "proxy": proxy,
                "blocks": view.blocks.len(),
                "world": view.messages.saturating_sub(heard),
                "violations": view.violations,
            })
        });
        self.tell("here", seen).await;
        true
    }
}

/// Until all are to leave.
async fn end(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|it| *it).await;
}

/// The server and the proxy of an answer, which may be in colours.
fn whereabouts(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once(WHEREABOUTS.0)?;
    let (server, rest) = rest.split_once(WHEREABOUTS.1)?;
    let end = rest.find(|it: char| !(it.is_ascii_alphanumeric() || it == '-'));
    Some((server, &rest[..end.unwrap_or(rest.len())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood_with_colours_and_without() {
        let text = "\u{1b}(c@#8f8)You are on lobby, through the proxy proxy-a-1.\u{1b}(c@#fff)";
        assert_eq!(whereabouts(text), Some(("lobby", "proxy-a-1")));
        assert_eq!(
            whereabouts("You are on no server, through the proxy b"),
            Some(("no server", "b"))
        );
        assert_eq!(whereabouts("<bot1> hello"), None);
    }
}
