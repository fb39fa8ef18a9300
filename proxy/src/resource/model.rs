//! The documents' fields. Every check that concerns one field is made while that field is read,
//! so that the error carries its line.

use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serialize};

/// The only `apiVersion` there is.
pub const API_VERSION: &str = "mesegate.dev/v1alpha1";

/// A document with its kind already known.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Document<S> {
    /// Read before, kept so that the field is known here.
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub(super) metadata: Metadata,
    pub(super) spec: S,
}

/// The fields that tell what a document is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    pub(super) api_version: String,
    pub(super) kind: String,
}

/// Object metadata as in Kubernetes; only the name has a meaning here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    pub(super) name: Name,
}

/// A name of a server: a DNS label (RFC 1123), because it appears in chat commands, metrics and
/// Kubernetes. 1 to 63 of `a-z`, `0-9` and `-`, starting and ending with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_valid(text: &str) -> bool {
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let bytes = text.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|c| inner(*c))
            && bytes.first() != Some(&b'-')
            && bytes.last() != Some(&b'-')
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if Self::is_valid(&text) {
            return Ok(Self(text));
        }
        Err(D::Error::invalid_value(
            Unexpected::Str(&text),
            &"1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends",
        ))
    }
}

/// `kind: MinetestServer`: one backend.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServerSpec {
    /// Where the server listens.
    pub endpoint: Endpoint,
    /// Where players go, in this order, when the server is lost. At most 8.
    #[serde(default, deserialize_with = "at_most_8")]
    pub fallbacks: Vec<Target>,
    /// How the proxy logs players in to it.
    #[serde(default)]
    pub backend_auth: BackendAuth,
    /// What players read instead of the name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Servers with the same pool have the same content: it is fetched from one of them, and its
    /// name is what renamed things begin with.
    #[serde(default)]
    pub media_pool: Option<Name>,
}

/// A UDP address of a game server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Host name or IP address; resolved for every connection.
    #[serde(deserialize_with = "host")]
    pub host: String,
    /// UDP port, 1 to 65535.
    #[serde(deserialize_with = "port")]
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A place a player can be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Name of a `MinetestServer`.
    pub server: Name,
}

/// How the proxy logs players in to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendAuth {
    /// With a secret derived per player and backend from the key in the data folder.
    #[default]
    Secret,
    /// With the empty password, as networks of the past did. Such a backend must be reachable
    /// for the proxy only.
    Empty,
}

/// `kind: MinetestProxy`: how the proxy treats players.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ProxySpec {
    /// Where players go who log in.
    pub default_target: Target,
    /// Which passwords new accounts may have.
    #[serde(default)]
    pub password_policy: PasswordPolicy,
    /// How much is let in.
    #[serde(default)]
    pub limits: Limits,
    /// What players read.
    #[serde(default)]
    pub messages: Messages,
    /// Chat lines that begin with it are for the proxy and never reach a backend. 1 to 8
    /// characters.
    #[serde(default = "default_prefix", deserialize_with = "prefix")]
    pub command_prefix: String,
}

/// Which passwords new accounts may have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct PasswordPolicy {
    /// Whether an account may have an empty password.
    pub allow_empty: bool,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { allow_empty: true }
    }
}

/// How much is let in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Limits {
    /// Players in the game at once.
    pub players: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { players: 1000 }
    }
}

/// What players read. Texts of at most 500 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Messages {
    /// When the proxy stops.
    #[serde(deserialize_with = "text")]
    pub shutdown: String,
    /// When the proxy is full.
    #[serde(deserialize_with = "text")]
    pub full: String,
    /// When no server can be entered.
    #[serde(deserialize_with = "text")]
    pub unavailable: String,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            shutdown: "The network restarts. Reconnect in a moment.".into(),
            full: "The network is full. Try again later.".into(),
            unavailable: "No server of the network can be entered now. Try again later.".into(),
        }
    }
}

fn default_prefix() -> String {
    ">".into()
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fits = (1..=8).contains(&text.chars().count());
    if fits && !text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Ok(text);
    }
    Err(D::Error::invalid_value(Unexpected::Str(&text), &"1 to 8 characters without blanks"))
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() <= 500 {
        return Ok(text);
    }
    Err(D::Error::invalid_length(text.len(), &"at most 500 bytes"))
}

fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let good = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    if (1..=253).contains(&text.len()) && text.chars().all(good) {
        return Ok(text);
    }
    Err(D::Error::invalid_value(Unexpected::Str(&text), &"a host name or an IP address"))
}

fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let number = i64::deserialize(deserializer)?;
    match u16::try_from(number) {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(D::Error::invalid_value(Unexpected::Signed(number), &"a port, 1 to 65535")),
    }
}

fn at_most_8<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Target>, D::Error> {
    let list = Vec::<Target>::deserialize(deserializer)?;
    if list.len() > 8 {
        return Err(D::Error::invalid_length(list.len(), &"at most 8 fallbacks"));
    }
    Ok(list)
}
