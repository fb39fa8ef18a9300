//! All messages of a visit, each written down in full.

use std::collections::BTreeMap;

use mesegate_protocol::wire::WireError;
use mesegate_protocol::{ProtocolVersion, to_client};

use super::canon::Scribe;
use super::names::Names;
use super::objects::Objects;
use super::text::Hand;
use super::{Recording, blocks, interface, particles, text};
use crate::bot::Event;

type Result<T> = std::result::Result<T, WireError>;

/// What a player was told, in a form in which two visits can be compared.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Messages by command, in order, except those below.
    pub sequences: BTreeMap<u16, Vec<String>>,
    /// The last content of every map block.
    pub blocks: BTreeMap<[i16; 3], String>,
    /// The last state of every active object: its messages by what they set. Other players are
    /// left out.
    pub objects: BTreeMap<String, BTreeMap<String, String>>,
    /// Messages that could not be read.
    pub unreadable: Vec<String>,
}

/// Numbers that are given out anew in every visit, by the order in which they first appear.
#[derive(Debug, Default)]
struct Order<T>(BTreeMap<T, usize>);

impl<T: Ord> Order<T> {
    fn of(&mut self, number: T) -> usize {
        let next = self.0.len();
        *self.0.entry(number).or_insert(next)
    }
}

/// Reads one visit's messages.
struct Visit<'a> {
    names: Names,
    version: ProtocolVersion,
    player: &'a str,
    state: State,
    objects: Objects,
    sounds: Order<i32>,
    spawners: Order<u32>,
    huds: Order<u32>,
    hud_types: BTreeMap<u32, u8>,
    hand: Hand,
}

impl State {
    /// Reads a visit.
    pub fn of(recording: &Recording, names: &Names) -> Self {
        let mut visit = Visit {
            names: names.clone(),
            version: recording.version,
            player: &recording.player,
            state: Self::default(),
            objects: Objects::new(&recording.player),
            sounds: Order::default(),
            spawners: Order::default(),
            huds: Order::default(),
            hud_types: BTreeMap::new(),
            hand: Hand::None,
        };
        for event in &recording.events {
            if let Err(error) = visit.take(event) {
                let name = to_client::name(event.command);
                visit.state.unreadable.push(format!("{name}: {error}"));
            }
        }
        if let Some(sounds) = visit.state.sequences.get_mut(&to_client::PLAY_SOUND) {
            // Sounds without a number come unreliably: they may overtake the others.
            sounds.sort_by_key(|text| text.starts_with("sound None"));
        }
        if recording.version.0 == 39
            && let Some(pushes) = visit.state.sequences.get_mut(&to_client::MEDIA_PUSH)
        {
            // Each comes on two channels (`server.cpp`, dynamicAddMedia), of which either may be
            // ahead of the other.
            pushes.sort();
        }
        visit.state.objects = visit.objects.finish(&recording.player);
        visit.state
    }
}

