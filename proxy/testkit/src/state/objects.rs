//! Active objects: what is the last that was said about each (`object_properties.cpp`,
//! `client/content_cao.cpp`).

use std::collections::BTreeMap;

use mesegate_protocol::wire::{Reader, WireError};

use super::canon::Scribe;
use super::names::Names;

type Result<T> = std::result::Result<T, WireError>;

/// The last message of every kind about one object.
type Said = BTreeMap<String, String>;

/// Objects by their numbers of this visit.
#[derive(Debug)]
pub(super) struct Objects {
    player: String,
    here: BTreeMap<u16, (String, Said)>,
}

/// How the own player's object is called.
const OWN: &str = "own";

/// How objects of other players are called.
const OTHERS: &str = "another player";

impl Objects {
    pub(super) fn new(player: &str) -> Self {
        Self { player: player.to_owned(), here: BTreeMap::new() }
    }

    /// What an object is called, or its number if there is none.
    pub(super) fn key(&self, id: u16) -> String {
        match self.here.get(&id) {
            Some((name, _)) => name.clone(),
            None if id == 0 => "nothing".into(),
            None => "unknown object".into(),
        }
    }

    pub(super) fn finish(mut self, player: &str) -> BTreeMap<String, Said> {
        // An object may have been named before the message that added it.
        let keys: BTreeMap<u16, String> =
            self.here.iter().map(|(id, (name, _))| (*id, name.clone())).collect();
        let mut all: BTreeMap<String, Said> = BTreeMap::new();
        for (name, said) in std::mem::take(&mut self.here).into_values() {
            if name == OTHERS {
                continue;
            }
            let mut said = said;
            for text in said.values_mut() {
                *text = text.replace(player, "PLAYER");
                for (id, key) in &keys {
                    *text = text.replace(&format!("{{object {id}}}"), key);
                }
            }
            let mut unique = name.clone();
            let mut number = 1;
            while all.contains_key(&unique) {
                number += 1;
                unique = format!("{name} {number}");
            }
            all.insert(unique, said);
        }
        all
    }

    pub(super) fn remove_add(&mut self, body: &[u8], names: &Names) -> Result<()> {
        let mut r = Reader::new(body);
        for _ in 0..r.u16()? {
            self.here.remove(&r.u16()?);
        }
        for _ in 0..r.u16()? {
            let id = r.u16()?;
            r.u8()?;
            self.add(id, r.str32()?, names)?;
        }
        Ok(())
    }

    fn add(&mut self, id: u16, init: &[u8], names: &Names) -> Result<()> {
        let mut r = Reader::new(init);
        r.u8()?;
        let name = String::from_utf8_lossy(r.str16()?).into_owned();
        let is_player = r.bool()?;
        let inner = r.u16()?;
        let name = match is_player {
            true if name == self.player => OWN.to_owned(),
            true => OTHERS.to_owned(),
            false => name,
        };
        let mut said = Said::new();
        if inner != id {
            said.insert("id".into(), format!("{inner} inside, {id} outside"));
        }
        let place = r.v3f()?;
        let rotation = r.v3f()?;
        let hp = r.u16()?;
        let place = format!("{place:?} {rotation:?} {hp}");
        let count = r.u8()?;
        self.here.insert(id, (name, said));
        for _ in 0..count {
            self.said(id, r.str32()?, names)?;
        }
        if let Some((name, said)) = self.here.get_mut(&id).filter(|_| !is_player) {
            let attached = said.get("message 8").is_some_and(|to| to.starts_with("{object"));
            // Engines before 5.8 do not tell what kind of entity it is.
            match said.get("message 0") {
                Some(properties) if name.is_empty() && attached => {
                    let digest = crate::world::sha1(properties.as_bytes());
                    *name = format!("attached entity {:02x?}", &digest[..4]);
                }
                _ if name.is_empty() => *name = format!("entity at {place}"),
                _ => {}
            }
            // What is attached is where the other one is, sooner or later.
            if !attached {
                said.insert("place".into(), place);
            }
        }
        Ok(())
    }

