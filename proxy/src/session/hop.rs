//! Changing the backend under a client that stays connected.
//!
//! The target is logged in to while the old world goes on; only when it has let the player in,
//! and its content is known to be the client's, the switch is made: goodbye to the old backend,
//! the list that takes back all it had put into the client, CLIENT_READY to the new one. If the
//! target fails the player stays where they are.

use std::sync::Arc;
use std::time::Instant;

use mesegate_protocol::play::channel;
use mesegate_protocol::translate::Translator;
use mesegate_protocol::{split_command, to_client};
use mesegate_resource::Target;
use tracing::{Instrument as _, Span};

use super::denial::Denial;
use super::gate::Gate;
use super::play::{End, Journey, Player, Purpose, World, client_failed};
use super::reconnect::{self, Reconnect};
use super::spans;
use super::traffic::Traffic;
use super::travel::{Arrival, Outcome, Refusal, Refused, travel_to_any};
use crate::network::Found;
use crate::players::Moved;
use crate::selection::Route;

/// Causes that a player is told at the end.
const REASONS: usize = 5;

impl Player {
    /// Begins to enter one of `targets`, the first that lets the player in.
    pub(super) fn set_out(&mut self, purpose: Purpose, targets: Vec<Target>) {
        let shared = Arc::clone(&self.shared);
        let who = self.who.clone();
        let join = matches!(purpose, Purpose::Join { .. });
        let returns = matches!(purpose, Purpose::Join { returning: Some(_) });
        let leaving = match &purpose {
            Purpose::Fallback { .. } => self.barred(),
            _ => self.world.iter().map(|world| world.server.clone()).collect(),
        };
        let homeless = self.world.is_none();
        let from = self.world.as_ref().map_or("", |world| world.server.as_str());
        let order = self.ordered.as_ref().map(|order| &order.span);
        let span = spans::journey(self.session, &purpose, from, &self.login, order);
        let end = async move {
            // Who logs in anew for a server's new content is not asked to do that again.
            let enough = |refusal: &Refusal| join && !returns && refusal.needs_reconnect();
            let route = Route::new(&shared, &who.name, leaving, homeless, targets);
            let outcome = travel_to_any(&shared, &who, route, enough).await;
            if returns {
                reconnect::forget(&shared, &who.name).await;
            }
            outcome
        };
        let end = Box::pin(end.instrument(span.clone()));
        self.journey = Some(Journey { purpose, started: Instant::now(), span, end });
    }

    /// The player asks for another server, or for one of a group.
    pub(super) fn wish(&mut self, wanted: Found<'_>) -> Result<(), End> {
        if self.journey.is_some() {
            return self.tell("You are already on the way to another server.");
        }
        let target = wanted.target();
        let network = self.shared.network.load_full();
        let here = self.world.as_ref().filter(|w| network.includes(&target, &w.server));
        if let Some(here) = here.map(|world| world.title.clone()) {
            return self.tell(&format!("You are on {here} already."));
        }
        self.tell(&format!("Going to {} …", wanted.title()))?;
        self.set_out(Purpose::Wish { server: wanted.name().to_string() }, vec![target]);
        Ok(())
    }

    /// A journey came to its end, good or bad.
    pub(super) fn journey_ended(&mut self, outcome: Outcome) -> Result<(), End> {
        let Some(journey) = self.journey.take() else { return Ok(()) };
        let Outcome { arrival, mut refused } = outcome;
        let arrival = match arrival {
            Some(arrival) if !self.state.is_complete() => {
                // What the old world has put into the client could not all be taken back.
                let Arrival { server, title, .. } = arrival;
                self.shared.departures.left(&server, &self.who.name, Instant::now());
                refused.push(Refused { server, title, refusal: Refusal::Overflow });
                None
            }
            other => other,
        };
        let Some(arrival) = arrival else {
            let last = refused.last().map_or(&Refusal::Nowhere, |refused| &refused.refusal);
            journey.span.record("result", last.reason());
            if matches!(journey.purpose, Purpose::Join { .. }) {
                self.login.record("result", last.reason());
            }
            let anew = self.for_want_of_login(&refused, &journey.purpose);
            self.order_ended(match journey.purpose {
                Purpose::Order { allow_reconnect: true, .. } if anew.is_some() => {
                    let here = self.world.as_ref().map(|world| world.server.clone());
                    Ok(Moved::Reconnecting(here.unwrap_or_default()))
                }
                _ => Err(last),
            });
            self.refused(&refused, anew, &journey.purpose)?;
            return self.next_move();
        };
        let (there, here) = (arrival.server.clone(), arrival.title.clone());
        self.switch(arrival, &journey)?;
        self.order_ended(Ok(Moved::Now(there)));
        if let Purpose::Join { returning: Some(wished) } = &journey.purpose
            && let Some(Refused { title, refusal, .. }) =
                refused.iter().find(|refused| refused.server == *wished)
        {
            let why = refusal.told();
            self.tell(&format!("You cannot enter {title}: {why}. You are on {here}."))?;
        }
        self.next_move()
    }

