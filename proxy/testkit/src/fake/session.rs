//! One player of a fake server.

use std::collections::VecDeque;
use std::f32::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mesegate_protocol::content::{Media, RequestMedia};
use mesegate_protocol::login::{AccessDenied, DenyCode};
use mesegate_protocol::map::decode_positions;
use mesegate_protocol::wire::{Reader, Writer};
use mesegate_protocol::{ProtocolVersion, split_command, to_client, to_server};
use mesegate_transport::{Link, Message};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::LoginRule;
use super::journal::Arrived;
use super::login::{Ended, let_in};
use super::state::{Prepared, Shared, player_list};
use crate::chat::{self, ChatLine};
use crate::probe;
use crate::talk::Meter;
use crate::world::Show;
use crate::world::objects::{BS, NewObject, positions, remove_add};

/// Blocks on their way without confirmation (`max_simultaneous_block_sends_per_client`).
const UNCONFIRMED: usize = 40;

/// How long a refused player may take to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the server's owner, or another player's session, wants done.
#[derive(Debug, Clone)]
pub(super) enum Order {
    Send { channel: u8, reliable: bool, data: Bytes },
    Show(Show),
    Deny(AccessDenied),
}

pub(super) async fn run(mut link: Link, shared: Arc<Shared>) {
    let refused = match let_in(&mut link, &shared).await {
        Ok((playing, prepared)) => match shared.enter(&playing.visitor.name) {
            Some(orders) => {
                let name = playing.visitor.name;
                let session = Session::new(link, shared.clone(), name.clone(), prepared, {
                    playing.visitor.version
                });
                session.play(orders).await;
                shared.leave(&name);
                return;
            }
            None => Ended::Denied(AccessDenied::new(DenyCode::AlreadyConnected)),
        },
        Err(ended) => ended,
    };
    match refused {
        Ended::Denied(denied) => farewell(link, &denied).await,
        // Neither answered nor told to go, as far as the player can see.
        Ended::Gone if shared.rule() == LoginRule::Silent => {
            let end = Instant::now() + Duration::from_secs(30);
            while link.closed().is_none() && Instant::now() < end {
                let _ = tokio::time::timeout_at(end, link.drive()).await;
                while link.recv().is_some() {}
                link.flush();
            }
        }
        Ended::Gone => {}
    }
}

async fn farewell(mut link: Link, denied: &AccessDenied) {
    if link.send(0, true, denied.encode()).is_ok() {
        link.close_after_flush(FAREWELL);
    }
    link.flush();
    let end = Instant::now() + 2 * FAREWELL;
    while link.closed().is_none() && Instant::now() < end {
        let _ = tokio::time::timeout_at(end, link.drive()).await;
        while link.recv().is_some() {}
        link.flush();
    }
}

struct Session {
    link: Link,
    shared: Arc<Shared>,
    name: String,
    version: ProtocolVersion,
    object: u16,
    prepared: Arc<Prepared>,
    blocks: VecDeque<Bytes>,
    unconfirmed: usize,
    angle: f32,
    denied: Option<AccessDenied>,
    meter: Meter,
}

impl Session {
    fn new(
        link: Link,
        shared: Arc<Shared>,
        name: String,
        prepared: Arc<Prepared>,
        version: ProtocolVersion,
    ) -> Self {
        Self {
            link,
            name,
            version,
            object: shared.object_id(),
            blocks: prepared.blocks.iter().cloned().collect(),
            shared,
            prepared,
            unconfirmed: 0,
            angle: 0.0,
            denied: None,
            meter: Meter::default(),
        }
    }

