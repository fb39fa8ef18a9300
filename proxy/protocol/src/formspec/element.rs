//! Elements: which of their arguments hold names.

use std::ops::Range;

use super::escape::{escape, is_one_argument, split, unescape};
use super::hypertext;
use crate::NameMap;
use crate::edits::Edits;

/// One element. Places are those in the whole formspec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    kind: Range<usize>,
    body: Range<usize>,
}

/// The elements of a formspec. Text without a `[` is none.
pub(super) fn elements(text: &[u8]) -> impl Iterator<Item = Element> + '_ {
    split(text, 0..text.len(), b']').filter_map(|piece| {
        // Escapes do not count here (`parseElement`).
        let bracket = text[piece.clone()].iter().position(|byte| *byte == b'[')?;
        let bracket = piece.start + bracket;
        Some(Element { kind: piece.start..bracket, body: bracket + 1..piece.end })
    })
}

impl Element {
    /// The type, such as `image`.
    pub(super) fn kind<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        text[self.kind.clone()].trim_ascii()
    }

    /// The arguments in their order.
    pub(super) fn arguments<'a>(
        &self,
        text: &'a [u8],
    ) -> impl Iterator<Item = Range<usize>> + Clone + 'a {
        split(text, self.body.clone(), b';')
    }

    /// The place of the text that is hypertext.
    pub(super) fn hypertext(&self, text: &[u8]) -> Option<Range<usize>> {
        let mut arguments = self.arguments(text);
        match self.kind(text) {
            b"hypertext" => arguments.nth(3),
            b"hypertip" => {
                // With a comma, the first argument is a position and a size follows it.
                let with_size = text[arguments.next()?].contains(&b',');
                arguments.nth(if with_size { 4 } else { 3 })
            }
            _ => None,
        }
    }

    /// Changes the names in the element. Clients pass over elements of a type that is not known
    /// (`parseElement`), and so does this.
    pub(super) fn rewrite<'a>(&self, text: &'a [u8], names: &NameMap, edits: &mut Edits<'a>) {
        let mut arguments = self.arguments(text);
        let texture = |raw: &'a [u8]| names.texture(raw);
        match self.kind(text) {
            b"image" => {
                // Without a size the texture comes second.
                let second = arguments.nth(1);
                if let Some(place) = arguments.next().or(second) {
                    edits.rewrite(place, texture);
                }
            }
            b"animated_image" => {
                if let Some(place) = arguments.nth(3) {
                    edits.rewrite(place, texture);
                }
            }
            b"background" | b"background9" => {
                if let Some(place) = arguments.nth(2) {
                    edits.rewrite(place, texture);
                }
            }
            b"image_button" | b"image_button_exit" => {
                // The image, and the one of a pressed button.
                for place in [arguments.nth(2), arguments.nth(4)].into_iter().flatten() {
                    edits.rewrite(place, texture);
                }
            }
            b"item_image" => {
                // Taken as it stands, so a name that needs an escape cannot be said.
                let item = |raw: &'a [u8]| names.item_string(raw).filter(|n| is_one_argument(n));
                if let Some(place) = arguments.nth(2) {
                    edits.rewrite(place, item);
                }
            }
            b"item_image_button" => {
                if let Some(place) = arguments.nth(2) {
                    let item = |raw: &'a [u8]| names.item_string(&unescape(raw));
                    edits.rewrite(place, |raw| item(raw).map(|new| escape(&new)));
                }
            }
            b"model" => {
                if let Some(place) = arguments.nth(3) {
                    let file = |raw: &'a [u8]| Some(escape(names.media(&unescape(raw))?));
                    edits.rewrite(place, file);
                }
                // A list; the comma is in no file name.
                if let Some(place) = arguments.next() {
                    edits.rewrite(place, texture);
                }
            }
            b"tablecolumns" => {
                for column in arguments {
                    table_column(text, column, names, edits);
                }
            }
            b"style" | b"style_type" => {
                for property in arguments.skip(1) {
                    style_property(text, property, names, edits);
                }
            }
            b"hypertext" | b"hypertip" => {
                if let Some(place) = self.hypertext(text) {
                    edits.rewrite(place, |raw| hypertext::rewrite(raw, names));
                }
            }
            _ => {}
        }
    }
}

/// The image options `NUMBER=TEXTURE` of a column of images (`gui/guiTable.cpp`, setTable).
fn table_column<'a>(text: &'a [u8], column: Range<usize>, names: &NameMap, edits: &mut Edits<'a>) {
    let mut parts = split(text, column, b',');
    if parts.next().is_none_or(|kind| text[kind] != *b"image") {
        return;
    }
    for part in parts {
        if let Some((name, place)) = assignment(text, part)
            && is_number(&unescape(&text[name]))
        {
            edits.rewrite(place, |raw| names.texture(raw));
        }
    }
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// A property `NAME=VALUE` of a style.
fn style_property<'a>(
    text: &'a [u8],
    property: Range<usize>,
    names: &NameMap,
    edits: &mut Edits<'a>,
) {
    let Some((name, place)) = assignment(text, property) else { return };
    match &text[name].trim_ascii().to_ascii_lowercase()[..] {
        b"bgimg" | b"bgimg_hovered" | b"bgimg_pressed" | b"fgimg" | b"fgimg_hovered"
        | b"fgimg_pressed" => edits.rewrite(place, |raw| names.texture(raw)),
        b"sound" => {
            // Blanks around it do not count, but are kept.
            let raw = &text[place.clone()];
            let start = place.start + (raw.len() - raw.trim_ascii_start().len());
            let end = start + raw.trim_ascii().len();
            let sound = |raw: &'a [u8]| Some(escape(names.sound(unescape(raw).trim_ascii())?));
            edits.rewrite(start..end, sound);
        }
        _ => {}
    }
}

/// The places before and after the first `=`.
fn assignment(text: &[u8], part: Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let equals = part.start + text[part.clone()].iter().position(|byte| *byte == b'=')?;
    Some((part.start..equals, equals + 1..part.end))
}
