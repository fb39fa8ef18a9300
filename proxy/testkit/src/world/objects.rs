//! Active objects as an engine server adds and moves them (`server/player_sao.cpp`,
//! `server/luaentity_sao.cpp`, `object_properties.cpp`).

use bytes::Bytes;
use mesegate_protocol::to_client;
use mesegate_protocol::wire::Writer;

/// Node units per position unit.
pub(crate) const BS: f32 = 10.0;

/// The only object type on the wire.
const GENERIC: u8 = 101;

/// An object to add.
pub(crate) struct NewObject<'a> {
    /// Id among the server's objects.
    pub id: u16,
    /// Entity or player name.
    pub name: &'a str,
    /// Whether it is a player.
    pub is_player: bool,
    /// Position in nodes.
    pub position: [f32; 3],
}

/// Removals and additions in one message.
pub(crate) fn remove_add(removed: &[u16], added: &[NewObject<'_>]) -> Bytes {
    let mut w = Writer::command(to_client::ACTIVE_OBJECT_REMOVE_ADD);
    w.u16(removed.len() as u16);
    for id in removed {
        w.u16(*id);
    }
    w.u16(added.len() as u16);
    for object in added {
        w.u16(object.id).u8(GENERIC).str32(&init_data(object));
    }
    w.finish()
}

fn init_data(object: &NewObject<'_>) -> Vec<u8> {
    let mut messages = vec![properties(object), armor_groups()];
    if object.is_player {
        messages.push(physics());
    }
    let mut w = Writer::new();
    w.u8(1).str16(object.name.as_bytes()).u8(object.is_player.into()).u16(object.id);
    w.v3f(object.position.map(|nodes| nodes * BS)).v3f([0.0; 3]).u16(20);
    w.u8(messages.len() as u8);
    for message in messages {
        w.str32(&message);
    }
    w.into_vec()
}

fn properties(object: &NewObject<'_>) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(0).u8(4).u16(20).u8(1).u32(0);
    for _ in 0..2 {
        w.v3f([-0.3, 0.0, -0.3]).v3f([0.3, 1.7, 0.3]);
    }
    w.u8(1).str16(b"upright_sprite").v3f([1.0, 2.0, 1.0]);
    w.u16(2).str16(b"player.png").str16(b"player_back.png");
    w.i16(1).i16(1).i16(0).i16(0).u8(1).u8(1).f32(0.0).str16(b"");
    w.u16(1).u32(0xffff_ffff).u8(1).f32(6.0).u8(0).f32(0.0).u8(1);
    w.str16(object.name.as_bytes()).u32(0xffff_ffff).f32(-1.0).str16(b"").str16(b"").u8(0);
    w.u16(10).f32(1.625).f32(0.0).u8(0);
    // The groups that later releases appended, up to 5.16.
    w.str16(b"^[brighten").u8(1).u8(1).u32(0x0001_0101).u8(0);
    w.u16(127).u8(0).u8(0).u32(0xffff_ffff).u8(0).u8(0);
    w.into_vec()
}

fn armor_groups() -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(5).u16(1).str16(b"fleshy").i16(100);
    w.into_vec()
}

fn physics() -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(9).f32(1.0).f32(1.0).f32(1.0).u8(0).u8(1).u8(0);
    (0..10).for_each(|_| {
        w.f32(1.0);
    });
    w.into_vec()
}

/// Position updates of several objects in one message; position in nodes.
pub(crate) fn positions(objects: impl IntoIterator<Item = (u16, [f32; 3])>) -> Bytes {
    let mut w = Writer::command(to_client::ACTIVE_OBJECT_MESSAGES);
    for (id, position) in objects {
        w.u16(id).u16(55).u8(1).v3f(position.map(|nodes| nodes * BS));
        w.v3f([0.0; 3]).v3f([0.0; 3]).v3f([0.0; 3]).u8(1).u8(0).f32(0.1);
    }
    w.finish()
}
