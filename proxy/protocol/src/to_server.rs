//! Commands from a client to a server (`network/networkprotocol.h`, `ToServerCommand`).

crate::opcodes::commands! {
    /// Offers versions and names the player; repeated until the login is accepted.
    INIT = 0x02, 1, false, 37, Any;
    /// Names the language and asks for the definitions.
    INIT2 = 0x11, 1, true, 37, Any;
    /// Joins a mod channel.
    MODCHANNEL_JOIN = 0x17, 0, true, 37, InGame;
    /// Leaves a mod channel.
    MODCHANNEL_LEAVE = 0x18, 0, true, 37, InGame;
    /// Sends on a mod channel.
    MODCHANNEL_MSG = 0x19, 0, true, 37, InGame;
    /// Position, look and keys.
    PLAYERPOS = 0x23, 0, false, 37, InGame;
    /// Blocks the client has received.
    GOTBLOCKS = 0x24, 2, true, 37, Startup;
    /// Blocks the client has thrown away.
    DELETEDBLOCKS = 0x25, 2, true, 37, InGame;
    /// Moves or drops items.
    INVENTORY_ACTION = 0x31, 0, true, 37, InGame;
    /// A chat line.
    CHAT_MESSAGE = 0x32, 0, true, 37, InGame;
    /// Damage the client did to its player, by falling for one.
    DAMAGE = 0x35, 0, true, 37, InGame;
    /// The wielded slot.
    PLAYERITEM = 0x37, 0, true, 37, InGame;
    /// Answer to DEATHSCREEN_LEGACY; servers since 5.10 ignore it.
    RESPAWN_LEGACY = 0x38, 0, true, 37, InGame;
    /// Digging, placing, punching, using.
    INTERACT = 0x39, 0, true, 37, InGame;
    /// Sounds that ended.
    REMOVED_SOUNDS = 0x3a, 2, true, 37, InGame;
    /// Fields of a form that belongs to a node.
    NODEMETA_FIELDS = 0x3b, 0, true, 37, InGame;
    /// Fields of any other form.
    INVENTORY_FIELDS = 0x3c, 0, true, 37, InGame;
    /// Names of media files that are not in the cache.
    REQUEST_MEDIA = 0x40, 1, true, 37, Startup;
    /// Tokens of pushed files that were taken in.
    HAVE_MEDIA = 0x41, 2, true, 40, InGame;
    /// Everything is loaded; carries the engine's version.
    CLIENT_READY = 0x43, 1, true, 37, Startup;
    /// Salt and verifier of a new account, or of a new password.
    FIRST_SRP = 0x50, 1, true, 37, Any;
    /// Begins a proof of the password.
    SRP_BYTES_A = 0x51, 1, true, 37, Any;
    /// The proof.
    SRP_BYTES_M = 0x52, 1, true, 37, Any;
    /// Window size and scaling.
    UPDATE_CLIENT_INFO = 0x53, 2, true, 42, InGame;
}
