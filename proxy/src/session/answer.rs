//! What the proxy answers to chat commands.

use super::command::Command;
use super::play::{End, Player};

/// Servers named in one answer; the rest is counted.
const LISTED: usize = 40;

impl Player {
    /// Carries out a command and says what came of it.
    pub(super) fn command(&mut self, command: Command) -> Result<(), End> {
        let network = self.shared.network.load_full();
        let prefix = &network.proxy.command_prefix;
        match command {
            Command::Server(Some(name)) => match network.find(&name) {
                Some(server) => self.wish(server),
                None => self.tell(&format!(
                    "There is no server {}. {prefix}servers lists them.",
                    name.chars().take(63).collect::<String>()
                )),
            },
            Command::Server(None) => {
                let here = self.world.as_ref().map_or("no server", |w| w.title.as_str());
                self.tell(&format!("You are on {here}. {prefix}server NAME takes you elsewhere."))
            }
            Command::Servers => {
                let names: Vec<&str> = network.servers().map(|s| s.name.as_str()).collect();
                let (listed, rest) = names.split_at(names.len().min(LISTED));
                let more = match rest.len() {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                self.tell(&format!("Servers: {}{more}", listed.join(", ")))
            }
            Command::Help => self.tell(&format!(
                "{prefix}server NAME: go to a server. {prefix}servers: list them. \
                 {prefix}help: this text."
            )),
            Command::Unknown(word) => {
                self.tell(&format!("There is no command {prefix}{word}. {prefix}help lists them."))
            }
        }
    }
}
