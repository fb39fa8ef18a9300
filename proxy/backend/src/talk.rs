//! One conversation with a server: a link that is always driven, a deadline, and the messages that
//! belong to later.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use mesegate_protocol::login::Step as Outcome;
use mesegate_protocol::login::client::Ended;
use mesegate_protocol::{ProtocolVersion, split_command, to_server};
use mesegate_transport::{Config, Link, Message, SendError};
use tokio::time::{Instant, timeout_at};

use crate::{EnterError, Step};

/// Most that a server may say before the definitions are complete: detached inventories of many
/// mods, and the broadcasts of servers up to 5.12. More than that is no game server.
const EARLY_MESSAGES: usize = 65_536;
const EARLY_BYTES: usize = 32 * 1024 * 1024;

/// Says goodbye to a server and gives the connection up.
pub fn leave(mut link: Link) {
    link.close();
    link.flush();
}

pub(crate) struct Talk {
    /// Taken out only at the end. While it is here, dropping says goodbye, so that a login that is
    /// given up does not keep the name occupied until the server's time-out.
    link: Option<Link>,
    deadline: Instant,
    step: Step,
    offered: ProtocolVersion,
    early: Vec<Message>,
    early_bytes: usize,
}

impl Talk {
    pub(crate) async fn connect(
        address: SocketAddr,
        config: Arc<Config>,
        offered: ProtocolVersion,
        deadline: Instant,
    ) -> Result<Self, EnterError> {
        let link = Link::connect(address, config).await.map_err(EnterError::Socket)?;
        Ok(Self {
            link: Some(link),
            deadline,
            step: Step::Hello,
            offered,
            early: Vec::new(),
            early_bytes: 0,
        })
    }

    pub(crate) fn link(&mut self) -> &mut Link {
        self.link.as_mut().expect("the link is taken out by `finish` only, which consumes self")
    }

    pub(crate) fn begin(&mut self, step: Step) {
        self.step = step;
    }

    /// Ends the conversation without ending the connection.
    pub(crate) fn finish(mut self) -> (Link, Vec<Message>) {
        let early = std::mem::take(&mut self.early);
        let link = self.link.take().expect("`finish` runs once, since it consumes self");
        (link, early)
    }

    /// Sends a message as the engine client sends this command.
    pub(crate) fn send(&mut self, message: Bytes) -> Result<(), EnterError> {
        send(self.link(), message)
    }

    /// The next message, or `None` at `until`. Running past the deadline is an error.
    pub(crate) async fn next_until(
        &mut self,
        until: Instant,
    ) -> Result<Option<Message>, EnterError> {
        let (deadline, step) = (self.deadline, self.step);
        next(self.link(), until.min(deadline)).await.and_then(|message| match message {
            None if Instant::now() >= deadline => Err(EnterError::Timeout { step }),
            message => Ok(message),
        })
    }

    /// As [`next_until`](Self::next_until), but `None` also after anything that is no message.
    pub(crate) async fn look_until(
        &mut self,
        until: Instant,
    ) -> Result<Option<Message>, EnterError> {
        let (deadline, step) = (self.deadline, self.step);
        match turn(self.link(), until.min(deadline)).await? {
            Turn::Message(message) => Ok(Some(message)),
            Turn::Traffic => Ok(None),
            Turn::Quiet if Instant::now() >= deadline => Err(EnterError::Timeout { step }),
            Turn::Quiet => Ok(None),
        }
    }

    /// Feeds messages to a waiting state of the login until it goes on. What is none of the
    /// login's is kept.
    pub(crate) async fn advance<S, N>(
        &mut self,
        mut state: S,
        on_message: impl Fn(S, &Bytes) -> Result<Outcome<S, N>, Ended>,
    ) -> Result<N, EnterError> {
        loop {
            let Some(message) = self.next_until(self.deadline).await? else {
                return Err(EnterError::Timeout { step: self.step });
            };
            state = match on_message(state, &message.data).map_err(|end| self.ended(end))? {
                Outcome::Next(next) => return Ok(next),
                Outcome::Stay(state) => state,
                Outcome::PassOn(state) => {
                    self.keep(message)?;
                    state
                }
            };
        }
    }

    /// Waits for a computation, without neglecting the connection meanwhile: when many players log
    /// in at once, password arithmetic may have to queue for longer than a server is patient.
    pub(crate) async fn meanwhile<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, EnterError> {
        let (deadline, step) = (self.deadline, self.step);
        let link = self.link();
        let mut work = pin!(work);
        loop {
            link.flush();
            tokio::select! {
                result = &mut work => return Ok(result),
                () = tokio::time::sleep_until(deadline) => {
                    return Err(EnterError::Timeout { step });
                }
                () = link.drive(), if link.closed().is_none() => {}
            }
        }
    }

    /// Keeps a message for after the login.
    pub(crate) fn keep(&mut self, message: Message) -> Result<(), EnterError> {
        self.early_bytes += message.data.len();
        if self.early.len() >= EARLY_MESSAGES || self.early_bytes > EARLY_BYTES {
            return Err(EnterError::Protocol("too much was sent before the definitions".into()));
        }
        self.early.push(message);
        Ok(())
    }

    pub(crate) fn ended(&self, ended: Ended) -> EnterError {
        match ended {
            Ended::Denied(denied) => EnterError::denied(denied, self.offered),
            ended => EnterError::Protocol(ended.to_string()),
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            leave(link);
        }
    }
}

/// Sends a message on the channel, and as reliably, as the engine client does.
pub(crate) fn send(link: &mut Link, message: Bytes) -> Result<(), EnterError> {
    let command = split_command(&message).map_or(0, |(command, _)| command);
    let (channel, reliable) = to_server::default_delivery(command);
    link.send(channel, reliable, message).map_err(|error| match (error, link.closed()) {
        (SendError::Closed, Some(reason)) => EnterError::Closed(reason),
        (error, _) => EnterError::Protocol(format!("cannot send: {error}")),
    })
}

/// The next message, or `None` at `until`.
pub(crate) async fn next(link: &mut Link, until: Instant) -> Result<Option<Message>, EnterError> {
    loop {
        match turn(link, until).await? {
            Turn::Message(message) => return Ok(Some(message)),
            Turn::Traffic => {}
            Turn::Quiet => return Ok(None),
        }
    }
}

/// What one look at a link shows.
pub(crate) enum Turn {
    Message(Message),
    /// Something arrived or was due that is no message.
    Traffic,
    /// Nothing happened until the time was over.
    Quiet,
}

/// Waits until something happens on the link, at most until `until`.
pub(crate) async fn turn(link: &mut Link, until: Instant) -> Result<Turn, EnterError> {
    // Before anything else, so that a refusal is read before the goodbye that follows it.
    if let Some(message) = link.recv() {
        return Ok(Turn::Message(message));
    }
    if let Some(reason) = link.closed() {
        return Err(EnterError::Closed(reason));
    }
    link.flush();
    match timeout_at(until, link.drive()).await {
        Ok(()) => Ok(Turn::Traffic),
        Err(_) => Ok(Turn::Quiet),
    }
}
