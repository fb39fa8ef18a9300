//! Textures of HUD elements.

use bytes::Bytes;
use mesegate_protocol::map::BlockCache;
use mesegate_protocol::translate::Translator;
use mesegate_protocol::wire::Writer;
use mesegate_protocol::{ProtocolVersion, to_client};

use super::captured::vectors;
use super::{check, run, run_with, translation};

#[test]
fn hud_texts_are_translated_by_the_type_of_their_element() {
    for vector in vectors("HUDADD") {
        let (version, mut body) = (vector.version(), vector.body.clone());
        for (kind, expected) in [
            (0, &["\0\x07p_a.png"][..]),
            (2, &["\0\x07p_a.png", "\0\x07p_b.png"]),
            (5, &["\0\x07p_a.png"]),
            (6, &["\0\x07p_a.png"]),
        ] {
            body[4] = kind;
            let message = Bytes::from([&to_client::HUDADD.to_be_bytes()[..], &body].concat());
            check(&message, version, expected);
        }
        for kind in [1, 3, 4, 7, 8, 9, 255] {
            body[4] = kind;
            let message = [&to_client::HUDADD.to_be_bytes()[..], &body].concat();
            assert_eq!(run(&message, false, version), None, "type {kind}");
        }
    }
    let change = |stat: u8, text: &str| {
        let mut w = Writer::command(to_client::HUDCHANGE);
        w.u32(7).u8(stat).str16(text.as_bytes());
        w.finish()
    };
    for version in [37, 53].map(ProtocolVersion) {
        let there =
            |stat, kind| run_with(&change(stat, "a.png^b.png"), &translation(false), version, kind);
        for kind in [0, 2, 5, 6] {
            assert_eq!(there(3, kind), Some(change(3, "p_a.png^p_b.png")));
        }
        for kind in [1, 3, 4, 7, 8, 200] {
            assert_eq!(there(3, kind), None);
        }
        assert_eq!(there(12, 2), Some(change(12, "p_a.png^p_b.png")));
        assert_eq!((there(12, 0), there(1, 2), there(99, 2)), (None, None, None));
        // Old servers end before the second text, or before the z index.
        let old = vectors("HUDADD").remove(0).body;
        let mut old = [&to_client::HUDADD.to_be_bytes()[..], &old].concat();
        old[6] = 2;
        for end in [old.len() - 1 - 4 - 7, old.len() - 1 - 4 - 7 - 2] {
            let cut = Bytes::copy_from_slice(&old[..end]);
            assert!(run(&cut, false, ProtocolVersion(41)).is_some());
        }
    }
    let blocks = BlockCache::new(0);
    let (translation, version) = (translation(false), ProtocolVersion(53));
    let translator = Translator { translation: &translation, version, blocks: &blocks };
    assert_eq!(translator.to_client(&change(3, "a.png"), &|_| None), Ok(None), "unknown element");
    let count: [u8; 12] = [0, 0x4d, 0, 1, 0, 4, 0, 0, 0, 8, 9, 9];
    assert_eq!(translator.to_client(&count, &|_| None), Ok(None), "not an image");
}
