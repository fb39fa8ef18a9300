use super::*;
use crate::limits::Budget;

const ID: u16 = 0x1234;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn client() -> (Connection, Instant) {
    let now = Instant::now();
    (Connection::client(Arc::default(), now), now)
}

fn server() -> (Connection, Instant) {
    server_with(Config::default())
}

fn server_with(config: Config) -> (Connection, Instant) {
    let now = Instant::now();
    (Connection::server(Arc::new(config), now, ID), now)
}

/// All datagrams that leave now.
fn drain(connection: &mut Connection, now: Instant) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut buf = Vec::new();
    while let Some(transmit) = connection.poll_transmit(now, &mut buf, 64) {
        assert_eq!(transmit.len, buf.len());
        let size = transmit.segment_size.unwrap_or(buf.len());
        out.extend(buf.chunks(size).map(<[u8]>::to_vec));
        buf.clear();
    }
    out
}

fn feed(connection: &mut Connection, now: Instant, text: &str) {
    connection.handle_datagram(now, &hex(text));
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Lets timers fire up to `until`; returns what was sent and when (milliseconds).
fn play(connection: &mut Connection, start: Instant, until: u64) -> Vec<(u64, Vec<u8>)> {
    let mut out = Vec::new();
    while let Some(at) = connection.poll_timeout()
        && at <= start + ms(until)
    {
        connection.handle_timeout(at);
        let millis = at.duration_since(start).as_millis() as u64;
        out.extend(drain(connection, at).into_iter().map(|datagram| (millis, datagram)));
    }
    out
}

#[test]
fn a_client_speaks_the_vectors() {
    let (mut c, now) = client();
    assert_eq!(drain(&mut c, now), [hex("4f457403 0000 00 03 ffdc 01")]);
    feed(&mut c, now, "4f457403 0001 00 03 ffdc 00 01 1234");
    feed(&mut c, now, "4f457403 0001 00 00 00 ffdc");
    assert_eq!(drain(&mut c, now), [hex("4f457403 1234 00 00 00 ffdc")]);
    let init = hex("0002 1d 0000 0025 0035 0005 416c696365");
    c.send(now, 1, false, init.into()).unwrap();
    let expected = hex("4f457403 1234 01 01 0002 1d 0000 0025 0035 0005 416c696365");
    assert_eq!(drain(&mut c, now), [expected]);
    feed(&mut c, now, "4f457403 0001 00 03 ffdd 01 0002 1d 0000 0035 00000002 0000");
    let hello = c.poll_message().unwrap();
    assert_eq!((hello.channel, hello.reliable), (0, true));
    assert_eq!(hello.data, hex("0002 1d 0000 0035 00000002 0000"));
    assert_eq!(drain(&mut c, now), [hex("4f457403 1234 00 00 00 ffdd")]);
    c.send(now, 1, true, hex("0051 0100").into()).unwrap();
    assert_eq!(drain(&mut c, now), [hex("4f457403 1234 01 03 ffdc 01 0051 0100")]);
    c.handle_timeout(now + ms(5000));
    let ping = hex("4f457403 1234 00 03 ffdd 00 02");
    assert!(drain(&mut c, now + ms(5000)).contains(&ping));
    c.close(now);
    assert_eq!(drain(&mut c, now), vec![hex("4f457403 1234 00 00 03"); 3]);
    assert_eq!(c.closed(), Some(CloseReason::Local));
    assert_eq!(c.poll_timeout(), None);
}

#[test]
fn a_server_speaks_the_vectors() {
    let (mut s, now) = server();
    feed(&mut s, now, "4f457403 0000 00 03 ffdc 01");
    assert_eq!(drain(&mut s, now), [hex("4f457403 0001 00 00 00 ffdc")]);
    feed(&mut s, now, "4f457403 1234 00 00 00 ffdc");
    feed(&mut s, now, "4f457403 1234 01 01 0002 1d 0000 0025 0035 0005 416c696365");
    let init = s.poll_message().unwrap();
    assert_eq!((init.channel, init.reliable), (1, false));
    let hello = hex("0002 1d 0000 0035 00000002 0000");
    s.send(now, 0, true, hello.into()).unwrap();
    let expected = hex("4f457403 0001 00 03 ffdd 01 0002 1d 0000 0035 00000002 0000");
    assert_eq!(drain(&mut s, now), [expected]);
    feed(&mut s, now, "4f457403 1234 00 00 00 ffdd");
    assert_eq!(s.queued_bytes(), 0);
    feed(&mut s, now, "4f457403 1234 01 03 ffdc 01 0051 0100");
    assert_eq!(drain(&mut s, now), [hex("4f457403 0001 01 00 00 ffdc")]);
    feed(&mut s, now, "4f457403 1234 00 03 ffdd 00 02");
    assert_eq!(drain(&mut s, now), [hex("4f457403 0001 00 00 00 ffdd")]);
    feed(&mut s, now, "4f457403 1234 00 00 03");
    assert_eq!(s.closed(), Some(CloseReason::PeerDisconnected));
    assert!(drain(&mut s, now).is_empty(), "nobody is left to say goodbye to");
}

/// What clients before 5.11 do when their first packet gets lost and their INIT does not.
#[test]
fn a_first_packet_that_comes_late_and_without_an_id_is_taken() {
    let (mut s, now) = server();
    feed(&mut s, now, "4f457403 1234 00 00 00 ffdc");
    feed(&mut s, now, "4f457403 1234 00 03 ffdd 01 0032 07");
    assert_eq!(drain(&mut s, now), [hex("4f457403 0001 00 00 00 ffdd")]);
    assert!(s.poll_message().is_none(), "it is not next");
    // Nothing else is taken without an id.
    feed(&mut s, now, "4f457403 0000 00 03 ffdc 01 0032 09");
    feed(&mut s, now, "4f457403 0000 00 03 ffde 01");
    feed(&mut s, now, "4f457403 0000 01 03 ffdc 01");
    assert!(drain(&mut s, now).is_empty());
    for _ in 0..2 {
        feed(&mut s, now, "4f457403 0000 00 03 ffdc 01");
        assert_eq!(drain(&mut s, now), [hex("4f457403 0001 00 00 00 ffdc")]);
    }
    assert_eq!(s.poll_message().unwrap().data, hex("0032 07"));
    assert!(s.poll_message().is_none());
}

#[test]
fn split_messages_look_as_the_engine_makes_them() {
    let (mut s, now) = server();
    s.send(now, 2, true, vec![7; 1200].into()).unwrap();
    s.send(now, 2, false, vec![7; 1200].into()).unwrap();
    let out = drain(&mut s, now);
    let sizes: Vec<usize> = out.iter().map(Vec::len).collect();
    assert_eq!(sizes, [512, 512, 218, 512, 512, 227]);
    // The unreliable one is more urgent but was queued, and numbered, in the same counter.
    assert!(out[0].starts_with(&hex("4f457403 0001 02 02 ffdc 0003 0000")));
    assert!(out[3].starts_with(&hex("4f457403 0001 02 03 ffdc 02 ffdd 0003 0000")));
    assert!(out[4].starts_with(&hex("4f457403 0001 02 03 ffdd 02 ffdd 0003 0001")));
    assert!(out[5].starts_with(&hex("4f457403 0001 02 03 ffde 02 ffdd 0003 0002")));
    for (len, reliable, expected) in [
        (501, true, vec![512]),
        (502, true, vec![512, 24]),
        (504, false, vec![512]),
        (505, false, vec![512, 21]),
    ] {
        s.send(now, 1, reliable, vec![7; len].into()).unwrap();
        let sizes: Vec<usize> = drain(&mut s, now).iter().map(Vec::len).collect();
        assert_eq!(sizes, expected, "{len}");
    }
}

#[test]
fn the_37th_reliable_has_number_zero() {
    let (mut c, now) = client();
    for _ in 0..36 {
        c.send(now, 0, true, Bytes::from_static(b"xx")).unwrap();
    }
    let last = drain(&mut c, now).pop().unwrap();
    assert_eq!(&last[8..10], [0, 0]);
}

#[test]
fn resends_carry_the_id_that_came_meanwhile() {
    let (mut c, now) = client();
    drain(&mut c, now);
    feed(&mut c, now + ms(100), "4f457403 0001 00 03 ffdc 00 01 1234");
    drain(&mut c, now + ms(100));
    let resends = play(&mut c, now, 600);
    assert_eq!(resends, [(500, hex("4f457403 1234 00 03 ffdc 01"))]);
    // Only the first id counts.
    feed(&mut c, now + ms(600), "4f457403 0001 00 03 ffdd 00 01 4321");
    assert_eq!(drain(&mut c, now + ms(600)), [hex("4f457403 1234 00 00 00 ffdd")]);
}

#[test]
fn a_client_hears_ids_zero_and_one_only() {
    let (mut c, now) = client();
    drain(&mut c, now);
    feed(&mut c, now, "4f457403 0002 00 03 ffdc 01 0001");
    assert!(drain(&mut c, now).is_empty());
    feed(&mut c, now, "4f457403 0000 00 03 ffdc 01 0001");
    assert_eq!(drain(&mut c, now).len(), 1);
    assert!(c.poll_message().is_some());
}

#[test]
fn every_position_is_acknowledged_as_the_engine_does() {
    let (mut s, now) = server();
    feed(&mut s, now, "4f457403 1234 00 00 00 ffdc");
    let cases = [
        ("7fdc", 0), // next + 0x8000
        ("ffdd", 1), // early
        ("7fdb", 1), // next + 0x7fff, early
        ("ffdb", 1), // old
        ("7fdd", 1), // next - 0x7fff, old
        ("ffdd", 1), // early again
        ("ffdc", 1), // next, releases two
        ("ffdc", 1), // old now
    ];
    for (seqnum, acks) in cases {
        feed(&mut s, now, &format!("4f457403 1234 02 03 {seqnum} 01 00{seqnum}"));
        let expected = vec![hex(&format!("4f457403 0001 02 00 00 {seqnum}")); acks];
        assert_eq!(drain(&mut s, now), expected, "{seqnum}");
    }
    let got: Vec<Bytes> = std::iter::from_fn(|| s.poll_message()).map(|m| m.data).collect();
    assert_eq!(got, [hex("00ffdc"), hex("00ffdd")]);
    assert_eq!(s.closed(), None);
}

#[test]
fn malformed_content_is_acknowledged_and_consumed() {
    let (mut s, now) = server();
    for (seqnum, content) in [("ffdc", "01"), ("ffdd", "03 0001 01"), ("ffde", "09"), ("ffdf", "")]
    {
        feed(&mut s, now, &format!("4f457403 1234 00 03 {seqnum} {content}"));
        let expected = [hex(&format!("4f457403 0001 00 00 00 {seqnum}"))];
        assert_eq!(drain(&mut s, now), expected);
    }
    feed(&mut s, now, "4f457403 1234 00 03 ffe0 01 0102");
    assert_eq!(s.poll_message().unwrap().data, hex("0102"));
    assert_eq!(s.poll_message(), None);
}

#[test]
fn a_number_with_other_content_ends_the_connection() {
    let (mut s, now) = server();
    feed(&mut s, now, "4f457403 1234 00 03 fff0 01 0102");
    feed(&mut s, now, "4f457403 1234 00 03 fff0 01 010203");
    assert_eq!(s.closed(), Some(CloseReason::ProtocolViolation));
    assert_eq!(drain(&mut s, now), vec![hex("4f457403 0001 00 00 03"); 3]);
}

#[test]
fn only_old_reliables_with_id_zero_are_acknowledged_once_open() {
    let (mut s, now) = server();
    feed(&mut s, now, "4f457403 0000 00 03 ffdc 01");
    feed(&mut s, now, "4f457403 1234 00 00 00 ffdc");
    drain(&mut s, now);
    feed(&mut s, now, "4f457403 0000 00 03 ffdc 01");
    assert_eq!(drain(&mut s, now), [hex("4f457403 0001 00 00 00 ffdc")]);
    feed(&mut s, now, "4f457403 0000 00 03 ffdd 01 0102");
    feed(&mut s, now, "4f457403 0000 00 03 ffde 01 0102");
    feed(&mut s, now, "4f457403 0000 00 01 0102");
    feed(&mut s, now, "4f457403 0000 00 00 03");
    assert!(drain(&mut s, now).is_empty());
    assert_eq!(s.poll_message(), None);
    assert_eq!(s.closed(), None);
    // Nor does it keep the connection alive.
    feed(&mut s, now + ms(29_000), "4f457403 0000 00 03 ffdc 01");
    s.handle_timeout(now + ms(30_000));
    assert_eq!(s.closed(), Some(CloseReason::ReceiveTimeout));
}

#[test]
fn a_silent_peer_is_given_up_silently_and_garbage_keeps_it() {
    let (mut s, now) = server();
    feed(&mut s, now, "4f457403 1234 00 00 00 ffdc");
    feed(&mut s, now + ms(20_000), "4f457403 1234 00 ff");
    let sent = play(&mut s, now, 49_999);
    assert_eq!(s.closed(), Some(CloseReason::AckTimeout), "its PINGs were never acknowledged");
    let discos = sent.iter().filter(|(_, datagram)| datagram.len() == 9).count();
    assert_eq!(discos, 3);
    let (mut s, now) = server();
    assert!(play(&mut s, now, 60_000).iter().all(|(_, datagram)| datagram.len() == 14));
    assert_eq!(s.closed(), Some(CloseReason::ReceiveTimeout));
}

#[test]
fn the_handshake_tells_nothing_about_the_path() {
    let (mut s, now) = server();
    feed(&mut s, now, "4f457403 1234 00 00 00 ffdc");
    assert_eq!((s.stats().min_rtt, s.stats().smoothed_rtt), (None, None));
    s.send(now, 0, true, Bytes::from_static(b"aa")).unwrap();
    assert_eq!(drain(&mut s, now).len(), 1);
    feed(&mut s, now + ms(70), "4f457403 1234 00 00 00 ffdd");
    assert_eq!((s.stats().min_rtt, s.stats().smoothed_rtt), (Some(ms(70)), Some(ms(70))));
}

#[test]
fn resends_back_off_and_stay_within_bounds() {
    let (mut s, now) = server();
    feed(&mut s, now, "4f457403 1234 00 00 00 ffdc");
    s.send(now, 0, true, Bytes::from_static(b"aa")).unwrap();
    assert_eq!(drain(&mut s, now).len(), 1);
    feed(&mut s, now + ms(1), "4f457403 1234 00 00 00 ffdd");
    s.send(now, 0, true, Bytes::from_static(b"xx")).unwrap();
    let first = now + ms(2);
    assert_eq!(drain(&mut s, first).len(), 1);
    let times: Vec<u64> = play(&mut s, now, 4_900).into_iter().map(|(at, _)| at).collect();
    assert_eq!(&times[..3], [102, 252, 477], "100 ms, then times 1.5");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 1000));
    assert!(times.len() < 10, "{times:?}");
}

