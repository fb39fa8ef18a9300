//! Signals, clock and players for the machine.

use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;

use super::machine::Act;
use crate::players::{Order, Presence};
use crate::shared::{Shared, unix_now};

/// How often the machine is asked while the proxy is being left.
const PACE: Duration = Duration::from_millis(200);

/// How often it is noted that controllers are there.
const CONFIRM: Duration = Duration::from_mins(1);

/// Signals that ask the process to end. One that comes while nobody waits is not lost.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(crate) fn listen() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Lives until the process is to end.
pub(crate) async fn run(shared: &Shared, stop: &mut Stop) {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut confirm = tokio::time::interval(CONFIRM);
    let mut drained = false;
    loop {
        tokio::select! {
            () = stop.asked() => shared.life.end(),
            () = shared.life.asked.notified() => {}
            _ = pace.tick(), if drained => {}
            _ = confirm.tick() => {
                let _ = shared.latch.look();
                shared.latch.confirm();
                continue;
            }
        }
        let players = shared.players.len();
        let acts = shared.life.step(Instant::now(), players);
        let (draining, ends, deadline) = {
            let machine = shared.life.lock();
            (machine.is_draining(), machine.ends(), machine.deadline())
        };
        if draining != drained {
            match deadline.filter(|_| draining) {
                Some(at) => {
                    let seconds = at.saturating_duration_since(Instant::now()).as_secs();
                    tracing::info!(players, seconds, ends, "the proxy is being left");
                }
                None if draining => tracing::info!(players, ends, "the proxy is being left"),
                None => tracing::info!(players, "players are let in again"),
            }
        }
        drained = draining;
        show(shared, draining, deadline);
        for act in acts {
            match act {
                Act::Notice(left) => notice(shared, left),
                Act::Nudge(many) => send_away(shared, many),
                Act::SendAway => send_away(shared, usize::MAX),
                Act::End => return,
            }
        }
    }
}

fn show(shared: &Shared, draining: bool, deadline: Option<Instant>) {
    let metrics = &shared.metrics;
    let left = |at: Instant| at.saturating_duration_since(Instant::now()).as_secs();
    let at = deadline.map_or(0, |at| unix_now() + left(at));
    metrics.draining.set(draining.into());
    metrics.drain_deadline_timestamp.set(at as i64);
    let remaining = if draining { shared.players.len() } else { 0 };
    metrics.drain_remaining_sessions.set(remaining as i64);
}

fn is_there(player: &Presence) -> bool {
    player.whereabouts.server().is_some()
}

/// Tells everybody who can read it how long they may stay.
fn notice(shared: &Shared, left: Duration) {
    let text = format!("Maintenance in {}: you will be asked to reconnect by then.", span(left));
    let mut told = 0;
    for player in shared.players.select(is_there) {
        told += u32::from(shared.players.order(&player.name, Order::Tell(text.clone())).is_ok());
    }
    tracing::info!(told, left = left.as_secs(), "players were told how long they may stay");
}

/// In words, rounded.
fn span(left: Duration) -> String {
    match left.as_secs_f64().round() as u64 {
        seconds @ 0..90 => format!("{seconds} s"),
        seconds => format!("{} min", (seconds + 30) / 60),
    }
}

/// Asks so many players to reconnect: those first who have been longest where they are, since they
/// are the least likely to be in the middle of something new. Who is busy is asked again later.
fn send_away(shared: &Shared, many: usize) {
    let everybody = many == usize::MAX;
    let mut players = shared.players.select(|player| everybody || is_there(player));
    players.sort_by_key(|player| player.since);
    let mut asked = 0;
    for player in players.iter().take(many) {
        asked += u32::from(shared.players.order(&player.name, Order::Leave).is_ok());
    }
    tracing::info!(asked, "players were asked to reconnect, as the proxy is being left");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_say_them() {
        let spans = [(890, "15 min"), (450, "8 min"), (90, "2 min"), (60, "60 s"), (2, "2 s")];
        for (seconds, words) in spans {
            assert_eq!(span(Duration::from_secs(seconds)), words);
        }
    }
}
