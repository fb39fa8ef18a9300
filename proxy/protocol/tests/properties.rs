//! What holds for every input: codecs give back what they were given, and no bytes panic.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use bytes::Bytes;
use mesegate_protocol::content::{
    AnnounceMedia, BUNCH_BYTES, FeaturesView, HaveMedia, ItemDef, ItemDefs, ItemView, Media,
    MediaFile, MediaPush, NodeDef, NodeDefs, PushContent, RequestMedia, bunches, compression,
    frame,
};
use mesegate_protocol::login::{
    self, AccessDenied, AuthAccept, BasedOn, ClientReady, DenyCode, FirstSrp, Hello, Init, Init2,
    Mechanisms, SrpBytesA, SrpBytesM, SrpBytesSB, Step,
};
use mesegate_protocol::{ProtocolVersion, split_command, to_client, to_server};
use proptest::collection::vec;
use proptest::prelude::*;

fn version() -> impl Strategy<Value = ProtocolVersion> {
    (37_u16..=53).prop_map(ProtocolVersion)
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..max)
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_.é漢 -]{0,30}"
}

/// Rubbish, and rubbish behind a command.
fn rubbish(commands: &'static [mesegate_protocol::Command]) -> impl Strategy<Value = Bytes> {
    let any_command =
        prop_oneof![(0..commands.len()).prop_map(move |i| commands[i].opcode), any::<u16>(),];
    prop_oneof![
        bytes(6).prop_map(Bytes::from),
        (any_command, bytes(120)).prop_map(|(command, body)| {
            let mut message = command.to_be_bytes().to_vec();
            message.extend(body);
            message.into()
        }),
    ]
}

fn body(message: &Bytes) -> &[u8] {
    split_command(message).unwrap().1
}

