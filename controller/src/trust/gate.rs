//! Who may open a control stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mesegate_admin::{Failure, ProxyTokens};
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::reviews::{ReviewError, Reviews};
use crate::clock::unix_now;

/// What tokens of proxies have to be made for.
pub const AUDIENCE: &str = "mesegate-control";

/// Who may open a control stream. Cloning shares it.
#[derive(Clone)]
pub enum Gate {
    /// Whoever can connect: for addresses that only this machine reaches.
    Open,
    /// Who shows a certificate or a token.
    Guarded(Arc<Guard>),
}

/// Who knows the tokens of proxies.
enum Keeper {
    /// The API server: they are those of ServiceAccounts that may `connect` to `proxies`.
    Cluster { reviews: Arc<Reviews>, namespace: String },
    /// A file.
    File(Arc<ProxyTokens>),
}

/// How a stream is let in.
pub struct Guard {
    keeper: Keeper,
    /// When a refusal was last logged, in Unix seconds.
    told: AtomicU64,
}

impl Gate {
    /// Lets in who has a certificate of the authorities that the listener believes, or a token of
    /// a ServiceAccount that may `connect` to `proxies` in `namespace`.
    pub fn guarded(reviews: Arc<Reviews>, namespace: String) -> Self {
        Self::by(Keeper::Cluster { reviews, namespace })
    }

    /// Lets in who has a certificate of the authorities that the listener believes, or a token
    /// that the file says is a proxy's. No API server is asked.
    pub fn listed(tokens: Arc<ProxyTokens>) -> Self {
        Self::by(Keeper::File(tokens))
    }

    fn by(keeper: Keeper) -> Self {
        Self::Guarded(Arc::new(Guard { keeper, told: AtomicU64::new(0) }))
    }

    /// Who opens a stream, as logs call it. `names` are those in its verified certificate.
    ///
    /// # Errors
    /// UNAUTHENTICATED, PERMISSION_DENIED, or UNAVAILABLE if the API server cannot be asked.
    pub async fn admit(&self, metadata: &MetadataMap, names: &[String]) -> Result<String, Status> {
        match self {
            Self::Open => Ok("local".to_owned()),
            Self::Guarded(guard) => {
                let admitted = guard.admit(metadata, names).await;
                if let Err(status) = &admitted {
                    guard.tell(status);
                }
                admitted
            }
        }
    }
}

impl Guard {
    async fn admit(&self, metadata: &MetadataMap, names: &[String]) -> Result<String, Status> {
        let Some(header) = metadata.get("authorization") else {
            let text = match self.keeper {
                Keeper::Cluster { .. } => {
                    "show a client certificate, or the token of a ServiceAccount"
                }
                Keeper::File(_) => "show a client certificate or a token",
            };
            return names.first().cloned().ok_or_else(|| Status::unauthenticated(text));
        };
        let (reviews, namespace) = match &self.keeper {
            Keeper::Cluster { reviews, namespace } => (reviews, namespace),
            Keeper::File(tokens) => {
                return tokens.proxy(metadata, &[]).await.map_err(Failure::status);
            }
        };
        let bearer = header.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let token = bearer
            .ok_or_else(|| Status::unauthenticated("authorization has to be \"Bearer TOKEN\""))?;
        let user = reviews.authenticate(token, AUDIENCE).await.map_err(status)?;
        let allowed = reviews.allowed(&user, "connect", "proxies", "", namespace).await;
        if allowed.map_err(status)? {
            return Ok(user.name.clone());
        }
        Err(Status::permission_denied(format!(
            "{} may not connect proxies.mesegate.dev in {namespace}",
            user.name
        )))
    }

    /// Logs a refusal, not more often than once a second.
    fn tell(&self, status: &Status) {
        let now = unix_now();
        if self.told.swap(now, Ordering::Relaxed) != now {
            tracing::warn!(code = ?status.code(), "a proxy is not let in: {}", status.message());
        }
    }
}

fn status(error: ReviewError) -> Status {
    let text = error.to_string();
    match error {
        ReviewError::Refused(_) => Status::unauthenticated(text),
        ReviewError::Unavailable(_) => Status::unavailable(text),
    }
}
