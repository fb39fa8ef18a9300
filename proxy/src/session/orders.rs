//! What operators order, done by the player's own task: so moves of one player come one after the
//! other, whoever asked for them.

use std::time::Instant;

use super::denial::Denial;
use super::play::{End, Player, Purpose};
use super::travel::Refusal;
use crate::players::{Kick, Move, Moved, NotMoved, Order, Place};
use crate::shared::Shared;

/// Moves that may wait for the one under way.
const WAITING: usize = 8;

impl Player {
    /// Carries out an order, or begins to.
    pub(super) fn order(&mut self, order: Order) -> Result<(), End> {
        match order {
            Order::Tell(text) => self.tell(&text),
            Order::Leave => Err(End::Leave("draining")),
            Order::Inspect(done) => {
                let server = self.world.as_ref().map(|world| world.link.stats());
                // Who asked may have stopped waiting.
                let _ = done.send(Some((self.client.stats(), server)));
                Ok(())
            }
            Order::Kick(kick) => {
                self.shared.metrics.kicks_total.with_label_values(&[kick.source]).inc();
                Err(End::Deny(denial(kick)))
            }
            Order::Move(order) if self.waiting_moves.len() >= WAITING => {
                let busy = NotMoved::new("busy", "too many moves wait for this player");
                answer(order, Err(busy));
                Ok(())
            }
            Order::Move(order) => {
                self.waiting_moves.push_back(order);
                self.next_move()
            }
        }
    }

    /// Begins the next ordered move, if the player is free to.
    pub(super) fn next_move(&mut self) -> Result<(), End> {
        while self.journey.is_none()
            && let Some(order) = self.waiting_moves.pop_front()
        {
            let network = self.shared.network.load_full();
            let here = self.world.as_ref().map(|w| w.server.as_str());
            let there = |here: &&str| order.targets.iter().any(|it| network.includes(it, here));
            if let Some(here) = here.filter(there) {
                let before = Moved::Before(here.to_owned());
                answer(order, Ok(before));
                continue;
            }
            let Some(first) = order.targets.iter().find_map(|it| network.target(it)) else {
                answer(order, Err(not_moved(&Refusal::Nowhere)));
                continue;
            };
            self.tell(&format!("You are taken to {} …", first.title()))?;
            let server = first.name().to_string();
            let allow_reconnect = order.allow_reconnect;
            let purpose = Purpose::Order { server, allow_reconnect };
            let targets = order.targets.clone();
            self.ordered = Some(order);
            self.set_out(purpose, targets);
        }
        Ok(())
    }

    /// The journey that was ordered has ended.
    pub(super) fn order_ended(&mut self, result: Result<Moved, &Refusal>) {
        if let Some(order) = self.ordered.take() {
            answer(order, result.map_err(not_moved));
        }
    }

    /// Gives up moves whose time is over. A player who has lost their server meanwhile has to get
    /// somewhere and goes on.
    pub(super) fn expire_moves(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let late = || NotMoved::new("move_deadline", "the move was not finished in time");
        if let Some(order) = self.ordered.take_if(|order| order.deadline <= now) {
            if self.world.is_some() {
                self.journey = None;
                self.tell("The server takes too long; you stay here.")?;
            }
            answer(order, Err(late()));
        }
        while let Some(at) = self.waiting_moves.iter().position(|order| order.deadline <= now) {
            if let Some(order) = self.waiting_moves.remove(at) {
                answer(order, Err(late()));
            }
        }
        self.next_move()
    }
}

/// Waits until somebody who is still joining is sent away. Other orders are answered meanwhile.
pub(super) async fn sent_away(place: &mut Place, shared: &Shared) -> Denial {
    loop {
        match place.next_order().await {
            Order::Kick(kick) => return denial(kick),
            Order::Leave => return Denial::leaving("draining", shared),
            Order::Move(order) => {
                let text = "the player is still joining";
                answer(order, Err(NotMoved::new("not_ready", text)));
            }
            Order::Inspect(done) => {
                let _ = done.send(None);
            }
            // There is no chat yet.
            Order::Tell(_) => {}
        }
    }
}

fn denial(kick: Kick) -> Denial {
    let Kick { source, text, reconnect, done } = kick;
    // Who gave the order may have stopped waiting.
    let _ = done.send(());
    let denial = Denial::text(source, text);
    if reconnect { denial.with_reconnect() } else { denial }
}

fn not_moved(refusal: &Refusal) -> NotMoved {
    NotMoved::new(refusal.reason(), refusal.told())
}

fn answer(order: Move, result: Result<Moved, NotMoved>) {
    // Who gave the order may have stopped waiting.
    let _ = order.done.send(result);
}
