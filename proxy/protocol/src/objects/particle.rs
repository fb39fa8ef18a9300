//! Content ids and object ids in particles and particle spawners (`particles.cpp`,
//! `server.cpp` SendAddParticleSpawner).

use std::io::Read;

use bytes::Bytes;

use super::map::map_content;
use super::site::{self, Site};
use crate::map::IdMap;
use crate::to_client;
use crate::version::ProtocolVersion;
use crate::wire::{Reader, Result, WireError, Writer};

/// Largest decompressed batch of particles, in bytes. An engine server sends one batch per step
/// and client; a particle has about 160 bytes.
pub const BATCH_LIMIT: usize = 4 * 1024 * 1024;

/// Sizes of the engine's animated values: style, repetitions and beginning, then start and end.
const TWEEN: usize = 1 + 2 + 4;
const TWEEN_RANGE_V3F: usize = TWEEN + 2 * (12 + 12 + 4);
const TWEEN_RANGE_F32: usize = TWEEN + 2 * (4 + 4 + 4);
const TWEEN_V3F: usize = TWEEN + 2 * 12;
/// Texture properties after their flags: alpha, scale.
const TEXTURE_TWEENS: usize = (TWEEN + 2 * 4) + (TWEEN + 2 * 8);

/// Skips a tile animation; unknown kinds have no fields (`tileanimation.cpp`).
fn tile_animation(r: &mut Reader<'_>) -> Result<()> {
    match r.u8()? {
        1 => r.take(2 + 2 + 4, "vertical frames")?,
        2 => r.take(1 + 1 + 4, "sheet")?,
        _ => return Ok(()),
    };
    Ok(())
}

/// Skips texture properties; true if an animation follows.
fn texture_properties(r: &mut Reader<'_>) -> Result<bool> {
    let flags = r.u8()?;
    r.take(TEXTURE_TWEENS, "texture properties")?;
    Ok(flags & 1 != 0)
}

/// Reads a spawner up to its id and returns that.
fn spawner_head(r: &mut Reader<'_>, version: ProtocolVersion) -> Result<u32> {
    r.take(2 + 2 + 4, "spawner amount")?;
    if version.spawner_tweens() {
        r.take(3 * TWEEN_RANGE_V3F + 2 * TWEEN_RANGE_F32, "spawner motion")?;
    } else {
        r.take(3 * 24 + 2 * 8, "spawner motion")?;
    }
    r.bool()?;
    r.str32()?; // texture
    r.u32()
}

/// The id of an ADD_PARTICLESPAWNER (whole message).
///
/// # Errors
/// The message ends before the id.
pub fn spawner_id(message: &[u8], version: ProtocolVersion) -> Result<u32> {
    spawner_head(&mut Reader::new(message), version)
}

pub(super) fn spawner_sites(message: &[u8], version: ProtocolVersion) -> Result<Vec<Site>> {
    let mut sites = Vec::new();
    let mut r = Reader::new(message);
    spawner_head(&mut r, version)?;
    r.take(1 + 1, "spawner flags")?;
    sites.push(Site::object(r.position()));
    r.u16()?;
    tile_animation(&mut r)?;
    r.take(1 + 1, "spawner glow")?;
    if r.is_empty() {
        return Ok(sites);
    }
    sites.push(Site::content(r.position()));
    r.take(2 + 1 + 1, "spawner node")?;
    if r.is_empty() {
        return Ok(sites);
    }
    if !version.spawner_tweens() {
        r.take(5 * 4 + 3 * 28 + 2 * 12, "spawner ends")?;
    }
    if texture_properties(&mut r)? {
        tile_animation(&mut r)?;
    }
    r.take(2 * TWEEN_RANGE_V3F + TWEEN_RANGE_F32, "spawner drag")?;
    let attractor = r.u8()?;
    if attractor != 0 {
        r.take(TWEEN_RANGE_F32 + TWEEN_V3F, "attractor origin")?;
        sites.push(Site::object(r.position()));
        r.take(2 + 1, "attractor object")?;
        if attractor > 1 {
            r.take(TWEEN_V3F, "attractor direction")?;
            sites.push(Site::object(r.position()));
            r.u16()?;
        }
    }
    Ok(sites)
}

/// Offset of the content id in a single particle, if the sender is new enough to write one.
fn particle_node(particle: &[u8]) -> Result<Option<usize>> {
    let mut r = Reader::new(particle);
    r.take(3 * 12 + 4 + 4 + 1, "particle motion")?;
    r.str32()?; // texture
    r.take(1 + 1, "particle flags")?;
    tile_animation(&mut r)?;
    r.take(1 + 1, "particle glow")?;
    if r.is_empty() {
        return Ok(None);
    }
    let offset = r.position();
    r.u16()?;
    Ok(Some(offset))
}

/// Maps the content id of a SPAWN_PARTICLE (whole message). `None`: forward the same bytes.
///
/// # Errors
/// The message ends inside a field.
pub fn remap_particle(message: &[u8], ids: &IdMap) -> Result<Option<Bytes>> {
    if ids.is_identity() {
        return Ok(None);
    }
    let body = message.get(2..).ok_or(WireError::Short { what: "command", offset: 0 })?;
    let Some(offset) = particle_node(body)? else {
        return Ok(None);
    };
    let site = Site::content(2 + offset);
    Ok(site::rewrite(message, &[site], |_, id| map_content(ids, id)))
}

/// Maps the content ids of a SPAWN_PARTICLE_BATCH (whole message). `None`: forward the same bytes.
///
/// # Errors
/// The batch cannot be decompressed, is over [`BATCH_LIMIT`] or ends inside a particle.
pub fn remap_particle_batch(message: &[u8], ids: &IdMap) -> Result<Option<Bytes>> {
    if ids.is_identity() {
        return Ok(None);
    }
    let mut r = Reader::new(message);
    r.u16()?;
    let frame = r.str32()?;
    let bad = |_| WireError::Invalid { what: "particle batch", offset: 6 };
    let mut plain = Vec::new();
    zstd::stream::read::Decoder::with_buffer(frame)
        .map_err(bad)?
        .single_frame()
        .take(BATCH_LIMIT as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(bad)?;
    if plain.len() > BATCH_LIMIT {
        return Err(WireError::TooLarge { what: "particle batch", limit: BATCH_LIMIT });
    }
    let mut sites = Vec::new();
    let mut inner = Reader::new(&plain);
    while !inner.is_empty() {
        let particle = inner.str32()?;
        if let Some(offset) = particle_node(particle)? {
            sites.push(Site::content(inner.position() - particle.len() + offset));
        }
    }
    let Some(plain) = site::rewrite(&plain, &sites, |_, id| map_content(ids, id)) else {
        return Ok(None);
    };
    let frame = zstd::bulk::compress(&plain, 1).map_err(bad)?;
    let mut w = Writer::command(to_client::SPAWN_PARTICLE_BATCH);
    w.str32(&frame).raw(r.remaining());
    Ok(Some(w.finish()))
}