proptest! {
    #[test]
    fn login_messages_round_trip(
        numbers in any::<(u8, u16, u16, u32, u64, bool)>(), name in text(), name2 in "[ -~]{0,12}",
        (x, y, z) in (bytes(300), bytes(300), bytes(40)), floats in any::<[f32; 3]>(),
    ) {
        let (small, a, b, c, long, flag) = numbers;
        let init = Init {
            serialization: small, min_version: a, max_version: b, name: name.clone(),
        };
        prop_assert_eq!(Init::decode(body(&init.encode())).unwrap(), init);
        let hello = Hello { serialization: small, version: a, mechanisms: Mechanisms(c) };
        prop_assert_eq!(Hello::decode(body(&hello.encode())).unwrap(), hello);
        let accept = AuthAccept {
            position: floats.map(|f| if f.is_nan() { 0.0 } else { f }),
            map_seed: long, send_interval: 0.09, sudo: Mechanisms(c),
        };
        prop_assert_eq!(AuthAccept::decode(body(&accept.encode())).unwrap(), accept);
        let init2 = Init2 { language: name2.clone() };
        prop_assert_eq!(Init2::decode(body(&init2.encode())).unwrap(), init2);
        let ready = ClientReady::new((small, small, 0), &name, a);
        prop_assert_eq!(ClientReady::decode(body(&ready.encode())).unwrap(), ready);
        let first = FirstSrp { salt: x.clone(), verifier: y.clone(), empty: flag };
        prop_assert_eq!(FirstSrp::decode(body(&first.encode())).unwrap(), first);
        let based_on = if flag { BasedOn::Password } else { BasedOn::LegacyHash };
        let request = SrpBytesA { a: x.clone(), based_on };
        prop_assert_eq!(SrpBytesA::decode(body(&request.encode())).unwrap(), request);
        let answer = SrpBytesSB { salt: x, b: y };
        prop_assert_eq!(SrpBytesSB::decode(body(&answer.encode())).unwrap(), answer);
        let proof = SrpBytesM { m: z };
        prop_assert_eq!(SrpBytesM::decode(body(&proof.encode())).unwrap(), proof);
        let denied = AccessDenied {
            code: DenyCode::from_u8(small), text: name, reconnect: flag,
        };
        prop_assert_eq!(AccessDenied::decode(body(&denied.encode())).unwrap(), denied);
    }

    #[test]
    fn old_clients_always_get_a_code_that_shows_the_text(
        code in any::<u8>(), text in "[a-z]{1,9}", reconnect: bool, version in version(),
    ) {
        let denied =
            AccessDenied::for_version(DenyCode::from_u8(code), &text, reconnect, version);
        prop_assert_eq!(&denied.text, &text);
        if version.0 < 46 {
            let shown = denied.code.to_u8();
            prop_assert!((10..=12).contains(&shown));
            prop_assert!(!reconnect || shown >= 11);
        } else {
            prop_assert_eq!(denied.code.to_u8(), code);
        }
    }

    #[test]
    fn definitions_round_trip(
        version in version(), names in vec(("[a-z:_]{0,12}", bytes(40)), 0..20),
        aliases in vec((text(), text()), 0..8), ids in vec(any::<u16>(), 20),
    ) {
        // Version 13 or 6, type where there is one, name, the rest.
        let node = |(i, (name, rest)): (usize, &(String, Vec<u8>))| {
            let mut raw = vec![13, 0, name.len() as u8];
            raw.extend(name.bytes().chain(rest.iter().copied()));
            NodeDef { id: ids[i], name: name.clone(), features: raw.into() }
        };
        let item = |(name, rest): &(String, Vec<u8>)| {
            let mut raw = vec![6, 1, 0, name.len() as u8];
            raw.extend(name.bytes().chain(rest.iter().copied()));
            ItemDef { name: name.clone(), raw: raw.into() }
        };
        let nodes = NodeDefs { nodes: names.iter().enumerate().map(node).collect() };
        let message = nodes.encode(version).unwrap();
        prop_assert_eq!(split_command(&message).unwrap().0, to_client::NODEDEF);
        prop_assert_eq!(NodeDefs::decode(body(&message), version).unwrap(), nodes);
        let items = ItemDefs { items: names.iter().map(item).collect(), aliases };
        let message = items.encode(version).unwrap();
        prop_assert_eq!(split_command(&message).unwrap().0, to_client::ITEMDEF);
        prop_assert_eq!(ItemDefs::decode(body(&message), version).unwrap(), items);
    }

    #[test]
    fn media_messages_round_trip(
        version in version(), files in vec((text(), any::<[u8; 20]>(), bytes(60)), 0..20),
        remote in text(), token: u32, cache: bool, tokens in vec(any::<u32>(), 0..255),
    ) {
        let announce = AnnounceMedia {
            files: files.iter().map(|(name, sha1, _)| (name.clone(), *sha1)).collect(),
            remote,
        };
        let message = announce.encode(version).unwrap();
        prop_assert_eq!(AnnounceMedia::decode(body(&message), version).unwrap(), announce);

        let media = Media {
            bunches: 3,
            index: 1,
            files: files
                .iter()
                .map(|(name, _, data)| {
                    let data = frame(&Bytes::from(data.clone()), version).unwrap();
                    MediaFile { name: name.clone(), data }
                })
                .collect(),
        };
        let message = media.encode();
        let read = Media::decode(&message.slice(2..)).unwrap();
        prop_assert_eq!(&read, &media);
        for (file, (_, _, data)) in read.files.iter().zip(&files) {
            prop_assert_eq!(&file.content(version, 60).unwrap()[..], &data[..]);
        }

        let names = files.iter().map(|(name, _, _)| name.clone()).collect();
        let request = RequestMedia { names };
        prop_assert_eq!(RequestMedia::decode(body(&request.encode())).unwrap(), request);

        for (name, sha1, data) in files {
            let content = if version.media_push_token() {
                PushContent::Token(token)
            } else {
                PushContent::Data(data.into())
            };
            let push = MediaPush { sha1, name, cache, content };
            let message = push.encode();
            prop_assert_eq!(MediaPush::decode(&message.slice(2..), version).unwrap(), push);
        }
        let have = HaveMedia { tokens };
        prop_assert_eq!(HaveMedia::decode(body(&have.encode())).unwrap(), have);
    }

    #[test]
    fn bunches_hold_every_file_once_and_stay_small(sizes in vec(0_usize..9000, 0..60)) {
        let cut = bunches(sizes.iter().copied());
        let mut next = 0;
        for (i, bunch) in cut.iter().enumerate() {
            prop_assert_eq!(bunch.start, next);
            prop_assert!(!bunch.is_empty());
            next = bunch.end;
            let files = &sizes[bunch.clone()];
            let without_last: usize = files[..files.len() - 1].iter().sum();
            prop_assert!(without_last < BUNCH_BYTES);
            let full = files.iter().sum::<usize>() >= BUNCH_BYTES;
            prop_assert!(full || i + 1 == cut.len());
        }
        prop_assert_eq!(next, sizes.len());
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(data in bytes(300), version in version()) {
        let shared = Bytes::from(data.clone());
        let _ = (Init::decode(&data), Hello::decode(&data), AuthAccept::decode(&data));
        let _ = (Init2::decode(&data), ClientReady::decode(&data), FirstSrp::decode(&data));
        let _ = (SrpBytesA::decode(&data), SrpBytesSB::decode(&data), SrpBytesM::decode(&data));
        let _ = (AccessDenied::decode(&data), AccessDenied::decode_legacy(&data));
        let _ = (NodeDefs::decode(&data, version), ItemDefs::decode(&data, version));
        let _ = (AnnounceMedia::decode(&data, version), Media::decode(&shared));
        let _ = (RequestMedia::decode(&data), HaveMedia::decode(&data));
        let _ = (MediaPush::decode(&shared, version), split_command(&data));
        let _ = compression::zlib_decompress_prefix(&data, 1000);
        let _ = compression::zstd_decompress(&data, 1000);
        let _ = (FeaturesView::parse(&data), ItemView::parse(&data, version));
    }

    #[test]
    fn rubbish_inside_good_frames_is_decoded_without_panic(
        inner in bytes(300), version in version(), head in 0_u8..2,
    ) {
        let mut inner = inner;
        inner.insert(0, head);
        let codec = compression::Compression::of_definitions(version);
        let blob = codec.compress(&inner).unwrap();
        let mut data = (blob.len() as u32).to_be_bytes().to_vec();
        data.extend(blob);
        data.extend([0; 40]);
        let _ = (NodeDefs::decode(&data, version), ItemDefs::decode(&data, version));
        let _ = AnnounceMedia::decode(&data, version);
    }

    #[test]
    fn damaged_definitions_never_panic_and_edit_back(
        at in any::<prop::sample::Index>(), value: u8, cut in any::<prop::sample::Index>(),
        version in version(),
    ) {
        for sample in samples() {
            let mut damaged = sample;
            let index = at.index(damaged.len());
            damaged[index] = value;
            damaged.truncate(cut.index(damaged.len() * 4).max(1));
            if let Ok(view) = FeaturesView::parse(&damaged) {
                prop_assert_eq!(&view.rename(&mut |f| Some(f.value.into()))[..], &damaged[..]);
                let _ = (view.remap_connects_to(&|id| !id), view.completed());
            }
            if let Ok(view) = ItemView::parse(&damaged, version) {
                prop_assert_eq!(&view.rename(&mut |f| Some(f.value.into()))[..], &damaged[..]);
                view.rename(&mut |_| Some(vec![b'x'; 70_000]));
            }
        }
    }

    #[test]
    fn server_login_takes_any_messages(
        messages in vec(rubbish(to_server::COMMANDS), 0..40), start in 0_u8..6,
    ) {
        run_server(&messages, start);
    }

    #[test]
    fn client_login_takes_any_messages(
        messages in vec(rubbish(to_client::COMMANDS), 0..40), start in 0_u8..4,
    ) {
        run_client(&messages, start);
    }

    #[test]
    fn sudo_takes_any_messages_and_grants_nothing_unasked(
        messages in vec(rubbish(to_server::COMMANDS), 0..40),
    ) {
        let mut sudo = login::sudo::Sudo::new(Mechanisms::SRP);
        for message in &messages {
            match sudo.on_message(message) {
                login::sudo::Action::Challenge(c) => drop(c.respond(&mut sudo, b"s", b"b")),
                login::sudo::Action::Verify(v) => drop(v.wrong(&mut sudo)),
                login::sudo::Action::Change(_) | login::sudo::Action::Invalid => {
                    prop_assert!(false, "nothing was granted");
                }
                login::sudo::Action::Ignore | login::sudo::Action::Deny(_) => {}
            }
        }
    }
}

fn samples() -> Vec<Vec<u8>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vectors.json");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let unhex = |hex: &str| {
        let pairs = hex.as_bytes().chunks(2);
        pairs.map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap()).collect()
    };
    let vectors = json["vectors"].as_array().unwrap().iter();
    vectors.map(|v| unhex(v["hex"].as_str().unwrap())).collect()
}

