//! Free ports on the loopback interface.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Mutex;

use crate::{Error, Result};

static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// Ports below those that Linux gives to sockets which ask for any (`ip_local_port_range`, from 32768
/// on): one of these would be taken now and then between being given here and being listened on.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A port on 127.0.0.1 that is free for UDP and TCP alike and that was not given out before by
/// this process. Another process may still take it in the meantime.
///
/// # Errors
/// When no such port is found.
pub fn free() -> Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let given = given.get_or_insert_with(HashSet::new);
    // Processes that run side by side begin at different places.
    let begin = std::process::id().wrapping_mul(97).wrapping_add(given.len() as u32);
    let ports = (0..RANGE.len() as u32)
        .map(|step| RANGE.start + (begin.wrapping_add(step) % RANGE.len() as u32) as u16);
    for port in ports {
        let address = (Ipv4Addr::LOCALHOST, port);
        if given.contains(&port)
            || UdpSocket::bind(address).is_err()
            || TcpListener::bind(address).is_err()
        {
            continue;
        }
        given.insert(port);
        return Ok(port);
    }
    Err(Error::Unsupported("no free port on 127.0.0.1".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_not_given_twice() {
        let mut seen = HashSet::new();
        for _ in 0..50 {
            assert!(seen.insert(free().unwrap()));
        }
    }
}
