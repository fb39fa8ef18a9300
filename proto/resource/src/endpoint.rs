//! Where a game server is.

use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serialize};

use crate::check;
use crate::name::Name;

/// A UDP address of a game server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct Endpoint {
    /// Host name or IP address; resolved for every connection.
    #[serde(deserialize_with = "host")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 253), extend(
        "x-kubernetes-validations" = [{
            "rule": "self.matches('^[-0-9A-Za-z._:%]+$')",
            "message": "write a host name or an IP address"
        }]
    )))]
    pub host: String,
    /// UDP port, 1 to 65535.
    #[serde(deserialize_with = "check::number::<_, _, 1, 65535>")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 65535)))]
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

fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let good = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    if (1..=253).contains(&text.len()) && text.chars().all(good) {
        return Ok(text);
    }
    Err(D::Error::invalid_value(Unexpected::Str(&text), &"a host name or an IP address"))
}

/// A port of a Kubernetes Service in the same namespace, whose EndpointSlices say where the game
/// server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct ServiceRef {
    /// Name of the Service.
    pub name: Name,
    /// Name of its port.
    pub port: Name,
}
