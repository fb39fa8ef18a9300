//! Node metadata lists (`nodemetadata.cpp`, NodeMetadataList::serialize).

use mesegate_protocol::map::metadata;
use mesegate_protocol::wire::Writer;
use proptest::collection::vec;
use proptest::prelude::*;

use super::form::{escape_both, form, markup};
use super::stack::inventory;
use super::{Pair, check, join, same, visible};

type Entry = (Vec<(&'static str, Pair)>, Pair);

/// What stands in one node's metadata.
fn entry() -> impl Strategy<Value = Entry> {
    let hypertext = vec(markup(), 0..4).prop_map(|all| escape_both(join(all, "")));
    let plain = prop_oneof![
        Just(vec![]),
        (form(), visible())
            .prop_map(|(form, text)| vec![("formspec", form), ("infotext", same(text))]),
        form().prop_map(|form| vec![("other", same(form.0)), ("a.png", same("foo"))]),
    ];
    let referring = (form(), hypertext, visible()).prop_map(|(form, hypertext, text)| {
        let refer = |form: String| {
            form + "]hypertext[0,0;1,1;n;${h}]field[n;l;${text}]hypertext[0,0;1,1;n;${text}]"
        };
        vec![
            ("text", same(format!("<img name=a.png>{text}"))),
            ("formspec", same("${form}")),
            ("h", same("${hyper}")),
            ("form", (refer(form.0), refer(form.1))),
            ("hyper", hypertext),
        ]
    });
    (prop_oneof![2 => plain, 1 => referring], inventory())
}

fn write(
    version: u8,
    absolute: bool,
    entries: &[Entry],
    side: impl Fn(&Pair) -> &String,
) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(version).u16(entries.len() as u16);
    for (i, (variables, inventory)) in entries.iter().enumerate() {
        if absolute {
            w.v3s16([i as i16, -7, 0x466f]);
        } else {
            w.u16(i as u16);
        }
        w.u32(variables.len() as u32);
        for (key, value) in variables {
            w.str16(key.as_bytes()).str32(side(value).as_bytes());
            if version > 1 {
                w.u8(0);
            }
        }
        w.raw(side(inventory).as_bytes());
    }
    w.raw(b"Item foo\n");
    w.into_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn metadata_changes_where_it_holds_names(
        entries in vec(entry(), 0..4), version in 1..=2_u8, absolute: bool
    ) {
        let old = write(version, absolute, &entries, |pair| &pair.0);
        let new = write(version, absolute, &entries, |pair| &pair.1);
        check((&old, &new), |list, names| metadata::rewrite(list, absolute, names).unwrap())?;
    }
}
