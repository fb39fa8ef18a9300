//! Places in a definition that carry names.

use std::ops::Range;

use crate::editor::replace_str16;
use crate::edits::Edits;
use crate::names::NameMap;
use crate::wire::{Reader, Result, WireError};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// The definition's own name.
    Name,
    /// Name of a node or item that it refers to.
    Reference,
    /// Texture string; may name several files.
    Texture,
    /// File name of a model.
    Mesh,
    /// Texture string of a palette.
    Palette,
    /// Name of a sound: a group of files.
    Sound,
}

/// One name in a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// What it stands for.
    pub kind: FieldKind,
    /// The name, which may be empty.
    pub value: &'a [u8],
}

/// Where a `str16` with a name lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: FieldKind,
    /// Bytes of the name, without its length.
    pub(super) value: Range<usize>,
}

/// Where a property begins, and what it is called. It ends where the next one begins.
pub(super) type Section = (usize, &'static str);

/// The name of a definition's first property.
const NAME: &str = "name";

/// The first property of two definitions that is not the same in both, their own names aside.
pub(super) fn first_difference(
    (a, in_a): (&[u8], &[Section]),
    (b, in_b): (&[u8], &[Section]),
) -> Option<&'static str> {
    let bytes = |raw: &'_ [u8], sections: &[Section], at: usize| {
        let start = sections.get(at).map_or(raw.len(), |(start, _)| *start);
        let end = sections.get(at + 1).map_or(raw.len(), |(start, _)| *start);
        raw[start..end].to_vec()
    };
    let differs = |at: &usize| bytes(a, in_a, *at) != bytes(b, in_b, *at);
    (0..in_a.len()).filter(|at| in_a[*at].1 != NAME).find(differs).map(|at| in_a[at].1)
}

/// A reader that remembers the places it passes.
pub(super) struct Walker<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) places: Vec<Place>,
    pub(super) sections: Vec<Section>,
}

impl<'a> Walker<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { reader: Reader::new(data), places: Vec::new(), sections: Vec::new() }
    }

    pub(super) fn name(&mut self, kind: FieldKind) -> Result<Range<usize>> {
        let bytes = self.reader.str16()?;
        let end = self.reader.position();
        let value = end - bytes.len()..end;
        self.places.push(Place { kind, value: value.clone() });
        Ok(value)
    }

    /// What follows, up to the next call, is the property of this name.
    pub(super) fn section(&mut self, name: &'static str) {
        self.sections.push((self.reader.position(), name));
    }

    pub(super) fn skip(&mut self, n: usize) -> Result<()> {
        self.reader.take(n, "definition").map(drop)
    }

    /// u16 n; n × (str16 group; s16 rating). Gives the place of all of it.
    pub(super) fn groups(&mut self) -> Result<Range<usize>> {
        let start = self.reader.position();
        for _ in 0..self.reader.u16()? {
            self.reader.str16()?;
            self.skip(2)?;
        }
        Ok(start..self.reader.position())
    }

    /// TILEANIM (`tileanimation.cpp`): of an unknown type clients read no more bytes.
    pub(super) fn animation(&mut self) -> Result<()> {
        match self.reader.u8()? {
            1 => self.skip(8),
            2 => self.skip(6),
            _ => Ok(()),
        }
    }

    /// Simple SoundSpec (`sound_spec.cpp`): name; gain; pitch; fade.
    pub(super) fn sound(&mut self) -> Result<()> {
        self.name(FieldKind::Sound)?;
        self.skip(12)
    }
}

/// The names at `places`.
pub(super) fn fields<'a>(raw: &'a [u8], places: &'a [Place]) -> impl Iterator<Item = Field<'a>> {
    places.iter().map(|p| Field { kind: p.kind, value: &raw[p.value.clone()] })
}

/// Notes new names at `places`. A replacement that does not fit a `str16` is left out: an empty
/// texture is better than a refused login.
pub(super) fn replace(
    raw: &[u8],
    places: &[Place],
    new_name: &mut dyn FnMut(Field<'_>) -> Option<Vec<u8>>,
    edits: &mut Edits<'_>,
) {
    for place in places {
        let old = Field { kind: place.kind, value: &raw[place.value.clone()] };
        if let Some(new) = new_name(old) {
            replace_str16(edits, place.value.clone(), &new);
        }
    }
}

/// What the client calls a name, if that is something else.
pub(super) fn translated(field: Field<'_>, names: &NameMap) -> Option<Vec<u8>> {
    /// Not a sound: clients play that of the group the tool digs best (`client/game.cpp`).
    const SOUND_OF_GROUP: &[u8] = b"__group";
    match field.kind {
        FieldKind::Name | FieldKind::Reference => names.item(field.value).map(|new| new.to_vec()),
        FieldKind::Texture | FieldKind::Palette => names.texture(field.value),
        FieldKind::Mesh => names.media(field.value).map(|new| new.to_vec()),
        FieldKind::Sound if field.value == SOUND_OF_GROUP => None,
        FieldKind::Sound => names.sound(field.value).map(|new| new.to_vec()),
    }
}

/// True if `names` holds no other name for anything.
pub(super) fn keeps_all(names: &NameMap) -> bool {
    names.renamed_media().next().is_none()
        && names.renamed_sounds().next().is_none()
        && names.renamed_items().next().is_none()
}

/// Refuses version bytes that no reader accepts, and newer ones whose layout nobody knows.
pub(super) fn expect_version(reader: &mut Reader<'_>, known: u8, what: &'static str) -> Result<()> {
    let offset = reader.position();
    match reader.u8()? {
        version if version == known => Ok(()),
        version if version > known => Err(WireError::Newer { what, offset }),
        _ => Err(WireError::Invalid { what, offset }),
    }
}