    pub(super) fn messages(&mut self, body: &[u8], names: &Names) -> Result<()> {
        let mut r = Reader::new(body);
        while !r.is_empty() {
            let id = r.u16()?;
            let message = r.str16()?;
            self.said(id, message, names)?;
        }
        Ok(())
    }

    fn said(&mut self, id: u16, message: &[u8], names: &Names) -> Result<()> {
        let Some((kind, text)) = read(message, names)? else { return Ok(()) };
        if let Some((_, said)) = self.here.get_mut(&id) {
            said.insert(kind, text);
        }
        Ok(())
    }
}

/// What kind of message about an object this is, and what it says; nothing if it is a matter of
/// time.
fn read(message: &[u8], names: &Names) -> Result<Option<(String, String)>> {
    let mut s = Scribe::new(message, names);
    let command = s.r.u8()?;
    let mut kind = format!("message {command}");
    match command {
        // Where it is and what hit it: a matter of time.
        1 | 4 => return Ok(None),
        0 => properties(&mut s)?,
        2 => s.texture()?,
        7 => {
            let bone = s.words()?;
            kind = format!("{kind} {bone}");
        }
        8 | 11 => {
            let other = s.r.u16()?;
            if other == 0 {
                s.put("nothing");
            } else {
                s.put(&format!("{{object {other}}}"));
            }
            if command == 11 {
                kind = format!("{kind} {{object {other}}}");
                s.u8()?;
                infant(&mut s, other, names)?;
            }
        }
        // A table without an order (`itemgroup.h`).
        5 => {
            let mut groups = Vec::new();
            for _ in 0..s.r.u16()? {
                let name = String::from_utf8_lossy(s.r.str16()?).into_owned();
                groups.push((name, s.r.i16()?));
            }
            groups.sort();
            s.put(&format!("{groups:?}"));
        }
        _ => {}
    }
    s.rest();
    Ok(Some((kind, s.finish().0)))
}

/// To clients of protocol 37, the child's own init data follow (`server/serveractiveobject.cpp`
/// generateUpdateInfantCommand).
fn infant(s: &mut Scribe<'_>, id: u16, names: &Names) -> Result<()> {
    if s.r.is_empty() {
        return Ok(());
    }
    let mut r = Reader::new(s.r.str32()?);
    r.u8()?;
    r.str16()?;
    r.u8()?;
    if r.u16()? != id {
        return Err(r.invalid("the child's number inside"));
    }
    r.take(12 + 12 + 2, "place")?;
    let mut all = Said::new();
    for _ in 0..r.u8()? {
        all.extend(read(r.str32()?, names)?);
    }
    s.put(&format!("{all:?}"));
    Ok(())
}

fn properties(s: &mut Scribe<'_>) -> Result<()> {
    s.u8()?;
    s.copy(2 + 1 + 4 + 48 + 1)?;
    let visual = s.words()?;
    s.copy(12)?;
    let count = s.u16()?;
    let is_item = visual == "item" || visual == "wielditem";
    for index in 0..count {
        // Engines before the property *wield item* put the item's name here, and it still counts
        // where that property is empty.
        if is_item && index == 0 { s.item_string()? } else { s.texture()? }
    }
    s.copy(8 + 2 + 4)?;
    s.file()?;
    let colours = s.u16()?;
    s.copy(4 * usize::from(colours))?;
    s.copy(1 + 4 + 5 + 1)?;
    s.words()?;
    s.copy(8)?;
    s.words()?;
    s.item_string()?;
    s.copy(1 + 2 + 8 + 1)?;
    if !s.r.is_empty() {
        s.texture()?;
        s.u8()?;
    }
    if !s.r.is_empty() {
        s.copy(5)?;
    }
    if !s.r.is_empty() {
        s.u8()?;
    }
    if !s.r.is_empty() {
        s.id()?;
        s.copy(2)?;
    }
    Ok(())
}
