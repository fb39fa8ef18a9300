use super::*;
use crate::login::{SrpBytesA, SrpBytesM};
use crate::to_client;

fn init(name: &str, serialization: u8, max_version: u16) -> Bytes {
    Init { serialization, min_version: 37, max_version, name: name.into() }.encode()
}

fn offer(name: &str) -> Offer {
    let state = AwaitInit::new(ProtocolVersion::MAX);
    match state.on_message(&init(name, 29, 53)) {
        Ok(Step::Next(offer)) => offer,
        other => panic!("{other:?}"),
    }
}

fn a(based_on: BasedOn) -> Bytes {
    SrpBytesA { a: vec![3; 256], based_on }.encode()
}

fn m() -> Bytes {
    SrpBytesM { m: vec![5; 32] }.encode()
}

fn first() -> Bytes {
    FirstSrp { salt: vec![1; 16], verifier: vec![2; 256], empty: false }.encode()
}

fn next<S: std::fmt::Debug, N: std::fmt::Debug>(outcome: Outcome<S, N>) -> N {
    match outcome {
        Ok(Step::Next(next)) => next,
        other => panic!("{other:?}"),
    }
}

fn stay<S: std::fmt::Debug, N: std::fmt::Debug>(outcome: Outcome<S, N>) -> S {
    match outcome {
        Ok(Step::Stay(state)) => state,
        other => panic!("{other:?}"),
    }
}

fn code<S: std::fmt::Debug, N: std::fmt::Debug>(outcome: Outcome<S, N>) -> DenyCode {
    outcome.unwrap_err().code
}

fn accepted() -> AwaitInit2 {
    let (state, _) = offer("Alice").srp();
    let (state, _) = next(state.on_message(&a(BasedOn::Password))).respond(b"salt", b"B");
    next(state.on_message(&m())).accept(&AuthAccept::standard()).0
}

#[test]
fn a_returning_player_logs_in() {
    let (state, hello) = offer("Alice").srp();
    assert_eq!(&hello[..], b"\0\x02\x1d\0\0\0\x35\0\0\0\x02\0\0");
    let state = stay(state.on_message(&init("Alice", 29, 53)));
    let challenge = next(state.on_message(&a(BasedOn::Password)));
    assert_eq!(challenge.a(), [3; 256]);
    let (state, sb) = challenge.respond(b"salt", b"B");
    assert_eq!(&sb[..], b"\0\x60\0\x04salt\0\x01B");
    let proof = next(state.on_message(&m()));
    assert_eq!(proof.m(), &[5; 32]);
    let (state, accept) = proof.accept(&AuthAccept::standard());
    assert_eq!(split_command(&accept).unwrap().0, to_client::AUTH_ACCEPT);
    let state = stay(state.on_message(&init("Alice", 29, 53)));
    let state = next(state.on_message(b"\0\x11\0\x02de"));
    assert_eq!(state.language(), "de");
    let Ok(Step::PassOn(state)) = state.on_message(b"\0\x40\0\0") else { panic!() };
    let ready = ClientReady::new((5, 17, 0), "5.17.0", 11);
    let playing = next(state.on_message(&ready.encode()));
    assert_eq!(playing.visitor.name, "Alice");
    assert_eq!(playing.ready, ready);
}

#[test]
fn a_new_player_registers() {
    let (state, hello) = offer("Bob").first_srp();
    assert_eq!(hello[10], 4);
    let registration = next(state.on_message(&first()));
    assert_eq!(registration.request().verifier, [2; 256]);
    registration.accept(&AuthAccept::standard());
}

#[test]
fn legacy_accounts_prove_the_hash() {
    let (state, hello) = offer("Bob").legacy();
    assert_eq!(hello[10], 1);
    assert_eq!(next(state.on_message(&a(BasedOn::LegacyHash))).based_on(), BasedOn::LegacyHash);
}

