//! Who may use the interface: bearer tokens and client certificates, from a file.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use mesegate_proto::admin::v1::FailureReason as Reason;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tonic::metadata::MetadataMap;

use crate::authority::{Account, Authority, Permissions};
use crate::failure::Failure;
use crate::files;
use crate::verb::{Role, Verb};

/// Entries of a file.
const MOST: usize = 1000;

/// Characters of a token: fewer can be guessed.
const SHORTEST: usize = 16;

/// Why a file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// It cannot be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It does not say what it should.
    #[error("{path}: {text}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        text: String,
    },
}

/// Somebody who makes a call.
#[derive(Clone)]
pub(crate) struct Actor {
    /// What audit records call them.
    pub(crate) name: String,
    pub(crate) rights: Rights,
}

/// What somebody may.
#[derive(Clone)]
pub(crate) enum Rights {
    /// What the file says.
    Role(Role),
    /// What an [`Authority`] says.
    Account(Arc<dyn Permissions>),
}

impl Actor {
    fn with_role(name: impl Into<String>, role: Role) -> Self {
        Self { name: name.into(), rights: Rights::Role(role) }
    }

    /// Fails if the call is not theirs to make.
    pub(crate) async fn check(&self, verb: Verb) -> Result<(), Failure> {
        let Self { name, rights } = self;
        let text = match rights {
            Rights::Role(role) if *role >= verb.role => return Ok(()),
            Rights::Account(permissions) if permissions.allows(verb).await? => return Ok(()),
            Rights::Role(role) => {
                format!("{name} is {}; {} needs {}", role.as_str(), verb.method, verb.role.as_str())
            }
            Rights::Account(_) => {
                format!("{name} may not {} {} of mesegate.dev", verb.verb, verb.resource())
            }
        };
        Err(Failure::new(Reason::Permission, text))
    }

    /// Whether they are shown addresses.
    pub(crate) async fn sees_addresses(&self) -> Result<bool, Failure> {
        match &self.rights {
            Rights::Role(role) => Ok(*role > Role::Viewer),
            Rights::Account(permissions) => permissions.sees_addresses().await,
        }
    }
}

/// An entry of the file.
#[derive(Debug, Clone)]
struct Known {
    name: String,
    role: Role,
}

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    tokens: Vec<TokenEntry>,
    #[serde(default)]
    certificates: Vec<CertificateEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    name: String,
    role: Role,
    token: Option<String>,
    sha256: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateEntry {
    name: String,
    role: Role,
    san: String,
}

#[derive(Debug, Default)]
struct List {
    /// By the token's SHA-256.
    tokens: Vec<([u8; 32], Known)>,
    /// By a name in the certificate.
    certificates: HashMap<String, Known>,
}

/// Who may use the interface. Without a file and an authority, everybody who can connect may do
/// everything.
pub(crate) struct Access {
    path: Option<PathBuf>,
    list: ArcSwap<List>,
    authority: Option<Arc<dyn Authority>>,
}

