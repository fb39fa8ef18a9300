//! Node metadata: the names in dialogs and inventories of nodes (`nodemetadata.cpp`,
//! NodeMetadataList::deSerialize).

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::NameMap;
use crate::edits::Edits;
use crate::formspec::{self, variable};
use crate::inventory;
use crate::wire::{Reader, Result, WireError};

/// Version of an empty list, after which nothing follows.
const EMPTY: u8 = 0;
/// The last version without, and the first with a mark of private variables.
const VERSIONS: [u8; 2] = [1, 2];

/// The variable that is a node's dialog.
const FORM: &[u8] = b"formspec";
/// A variable that is shown to players who look at the node.
const SHOWN: &[u8] = b"infotext";
/// How often a value can refer to another one (`metadata.cpp`, resolveString).
const REFERENCES: usize = 2;

/// A metadata list with the client's names of items and files, or `None` if none of them is another
/// one. Dialogs, the values that dialogs show as hypertext, and inventories change; everything
/// else, as what follows the list, is kept.
///
/// `absolute`: positions are those of the world, as in NODEMETA_CHANGED, and not within a block.
///
/// # Errors
/// The list ends early, or is of an unknown version.
pub fn rewrite(list: &[u8], absolute: bool, names: &NameMap) -> Result<Option<Vec<u8>>> {
    let mut r = Reader::new(list);
    let version = r.u8()?;
    if version == EMPTY {
        return Ok(None);
    }
    if !VERSIONS.contains(&version) {
        return Err(r.invalid("metadata version"));
    }
    let mut edits = Edits::new(list);
    for _ in 0..r.u16()? {
        r.take(if absolute { 6 } else { 2 }, "metadata position")?;
        let variables = read_variables(&mut r, version)?;
        rewrite_variables(&variables, names, &mut edits);
        let text = r.remaining();
        let start = r.position();
        let length =
            inventory::end(text).ok_or(WireError::Short { what: "inventory", offset: start })?;
        r.take(length, "inventory")?;
        edits.rewrite(start..start + length, |text| inventory::rewrite(text, names));
    }
    Ok(edits.finish())
}

struct Variable<'a> {
    key: &'a [u8],
    value: &'a [u8],
    /// The value with its length, in the list.
    place: Range<usize>,
}

fn read_variables<'a>(r: &mut Reader<'a>, version: u8) -> Result<Vec<Variable<'a>>> {
    let count = r.u32()?;
    let mut variables = Vec::new();
    for _ in 0..count {
        let key = r.str16()?;
        let start = r.position();
        let value = r.str32()?;
        variables.push(Variable { key, value, place: start..r.position() });
        if version > 1 {
            r.u8()?;
        }
    }
    Ok(variables)
}

fn rewrite_variables<'a>(variables: &[Variable<'a>], names: &NameMap, edits: &mut Edits<'a>) {
    if !variables.iter().any(|variable| variable.key == FORM) {
        return;
    }
    // The last value of a key counts.
    let values: HashMap<&[u8], &[u8]> = variables.iter().map(|v| (v.key, v.value)).collect();
    let form = resolve(FORM, &values);
    let used = values.get(form).map(|text| formspec::variables(text)).unwrap_or_default();
    let resolved = |keys: HashSet<&'a [u8]>| -> HashSet<&'a [u8]> {
        keys.into_iter().map(|key| resolve(key, &values)).collect()
    };
    let (hypertext, fields) = (resolved(used.hypertext), resolved(used.fields));
    for Variable { key, value, place } in variables {
        let new = if *key == form {
            formspec::rewrite(value, names)
        } else if *key != SHOWN && hypertext.contains(key) && !fields.contains(key) {
            formspec::rewrite_hypertext(value, names)
        } else {
            None
        };
        if let Some(new) = new {
            let mut framed = (new.len() as u32).to_be_bytes().to_vec();
            framed.extend_from_slice(&new);
            edits.replace(place.clone(), &framed);
        }
    }
}

