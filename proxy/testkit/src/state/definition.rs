//! Definitions of nodes and items, split into what they are and what they refer to
//! (`nodedef.cpp`, `itemdef.cpp`).

use std::collections::BTreeMap;

use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::wire::{Reader, WireError};

use super::canon::Scribe;
use super::names::Names;

type Result<T> = std::result::Result<T, WireError>;

/// A definition without its own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    /// Everything but names of nodes and items; files and sounds by content.
    pub(super) shape: String,
    /// Names of nodes and items, in order.
    pub(super) refs: Vec<String>,
    /// Content ids that a node connects to, sorted. Not a part of the shape, because one definition
    /// for several servers connects to the nodes of each.
    pub(super) connects: Vec<u16>,
}

/// A ContentFeatures.
pub(super) fn node(features: &[u8], names: &Names) -> Result<Definition> {
    let mut s = Scribe::collecting(features, names);
    s.u8()?;
    s.r.str16()?;
    groups(&mut s)?;
    s.copy(3)?;
    s.file()?;
    s.copy(4)?;
    s.u8()?;
    (0..6).try_for_each(|_| tile(&mut s))?;
    (0..6).try_for_each(|_| tile(&mut s))?;
    s.u8()?;
    (0..6).try_for_each(|_| tile(&mut s))?;
    s.copy(4)?;
    s.texture()?;
    s.copy(2)?;
    let count = s.r.u16()?;
    let mut connects = (0..count).map(|_| s.r.u16()).collect::<Result<Vec<_>>>()?;
    connects.sort_unstable();
    connects.dedup();
    s.copy(4 + 1 + 3 + 1 + 6 + 4 + 1)?;
    s.name()?;
    s.name()?;
    s.copy(5)?;
    (0..3).try_for_each(|_| node_box(&mut s))?;
    for _ in 0..3 {
        sound(&mut s)?;
    }
    s.copy(2)?;
    s.name()?;
    // Servers before 5.8 do not say whether the post effect colour is shaded; it is then not. A
    // client that is told so by another server keeps it for the next node (`nodedef.cpp`
    // NodeDefManager::deSerialize uses one scratch record), so a proxy has to say it.
    let mut rest = s.r.rest().to_vec();
    if rest.len() == 4 {
        rest.push(0);
    }
    s.hex(&rest);
    let (shape, refs) = s.finish();
    Ok(Definition { shape, refs, connects })
}

fn groups(s: &mut Scribe<'_>) -> Result<()> {
    let count = s.u16()?;
    // Engines write them in the order of a hash table, which differs from start to start.
    let mut groups = Vec::new();
    for _ in 0..count {
        let name = String::from_utf8_lossy(s.r.str16()?).into_owned();
        groups.push((name, s.r.i16()?));
    }
    groups.sort();
    s.put(&format!("{groups:?}"));
    Ok(())
}

fn tile(s: &mut Scribe<'_>) -> Result<()> {
    s.u8()?;
    s.texture()?;
    animation(s)?;
    let flags = s.u16()?;
    let extra = [(8, 3), (16, 1), (32, 1)];
    let size = extra.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, size)| size).sum();
    s.copy(size).map(drop)
}

/// TILEANIM.
pub(super) fn animation(s: &mut Scribe<'_>) -> Result<()> {
    match s.u8()? {
        1 => s.copy(8).map(drop),
        2 => s.copy(6).map(drop),
        _ => Ok(()),
    }
}

fn node_box(s: &mut Scribe<'_>) -> Result<()> {
    s.u8()?;
    let lists = match s.u8()? {
        1 | 3 => 1,
        2 => return s.copy(72).map(drop),
        4 => 15,
        _ => 0,
    };
    for _ in 0..lists {
        let count = s.u16()?;
        s.copy(24 * usize::from(count))?;
    }
    Ok(())
}

fn sound(s: &mut Scribe<'_>) -> Result<()> {
    s.sound()?;
    s.copy(12).map(drop)
}