#[test]
fn strangers_cannot_take_memory() {
    let (mut s, now) = server();
    for seqnum in 0..2000u16 {
        let mut datagram = hex("4f457403 1234 00 03");
        datagram.extend_from_slice(&seqnum.to_be_bytes());
        datagram.extend_from_slice(&[1; 490]);
        s.handle_datagram(now, &datagram);
    }
    let acks = drain(&mut s, now).len();
    assert!((32..=64).contains(&acks), "{acks}");
    assert!(s.stats().receive_high_water <= 33 << 10);
    // What comes next is taken all the same.
    feed(&mut s, now, "4f457403 1234 00 03 ffdc 01 0102");
    assert_eq!(drain(&mut s, now).len(), 1);
    assert!(s.poll_message().is_some());
}

#[test]
fn an_endless_message_of_a_stranger_ends_the_connection() {
    let (mut s, now) = server();
    let mut seqnum = crate::seqnum::INITIAL;
    for index in 0..100u16 {
        let mut datagram = hex("4f457403 1234 00 03");
        datagram.extend_from_slice(&seqnum.to_be_bytes());
        datagram.extend_from_slice(&hex("02 ffdc ffff"));
        datagram.extend_from_slice(&index.to_be_bytes());
        datagram.extend_from_slice(&[1; 495]);
        s.handle_datagram(now, &datagram);
        seqnum = seqnum.wrapping_add(1);
    }
    assert_eq!(s.closed(), Some(CloseReason::ReceiveLimit));
    assert!(s.stats().receive_high_water <= 33 << 10);
}

