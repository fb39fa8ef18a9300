//! What one controller has given, and what it is to be answered: a state machine without I/O.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mesegate_proto::control::Hash;
use mesegate_proto::control::v1::connect_request::Message as Out;
use mesegate_proto::control::v1::{Ack, Delta, Nack, Snapshot};
use tokio::time::Instant;

use super::documents::{Documents, Refused};
use super::hub::Ruling;
use super::parts::Parts;

/// How long a controller waits for its documents to come in force, before it hears that those of
/// another one are.
const ELSEWHERE: Duration = Duration::from_secs(1);

/// What one controller has given.
pub(super) struct Given {
    from: SocketAddr,
    /// What was acknowledged last.
    base: Option<Arc<Documents>>,
    /// What may come in force.
    pending: Option<Pending>,
    /// Hash of what was refused last.
    refused: Option<Vec<u8>>,
    parts: Parts,
}

struct Pending {
    documents: Arc<Documents>,
    /// When an answer is due, unless it was given.
    due: Option<Instant>,
}

/// What a message leads to.
#[derive(Default)]
pub(super) struct Taken {
    /// What is answered at once.
    pub(super) answer: Option<Out>,
    /// Documents that could be put in force.
    pub(super) offer: Option<Arc<Documents>>,
    /// Whether they were refused unread.
    pub(super) refused: Option<Refused>,
}

impl Given {
    /// A stream begins; the controller is told what is in force.
    pub(super) fn new(from: SocketAddr, good: Option<Arc<Documents>>) -> Self {
        Self { from, base: good, pending: None, refused: None, parts: Parts::default() }
    }

    /// Hash of what was acknowledged last; empty if nothing was.
    pub(super) fn hash(&self) -> Vec<u8> {
        self.base.as_ref().map(|it| it.hash().to_vec()).unwrap_or_default()
    }

    /// Whether what the controller says it sent last has arrived.
    pub(super) fn arrived(&self, hash: &[u8]) -> bool {
        let is_it = |it: &Hash| it == hash;
        // Empty as long as nothing was sent.
        hash.is_empty()
            || self.base.as_ref().is_some_and(|it| is_it(&it.hash()))
            || self.pending.as_ref().is_some_and(|it| is_it(&it.documents.hash()))
            || self.refused.as_deref() == Some(hash)
    }

    /// Takes a part of a snapshot.
    pub(super) fn snapshot(&mut self, part: Snapshot, ruling: &Ruling, now: Instant) -> Taken {
        match self.parts.add(part) {
            None => Taken::default(),
            Some((hash, resources)) => {
                let documents = resources.and_then(|it| Documents::checked(it, &hash));
                self.complete(hash, documents, ruling, now)
            }
        }
    }

    /// Takes a difference.
    pub(super) fn delta(&mut self, delta: Delta, ruling: &Ruling, now: Instant) -> Taken {
        let hash = delta.hash.clone();
        let documents = self.base.as_ref().ok_or(Refused::Base);
        let documents = documents.and_then(|it| it.after(delta));
        self.complete(hash, documents, ruling, now)
    }

    fn complete(
        &mut self,
        hash: Vec<u8>,
        documents: Result<Documents, Refused>,
        ruling: &Ruling,
        now: Instant,
    ) -> Taken {
        self.pending = None;
        let documents = match documents {
            Ok(documents) => documents,
            Err(refused) => {
                let answer = Some(self.nack(hash, refused.to_string(), refused.resync()));
                return Taken { answer, offer: None, refused: Some(refused) };
            }
        };
        // Those in force are kept once.
        let good = ruling.good.as_ref().filter(|it| it.hash() == documents.hash());
        let documents = good.cloned().unwrap_or_else(|| Arc::new(documents));
        let due = Some(now + ELSEWHERE);
        self.pending = Some(Pending { documents: Arc::clone(&documents), due });
        Taken { answer: self.ruled(ruling), offer: Some(documents), refused: None }
    }

    /// What is in force may have changed.
    pub(super) fn ruled(&mut self, ruling: &Ruling) -> Option<Out> {
        let pending = self.pending.as_ref()?;
        let hash = pending.documents.hash();
        if let Some(good) = ruling.good.as_ref().filter(|it| it.hash() == hash) {
            self.base = Some(Arc::clone(good));
            self.pending = None;
            return Some(Out::Ack(Ack { hash: hash.to_vec() }));
        }
        let (_, reason) = ruling.refused.as_ref().filter(|(it, _)| *it == hash)?;
        let reason = reason.clone();
        self.pending = None;
        Some(self.nack(hash.to_vec(), reason, false))
    }

