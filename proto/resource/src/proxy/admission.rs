//! Who may make an account, and how many may come from where.

use serde::{Deserialize, Serialize};

use crate::check;

/// Who may make an account, and how many may come from where. Addresses are taken together by
/// prefix: whoever has one address of IPv6 has 2^64 of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct Admission {
    /// Who may make an account.
    pub registration: Registration,
    /// Names that may make an account with `registration: AllowList`, letter case aside; at most
    /// 1000 of at most 20 characters.
    #[serde(deserialize_with = "check::list::<_, _, 1000>")]
    #[cfg_attr(feature = "crd", schemars(length(max = 1000), inner(length(max = 20)), extend(
        "x-kubernetes-list-type" = "atomic"
    )))]
    pub allow_list: Vec<String>,
    /// Bits of IPv4 addresses that belong together, 8 to 32.
    #[serde(deserialize_with = "check::number::<_, _, 8, 32>")]
    #[cfg_attr(feature = "crd", schemars(range(min = 8, max = 32)))]
    pub ipv4_prefix: u8,
    /// Bits of IPv6 addresses that belong together, 16 to 128.
    #[serde(deserialize_with = "check::number::<_, _, 16, 128>")]
    #[cfg_attr(feature = "crd", schemars(range(min = 16, max = 128)))]
    pub ipv6_prefix: u8,
    /// Players in the game at once from one address, on each proxy; 0 sets no limit.
    #[serde(deserialize_with = "check::number::<_, _, 0, 100000>")]
    #[cfg_attr(feature = "crd", schemars(range(max = 100_000)))]
    pub players_per_address: u32,
    /// The same from one prefix.
    #[serde(deserialize_with = "check::number::<_, _, 0, 100000>")]
    #[cfg_attr(feature = "crd", schemars(range(max = 100_000)))]
    pub players_per_prefix: u32,
    /// Logins that one prefix may begin in a minute; 0 sets no limit.
    #[serde(deserialize_with = "check::number::<_, _, 0, 100000>")]
    #[cfg_attr(feature = "crd", schemars(range(max = 100_000)))]
    pub logins_per_minute: u32,
    /// Wrong passwords that a prefix may send for one name before it has to wait; each further one
    /// doubles the wait. 1 to 1000.
    #[serde(deserialize_with = "check::number::<_, _, 1, 1000>")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 1000)))]
    pub free_failures: u32,
    /// The longest such wait in seconds, 1 to 86400.
    #[serde(deserialize_with = "check::number::<_, _, 1, 86400>")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 86_400)))]
    pub longest_wait_seconds: u32,
    /// Places out of `limits.players` that are kept for players with the permission
    /// `reservedPermission`.
    #[serde(deserialize_with = "check::number::<_, _, 0, 1000000>")]
    #[cfg_attr(feature = "crd", schemars(range(max = 1_000_000)))]
    pub reserved_places: u32,
    /// The permission that reserved places are for; where no rule of `permissions` is about it, the
    /// account's privilege of that name. 1 to 64 characters.
    #[serde(deserialize_with = "check::text::<_, 64>")]
    #[cfg_attr(feature = "crd", schemars(length(max = 64)))]
    pub reserved_permission: String,
}

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum Registration {
    /// Everybody.
    #[default]
    Open,
    /// Nobody.
    Closed,
    /// Who is on `allowList`.
    AllowList,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            registration: Registration::Open,
            allow_list: Vec::new(),
            ipv4_prefix: 32,
            ipv6_prefix: 64,
            players_per_address: 0,
            players_per_prefix: 0,
            logins_per_minute: 0,
            free_failures: 5,
            longest_wait_seconds: 300,
            reserved_places: 0,
            reserved_permission: "mesegate.reserved".into(),
        }
    }
}

impl Admission {
    /// Whether an account of that name may be made.
    pub fn may_register(&self, name: &str) -> bool {
        match self.registration {
            Registration::Open => true,
            Registration::Closed => false,
            Registration::AllowList => {
                self.allow_list.iter().any(|it| it.eq_ignore_ascii_case(name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allow_list_lets_those_register_who_are_on_it() {
        let admission: Admission =
            serde_yaml::from_str("{registration: AllowList, allowList: [Alice]}").unwrap();
        assert!(admission.may_register("aLICE") && !admission.may_register("bob"));
        let closed: Admission = serde_yaml::from_str("registration: Closed").unwrap();
        assert!(!closed.may_register("Alice"));
        assert!(Admission::default().may_register("bob"));
    }

    #[test]
    fn limits_have_ranges() {
        for bad in ["ipv4Prefix: 7", "ipv6Prefix: 129", "freeFailures: 0", "nonsense: 1"] {
            assert!(serde_yaml::from_str::<Admission>(bad).is_err(), "{bad}");
        }
    }
}
