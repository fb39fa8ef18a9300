//! Names and ids in particles and particle spawners (`particles.cpp`, `server.cpp`
//! SendAddParticleSpawner).

use std::io::Read;

use bytes::Bytes;

use crate::editor::Editor;
use crate::to_client;
use crate::version::ProtocolVersion;
use crate::wire::{Reader, Result, WireError, Writer};

/// Largest decompressed batch of particles, in bytes. An engine server sends one batch per step
/// and client; a particle has about 160 bytes.
pub const BATCH_LIMIT: usize = 4 * 1024 * 1024;

/// Bytes of the command.
const COMMAND: usize = 2;

/// Sizes of the engine's animated values: style, repetitions and beginning, then start and end.
const TWEEN: usize = 1 + 2 + 4;
const TWEEN_RANGE_V3F: usize = TWEEN + 2 * (12 + 12 + 4);
const TWEEN_RANGE_F32: usize = TWEEN + 2 * (4 + 4 + 4);
const TWEEN_V3F: usize = TWEEN + 2 * 12;
/// Texture properties after their flags: alpha, scale.
const TEXTURE_TWEENS: usize = (TWEEN + 2 * 4) + (TWEEN + 2 * 8);

/// Something in a particle that belongs to one backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    /// A texture string.
    Texture(&'a [u8]),
    /// A node whose texture is used; 127 is "none".
    Content(u16),
    /// An object the spawner or its attractor is attached to; 0 is "none".
    Object(u16),
}

/// What a field becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// It stays.
    None,
    /// A new texture string.
    Texture(Vec<u8>),
    /// A new id.
    Id(u16),
}

