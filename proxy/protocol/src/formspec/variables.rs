//! `${KEY}`: arguments of a node's formspec that stand for values of the node's metadata
//! (`metadata.cpp`, IMetadata::resolveString).

use std::collections::HashSet;

use super::element::elements;

/// The keys that a formspec refers to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Variables<'a> {
    /// Their values are hypertext.
    pub(crate) hypertext: HashSet<&'a [u8]>,
    /// Their values are what is in text fields, so they come back from the player.
    pub(crate) fields: HashSet<&'a [u8]>,
}

/// The keys that a formspec refers to.
pub(crate) fn variables(text: &[u8]) -> Variables<'_> {
    let mut found = Variables::default();
    for element in elements(text) {
        if let Some(place) = element.hypertext(text) {
            found.hypertext.extend(variable(&text[place]));
        } else if matches!(element.kind(text), b"field" | b"textarea") {
            found.fields.extend(element.arguments(text).filter_map(|place| variable(&text[place])));
        }
    }
    found
}

/// The key that a whole text refers to, if it is nothing but `${KEY}`.
pub(crate) fn variable(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"${")?.strip_suffix(b"}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_arguments_refer_to_values() {
        let text = b"hypertext[0,0;1,1;${no};${h}]hypertip[0,0;1,1;;5;n;${t}]label[0,0;${no}]\
            textarea[0,0;1,1;n;;${a}]field[n;l;${f}]hypertext[0,0;1,1;n;x${no}]\
            hypertext[0,0;1,1;n;\\${no}]";
        let found = variables(text);
        assert_eq!(found.hypertext, HashSet::from([&b"h"[..], b"t"]));
        assert_eq!(found.fields, HashSet::from([&b"a"[..], b"f"]));
        assert_eq!(variable(b"${}"), Some(&b""[..]));
        assert_eq!(variable(b"${"), None);
    }
}
