//! A place in the game: one for a name, over all proxies, while there are any.

use std::time::{Duration, Instant};

use mesegate_protocol::login::DenyCode;
use mesegate_resource::DuplicateLogin;

use super::{Attempt, Failure, admit, keep_driving};
use crate::claims::Unclaimed;
use crate::players::{Place, Taken};
use crate::session::denial::Denial;

/// How long somebody who is sent away for another with the same name may take to leave, and how
/// often it is looked whether they have.
const LEAVING: Duration = Duration::from_secs(2);
const LEAVING_LOOK: Duration = Duration::from_millis(20);

/// How long a login waits for a player of the same name to be gone.
const GOODBYE: Duration = Duration::from_millis(500);

impl Attempt<'_> {
    /// Whether there could be a place, before anything is computed for the client.
    pub(super) async fn vacancy(&mut self) -> Result<(), Failure> {
        let shared = self.shared;
        // A client that has lost its path comes back while its old session is still there.
        let here = shared.players.get(&self.name).is_some();
        if !here && !shared.life.admits(&self.name, Instant::now()) {
            return Err(Denial::leaving("draining", shared).into());
        }
        let network = shared.network.load_full();
        let kick_old = network.proxy.duplicate_login == DuplicateLogin::KickOld;
        let name = self.name.clone();
        let began = Instant::now();
        let checked = async {
            loop {
                match shared.players.check(&name, network.proxy.limits.players) {
                    // Who is there is sent away once the password was right.
                    Err(Taken::Name) if kick_old => return Ok(()),
                    // Who leaves and returns at once can be faster than their own goodbye.
                    Err(Taken::Name) if began.elapsed() < GOODBYE => {
                        tokio::time::sleep(LEAVING_LOOK).await;
                    }
                    checked => return checked,
                }
            }
        };
        keep_driving(self.link, checked).await.map_err(|taken| self.taken(taken).into())
    }

    pub(super) fn taken(&self, taken: Taken) -> Denial {
        match taken {
            Taken::Name => Denial::code(
                "already_connected",
                DenyCode::AlreadyConnected,
                "A player of this name is in the game. If that was you, wait half a minute.",
            ),
            Taken::Full => {
                let text = self.shared.network.load().proxy.messages.full.clone();
                Denial::code("full", DenyCode::TooManyUsers, text).with_reconnect()
            }
        }
    }

    /// Takes the name, on this proxy and then over all of them.
    pub(super) async fn place(&mut self) -> Result<Place, Failure> {
        let shared = self.shared;
        let network = shared.network.load_full();
        let address = self.link.remote_addr().ip();
        let (name, version) = (self.name.clone(), self.version.0);
        let limit = self.places_for_them(&network);
        let enter = || shared.players.enter(&name, address, version, limit);
        let kick_old = network.proxy.duplicate_login == DuplicateLogin::KickOld;
        let place = match enter() {
            Err(Taken::Name) if kick_old => {
                shared.players.send_away(&name);
                let entered = async {
                    loop {
                        tokio::time::sleep(LEAVING_LOOK).await;
                        match enter() {
                            Err(Taken::Name) => {}
                            entered => return entered,
                        }
                    }
                };
                let entered = tokio::time::timeout(LEAVING, entered);
                keep_driving(self.link, entered).await.unwrap_or(Err(Taken::Name))
            }
            entered => entered,
        };
        let mut place = place.map_err(|t| self.taken(t))?;
        admit::not_too_many(shared, &network.proxy.admission, address)?;
        let claim = shared.claims.take(&name, &network.proxy);
        match keep_driving(self.link, claim).await {
            Ok(claim) => place.hold(claim),
            Err(Unclaimed::Held(proxy)) => {
                tracing::debug!(player = name, proxy, "the name is in the game elsewhere");
                return Err(self.taken(Taken::Name).into());
            }
            Err(Unclaimed::Undecided) => {
                let text = "Nobody can tell at the moment whether your name is in the game. \
                            Try again in a moment.";
                let denial = Denial::code("no_control", DenyCode::ServerFail, text);
                return Err(denial.with_reconnect().into());
            }
        }
        Ok(place)
    }
}
