//! Accounts of the cluster as callers.

use std::sync::Arc;

use mesegate_admin::{Account, Authority, Failure, Permissions, Verb};
use mesegate_proto::admin::v1::FailureReason as Reason;

use crate::trust::{ReviewError, Reviews, User};

/// What tokens have to be for.
const AUDIENCE: &str = "mesegate";

/// Accounts that the API server knows, with the rights that it gives them in a namespace.
pub struct Accounts {
    /// What the API server says.
    pub reviews: Arc<Reviews>,
    /// The namespace.
    pub namespace: String,
}

#[tonic::async_trait]
impl Authority for Accounts {
    async fn account(&self, token: &str) -> Result<Account, Failure> {
        let user = self.reviews.authenticate(token, AUDIENCE).await.map_err(failed)?;
        let (reviews, namespace) = (Arc::clone(&self.reviews), self.namespace.clone());
        let name = user.name.clone();
        Ok(Account { name, permissions: Arc::new(Rights { reviews, namespace, user }) })
    }
}

struct Rights {
    reviews: Arc<Reviews>,
    namespace: String,
    user: Arc<User>,
}

impl Rights {
    async fn ask(&self, verb: &str, resource: &str, subresource: &str) -> Result<bool, Failure> {
        let Self { reviews, namespace, user } = self;
        reviews.allowed(user, verb, resource, subresource, namespace).await.map_err(failed)
    }
}

#[tonic::async_trait]
impl Permissions for Rights {
    async fn allows(&self, verb: Verb) -> Result<bool, Failure> {
        self.ask(verb.verb, verb.resource, verb.subresource).await
    }

    async fn sees_addresses(&self) -> Result<bool, Failure> {
        self.ask("get", "players", "addresses").await
    }
}

fn failed(error: ReviewError) -> Failure {
    let reason = match &error {
        ReviewError::Refused(_) => Reason::Unauthenticated,
        ReviewError::Unavailable(_) => Reason::Store,
    };
    Failure::new(reason, error.to_string())
}