#[test]
fn undelivered_messages_stop_the_acknowledging_not_the_connection() {
    let (mut s, now) = server();
    let mut seqnum = crate::seqnum::INITIAL;
    let mut acked = 0;
    for _ in 0..1000 {
        let mut datagram = hex("4f457403 1234 00 03");
        datagram.extend_from_slice(&seqnum.to_be_bytes());
        datagram.extend_from_slice(&[1; 500]);
        s.handle_datagram(now, &datagram);
        if !drain(&mut s, now).is_empty() {
            acked += 1;
            seqnum = seqnum.wrapping_add(1);
        }
    }
    assert!(acked < 60, "{acked}");
    assert_eq!(s.closed(), None);
    while s.poll_message().is_some() {}
    let mut datagram = hex("4f457403 1234 00 03");
    datagram.extend_from_slice(&seqnum.to_be_bytes());
    datagram.extend_from_slice(&hex("01 0102"));
    s.handle_datagram(now, &datagram);
    assert_eq!(drain(&mut s, now).len(), 1, "taken again once there is room");
}

#[test]
fn the_process_budget_ends_connections_by_name() {
    let config = Config { budget: Budget::new(1 << 20), ..Config::default() };
    let budget = config.budget.clone();
    let (mut first, now) = server_with(config.clone());
    let (mut second, _) = server_with(config);
    first.send(now, 2, true, vec![0; 900 << 10].into()).unwrap();
    let result = second.send(now, 2, true, vec![0; 900 << 10].into());
    assert_eq!(result, Err(SendError::Closed));
    assert_eq!(second.closed(), Some(CloseReason::SendLimit));
    assert_eq!(first.closed(), None);
    drop(first);
    drop(second);
    assert_eq!(budget.used(), 0);
}

