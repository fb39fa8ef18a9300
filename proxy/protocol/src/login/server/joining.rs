//! From the accepted password to the running game.

use super::{ClientReady, Init2, Outcome, Visitor};
use crate::login::Step;
use crate::{split_command, to_server};

/// AUTH_ACCEPT was sent.
#[derive(Debug)]
pub struct AwaitInit2 {
    visitor: Visitor,
}

impl AwaitInit2 {
    pub(super) fn new(visitor: Visitor) -> Self {
        Self { visitor }
    }

    /// The player.
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// Waits for INIT2. Everything else is ignored, late repetitions of INIT included.
    pub fn on_message(self, message: &[u8]) -> Outcome<Self, AwaitReady> {
        let Some((to_server::INIT2, body)) = split_command(message) else {
            return Ok(Step::Stay(self));
        };
        let Ok(init2) = Init2::decode(body) else {
            return Ok(Step::Stay(self));
        };
        Ok(Step::Next(AwaitReady { visitor: self.visitor, language: init2.language }))
    }
}

/// The client waits for definitions and media, then loads them.
#[derive(Debug)]
pub struct AwaitReady {
    visitor: Visitor,
    language: String,
}

impl AwaitReady {
    /// The player.
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// Language code, at most 12 printable ASCII characters, or empty.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// Waits for CLIENT_READY. REQUEST_MEDIA comes back as [`Step::PassOn`].
    pub fn on_message(self, message: &[u8]) -> Outcome<Self, Playing> {
        match split_command(message) {
            Some((to_server::REQUEST_MEDIA, _)) => Ok(Step::PassOn(self)),
            Some((to_server::CLIENT_READY, body)) => match ClientReady::decode(body) {
                Ok(ready) => {
                    let Self { visitor, language } = self;
                    Ok(Step::Next(Playing { visitor, language, ready }))
                }
                Err(_) => Ok(Step::Stay(self)),
            },
            _ => Ok(Step::Stay(self)),
        }
    }
}

/// The login is over. A second CLIENT_READY is to be refused with
/// [`DenyCode::AlreadyConnected`](crate::login::DenyCode::AlreadyConnected), as engines do.
#[derive(Debug, Clone)]
pub struct Playing {
    /// The player.
    pub visitor: Visitor,
    /// Language code.
    pub language: String,
    /// What the client said of itself, to be replayed to backends.
    pub ready: ClientReady,
}
