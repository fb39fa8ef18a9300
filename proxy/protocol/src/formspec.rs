//! Formspecs: the texts that describe a client's dialogs (`gui/guiFormSpecMenu.cpp`).
//!
//! `TYPE[ARGUMENT;ARGUMENT;…]TYPE[…]…`, where a backslash makes the next character ordinary.
//! Names of files, items and sounds are in fixed places of some elements. Only these are changed:
//! visible text, field names, values and labels are what a backend gets back when the player
//! presses a button, so they stay byte for byte whatever they look like.

mod element;
mod escape;
mod hypertext;
mod variables;

pub(crate) use hypertext::rewrite as rewrite_hypertext;
pub(crate) use variables::{variable, variables};

use crate::NameMap;
use crate::edits::Edits;

/// A formspec with the client's names, or `None` if none of them is another one. Arguments without
/// a changed name keep their bytes.
pub fn rewrite(text: &[u8], names: &NameMap) -> Option<Vec<u8>> {
    if names.is_identity() {
        return None;
    }
    let mut edits = Edits::new(text);
    for element in element::elements(text) {
        element.rewrite(text, names, &mut edits);
    }
    edits.finish()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn names() -> NameMap {
        let pairs = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(a, b)| (Bytes::from(*a), Bytes::from(*b))).collect::<Vec<_>>()
        };
        NameMap::new(
            pairs(&[("a.png", "p_a.png"), ("b.png", "p_b.png"), ("m.b3d", "p_m.b3d")]),
            pairs(&[("beep", "p_beep")]),
            pairs(&[("a:b", "p_a:b"), ("odd", "p];odd"), ("x y", "p_x y")]),
            None,
        )
    }

    fn rewritten(text: &str) -> String {
        let new = rewrite(text.as_bytes(), &names());
        new.map_or_else(|| "-".into(), |new| String::from_utf8(new).unwrap())
    }

    #[test]
    fn names_change_where_elements_hold_them() {
        for (old, new) in [
            ("image[0,0;1,1;a.png]", "image[0,0;1,1;p_a.png]"),
            ("image[0,0;a.png]", "image[0,0;p_a.png]"),
            ("image[0,0;1,1;a.png^[mask\\:b.png;4]", "image[0,0;1,1;p_a.png^[mask\\:p_b.png;4]"),
            ("  image [a.png;1,1;a\\.png", "  image [a.png;1,1;p_a.png"),
            (
                "animated_image[0,0;1,1;a.png;a.png;4;a.png]",
                "animated_image[0,0;1,1;a.png;p_a.png;4;a.png]",
            ),
            ("item_image[0,0;1,1;a:b 2]", "item_image[0,0;1,1;p_a:b 2]"),
            ("item_image_button[0,0;1,1;a:b;a:b;a:b]", "item_image_button[0,0;1,1;p_a:b;a:b;a:b]"),
            ("item_image_button[0,0;1,1;odd;;]", "item_image_button[0,0;1,1;p\\]\\;odd;;]"),
            (
                "image_button[0,0;1,1;a.png;a.png;a.png]",
                "image_button[0,0;1,1;p_a.png;a.png;a.png]",
            ),
            (
                "image_button_exit[0,0;1,1;;n;l;true;true;a.png]",
                "image_button_exit[0,0;1,1;;n;l;true;true;p_a.png]",
            ),
            ("background[0,0;1,1;a.png;true]", "background[0,0;1,1;p_a.png;true]"),
            ("background9[0,0;1,1;a.png;true;4]", "background9[0,0;1,1;p_a.png;true;4]"),
            (
                "model[0,0;1,1;m.b3d;m.b3d;a.png,c.png,b.png\\,a.png;0,1]",
                "model[0,0;1,1;m.b3d;p_m.b3d;p_a.png,c.png,p_b.png\\,p_a.png;0,1]",
            ),
            (
                "tablecolumns[text,1=a.png;image,0=a.png^\\[x,align=a.png,12=b.png;image]",
                "tablecolumns[text,1=a.png;image,0=p_a.png^\\[x,align=a.png,12=p_b.png;image]",
            ),
            (
                "style[a.png;BgImg=a.png;textcolor=a.png; fgimg_hovered = b.png ;sound= beep ]",
                "style[a.png;BgImg=p_a.png;textcolor=a.png; fgimg_hovered = p_b.png ;sound= p_beep ]",
            ),
            ("style_type[button;sound=beep]", "style_type[button;sound=p_beep]"),
            (
                "hypertext[0,0;1,1;<img name=a.png>;<img name=a.png>]",
                "hypertext[0,0;1,1;<img name=a.png>;<img name=p_a.png>]",
            ),
            ("hypertip[a.png;;5;n;<item name=a:b>]", "hypertip[a.png;;5;n;<item name=p_a:b>]"),
            ("hypertip[0,0;1,1;;5;n;<item name=a:b>]", "hypertip[0,0;1,1;;5;n;<item name=p_a:b>]"),
        ] {
            assert_eq!(rewritten(old), new);
        }
    }

    #[test]
    fn everything_else_stays() {
        for kept in [
            "label[0,0;a.png]field[n;a:b;a.png]textlist[0,0;1,1;a.png;a.png,a:b;1]",
            "button[0,0;1,1;a.png;image\\[0,0\\;1,1\\;a.png\\]]",
            "dropdown[0,0;1;n;a.png,b.png;1]tooltip[n;a.png]list[a:b;a.png;0,0;1,1]",
            "table[0,0;1,1;n;a.png,a:b;1]tableoptions[a.png]future[0,0;1,1;a.png]",
            "image[0,0;1,1]image[0,0;1,1;]image[a.png]image",
            "item_image[0,0;1,1;odd]item_image[0,0;1,1;\\a:b]",
            "item_image_button[a:b;a:b;c;a:b;a:b]style[sound=beep]style[x;sound=boop;sound]",
            "model[0,0;1,1;n;m.png;]tablecolumns[image;1=a.png]tablecolumns[\\image,1=a.png]",
            "hypertext[0,0;1,1;n;${a.png}]hypertip[0,0;1,1;;5;<img name=a.png>]",
            "",
        ] {
            assert_eq!(rewritten(kept), "-", "{kept}");
        }
    }
}
