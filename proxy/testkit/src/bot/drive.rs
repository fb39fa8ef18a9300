//! The task that keeps a bot alive: confirms blocks, tells its position, answers pushes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use mesegate_protocol::content::{HaveMedia, Media, MediaPush, PushContent, RequestMedia};
use mesegate_protocol::login::AccessDenied;
use mesegate_protocol::map::{block_position, encode_positions};
use mesegate_protocol::wire::Reader;
use mesegate_protocol::{ProtocolVersion, split_command, to_client, to_server};
use mesegate_transport::{Link, Message};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::inbox::Inbox;
use super::walk::Walk;
use super::{BotOptions, Closed, Traffic};
use crate::probe;
use crate::talk::Meter;
use crate::world::sha1;

/// Pushed files that may be on their way at once.
const PUSHES: usize = 64;

/// What a bot's owner wants.
#[derive(Debug)]
pub(super) enum Order {
    Send { channel: u8, reliable: bool, data: Bytes },
    Leave,
    Vanish,
}

pub(super) struct Driver {
    link: Link,
    version: ProtocolVersion,
    inbox: Arc<Inbox>,
    traffic: Arc<Traffic>,
    meter: Meter,
    walk: Walk,
    step: Interval,
    probe: Option<Interval>,
    in_world: bool,
    confirm: Vec<[i16; 3]>,
    pushes: Vec<MediaPush>,
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

impl Driver {
    pub(super) fn new(
        link: Link,
        options: &BotOptions,
        version: ProtocolVersion,
        inbox: Arc<Inbox>,
    ) -> Self {
        Self {
            link,
            version,
            inbox,
            traffic: options.traffic.clone(),
            meter: Meter::default(),
            walk: Walk::new(options.walk),
            step: ticks(options.step),
            probe: options.probe.map(ticks),
            in_world: false,
            confirm: Vec::new(),
            pushes: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        self.adopt_early();
        if self.probe.is_some() {
            self.send(0, true, probe::join());
        }
        let reason = loop {
            self.receive();
            self.link.flush();
            self.meter.add(&self.link, &self.traffic);
            self.inbox.announce();
            if let Some(reason) = self.link.closed() {
                break Closed::Transport(reason.as_str());
            }
            tokio::select! {
                () = self.link.drive() => {}
                order = orders.recv() => match order {
                    Some(Order::Send { channel, reliable, data }) => {
                        self.send(channel, reliable, data);
                    }
                    Some(Order::Leave) | None => {
                        self.link.close();
                        self.link.flush();
                        break Closed::Left;
                    }
                    Some(Order::Vanish) => {
                        self.inbox.close(Closed::Left);
                        // Kept open so that nothing tells the server, not even the system.
                        std::mem::forget(self.link);
                        return;
                    }
                },
                _ = self.step.tick(), if self.in_world => {
                    let position = self.walk.step(self.version);
                    self.send(0, false, position);
                }
                () = next_probe(&mut self.probe), if self.in_world => {
                    self.send(0, true, probe::request());
                }
            }
        };
        self.meter.add(&self.link, &self.traffic);
        self.inbox.close(reason);
    }

    /// What came before CLIENT_READY is in the view already.
    fn adopt_early(&mut self) {
        let place = self.inbox.with(|state| (state.view.moves > 0).then_some(state.view.position));
        if let Some(place) = place {
            self.walk.move_to(place);
            self.in_world = true;
        }
    }

    fn send(&mut self, channel: u8, reliable: bool, data: Bytes) {
        if self.link.send(channel, reliable, data).is_ok() {
            self.traffic.messages_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn receive(&mut self) {
        while let Some(message) = self.link.recv() {
            self.traffic.messages_in.fetch_add(1, Ordering::Relaxed);
            self.inbox.take_in(&message);
            self.react(&message);
        }
        let confirmed = std::mem::take(&mut self.confirm);
        for message in encode_positions(to_server::GOTBLOCKS, &confirmed) {
            self.send(2, true, message);
        }
    }

    fn react(&mut self, message: &Message) {
        let Some((command, body)) = split_command(&message.data) else { return };
        match command {
            to_client::BLOCKDATA => self.confirm.extend(block_position(&message.data).ok()),
            to_client::MOVE_PLAYER => {
                if let Ok(place) = Reader::new(body).v3f() {
                    self.walk.move_to(place.map(|unit| unit / 10.0));
                    self.in_world = true;
                    // Tells where it is at once, as a client does whose position changed.
                    self.step.reset_immediately();
                }
            }
            to_client::ACCESS_DENIED => {
                if let Ok(AccessDenied { code, text, reconnect }) = AccessDenied::decode(body) {
                    self.inbox.close(Closed::Denied { code, text, reconnect });
                    self.link.close();
                }
            }
            to_client::MODCHANNEL_MSG => {
                if let Some((up, down)) = probe::answer_times(body) {
                    self.inbox.with(|state| {
                        state.up.add_nanos(up);
                        state.down.add_nanos(down);
                    });
                }
            }
            to_client::MEDIA_PUSH => {
                if let Ok(push) = MediaPush::decode(&message.data.slice(2..), self.version) {
                    self.pushed(push);
                }
            }
            to_client::MEDIA if !self.pushes.is_empty() => {
                if let Ok(media) = Media::decode(&message.data.slice(2..)) {
                    self.push_arrived(media);
                }
            }
            _ => {}
        }
    }

    fn pushed(&mut self, push: MediaPush) {
        match &push.content {
            PushContent::Token(_) if self.pushes.len() < PUSHES => {
                let names = vec![push.name.clone()];
                self.pushes.push(push);
                self.send(1, true, RequestMedia { names }.encode());
            }
            PushContent::Token(_) => {}
            PushContent::Data(data) => {
                let intact = sha1(data) == push.sha1;
                self.take_push(push.name, intact);
            }
        }
    }

    fn push_arrived(&mut self, media: Media) {
        for file in media.files {
            let Some(index) = self.pushes.iter().position(|push| push.name == file.name) else {
                continue;
            };
            let push = self.pushes.swap_remove(index);
            let content = file.content(self.version, mesegate_protocol::content::MEDIA_FILE_MAX);
            let content = content.unwrap_or_default();
            if content.is_empty() {
                // What a proxy gives for a file that its server did not deliver.
                self.inbox.with(|state| state.view.undelivered.insert(push.name.clone()));
            } else {
                self.take_push(push.name, sha1(&content) == push.sha1);
            }
            if let PushContent::Token(token) = push.content {
                self.send(2, true, HaveMedia { tokens: vec![token] }.encode());
            }
        }
    }

    fn take_push(&self, name: String, intact: bool) {
        self.inbox.with(|state| {
            if intact {
                state.view.pushed.insert(name);
            } else {
                state.view.violation(format!("pushed file {name} is damaged"));
            }
        });
    }
}

async fn next_probe(probe: &mut Option<Interval>) {
    match probe {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}
