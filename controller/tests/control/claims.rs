//! Names over real control streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::bed::{Bed, Stream, hello};
use mesegate_proto::control::v1::connect_request::Message as Out;
use mesegate_proto::control::v1::connect_response::Message as In;
use mesegate_proto::control::v1::{
    ClaimAnswer, ClaimFailure, ClaimHeld, ClaimRelease, ClaimReport, ClaimRequest, Hello,
};

/// Logins that are raced.
const RACES: u64 = 1000;

struct Proxy {
    stream: Stream,
}

impl Proxy {
    async fn connect(bed: &Bed, name: &str) -> Self {
        let mut stream = bed.open(Hello { proxy: name.into(), ..hello(bed.hash()) }).await;
        let Some(In::Delta(_)) = stream.next().await.unwrap() else { panic!() };
        Self { stream }
    }

    /// Waits until the controller says that it leads, and tells it what is held.
    async fn report(&mut self, held: &[(u64, &str, u64)]) {
        loop {
            match self.stream.next().await.unwrap().unwrap() {
                In::Role(role) if role.leader => break,
                _ => {}
            }
        }
        let held = held.iter().map(|(id, name, age_ms)| ClaimHeld {
            id: *id,
            name: (*name).into(),
            age_ms: *age_ms,
        });
        let report = ClaimReport { held: held.collect(), complete: true };
        self.stream.send(Out::Claims(report)).await;
    }

    async fn ask(&mut self, id: u64, kick_old: bool) {
        let request = ClaimRequest { id, name: "bob".into(), kick_old };
        self.stream.send(Out::Claim(request)).await;
    }

    async fn answer(&mut self) -> ClaimAnswer {
        match self.stream.next().await.unwrap().unwrap() {
            In::Claim(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    async fn claim(&mut self, id: u64) -> ClaimAnswer {
        self.ask(id, false).await;
        self.answer().await
    }

    async fn release(&self, id: u64) {
        self.stream.send(Out::Release(ClaimRelease { id, name: "bob".into() })).await;
    }
}

/// Begins to lead, as the process does it.
fn lead(bed: &Bed, leads: bool) {
    bed.claims.lead(leads, 0);
    bed.leads.send_replace(leads);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_race_for_a_name_are_never_both_in() {
    let bed = Bed::new(&["lobby"]).await;
    lead(&bed, true);
    let inside = Arc::new(AtomicU32::new(0));
    let mut racers = Vec::new();
    let begin = Arc::new(tokio::sync::Barrier::new(2));
    let mut proxies = Vec::new();
    for name in ["a", "b"] {
        proxies.push(Proxy::connect_leading(&bed, name).await);
    }
    for mut proxy in proxies {
        // Until what both hold is known.
        while proxy.claim(0).await.failure() == ClaimFailure::NotReady {}
        proxy.release(0).await;
        let (inside, begin) = (Arc::clone(&inside), Arc::clone(&begin));
        racers.push(tokio::spawn(async move {
            let mut won = 0;
            begin.wait().await;
            for id in 1..=RACES {
                begin.wait().await;
                let answer = proxy.claim(id).await;
                assert_eq!((answer.id, answer.failure()), (id, ClaimFailure::Unspecified));
                if answer.granted {
                    won += 1;
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "both are in");
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    proxy.release(id).await;
                } else {
                    assert_ne!(answer.holder, "");
                }
            }
            won
        }));
    }
    let mut won = 0;
    for racer in racers {
        won += racer.await.unwrap();
    }
    // In each race at least one gets it; the other may come when the first has left.
    assert!((RACES..=2 * RACES).contains(&won), "{won}");
}

impl Proxy {
    /// Connects to a controller that leads, holding nothing.
    async fn connect_leading(bed: &Bed, name: &str) -> Self {
        let mut stream = bed.open(Hello { proxy: name.into(), ..hello(bed.hash()) }).await;
        let (mut role, mut delta) = (false, false);
        while !role || !delta {
            match stream.next().await.unwrap().unwrap() {
                In::Role(it) => role = it.leader,
                In::Delta(_) => delta = true,
                other => panic!("{other:?}"),
            }
        }
        stream.send(Out::Claims(ClaimReport { held: vec![], complete: true })).await;
        Self { stream }
    }
}

#[tokio::test]
async fn who_does_not_lead_says_so_and_a_new_leader_asks_first() {
    let bed = Bed::new(&["lobby"]).await;
    let mut a = Proxy::connect(&bed, "a").await;
    let mut b = Proxy::connect(&bed, "b").await;
    assert_eq!(a.claim(1).await.failure(), ClaimFailure::NotLeader);
    lead(&bed, true);
    a.report(&[]).await;
    assert_eq!(a.claim(2).await.failure(), ClaimFailure::NotReady);
    b.report(&[(7, "bob", 5000)]).await;
    b.ask(8, false).await;
    assert!(b.answer().await.granted);
    let refused = a.claim(3).await;
    assert_eq!((refused.granted, &*refused.holder), (false, "b"));
    // Leadership that comes and goes forgets, and asks again.
    lead(&bed, false);
    lead(&bed, true);
    a.report(&[(9, "bob", 60_000)]).await;
    b.report(&[(8, "bob", 1000)]).await;
    let Some(In::Revoked(revoked)) = b.stream.next().await.unwrap() else { panic!() };
    assert_eq!((revoked.id, &*revoked.name), (8, "bob"));
}

#[tokio::test]
async fn whoever_was_there_is_told_to_leave() {
    let bed = Bed::new(&["lobby"]).await;
    lead(&bed, true);
    let mut a = Proxy::connect_leading(&bed, "a").await;
    let mut b = Proxy::connect_leading(&bed, "b").await;
    assert!(a.claim(1).await.granted);
    b.ask(5, true).await;
    let Some(In::Revoked(revoked)) = a.stream.next().await.unwrap() else { panic!() };
    assert_eq!((revoked.id, &*revoked.name), (1, "bob"));
    a.release(1).await;
    let answer = b.answer().await;
    assert!(answer.granted && answer.id == 5);
}
