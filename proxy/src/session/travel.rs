//! Getting to a backend: logging in to it and finding out whether the player's client can show
//! it, all while the player is still somewhere else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_backend::{Address, Dial, EnterError, Entered};
use mesegate_content::{AdmitError, Catalogue, ServerState};
use mesegate_protocol::{ProtocolVersion, Translation};
use tracing::Instrument as _;

use super::spans;
use crate::network::{Found, Server};
use crate::selection::{Closed, Route, Seat, Step};
use crate::shared::{Shared, credentials};

/// How long one backend has to let a player in, definitions included.
const DEADLINE: Duration = Duration::from_secs(10);

/// Who travels: what every backend is told, and what the client can show.
#[derive(Clone)]
pub(super) struct Traveller {
    pub(super) name: String,
    pub(super) version: ProtocolVersion,
    pub(super) language: String,
    pub(super) catalogue: Arc<Catalogue>,
}

/// A backend that let the player in and waits for CLIENT_READY.
pub(super) struct Arrival {
    pub(super) server: String,
    pub(super) title: String,
    /// Held for as long as the player is there.
    pub(super) seat: Seat,
    pub(super) entered: Entered,
    pub(super) translation: Arc<Translation>,
}

/// Why a backend was not entered.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The backend or the network between refused.
    #[error("{0}")]
    Enter(#[from] EnterError),
    /// The client does not have what the backend's world is made of.
    #[error("{0}")]
    Content(#[from] AdmitError),
    /// The backend chose another version than the client's.
    #[error("it speaks protocol {backend}, you are connected with {client}")]
    Version {
        /// What the backend answered.
        backend: ProtocolVersion,
        /// What the player's client was told.
        client: ProtocolVersion,
    },
    /// No client can be given what the backend's world is made of.
    #[error("its content cannot be used: {0}")]
    SetAside(String),
    /// The client holds more than was kept account of, so that it cannot be freed of it.
    #[error("your game holds more of this world than can be taken back")]
    Overflow,
    /// It was not even tried.
    #[error("{0}")]
    Closed(#[from] Closed),
    /// There is nowhere to go.
    #[error("no server is left to go to")]
    Nowhere,
}

impl Refusal {
    /// What the player reads: addresses and system errors are for the operator's log.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Enter(
                EnterError::Unreachable { .. }
                | EnterError::Address(_)
                | EnterError::Unresolved { .. }
                | EnterError::Socket(_),
            ) => "no server answers there".to_owned(),
            other => other.to_string(),
        }
    }

    /// True if it could help the player to log in anew.
    pub(super) fn needs_reconnect(&self) -> bool {
        use AdmitError::{Missing, NotIncluded};
        matches!(self, Self::Content(Missing(_) | NotIncluded { .. }) | Self::Overflow)
    }

    /// One name for logs and metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Enter(error) => error.reason(),
            Self::Content(_) => "content_unknown",
            Self::Version { .. } => "version_mismatch",
            Self::SetAside(_) => "content_unusable",
            Self::Overflow => "client_state_overflow",
            Self::Closed(closed) => closed.reason(),
            Self::Nowhere => "nowhere",
        }
    }
}

/// [`travel`], as a span.
async fn attempt(
    shared: &Shared,
    who: &Traveller,
    server: &Server,
    seat: Seat,
) -> Result<Arrival, Refusal> {
    let span = spans::enter(server.name.as_str());
    let result = travel(shared, who, server, seat).instrument(span.clone()).await;
    span.record("result", result.as_ref().err().map_or("ok", Refusal::reason));
    result
}

/// Logs the traveller in to `server`.
async fn travel(
    shared: &Shared,
    who: &Traveller,
    server: &Server,
    seat: Seat,
) -> Result<Arrival, Refusal> {
    let name = server.name.as_str();
    let endpoint = &server.endpoint;
    let address = Address::new(&endpoint.host, endpoint.port);
    let dial = Dial {
        max_version: who.version,
        language: who.language.clone(),
        deadline: DEADLINE,
        // The last visit's goodbye may be lost, or still be on its way.
        retry_already_connected: true,
        transport: Arc::clone(&shared.backend_transport),
        ..Dial::new(address, &who.name, credentials(&shared.key, &who.name, server))
    };
    tokio::time::sleep(shared.departures.rest(name, &who.name, Instant::now())).await;
    let entered = mesegate_backend::enter(&dial).await?;
    if entered.version != who.version {
        return Err(Refusal::Version { backend: entered.version, client: who.version });
    }
    shared.library.report_definitions(name, who.version, &who.language, &entered.definitions);
    let admitted = who.catalogue.admit(name, &entered.definitions);
    let translation = admitted.map_err(|error| match set_aside(shared, name) {
        Some(reason) if matches!(error, AdmitError::NotIncluded { .. }) => {
            Refusal::SetAside(reason)
        }
        _ => error.into(),
    })?;
    let (server, title) = (name.to_owned(), server.title().to_owned());
    Ok(Arrival { server, title, seat, entered, translation })
}

/// Why no client is given a server's content, if that is so.
fn set_aside(shared: &Shared, server: &str) -> Option<String> {
    let statuses = shared.library.server_status();
    let state = statuses.iter().find(|status| status.name == server).map(|status| &status.state);
    if let Some(ServerState::Down { reason: ServerState::UNUSABLE, text, .. }) = state {
        return Some(text.clone());
    }
    let catalogue = shared.library.network_catalogue()?;
    let out = catalogue.why_left_out(server).filter(|out| !out.for_want_of_room)?;
    Some(out.reason.clone())
}

/// A server that was not entered, or a group none of whose servers takes the player.
pub(super) struct Refused {
    pub(super) server: String,
    pub(super) title: String,
    pub(super) refusal: Refusal,
}

/// How a journey ended.
#[derive(Default)]
pub(super) struct Outcome {
    /// Where, if anywhere.
    pub(super) arrival: Option<Arrival>,
    /// What was tried before, in that order.
    pub(super) refused: Vec<Refused>,
}

/// Tries one server of a route after the other, and no further one once `enough` holds of a
/// refusal. Refusals are logged.
pub(super) async fn travel_to_any(
    shared: &Shared,
    who: &Traveller,
    mut route: Route<'_>,
    enough: impl Fn(&Refusal) -> bool,
) -> Outcome {
    let mut outcome = Outcome::default();
    loop {
        let refused = match route.next().await {
            Step::Try(server, seat) => match attempt(shared, who, &server, seat).await {
                Ok(arrival) => {
                    outcome.arrival = Some(arrival);
                    break;
                }
                Err(refusal) => {
                    report(&who.name, &server, &refusal);
                    let (name, title) = (server.name.to_string(), server.title().to_owned());
                    Refused { server: name, title, refusal }
                }
            },
            Step::Closed(target, closed) => {
                let reason = closed.reason();
                tracing::info!(player = who.name, %target, reason, "a player was not let in");
                let name = target.name().to_string();
                let network = shared.network.load();
                let title = network.target(&target).map_or(&*name, Found::title).to_owned();
                Refused { server: name, title, refusal: closed.into() }
            }
            Step::End => break,
        };
        let enough = enough(&refused.refusal);
        outcome.refused.push(refused);
        if enough {
            break;
        }
    }
    outcome
}

/// Tells the operator why a server was not entered.
fn report(player: &str, server: &Server, refusal: &Refusal) {
    tracing::warn!(
        player,
        server = %server.name,
        endpoint = %server.endpoint,
        reason = refusal.reason(),
        "a player could not enter the server: {refusal}"
    );
}