    async fn play(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut frozen = self.shared.frozen.subscribe();
        match self.shared.rule() {
            LoginRule::LeaveAtReady => {
                self.link.close();
                self.link.flush();
                return;
            }
            LoginRule::SilentAtReady => {}
            _ => self.welcome(),
        }
        let mut time = ticks(self.shared.options.time_interval);
        let mut objects = self.shared.options.object_interval.map(ticks);
        loop {
            while let Some(message) = self.link.recv() {
                self.react(message);
            }
            self.send_blocks();
            self.link.flush();
            self.meter.add(&self.link, &self.shared.traffic);
            if self.link.closed().is_some() {
                break;
            }
            if let Some(denied) = self.denied.take() {
                farewell(self.link, &denied).await;
                return;
            }
            thaw(&mut frozen).await;
            tokio::select! {
                () = self.link.drive() => {}
                _ = frozen.changed() => {}
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => break,
                },
                _ = time.tick() => self.send(0, true, time_of_day(6000)),
                () = next_tick(&mut objects) => self.move_entities(),
            }
        }
    }

    fn send(&mut self, channel: u8, reliable: bool, data: Bytes) {
        if self.link.send(channel, reliable, data).is_err() && self.link.closed().is_none() {
            // As an engine server whose peer's queue is full: nothing sensible is left to do.
            self.link.close();
        }
    }

    /// What an engine server sends after CLIENT_READY, in its order.
    fn welcome(&mut self) {
        let shared = self.shared.clone();
        let world = &shared.options.world;
        let mut w = Writer::command(to_client::MOVE_PLAYER);
        w.v3f(world.spawn.map(|nodes| nodes * BS)).f32(0.0).f32(0.0);
        self.send(0, true, w.finish());
        let mut w = Writer::command(to_client::PRIVILEGES);
        w.u16(2).str16(b"interact").str16(b"shout");
        self.send(0, true, w.finish());
        let mut w = Writer::command(to_client::INVENTORY_FORMSPEC);
        w.str32(b"size[8,4]list[current_player;main;0,0;8,4;]");
        self.send(0, true, w.finish());
        self.send(0, true, inventory(self.version));
        let mut w = Writer::command(to_client::HP);
        w.u16(20).bool(false);
        self.send(0, true, w.finish());
        let mut w = Writer::command(to_client::BREATH);
        w.u16(10);
        self.send(0, true, w.finish());
        shared.broadcast(player_list(1, &[&self.name]));
        let players = shared.players();
        let names: Vec<&str> = players.iter().map(String::as_str).collect();
        self.send(0, true, player_list(0, &names));
        let welcome = format!("welcome to {}, {}", world.name, self.name);
        self.send(0, true, ChatLine::raw(welcome).encode());
        for show in &world.show {
            self.show(show);
        }
        let me =
            NewObject { id: self.object, name: &self.name, is_player: true, position: world.spawn };
        let entities = (1..=world.entities).map(|id| NewObject {
            id,
            name: "testkit:entity",
            is_player: false,
            position: orbit(world.spawn, id, 0.0),
        });
        let objects: Vec<_> = std::iter::once(me).chain(entities).collect();
        let message = remove_add(&[], &objects);
        self.send(0, true, message);
        self.send(0, true, time_of_day(6000));
    }

    fn show(&mut self, show: &Show) {
        let (channel, reliable, message) = show.encode(self.version);
        self.send(channel, reliable, message);
    }

    fn send_blocks(&mut self) {
        while self.unconfirmed < UNCONFIRMED {
            let Some(block) = self.blocks.pop_front() else { return };
            self.send(2, true, block);
            self.unconfirmed += 1;
        }
    }

    fn move_entities(&mut self) {
        self.angle = (self.angle + 0.1) % TAU;
        let shared = self.shared.clone();
        let world = &shared.options.world;
        if world.entities == 0 || shared.rule() == LoginRule::SilentAtReady {
            return;
        }
        let message =
            positions((1..=world.entities).map(|id| (id, orbit(world.spawn, id, self.angle))));
        self.send(1, false, message);
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Send { channel, reliable, data } => self.send(channel, reliable, data),
            Order::Show(show) => self.show(&show),
            Order::Deny(denied) => self.denied = Some(denied),
        }
    }

    fn react(&mut self, message: Message) {
        let Some((command, body)) = split_command(&message.data) else { return };
        match command {
            to_server::CHAT_MESSAGE => {
                if let Some(text) = chat::said(body) {
                    self.hear(&text);
                }
            }
            to_server::GOTBLOCKS => {
                let confirmed = decode_positions(body).map_or(0, |positions| positions.len());
                self.unconfirmed = self.unconfirmed.saturating_sub(confirmed);
            }
            to_server::MODCHANNEL_JOIN => {
                if let Ok(channel) = Reader::new(body).str16() {
                    let mut w = Writer::command(to_client::MODCHANNEL_SIGNAL);
                    w.u8(0).str16(channel);
                    self.send(0, true, w.finish());
                }
            }
            to_server::MODCHANNEL_MSG => {
                if let Some(answer) = probe::answer(body) {
                    // Not journalled: probes are many, and nobody asks for them.
                    self.send(0, true, answer);
                    return;
                }
            }
            to_server::REQUEST_MEDIA => self.late_media(body),
            to_server::CLIENT_READY => {
                self.denied = Some(AccessDenied::new(DenyCode::AlreadyConnected));
            }
            _ => {}
        }
        self.shared.journal.add(Arrived {
            player: self.name.clone(),
            channel: message.channel,
            reliable: message.reliable,
            command,
            body: message.data.slice(2..),
        });
    }

    /// Files that were pushed are asked for while playing.
    fn late_media(&mut self, body: &[u8]) {
        let Ok(request) = RequestMedia::decode(body) else { return };
        let files = request.names.iter().filter_map(|name| self.prepared.frames.get(name));
        let files = files.cloned().collect();
        let message = Media { bunches: 1, index: 0, files }.encode();
        self.send(2, true, message);
    }

    fn hear(&mut self, text: &str) {
        if let Some(number) = text.strip_prefix("ping ") {
            self.send(0, true, ChatLine::raw(format!("pong {number}")).encode());
        } else if let Some(rest) = text.strip_prefix("/echo ") {
            self.send(0, true, ChatLine::raw(format!("echo {rest}")).encode());
        } else if !text.starts_with('/') {
            let line = format!("<{}> {text}", self.name);
            self.shared.broadcast(ChatLine::raw(line).encode());
        }
    }
}

/// Ticks that do not catch up after a pause. The first comes after one period.
fn ticks(period: Duration) -> Interval {
    let period = period.max(Duration::from_millis(1));
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn next_tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}

async fn thaw(frozen: &mut watch::Receiver<bool>) {
    while *frozen.borrow_and_update() {
        if frozen.changed().await.is_err() {
            return;
        }
    }
}

/// Entities go round the start at different distances.
fn orbit(centre: [f32; 3], id: u16, angle: f32) -> [f32; 3] {
    let (sin, cos) = (angle + f32::from(id)).sin_cos();
    let radius = 3.0 + f32::from(id % 8);
    [centre[0] + radius * cos, centre[1], centre[2] + radius * sin]
}

/// TIME_OF_DAY at the engine's default speed.
pub(super) fn time_of_day(time: u16) -> Bytes {
    let mut w = Writer::command(to_client::TIME_OF_DAY);
    w.u16(time).f32(72.0);
    w.finish()
}

fn inventory(version: ProtocolVersion) -> Bytes {
    let mut text = String::from("List main 32\nWidth 0\nItem testkit:stick 5\n");
    text.push_str(&"Empty\n".repeat(31));
    text.push_str("EndInventoryList\nEndInventory\n");
    let mut w = Writer::command(to_client::INVENTORY);
    if version.framed_inventory() {
        w.str32(text.as_bytes()).bool(false);
    } else {
        w.raw(text.as_bytes());
    }
    w.finish()
}
