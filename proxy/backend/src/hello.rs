//! The first exchange: INIT, again and again, until the server answers.

use std::net::SocketAddr;
use std::time::Duration;

use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::login::Step as Outcome;
use mesegate_protocol::login::client::{AwaitHello, Greeted};
use tokio::time::Instant;

use crate::talk::Talk;
use crate::{Dial, EnterError, Step};

/// INIT is unreliable and is repeated until the server answers. At first quickly: a server up to
/// 5.8 loses one that arrives in the same turn of its main loop (0.09 s) in which it creates the
/// peer, and others can be lost on the way.
const FIRST_REPEAT: Duration = Duration::from_millis(150);
const LAST_REPEAT: Duration = Duration::from_secs(1);
/// The first INIT waits for the server's first sign of life, so that it carries the peer id, but
/// not for longer than the engine client waits (`client/client.cpp`).
const FIRST_INIT: Duration = Duration::from_millis(100);
/// That the host said the port is closed may be a leftover of the moment before the server opened
/// it, if it said so only once.
const REFUSALS: u64 = 2;
/// Patience with an address while the name has others left to try.
const FIRST_ADDRESSES: Duration = Duration::from_secs(2);

/// Asks a server for the newest protocol version it speaks, up to the dial's `max_version`, and
/// leaves. The server notices no player: the name only has to be one that it would let in, and
/// credentials are not used.
pub async fn hello(dial: &Dial) -> Result<ProtocolVersion, EnterError> {
    let (_talk, greeted) = greet(dial, Instant::now() + dial.deadline).await?;
    Ok(greeted.version())
}

/// Connects to the first of the server's addresses that answers, up to its HELLO.
pub(crate) async fn greet(dial: &Dial, deadline: Instant) -> Result<(Talk, Greeted), EnterError> {
    let addresses = dial.address.resolve(deadline).await?;
    let last = addresses.len() - 1;
    let mut failure = None;
    for (i, address) in addresses.into_iter().enumerate() {
        let patience =
            if i == last { deadline } else { deadline.min(Instant::now() + FIRST_ADDRESSES) };
        match greet_at(dial, address, deadline, patience).await {
            // A name may have an IPv6 address while the server listens on IPv4 only.
            Err(error @ (EnterError::Unreachable { .. } | EnterError::Socket(_))) => {
                failure = Some(error);
            }
            result => return result,
        }
    }
    Err(failure.unwrap_or(EnterError::Timeout { step: Step::Resolve }))
}

async fn greet_at(
    dial: &Dial,
    address: SocketAddr,
    deadline: Instant,
    patience: Instant,
) -> Result<(Talk, Greeted), EnterError> {
    let (mut state, init) = AwaitHello::new(&dial.name, dial.max_version);
    let config = dial.transport.clone();
    let mut talk = Talk::connect(address, config, dial.max_version, deadline).await?;
    let mut due = Instant::now() + FIRST_INIT;
    let mut pause = FIRST_REPEAT;
    let mut asked = false;
    loop {
        let now = Instant::now();
        if now >= due || (!asked && talk.link().stats().datagrams_in > 0) {
            talk.send(init.clone())?;
            asked = true;
            due = now + pause;
            pause = (pause * 2).min(LAST_REPEAT);
        }
        let received = talk.look_until(due.min(patience)).await;
        let stats = talk.link().stats();
        let silent = stats.datagrams_in == 0;
        let refused = silent && stats.refused >= REFUSALS;
        let message = match received {
            _ if refused => return Err(EnterError::Unreachable { address, refused }),
            Err(EnterError::Timeout { .. } | EnterError::Closed(_)) if silent => {
                return Err(EnterError::Unreachable { address, refused });
            }
            Ok(None) if silent && Instant::now() >= patience => {
                return Err(EnterError::Unreachable { address, refused });
            }
            received => received?,
        };
        let Some(message) = message else {
            continue;
        };
        state = match state.on_message(&message.data).map_err(|end| talk.ended(end))? {
            Outcome::Next(greeted) => return Ok((talk, greeted)),
            Outcome::Stay(state) => state,
            Outcome::PassOn(state) => {
                talk.keep(message)?;
                state
            }
        };
    }
}
