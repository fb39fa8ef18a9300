//! Control streams over loopback, against a client that is written out by hand.

use crate::bed::{Bed, compiled, hello};
use mesegate_proto::control::v1::connect_request::Message as Out;
use mesegate_proto::control::v1::connect_response::Message as In;
use mesegate_proto::control::v1::{Ack, Hello, Nack};
use tonic::Code;

#[tokio::test]
async fn changes_come_one_after_the_other_as_differences() {
    let bed = Bed::new(&["lobby"]).await;
    let mut stream = bed.open(hello(vec![])).await;
    let snapshot = stream.snapshot().await;
    assert!(snapshot.complete && snapshot.hash == bed.hash() && snapshot.resources.len() == 2);
    // Nothing further before the answer, and then only the last state.
    bed.compiled.send_replace(compiled(&["lobby", "a"]));
    bed.compiled.send_replace(compiled(&["lobby", "a", "b"]));
    stream.quiet().await;
    stream.send(Out::Ack(Ack { hash: snapshot.hash.clone() })).await;
    let Some(In::Delta(delta)) = stream.next().await.unwrap() else { panic!() };
    let names: Vec<&str> = delta.upserts.iter().map(|it| it.name.as_str()).collect();
    assert_eq!((names, delta.removals.len()), (vec!["a", "b"], 0));
    assert_eq!((&delta.base_hash, &delta.hash), (&snapshot.hash, &bed.hash()));
    // A set that is refused is not sent again; one that could not be applied comes whole.
    let (hash, reason) = (delta.hash.clone(), "no".to_owned());
    stream.send(Out::Nack(Nack { hash, reason, resync: false, elsewhere: false })).await;
    stream.quiet().await;
    assert_eq!(bed.fleet.view().0[0].refused.as_deref(), Some("no"));
    bed.compiled.send_replace(compiled(&["lobby", "c"]));
    let Some(In::Delta(delta)) = stream.next().await.unwrap() else { panic!() };
    assert_eq!(delta.base_hash, snapshot.hash);
    let (hash, reason) = (delta.hash.clone(), "lost".to_owned());
    stream.send(Out::Nack(Nack { hash, reason, resync: true, elsewhere: false })).await;
    assert_eq!(stream.snapshot().await.hash, bed.hash());
}

#[tokio::test]
async fn who_has_everything_gets_the_empty_difference_and_a_newer_stream_takes_over() {
    let bed = Bed::new(&["lobby"]).await;
    let mut stream = bed.open(hello(bed.hash())).await;
    let Some(In::Delta(delta)) = stream.next().await.unwrap() else { panic!() };
    assert!(delta.upserts.is_empty() && delta.removals.is_empty());
    assert!(delta.base_hash == bed.hash() && delta.hash == bed.hash());
    let mut newer = bed.open(hello(vec![])).await;
    newer.snapshot().await;
    assert_eq!(bed.fleet.connected(), 1);
    bed.stop.send_replace(true);
    assert_eq!(newer.next().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn wrong_beginnings_are_refused() {
    let bed = Bed::new(&["lobby"]).await;
    for (hello, code) in [
        (Hello { protocol: 99, ..hello(vec![]) }, Code::FailedPrecondition),
        (Hello { proxy: String::new(), ..hello(vec![]) }, Code::InvalidArgument),
        (Hello { class: "x".repeat(300), ..hello(vec![]) }, Code::InvalidArgument),
    ] {
        let mut stream = bed.open(hello).await;
        assert_eq!(stream.next().await.unwrap_err().code(), code);
    }
    assert_eq!(bed.fleet.connected(), 0);
    let mut other = bed.open(Hello { class: "other".into(), ..hello(vec![]) }).await;
    other.quiet().await;
}
