//! One player's visit, from the first message to the last.

mod bridge;
mod command;
mod company;
mod denial;
mod gate;
mod hop;
mod login;
mod losses;
mod media;
mod mods;
mod orders;
mod password;
mod play;
mod pushes;
mod reconnect;
mod spans;
mod traffic;
mod travel;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use mesegate_protocol::client_state::ClientState;
use mesegate_protocol::login::sudo::Sudo;
use mesegate_protocol::objects::ObjectMap;
use mesegate_transport::Link;
use tracing::{Instrument as _, Span};

use crate::mod_api::ModLink;
use crate::shared::Shared;
use company::Company;
use denial::Denial;
use gate::Gate;
use login::{Attempt, Failed, Failure, Login};
use losses::LostLately;
use media::MediaQueue;
use play::{End, Player, Purpose};
use pushes::Pushes;
use spans::SessionId;
use traffic::Traffic;
use travel::Traveller;

/// Serves the peer behind `link` until it is gone.
pub(crate) async fn serve(mut link: Link, shared: Arc<Shared>) {
    let address = link.remote_addr();
    let session = SessionId::new();
    let span = spans::login(session);
    let attempt = Attempt::new(&mut link, &shared).run();
    match attempt.instrument(span.clone()).await {
        Ok(login) => play(link, login, shared, session, span).await,
        Err(Failed { failure: Failure::Gone(reason), name, .. }) => {
            span.record("result", "client_left");
            drop(span);
            tracing::debug!(player = name, %address, reason, "a client left during login");
            shared.metrics.rejected("client_left");
        }
        Err(Failed { failure: Failure::Deny(denial), name, version }) => {
            span.record("result", denial.reason);
            drop(span);
            tracing::info!(
                player = name,
                %address,
                %session,
                reason = denial.reason,
                "a login was refused"
            );
            shared.metrics.rejected(denial.reason);
            denial.deliver(&mut link, version).await;
        }
    }
}

async fn play(link: Link, login: Login, shared: Arc<Shared>, session: SessionId, span: Span) {
    let Login { playing, catalogue, mechanisms, returning, place } = login;
    let visitor = playing.visitor;
    let version = visitor.version;
    tracing::info!(
        player = visitor.name,
        address = %link.remote_addr(),
        %session,
        protocol = version.0,
        client = playing.ready.version(),
        "a player is in the game"
    );
    shared.metrics.sessions_total.with_label_values(&["accepted", ""]).inc();
    span.record("protocol", version.0);
    let began = Instant::now();
    let network = shared.network.load_full();
    let ways = network.ways_in(returning.as_deref());
    let mods = ModLink::new(&visitor.name);
    let mut player = Player {
        ready: playing.ready.encode(),
        state: ClientState::new(&visitor.name),
        who: Traveller { name: visitor.name, version, language: playing.language, catalogue },
        client: link,
        objects: ObjectMap::default(),
        world: None,
        gate: Gate::Waiting(began),
        journey: None,
        media: MediaQueue::default(),
        pushes: Pushes::default(),
        held_chat: Vec::new(),
        mods,
        sudo: Sudo::new(mechanisms),
        handshake: None,
        work: None,
        client_traffic: Traffic::new("client"),
        ticks: 0,
        session,
        login: span,
        moving: None,
        messages: 0,
        ordered: None,
        waiting_moves: VecDeque::new(),
        waiting_lines: VecDeque::new(),
        lost: LostLately::default(),
        command: None,
        place,
        company: Company::of(&shared.attendance),
        shared: Arc::clone(&shared),
    };
    player.set_out(Purpose::Join { returning }, ways);
    let end = player.play().await;
    // Of a login that led nowhere; otherwise it has ended long ago.
    player.login = Span::none();
    let server = player.world.as_ref().map(|world| world.server.clone());
    player.leave_world();
    let leaves = matches!(end, End::Leave(_));
    let returns = match &end {
        End::Leave(_) | End::Reconnect(_) => true,
        End::Deny(denial) => denial.reconnect,
        End::ClientGone(_) => false,
    };
    if returns {
        shared.attendance.expect_back(&player.who.name);
    }
    shared.life.left(&player.who.name, leaves);
    // Who is asked to reconnect may be back before this connection has ended.
    let Player { place, mut client, who, .. } = player;
    drop(place);
    let name = who.name;
    let minutes = began.elapsed().as_secs_f64();
    shared.metrics.session_duration.observe(minutes);
    match end {
        End::ClientGone(reason) => tracing::info!(player = name, reason, "a player left"),
        End::Deny(denial) => {
            tracing::info!(player = name, reason = denial.reason, "a player was sent away");
            denial.deliver(&mut client, version).await;
        }
        End::Leave(reason) => {
            tracing::info!(player = name, reason, "a player is asked to reconnect");
            if let Some(server) = server {
                reconnect::to_where_they_were(&shared, &name, &server).await;
            }
            Denial::leaving(reason, &shared).deliver(&mut client, version).await;
        }
        End::Reconnect(reconnect) => {
            let denial = reconnect.offer(&shared, &name).await;
            denial.deliver(&mut client, version).await;
        }
    }
}
