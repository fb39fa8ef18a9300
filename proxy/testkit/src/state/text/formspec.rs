//! Formspecs and the hypertext in them.

use std::fmt::Write as _;

use super::super::names::Names;
use super::{item, texture};

/// What an argument of an element is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Texture,
    Textures,
    File,
    /// An item string that is escaped.
    Item,
    /// An item string that is taken as it stands.
    RawItem,
    Hypertext,
    Columns,
    Style,
}

/// Which of an element's arguments name something.
fn kinds(element: &str, count: usize) -> &'static [(usize, Kind)] {
    use Kind::{Columns, File, Hypertext, Item, RawItem, Style, Texture, Textures};
    match element {
        "image" if count == 2 => &[(1, Texture)],
        "image" | "background" | "background9" => &[(2, Texture)],
        "animated_image" => &[(3, Texture)],
        "item_image" => &[(2, RawItem)],
        "item_image_button" => &[(2, Item)],
        "image_button" | "image_button_exit" => &[(2, Texture), (7, Texture)],
        "model" => &[(3, File), (4, Textures)],
        "tablecolumns" => &[(usize::MAX, Columns)],
        "style" | "style_type" => &[(usize::MAX, Style)],
        "hypertext" => &[(3, Hypertext)],
        _ => &[],
    }
}

/// A formspec with everything that it names, and the arguments that say `${KEY}` where a text with
/// names can be: the value of KEY is that text.
pub(in super::super) fn formspec(form: &str, names: &Names) -> (String, Vec<String>) {
    let mut out = String::new();
    let mut keys = Vec::new();
    for piece in split(form, ']') {
        let Some((element, body)) = piece.split_once('[') else {
            out.push_str(piece);
            continue;
        };
        let arguments = split(body, ';');
        let kinds = kinds(element.trim(), arguments.len());
        let _ = write!(out, "{element}[");
        for (index, argument) in arguments.iter().enumerate() {
            let kind = kinds.iter().find(|(at, _)| *at == index || *at == usize::MAX);
            match kind {
                None => out.push_str(argument),
                Some((_, kind)) => {
                    if *kind == Kind::Hypertext
                        && let Some(key) = key(argument)
                    {
                        keys.push(key.to_owned());
                    }
                    out.push_str(&named(*kind, index, argument, names));
                }
            }
            out.push(';');
        }
        out.push_str("]\n");
    }
    (out, keys)
}

/// KEY of `${KEY}`.
pub(in super::super) fn key(text: &str) -> Option<&str> {
    text.strip_prefix("${")?.strip_suffix('}')
}

fn named(kind: Kind, index: usize, argument: &str, names: &Names) -> String {
    match kind {
        // Escapes change neither where a file's name begins nor where it ends.
        Kind::Texture | Kind::Textures | Kind::File => texture(argument, names),
        Kind::Item => item(&unescape(argument), names),
        Kind::RawItem => item(argument, names),
        Kind::Hypertext => hypertext(&unescape(argument), names),
        Kind::Columns => {
            let options = split(argument, ',');
            if options.first().map(|it| it.trim()) != Some("image") {
                return argument.to_owned();
            }
            let numbered = |option: &&str| match option.split_once('=') {
                Some((number, picture)) if number.trim().parse::<i32>().is_ok() => {
                    format!("{number}={}", texture(picture, names))
                }
                _ => (*option).to_owned(),
            };
            options.iter().map(numbered).collect::<Vec<_>>().join(",")
        }
        Kind::Style if index == 0 => argument.to_owned(),
        Kind::Style => match argument.split_once('=') {
            Some((property, value)) => {
                let property = property.trim().to_ascii_lowercase();
                let value = match property.as_str() {
                    "sound" => names.sound(unescape(value).trim()),
                    "bgimg" | "bgimg_hovered" | "bgimg_pressed" | "fgimg" | "fgimg_hovered"
                    | "fgimg_pressed" => texture(value, names),
                    _ => value.to_owned(),
                };
                format!("{property}={value}")
            }
            None => argument.to_owned(),
        },
    }
}

/// Splits at every separator that no backslash makes ordinary; backslashes stay.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == separator {
            parts.push(&text[start..at]);
            start = at + letter.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        out.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    out
}

/// Text with tags; only `<img name=…>` and `<item name=…>` name something.
pub(in super::super) fn hypertext(text: &str, names: &Names) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '<']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('\\') {
            let end = rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let Some(end) = tag_end(rest) else { break };
        out.push_str(&tag(&rest[..end], names));
        rest = &rest[end..];
    }
    out + rest
}

/// Where the tag that `text` begins with ends.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '>') => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn tag(text: &str, names: &Names) -> String {
    let is_item = text.starts_with("<item ");
    if !is_item && !text.starts_with("<img ") {
        return text.to_owned();
    }
    let Some(start) = text.find(" name=").map(|at| at + " name=".len()) else {
        return text.to_owned();
    };
    let value = &text[start..];
    let quote = value.chars().next().filter(|letter| matches!(letter, '"' | '\''));
    let (inner, rest) = match quote {
        Some(quote) => {
            let mut escaped = true; // the opening quote does not close
            let end = value.char_indices().find_map(|(at, letter)| {
                let closes = !escaped && letter == quote;
                escaped = !escaped && letter == '\\';
                closes.then_some(at)
            });
            let end = end.unwrap_or(value.len() - 1);
            (unescape(&value[1..end]), &value[end..])
        }
        None => {
            let end = value.find([' ', '>']).unwrap_or(value.len());
            (value[..end].to_owned(), &value[end..])
        }
    };
    let inner = if is_item { item(&inner, names) } else { texture(&inner, names) };
    // Clients of 5.6 take quotes for a part of the value, so they must be as they were.
    format!("{}{}{inner}{rest}", &text[..start], quote.map_or("", |_| "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::of_files([("a.png", [1; 20])])
    }

    #[test]
    fn only_references_are_names() {
        let form = "size[1,1]image[0,0;1,1;a.png\\^[colorize\\;x]image[0,0;a.png]\
                    label[0,0;a.png\\]a.png]field[0,0;1,1;a.png;a.png;a.png]\
                    style[a.png;bgimg=a.png;x=a.png]tablecolumns[image,0=a.png;text,0=a.png]\
                    hypertext[0,0;1,1;h;a.png<img name=a.png><img name=\"a.png\">\\\\<img name=a.png>]";
        let (out, keys) = formspec(form, &names());
        assert_eq!(out.matches("{01").count(), 6, "{out}");
        // A label, three parts of a field, the style's selector and another property, a column of
        // text, and twice in the hypertext.
        assert_eq!(out.matches("a.png").count(), 10, "{out}");
        assert!(keys.is_empty());
    }

    #[test]
    fn indirect_texts_are_told() {
        let (_, keys) = formspec("hypertext[0,0;1,1;h;${text}]field[0,0;1,1;f;l;${no}]", &names());
        assert_eq!(keys, ["text"]);
        assert_eq!(key("${form}"), Some("form"));
    }
}
