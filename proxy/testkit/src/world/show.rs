//! Things a server puts into a client that stay there until something takes them away.

use bytes::Bytes;
use mesegate_protocol::wire::Writer;
use mesegate_protocol::{ProtocolVersion, to_client};

/// One thing to show. Ids are the server's own.
#[derive(Debug, Clone, PartialEq)]
pub enum Show {
    /// A line of text on the screen.
    Hud {
        /// Element id.
        id: u32,
        /// The text.
        text: String,
    },
    /// Which built-in elements are drawn.
    HudFlags(u32),
    /// Number of hotbar slots.
    Hotbar(i32),
    /// A sound that goes on.
    Sound {
        /// Sound id.
        id: i32,
        /// Sound name.
        name: String,
    },
    /// A particle spawner without end.
    Spawner {
        /// Spawner id.
        id: u32,
    },
    /// A detached inventory with one item.
    Detached(String),
    /// A plain sky of one colour (A R G B).
    Sky(u32),
    /// A fixed light, 0 to 1000 per mille of the day's.
    DayNight(u16),
    /// A form that opens.
    Formspec {
        /// Form name.
        name: String,
        /// Its text.
        text: String,
    },
    /// What every form begins with.
    Prepend(String),
    /// Any message.
    Raw {
        /// Channel to send it on.
        channel: u8,
        /// Reliably or not.
        reliable: bool,
        /// The message with its command.
        message: Bytes,
    },
}

impl Show {
    /// One of every kind, with ids from `base`.
    pub fn all(base: u32) -> Vec<Self> {
        vec![
            Self::Hud { id: base, text: format!("hud {base}") },
            Self::HudFlags(0x1f0),
            Self::Hotbar(5),
            Self::Sound { id: base as i32, name: "testkit_hum".into() },
            Self::Spawner { id: base },
            Self::Detached(format!("detached_{base}")),
            Self::Sky(0xff00_ff00),
            Self::DayNight(500),
            Self::Formspec { name: "testkit:form".into(), text: "size[2,2]label[0,0;x]".into() },
            Self::Prepend("bgcolor[#00000000]".into()),
        ]
    }

    /// Channel, reliability and message.
    pub(crate) fn encode(&self, version: ProtocolVersion) -> (u8, bool, Bytes) {
        let message = match self {
            Self::Raw { channel, reliable, message } => {
                return (*channel, *reliable, message.clone());
            }
            Self::Hud { id, text } => hud(*id, text, version),
            Self::HudFlags(flags) => {
                let mut w = Writer::command(to_client::HUD_SET_FLAGS);
                w.u32(*flags).u32(0x1ff);
                w.finish()
            }
            Self::Hotbar(slots) => {
                let mut w = Writer::command(to_client::HUD_SET_PARAM);
                w.u16(1).str16(&slots.to_be_bytes());
                w.finish()
            }
            Self::Sound { id, name } => {
                let mut w = Writer::command(to_client::PLAY_SOUND);
                w.i32(*id).str16(name.as_bytes()).f32(1.0).u8(0).v3f([0.0; 3]).u16(0);
                w.bool(true).f32(0.0).f32(1.0).bool(false).f32(0.0);
                w.finish()
            }
            Self::Spawner { id } => spawner(*id, version),
            Self::Detached(name) => {
                let list = "List main 1\nWidth 0\nItem testkit:stick\nEndInventoryList\n";
                let text = format!("{list}EndInventory\n");
                let mut w = Writer::command(to_client::DETACHED_INVENTORY);
                w.str16(name.as_bytes()).bool(true).u16(text.len() as u16).raw(text.as_bytes());
                w.finish()
            }
            Self::Sky(colour) => sky(*colour, version),
            Self::DayNight(per_mille) => {
                let ratio = u32::from((*per_mille).min(1000)) * 65535 / 1000;
                let mut w = Writer::command(to_client::OVERRIDE_DAY_NIGHT_RATIO);
                w.bool(true).u16(ratio as u16);
                w.finish()
            }
            Self::Formspec { name, text } => {
                let mut w = Writer::command(to_client::SHOW_FORMSPEC);
                w.str32(text.as_bytes()).str16(name.as_bytes());
                w.finish()
            }
            Self::Prepend(text) => {
                let mut w = Writer::command(to_client::FORMSPEC_PREPEND);
                w.str16(text.as_bytes());
                w.finish()
            }
        };
        let command = u16::from_be_bytes([message[0], message[1]]);
        let (channel, reliable) = to_client::default_delivery(command);
        (channel, reliable, message)
    }
}

