use mesegate_proto::control::v1::{ClaimFailure, ClaimReport};

use super::*;
use crate::players::Order;

/// A leader that is played by the test.
struct Bed {
    claims: Claims,
    leader: mpsc::Receiver<Message>,
    rules: ProxySpec,
}

fn rules(loss: ControlLoss) -> ProxySpec {
    let text = serde_json::json!({ "defaultTarget": { "server": "a" } });
    ProxySpec { on_control_loss: loss, ..serde_json::from_value(text).unwrap() }
}

impl Bed {
    fn new() -> Self {
        let claims = Claims::new(Players::default(), Metrics::new().unwrap());
        let mut leader = claims.lead(1).unwrap();
        let empty = ClaimReport { held: vec![], complete: true };
        assert_eq!(leader.try_recv().unwrap(), Message::Claims(empty));
        Self { claims, leader, rules: rules(ControlLoss::AllowLocal) }
    }

    /// Begins to take a name.
    fn take(&self) -> tokio::task::JoinHandle<Result<Claim, Unclaimed>> {
        let (claims, rules) = (self.claims.clone(), self.rules.clone());
        tokio::spawn(async move { claims.take("bob", &rules).await })
    }

    /// The id of the request that comes next.
    async fn asked(&mut self) -> u64 {
        match self.leader.recv().await {
            Some(Message::Claim(request)) => request.id,
            other => panic!("{other:?}"),
        }
    }

    /// The id of the release that comes next.
    async fn released(&mut self) -> u64 {
        match self.leader.recv().await {
            Some(Message::Release(release)) => release.id,
            other => panic!("{other:?}"),
        }
    }

    fn answer(&self, answer: ClaimAnswer) {
        self.claims.answered(&ClaimAnswer { name: "bob".into(), ..answer });
    }

    fn grant(&self, id: u64) {
        self.answer(ClaimAnswer { id, granted: true, ..ClaimAnswer::default() });
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_is_held_as_long_as_its_claim() {
    let mut bed = Bed::new();
    let taken = bed.take();
    let id = bed.asked().await;
    bed.grant(id);
    drop(taken.await.unwrap().unwrap());
    assert_eq!(bed.released().await, id);
    let refused = bed.take();
    let id = bed.asked().await;
    bed.answer(ClaimAnswer { id, holder: "other".into(), ..ClaimAnswer::default() });
    assert_eq!(refused.await.unwrap().unwrap_err(), Unclaimed::Held("other".into()));
    assert!(bed.leader.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_given_up_gives_back_what_comes_too_late() {
    let mut bed = Bed::new();
    let taken = bed.take();
    let id = bed.asked().await;
    taken.abort();
    assert!(taken.await.unwrap_err().is_cancelled());
    bed.grant(id);
    assert_eq!(bed.released().await, id);
    // An answer that was there already, but not read, counts no more.
    let taken = bed.take();
    let id = bed.asked().await;
    bed.grant(id);
    taken.abort();
    let _ = taken.await;
    assert_eq!(bed.released().await, id);
}

#[tokio::test(start_paused = true)]
async fn without_a_decision_the_documents_decide() {
    let mut bed = Bed::new();
    let begin = Instant::now();
    let taken = bed.take();
    let asked = bed.asked().await;
    let claim = taken.await.unwrap().unwrap();
    assert_eq!(begin.elapsed(), PATIENCE);
    // The leader is told what it did not decide, and keeps to it.
    let Some(Message::Claims(report)) = bed.leader.recv().await else { panic!() };
    assert!(!report.complete && report.held.len() == 1 && report.held[0].id > asked);
    bed.grant(asked);
    assert_eq!(bed.released().await, asked);
    drop(claim);
    assert_eq!(bed.released().await, report.held[0].id);
    bed.rules = rules(ControlLoss::Reject);
    let taken = bed.take();
    assert_eq!(taken.await.unwrap().unwrap_err(), Unclaimed::Undecided);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_does_not_know_yet_is_asked_again_and_a_new_one_gets_the_question() {
    let mut bed = Bed::new();
    let taken = bed.take();
    for _ in 0..3 {
        let (id, failure) = (bed.asked().await, ClaimFailure::NotReady.into());
        bed.answer(ClaimAnswer { id, failure, ..ClaimAnswer::default() });
    }
    bed.asked().await;
    bed.claims.lost(1);
    // The stream of somebody who did not lead says nothing.
    bed.claims.lost(7);
    bed.leader = bed.claims.lead(2).unwrap();
    assert!(matches!(bed.leader.recv().await, Some(Message::Claims(_))));
    let id = bed.asked().await;
    bed.grant(id);
    let claim = taken.await.unwrap().unwrap();
    // The next leader is told what is held, and since when.
    tokio::time::advance(Duration::from_secs(3)).await;
    let mut next = bed.claims.lead(3).unwrap();
    let Some(Message::Claims(report)) = next.recv().await else { panic!() };
    let held = &report.held[0];
    assert!(report.complete && held.id == id && held.age_ms >= 3000, "{report:?}");
    drop(claim);
    // Who has been without any for long does not wait.
    bed.claims.lost(3);
    tokio::time::advance(PATIENCE).await;
    let begin = Instant::now();
    let _claim = bed.take().await.unwrap().unwrap();
    assert!(begin.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn whose_name_is_taken_away_is_sent_away() {
    let mut bed = Bed::new();
    let Some(inner) = bed.claims.inner.clone() else { panic!() };
    let mut place = inner.players.enter("bob", [127, 0, 0, 1].into(), 44, 9).unwrap();
    let taken = bed.take();
    let id = bed.asked().await;
    bed.grant(id);
    place.hold(taken.await.unwrap().unwrap());
    // An older claim of the same name is not this one.
    bed.claims.revoked(&ClaimRevoked { id: id + 9, name: "bob".into() });
    assert_eq!(bed.released().await, id + 9);
    bed.claims.revoked(&ClaimRevoked { id, name: "bob".into() });
    let Order::Kick(kick) = place.next_order().await else { panic!() };
    assert_eq!(kick.source, "duplicate");
    drop(place);
    assert_eq!(bed.released().await, id);
}
