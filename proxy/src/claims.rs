//! Names once over all proxies.
//!
//! A player's name is asked for at the controller that leads, before the login finishes, and held
//! for as long as the player is in the game. Where nobody decides in time, the documents say
//! whether the player is let in all the same; then the proxies' leader finds out later, and of two
//! players with one name the one who came first stays. A proxy without a controller decides alone.

mod ledger;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mesegate_proto::control::v1::connect_request::Message;
use mesegate_proto::control::v1::{ClaimAnswer, ClaimRevoked};
use mesegate_resource::{ControlLoss, DuplicateLogin, ProxySpec};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use crate::metrics::Metrics;
use crate::players::Players;
use ledger::{Ledger, Verdict};

/// How long a login waits for a decision.
const PATIENCE: Duration = Duration::from_secs(2);

/// Before a leader is asked again that does not know yet.
const AGAIN: Duration = Duration::from_millis(100);

/// The names that this proxy holds, and the way to whom it asks. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    /// `None` where there is nobody to ask.
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    ledger: Mutex<Ledger>,
    /// Changes whenever it does who leads.
    leader: watch::Sender<()>,
    players: Players,
    metrics: Metrics,
}

/// Why a name is not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unclaimed {
    /// Somebody has it, on the proxy of that name.
    Held(String),
    /// Nobody could decide.
    Undecided,
}

/// What a leader has said to a request.
type Decision = Result<Claim, Refusal>;

/// Why it was of no use.
#[derive(Debug)]
enum Refusal {
    Held(String),
    /// It may know later.
    Later,
}

/// A name that is held, released when dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    held: Option<(Arc<Inner>, String, u64)>,
}

impl Claims {
    /// Of a proxy without a controller.
    pub(crate) fn alone() -> Self {
        Self { inner: None }
    }

    /// Of a proxy that has or will have streams to controllers.
    pub(crate) fn new(players: Players, metrics: Metrics) -> Self {
        let ledger = Mutex::new(Ledger::new(Instant::now()));
        let leader = watch::Sender::new(());
        Self { inner: Some(Arc::new(Inner { ledger, leader, players, metrics })) }
    }

    /// Takes a name for a player; `rules` are those in force.
    ///
    /// # Errors
    /// Why it is not given.
    pub(crate) async fn take(&self, name: &str, rules: &ProxySpec) -> Result<Claim, Unclaimed> {
        let Some(inner) = &self.inner else { return Ok(Claim { held: None }) };
        let kick_old = rules.duplicate_login == DuplicateLogin::KickOld;
        let (result, claimed) = match inner.ask(name, kick_old).await {
            Ok(claim) => ("granted", Ok(claim)),
            Err(Some(holder)) => ("held", Err(Unclaimed::Held(holder))),
            Err(None) => match rules.on_control_loss {
                ControlLoss::AllowLocal => {
                    let id = inner.lock().keep(name, Instant::now());
                    ("local", Ok(Claim::of(inner, name, id)))
                }
                ControlLoss::Reject => ("undecided", Err(Unclaimed::Undecided)),
            },
        };
        inner.metrics.name_claims_total.with_label_values(&[result]).inc();
        claimed
    }

    /// The controller at the other end of `stream` leads. What comes out of the receiver is to be
    /// sent there, in order; if it ends, so has the stream to.
    pub(crate) fn lead(&self, stream: u64) -> Option<mpsc::Receiver<Message>> {
        let inner = self.inner.as_ref()?;
        let receiver = inner.lock().lead(stream, Instant::now());
        inner.leader.send_replace(());
        Some(receiver)
    }

    /// It does not lead any more, or the stream has ended.
    pub(crate) fn lost(&self, stream: u64) {
        let Some(inner) = &self.inner else { return };
        if inner.lock().lost(stream, Instant::now()) {
            inner.leader.send_replace(());
        }
    }

    /// The leader has decided.
    pub(crate) fn answered(&self, answer: &ClaimAnswer) {
        let Some(inner) = &self.inner else { return };
        let verdict = inner.lock().answered(answer, Instant::now());
        match verdict {
            Verdict::Nothing => {}
            // Given to whoever waits, or released if nobody does any more.
            Verdict::Granted { name, asker } => {
                let _ = asker.send(Ok(Claim::of(inner, &name, answer.id)));
            }
            Verdict::Refused { asker } => {
                let why = if answer.failure == 0 {
                    Refusal::Held(answer.holder.clone())
                } else {
                    Refusal::Later
                };
                let _ = asker.send(Err(why));
            }
        }
    }

    /// The leader takes a name away.
    pub(crate) fn revoked(&self, revoked: &ClaimRevoked) {
        let Some(inner) = &self.inner else { return };
        if inner.lock().revoked(revoked) {
            inner.players.send_away(&revoked.name);
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks until somebody has decided. Otherwise who has the name, if that is known.
    async fn ask(self: &Arc<Self>, name: &str, kick_old: bool) -> Result<Claim, Option<String>> {
        let deadline = Instant::now() + PATIENCE;
        let mut leader = self.leader.subscribe();
        loop {
            leader.mark_unchanged();
            let asked = self.lock().ask(name, kick_old);
            let Some(asked) = asked else {
                // Who has been without a leader for long does not expect one now.
                let lonely = self.lock().leaderless(Instant::now()) >= PATIENCE;
                if lonely || timeout_at(deadline, leader.changed()).await.is_err() {
                    return Err(None);
                }
                continue;
            };
            let _asking = Asking { inner: self, id: asked.id };
            match timeout_at(deadline, asked.answer).await {
                Ok(Ok(Ok(claim))) => return Ok(claim),
                Ok(Ok(Err(Refusal::Held(holder)))) => return Err(Some(holder)),
                Ok(Ok(Err(Refusal::Later)) | Err(_)) => {
                    let pause = Instant::now() + AGAIN;
                    if pause >= deadline {
                        return Err(None);
                    }
                    // What it waits for may come at any time.
                    let _ = timeout_at(pause, leader.changed()).await;
                }
                Err(_) => return Err(None),
            }
        }
    }
}

/// A request that nobody waits for any more once this is dropped.
struct Asking<'a> {
    inner: &'a Inner,
    id: u64,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.inner.lock().forget(self.id);
    }
}

impl Claim {
    fn of(inner: &Arc<Inner>, name: &str, id: u64) -> Self {
        Self { held: Some((Arc::clone(inner), name.to_owned(), id)) }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((inner, name, id)) = self.held.take() {
            inner.lock().release(&name, id);
        }
    }
}

#[cfg(test)]
mod tests;
