use super::*;
use crate::NameMap;
use crate::map::{AIR, IGNORE, IdMap, UNKNOWN};
use proptest::prelude::*;
use std::io::{Read, Write};

fn only_ids(ids: IdMap) -> Translation {
    Translation::new(ids, NameMap::default())
}

const NO_ITEMS: &[u8] = &[NO_METADATA];

/// A plain block: every node `id(index)`, light and param2 from the index.
fn plain(id: impl Fn(usize) -> u16) -> Vec<u8> {
    let mut nodes = Vec::new();
    for i in 0..NODES {
        nodes.extend_from_slice(&id(i).to_be_bytes());
    }
    nodes.extend((0..NODES * 2).map(|i| (i * 7) as u8));
    nodes
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A frame as the engine makes it: streamed, so without a content size.
fn zstd_frame(data: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(data, 3).unwrap()
}

fn message(format: u8, nodes: &[u8], metadata: &[u8]) -> Bytes {
    let mut w = Writer::command(to_client::BLOCKDATA);
    w.v3s16([1, -1, 7]);
    let header = [2, 0xff, 0xff, 2, 2];
    if format == 28 {
        w.raw(&header).raw(&zlib(nodes)).raw(&zlib(metadata));
    } else {
        w.raw(&zstd_frame(&[&header, nodes, metadata].concat()));
    }
    w.u8(NETWORK_VERSION);
    w.finish()
}

/// Header, nodes, metadata and what follows, read by other code than the one under test.
fn open(format: u8, message: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>) {
    let body = &message[PREFIX..];
    if format == 28 {
        let mut nodes = Vec::new();
        let mut first = flate2::bufread::ZlibDecoder::new(&body[HEADER..]);
        first.read_to_end(&mut nodes).unwrap();
        let rest = first.into_inner();
        let mut metadata = Vec::new();
        let mut second = flate2::bufread::ZlibDecoder::new(rest);
        second.read_to_end(&mut metadata).unwrap();
        (body[..HEADER].to_vec(), nodes, metadata, second.into_inner().to_vec())
    } else {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(body).unwrap().single_frame();
        let mut all = Vec::new();
        decoder.read_to_end(&mut all).unwrap();
        let rest = decoder.finish().to_vec();
        let metadata = all.split_off(HEADER + NODE_BYTES);
        let nodes = all.split_off(HEADER);
        (all, nodes, metadata, rest)
    }
}

#[test]
fn ids_change_and_everything_else_stays() {
    let ids = only_ids(IdMap::new([(10, 1010), (11, 11), (500, 12)]));
    let cycle = [10, 11, 500, AIR, IGNORE, 9999];
    let nodes = plain(|i| cycle[i % cycle.len()]);
    let mapped = [1010, 11, 12, AIR, IGNORE, UNKNOWN];
    let expected = plain(|i| mapped[i % mapped.len()]);
    let metadata = [&[2, 0, 1, 0, 7, 0, 0, 0, 0][..], b"EndInventory\n"].concat();
    let mut remapper = BlockRemapper::default();
    for format in [28, 29, 28, 29] {
        let sent = message(format, &nodes, &metadata);
        let got = remapper.remap(&sent, &ids, format).unwrap().unwrap();
        assert_eq!(got[..PREFIX], sent[..PREFIX]);
        let (header, nodes, meta, rest) = open(format, &got);
        assert_eq!(header, [2, 0xff, 0xff, 2, 2]);
        assert!(nodes == expected, "format {format}");
        assert_eq!(meta, metadata);
        assert_eq!(rest, [NETWORK_VERSION]);
    }
}

#[test]
fn blocks_without_a_changed_id_are_forwarded() {
    let ids = only_ids(IdMap::new([(10, 1010), (11, 11)]));
    let nodes = plain(|i| if i % 2 == 0 { 11 } else { AIR });
    let mut remapper = BlockRemapper::default();
    for format in [28, 29] {
        assert_eq!(remapper.remap(&message(format, &nodes, NO_ITEMS), &ids, format), Ok(None));
        let any = plain(|i| i as u16);
        let identity = only_ids(IdMap::identity());
        assert_eq!(remapper.remap(&message(format, &any, NO_ITEMS), &identity, format), Ok(None));
    }
}

#[test]
fn names_in_metadata_change_whether_ids_do_or_not() {
    let items = [(Bytes::from("a:b"), Bytes::from("p_a:b"))];
    let names = NameMap::new([], [], items, None);
    let metadata = |item: &str| {
        let list = format!("List main 1\nWidth 0\nItem {item} 5\nEndInventoryList\n");
        [&[2, 0, 1, 0, 7, 0, 0, 0, 0][..], list.as_bytes(), b"EndInventory\n"].concat()
    };
    let mut remapper = BlockRemapper::default();
    for format in [28, 29] {
        for (ids, new) in [(IdMap::identity(), 10), (IdMap::new([(10, 20)]), 20)] {
            let both = Translation::new(ids, names.clone());
            let sent = message(format, &plain(|_| 10), &metadata("a:b"));
            let got = remapper.remap(&sent, &both, format).unwrap().unwrap();
            let (_, nodes, list, rest) = open(format, &got);
            assert!(nodes == plain(|_| new), "format {format}");
            assert_eq!(list, metadata("p_a:b"));
            assert_eq!(rest, [NETWORK_VERSION]);
            let air = message(format, &plain(|_| AIR), &metadata("a:c"));
            assert_eq!(remapper.remap(&air, &both, format), Ok(None));
            let broken = message(format, &plain(|_| 10), &metadata("a:b")[..12]);
            assert!(remapper.remap(&broken, &both, format).is_err());
        }
        let renamed = Translation::new(IdMap::identity(), names.clone());
        let sent = message(format, &plain(|_| 10), &metadata("a:c"));
        assert_eq!(remapper.remap(&sent, &renamed, format), Ok(None), "nothing in it is renamed");
    }
}

#[test]
fn metadata_over_the_limit_is_dropped_and_the_nodes_are_kept() {
    let ids = only_ids(IdMap::new([(10, 20)]));
    let nodes = plain(|_| 10);
    let huge = vec![2; 6 * 1024 * 1024];
    let fits = vec![2; BlockLimits::default().metadata()];
    let mut remapper = BlockRemapper::default();
    for format in [28, 29] {
        let got = remapper.remap(&message(format, &nodes, &huge), &ids, format).unwrap().unwrap();
        let (_, new, metadata, rest) = open(format, &got);
        assert!(new == plain(|_| 20));
        assert_eq!(metadata, NO_ITEMS);
        assert_eq!(rest, [NETWORK_VERSION]);
        let got = remapper.remap(&message(format, &nodes, &fits), &ids, format).unwrap().unwrap();
        assert_eq!(open(format, &got).2.len(), fits.len());
    }
}

#[test]
fn other_widths_and_formats_are_refused() {
    let ids = only_ids(IdMap::new([(10, 20)]));
    let mut remapper = BlockRemapper::default();
    let sent = message(28, &plain(|_| 10), NO_ITEMS);
    let mut narrow = sent.to_vec();
    narrow[PREFIX + 3] = 1;
    assert!(remapper.remap(&narrow, &ids, 28).is_err());
    assert!(remapper.remap(&sent, &ids, 27).is_err());
    assert!(remapper.remap(&sent, &ids, 29).is_err());
}

#[test]
fn a_frame_that_ends_early_is_an_error() {
    let ids = only_ids(IdMap::new([(10, 20)]));
    let mut remapper = BlockRemapper::default();
    for format in [28, 29] {
        let sent = message(format, &plain(|i| 10 + (i * i % 251) as u16), NO_ITEMS);
        for cut in [0, 3, PREFIX, PREFIX + 4, PREFIX + 9, sent.len() / 2] {
            assert!(remapper.remap(&sent[..cut], &ids, format).is_err(), "{format} {cut}");
        }
        assert!(remapper.remap(&sent, &ids, format).unwrap().is_some(), "usable after errors");
    }
    let mut short = Writer::command(to_client::BLOCKDATA);
    short.v3s16([0; 3]).raw(&zstd_frame(&[2, 0, 0, 2, 2, 9, 9])).u8(2);
    assert!(remapper.remap(&short.finish(), &ids, 29).is_err());
}

#[test]
fn ignore_blocks_hold_nothing_but_ignore() {
    for format in [28, 29] {
        let message = ignore_block([3, -4, 5], format);
        assert!(is_ignore_block(&message));
        assert_eq!(crate::map::block_position(&message), Ok([3, -4, 5]));
        let (header, nodes, metadata, rest) = open(format, &message);
        assert_eq!(header, [8, 0xff, 0xff, 2, 2]);
        assert!(nodes[..NODES * 2].chunks(2).all(|id| id == IGNORE.to_be_bytes()));
        assert_eq!(metadata, NO_ITEMS);
        assert_eq!(rest, [NETWORK_VERSION]);
    }
    assert!(!is_ignore_block(&message(29, &plain(|_| 1), NO_ITEMS)));
}

#[test]
fn remappers_can_move_between_threads() {
    fn check<T: Send + 'static>(_: T) {}
    check(BlockRemapper::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        flip in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let ids = only_ids(IdMap::new([(10, 20)]));
        let mut remapper = BlockRemapper::default();
        for format in [28, 29] {
            let _ = remapper.remap(&bytes, &ids, format);
            let mut damaged = message(format, &plain(|i| (i % 77) as u16), NO_ITEMS).to_vec();
            let at = flip.index(damaged.len());
            damaged[at] = value;
            let _ = remapper.remap(&damaged, &ids, format);
        }
    }

    #[test]
    fn a_permutation_and_its_inverse_give_the_block_back(seed in any::<u16>()) {
        let forward = only_ids(IdMap::new((0..2000u16).map(|i| (i, 1999 - i))));
        let nodes = plain(|i| (usize::from(seed) + i * 31) as u16 % 2000);
        // The builtin ids do not take part, so avoid them and what maps onto them.
        let nodes: Vec<u8> = nodes[..NODES * 2]
            .chunks(2)
            .flat_map(|c| {
                let id = u16::from_be_bytes([c[0], c[1]]);
                let builtin = |id| (125..=127).contains(&id);
                if builtin(id) || builtin(1999 - id) { 500u16 } else { id }.to_be_bytes()
            })
            .chain(nodes[NODES * 2..].iter().copied())
            .collect();
        let mut remapper = BlockRemapper::default();
        for format in [28, 29] {
            let once = remapper.remap(&message(format, &nodes, NO_ITEMS), &forward, format);
            let once = once.unwrap().unwrap();
            let twice = remapper.remap(&once, &forward, format).unwrap().unwrap();
            prop_assert!(open(format, &twice).1 == nodes);
        }
    }
}
