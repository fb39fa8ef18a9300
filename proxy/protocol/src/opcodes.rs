//! What is known of a command, whatever its direction.

/// When the receiver handles a command; earlier ones are ignored by engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// At every moment.
    Any,
    /// To a client: after a HELLO with an acceptable block format.
    Negotiated,
    /// To a server: after INIT2.
    Startup,
    /// To a server: after CLIENT_READY.
    InGame,
}

/// One row of a command table (`network/clientopcodes.cpp`, `network/serveropcodes.cpp`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// The number on the wire.
    pub opcode: u16,
    /// The engine's name without its direction prefix.
    pub name: &'static str,
    /// Channel on which the newest engine sends it.
    pub channel: u8,
    /// Whether the newest engine sends it reliably.
    pub reliable: bool,
    /// Lowest protocol version at which it can occur; 37 for everything older.
    pub since: u16,
    /// From when the receiver handles it.
    pub state: State,
}

/// Splits a message into command and body; `None` if it is too short to have a command.
pub fn split_command(message: &[u8]) -> Option<(u16, &[u8])> {
    let (command, body) = message.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*command), body))
}

/// Writes one direction's command constants, their table and its look-ups.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $opcode:literal, $channel:literal, $reliable:literal,
       $since:literal, $state:ident;)*) => {
        $($(#[$doc])* pub const $name: u16 = $opcode;)*

        /// Every command, in the order of its number.
        pub const COMMANDS: &[$crate::opcodes::Command] = &[$(
            $crate::opcodes::Command {
                opcode: $opcode,
                name: stringify!($name),
                channel: $channel,
                reliable: $reliable,
                since: $since,
                state: $crate::opcodes::State::$state,
            }
        ),*];

        /// The table's row of a command.
        pub fn info(command: u16) -> Option<&'static $crate::opcodes::Command> {
            let index = COMMANDS.binary_search_by_key(&command, |row| row.opcode).ok()?;
            COMMANDS.get(index)
        }

        /// The engine's name of a command, for logs and metrics.
        pub fn name(command: u16) -> &'static str {
            info(command).map_or("UNKNOWN", |row| row.name)
        }

        /// Channel and reliability for a message that the proxy makes itself. A forwarded message
        /// keeps those it came with, because some commands are sent in more than one way.
        pub fn default_delivery(command: u16) -> (u8, bool) {
            info(command).map_or((0, true), |row| (row.channel, row.reliable))
        }
    };
}
pub(crate) use commands;

#[cfg(test)]
mod tests {
    use crate::{to_client, to_server};

    #[test]
    fn tables_are_sorted_without_repeats_so_that_look_ups_work() {
        for table in [to_client::COMMANDS, to_server::COMMANDS] {
            assert!(table.windows(2).all(|pair| pair[0].opcode < pair[1].opcode));
        }
        assert_eq!(to_client::COMMANDS.len(), 61);
        assert_eq!(to_server::COMMANDS.len(), 24);
        assert_eq!(to_client::name(0x64), "SPAWN_PARTICLE_BATCH");
        assert_eq!(to_server::name(0x99), "UNKNOWN");
    }

    #[test]
    fn deliveries_of_the_exceptions() {
        assert_eq!(to_server::default_delivery(to_server::INIT), (1, false));
        assert_eq!(to_server::default_delivery(to_server::PLAYERPOS), (0, false));
        assert_eq!(to_client::default_delivery(to_client::BLOCKDATA), (2, true));
        assert_eq!(to_client::default_delivery(to_client::HUDADD), (1, true));
        assert_eq!(to_client::default_delivery(0x999), (0, true));
    }
}
