//! TokenReviews and SubjectAccessReviews.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use kube::core::ClusterResourceScope;
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::cache::Cache;

/// The API group of everything that is asked about.
const GROUP: &str = "mesegate.dev";

/// How long a good answer counts: so long a right that was taken away still works.
const GOOD: Duration = Duration::from_secs(30);

/// How long a bad answer counts: so long a right that was given does not work yet.
const BAD: Duration = Duration::from_secs(5);

/// Answers of each sort that are remembered.
const MOST: usize = 4096;

/// Questions to the API server at a time.
const AT_A_TIME: usize = 16;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of a token. Those of ServiceAccounts have about a thousand.
const LONGEST: usize = 16 * 1024;

/// Why somebody is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// The cluster does not know the token, or it is for somebody else's ears.
    #[error("the token is not accepted: {0}")]
    Refused(String),
    /// The cluster did not answer.
    #[error("the API server could not be asked: {0}")]
    Unavailable(String),
}

/// Somebody whom the cluster knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct User {
    /// The name, such as `system:serviceaccount:games:proxy`.
    pub name: String,
    /// What tells it from others that have had this name.
    pub uid: String,
    /// Groups it is in.
    pub groups: Vec<String>,
    /// What else the cluster knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl From<UserInfo> for User {
    fn from(info: UserInfo) -> Self {
        Self {
            name: info.username.unwrap_or_default(),
            uid: info.uid.unwrap_or_default(),
            groups: info.groups.unwrap_or_default(),
            extra: info.extra.unwrap_or_default(),
        }
    }
}

/// SHA-256 of a token and what it has to be for: tokens themselves are not kept.
type Fingerprint = [u8; 32];

/// Who wants to do what: user, verb, resource, subresource, namespace.
type Question = (User, [String; 4]);

/// Asks the API server who somebody is and what they may do, and remembers its answers for a
/// while: good ones for 30 s, bad ones for 5 s.
#[derive(Debug)]
pub struct Reviews {
    tokens: Asked<TokenReview>,
    access: Asked<SubjectAccessReview>,
    /// Bad answers are apart from the good ones, so that no number of them drives those out.
    known: Cache<Fingerprint, Arc<User>>,
    unknown: Cache<Fingerprint, String>,
    yes: Cache<Question, ()>,
    no: Cache<Question, ()>,
}

impl Reviews {
    /// Asks through `client`.
    pub fn new(client: &Client) -> Self {
        let places = Arc::new(Semaphore::new(AT_A_TIME));
        Self {
            tokens: Asked { api: Api::all(client.clone()), places: Arc::clone(&places) },
            access: Asked { api: Api::all(client.clone()), places },
            known: Cache::new(GOOD, MOST),
            unknown: Cache::new(BAD, MOST),
            yes: Cache::new(GOOD, MOST),
            no: Cache::new(BAD, MOST),
        }
    }

    /// Whose `token` it is. It has to be meant for `audience`.
    ///
    /// # Errors
    /// [`ReviewError::Refused`] if it is nobody's, [`ReviewError::Unavailable`] if the API server
    /// cannot be asked.
    pub async fn authenticate(
        &self,
        token: &str,
        audience: &str,
    ) -> Result<Arc<User>, ReviewError> {
        if token.is_empty() || token.len() > LONGEST {
            return Err(ReviewError::Refused(format!("it has to have 1 to {LONGEST} bytes")));
        }
        let key = Sha256::new_with_prefix((audience.len() as u64).to_be_bytes())
            .chain_update(audience)
            .chain_update(token)
            .finalize()
            .into();
        if let Some(user) = self.known.get(&key) {
            return Ok(user);
        }
        if let Some(why) = self.unknown.get(&key) {
            return Err(ReviewError::Refused(why));
        }
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: Some(vec![audience.to_owned()]),
            },
            ..TokenReview::default()
        };
        let status = self.tokens.ask(&review).await?.status.unwrap_or_default();
        // An authenticator that knows nothing of audiences leaves them out, and would accept a
        // token that is meant for the API server alone (as the field's description in
        // authentication.k8s.io/v1 warns).
        let meant = status.audiences.iter().flatten().any(|it| it == audience);
        match status.user {
            Some(user) if status.authenticated == Some(true) && meant => {
                let user = Arc::new(User::from(user));
                self.known.put(key, Arc::clone(&user));
                Ok(user)
            }
            _ => {
                let why = status.error.filter(|it| !it.is_empty());
                let mut why = why.unwrap_or_else(|| format!("it is not one for {audience}"));
                why.truncate(why.floor_char_boundary(300));
                self.unknown.put(key, why.clone());
                Err(ReviewError::Refused(why))
            }
        }
    }

    /// Whether `user` may do `verb` to `resource` of the group `mesegate.dev` in `namespace`. An
    /// empty `subresource` is none.
    ///
    /// # Errors
    /// [`ReviewError::Unavailable`] if the API server cannot be asked.
    pub async fn allowed(
        &self,
        user: &User,
        verb: &str,
        resource: &str,
        subresource: &str,
        namespace: &str,
    ) -> Result<bool, ReviewError> {
        let question = (user.clone(), [verb, resource, subresource, namespace].map(str::to_owned));
        if self.yes.get(&question).is_some() {
            return Ok(true);
        }
        if self.no.get(&question).is_some() {
            return Ok(false);
        }
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: some(&user.name),
                uid: some(&user.uid),
                groups: Some(user.groups.clone()),
                extra: Some(user.extra.clone()),
                resource_attributes: Some(ResourceAttributes {
                    group: some(GROUP),
                    verb: some(verb),
                    resource: some(resource),
                    subresource: some(subresource),
                    namespace: some(namespace),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let allowed = self.access.ask(&review).await?.status.is_some_and(|it| it.allowed);
        let answers = if allowed { &self.yes } else { &self.no };
        answers.put(question, ());
        Ok(allowed)
    }
}

/// Questions of one kind.
#[derive(Debug)]
struct Asked<K> {
    api: Api<K>,
    places: Arc<Semaphore>,
}

impl<K> Asked<K>
where
    K: Resource<Scope = ClusterResourceScope, DynamicType = ()> + Serialize + DeserializeOwned,
    K: Clone + std::fmt::Debug,
{
    async fn ask(&self, review: &K) -> Result<K, ReviewError> {
        let unavailable = |text: String| ReviewError::Unavailable(text);
        let asked = async {
            let _place = self.places.acquire().await.map_err(|it| unavailable(it.to_string()))?;
            let params = PostParams::default();
            self.api.create(&params, review).await.map_err(|it| unavailable(it.to_string()))
        };
        let late = |_| unavailable(format!("no answer in {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, asked).await.map_err(late)?
    }
}
