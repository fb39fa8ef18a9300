//! Changing the password in the game ("sudo mode"), which is the proxy's affair: backends know
//! another secret.
//!
//! Arithmetic runs beside the bridge, so the player's packets do not wait for it.

use std::future::Future;
use std::pin::Pin;

use mesegate_auth::srp::{ServerHandshake, SrpError, Verifier, blocking};
use mesegate_auth::{AccountError, Password};
use mesegate_protocol::login::FirstSrp;
use mesegate_protocol::login::sudo::{Action, Challenge, Verify};

use super::play::{End, Player};

/// A step of the change that is being worked on.
pub(super) type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What came of a step.
pub(super) enum Done {
    /// B was computed, or could not be.
    Challenged(Challenge, Result<(ServerHandshake, Vec<u8>, Verifier), ChangeError>),
    /// The new password was stored, or could not be.
    Changed(Result<(), ChangeError>),
}

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeError {
    #[error("{0}")]
    Account(#[from] AccountError),
    #[error("{0}")]
    Srp(#[from] SrpError),
    #[error("the account is gone")]
    Gone,
    #[error("empty passwords are not allowed here")]
    Empty,
}

impl Player {
    /// FIRST_SRP, SRP_BYTES_A or SRP_BYTES_M of a player in the game.
    pub(super) fn change_password(&mut self, message: &[u8]) -> Result<(), End> {
        match self.sudo.on_message(message) {
            Action::Ignore => Ok(()),
            Action::Deny(answer) => self.send_client(0, true, answer),
            Action::Challenge(challenge) => {
                self.challenge(challenge);
                Ok(())
            }
            Action::Verify(verify) => self.verify(verify),
            Action::Change(request) => {
                self.store(request);
                Ok(())
            }
            Action::Invalid => self.tell("Password change failed or unavailable."),
        }
    }

    fn challenge(&mut self, challenge: Challenge) {
        let accounts = self.shared.accounts.clone();
        let name = self.who.name.clone();
        self.work = Some(Box::pin(async move {
            let result = async {
                let account = accounts.get(&name).await?.ok_or(ChangeError::Gone)?;
                let verifier = blocking::password_verifier(&account.password, &name).await?;
                let (handshake, b) =
                    blocking::server_start(&name, &verifier, challenge.a()).await?;
                Ok((handshake, b, verifier))
            };
            let result = result.await;
            Done::Challenged(challenge, result)
        }));
    }

    fn verify(&mut self, verify: Verify) -> Result<(), End> {
        let right = self.handshake.take().is_some_and(|h| h.verify(verify.m()));
        if !right {
            tracing::info!(player = self.who.name, "a password change was denied: wrong password");
        }
        let answer =
            if right { verify.accept(&mut self.sudo) } else { verify.wrong(&mut self.sudo) };
        self.send_client(0, true, answer)
    }

    fn store(&mut self, request: FirstSrp) {
        let accounts = self.shared.accounts.clone();
        let name = self.who.name.clone();
        let allow_empty = self.shared.network.load().proxy.password_policy.allow_empty;
        self.work = Some(Box::pin(async move {
            let result = async {
                let verifier = Verifier::new(request.salt, request.verifier)?;
                let empty =
                    request.empty || blocking::matches_password(&verifier, &name, b"").await?;
                if empty && !allow_empty {
                    return Err(ChangeError::Empty);
                }
                accounts.set_password(&name, &Password::Srp(verifier)).await?;
                Ok(())
            };
            Done::Changed(result.await)
        }));
    }

    /// A step was worked out.
    pub(super) fn worked(&mut self, done: Done) -> Result<(), End> {
        self.work = None;
        match done {
            Done::Challenged(challenge, Ok((handshake, b, verifier))) => {
                self.handshake = Some(handshake);
                let answer = challenge.respond(&mut self.sudo, &verifier.salt, &b);
                self.send_client(0, true, answer)
            }
            Done::Challenged(challenge, Err(error)) => {
                tracing::warn!(player = self.who.name, %error, "a password change failed");
                let answer = challenge.refuse(&mut self.sudo);
                self.send_client(0, true, answer)
            }
            Done::Changed(Ok(())) => {
                self.sudo.changed();
                tracing::info!(player = self.who.name, "a password was changed");
                self.tell("Password change successful.")
            }
            Done::Changed(Err(error)) => {
                tracing::warn!(player = self.who.name, %error, "a password change failed");
                let text = match error {
                    ChangeError::Empty => "Changing to an empty password is not allowed.",
                    _ => "Password change failed or unavailable.",
                };
                self.tell(text)
            }
        }
    }
}
