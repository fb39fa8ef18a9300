//! Latency probes: messages on a mod channel that carry the process's clock.
//!
//! A bot sends its time; the fake server answers at once with that time, its own on arrival and
//! its own on sending. Both live in one process, so the differences are one-way times.

use bytes::Bytes;
use mesegate_protocol::wire::{Reader, Writer};
use mesegate_protocol::{to_client, to_server};

use crate::clock;

const CHANNEL: &[u8] = b"probe";

/// The bot's request to take part.
pub(crate) fn join() -> Bytes {
    let mut w = Writer::command(to_server::MODCHANNEL_JOIN);
    w.str16(CHANNEL);
    w.finish()
}

/// A probe with the time of now.
pub(crate) fn request() -> Bytes {
    let mut w = Writer::command(to_server::MODCHANNEL_MSG);
    w.str16(CHANNEL).str16(clock::nanos().to_string().as_bytes());
    w.finish()
}

/// The server's answer to the body of a MODCHANNEL_MSG, if it is a probe.
pub(crate) fn answer(body: &[u8]) -> Option<Bytes> {
    let arrived = clock::nanos();
    let mut r = Reader::new(body);
    if r.str16().ok()? != CHANNEL {
        return None;
    }
    let sent: u64 = std::str::from_utf8(r.str16().ok()?).ok()?.parse().ok()?;
    let text = format!("{} {}", arrived.saturating_sub(sent), clock::nanos());
    let mut w = Writer::command(to_client::MODCHANNEL_MSG);
    w.str16(CHANNEL).str16(b"").str16(text.as_bytes());
    Some(w.finish())
}

/// Nanoseconds to the server and back, from the body of an answer.
pub(crate) fn answer_times(body: &[u8]) -> Option<(u64, u64)> {
    let arrived = clock::nanos();
    let mut r = Reader::new(body);
    if r.str16().ok()? != CHANNEL {
        return None;
    }
    r.str16().ok()?;
    let text = std::str::from_utf8(r.str16().ok()?).ok()?;
    let (up, sent) = text.split_once(' ')?;
    Some((up.parse().ok()?, arrived.saturating_sub(sent.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_of_both_ways_are_told_apart() {
        let probe = request();
        std::thread::sleep(Duration::from_millis(20));
        let answer = answer(&probe[2..]).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        let (up, down) = answer_times(&answer[2..]).unwrap();
        assert!(up >= 20_000_000 && down >= 5_000_000 && down < up, "{up} {down}");
        assert_eq!(answer_times(b"\0\x01x\0\0\0\0"), None);
    }
}
