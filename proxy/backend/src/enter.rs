use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use mesegate_auth::legacy_hash;
use mesegate_auth::srp::{SrpError, blocking};
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::login::client::{AwaitAccept, Greeted, Method};
use mesegate_protocol::login::{AuthAccept, BasedOn, FirstSrp};
use mesegate_transport::{Link, Message};
use tokio::time::{Instant, sleep};

use crate::hello::greet;
use crate::talk::Talk;
use crate::{Credentials, Dial, EnterError, Step};

/// Waits between attempts while the name is still in use.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(2);

/// What a server told a client to build its world from. Bodies, without commands.
#[derive(Clone, PartialEq, Eq)]
pub struct Definitions {
    /// ITEMDEF.
    pub item_def: Bytes,
    /// NODEDEF.
    pub node_def: Bytes,
    /// ANNOUNCE_MEDIA.
    pub announce: Bytes,
}

impl fmt::Debug for Definitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definitions")
            .field("item_def", &self.item_def.len())
            .field("node_def", &self.node_def.len())
            .field("announce", &self.announce.len())
            .finish()
    }
}

/// A server that waits for CLIENT_READY.
pub struct Entered {
    /// The connection, which now has to be driven by the caller. Messages after the definitions
    /// are still in it.
    pub link: Link,
    /// Protocol version of the connection.
    pub version: ProtocolVersion,
    /// The newest version the server speaks, if that is less than was offered.
    pub server_newest: Option<ProtocolVersion>,
    /// Items, nodes and media.
    pub definitions: Definitions,
    /// Everything else that came so far, in order: broadcasts, inventories, movement settings. For
    /// the player, once CLIENT_READY was sent.
    pub early: Vec<Message>,
    /// What the server said on accepting the login.
    pub auth_accept: AuthAccept,
    /// The login made the account.
    pub registered: bool,
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered")
            .field("remote", &self.link.remote_addr())
            .field("version", &self.version)
            .field("server_newest", &self.server_newest)
            .field("definitions", &self.definitions)
            .field("early", &self.early.len())
            .field("registered", &self.registered)
            .finish_non_exhaustive()
    }
}

/// Logs in to a server and takes its definitions; CLIENT_READY is left to the caller. A name that
/// is new there is registered.
pub async fn enter(dial: &Dial) -> Result<Entered, EnterError> {
    let deadline = Instant::now() + dial.deadline;
    let mut pause = FIRST_RETRY;
    loop {
        let result = attempt(dial, deadline).await;
        let again = dial.retry_already_connected && Instant::now() + pause < deadline;
        match result {
            Err(EnterError::AlreadyConnected) if again => {
                tracing::debug!(server = %dial.address, name = dial.name, "name still in use");
                sleep(pause).await;
                pause = (pause * 2).min(LAST_RETRY);
            }
            result => return result,
        }
    }
}

async fn attempt(dial: &Dial, deadline: Instant) -> Result<Entered, EnterError> {
    let (mut talk, greeted) = greet(dial, deadline).await?;
    let version = greeted.version();
    if version < dial.min_version {
        return Err(EnterError::TooOld { version, needed: dial.min_version });
    }
    talk.begin(Step::Auth);
    let state = authenticate(dial, &mut talk, greeted).await?;
    let accepted = talk.advance(state, |state, message| state.on_message(message)).await?;
    talk.link().lift_limits();
    talk.begin(Step::Definitions);
    let (state, init2) = accepted.enter(&dial.language);
    talk.send(init2)?;
    let entered = talk.advance(state, |state, message| state.on_message(message)).await?;
    let (link, early) = talk.finish();
    Ok(Entered {
        link,
        version,
        server_newest: (version < dial.max_version).then_some(version),
        definitions: Definitions {
            item_def: entered.item_def,
            node_def: entered.node_def,
            announce: entered.announce_media,
        },
        early,
        auth_accept: entered.accept,
        registered: entered.registered,
    })
}

/// Proves or registers the password, up to the message that the server has to judge.
async fn authenticate(
    dial: &Dial,
    talk: &mut Talk,
    greeted: Greeted,
) -> Result<AwaitAccept, EnterError> {
    let password = dial.credentials.password();
    match greeted.choose().map_err(|end| talk.ended(end))? {
        Method::Register(registrant) => {
            let work = blocking::verifier(&dial.name, password.as_bytes());
            let verifier = talk.meanwhile(work).await?.map_err(srp_error)?;
            let (state, message) = registrant.register(&FirstSrp {
                salt: verifier.salt,
                verifier: verifier.verifier,
                empty: dial.credentials == Credentials::Empty || password.is_empty(),
            });
            talk.send(message)?;
            Ok(state)
        }
        Method::Prove(prover) => {
            let secret = match prover.based_on() {
                BasedOn::Password => password.to_owned(),
                BasedOn::LegacyHash => legacy_hash(&dial.name, password),
            };
            let work = blocking::client_start(&dial.name, secret.as_bytes());
            let (handshake, a) = talk.meanwhile(work).await?.map_err(srp_error)?;
            let (state, message) = prover.start(&a);
            talk.send(message)?;
            let answer = talk.advance(state, |state, message| state.on_message(message)).await?;
            let work = blocking::client_respond(handshake, answer.salt(), answer.b());
            let proof = talk.meanwhile(work).await?.map_err(srp_error)?;
            let (state, message) = answer.prove(&proof);
            talk.send(message)?;
            Ok(state)
        }
    }
}

fn srp_error(error: SrpError) -> EnterError {
    match error {
        SrpError::Interrupted => EnterError::Interrupted,
        error => EnterError::Protocol(error.to_string()),
    }
}
