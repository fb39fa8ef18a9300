//! Letting a player in, up to CLIENT_READY (`network/serverpackethandler.cpp`).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mesegate_auth::srp::{self, Verifier};
use mesegate_protocol::content::{Media, RequestMedia, bunches};
use mesegate_protocol::login::server::{
    AwaitInit, AwaitInit2, AwaitReady, Offer, Outcome, Playing, Violation,
};
use mesegate_protocol::login::{AccessDenied, AuthAccept, DenyCode, Step};
use mesegate_protocol::wire::Writer;
use mesegate_protocol::{split_command, to_client};
use mesegate_transport::{Link, Message};
use tokio::time::Instant;

use super::LoginRule;
use super::state::{Prepared, Shared};
use crate::talk;

/// As the engine's LINGER_TIMEOUT, from the first datagram to INIT2.
const UNTIL_INIT2: Duration = Duration::from_secs(12);

/// From INIT2 to CLIENT_READY; engines set no limit.
const UNTIL_READY: Duration = Duration::from_mins(5);

/// Bytes of media that may wait in the link before more is queued.
const QUEUED: usize = 512 * 1024;

/// Bunches that may wait; further requests are ignored meanwhile.
const BUNCHES: usize = 65_535;

/// Why a login ended.
pub(super) enum Ended {
    /// The player is to be told.
    Denied(AccessDenied),
    /// The connection is gone, or to be given up silently.
    Gone,
}

impl From<Violation> for Ended {
    fn from(violation: Violation) -> Self {
        Self::Denied(violation.denial())
    }
}

fn denied(code: DenyCode) -> Ended {
    Ended::Denied(AccessDenied::new(code))
}

pub(super) fn send(link: &mut Link, data: Bytes) -> Result<(), Ended> {
    link.send(0, true, data).map_err(|_| Ended::Gone)
}

async fn next(link: &mut Link, deadline: Instant) -> Result<Message, Ended> {
    talk::next(link, deadline).await.map_err(|_| Ended::Gone)
}

/// Feeds messages to a state until it is left.
async fn advance<S, N>(
    link: &mut Link,
    mut state: S,
    deadline: Instant,
    on_message: impl Fn(S, &[u8]) -> Outcome<S, N>,
) -> Result<N, Ended> {
    loop {
        let message = next(link, deadline).await?;
        state = match on_message(state, &message.data)? {
            Step::Next(next) => return Ok(next),
            Step::Stay(state) | Step::PassOn(state) => state,
        };
    }
}

pub(super) async fn let_in(
    link: &mut Link,
    shared: &Shared,
) -> Result<(Playing, Arc<Prepared>), Ended> {
    let deadline = Instant::now() + UNTIL_INIT2;
    let ceiling = shared.options.max_version;
    let offer = advance(link, AwaitInit::new(ceiling), deadline, AwaitInit::on_message).await?;
    check(&offer, shared)?;
    let authenticated = authenticate(link, offer, shared, deadline).await?;
    link.lift_limits();
    let state = advance(link, authenticated, deadline, AwaitInit2::on_message).await?;
    let version = state.visitor().version;
    // The file could not be encoded: nothing a client can be told.
    let prepared = shared.prepared(version).map_err(|_| denied(DenyCode::ServerFail))?;
    if shared.rule() != LoginRule::NoDefinitions {
        define(link, &prepared)?;
    }
    let playing = serve_media(link, state, &prepared).await?;
    Ok((playing, prepared))
}

fn check(offer: &Offer, shared: &Shared) -> Result<(), Ended> {
    let visitor = offer.visitor();
    let recorded = shared.options.world.recorded_version();
    let exact = shared.options.strict_version || recorded.is_some();
    if exact && visitor.version != shared.options.max_version {
        return Err(denied(DenyCode::WrongVersion));
    }
    if shared.is_playing(&visitor.name) {
        return Err(denied(DenyCode::AlreadyConnected));
    }
    match shared.rule() {
        LoginRule::Full => Err(denied(DenyCode::TooManyUsers)),
        LoginRule::Deny(text) => Err(Ended::Denied(AccessDenied {
            code: DenyCode::CustomString,
            text,
            reconnect: false,
        })),
        LoginRule::Silent => Err(Ended::Gone),
        LoginRule::Accept
        | LoginRule::NoDefinitions
        | LoginRule::LeaveAtReady
        | LoginRule::SilentAtReady => Ok(()),
    }
}

