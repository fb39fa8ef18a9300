//! Who knows callers besides the file of tokens, and decides call by call.

use std::sync::Arc;

use crate::failure::Failure;
use crate::verb::Verb;

/// Knows accounts by their bearer tokens.
#[tonic::async_trait]
pub trait Authority: Send + Sync {
    /// The account of a token. Fails with UNAUTHENTICATED if there is none.
    async fn account(&self, token: &str) -> Result<Account, Failure>;
}

/// Somebody an [`Authority`] knows.
#[derive(Clone)]
pub struct Account {
    /// What audit records call them.
    pub name: String,
    /// What they may.
    pub permissions: Arc<dyn Permissions>,
}

/// What an account may.
#[tonic::async_trait]
pub trait Permissions: Send + Sync {
    /// Whether it may make a call.
    async fn allows(&self, verb: Verb) -> Result<bool, Failure>;

    /// Whether addresses of players and servers are shown to it.
    async fn sees_addresses(&self) -> Result<bool, Failure>;
}
