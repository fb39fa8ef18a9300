//! Texture strings against a model of the engine's own reader (`client/imagesource.cpp`,
//! generateImage and generateImagePart).

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{KEPT, MEDIA, check, names, new_media};

/// A texture string: parts that lie over each other.
#[derive(Debug, Clone)]
pub(super) struct Texture(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    File(&'static str),
    Group(Texture),
    Nested(&'static str, Texture),
    Combine(Vec<Texture>),
    Cube([Vec<Part>; 3]),
    Plain(&'static str),
}

impl Texture {
    pub(super) fn write(&self, name: &dyn Fn(&str) -> String) -> String {
        Part::write_all(&self.0, "^", name)
    }

    fn files(&self, found: &mut Vec<String>) {
        self.0.iter().for_each(|part| part.files(found));
    }
}

impl Part {
    fn write_all(parts: &[Self], separator: &str, name: &dyn Fn(&str) -> String) -> String {
        parts.iter().map(|part| part.write(name)).collect::<Vec<_>>().join(separator)
    }

    fn write(&self, name: &dyn Fn(&str) -> String) -> String {
        match self {
            Self::File(file) => name(file),
            Self::Plain(text) => (*text).to_owned(),
            Self::Group(texture) => format!("({})", texture.write(name)),
            Self::Nested(modifier, texture) => modifier.to_string() + &escape(&texture.write(name)),
            Self::Combine(textures) => {
                let nested = textures.iter().enumerate();
                let nested = nested.map(|(i, t)| format!(":{i},-1={}", escape(&t.write(name))));
                "[combine:16x16".to_owned() + &nested.collect::<String>()
            }
            Self::Cube(faces) => {
                let faces = faces.each_ref().map(|face| Self::write_all(face, "&", name));
                "[inventorycube{".to_owned() + &faces.join("{")
            }
        }
    }

    fn files(&self, found: &mut Vec<String>) {
        match self {
            Self::File(file) => found.push((*file).to_owned()),
            Self::Plain(_) => {}
            Self::Group(texture) | Self::Nested(_, texture) => texture.files(found),
            Self::Combine(textures) => textures.iter().for_each(|t| t.files(found)),
            Self::Cube(faces) => faces.iter().flatten().for_each(|part| part.files(found)),
        }
    }
}

/// As `util/string.h`, str_texture_modifiers_escape.
fn escape(text: &str) -> String {
    text.chars().flat_map(|c| "\\^:".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

pub(super) fn texture() -> impl Strategy<Value = Texture> {
    let simple = || {
        let plain = [
            "",
            "[brighten",
            "[colorize:#ff8000:120",
            "[transformR90",
            "[sheet:2x2:1,0",
            "[future:9",
            "[png:iVBORw0KGgo=",
            "[resize:16x16",
            "[fill:8x8:1,1:red",
            "[cracko:1:2:3",
        ];
        prop_oneof![
            3 => select(&MEDIA[..]).prop_map(Part::File),
            1 => select(&KEPT[..]).prop_map(Part::File),
            1 => select(plain.to_vec()).prop_map(Part::Plain),
        ]
    };
    let cube = [vec(simple(), 1..3), vec(simple(), 1..3), vec(simple(), 1..3)];
    let leaf = prop_oneof![4 => simple(), 1 => cube.prop_map(Part::Cube)];
    let part = leaf.prop_recursive(4, 24, 3, |part| {
        let nested = ["[mask:", "[lowpart:50:", "[overlay:", "[hardlight:"];
        let texture = || vec(part.clone(), 1..4).prop_map(Texture);
        prop_oneof![
            texture().prop_map(Part::Group),
            (select(nested.to_vec()), texture()).prop_map(|(m, t)| Part::Nested(m, t)),
            vec(texture(), 0..3).prop_map(Part::Combine),
        ]
    });
    vec(part, 0..4).prop_map(Texture)
}

/// The files that the engine looks for.
fn files(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    image(text.as_bytes(), &mut found);
    found.into_iter().map(|name| String::from_utf8(name).unwrap()).collect()
}

/// As generateImage. False if there is none.
fn image(text: &[u8], found: &mut Vec<Vec<u8>>) -> bool {
    let mut separator = None;
    let mut depth = 0;
    for i in (0..text.len()).rev() {
        if i > 0 && text[i - 1] == b'\\' {
            continue;
        }
        match text[i] {
            b'^' if depth == 0 => {
                separator = Some(i);
                break;
            }
            b'(' if depth == 0 => return false,
            b'(' => depth -= 1,
            b')' => depth += 1,
            _ => {}
        }
    }
    if depth > 0 {
        return false;
    }
    let base = separator.is_some_and(|at| image(&text[..at], found));
    match &text[separator.map_or(0, |at| at + 1)..] {
        [] => base,
        [b'(', inner @ .., b')'] => image(inner, found) || base,
        [b'[', ..] => {
            modifier(&text[separator.map_or(0, |at| at + 1)..], found);
            true
        }
        file => {
            found.push(file.to_vec());
            true
        }
    }
}

/// As generateImagePart, for what starts with a bracket.
fn modifier(part: &[u8], found: &mut Vec<Vec<u8>>) {
    let mut rest = Strfnd(part);
    if part.starts_with(b"[combine") {
        rest.next(b':');
        rest.next(b'x');
        rest.next(b':');
        while !rest.0.is_empty() {
            rest.next(b',');
            rest.next(b'=');
            image(&rest.nested(), found);
        }
    } else if part.starts_with(b"[inventorycube") {
        let part: Vec<u8> = part.iter().map(|b| if *b == b'&' { b'^' } else { *b }).collect();
        let mut rest = Strfnd(&part);
        rest.next(b'{');
        for _ in 0..3 {
            image(rest.next(b'{'), found);
        }
    } else if part.starts_with(b"[lowpart:") {
        rest.next(b':');
        rest.next(b':');
        image(&rest.nested(), found);
    } else if [&b"[mask:"[..], b"[overlay:", b"[hardlight:"].iter().any(|m| part.starts_with(m)) {
        rest.next(b':');
        image(&rest.nested(), found);
    }
}

/// As `util/strfnd.h`.
struct Strfnd<'a>(&'a [u8]);

impl<'a> Strfnd<'a> {
    fn next(&mut self, separator: u8) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == separator);
        self.take(end)
    }

    /// Up to the next colon that has no backslash before it, unescaped.
    fn nested(&mut self) -> Vec<u8> {
        let text = self.0;
        let end = (0..text.len()).find(|i| text[*i] == b':' && (*i == 0 || text[i - 1] != b'\\'));
        let mut bytes = self.take(end).iter();
        let mut plain = Vec::new();
        while let Some(byte) = bytes.next() {
            plain.extend(if *byte == b'\\' { bytes.next() } else { Some(byte) });
        }
        plain
    }

    fn take(&mut self, end: Option<usize>) -> &'a [u8] {
        let taken = &self.0[..end.unwrap_or(self.0.len())];
        self.0 = end.map_or(&[], |end| &self.0[end + 1..]);
        taken
    }
}

/// Made of what file names are made of.
fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// Bits of texture strings in no order. None of them has the `x` of a size.
fn rubbish() -> impl Strategy<Value = String> {
    let bits = [
        "a.png",
        "b-2.PNG",
        "base.png",
        "a",
        ".png",
        "\\",
        "\\",
        "\\\\",
        "^",
        "^",
        "(",
        ")",
        ":",
        "\\:",
        "\\^",
        "[mask:",
        "[lowpart:",
        "[combine:1x1:0,0=",
        "[inventorycube{",
        "{",
        "&",
        "=",
        ",",
        " ",
        "é",
        "[",
    ];
    vec(select(bits.to_vec()), 0..16).prop_map(|bits| bits.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn model_reads_what_was_written(texture in texture()) {
        let mut expected = Vec::new();
        texture.files(&mut expected);
        let mut found = files(&texture.write(&|name| name.into()));
        // A part lies on top of those before it, so the model finds them in another order.
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn renamed_files_change_at_any_depth(texture in texture()) {
        let old = texture.write(&|name| name.into());
        let new = texture.write(&new_media);
        check((old.as_bytes(), new.as_bytes()), |text, names| names.texture(text))?;
    }

    /// The scan and the engine's reader find the same renamed names in any text.
    #[test]
    fn scan_is_a_full_reader(text in rubbish()) {
        let new = names().0.texture(text.as_bytes());
        let new = new.map_or_else(|| text.clone(), |new| String::from_utf8(new).unwrap());
        let (old, new) = (files(&text), files(&new));
        prop_assert_eq!(old.len(), new.len());
        for (old, new) in old.iter().zip(&new) {
            // What is no name is looked for in vain whatever it is.
            prop_assert_eq!(is_name(old), is_name(new));
            if is_name(old) {
                prop_assert_eq!(&new_media(old), new);
            }
        }
    }
}