/// Says what a field becomes.
pub(crate) type Changes<'c> = &'c mut dyn FnMut(Field<'_>) -> Change;

fn texture(edit: &mut Editor<'_>, change: Changes<'_>) -> Result<()> {
    edit.str32(|old| match change(Field::Texture(old)) {
        Change::Texture(new) => Some(new),
        Change::None | Change::Id(_) => None,
    })
}

fn id(edit: &mut Editor<'_>, kind: fn(u16) -> Field<'static>, change: Changes<'_>) -> Result<()> {
    edit.u16(|old| match change(kind(old)) {
        Change::Id(new) => new,
        Change::None | Change::Texture(_) => old,
    })
}

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

/// Skips the fields of a spawner before its texture.
fn spawner_motion(r: &mut Reader<'_>, version: ProtocolVersion) -> Result<()> {
    r.take(COMMAND + 2 + 4, "spawner amount")?;
    if version.spawner_tweens() {
        r.take(3 * TWEEN_RANGE_V3F + 2 * TWEEN_RANGE_F32, "spawner motion")?;
    } else {
        r.take(3 * 24 + 2 * 8, "spawner motion")?;
    }
    r.bool().map(drop)
}

/// The id of an ADD_PARTICLESPAWNER (whole message).
///
/// # Errors
/// The message ends before the id.
pub fn spawner_id(message: &[u8], version: ProtocolVersion) -> Result<u32> {
    let mut r = Reader::new(message);
    spawner_motion(&mut r, version)?;
    r.str32()?; // texture
    r.u32()
}

/// Changes an ADD_PARTICLESPAWNER (whole message). `None`: forward the same bytes.
///
/// # Errors
/// The message ends inside a field.
pub(crate) fn rewrite_spawner(
    message: &[u8],
    version: ProtocolVersion,
    change: Changes<'_>,
) -> Result<Option<Bytes>> {
    let mut edit = Editor::new(message);
    spawner_motion(edit.read(), version)?;
    texture(&mut edit, change)?;
    edit.skip(4 + 1 + 1, "spawner id")?;
    id(&mut edit, Field::Object, change)?;
    tile_animation(edit.read())?;
    edit.skip(1 + 1, "spawner glow")?;
    if !edit.is_empty() {
        id(&mut edit, Field::Content, change)?; // 5.3
        edit.skip(1 + 1, "spawner node")?;
    }
    if !edit.is_empty() {
        spawner_extent(&mut edit, version, change)?; // 5.6
    }
    Ok(edit.finish().map(Bytes::from))
}

/// The fields of a spawner that 5.6 added.
fn spawner_extent(
    edit: &mut Editor<'_>,
    version: ProtocolVersion,
    change: Changes<'_>,
) -> Result<()> {
    if !version.spawner_tweens() {
        edit.skip(5 * 4 + 3 * 28 + 2 * 12, "spawner ends")?;
    }
    if texture_properties(edit.read())? {
        tile_animation(edit.read())?;
    }
    edit.skip(2 * TWEEN_RANGE_V3F + TWEEN_RANGE_F32, "spawner drag")?;
    let attractor = edit.read().u8()?;
    if attractor != 0 {
        edit.skip(TWEEN_RANGE_F32 + TWEEN_V3F, "attractor origin")?;
        id(edit, Field::Object, change)?;
        edit.skip(1, "attractor kill")?;
        if attractor > 1 {
            edit.skip(TWEEN_V3F, "attractor direction")?;
            id(edit, Field::Object, change)?;
        }
    }
    edit.skip(TWEEN_RANGE_V3F, "spawner radius")?;
    for _ in 0..edit.read().u16()? {
        let animated = texture_properties(edit.read())?;
        texture(edit, change)?;
        if animated {
            tile_animation(edit.read())?;
        }
    }
    Ok(())
}

/// Changes one particle from where `edit` stands.
fn particle(edit: &mut Editor<'_>, change: Changes<'_>) -> Result<()> {
    edit.skip(3 * 12 + 4 + 4 + 1, "particle motion")?;
    texture(edit, change)?;
    edit.skip(1 + 1, "particle flags")?;
    tile_animation(edit.read())?;
    edit.skip(1 + 1, "particle glow")?;
    if edit.is_empty() { Ok(()) } else { id(edit, Field::Content, change) } // 5.3
}

/// Changes a SPAWN_PARTICLE (whole message). `None`: forward the same bytes.
///
/// # Errors
/// The message ends inside a field.
pub(crate) fn rewrite_particle(message: &[u8], change: Changes<'_>) -> Result<Option<Bytes>> {
    let mut edit = Editor::new(message);
    edit.skip(COMMAND, "command")?;
    particle(&mut edit, change)?;
    Ok(edit.finish().map(Bytes::from))
}

/// Changes a SPAWN_PARTICLE_BATCH (whole message). `None`: forward the same bytes.
///
/// # Errors
/// The batch cannot be decompressed, is over [`BATCH_LIMIT`] or ends inside a particle.
pub(crate) fn rewrite_batch(message: &[u8], change: Changes<'_>) -> Result<Option<Bytes>> {
    let mut r = Reader::new(message);
    r.u16()?;
    let plain = decompress(r.str32()?)?;
    let mut batch = Editor::new(&plain);
    while !batch.is_empty() {
        let mut result = Ok(());
        batch.str32(|data| {
            let mut edit = Editor::new(data);
            result = particle(&mut edit, change);
            edit.finish()
        })?;
        result?;
    }
    let Some(plain) = batch.finish() else { return Ok(None) };
    let mut w = Writer::command(to_client::SPAWN_PARTICLE_BATCH);
    w.str32(&zstd::bulk::compress(&plain, 1).map_err(bad_batch)?).raw(r.remaining());
    Ok(Some(w.finish()))
}

fn decompress(frame: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    zstd::stream::read::Decoder::with_buffer(frame)
        .map_err(bad_batch)?
        .single_frame()
        .take(BATCH_LIMIT as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(bad_batch)?;
    if plain.len() > BATCH_LIMIT {
        return Err(WireError::TooLarge { what: "particle batch", limit: BATCH_LIMIT });
    }
    Ok(plain)
}

fn bad_batch(_: std::io::Error) -> WireError {
    WireError::Invalid { what: "particle batch", offset: 6 }
}