#[test]
fn init_is_checked_in_the_engines_order() {
    let check = |message: Bytes| code(AwaitInit::new(ProtocolVersion(46)).on_message(&message));
    assert_eq!(check(init("", 23, 53)), DenyCode::WrongVersion);
    assert_eq!(check(init("", 29, 36)), DenyCode::WrongVersion);
    assert_eq!(check(init("x", 28, 46)), DenyCode::WrongVersion);
    assert_eq!(check(init("", 29, 53)), DenyCode::WrongName);
    assert_eq!(check(init("a b", 29, 53)), DenyCode::WrongCharsInName);
    assert_eq!(check(init("Singleplayer", 29, 53)), DenyCode::WrongName);
}

#[test]
fn version_is_the_lower_one_and_can_be_lowered() {
    let state = AwaitInit::new(ProtocolVersion(50));
    let offer = next(state.on_message(&init("x", 40, 70)));
    assert_eq!(offer.visitor().version, ProtocolVersion(50));
    assert_eq!(offer.visitor().client_max, 70);
    let offer = offer.limit(ProtocolVersion(39)).unwrap();
    let offer = offer.limit(ProtocolVersion(53)).unwrap();
    assert_eq!(offer.visitor().version.0, 39, "never raised again");
    let (_, hello) = offer.srp();
    assert_eq!((hello[2], hello[6]), (28, 39));
    let refused = self::offer("x").limit(ProtocolVersion(30)).unwrap_err();
    assert_eq!(refused.code, DenyCode::WrongVersion);
}

#[test]
fn mechanisms_that_were_not_offered() {
    let unexpected = DenyCode::UnexpectedData;
    let srp = || offer("x").srp().0;
    assert_eq!(code(srp().on_message(&first())), unexpected);
    assert_eq!(code(srp().on_message(&a(BasedOn::LegacyHash))), unexpected);
    assert_eq!(code(srp().on_message(&m())), unexpected);
    let register = || offer("x").first_srp().0;
    assert_eq!(code(register().on_message(&a(BasedOn::Password))), unexpected);
    assert_eq!(code(register().on_message(&m())), unexpected);
}

#[test]
fn impossible_values() {
    for len in [0, 257, 65535] {
        let message = SrpBytesA { a: vec![1; len], based_on: BasedOn::Password }.encode();
        assert_eq!(code(offer("x").srp().0.on_message(&message)), DenyCode::UnexpectedData);
    }
    for (salt, verifier) in [(0, 256), (65, 256), (16, 0), (16, 257)] {
        let request = FirstSrp { salt: vec![1; salt], verifier: vec![1; verifier], empty: false };
        let outcome = offer("x").first_srp().0.on_message(&request.encode());
        assert_eq!(code(outcome), DenyCode::UnexpectedData);
    }
    let state = || {
        let (state, _) = offer("x").srp();
        next(state.on_message(&a(BasedOn::Password))).respond(b"s", b"B").0
    };
    let short = SrpBytesM { m: vec![1; 31] }.encode();
    assert_eq!(code(state().on_message(&short)), DenyCode::UnexpectedData);
    assert_eq!(code(state().on_message(&a(BasedOn::Password))), DenyCode::UnexpectedData);
    assert_eq!(next(state().on_message(&m())).wrong().code, DenyCode::WrongPassword);
}

#[test]
fn what_engines_ignore_is_ignored() {
    let state = AwaitInit::new(ProtocolVersion::MAX);
    let state = stay(state.on_message(&[]));
    let state = stay(state.on_message(b"\0"));
    let state = stay(state.on_message(b"\0\x02\x1d\0"));
    let state = stay(state.on_message(&first()));
    next(state.on_message(&init("x", 29, 53)));

    let (state, _) = offer("x").srp();
    let state = stay(state.on_message(b"\0\x51\x01"));
    let state = stay(state.on_message(b"\0\x11"));
    let state = stay(state.on_message(b"\0\x43"));
    next(state.on_message(&a(BasedOn::Password)));

    let state = stay(accepted().on_message(&m()));
    let state = stay(state.on_message(&first()));
    let state = stay(state.on_message(b"\0\x43\x05\0\0\0\0\0"));
    let state = next(state.on_message(b"\0\x11"));
    let state = stay(state.on_message(b"\0\x11"));
    let state = stay(state.on_message(b"\0\x43\x05"));
    stay(state.on_message(b"\0\x23"));
}
