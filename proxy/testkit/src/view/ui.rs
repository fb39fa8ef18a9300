//! What is drawn and heard around the world: HUD, forms, sounds, particles, sky and the like.

use std::collections::btree_map::Entry;

use bytes::Bytes;
use mesegate_protocol::to_client;
use mesegate_protocol::wire::{Reader, WireError};

use super::{HudView, View, text};

impl View {
    pub(super) fn interface(&mut self, command: u16, r: &mut Reader<'_>) -> Result<(), WireError> {
        match command {
            to_client::HUDADD => self.hud_add(r)?,
            to_client::HUDRM => {
                self.huds.remove(&r.u32()?);
            }
            to_client::HUDCHANGE => {
                let id = r.u32()?;
                if r.u8()? == 3 {
                    let value = text(r)?;
                    if let Some(hud) = self.huds.get_mut(&id) {
                        hud.text = value;
                    }
                }
            }
            to_client::HUD_SET_PARAM => {
                let parameter = r.u16()?;
                let value = Bytes::copy_from_slice(r.str16()?);
                self.hud_params.insert(parameter, value);
            }
            to_client::PLAY_SOUND => {
                let id = r.i32()?;
                let name = text(r)?;
                if id >= 0 {
                    self.sounds.insert(id, name);
                }
            }
            to_client::STOP_SOUND => {
                self.sounds.remove(&r.i32()?);
            }
            to_client::ADD_PARTICLESPAWNER => {
                r.take(6 + self.spawner_motion(), "particle motion")?;
                r.bool()?;
                r.str32()?;
                self.spawners.insert(r.u32()?);
            }
            to_client::DELETE_PARTICLESPAWNER => {
                self.spawners.remove(&r.u32()?);
            }
            to_client::DETACHED_INVENTORY => {
                let name = text(r)?;
                if r.bool()? {
                    r.u16()?;
                    let inventory = String::from_utf8_lossy(r.rest()).into_owned();
                    self.detached.insert(name, inventory);
                } else {
                    self.detached.remove(&name);
                }
            }
            to_client::SHOW_FORMSPEC => {
                let form = String::from_utf8_lossy(r.str32()?).into_owned();
                let name = text(r)?;
                self.formspec = (!form.is_empty()).then_some((name, form));
            }
            to_client::SET_SKY
            | to_client::SET_SUN
            | to_client::SET_MOON
            | to_client::SET_STARS
            | to_client::CLOUD_PARAMS
            | to_client::SET_LIGHTING
            | to_client::OVERRIDE_DAY_NIGHT_RATIO
            | to_client::FOV
            | to_client::EYE_OFFSET
            | to_client::LOCAL_PLAYER_ANIMATIONS
            | to_client::CAMERA
            | to_client::MINIMAP_MODES
            | to_client::HUD_SET_FLAGS
            | to_client::FORMSPEC_PREPEND
            | to_client::INVENTORY_FORMSPEC
            | to_client::MOVEMENT
            | to_client::CSM_RESTRICTION_FLAGS => {
                self.states.insert(command, Bytes::copy_from_slice(r.rest()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Bytes of amount-independent motion before the collision flag of a spawner.
    fn spawner_motion(&self) -> usize {
        if self.version().spawner_tweens() { 3 * 63 + 2 * 31 } else { 3 * 24 + 2 * 8 }
    }

    fn hud_add(&mut self, r: &mut Reader<'_>) -> Result<(), WireError> {
        let id = r.u32()?;
        let kind = r.u8()?;
        r.take(8, "position")?;
        r.str16()?;
        r.take(8, "scale")?;
        let element = HudView { kind, text: text(r)? };
        // Number, item, direction, alignment, offset, world position, size.
        r.take(12 + 8 + 8 + 12 + 8, "placement")?;
        // The client ignores a second element of an id, so what was meant to show never does.
        match self.huds.entry(id) {
            Entry::Vacant(vacant) => {
                vacant.insert(element);
            }
            Entry::Occupied(_) => {
                self.violation(format!("HUD element {id} was added while in use"));
            }
        }
        Ok(())
    }
}
