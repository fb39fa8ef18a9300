//! What one proxy has and what it gets next: a state machine without I/O.
//!
//! One set is on its way at a time. A proxy that is slow to answer skips the sets in between.

use std::sync::Arc;

use mesegate_proto::control::Hash;
use mesegate_proto::control::v1::ConnectResponse;

use crate::set::Set;

/// The state of one stream.
#[derive(Debug, Default)]
pub struct Sync {
    /// What the proxy said it has, before anything was sent.
    resume: Option<Hash>,
    have: Option<Arc<Set>>,
    on_its_way: Option<Arc<Set>>,
    refused: Option<Arc<Set>>,
    last_sent: Option<Hash>,
}

impl Sync {
    /// For a proxy that has the documents of that hash, if any.
    pub fn new(resume: Option<Hash>) -> Self {
        Self { resume, ..Self::default() }
    }

    /// What has to be sent, if anything: `current` is in force.
    pub fn next(&mut self, current: &Arc<Set>) -> Option<Vec<ConnectResponse>> {
        if self.on_its_way.is_some()
            || self.refused.as_ref().is_some_and(|it| it.hash() == current.hash())
        {
            return None;
        }
        let messages = match &self.have {
            Some(have) if have.hash() == current.hash() => return None,
            Some(have) => current.since(have),
            // It has just this: the empty difference says so.
            None if self.resume == Some(current.hash()) => current.since(current),
            None => current.snapshot(),
        };
        self.resume = None;
        self.last_sent = Some(current.hash());
        self.on_its_way = Some(Arc::clone(current));
        Some(messages)
    }

    /// The proxy has what was on its way, or what it had refused: another controller's documents
    /// were in force then. False if it is neither.
    pub fn ack(&mut self, hash: &[u8]) -> bool {
        let is_it = |set: &mut Arc<Set>| set.hash() == hash;
        let acked = self.on_its_way.take_if(is_it).or_else(|| self.refused.take_if(is_it));
        if acked.is_none() {
            return false;
        }
        self.have = acked;
        self.refused = None;
        true
    }

    /// The proxy refused what was on its way: that is not sent again, unless what was missing is
    /// the base (`resync`). False if nothing with that hash was.
    pub fn nack(&mut self, hash: &[u8], resync: bool) -> bool {
        match self.on_its_way.take() {
            Some(set) if set.hash() == hash => {
                if resync {
                    self.have = None;
                } else {
                    self.refused = Some(set);
                }
                true
            }
            other => {
                self.on_its_way = other;
                false
            }
        }
    }

    /// The proxy says what it acknowledged last. If that is something else, it gets everything
    /// again.
    pub fn believes(&mut self, hash: &[u8]) {
        if self.on_its_way.is_none() && self.have.as_ref().is_some_and(|it| it.hash() != hash) {
            self.have = None;
        }
    }

    /// What the proxy has acknowledged.
    pub fn have(&self) -> Option<&Arc<Set>> {
        self.have.as_ref()
    }

    /// Whether an answer is due.
    pub fn waits(&self) -> bool {
        self.on_its_way.is_some()
    }

    /// Hash of what was sent last.
    pub fn last_sent(&self) -> Option<Hash> {
        self.last_sent
    }
}

#[cfg(test)]
mod tests {
    use mesegate_proto::control::v1::Resource;
    use mesegate_proto::control::v1::connect_response::Message;

    use super::*;
    use crate::set::Item;

    fn set(names: &[&str]) -> Arc<Set> {
        let item =
            |name: &&str| Item::new(Resource { name: (*name).into(), ..Resource::default() });
        Arc::new(Set::new(names.iter().map(item)))
    }

    fn is_delta(messages: &[ConnectResponse]) -> bool {
        matches!(messages, [ConnectResponse { message: Some(Message::Delta(_)) }])
    }

    #[test]
    fn one_set_is_on_its_way_at_a_time_and_those_between_are_skipped() {
        let mut sync = Sync::new(None);
        let [a, b, c] = [set(&["a"]), set(&["a", "b"]), set(&["c"])];
        assert!(!is_delta(&sync.next(&a).unwrap()));
        assert!(sync.next(&b).is_none() && sync.waits());
        assert!(!sync.ack(&b.hash()));
        assert!(sync.ack(&a.hash()));
        assert_eq!(sync.next(&c).unwrap(), c.since(&a));
        assert!(sync.ack(&c.hash()) && sync.next(&c).is_none());
    }

    #[test]
    fn a_refused_set_is_not_sent_again_and_the_next_one_builds_on_the_good_one() {
        let mut sync = Sync::new(None);
        let [a, b, c] = [set(&["a"]), set(&["b"]), set(&["a", "c"])];
        sync.next(&a).unwrap();
        assert!(sync.ack(&a.hash()));
        sync.next(&b).unwrap();
        assert!(sync.nack(&b.hash(), false));
        assert!(sync.next(&b).is_none());
        assert_eq!(sync.have().unwrap().hash(), a.hash());
        assert_eq!(sync.next(&c).unwrap(), c.since(&a));
        assert!(sync.nack(&c.hash(), true));
        assert_eq!(sync.next(&c).unwrap(), c.snapshot());
        // What was refused came in force all the same.
        assert!(sync.nack(&c.hash(), false) && !sync.ack(&b.hash()) && sync.ack(&c.hash()));
        assert_eq!(sync.next(&b).unwrap(), b.since(&c));
    }

    #[test]
    fn a_proxy_that_has_it_all_gets_nothing_and_one_that_lost_it_gets_everything() {
        let [a, b] = [set(&["a"]), set(&["b"])];
        let mut sync = Sync::new(Some(a.hash()));
        let first = sync.next(&a).unwrap();
        assert!(is_delta(&first));
        assert!(sync.ack(&a.hash()));
        sync.believes(&a.hash());
        assert!(sync.next(&a).is_none());
        sync.believes(&b.hash());
        assert_eq!(sync.next(&a).unwrap(), a.snapshot());
        let mut other = Sync::new(Some(b.hash()));
        assert_eq!(other.next(&a).unwrap(), a.snapshot());
    }
}