impl Visit<'_> {
    fn take(&mut self, event: &Event) -> Result<()> {
        let command = event.command;
        match command {
            to_client::BLOCKDATA => {
                let (position, text) = blocks::block(&event.body, &self.names, self.version)?;
                self.state.blocks.insert(position, text);
                Ok(())
            }
            to_client::ACTIVE_OBJECT_REMOVE_ADD => {
                self.objects.remove_add(&event.body, &self.names)
            }
            to_client::ACTIVE_OBJECT_MESSAGES => self.objects.messages(&event.body, &self.names),
            to_client::SPAWN_PARTICLE_BATCH => {
                let all = particles::batch(&event.body, &self.names)?;
                for particle in all {
                    self.note(to_client::SPAWN_PARTICLE, particle);
                }
                Ok(())
            }
            to_client::UPDATE_PLAYER_LIST => Ok(()),
            _ => {
                let names = self.names.clone();
                let mut s = Scribe::new(&event.body, &names);
                self.write(command, &mut s)?;
                if !s.r.is_empty() {
                    s.put("then");
                    s.rest();
                }
                let (text, _) = s.finish();
                self.note(command, text);
                Ok(())
            }
        }
    }

    fn note(&mut self, command: u16, text: String) {
        let text = text.replace(self.player, "PLAYER");
        self.state.sequences.entry(command).or_default().push(text);
    }

    fn write(&mut self, command: u16, s: &mut Scribe<'_>) -> Result<()> {
        match command {
            to_client::ADDNODE => {
                s.copy(6)?;
                s.id()?;
                s.copy(3)?;
            }
            to_client::NODEMETA_CHANGED => {
                let list = super::inflate(s.r.str32()?, false)?;
                let text = blocks::metadata(&list, true, s.names())?;
                s.put(&text);
            }
            to_client::INVENTORY => self.inventory(s)?,
            to_client::DETACHED_INVENTORY => {
                s.words()?;
                if s.u8()? != 0 {
                    s.r.u16()?;
                    let raw = String::from_utf8_lossy(s.r.rest()).into_owned();
                    // A list called `hand` is nothing special here.
                    let raw = raw.replace("List hand ", "List  hand ");
                    let inventory = text::inventory(&raw, s.names(), &mut Hand::None);
                    s.put(&inventory);
                }
            }
            to_client::PLAY_SOUND => {
                let id = s.r.i32()?;
                let ordinal = (id >= 0).then(|| self.sounds.of(id));
                s.put(&format!("sound {ordinal:?}"));
                s.sound()?;
                s.copy(4 + 1 + 12)?;
                let object = s.r.u16()?;
                s.put(&self.objects.key(object));
                s.rest();
            }
            to_client::STOP_SOUND | to_client::FADE_SOUND => {
                let id = s.r.i32()?;
                s.put(&format!("sound {}", self.sounds.of(id)));
                s.rest();
            }
            to_client::SPAWN_PARTICLE => particles::particle(s)?,
            to_client::ADD_PARTICLESPAWNER => {
                let (spawners, objects) = (&mut self.spawners, &self.objects);
                particles::spawner(s, self.version, |id| spawners.of(id), |id| objects.key(id))?;
            }
            to_client::DELETE_PARTICLESPAWNER => {
                let id = s.r.u32()?;
                s.put(&format!("spawner {}", self.spawners.of(id)));
            }
            to_client::HUDADD => {
                let id = s.r.u32()?;
                s.put(&format!("element {}", self.huds.of(id)));
                let kind = interface::hud_add(s)?;
                self.hud_types.insert(id, kind);
            }
            to_client::HUDRM => {
                let id = s.r.u32()?;
                s.put(&format!("element {}", self.huds.of(id)));
            }
            to_client::HUDCHANGE => {
                let id = s.r.u32()?;
                s.put(&format!("element {}", self.huds.of(id)));
                interface::hud_change(s, self.hud_types.get(&id).copied())?;
            }
            to_client::MEDIA_PUSH => {
                let hash = s.r.str16()?;
                let name = String::from_utf8_lossy(s.r.str16()?).into_owned();
                s.hex(hash);
                // From here on the name stands for this content.
                if let Ok(hash) = hash.try_into() {
                    self.names.add_file(&name, hash);
                }
                s.put(&self.names.file(&name));
                s.u8()?;
                // A token is one server's, a file is told by its hash.
                s.r.rest();
            }
            to_client::MEDIA => self.media(s)?,
            _ => interface::write(command, s, self.version)?,
        }
        Ok(())
    }

    fn inventory(&mut self, s: &mut Scribe<'_>) -> Result<()> {
        let raw = if self.version.0 >= 52 { s.r.str32()? } else { s.r.rest() };
        let raw = String::from_utf8_lossy(raw).into_owned();
        let mut hand = Hand::None;
        let inventory = text::inventory(&raw, s.names(), &mut hand);
        if hand != Hand::Kept {
            self.hand = hand;
        }
        let item = match &self.hand {
            Hand::Item(item) => item.as_str(),
            _ => "",
        };
        let shape = s.names().hand(item);
        s.put(&format!("{inventory}hand {shape}"));
        Ok(())
    }

    /// The answer to a request; how files are spread over messages is left out.
    fn media(&mut self, s: &mut Scribe<'_>) -> Result<()> {
        s.r.u32()?;
        for _ in 0..s.r.u32()? {
            let name = String::from_utf8_lossy(s.r.str16()?).into_owned();
            s.put(&self.names.file(&name));
            let data = s.r.str32()?;
            let data = if self.version.0 >= 48 {
                super::inflate(data, true)?
            } else {
                bytes::Bytes::copy_from_slice(data)
            };
            s.hex(&crate::world::sha1(&data));
        }
        Ok(())
    }
}