impl Access {
    /// Whom the file names, and whom the authority knows.
    pub(crate) fn new(
        path: Option<&Path>,
        authority: Option<Arc<dyn Authority>>,
    ) -> Result<Self, TokensError> {
        let list = path.map(read).transpose()?.unwrap_or_default();
        let path = path.map(Path::to_owned);
        Ok(Self { path, list: ArcSwap::from_pointee(list), authority })
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Reads the file again. A broken one leaves everything as it was.
    pub(crate) fn reload(&self) {
        let Some(path) = &self.path else { return };
        match read(path) {
            Ok(list) => {
                tracing::info!(
                    entries = list.tokens.len() + list.certificates.len(),
                    path = %path.display(),
                    "the tokens were read again"
                );
                self.list.store(Arc::new(list));
            }
            Err(error) => {
                tracing::error!("the edited tokens are refused, the last good ones stay: {error}");
            }
        }
    }

    /// Who makes a call, by its token or else by a name in the connection's certificate.
    pub(crate) async fn actor(
        &self,
        metadata: &MetadataMap,
        certificate: &[String],
    ) -> Result<Actor, Failure> {
        if self.path.is_none() && self.authority.is_none() {
            return Ok(Actor::with_role("local", Role::Admin));
        }
        let unknown = |text: &str| Failure::new(Reason::Unauthenticated, text);
        let list = self.list.load_full();
        if let Some(header) = metadata.get("authorization") {
            let token = header.to_str().ok().and_then(|text| {
                let (scheme, token) = text.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
            });
            let token = token.ok_or_else(|| unknown("authorization must be \"Bearer TOKEN\""))?;
            let digest: [u8; 32] = Sha256::digest(token).into();
            // All are looked at, in a time that does not depend on the token.
            let mut found = None;
            for (other, known) in &list.tokens {
                if bool::from(other.ct_eq(&digest)) {
                    found = Some(known);
                }
            }
            return match (found, &self.authority) {
                (Some(known), _) => Ok(Actor::with_role(&known.name, known.role)),
                (None, Some(authority)) => {
                    let Account { name, permissions } = authority.account(token).await?;
                    Ok(Actor { name, rights: Rights::Account(permissions) })
                }
                (None, None) => Err(unknown("the token is not known")),
            };
        }
        let named = certificate.iter().find_map(|name| list.certificates.get(name));
        named.map(|known| Actor::with_role(&known.name, known.role)).ok_or_else(|| {
            unknown(if certificate.is_empty() {
                "no token was given"
            } else {
                "no token was given, and the certificate is not known"
            })
        })
    }
}

/// A file with the tokens of a controller's proxies: entries with the role `proxy`. The others are
/// those of operators.
pub struct ProxyTokens(Access);

impl ProxyTokens {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn load(path: &Path) -> Result<Self, TokensError> {
        Access::new(Some(path), None).map(Self)
    }

    /// Looks at the file for ever and reads it again when it has changed. A broken one leaves
    /// everything as it was.
    pub async fn follow(&self) {
        files::follow(&self.0, None).await;
    }

    /// Which proxy shows a token, or else a certificate with these names.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` if the file does not have it, `PERMISSION` if it is not a proxy's.
    pub async fn proxy(
        &self,
        metadata: &MetadataMap,
        certificate: &[String],
    ) -> Result<String, Failure> {
        let Actor { name, rights } = self.0.actor(metadata, certificate).await?;
        match rights {
            Rights::Role(Role::Proxy) => Ok(name),
            _ => Err(Failure::new(Reason::Permission, format!("{name} has not the role proxy"))),
        }
    }
}

fn read(path: &Path) -> Result<List, TokensError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| TokensError::Read { path: path.to_owned(), error })?;
    parse(&text).map_err(|text| TokensError::Content { path: path.to_owned(), text })
}

fn parse(text: &str) -> Result<List, String> {
    let document: Document = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    if document.tokens.len() + document.certificates.len() > MOST {
        return Err(format!("at most {MOST} entries"));
    }
    let mut list = List::default();
    let mut seen = HashSet::new();
    for TokenEntry { name, role, token, sha256 } in document.tokens {
        let named = known(name, role)?;
        let name = &named.name;
        let digest: [u8; 32] = match (token, sha256) {
            (Some(token), None) if token.len() < SHORTEST || token.trim() != token => {
                return Err(format!(
                    "token {name:?}: at least {SHORTEST} characters, without blanks around them"
                ));
            }
            (Some(token), None) => Sha256::digest(token).into(),
            (None, Some(hex)) => digest(&hex)
                .ok_or_else(|| format!("token {name:?}: sha256 must be 64 hexadecimal digits"))?,
            _ => return Err(format!("token {name:?}: give either token or sha256")),
        };
        if !seen.insert(digest) {
            return Err(format!("token {name:?}: two entries have the same token"));
        }
        list.tokens.push((digest, named));
    }
    for CertificateEntry { name, role, san } in document.certificates {
        let named = known(name, role)?;
        if list.certificates.contains_key(&san) {
            return Err(format!("two certificates have the name {san:?}"));
        }
        list.certificates.insert(san, named);
    }
    Ok(list)
}