async fn authenticate(
    link: &mut Link,
    offer: Offer,
    shared: &Shared,
    deadline: Instant,
) -> Result<AwaitInit2, Ended> {
    let name = offer.visitor().name.clone();
    let Some(verifier) = shared.account(&name) else {
        let (state, hello) = offer.first_srp();
        send(link, hello)?;
        let registration =
            advance(link, state, deadline, |state, message| state.on_message(message)).await?;
        let request = registration.request();
        let verifier = Verifier::new(request.salt.clone(), request.verifier.clone())
            .map_err(|_| denied(DenyCode::UnexpectedData))?;
        if !shared.register(&name, verifier) {
            return Err(denied(DenyCode::AlreadyConnected));
        }
        let (state, accept) = registration.accept(&AuthAccept::standard());
        send(link, accept)?;
        return Ok(state);
    };
    let (state, hello) = offer.srp();
    send(link, hello)?;
    let challenge =
        advance(link, state, deadline, |state, message| state.on_message(message)).await?;
    let (handshake, b) = srp::blocking::server_start(&name, &verifier, challenge.a())
        .await
        .map_err(|_| denied(DenyCode::UnexpectedData))?;
    let (state, message) = challenge.respond(&verifier.salt, &b);
    send(link, message)?;
    let proof = advance(link, state, deadline, |state, message| state.on_message(message)).await?;
    if !handshake.verify(proof.m()) {
        return Err(proof.wrong().into());
    }
    let (state, accept) = proof.accept(&AuthAccept::standard());
    send(link, accept)?;
    Ok(state)
}

/// Everything between INIT2 and REQUEST_MEDIA, in the engine's order.
fn define(link: &mut Link, prepared: &Prepared) -> Result<(), Ended> {
    let definitions = &prepared.definitions;
    send(link, definitions.item_def.clone())?;
    send(link, definitions.node_def.clone())?;
    send(link, definitions.announce.clone())?;
    let mut movement = Writer::command(to_client::MOVEMENT);
    for value in [3.0, 2.0, 10.0, 4.0, 1.35, 20.0, 3.0, 6.5, 1.0, 0.5, 10.0, 9.81] {
        movement.f32(value);
    }
    send(link, movement.finish())?;
    send(link, super::session::time_of_day(6000))?;
    let mut restrictions = Writer::command(to_client::CSM_RESTRICTION_FLAGS);
    restrictions.u64(0x3e).u32(0);
    send(link, restrictions.finish())
}

/// Sends what is requested, in bunches and no faster than it leaves, until CLIENT_READY.
async fn serve_media(
    link: &mut Link,
    mut state: AwaitReady,
    prepared: &Prepared,
) -> Result<Playing, Ended> {
    let deadline = Instant::now() + UNTIL_READY;
    let mut waiting: VecDeque<Media> = VecDeque::new();
    loop {
        while link.queued_bytes() < QUEUED {
            let Some(bunch) = waiting.pop_front() else { break };
            link.send(2, true, bunch.encode()).map_err(|_| Ended::Gone)?;
        }
        link.flush();
        let Some(message) = link.recv() else {
            if link.closed().is_some() {
                return Err(Ended::Gone);
            }
            tokio::time::timeout_at(deadline, link.drive()).await.map_err(|_| Ended::Gone)?;
            continue;
        };
        state = match state.on_message(&message.data)? {
            Step::Next(playing) => return Ok(playing),
            Step::Stay(state) => state,
            Step::PassOn(state) => {
                if let Some((_, body)) = split_command(&message.data)
                    && let Ok(request) = RequestMedia::decode(body)
                    && waiting.len() < BUNCHES
                {
                    waiting.extend(cut(&request, prepared));
                }
                state
            }
        };
    }
}

/// The answer to one request.
fn cut(request: &RequestMedia, prepared: &Prepared) -> Vec<Media> {
    let files: Vec<_> = request.names.iter().filter_map(|name| prepared.frames.get(name)).collect();
    let ranges = bunches(files.iter().map(|file| file.data.len()));
    let count = ranges.len() as u16;
    let bunch = |(index, range): (usize, Range<usize>)| Media {
        bunches: count,
        index: index as u16,
        files: files[range].iter().map(|file| (*file).clone()).collect(),
    };
    ranges.into_iter().enumerate().map(bunch).collect()
}