/// A text element (`server.cpp` SendHUDAdd).
fn hud(id: u32, text: &str, version: ProtocolVersion) -> Bytes {
    let mut w = Writer::command(to_client::HUDADD);
    w.u32(id).u8(1).f32(0.5).f32(0.5).str16(b"testkit").f32(1.0).f32(1.0);
    w.str16(text.as_bytes()).u32(0x00ff_ffff).u32(0).u32(0);
    w.f32(0.0).f32(0.0).f32(0.0).f32(0.0).v3f([0.0; 3]);
    if version.float_hud_size() {
        w.f32(1.0).f32(1.0);
    } else {
        w.i32(1).i32(1);
    }
    w.i16(0).str16(b"").u32(0).u8(1);
    w.finish()
}

fn sky(colour: u32, version: ProtocolVersion) -> Bytes {
    let mut w = Writer::command(to_client::SET_SKY);
    w.u32(colour).str16(b"plain");
    if !version.sky_objects() {
        w.u16(0).bool(true);
        return w.finish();
    }
    w.bool(true).u32(0xfff4_7d1d).u32(0xff80_99cc).str16(b"default");
    w.f32(0.0).i16(-1).f32(-1.0).u32(0).bool(true);
    w.finish()
}

/// A spawner (`server.cpp` SendAddParticleSpawner): all motion is zero.
fn spawner(id: u32, version: ProtocolVersion) -> Bytes {
    let mut w = Writer::command(to_client::ADD_PARTICLESPAWNER);
    let tweens = version.spawner_tweens();
    w.u16(10).f32(0.0);
    if tweens {
        (0..3).for_each(|_| tween(&mut w, 28));
        (0..2).for_each(|_| tween(&mut w, 12));
    } else {
        w.raw(&[0; 88]);
    }
    w.bool(false).str32(b"testkit_stone.png").u32(id).bool(false).bool(false).u16(0);
    w.u8(0).u8(0).bool(false).u16(127).u8(0).u8(0);
    if !tweens {
        w.raw(&[0; 128]);
    }
    w.u8(0);
    tween(&mut w, 4);
    tween(&mut w, 8);
    tween(&mut w, 28);
    tween(&mut w, 28);
    tween(&mut w, 12);
    w.u8(0);
    tween(&mut w, 28);
    w.u16(0);
    w.finish()
}

/// A constant zero: style, repetitions, beginning, then start and end of `value` bytes each.
fn tween(w: &mut Writer, value: usize) {
    w.u8(0).u16(1).f32(0.0).raw(&vec![0; value * 2]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::View;
    use std::collections::BTreeSet;

    #[test]
    fn everything_shown_is_seen_at_every_version() {
        for version in (37..=53).map(ProtocolVersion) {
            let mut view = View::new(version, "bot", BTreeSet::new(), true);
            for show in Show::all(3) {
                view.observe(&show.encode(version).2);
            }
            assert_eq!(view.violations, Vec::<String>::new());
            assert_eq!(view.huds[&3].text, "hud 3");
            assert_eq!(view.sounds[&3], "testkit_hum");
            assert!(view.spawners.contains(&3));
            assert!(view.detached.contains_key("detached_3"));
            assert_eq!(view.formspec.as_ref().map(|form| form.0.as_str()), Some("testkit:form"));
            assert!(view.states.contains_key(&to_client::SET_SKY));
            assert_eq!(&view.hud_params[&1][..], [0, 0, 0, 5]);
        }
    }

    #[test]
    fn the_hud_travels_on_its_own_channel() {
        let (channel, reliable, _) = Show::HudFlags(0).encode(ProtocolVersion::MAX);
        assert_eq!((channel, reliable), (1, true));
    }
}