/// Feeds messages to a waiting state until it moves on, ends, or none are left.
fn feed<S, N, E>(
    mut state: S,
    messages: &[Bytes],
    on_message: impl Fn(S, &Bytes) -> Result<Step<S, N>, E>,
) -> Option<N> {
    for message in messages {
        match on_message(state, message) {
            Ok(Step::Stay(same) | Step::PassOn(same)) => state = same,
            Ok(Step::Next(next)) => return Some(next),
            Err(_) => return None,
        }
    }
    None
}

fn run_server(messages: &[Bytes], start: u8) {
    use login::server::AwaitInit;
    let init =
        Init { serialization: 29, min_version: 37, max_version: 53, name: "Alice".into() }.encode();
    if start == 0 {
        feed(AwaitInit::new(ProtocolVersion::MAX), messages, |s, m| s.on_message(m));
    }
    let offer =
        feed(AwaitInit::new(ProtocolVersion::MAX), &[init], |s, m| s.on_message(m)).unwrap();
    if start == 1 {
        feed(offer.first_srp().0, messages, |s, m| s.on_message(m));
        return;
    }
    let state = offer.srp().0;
    if start == 2 {
        feed(state, messages, |s, m| s.on_message(m));
        return;
    }
    let a = SrpBytesA { a: vec![1], based_on: BasedOn::Password }.encode();
    let challenge = feed(state, &[a], |s, m| s.on_message(m)).unwrap();
    let state = challenge.respond(b"s", b"b").0;
    if start == 3 {
        feed(state, messages, |s, m| s.on_message(m));
        return;
    }
    let m = SrpBytesM { m: vec![1; 32] }.encode();
    let proof = feed(state, &[m], |s, m| s.on_message(m)).unwrap();
    let state = proof.accept(&AuthAccept::standard()).0;
    if start == 4 {
        feed(state, messages, |s, m| s.on_message(m));
        return;
    }
    let state = feed(state, &[Init2::default().encode()], |s, m| s.on_message(m)).unwrap();
    feed(state, messages, |s, m| s.on_message(m));
}

fn run_client(messages: &[Bytes], start: u8) {
    use login::client::{AwaitHello, Method};
    let state = AwaitHello::new("bot", ProtocolVersion::MAX).0;
    if start == 0 {
        feed(state, messages, |s, m| s.on_message(m));
        return;
    }
    let hello = Hello { serialization: 29, version: 53, mechanisms: Mechanisms::SRP }.encode();
    let greeted = feed(state, &[hello], |s, m| s.on_message(m)).unwrap();
    let Ok(Method::Prove(prover)) = greeted.choose() else { panic!("SRP was offered") };
    let state = prover.start(b"a").0;
    if start == 1 {
        feed(state, messages, |s, m| s.on_message(m));
        return;
    }
    let sb = SrpBytesSB { salt: b"s".into(), b: b"b".into() }.encode();
    let state = feed(state, &[sb], |s, m| s.on_message(m)).unwrap().prove(&[0; 32]).0;
    if start == 2 {
        feed(state, messages, |s, m| s.on_message(m));
        return;
    }
    let accept = AuthAccept::standard().encode();
    let state = feed(state, &[accept], |s, m| s.on_message(m)).unwrap().enter("").0;
    feed(state, messages, |s, m| s.on_message(m));
}
