//! The life of the process: when it is ready, how it is left, and when it ends.
//!
//! A UDP proxy cannot hand players over to another one: a client keeps to the address and port
//! that its packets go to. So who is in the game stays for as long as there is time, is told, and
//! reconnects in the end; only those who come anew are kept out from the start.

mod driver;
mod machine;
mod options;
mod readiness;
mod regulars;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

pub(crate) use driver::{Stop, run};
use machine::{Act, Machine};
pub use options::LifeOptions;
pub(crate) use readiness::{Kept, Latch};
use regulars::Regulars;

/// Whether the proxy serves, is being left, or ends.
#[derive(Debug)]
pub(crate) struct Life {
    machine: Mutex<Machine>,
    /// Something was asked for.
    asked: Notify,
    regulars: Regulars,
}

impl Life {
    pub(crate) fn new(options: &LifeOptions) -> Self {
        let machine = Mutex::new(Machine::new(options.terms()));
        Self { machine, asked: Notify::new(), regulars: Regulars::default() }
    }

    /// Asks the process to end, as a signal does.
    pub(crate) fn end(&self) {
        self.lock().end(Instant::now());
        self.asked.notify_one();
    }

    /// Has the proxy left by its players, without an end of the process.
    pub(crate) fn drain(&self) {
        self.lock().drain(Instant::now());
        self.asked.notify_one();
    }

    /// Lets players in again. False if the process is to end.
    pub(crate) fn resume(&self) -> bool {
        let resumed = self.lock().resume();
        self.asked.notify_one();
        resumed
    }

    /// True once the proxy is to be left.
    pub(crate) fn is_draining(&self) -> bool {
        self.lock().is_draining()
    }

    /// Whether somebody may come in who is not in the game.
    pub(crate) fn admits(&self, name: &str, now: Instant) -> bool {
        let machine = self.lock();
        !machine.is_draining() || (machine.keeps(now) && self.regulars.knows(name, now))
    }

    /// The player is not in the game any more, and was `sent_away` or not for the proxy to be left.
    pub(crate) fn left(&self, name: &str, sent_away: bool) {
        if sent_away {
            self.regulars.sent_away(name);
        } else {
            self.regulars.left(name, Instant::now());
        }
    }

    fn step(&self, now: Instant, players: usize) -> Vec<Act> {
        self.lock().step(now, players)
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