#[test]
fn the_send_queue_is_bounded() {
    let (mut s, now) = server();
    let megabyte = Bytes::from(vec![0; 1 << 20]);
    let accepted = (0..20).take_while(|_| s.send(now, 2, true, megabyte.clone()).is_ok()).count();
    assert_eq!(accepted, 7, "8 MiB less bookkeeping");
    assert_eq!(s.send(now, 2, true, megabyte), Err(SendError::QueueFull));
    assert_eq!(s.send(now, 3, true, Bytes::new()), Err(SendError::TooLarge));
    let huge = Bytes::from(vec![0; MAX_MESSAGE + 1]);
    assert_eq!(s.send(now, 0, true, huge), Err(SendError::TooLarge));
    drain(&mut s, now);
    assert_eq!(s.discard_unsent(2).len(), 6);
    assert!(s.queued_bytes() < 2 << 20);
}

#[test]
fn close_after_flush_waits_for_the_acknowledgement() {
    let (mut s, now) = server();
    feed(&mut s, now, "4f457403 1234 00 00 00 ffdc");
    let ticket = s.send_tracked(now, 0, Bytes::from_static(b"\0\x0a")).unwrap();
    s.close_after_flush(now, Duration::from_secs(2));
    let refused = s.send(now, 0, true, Bytes::from_static(b"xx"));
    assert_eq!(refused, Err(SendError::Closed));
    assert_eq!(drain(&mut s, now), [hex("4f457403 0001 00 03 ffdd 01 000a")]);
    assert_eq!(s.closed(), None);
    feed(&mut s, now, "4f457403 1234 00 00 00 ffdd");
    assert_eq!(s.closed(), Some(CloseReason::Local));
    assert_eq!(s.poll_acked(), Some(ticket));
    assert_eq!(drain(&mut s, now), vec![hex("4f457403 0001 00 00 03"); 3]);
}

