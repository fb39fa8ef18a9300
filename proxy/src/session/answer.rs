//! What the proxy answers to chat commands.

use mesegate_resource::ServerState;

use super::command::Command;
use super::play::{End, Player};

/// Servers, and groups, named in one answer; the rest is counted.
const LISTED: usize = 40;

impl Player {
    /// Carries out a command and says what came of it.
    pub(super) fn command(&mut self, command: Command) -> Result<(), End> {
        let network = self.shared.network.load_full();
        let prefix = &network.proxy.command_prefix;
        match command {
            Command::Server(Some(name)) => match network.find(&name) {
                Some(found) => self.wish(found),
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
                let servers = network.servers();
                let open = servers.filter(|s| s.spec.state == ServerState::Active);
                let servers = list(open.map(|s| s.name.as_str()));
                match list(network.groups().map(|g| g.name.as_str())) {
                    groups if groups.is_empty() => self.tell(&format!("Servers: {servers}")),
                    groups => self.tell(&format!("Servers: {servers}. Groups: {groups}")),
                }
            }
            Command::Help => self.tell(&format!(
                "{prefix}server NAME: go to a server or one of a group. {prefix}servers: list them. \
                 {prefix}help: this text."
            )),
            Command::Unknown(word) => {
                self.tell(&format!("There is no command {prefix}{word}. {prefix}help lists them."))
            }
        }
    }
}

/// The first names, and how many there are beside them.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let (listed, rest) = names.split_at(names.len().min(LISTED));
    match rest.len() {
        0 => listed.join(", "),
        more => format!("{} and {more} more", listed.join(", ")),
    }
}
