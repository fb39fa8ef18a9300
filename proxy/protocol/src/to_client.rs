//! Commands from a server to a client (`network/networkprotocol.h`, `ToClientCommand`).

crate::opcodes::commands! {
    /// Chosen versions and the ways to prove who one is.
    HELLO = 0x02, 0, true, 37, Any;
    /// The login succeeded.
    AUTH_ACCEPT = 0x03, 0, true, 37, Any;
    /// A password change may go on.
    ACCEPT_SUDO_MODE = 0x04, 0, true, 37, Negotiated;
    /// A password change is refused.
    DENY_SUDO_MODE = 0x05, 0, true, 37, Negotiated;
    /// Refusal or kick, with its reason.
    ACCESS_DENIED = 0x0a, 0, true, 37, Any;
    /// A map block.
    BLOCKDATA = 0x20, 2, true, 37, Negotiated;
    /// One changed node.
    ADDNODE = 0x21, 0, true, 37, Negotiated;
    /// One node that became air.
    REMOVENODE = 0x22, 0, true, 37, Negotiated;
    /// The player's inventory, whole or what changed.
    INVENTORY = 0x27, 0, true, 37, Negotiated;
    /// Time and its speed.
    TIME_OF_DAY = 0x29, 0, true, 37, Negotiated;
    /// What client mods may do.
    CSM_RESTRICTION_FLAGS = 0x2a, 0, true, 37, Negotiated;
    /// Velocity to add.
    PLAYER_SPEED = 0x2b, 0, true, 38, Negotiated;
    /// A file added while playing.
    MEDIA_PUSH = 0x2c, 0, true, 39, Negotiated;
    /// A chat line.
    CHAT_MESSAGE = 0x2f, 0, true, 37, Negotiated;
    /// Objects that left or entered the player's view.
    ACTIVE_OBJECT_REMOVE_ADD = 0x31, 0, true, 37, Negotiated;
    /// Messages to objects; position updates also travel unreliably on channel 1.
    ACTIVE_OBJECT_MESSAGES = 0x32, 0, true, 37, Negotiated;
    /// Health.
    HP = 0x33, 0, true, 37, Negotiated;
    /// Sets position and look.
    MOVE_PLAYER = 0x34, 0, true, 37, Negotiated;
    /// Refusal by servers up to 5.5.
    ACCESS_DENIED_LEGACY = 0x35, 0, true, 37, Any;
    /// Field of view.
    FOV = 0x36, 0, true, 38, Negotiated;
    /// Death screen of servers up to 5.9.
    DEATHSCREEN_LEGACY = 0x37, 0, true, 37, Negotiated;
    /// Media files.
    MEDIA = 0x38, 2, true, 37, Negotiated;
    /// Node definitions.
    NODEDEF = 0x3a, 0, true, 37, Negotiated;
    /// Names and hashes of all media files.
    ANNOUNCE_MEDIA = 0x3c, 0, true, 37, Negotiated;
    /// Item definitions.
    ITEMDEF = 0x3d, 0, true, 37, Negotiated;
    /// Starts a sound; unreliable when it is ephemeral.
    PLAY_SOUND = 0x3f, 0, true, 37, Negotiated;
    /// Stops a sound.
    STOP_SOUND = 0x40, 0, true, 37, Negotiated;
    /// The player's privileges.
    PRIVILEGES = 0x41, 0, true, 37, Negotiated;
    /// The inventory form.
    INVENTORY_FORMSPEC = 0x42, 0, true, 37, Negotiated;
    /// A detached inventory, or its removal.
    DETACHED_INVENTORY = 0x43, 0, true, 37, Negotiated;
    /// Shows or closes a form.
    SHOW_FORMSPEC = 0x44, 0, true, 37, Negotiated;
    /// Movement constants.
    MOVEMENT = 0x45, 0, true, 37, Negotiated;
    /// One particle.
    SPAWN_PARTICLE = 0x46, 0, true, 37, Negotiated;
    /// A source of particles.
    ADD_PARTICLESPAWNER = 0x47, 0, true, 37, Negotiated;
    /// Camera mode.
    CAMERA = 0x48, 0, true, 48, Negotiated;
    /// Adds a HUD element.
    HUDADD = 0x49, 1, true, 37, Negotiated;
    /// Removes a HUD element.
    HUDRM = 0x4a, 1, true, 37, Negotiated;
    /// Changes one value of a HUD element.
    HUDCHANGE = 0x4b, 1, true, 37, Negotiated;
    /// Shows and hides built-in HUD parts.
    HUD_SET_FLAGS = 0x4c, 1, true, 37, Negotiated;
    /// Hotbar size and images.
    HUD_SET_PARAM = 0x4d, 1, true, 37, Negotiated;
    /// Breath.
    BREATH = 0x4e, 0, true, 37, Negotiated;
    /// Sky.
    SET_SKY = 0x4f, 0, true, 37, Negotiated;
    /// Fixes the ratio of day and night light.
    OVERRIDE_DAY_NIGHT_RATIO = 0x50, 0, true, 37, Negotiated;
    /// Animations of the own player.
    LOCAL_PLAYER_ANIMATIONS = 0x51, 0, true, 37, Negotiated;
    /// Camera offset.
    EYE_OFFSET = 0x52, 0, true, 37, Negotiated;
    /// Removes a source of particles.
    DELETE_PARTICLESPAWNER = 0x53, 0, true, 37, Negotiated;
    /// Clouds.
    CLOUD_PARAMS = 0x54, 0, true, 37, Negotiated;
    /// Fades a sound.
    FADE_SOUND = 0x55, 0, true, 37, Negotiated;
    /// Names of players in the game.
    UPDATE_PLAYER_LIST = 0x56, 0, true, 37, Negotiated;
    /// A message on a mod channel.
    MODCHANNEL_MSG = 0x57, 0, true, 37, Negotiated;
    /// The state of a mod channel.
    MODCHANNEL_SIGNAL = 0x58, 0, true, 37, Negotiated;
    /// Changed node metadata.
    NODEMETA_CHANGED = 0x59, 0, true, 37, Negotiated;
    /// Sun.
    SET_SUN = 0x5a, 0, true, 39, Negotiated;
    /// Moon.
    SET_MOON = 0x5b, 0, true, 39, Negotiated;
    /// Stars.
    SET_STARS = 0x5c, 0, true, 39, Negotiated;
    /// Moves the player by a vector.
    MOVE_PLAYER_REL = 0x5d, 0, true, 44, Negotiated;
    /// Salt and B of a password proof.
    SRP_BYTES_S_B = 0x60, 0, true, 37, Any;
    /// Text put before every form.
    FORMSPEC_PREPEND = 0x61, 0, true, 37, Negotiated;
    /// Minimap modes.
    MINIMAP_MODES = 0x62, 0, true, 39, Negotiated;
    /// Lighting.
    SET_LIGHTING = 0x63, 0, true, 41, Negotiated;
    /// Many particles.
    SPAWN_PARTICLE_BATCH = 0x64, 0, true, 50, Negotiated;
}
