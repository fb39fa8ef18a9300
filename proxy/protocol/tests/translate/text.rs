//! Inventories, forms and node metadata.

use mesegate_protocol::content::compression::{zlib_compress, zlib_decompress};
use mesegate_protocol::map::IdMap;
use mesegate_protocol::wire::Writer;
use mesegate_protocol::{NameMap, ProtocolVersion, Translation, to_client};

use super::captured::{one, vectors};
use super::{count, run, run_with};

#[test]
fn captured_inventories_are_translated_there_and_back() {
    for vector in vectors("INVENTORY") {
        let (message, version) = (vector.message(to_client::INVENTORY), vector.version());
        let there = run(&message, false, version).unwrap();
        assert_eq!(count(&there, "Item p_zz:t 1 50"), 1);
        assert_eq!(count(&there, "\\u0002p_mi.png\\u0003"), 1);
        assert_eq!(run(&there, true, version), Some(message));
    }
    let message = one("DETACHED_INVENTORY").message(to_client::DETACHED_INVENTORY);
    for version in [37, 53].map(ProtocolVersion) {
        let there = run(&message, false, version).unwrap();
        assert_eq!(count(&there, "Item p_basenodes:dirt 3"), 1);
        assert_eq!(run(&there, true, version).as_ref(), Some(&message));
    }
    let removal = b"\0\x43\0\x03zzd\0";
    assert_eq!(run(removal, false, ProtocolVersion(53)), None);
}

#[test]
fn a_backends_own_hand_is_a_list() {
    let hand = NameMap::new([], [], [], Some("p_hand".into()));
    let translation = Translation::new(IdMap::identity(), hand);
    let inventory = |text: &str, version: ProtocolVersion| {
        let mut w = Writer::command(to_client::INVENTORY);
        if version.framed_inventory() {
            w.str32(text.as_bytes()).bool(true);
        } else {
            w.raw(text.as_bytes());
        }
        w.finish()
    };
    const HAND: &str = "List hand 1\nWidth 0\nItem p_hand\nEndInventoryList\n";
    for version in [37, 38, 51, 52, 53].map(ProtocolVersion) {
        let there = |text: &str| run_with(&inventory(text, version), &translation, version, 0);
        let main = "List main 1\nWidth 0\nItem a:b\nEndInventoryList\n";
        let expected = inventory(&format!("{main}{HAND}EndInventory\n"), version);
        assert_eq!(there(&format!("{main}EndInventory\n")), Some(expected));
        let expected = inventory(&format!("KeepList main\n{HAND}EndInventory\n"), version);
        assert_eq!(there("KeepList main\nEndInventory\n"), Some(expected));
        // The backend's own list, filled or not, is one the client has had from it.
        assert_eq!(there("KeepList main\nKeepList hand\nEndInventory\n"), None);
        assert_eq!(there(&format!("{HAND}EndInventory\n")), None);
        let empty = HAND.replace("Item p_hand", "Empty");
        let expected = inventory(&format!("{HAND}EndInventory\n"), version);
        assert_eq!(there(&format!("{empty}EndInventory\n")), Some(expected));
    }
}

#[test]
fn node_metadata_is_translated_in_changes() {
    for vector in vectors("NODEMETA_CHANGED (decompressed)") {
        let stream = zlib_compress(&vector.body).unwrap();
        let mut w = Writer::command(to_client::NODEMETA_CHANGED);
        w.str32(&stream).raw(b"newer");
        let message = w.finish();
        let open = |message: &[u8]| {
            assert!(message.ends_with(b"newer"));
            let length = u32::from_be_bytes(message[2..6].try_into().unwrap()) as usize;
            assert_eq!(message.len(), 6 + length + 5);
            zlib_decompress(&message[6..], 1 << 20).unwrap()
        };
        for version in [37, 53].map(ProtocolVersion) {
            let there = run(&message, false, version).unwrap();
            let plain = open(&there);
            for name in ["p_m.png]", "Item p_zz:t", "\\u0002p_mi.png"] {
                assert_eq!(count(&plain, name), 1, "{name}");
            }
            assert_eq!(open(&run(&there, true, version).unwrap()), vector.body);
        }
    }
}

#[test]
fn forms_are_translated_and_a_prepend_that_grows_too_long_is_left_out() {
    let version = ProtocolVersion(53);
    let form = |text: &str| {
        let mut w = Writer::command(to_client::INVENTORY_FORMSPEC);
        w.str32(text.as_bytes());
        w.finish()
    };
    let there = run(&form("image[0,0;1,1;a.png]label[0,0;a.png]"), false, version);
    assert_eq!(there, Some(form("image[0,0;1,1;p_a.png]label[0,0;a.png]")));
    let prepend = |text: &str| {
        let mut w = Writer::command(to_client::FORMSPEC_PREPEND);
        w.str16(text.as_bytes());
        w.finish()
    };
    let image = "background[0,0;1,1;a.png]";
    assert_eq!(run(&prepend(image), false, version), Some(prepend("background[0,0;1,1;p_a.png]")));
    let fits = image.repeat(65_535 / image.len());
    assert_eq!(run(&prepend(&fits), false, version), Some(prepend("")));
}
