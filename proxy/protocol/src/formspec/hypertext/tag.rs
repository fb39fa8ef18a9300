//! Tags of hypertext, read as `gui/guiHyperText.cpp`, parseTag does.

use std::ops::Range;

/// Keys of attributes that decide what a tag is and what it shows. Others are not kept.
const KEYS: [&[u8]; 3] = [b"name", b"rotate", b"angle"];

/// Reads an escaped argument as the text that it means.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    raw: &'a [u8],
    pos: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at a place in the escaped text.
    pub(super) fn new(raw: &'a [u8], pos: usize) -> Self {
        Self { raw, pos }
    }

    /// The place of the next byte in the escaped text.
    pub(super) fn at(&self) -> usize {
        self.pos
    }

    /// The next byte, without reading it. A backslash at the end of the text disappears.
    fn peek(&self) -> Option<u8> {
        match self.raw.get(self.pos)? {
            b'\\' => self.raw.get(self.pos + 1).copied(),
            byte => Some(*byte),
        }
    }

    /// Reads the next byte, which must be there, and gives the one after it.
    fn advance(&mut self) -> Option<u8> {
        self.next()?;
        self.peek()
    }
}

impl Iterator for Cursor<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.pos += if self.raw[self.pos] == b'\\' { 2 } else { 1 };
        Some(byte)
    }
}

/// What stands between `<` and `>`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// Begins with a slash.
    pub(super) closing: bool,
    /// Its name, without the slash.
    pub(super) name: Vec<u8>,
    attributes: Vec<Attribute>,
}

/// `KEY=VALUE`, the value in quotes or not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    key: Vec<u8>,
    /// The value, without quotes and escapes.
    pub(super) value: Vec<u8>,
    /// What it is quoted with.
    pub(super) quote: Option<u8>,
    /// Where the value stands in the escaped text, quotes included.
    pub(super) place: Range<usize>,
}

impl Tag {
    /// Reads a tag after its `<`, up to and with its `>`. If it is none, the cursor has moved as
    /// far as that took to see.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut next = cursor.peek()?;
        let closing = next == b'/';
        if closing {
            next = cursor.advance()?;
        }
        let mut name = Vec::new();
        while next != b' ' && next != b'>' {
            name.push(next);
            next = cursor.advance()?;
        }
        let mut attributes = Vec::new();
        while next != b'>' {
            let attribute = Attribute::read(cursor)?;
            if KEYS.contains(&&attribute.key[..]) {
                // The last one of a key counts.
                attributes.retain(|known: &Attribute| known.key != attribute.key);
                attributes.push(attribute);
            }
            next = cursor.peek()?;
        }
        cursor.next();
        Some(Self { closing, name, attributes })
    }

    /// The attribute with one of the [`KEYS`].
    pub(super) fn attribute(&self, key: &[u8]) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.key == key)
    }
}

impl Attribute {
    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut next = cursor.peek()?;
        while next == b' ' {
            next = cursor.advance().filter(|next| *next != b'=')?;
        }
        // A `>` as the first character is one of the key: blanks before the end spoil a tag.
        let mut key = Vec::new();
        while next != b' ' && next != b'=' {
            key.push(next);
            next = cursor.advance().filter(|next| *next != b'>')?;
        }
        while next == b' ' {
            next = cursor.advance().filter(|next| *next != b'>')?;
        }
        if next != b'=' {
            return None;
        }
        next = cursor.advance()?;
        let start = cursor.at();
        let quote = matches!(next, b'"' | b'\'').then_some(next);
        if quote.is_some() {
            next = cursor.advance()?;
        }
        let mut value = Vec::new();
        let mut escaped = false;
        while escaped || quote.map_or(next != b'>' && next != b' ', |quote| next != quote) {
            if quote.is_some() && !escaped && next == b'\\' {
                escaped = true;
            } else {
                escaped = false;
                value.push(next);
            }
            next = cursor.advance()?;
        }
        if quote.is_some() {
            cursor.next();
        }
        Some(Self { key, value, quote, place: start..cursor.at() })
    }
}
