use super::*;
use crate::login::DenyCode;

fn hello(serialization: u8, version: u16, mechanisms: u32) -> Bytes {
    Hello { serialization, version, mechanisms: Mechanisms(mechanisms) }.encode()
}

fn next<S: std::fmt::Debug, N: std::fmt::Debug>(outcome: Outcome<S, N>) -> N {
    match outcome {
        Ok(Step::Next(next)) => next,
        other => panic!("{other:?}"),
    }
}

fn start() -> AwaitHello {
    AwaitHello::new("bot", ProtocolVersion::MAX).0
}

fn prover() -> Prover {
    match next(start().on_message(&hello(29, 53, 2))).choose() {
        Ok(Method::Prove(prover)) => prover,
        other => panic!("{other:?}"),
    }
}

fn accepted() -> Accepted {
    let (state, _) = prover().start(b"A");
    let (state, _) = next(state.on_message(b"\0\x60\0\x04salt\0\x01B")).prove(&[6; 32]);
    next(state.on_message(&AuthAccept::standard().encode()))
}

#[test]
fn logs_in_with_broadcasts_in_between() {
    let time = b"\0\x29\0\0\0\0\0\0";
    let (state, init) = AwaitHello::new("bot", ProtocolVersion(46));
    assert_eq!(&init[..], b"\0\x02\x1d\0\0\0\x25\0\x2e\0\x03bot");
    let Ok(Step::PassOn(state)) = state.on_message(time) else { panic!() };
    let greeted = next(state.on_message(&hello(29, 46, 2)));
    assert_eq!(greeted.version(), ProtocolVersion(46));
    let Ok(Method::Prove(prover)) = greeted.choose() else { panic!() };
    assert_eq!(prover.based_on(), BasedOn::Password);
    let (state, a) = prover.start(b"A");
    assert_eq!(&a[..], b"\0\x51\0\x01A\x01");
    let Ok(Step::PassOn(state)) = state.on_message(time) else { panic!() };
    let answer = next(state.on_message(b"\0\x60\0\x04salt\0\x01B"));
    assert_eq!((answer.salt(), answer.b()), (&b"salt"[..], &b"B"[..]));
    let (state, m) = answer.prove(&[6; 32]);
    assert_eq!(m.len(), 36);
    let Ok(Step::PassOn(state)) = state.on_message(time) else { panic!() };
    let accepted = next(state.on_message(&AuthAccept::standard().encode()));
    let (state, init2) = accepted.enter("de");
    assert_eq!(&init2[..], b"\0\x11\0\x02de");
    // Any order, with others in between, and a repetition replaces.
    let message = |bytes: &'static [u8]| Bytes::from_static(bytes);
    let Ok(Step::Stay(state)) = state.on_message(&message(b"\0\x3cold")) else { panic!() };
    let Ok(Step::Stay(state)) = state.on_message(&message(b"\0\x3cmedia")) else { panic!() };
    let Ok(Step::PassOn(state)) = state.on_message(&message(b"\0\x43inv")) else { panic!() };
    let Ok(Step::Stay(state)) = state.on_message(&message(b"\0\x3dn")) else { panic!() };
    let entered = next(state.on_message(&message(b"\0\x3ai")));
    assert_eq!(&entered.announce_media[..], b"media");
    assert_eq!((&entered.item_def[..], &entered.node_def[..]), (&b"n"[..], &b"i"[..]));
    assert!(!entered.registered);
}

#[test]
fn mechanisms_in_the_engines_order() {
    let choose = |bits| next(start().on_message(&hello(29, 53, bits))).choose();
    assert!(matches!(choose(7), Ok(Method::Prove(p)) if p.based_on() == BasedOn::Password));
    assert!(matches!(choose(5), Ok(Method::Register(_))));
    assert!(matches!(choose(1), Ok(Method::Prove(p)) if p.based_on() == BasedOn::LegacyHash));
    assert_eq!(choose(8).unwrap_err(), Ended::Mechanisms(8));
}

#[test]
fn registering_says_so() {
    let Ok(Method::Register(state)) = next(start().on_message(&hello(29, 53, 4))).choose() else {
        panic!()
    };
    let request = FirstSrp { salt: b"salt".into(), verifier: b"v".into(), empty: true };
    let (state, message) = state.register(&request);
    assert_eq!(&message[..], b"\0\x50\0\x04salt\0\x01v\x01");
    let (state, _) = next(state.on_message(&AuthAccept::standard().encode())).enter("");
    let Ok(Step::Stay(state)) = state.on_message(&Bytes::from_static(b"\0\x3d")) else { panic!() };
    let Ok(Step::Stay(state)) = state.on_message(&Bytes::from_static(b"\0\x3c")) else { panic!() };
    assert!(next(state.on_message(&Bytes::from_static(b"\0\x3a"))).registered);
}

#[test]
fn versions_that_were_not_offered() {
    let start = || AwaitHello::new("bot", ProtocolVersion(46)).0;
    for (serialization, version) in [(29, 47), (29, 36), (28, 46), (30, 46), (29, 39)] {
        assert_eq!(
            start().on_message(&hello(serialization, version, 2)).unwrap_err(),
            Ended::Version { version, serialization }
        );
    }
    next(start().on_message(&hello(28, 39, 2)));
}

#[test]
fn a_refusal_ends_every_state() {
    let short = Bytes::from_static(b"\0\x0a\x08");
    let legacy = Bytes::from_static(b"\0\x35\0\x02\0h\0i");
    let code = |ended: Ended| match ended {
        Ended::Denied(denied) => denied.code,
        other => panic!("{other:?}"),
    };
    for (message, expected) in
        [(short, DenyCode::AlreadyConnected), (legacy, DenyCode::CustomString)]
    {
        assert_eq!(code(start().on_message(&message).unwrap_err()), expected);
        let (state, _) = prover().start(b"A");
        assert_eq!(code(state.on_message(&message).unwrap_err()), expected);
        let (state, _) = prover().start(b"A");
        let (state, _) = next(state.on_message(b"\0\x60\0\0\0\x01B")).prove(&[6; 32]);
        assert_eq!(code(state.on_message(&message).unwrap_err()), expected);
        let (state, _) = accepted().enter("");
        assert_eq!(code(state.on_message(&message).unwrap_err()), expected);
    }
}

#[test]
fn cut_short_messages_of_the_login_end_it() {
    assert!(matches!(
        start().on_message(b"\0\x02\x1d"),
        Err(Ended::Malformed { command: to_client::HELLO, .. })
    ));
    assert!(matches!(start().on_message(b"\0\x0a"), Err(Ended::Malformed { .. })));
    assert!(matches!(start().on_message(b"\0"), Ok(Step::Stay(_))));
}