fn known(name: String, role: Role) -> Result<Known, String> {
    let good = |c: char| c.is_ascii_graphic();
    if (1..=64).contains(&name.len()) && name.chars().all(good) {
        return Ok(Known { name, role });
    }
    Err(format!("the name {name:?} must have 1 to 64 visible ASCII characters"))
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "tokens:\n\
        - { name: ops, role: admin, token: 0123456789abcdef }\n\
        - { name: board, role: viewer, \
            sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 }\n\
        certificates:\n\
        - { name: bot, role: moderator, san: bot.example.org }\n";

    fn access(text: &str) -> Access {
        let list = ArcSwap::from_pointee(parse(text).unwrap());
        Access { path: Some("x".into()), list, authority: None }
    }

    fn bearer(value: &str) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        metadata.insert("authorization", value.parse().unwrap());
        metadata
    }

    #[tokio::test]
    async fn tokens_and_certificates_have_their_roles() {
        let access = access(FILE);
        let who = async |metadata: &MetadataMap, san: &[&str]| {
            let names: Vec<String> = san.iter().map(|s| (*s).to_owned()).collect();
            access.actor(metadata, &names).await.map(|it| match it.rights {
                Rights::Role(role) => (it.name, role),
                Rights::Account(_) => panic!(),
            })
        };
        let found = |name: &str, role| Ok((name.to_owned(), role));
        let none = MetadataMap::new();
        let ops = bearer("Bearer 0123456789abcdef");
        assert_eq!(who(&ops, &[]).await, found("ops", Role::Admin));
        // The hash is that of "test".
        assert_eq!(who(&bearer("bearer test"), &[]).await, found("board", Role::Viewer));
        let names = ["other", "bot.example.org"];
        assert_eq!(who(&none, &names).await, found("bot", Role::Moderator));
        for (metadata, names) in [
            (none.clone(), &[][..]),
            (none, &["other"][..]),
            (bearer("Bearer 0123456789abcdeF"), &[]),
            (bearer("Bearer "), &[]),
            (bearer("Basic 0123456789abcdef"), &[]),
            // A wrong token is not made good by a certificate.
            (bearer("Bearer wrong"), &["bot.example.org"]),
        ] {
            assert_eq!(who(&metadata, names).await.unwrap_err().reason, Reason::Unauthenticated);
        }
    }

    #[tokio::test]
    async fn proxies_are_no_operators_and_operators_no_proxies() {
        let text = format!("{FILE}- {{ name: edge, role: proxy, san: edge.example.org }}\n");
        let tokens = ProxyTokens(access(&text));
        let none = MetadataMap::new();
        let edge = ["edge.example.org".to_owned()];
        assert_eq!(tokens.proxy(&none, &edge).await, Ok("edge".to_owned()));
        let ops = tokens.proxy(&bearer("Bearer 0123456789abcdef"), &[]).await;
        assert_eq!(ops.unwrap_err().reason, Reason::Permission);
        let nobody = tokens.proxy(&none, &[]).await;
        assert_eq!(nobody.unwrap_err().reason, Reason::Unauthenticated);
        let edge = tokens.0.actor(&none, &edge).await.unwrap();
        for verb in Verb::ALL {
            assert_eq!(edge.check(*verb).await.unwrap_err().reason, Reason::Permission);
        }
    }

    #[test]
    fn broken_files_say_what_is_wrong() {
        for (text, word) in [
            ("tokens:\n- { name: a, role: admin }\n", "either token or sha256"),
            ("tokens:\n- { name: a, role: admin, token: short }\n", "at least 16"),
            ("tokens:\n- { name: a, role: root, token: 0123456789abcdef }\n", "root"),
            ("tokens:\n- { name: a, role: admin, sha256: xyz }\n", "64 hexadecimal"),
            ("tokens:\n- { name: \"a b\", role: admin, token: 0123456789abcdef }\n", "visible"),
            ("users: []\n", "users"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
