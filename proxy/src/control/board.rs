//! Whose documents count: a state machine without I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::documents::Documents;

/// What there is to choose from.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// What this proxy is called.
    proxy: String,
    streams: BTreeMap<SocketAddr, Stream>,
}

#[derive(Debug, Default)]
struct Stream {
    /// What the controller at the other end is called.
    replica: Option<String>,
    /// The last complete documents that it gave.
    offer: Option<Arc<Documents>>,
}

impl Board {
    pub(super) fn new(proxy: String) -> Self {
        Self { proxy, streams: BTreeMap::new() }
    }

    /// A stream has begun.
    pub(super) fn up(&mut self, from: SocketAddr) {
        self.streams.insert(from, Stream::default());
    }

    /// A controller says what it is called.
    pub(super) fn welcome(&mut self, from: SocketAddr, replica: String) {
        self.streams.entry(from).or_default().replica = Some(replica);
    }

    /// A controller has given documents.
    pub(super) fn offer(&mut self, from: SocketAddr, documents: Arc<Documents>) {
        self.streams.entry(from).or_default().offer = Some(documents);
    }

    /// A stream has ended.
    pub(super) fn lost(&mut self, from: SocketAddr) {
        self.streams.remove(&from);
    }

    /// Other addresses of the controller behind `newest`: to the controller its newest stream is
    /// the one that counts.
    pub(super) fn twins(&self, newest: SocketAddr) -> BTreeSet<SocketAddr> {
        let replica = self.streams.get(&newest).and_then(|it| it.replica.as_ref());
        let same = |(addr, stream): &(&SocketAddr, &Stream)| {
            **addr != newest && replica.is_some() && stream.replica.as_ref() == replica
        };
        self.streams.iter().filter(same).map(|(addr, _)| *addr).collect()
    }

    /// Whose documents count, and these. Of the controllers that have given any (the others may
    /// not know them yet) it is the one that rendezvous hashing makes out, so that proxies spread
    /// over controllers, and stay where they are when others come and go.
    pub(super) fn primary(&self) -> Option<(SocketAddr, &Arc<Documents>)> {
        let offers = self.streams.iter().filter_map(|(a, it)| Some((*a, it.offer.as_ref()?)));
        offers.max_by_key(|(addr, _)| weight(&self.proxy, *addr))
    }

    /// How many streams there are.
    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }
}

fn weight(proxy: &str, addr: SocketAddr) -> [u8; 32] {
    Sha256::new_with_prefix(addr.to_string())
        .chain_update([0])
        .chain_update(proxy)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(n: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, n as u8], 7443))
    }

    fn documents() -> Arc<Documents> {
        Arc::new(Documents::new(vec![]).unwrap())
    }

    #[test]
    fn proxies_spread_and_a_loss_moves_only_those_that_are_concerned() {
        let mut counts = BTreeMap::new();
        for n in 0..300 {
            let mut board = Board::new(format!("proxy-{n}"));
            assert!(board.primary().is_none());
            for n in 1..=3 {
                board.welcome(addr(n), n.to_string());
                assert!(board.primary().is_none_or(|(it, _)| it != addr(n)));
                board.offer(addr(n), documents());
            }
            let (first, _) = board.primary().unwrap();
            *counts.entry(first).or_insert(0) += 1;
            let other = (1..=3).map(addr).find(|it| *it != first).unwrap();
            board.lost(other);
            assert_eq!(board.primary().unwrap().0, first);
            board.lost(first);
            assert_ne!(board.primary().unwrap().0, first);
            board.offer(first, documents());
            assert_eq!(board.primary().unwrap().0, first);
        }
        assert!(counts.values().all(|it| (60..=140).contains(it)), "{counts:?}");
    }

    #[test]
    fn two_ways_to_one_controller_are_noticed() {
        let mut board = Board::new("proxy".into());
        board.welcome(addr(1), "a".into());
        board.welcome(addr(2), "b".into());
        assert!(board.twins(addr(2)).is_empty() && board.twins(addr(9)).is_empty());
        board.welcome(addr(3), "a".into());
        assert_eq!(board.twins(addr(3)), [addr(1)].into());
    }
}