    /// When [`Given::late`] has something to say.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pending.as_ref()?.due
    }

    /// The documents are not in force after a while.
    pub(super) fn late(&mut self, ruling: &Ruling) -> Option<Out> {
        let pending = self.pending.as_mut()?;
        pending.due = None;
        // They are about to be.
        if ruling.primary == Some(self.from) {
            return None;
        }
        let (hash, reason) = (pending.documents.hash().to_vec(), String::new());
        Some(Out::Nack(Nack { hash, reason, resync: false, elsewhere: true }))
    }

    fn nack(&mut self, hash: Vec<u8>, reason: String, resync: bool) -> Out {
        self.refused = Some(hash.clone());
        Out::Nack(Nack { hash, reason, resync, elsewhere: false })
    }
}

#[cfg(test)]
mod tests {
    use mesegate_proto::control::v1::Resource;

    use super::*;

    fn documents(names: &[&str]) -> Arc<Documents> {
        let resource = |name: &&str| Resource { name: (*name).into(), ..Resource::default() };
        Arc::new(Documents::new(names.iter().map(resource).collect()).unwrap())
    }

    fn snapshot(documents: &Documents) -> Snapshot {
        let resources = documents.iter().cloned().collect();
        Snapshot { hash: documents.hash().to_vec(), resources, complete: true }
    }

    fn delta(from: &Documents, to: &Documents) -> Delta {
        Delta {
            base_hash: from.hash().to_vec(),
            upserts: to.iter().cloned().collect(),
            removals: vec![],
            hash: to.hash().to_vec(),
        }
    }

    fn ack(documents: &Documents) -> Out {
        Out::Ack(Ack { hash: documents.hash().to_vec() })
    }

    fn addr() -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }

    #[test]
    fn what_another_controller_put_in_force_is_acknowledged() {
        let [a, ab] = [documents(&["a"]), documents(&["a", "b"])];
        let now = Instant::now();
        let mut given = Given::new(addr(), Some(Arc::clone(&a)));
        let mut ruling = Ruling { good: Some(Arc::clone(&a)), ..Ruling::default() };
        assert_eq!(given.delta(delta(&a, &a), &ruling, now).answer, Some(ack(&a)));
        let taken = given.delta(delta(&a, &ab), &ruling, now);
        assert!(taken.answer.is_none() && taken.offer == Some(Arc::clone(&ab)));
        assert!(given.arrived(&ab.hash()) && given.hash() == a.hash());
        ruling.good = Some(Arc::clone(&ab));
        assert_eq!(given.ruled(&ruling), Some(ack(&ab)));
        assert!(given.ruled(&ruling).is_none() && given.due().is_none());
        assert_eq!(given.hash(), ab.hash());
    }

    #[test]
    fn a_controller_that_is_not_followed_hears_so_and_of_what_comes_in_force_later() {
        let [a, b] = [documents(&["a"]), documents(&["b"])];
        let now = Instant::now();
        let mut given = Given::new(addr(), None);
        let other = Some(([127, 0, 0, 2], 1).into());
        let mut ruling = Ruling { good: Some(a), primary: other, ..Ruling::default() };
        assert!(given.snapshot(snapshot(&b), &ruling, now).answer.is_none());
        assert_eq!(given.due(), Some(now + ELSEWHERE));
        let Some(Out::Nack(nack)) = given.late(&ruling) else { unreachable!() };
        assert!(nack.elsewhere && !nack.resync && nack.hash == b.hash());
        assert!(given.due().is_none());
        ruling.good = Some(Arc::clone(&b));
        assert_eq!(given.ruled(&ruling), Some(ack(&b)));
        // Whoever is followed is not told so while its documents are being read.
        given.snapshot(snapshot(&documents(&["c"])), &ruling, now);
        ruling.primary = Some(addr());
        assert!(given.late(&ruling).is_none());
    }

    #[test]
    fn refusals_reach_everybody_who_gave_the_same() {
        let [a, b] = [documents(&["a"]), documents(&["b"])];
        let now = Instant::now();
        let mut given = Given::new(addr(), None);
        let mut ruling = Ruling::default();
        given.snapshot(snapshot(&b), &ruling, now);
        ruling.refused = Some((b.hash(), "no".into()));
        let Some(Out::Nack(nack)) = given.ruled(&ruling) else { unreachable!() };
        assert!(nack.reason == "no" && !nack.resync && !nack.elsewhere);
        assert!(given.arrived(&b.hash()) && !given.arrived(&a.hash()) && given.arrived(&[]));
        let taken = given.delta(delta(&a, &b), &ruling, now);
        let Some(Out::Nack(nack)) = taken.answer else { unreachable!() };
        assert!(nack.resync && matches!(taken.refused, Some(Refused::Base)));
    }
}
