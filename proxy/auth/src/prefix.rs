//! Addresses and prefixes of addresses, as bans name them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IP address, or all addresses that begin with the same bits. IPv4 addresses that are written
/// as IPv6 (`::ffff:192.0.2.1`) are the IPv4 address: a socket that serves both families sees IPv4
/// clients so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    network: IpAddr,
    bits: u8,
}

/// Why a text is no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not an address before the slash.
    #[error("not an IP address, nor a prefix such as 192.0.2.0/24")]
    Address,
    /// Not a length after it.
    #[error("the prefix length must be a number from 0 to {0}")]
    Length(u8),
    /// Bits behind the prefix are set, so that either the address or the length is not meant.
    #[error("bits behind the prefix are set; the prefix would be {0}")]
    HostBits(Prefix),
}

impl Prefix {
    /// The one address.
    pub fn host(address: IpAddr) -> Self {
        let network = address.to_canonical();
        Self { network, bits: width(network) }
    }

    /// The address, if it is a single one.
    pub fn address(&self) -> Option<IpAddr> {
        (self.bits == width(self.network)).then_some(self.network)
    }

    /// The prefix of that length that an address is in; a length above the family's is the family's.
    #[must_use]
    pub fn of(address: IpAddr, bits: u8) -> Self {
        let address = address.to_canonical();
        Self::around(address, bits.min(width(address)))
    }

    /// The prefix of that length that an address is in.
    fn around(address: IpAddr, bits: u8) -> Self {
        let network = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Ipv4Addr::from_bits(v4.to_bits() & mask).into()
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Ipv6Addr::from_bits(v6.to_bits() & mask).into()
            }
        };
        Self { network, bits }
    }

    /// Every prefix that an address is in, the longest first: 33 or 129 of them.
    pub fn covering(address: IpAddr) -> impl Iterator<Item = Self> {
        let address = address.to_canonical();
        (0..=width(address)).rev().map(move |bits| Self::around(address, bits))
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4()
            && Self::around(address, self.bits).network == self.network
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.network)?;
        if self.bits < width(self.network) { write!(f, "/{}", self.bits) } else { Ok(()) }
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| PrefixError::Address)?;
        let most = width(written);
        let bits = match length {
            None => most,
            Some(digits) if digits.bytes().all(|c| c.is_ascii_digit()) => {
                let bits = digits.parse().ok().filter(|bits| *bits <= most);
                bits.ok_or(PrefixError::Length(most))?
            }
            Some(_) => return Err(PrefixError::Length(most)),
        };
        let network = written.to_canonical();
        let (network, bits) = match (written, network) {
            (IpAddr::V6(_), IpAddr::V4(_)) if bits >= 96 => (network, bits - 96),
            _ => (written, bits),
        };
        let whole = Self::around(network, bits);
        if whole.network == network { Ok(whole) } else { Err(PrefixError::HostBits(whole)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn texts_come_out_in_one_form() {
        for (given, canonical) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1/32", "192.0.2.1"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:DB8:0::/48", "2001:db8::/48"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(prefix(given).to_string(), canonical);
            assert_eq!(prefix(canonical), prefix(given));
        }
    }

    #[test]
    fn what_is_not_meant_is_refused() {
        let error = |text: &str| text.parse::<Prefix>().unwrap_err();
        for text in ["", "alice", "192.0.2", "192.0.2.0.1", "192.0.2.0 /24"] {
            assert_eq!(error(text), PrefixError::Address, "{text}");
        }
        for text in ["192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/+8", "1.2.3.4/999"] {
            assert_eq!(error(text), PrefixError::Length(32), "{text}");
        }
        assert_eq!(error("::/129"), PrefixError::Length(128));
        assert_eq!(error("192.0.2.1/24"), PrefixError::HostBits(prefix("192.0.2.0/24")));
    }

    #[test]
    fn addresses_are_in_the_prefixes_that_cover_them() {
        for address in ["192.0.2.77", "2001:db8::42", "::ffff:192.0.2.77"] {
            let address: IpAddr = address.parse().unwrap();
            let all: Vec<Prefix> = Prefix::covering(address).collect();
            assert_eq!(all[0], Prefix::host(address));
            assert!(all.iter().all(|prefix| prefix.contains(address)));
            assert_eq!(all.len(), usize::from(width(address.to_canonical())) + 1);
        }
        assert!(!prefix("192.0.2.0/24").contains("192.0.3.0".parse().unwrap()));
        assert!(!prefix("0.0.0.0/0").contains("2001:db8::1".parse().unwrap()));
        assert!(prefix("192.0.2.0/24").contains("::ffff:192.0.2.9".parse().unwrap()));
    }
}
