//! What a bot received, shared between its task and its owner.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mesegate_protocol::{split_command, to_client};
use mesegate_transport::Message;
use tokio::sync::Notify;

use super::{ChatLine, Closed};
use crate::clock;
use crate::samples::Samples;
use crate::view::View;

/// Chat lines kept; older ones go first.
const CHAT: usize = 10_000;

/// Answers of password changes kept.
const ANSWERS: usize = 16;

/// One message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Channel.
    pub channel: u8,
    /// Whether it came reliably.
    pub reliable: bool,
    /// Command.
    pub command: u16,
    /// Everything after the command.
    pub body: Bytes,
}

/// The part behind the lock.
#[derive(Debug)]
pub(super) struct State {
    pub view: View,
    pub chat: VecDeque<ChatLine>,
    /// Answers of a password change that were not taken yet.
    pub answers: VecDeque<(u16, Bytes)>,
    pub events: VecDeque<Event>,
    pub closed: Option<Closed>,
    /// Clock of the last MOVE_PLAYER.
    pub moved_at: u64,
    pub up: Samples,
    pub down: Samples,
}

#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Notify,
    events: usize,
}

impl Inbox {
    pub(super) fn new(view: View, events: usize) -> Self {
        let state = State {
            view,
            chat: VecDeque::new(),
            answers: VecDeque::new(),
            events: VecDeque::new(),
            closed: None,
            moved_at: 0,
            up: Samples::new(),
            down: Samples::new(),
        };
        Self { state: Mutex::new(state), changed: Notify::new(), events }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at or changes the state without waking anybody.
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.lock())
    }

    /// Waits until `pick` finds something.
    pub(super) async fn wait<T>(&self, pick: impl Fn(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that a change in between is not missed.
            changed.as_mut().enable();
            if let Some(found) = pick(&mut self.lock()) {
                return found;
            }
            changed.await;
        }
    }

    /// Wakes whoever waits for a change.
    pub(super) fn announce(&self) {
        self.changed.notify_waiters();
    }

    /// Remembers a message. The task announces once per turn, not per message.
    pub(super) fn take_in(&self, message: &Message) {
        let mut state = self.lock();
        state.view.observe(&message.data);
        let Some((command, body)) = split_command(&message.data) else { return };
        match command {
            to_client::MOVE_PLAYER => state.moved_at = clock::nanos(),
            to_client::SRP_BYTES_S_B | to_client::ACCEPT_SUDO_MODE | to_client::DENY_SUDO_MODE
                if state.answers.len() < ANSWERS =>
            {
                state.answers.push_back((command, message.data.slice(2..)));
            }
            to_client::CHAT_MESSAGE => match ChatLine::decode(body) {
                Some(line) => {
                    if state.chat.len() >= CHAT {
                        state.chat.pop_front();
                    }
                    state.chat.push_back(line);
                }
                None => state.view.violation("CHAT_MESSAGE cannot be read"),
            },
            _ => {}
        }
        if self.events > 0 {
            if state.events.len() >= self.events {
                state.events.pop_front();
            }
            state.events.push_back(Event {
                channel: message.channel,
                reliable: message.reliable,
                command,
                body: message.data.slice(2..),
            });
        }
    }

    pub(super) fn take_events(&self) -> Vec<Event> {
        self.lock().events.drain(..).collect()
    }

    /// The connection ended; the first reason stays.
    pub(super) fn close(&self, reason: Closed) {
        self.lock().closed.get_or_insert(reason);
        self.announce();
    }
}