    /// What of that which refused the player can be had by a new login, if they are to be asked
    /// for one.
    fn for_want_of_login<'a>(
        &self,
        refused: &'a [Refused],
        purpose: &Purpose,
    ) -> Option<&'a Refused> {
        let once_more = match purpose {
            // Who has logged in anew for a server is not asked to do that again, nor is who did
            // not ask to go anywhere and can stay, unless the operator says so.
            Purpose::Join { returning } => returning.is_none(),
            Purpose::Order { allow_reconnect, .. } => *allow_reconnect || self.world.is_none(),
            Purpose::Wish { .. } | Purpose::Fallback { .. } => true,
        };
        refused.iter().find(|it| once_more && it.refusal.needs_reconnect())
    }

    fn refused(
        &mut self,
        refused: &[Refused],
        anew: Option<&Refused>,
        purpose: &Purpose,
    ) -> Result<(), End> {
        let last = refused.last().map_or(&Refusal::Nowhere, |refused| &refused.refusal);
        let wished = match purpose {
            Purpose::Wish { server } | Purpose::Order { server, .. } => Some(server),
            Purpose::Join { .. } | Purpose::Fallback { .. } => None,
        };
        if let Some(server) = wished {
            let from = self.world.as_ref().map_or("", |w| w.server.as_str());
            let labels = [from, server, last.reason()];
            self.shared.metrics.moves_total.with_label_values(&labels).inc();
        }
        match (anew, wished) {
            (Some(Refused { server, title, refusal }), _) => {
                Err(End::Reconnect(Reconnect::new(server, title, refusal.reason())))
            }
            (None, Some(server)) if self.world.is_some() => {
                self.tell(&format!("You cannot enter {server}: {}.", last.told()))
            }
            // The old backend was lost, or there was none.
            (None, _) => Err(End::Deny(self.nowhere(refused))),
        }
    }

    /// The last words to a player for whom there is nothing left: how it began, and what was tried.
    fn nowhere(&self, refused: &[Refused]) -> Denial {
        let unavailable = self.shared.network.load().proxy.messages.unavailable.clone();
        let first = self.lost.first().map(str::to_owned);
        let tried = refused.iter().map(|it| format!("{}: {}", it.title, it.refusal.told()));
        let all: Vec<String> = first.into_iter().chain(tried).collect();
        let text = match all.split_at(all.len().min(REASONS)) {
            ([], _) => unavailable,
            (told, []) => format!("{unavailable} ({})", told.join("; ")),
            (told, _) => format!("{unavailable} ({}; …)", told.join("; ")),
        };
        let last = refused.last().map_or(&Refusal::Nowhere, |refused| &refused.refusal);
        Denial::text(last.reason(), text).with_reconnect()
    }

    /// The backend is gone; `words` are what it said itself, if it did.
    pub(super) fn world_lost(&mut self, reason: &str, words: &str) -> Result<(), End> {
        let Some(world) = self.world.take() else { return Ok(()) };
        let lost = world.server.clone();
        tracing::warn!(player = self.who.name, server = lost, reason, "the backend was lost");
        self.shared.metrics.fallbacks_total.with_label_values(&[&lost, reason]).inc();
        self.shared.library.report_lost(&lost);
        self.shared.losses.report(&lost, Instant::now());
        self.leave(world);
        self.place.between();
        self.gate = Gate::Waiting(Instant::now());
        let network = self.shared.network.load_full();
        let title = world_title(&network, &lost);
        let why = match (reason, words) {
            ("full", _) => format!("{title} was lost: it is full"),
            (_, "") => format!("{title} was lost"),
            (_, words) => format!("{title} was lost: {words}"),
        };
        self.lost.lost(&lost, why.clone(), Instant::now());
        let mut ways = network.ways_out(&lost);
        let barred = self.barred();
        ways.retain(|way| match way {
            // What was lost a moment ago is lost again: players would be sent to and fro for ever.
            Target::Server(name) => !barred.iter().any(|it| it == name.as_str()),
            Target::Group(_) => true,
        });
        if self.journey.is_some() {
            // Already on the way elsewhere.
            return Ok(());
        }
        let Some(first) = ways.first().and_then(|target| network.target(target)) else {
            return Err(End::Deny(self.nowhere(&[])));
        };
        self.tell(&format!("{why}. Going to {} …", first.title()))?;
        self.set_out(Purpose::Fallback { lost }, ways);
        Ok(())
    }

    /// Servers that the player has lost lately and that are not to be tried again.
    fn barred(&self) -> Vec<String> {
        let statuses = self.shared.library.server_status();
        self.lost.barred(|name| statuses.iter().find(|it| it.name == name)?.up_since)
    }

    /// Leaves the backend, if the player is on one.
    pub(super) fn leave_world(&mut self) {
        if let Some(world) = self.world.take() {
            self.leave(world);
        }
    }

    fn leave(&mut self, mut world: World) {
        world.traffic.report(&world.link, &self.shared.metrics);
        self.mods.left(&self.shared);
        world.link.close();
        world.link.flush();
        self.shared.departures.left(&world.server, &self.who.name, Instant::now());
        let gauge = &self.shared.metrics.sessions;
        gauge.with_label_values(&[world.server.as_str(), "active"]).dec();
    }

    /// The switch itself.
    fn switch(&mut self, arrival: Arrival, journey: &Journey) -> Result<(), End> {
        let from = match (&self.world, &journey.purpose) {
            (Some(world), _) => world.server.clone(),
            (None, Purpose::Fallback { lost }) => lost.clone(),
            (None, _) => String::new(),
        };
        self.leave_world();
        // Blocks of the old world that did not get out need not be taken back.
        for message in self.client.discard_unsent(2) {
            match split_command(&message) {
                Some((to_client::BLOCKDATA, _)) => self.state.discarded(&message),
                _ => self.send_client(2, true, message)?,
            }
        }
        let lists_network = self.lists_network();
        for (channel, message) in self.state.reset(self.who.version) {
            self.client.send(channel, true, message).map_err(client_failed)?;
        }
        let translator = Translator {
            translation: &arrival.translation,
            version: self.who.version,
            blocks: &self.shared.blocks,
        };
        for (channel, message) in translator.entering() {
            self.send_client(channel, true, message)?;
        }
        self.objects.enter_backend();
        if let Some(answer) = self.pushes.forget(self.who.version) {
            self.send_client(2, true, answer)?;
        }
        if lists_network {
            self.list_network()?;
        }
        self.gate = Gate::Waiting(Instant::now());
        let Arrival { server, title, seat, entered, translation } = arrival;
        self.place.on(&server);
        let wanted = matches!(journey.purpose, Purpose::Wish { .. } | Purpose::Order { .. });
        self.lost.arrived(wanted, Instant::now());
        if wanted && self.shared.network.load().proxy.rejoin_last {
            // Not after a fallback: where a player was taken in need is not where they want to be.
            self.shared.accounts.note_server(&self.who.name, &server);
        }
        let metrics = &self.shared.metrics;
        metrics.sessions.with_label_values(&[server.as_str(), "active"]).inc();
        if !matches!(journey.purpose, Purpose::Join { .. }) {
            metrics.moves_total.with_label_values(&[from.as_str(), server.as_str(), "ok"]).inc();
        }
        tracing::info!(player = self.who.name, from, to = server, "a player entered a server");
        journey.span.record("server", server.as_str());
        self.login.record("server", server.as_str());
        self.moving = Some((journey.started, journey.span.clone()));
        self.world = Some(World {
            notice: self.shared.losses.watch(&server),
            traffic: Traffic::new("server"),
            link: entered.link,
            server,
            title,
            translation,
            _seat: seat,
        });
        self.send_world(1, true, self.ready.clone());
        for message in entered.early {
            self.world_message(message)?;
        }
        Ok(())
    }

    /// Tells a new backend what the client told the first one and does not say again. Not before
    /// its MOVE_PLAYER: channels have no order among each other, and what overtakes CLIENT_READY
    /// is dropped (`server.cpp` ProcessData).
    pub(super) fn introduce(&mut self) {
        if let Some(info) = self.state.last_client_info() {
            self.send_world(2, true, info);
        }
        let joined = self.state.mod_channels().map(channel::encode_join);
        for message in joined.collect::<Vec<_>>() {
            self.send_world(0, true, message);
        }
        if let Some(item) = self.state.last_item() {
            self.send_world(0, true, item.encode());
        }
        self.meet_mods();
    }

    /// The first position of a new backend was sent.
    pub(super) fn arrived(&mut self) {
        if let Some((since, span)) = self.moving.take() {
            span.record("result", "ok");
            self.login.record("result", "ok");
            self.login = Span::none();
            let taken = since.elapsed().as_secs_f64();
            self.shared.metrics.move_duration.with_label_values(&["ok"]).observe(taken);
        }
    }
}

fn world_title(network: &crate::network::Network, name: &str) -> String {
    network.server(name).map_or_else(|| name.to_owned(), |s| s.title().to_owned())
}