/// The key whose value is meant in the end.
fn resolve<'a>(mut key: &'a [u8], values: &HashMap<&'a [u8], &'a [u8]>) -> &'a [u8] {
    for _ in 0..REFERENCES {
        match values.get(key).copied().and_then(variable) {
            Some(next) => key = next,
            None => break,
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::Writer;

    const INVENTORY: &[u8] = b"List main 1\nWidth 0\nItem a:b 2\nEndInventoryList\nEndInventory\n";
    const RENAMED: &[u8] = b"List main 1\nWidth 0\nItem p_a:b 2\nEndInventoryList\nEndInventory\n";
    const NO_LISTS: &[u8] = b"EndInventory\n";

    type Entry<'a> = (&'a [(&'a str, &'a str)], &'a [u8]);

    fn list(version: u8, absolute: bool, entries: &[Entry<'_>]) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(version).u16(entries.len() as u16);
        for (variables, inventory) in entries {
            if absolute {
                w.v3s16([1, -2, 3]);
            } else {
                w.u16(7);
            }
            w.u32(variables.len() as u32);
            for (key, value) in *variables {
                w.str16(key.as_bytes()).str32(value.as_bytes());
                if version > 1 {
                    w.u8(0);
                }
            }
            w.raw(inventory);
        }
        w.raw(b"tail");
        w.into_vec()
    }

    fn names() -> NameMap {
        let pair = |old: &'static str, new: &'static str| (Bytes::from(old), Bytes::from(new));
        NameMap::new([pair("a.png", "p_a.png")], [], [pair("a:b", "p_a:b")], None)
    }

    #[test]
    fn forms_and_inventories_change_and_the_rest_stays() {
        let form = |name: &str| format!("size[1,1]label[0,0;a.png]image[0,0;1,1;{name}]");
        let (old, new) = (form("a.png"), form("p_a.png"));
        let old: [Entry<'_>; 3] = [
            (&[("infotext", "a.png"), ("formspec", &old), ("other", &old)], INVENTORY),
            (&[], NO_LISTS),
            (&[("", "x")], INVENTORY),
        ];
        let new: [Entry<'_>; 3] = [
            (&[("infotext", "a.png"), ("formspec", &new), ("other", old[0].0[1].1)], RENAMED),
            (&[], NO_LISTS),
            (&[("", "x")], RENAMED),
        ];
        for (version, absolute) in [(1, false), (2, false), (2, true)] {
            let rewritten = rewrite(&list(version, absolute, &old), absolute, &names()).unwrap();
            assert_eq!(rewritten.unwrap(), list(version, absolute, &new));
            let names = NameMap::new([("b.png".into(), "c.png".into())], [], [], None);
            assert_eq!(rewrite(&list(version, absolute, &old), absolute, &names), Ok(None));
        }
        assert_eq!(rewrite(&[0], false, &names()), Ok(None));
    }

    #[test]
    fn values_that_a_form_refers_to_change() {
        let variables = |form: &'static str, item: &'static str, image: &'static str| {
            let form = ("f", form);
            list(
                2,
                true,
                &[(
                    &[
                        ("formspec", "${f}"),
                        form,
                        ("h", "${h2}"),
                        ("h2", item),
                        ("edited", "<item name=a:b>"),
                        ("infotext", "<item name=a:b>"),
                        ("unused", "<img name=a.png>${h2}"),
                        ("deep", "${deep2}"),
                        ("deep2", "${deep3}"),
                        ("deep3", "${deep4}"),
                        ("deep4", image),
                        ("once", image),
                    ],
                    NO_LISTS,
                )],
            )
        };
        const FORM: &str = "hypertext[0,0;1,1;n;${h}]hypertext[0,0;1,1;n;${edited}]\
            hypertext[0,0;1,1;n;${infotext}]textarea[0,0;1,1;n;;${edited}]\
            hypertext[0,0;1,1;n;${deep}]";
        let old = variables(FORM, "a:b <item name=a:b>", "<img name=a.png>");
        let new = variables(FORM, "a:b <item name=p_a:b>", "<img name=a.png>");
        assert_eq!(rewrite(&old, true, &names()).unwrap().unwrap(), new);
        let old = variables("image[0,0;a.png]hypertext[0,0;1,1;n;${once}]", "", "");
        let new = variables("image[0,0;p_a.png]hypertext[0,0;1,1;n;${once}]", "", "");
        assert_eq!(rewrite(&old, true, &names()).unwrap().unwrap(), new);
    }

    #[test]
    fn lists_that_are_cut_or_unknown_are_errors() {
        let whole = list(2, true, &[(&[("formspec", "x")], NO_LISTS)]);
        let end = whole.len() - b"tail".len();
        // The line break at the end of the inventory is not needed.
        for length in 0..end - 1 {
            assert!(rewrite(&whole[..length], true, &names()).is_err(), "{length}");
        }
        assert_eq!(rewrite(&whole[..end], true, &names()), Ok(None));
        assert!(rewrite(&[3, 0, 0], true, &names()).is_err());
        let mut many = vec![2, 0, 1, 0, 7];
        many.extend(u32::MAX.to_be_bytes());
        assert!(rewrite(&many, false, &names()).is_err());
    }
}
