//! The same operations for async callers.
//!
//! Each runs on the runtime's blocking threads, and no more of them at once than three quarters of
//! the processors: a crowd of logins (or a flood of made-up ones) then queues here instead of
//! starting hundreds of threads that starve everything else.

use std::sync::OnceLock;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{ClientHandshake, PROOF_LEN, ServerHandshake, SrpError, Verifier};

fn turns() -> &'static Semaphore {
    static TURNS: OnceLock<Semaphore> = OnceLock::new();
    TURNS.get_or_init(|| {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Semaphore::new((processors * 3 / 4).max(1))
    })
}

/// Waits until no other suspect's arithmetic is due. Whoever has sent wrong passwords holds this
/// while they have something computed: all of them together then have one place in the queue, and
/// others need not wait behind them.
///
/// # Errors
/// [`SrpError::Interrupted`] at the end of the process.
pub async fn suspect_turn() -> Result<SemaphorePermit<'static>, SrpError> {
    static SUSPECTS: Semaphore = Semaphore::const_new(1);
    SUSPECTS.acquire().await.map_err(|_| SrpError::Interrupted)
}

async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, SrpError> {
    let turn = turns().acquire().await.map_err(|_| SrpError::Interrupted)?;
    tokio::task::spawn_blocking(move || {
        // Held by the work itself: a caller that gives up does not stop the arithmetic.
        let _turn = turn;
        work()
    })
    .await
    .map_err(|_| SrpError::Interrupted)
}

/// [`Verifier::from_password`].
pub async fn verifier(name: &str, password: &[u8]) -> Result<Verifier, SrpError> {
    let (name, password) = (name.to_owned(), password.to_vec());
    run(move || Verifier::from_password(&name, &password)).await
}

/// [`Verifier::matches_password`].
pub async fn matches_password(
    verifier: &Verifier,
    name: &str,
    password: &[u8],
) -> Result<bool, SrpError> {
    let (verifier, name, password) = (verifier.clone(), name.to_owned(), password.to_vec());
    run(move || verifier.matches_password(&name, &password)).await
}

/// [`ClientHandshake::start`].
pub async fn client_start(
    name: &str,
    password: &[u8],
) -> Result<(ClientHandshake, Vec<u8>), SrpError> {
    let (name, password) = (name.to_owned(), password.to_vec());
    run(move || ClientHandshake::start(&name, &password)).await
}

/// [`ClientHandshake::respond`].
pub async fn client_respond(
    handshake: ClientHandshake,
    salt: &[u8],
    b_pub: &[u8],
) -> Result<[u8; PROOF_LEN], SrpError> {
    let (salt, b_pub) = (salt.to_vec(), b_pub.to_vec());
    run(move || handshake.respond(&salt, &b_pub)).await?
}

/// [`ServerHandshake::start`].
pub async fn server_start(
    name: &str,
    verifier: &Verifier,
    a_pub: &[u8],
) -> Result<(ServerHandshake, Vec<u8>), SrpError> {
    let (name, verifier, a_pub) = (name.to_owned(), verifier.clone(), a_pub.to_vec());
    run(move || ServerHandshake::start(&name, &verifier, &a_pub)).await?
}

/// [`crate::Password::verifier`]: what to check a login against, computed for legacy accounts.
pub async fn password_verifier(
    password: &crate::Password,
    name: &str,
) -> Result<Verifier, SrpError> {
    match password {
        crate::Password::Srp(verifier) => Ok(verifier.clone()),
        crate::Password::Legacy(hash) => self::verifier(name, hash.as_bytes()).await,
    }
}
