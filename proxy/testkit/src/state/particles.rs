//! Particles and their spawners (`particles.cpp`, `server.cpp` SendAddParticleSpawner).

use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::map::IGNORE;
use mesegate_protocol::wire::{Reader, WireError};

use super::canon::Scribe;
use super::definition::animation;
use super::names::Names;

type Result<T> = std::result::Result<T, WireError>;

/// Bytes of a tween of three numbers: style, repetitions, beginning, start and end.
const TWEEN_V3F: usize = 1 + 2 + 4 + 12 + 12;

/// One PARTICLE.
pub(super) fn particle(s: &mut Scribe<'_>) -> Result<()> {
    s.copy(36 + 8 + 1)?;
    s.texture32()?;
    s.copy(2)?;
    animation(s)?;
    s.copy(2)?;
    if !s.r.is_empty() {
        node(s)?;
    }
    s.rest();
    Ok(())
}

/// A node, its param2 and a tile. Without a node engines send whatever their memory holds there.
fn node(s: &mut Scribe<'_>) -> Result<()> {
    if s.id()? == IGNORE {
        s.r.u16()?;
        return Ok(());
    }
    s.copy(2).map(drop)
}

/// SPAWN_PARTICLE_BATCH: the particles one by one.
pub(super) fn batch(body: &[u8], names: &Names) -> Result<Vec<String>> {
    let all = super::inflate(Reader::new(body).str32()?, true)?;
    let mut r = Reader::new(&all);
    let mut texts = Vec::new();
    while !r.is_empty() {
        let mut s = Scribe::new(r.str32()?, names);
        particle(&mut s)?;
        texts.push(s.finish().0);
    }
    Ok(texts)
}

/// TEXPROPS; whether an animation follows.
fn properties(s: &mut Scribe<'_>) -> Result<bool> {
    let flags = s.u8()?;
    s.copy(15 + 23)?;
    Ok(flags & 1 != 0)
}

/// ADD_PARTICLESPAWNER.
pub(super) fn spawner(
    s: &mut Scribe<'_>,
    version: ProtocolVersion,
    ordinal: impl FnOnce(u32) -> usize,
    object: impl Fn(u16) -> String,
) -> Result<()> {
    let attached = |s: &mut Scribe<'_>| {
        let id = s.r.u16()?;
        s.put(&object(id));
        Ok(())
    };
    s.copy(6)?;
    s.copy(if version.0 >= 42 { 3 * 63 + 2 * 31 } else { 3 * 24 + 2 * 8 })?;
    s.u8()?;
    s.texture32()?;
    let id = s.r.u32()?;
    s.put(&format!("spawner {}", ordinal(id)));
    s.copy(2)?;
    attached(s)?;
    animation(s)?;
    s.copy(2)?;
    if s.r.is_empty() {
        return Ok(());
    }
    node(s)?;
    if s.r.is_empty() {
        return Ok(());
    }
    if version.0 < 42 {
        s.copy(5 * 4 + 3 * 28 + 2 * 12)?;
    }
    if properties(s)? {
        animation(s)?;
    }
    s.copy(63 + 63 + 31)?;
    let attractor = s.u8()?;
    if attractor != 0 {
        s.copy(31 + TWEEN_V3F)?;
        attached(s)?;
        s.u8()?;
        if attractor > 1 {
            s.copy(TWEEN_V3F)?;
            attached(s)?;
        }
    }
    s.copy(63)?;
    for _ in 0..s.u16()? {
        let animated = properties(s)?;
        s.texture32()?;
        if animated {
            animation(s)?;
        }
    }
    s.rest();
    Ok(())
}