#[test]
fn close_after_flush_does_not_wait_for_ever() {
    let (mut s, now) = server();
    feed(&mut s, now, "4f457403 1234 00 00 00 ffdc");
    s.send(now, 0, true, Bytes::from_static(b"\0\x0a")).unwrap();
    s.close_after_flush(now, Duration::from_secs(2));
    drain(&mut s, now);
    let sent = play(&mut s, now, 5_000);
    assert_eq!(s.closed(), Some(CloseReason::Local));
    assert_eq!(sent.last().unwrap().0, 2000);
}

#[test]
fn acknowledgements_come_first_and_are_not_paced() {
    let (mut s, now) = server();
    feed(&mut s, now, "4f457403 1234 00 00 00 ffdc");
    s.send(now, 2, true, vec![0; 1 << 20].into()).unwrap();
    let sent = drain(&mut s, now).len();
    assert!((64..=81).contains(&sent), "the initial window: {sent}");
    feed(&mut s, now, "4f457403 1234 00 03 ffdc 01 0102");
    assert_eq!(drain(&mut s, now), [hex("4f457403 0001 00 00 00 ffdc")]);
    // Channel 0 has a reserve beyond the full window.
    s.send(now, 0, true, Bytes::from_static(b"xx")).unwrap();
    assert_eq!(drain(&mut s, now).len(), 1);
}

#[test]
fn an_idle_connection_is_small() {
    let (mut s, now) = server();
    feed(&mut s, now, "4f457403 1234 00 00 00 ffdc");
    s.handle_timeout(now + ms(5000));
    assert!(size_of::<Connection>() < 2048, "{}", size_of::<Connection>());
    assert!(size_of::<crate::send_channel::Slot>() <= 128);
}
