use super::*;

const CONNECT: &[u8] = b"OEt\x03\x00\x00\x00\x03\xff\xdc\x01";
const PING: &[u8] = b"OEt\x03\x00\x00\x00\x01";

fn init(name: u8) -> Vec<u8> {
    [b"OEt\x03\x00\x00\x01\x01\x00\x02\x1d\x00\x00\x00\x25\x00\x35\x00\x01", &[name][..]].concat()
}

fn addr() -> SocketAddr {
    "192.0.2.1:4000".parse().unwrap()
}

fn table() -> (HalfOpenTable, Instant) {
    let table = HalfOpenTable::new(Duration::from_millis(7500), 6);
    (table, Instant::now())
}

fn with_id(id: u16, channel: u8, packet: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    packet::write_header(&mut datagram, id, channel);
    datagram.extend_from_slice(packet);
    datagram
}

#[test]
fn the_server_lists_ping_gets_the_answer_it_parses() {
    let (mut table, now) = table();
    assert_eq!(table.handle(now, addr(), PING), Verdict::New);
    let answer = table.insert(now, addr(), 0x1234, PING);
    assert_eq!(answer, b"OEt\x03\x00\x01\x00\x03\xff\xdc\x00\x01\x12\x34");
    assert_eq!((&answer[4..6], answer[11]), (&[0, 1][..], 1));
    let disco = with_id(0x1234, 0, &[0, 3]);
    assert_eq!(table.handle(now, addr(), &disco), Verdict::Ignore);
    assert_eq!(table.len(), 0);
}

#[test]
fn the_last_init_and_the_first_reliable_are_held_until_the_id_is_used() {
    let (mut table, now) = table();
    table.insert(now, addr(), 77, CONNECT);
    for name in b"abc" {
        let verdict = table.handle(now, addr(), &init(*name));
        assert_eq!(verdict, Verdict::Reply(set_peer_id(77)));
    }
    table.handle(now, addr(), CONNECT);
    let verdict = table.handle(now, addr(), &with_id(77, 0, &[0, 0, 0xff, 0xdc]));
    let expected = Proven { id: 77, held: vec![CONNECT.into(), init(b'c').into()] };
    assert_eq!(verdict, Verdict::Proven(expected));
    assert_eq!(table.len(), 0);
}

#[test]
fn the_id_is_resent_six_times_and_only_when_provoked() {
    let (mut table, now) = table();
    table.insert(now, addr(), 77, CONNECT);
    let replies = (0..1000)
        .filter(|_| matches!(table.handle(now, addr(), CONNECT), Verdict::Reply(_)))
        .count();
    assert_eq!(replies, 6);
}

#[test]
fn an_unproven_address_gets_at_most_twice_what_it_sent() {
    for datagram in [&b"OEt\x03\x00\x00\x00"[..], PING, CONNECT, &init(b'x')] {
        let (mut table, now) = table();
        let (mut received, mut sent) = (0, 0);
        assert_eq!(table.handle(now, addr(), datagram), Verdict::New);
        received += datagram.len();
        sent += table.insert(now, addr(), 9, datagram).len();
        for _ in 0..100 {
            assert!(sent <= 2 * received);
            received += datagram.len();
            if let Verdict::Reply(reply) = table.handle(now, addr(), datagram) {
                sent += reply.len();
            }
        }
        assert!(sent <= 7 * packet::SET_PEER_ID_SIZE);
    }
}

#[test]
fn wrong_ids_are_met_with_silence() {
    let (mut table, now) = table();
    let wrong = with_id(5, 0, &[0, 2]);
    assert_eq!(table.handle(now, addr(), &wrong), Verdict::Drop(DropReason::UnknownPeer));
    table.insert(now, addr(), 77, CONNECT);
    assert_eq!(table.handle(now, addr(), &wrong), Verdict::Drop(DropReason::UnknownPeer));
    let other: SocketAddr = "192.0.2.1:4001".parse().unwrap();
    let right = with_id(77, 0, &[0, 2]);
    assert_eq!(table.handle(now, other, &right), Verdict::Drop(DropReason::UnknownPeer));
}

#[test]
fn nothing_extends_a_half_open_life() {
    let (mut table, now) = table();
    table.insert(now, addr(), 77, CONNECT);
    table.handle(now + Duration::from_millis(7499), addr(), CONNECT);
    let late = now + Duration::from_millis(7500);
    let proof = with_id(77, 0, &[0, 2]);
    assert_eq!(table.handle(late, addr(), &proof), Verdict::Drop(DropReason::UnknownPeer));
    assert_eq!(table.handle(late, addr(), CONNECT), Verdict::New);
    table.insert(late, addr(), 78, CONNECT);
    table.expire(late + Duration::from_millis(7499));
    assert_eq!(table.len(), 1, "the second life has its own clock");
    table.expire(late + Duration::from_millis(7500));
    assert_eq!(table.len(), 0);
}

#[test]
fn held_memory_is_tiny() {
    let (mut table, now) = table();
    table.insert(now, addr(), 77, CONNECT);
    for n in 0..100u8 {
        table.handle(now, addr(), &with_id(0, 0, &[3, 0, n, 1, 1, 1]));
        table.handle(now, addr(), &with_id(0, 1, &[&[1][..], &[n; 200]].concat()));
    }
    let peer = &table.peers[&addr()];
    assert_eq!(peer.others.len(), MAX_OTHERS);
    assert_eq!(peer.init, None);
}
