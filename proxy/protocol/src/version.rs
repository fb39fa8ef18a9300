//! The protocol version of a connection and the layouts that depend on it.

use std::fmt;

/// A negotiated protocol version. It decides the *gated* layouts; *trailing* fields depend on the
/// sender's release instead and are found by looking whether bytes remain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolVersion(pub u16);

/// Lowest block format an engine server writes (`serialization.h`, `SER_FMT_VER_LOWEST_WRITE`).
pub const SERIALIZATION_MIN: u8 = 24;

/// Highest block format known (`serialization.h`, `SER_FMT_VER_HIGHEST_READ`).
pub const SERIALIZATION_MAX: u8 = 29;

impl ProtocolVersion {
    /// Oldest version spoken by any 5.x engine (5.0).
    pub const MIN: Self = Self(37);
    /// Newest version known here (5.17).
    pub const MAX: Self = Self(53);

    /// The version a server with this `ceiling` answers to a client that speaks up to `client_max`,
    /// or `None` if the client is too old. As in the engine, the client's minimum plays no part.
    pub fn negotiate(client_max: u16, ceiling: Self) -> Option<Self> {
        let version = Self(client_max).min(ceiling).min(Self::MAX);
        (version >= Self::MIN).then_some(version)
    }

    /// True if the version is one of those known here.
    pub fn is_known(self) -> bool {
        (Self::MIN..=Self::MAX).contains(&self)
    }

    /// The block format that belongs to the version: 28 up to 5.4, 29 since 5.5.
    pub fn serialization_version(self) -> u8 {
        if self.0 < 40 { 28 } else { SERIALIZATION_MAX }
    }

    /// The engine releases that speak this version, for people.
    pub fn releases(self) -> &'static str {
        match self.0 {
            ..37 => "before 5.0",
            37 => "5.0",
            38 => "5.1",
            39 => "5.2 to 5.4",
            40 => "5.5",
            41 => "5.6",
            42 => "5.7",
            43 => "5.8",
            44 => "5.9.0",
            45 => "5.9.1",
            46 => "5.10",
            47 => "5.11",
            48 => "5.12",
            49 => "5.13",
            50 => "5.14",
            51 => "5.15",
            52 => "5.16",
            53 => "5.17",
            _ => "after 5.17",
        }
    }

    /// INVENTORY may hold `KeepList` lines, that is: only what changed.
    pub fn incremental_inventory(self) -> bool {
        self.0 >= 38
    }

    /// SET_SKY has its newer layout, and SET_SUN, SET_MOON, SET_STARS are understood.
    pub fn sky_objects(self) -> bool {
        self.0 >= 39
    }

    /// MEDIA_PUSH exists at all.
    pub fn media_push(self) -> bool {
        self.0 >= 39
    }

    /// MEDIA_PUSH carries a token instead of the file, and HAVE_MEDIA answers it.
    pub fn media_push_token(self) -> bool {
        self.0 >= 40
    }

    /// ADD_PARTICLESPAWNER begins with tweens.
    pub fn spawner_tweens(self) -> bool {
        self.0 >= 42
    }

    /// An item definition has a lone `place_param2` byte after its short description.
    pub fn item_place_param2_byte(self) -> bool {
        self.0 <= 43
    }

    /// The minimap is a HUD element of the server's Lua; older clients draw it by themselves.
    pub fn minimap_from_server(self) -> bool {
        self.0 >= 44
    }

    /// The hotbar is a HUD element of the server's Lua; older clients draw it by themselves.
    pub fn hotbar_from_server(self) -> bool {
        self.0 >= 46
    }

    /// LOCAL_PLAYER_ANIMATIONS holds floats.
    pub fn float_animations(self) -> bool {
        self.0 >= 46
    }

    /// The client shows the text of ACCESS_DENIED whatever its code.
    pub fn denial_text_always_shown(self) -> bool {
        self.0 >= 46
    }

    /// ITEMDEF, NODEDEF, ANNOUNCE_MEDIA and MEDIA use zstd.
    pub fn zstd_definitions(self) -> bool {
        self.0 >= 48
    }

    /// SPAWN_PARTICLE_BATCH is understood.
    pub fn particle_batch(self) -> bool {
        self.0 >= 50
    }

    /// The images of an item definition are followed by an animation.
    pub fn item_image_animation(self) -> bool {
        self.0 >= 51
    }

    /// INVENTORY is a length-prefixed string with a flag after it.
    pub fn framed_inventory(self) -> bool {
        self.0 >= 52
    }

    /// The sizes in HUDADD and HUDCHANGE are floats.
    pub fn float_hud_size(self) -> bool {
        self.0 >= 52
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negotiation_takes_the_lower_and_refuses_the_too_old() {
        assert_eq!(ProtocolVersion::negotiate(53, ProtocolVersion(46)), Some(ProtocolVersion(46)));
        assert_eq!(ProtocolVersion::negotiate(41, ProtocolVersion::MAX), Some(ProtocolVersion(41)));
        assert_eq!(ProtocolVersion::negotiate(70, ProtocolVersion(99)), Some(ProtocolVersion::MAX));
        assert_eq!(ProtocolVersion::negotiate(36, ProtocolVersion::MAX), None);
        assert_eq!(ProtocolVersion::negotiate(53, ProtocolVersion(36)), None);
    }

    #[test]
    fn block_format_changes_with_5_5() {
        assert_eq!(ProtocolVersion(39).serialization_version(), 28);
        assert_eq!(ProtocolVersion(40).serialization_version(), 29);
    }
}
