//! Whose name it is: the password is proved, or an account is made.

use std::time::Instant;

use bytes::Bytes;
use mesegate_auth::srp::{Verifier, blocking};
use mesegate_auth::{Account, AccountError, Password};
use mesegate_protocol::login::server::{
    AwaitA, AwaitFirstSrp, AwaitInit2, AwaitProof, Challenge, Offer,
};
use mesegate_protocol::login::{AuthAccept, DenyCode, Mechanisms};

use super::{Attempt, Failure, keep_driving};
use crate::admission::Who;
use crate::players::Taken;
use crate::session::denial::Denial;
use crate::shared::unix_now;

impl Attempt<'_> {
    /// Checks the password, or makes the account.
    pub(super) async fn authenticate(
        &mut self,
        offer: Offer,
    ) -> Result<(AwaitInit2, Mechanisms), Failure> {
        let began = Instant::now();
        let account = self.shared.accounts.get(&self.name);
        let account = keep_driving(self.link, account).await.map_err(|e| database(&e))?;
        let (method, result) = match account {
            None => ("first_srp", self.register(offer).await),
            Some(account) => {
                let (method, result) = match &account.password {
                    Password::Srp(_) => ("srp", self.prove(offer.srp(), &account).await),
                    Password::Legacy(_) => ("legacy", self.prove(offer.legacy(), &account).await),
                };
                self.privileges = account.privileges;
                (method, result)
            }
        };
        let metrics = &self.shared.metrics;
        let outcome = match &result {
            Ok(_) => "ok",
            Err(Failure::Deny(denial)) => denial.reason,
            Err(Failure::Gone(_)) => "gone",
        };
        metrics.auth_attempts_total.with_label_values(&[method, outcome]).inc();
        if result.is_ok() {
            let taken = began.elapsed().as_secs_f64();
            metrics.auth_duration.with_label_values(&[method]).observe(taken);
            self.shared.accounts.note_login(&self.name, unix_now() as i64);
        }
        result
    }

    async fn register(&mut self, offer: Offer) -> Result<(AwaitInit2, Mechanisms), Failure> {
        if !self.shared.network.load().proxy.admission.may_register(&self.name) {
            let text = "There is no account of this name, and none can be made here. \
                        Have you spelt it right?";
            return Err(Denial::text("registration_closed", text).into());
        }
        let twin = self.shared.accounts.find_case_insensitive(&self.name).await;
        if let Some(twin) = twin.map_err(|e| database(&e))? {
            // As the engine's own handler does (`builtin/game/auth.lua`, on_prejoinplayer).
            return Err(Denial::text(
                "name_differs_in_case",
                format!("There is an account {twin}. Names that differ only in letter case are not allowed."),
            )
            .into());
        }
        let (state, hello) = offer.first_srp();
        self.link.send(0, true, hello)?;
        let registration = self.until(state, AwaitFirstSrp::on_message).await?;
        let request = registration.request().clone();
        let verifier = Verifier::new(request.salt, request.verifier)
            .map_err(|e| unexpected(&format!("the new password cannot be used: {e}")))?;
        if !self.shared.network.load().proxy.password_policy.allow_empty {
            // Clients say whether the password is empty; that is not to be relied on.
            let empty = request.empty
                || blocking::matches_password(&verifier, &self.name, b"")
                    .await
                    .map_err(|e| unexpected(&e.to_string()))?;
            if empty {
                return Err(Denial::code(
                    "empty_password",
                    DenyCode::EmptyPassword,
                    "Empty passwords are not allowed here. Choose one and try again.",
                )
                .into());
            }
        }
        let privileges = mesegate_auth::DEFAULT_PRIVILEGES;
        let password = Password::Srp(verifier);
        self.shared.accounts.create(&self.name, &password, privileges).await.map_err(
            |e| match e {
                AccountError::Exists { .. } => self.taken(Taken::Name),
                other => database(&other),
            },
        )?;
        tracing::info!(player = self.name, "a new account was made");
        let (state, accept) = registration.accept(&AuthAccept::standard());
        self.link.send(0, true, accept)?;
        Ok((state, Mechanisms::SRP))
    }

    async fn prove(
        &mut self,
        (state, hello): (AwaitA, Bytes),
        account: &Account,
    ) -> Result<(AwaitInit2, Mechanisms), Failure> {
        self.link.send(0, true, hello)?;
        let challenge: Challenge = self.until(state, AwaitA::on_message).await?;
        let mechanisms = challenge.based_on().mechanism();
        let broken = |e: mesegate_auth::srp::SrpError| {
            unexpected(&format!("the password proof is broken: {e}"))
        };
        let name = self.name.clone();
        let network = self.shared.network.load_full();
        let admission = &network.proxy.admission;
        let who = Who::new(&name, self.link.remote_addr().ip(), admission);
        let suspect = self.shared.attempts.is_suspect(&who);
        let answer = async {
            let _turn = if suspect { Some(blocking::suspect_turn().await?) } else { None };
            let verifier = blocking::password_verifier(&account.password, &name).await?;
            let (handshake, b) = blocking::server_start(&name, &verifier, challenge.a()).await?;
            Ok((verifier, handshake, b))
        };
        // Arithmetic waits its turn when many log in at once; packets do not.
        let (verifier, handshake, b) = keep_driving(self.link, answer).await.map_err(broken)?;
        let (state, message) = challenge.respond(&verifier.salt, &b);
        self.link.send(0, true, message)?;
        let proof = self.until(state, AwaitProof::on_message).await?;
        if !handshake.verify(proof.m()) {
            tracing::info!(player = self.name, "wrong password");
            self.shared.attempts.failed(who, admission, Instant::now());
            return Err(Denial::code(
                "wrong_password",
                DenyCode::WrongPassword,
                "Wrong password for this name.",
            )
            .into());
        }
        self.shared.attempts.succeeded(&who, Instant::now());
        let (state, accept) =
            proof.accept(&AuthAccept { sudo: mechanisms, ..AuthAccept::standard() });
        self.link.send(0, true, accept)?;
        Ok((state, mechanisms))
    }
}

fn unexpected(text: &str) -> Denial {
    Denial::code("unexpected_data", DenyCode::UnexpectedData, text)
}

pub(super) fn database(error: &AccountError) -> Denial {
    tracing::error!(%error, "the account store failed");
    if error.is_passing() {
        let text = "Accounts cannot be reached at the moment. Those who are in the game are not \
                    affected. Try again in a minute.";
        return Denial::code("accounts_away", DenyCode::ServerFail, text).with_reconnect();
    }
    if matches!(error, AccountError::Password { .. }) {
        let text = "Your account is damaged. Please tell the staff.";
        return Denial::code("account_damaged", DenyCode::ServerFail, text);
    }
    let text = "Accounts cannot be read. Please tell the staff.";
    Denial::code("accounts_failed", DenyCode::ServerFail, text).with_reconnect()
}
