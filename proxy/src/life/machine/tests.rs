use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn machine(timeout: u64, nudge: f64) -> (Machine, Instant) {
    (Machine::new(Terms { timeout: SECOND * timeout as u32, nudge }), Instant::now())
}

/// All that is done in the seconds from one to another, with the second.
fn acts(
    machine: &mut Machine,
    start: Instant,
    seconds: std::ops::Range<u32>,
    players: usize,
) -> Vec<(u32, Act)> {
    let mut all = Vec::new();
    for second in seconds {
        let acts = machine.step(start + SECOND * second, players);
        all.extend(acts.into_iter().map(|act| (second, act)));
    }
    all
}

#[test]
fn a_proxy_that_serves_has_nothing_to_do() {
    let (mut machine, start) = machine(60, 5.0);
    assert_eq!(acts(&mut machine, start, 0..1000, 5), []);
    assert!(!machine.is_draining() && !machine.ends() && machine.keeps(start));
}

#[test]
fn players_are_told_three_times_and_then_the_process_ends() {
    let (mut machine, start) = machine(900, 0.0);
    machine.end(start);
    let notice = |left| Act::Notice(SECOND * left);
    let told = [(0, notice(900)), (450, notice(450)), (840, notice(60)), (900, Act::End)];
    assert_eq!(acts(&mut machine, start, 0..901, 5), told);
    assert!(!machine.keeps(start + SECOND * 901));
}

#[test]
fn short_times_have_fewer_notices() {
    for (timeout, told) in
        [(4, vec![4, 2]), (60, vec![60, 30]), (120, vec![120, 60]), (90, vec![90, 60, 45])]
    {
        let (mut machine, start) = machine(timeout, 0.0);
        machine.end(start);
        let all = acts(&mut machine, start, 0..timeout as u32, 1);
        let all: Vec<Act> = all.into_iter().map(|(_, act)| act).collect();
        let told: Vec<Act> = told.into_iter().map(|left| Act::Notice(SECOND * left)).collect();
        assert_eq!(all, told, "{timeout}");
    }
}

#[test]
fn of_notices_that_are_late_together_one_is_given_with_the_time_that_is_left() {
    let (mut machine, start) = machine(900, 0.0);
    machine.end(start);
    assert_eq!(machine.step(start + SECOND * 850, 1), [Act::Notice(SECOND * 50)]);
    assert_eq!(acts(&mut machine, start, 850..900, 1), []);
}

#[test]
fn nobody_there_ends_it_at_once() {
    let (mut machine, start) = machine(900, 0.0);
    machine.end(start);
    assert_eq!(machine.step(start, 1).len(), 1);
    assert_eq!(machine.step(start + SECOND, 0), [Act::End]);
}

#[test]
fn a_second_wish_or_no_time_ends_it_at_once() {
    let (mut machine, start) = machine(900, 0.0);
    machine.end(start);
    machine.end(start + SECOND);
    assert_eq!(machine.step(start + SECOND, 5), [Act::End]);
    let (mut machine, start) = self::machine(0, 0.0);
    machine.end(start);
    assert!(machine.ends() && !machine.keeps(start));
    assert_eq!(machine.step(start, 5), [Act::End]);
}

#[test]
fn players_trickle_away_at_the_rate_and_not_in_arrears() {
    let (mut machine, start) = machine(900, 0.5);
    machine.end(start);
    let nudged = acts(&mut machine, start, 1..11, 5);
    let expected: Vec<_> = [2, 4, 6, 8, 10].map(|at| (at, Act::Nudge(1))).into();
    assert_eq!(&nudged[1..], expected);
    // An operator's drain goes on while nobody is there, and who comes then is asked in turn.
    let (mut machine, start) = self::machine(900, 10.0);
    machine.drain(start);
    assert_eq!(acts(&mut machine, start, 0..60, 0), []);
    let later = acts(&mut machine, start, 60..62, 3);
    assert_eq!(later, [(60, Act::Nudge(3)), (61, Act::Nudge(3))]);
}

#[test]
fn an_operators_drain_sends_everybody_away_but_ends_nothing() {
    let (mut machine, start) = machine(10, 0.0);
    machine.drain(start);
    machine.drain(start + SECOND);
    let all = acts(&mut machine, start, 0..13, 2);
    let away = (10..13).map(|at| (at, Act::SendAway));
    let notices = [(0, Act::Notice(SECOND * 10)), (5, Act::Notice(SECOND * 5))];
    assert_eq!(all, notices.into_iter().chain(away).collect::<Vec<_>>());
    assert_eq!(acts(&mut machine, start, 13..99, 0), []);
    assert!(machine.is_draining() && !machine.ends());
    assert!(!machine.keeps(start + SECOND * 10));
    assert!(machine.resume() && !machine.is_draining());
    assert_eq!(acts(&mut machine, start, 99..150, 2), []);
}

#[test]
fn an_operators_drain_without_a_time_keeps_players_for_ever() {
    let (mut machine, start) = machine(0, 0.0);
    machine.drain(start);
    assert_eq!(acts(&mut machine, start, 0..100_000, 2), []);
    assert!(machine.is_draining() && machine.keeps(start));
    machine.end(start);
    assert_eq!(machine.step(start, 2), [Act::End]);
}

#[test]
fn a_signal_in_an_operators_drain_does_not_lengthen_it_and_is_not_taken_back() {
    let (mut machine, start) = machine(10, 0.0);
    machine.drain(start);
    assert_eq!(acts(&mut machine, start, 0..9, 2).len(), 2);
    machine.end(start + SECOND * 9);
    assert!(!machine.resume());
    assert_eq!(machine.step(start + SECOND * 9, 2), []);
    assert_eq!(machine.step(start + SECOND * 10, 2), [Act::End]);
}
