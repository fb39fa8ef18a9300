//! Changing the password while playing (`client/client.cpp` sendChangePassword).

use std::time::Duration;

use bytes::Bytes;
use mesegate_auth::srp::blocking;
use mesegate_protocol::login::{BasedOn, FirstSrp, SrpBytesA, SrpBytesM, SrpBytesSB};
use mesegate_protocol::to_client;

use super::{Bot, WaitError};

/// Channel of the password exchange.
const CHANNEL: u8 = 1;

impl Bot {
    /// Proves `old` and, if the server accepts that, sends `new`. Returns whether it was accepted;
    /// the server then says in the chat what came of it.
    ///
    /// # Errors
    /// No answer came within `limit`.
    pub async fn change_password(
        &self,
        old: &str,
        new: &str,
        limit: Duration,
    ) -> Result<bool, WaitError> {
        let failed = |what: &str| self.wait_error(what.to_owned(), limit, String::new());
        self.inbox.with(|state| state.answers.clear());
        let (handshake, a) =
            blocking::client_start(&self.name, old.as_bytes()).await.map_err(|_| failed("A"))?;
        let request = SrpBytesA { a, based_on: BasedOn::Password };
        self.send(CHANNEL, true, request.encode()).await;
        let (command, body) = self.answer(limit).await.ok_or_else(|| failed("SRP_BYTES_S_B"))?;
        if command != to_client::SRP_BYTES_S_B {
            return Ok(false);
        }
        let answer = SrpBytesSB::decode(&body).map_err(|_| failed("a readable SRP_BYTES_S_B"))?;
        let m = blocking::client_respond(handshake, &answer.salt, &answer.b)
            .await
            .map_err(|_| failed("M"))?;
        self.send(CHANNEL, true, SrpBytesM { m: m.to_vec() }.encode()).await;
        let (command, _) = self.answer(limit).await.ok_or_else(|| failed("ACCEPT_SUDO_MODE"))?;
        if command != to_client::ACCEPT_SUDO_MODE {
            return Ok(false);
        }
        let verifier = blocking::verifier(&self.name, new.as_bytes())
            .await
            .map_err(|_| failed("a verifier"))?;
        let request =
            FirstSrp { salt: verifier.salt, verifier: verifier.verifier, empty: new.is_empty() };
        self.send(CHANNEL, true, request.encode()).await;
        Ok(true)
    }

    async fn answer(&self, limit: Duration) -> Option<(u16, Bytes)> {
        let answer = self.inbox.wait(|state| state.answers.pop_front());
        tokio::time::timeout(limit, answer).await.ok()
    }
}