/// An ItemDefinition.
pub(super) fn item(
    definition: &[u8],
    names: &Names,
    version: ProtocolVersion,
) -> Result<Definition> {
    let image = |s: &mut Scribe<'_>| {
        s.texture()?;
        if version.0 >= 51 { animation(s) } else { Ok(()) }
    };
    let mut s = Scribe::collecting(definition, names);
    s.copy(2)?;
    s.r.str16()?;
    s.words()?;
    image(&mut s)?;
    image(&mut s)?;
    s.copy(12 + 2 + 2)?;
    let capabilities = s.r.str16()?;
    tool(&mut s, capabilities)?;
    groups(&mut s)?;
    s.name()?;
    sound(&mut s)?;
    sound(&mut s)?;
    s.copy(4)?;
    s.texture()?;
    s.copy(4)?;
    image(&mut s)?;
    image(&mut s)?;
    late(&mut s, version)?;
    s.rest();
    let (shape, refs) = s.finish();
    Ok(Definition { shape, refs, connects: Vec::new() })
}

/// What later releases added at the end. Clients take what a server leaves out as its newer
/// fellows send it if they were told nothing, so a proxy may say it.
fn late(s: &mut Scribe<'_>, version: ProtocolVersion) -> Result<()> {
    if s.r.is_empty() {
        s.put("\"\"");
    } else {
        s.words()?;
    }
    let mut param2 = String::from("0");
    if version.0 <= 43 && !s.r.is_empty() {
        let value = s.r.u8()?;
        if value != 0 {
            param2 = format!("1 {value}");
        }
    }
    for _ in 0..2 {
        if s.r.is_empty() {
            s.put("");
            s.hex(&[0x3f, 0x80, 0, 0, 0x3f, 0x80, 0, 0, 0, 0, 0, 0]);
        } else {
            sound(s)?;
        }
    }
    if !s.r.is_empty() {
        let has = s.r.u8()?;
        param2 = if has == 0 { "0".into() } else { format!("1 {}", s.r.u8()?) };
    }
    s.put(&param2);
    if s.r.is_empty() {
        s.put("00020202");
        return Ok(());
    }
    s.copy(4)?;
    let pointable = s.r.str16()?;
    pointabilities(s, pointable)?;
    if s.r.remaining() == [0] {
        // No colours of a bar.
        s.r.u8()?;
    }
    Ok(())
}

/// ToolCapabilities (`tool.cpp`), whose tables come in no order.
fn tool(s: &mut Scribe<'_>, data: &[u8]) -> Result<()> {
    if data.is_empty() {
        s.put("{no tool}");
        return Ok(());
    }
    let mut r = Reader::new(data);
    let head = r.take(7, "tool")?;
    let mut digs = BTreeMap::new();
    for _ in 0..r.u32()? {
        let name = r.str16()?;
        let limits = r.take(4, "tool")?;
        let mut times = BTreeMap::new();
        for _ in 0..r.u32()? {
            times.insert(r.i16()?, r.u32()?);
        }
        digs.insert(name, (limits, times));
    }
    let mut damage = BTreeMap::new();
    for _ in 0..r.u32()? {
        damage.insert(r.str16()?, r.i16()?);
    }
    s.put(&format!("{head:?} {digs:?} {damage:?} {:?}", r.rest()));
    Ok(())
}

fn pointabilities(s: &mut Scribe<'_>, data: &[u8]) -> Result<()> {
    if data.is_empty() {
        return Ok(());
    }
    let mut r = Reader::new(data);
    r.u8()?;
    for map in 0..4 {
        let mut entries = Vec::new();
        for _ in 0..r.u32()? {
            entries.push((String::from_utf8_lossy(r.str16()?).into_owned(), r.u8()?));
        }
        entries.sort();
        let (names, how): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        s.put(&format!("{how:?}"));
        if map == 0 {
            s.collect(names);
        } else {
            s.put(&format!("{names:?}"));
        }
    }
    Ok(())
}
