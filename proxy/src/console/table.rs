//! All commands.

use std::fmt::Write as _;

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Addr,
    Alert,
    Ban,
    Banlist,
    Drain,
    Find,
    Gperms,
    Group,
    Gsend,
    Gserver,
    Help,
    Kick,
    Msg,
    Mute,
    Perms,
    Players,
    Reload,
    Reply,
    Send,
    Server,
    Servers,
    Shutdown,
    Tempban,
    Unban,
    Unmute,
    Uptime,
    Usage,
    Whereami,
}

/// A command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Command {
    pub(super) task: Task,
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    /// As usage lines show them.
    pub(super) arguments: &'static str,
    /// What audit records call it: as the admin interface does, where it has the same. None for what
    /// changes nothing.
    pub(super) audit: Option<&'static str>,
    pub(super) help: &'static str,
}

impl Command {
    /// The command of that name, letter case aside.
    pub(super) fn find(word: &str) -> Option<&'static Self> {
        COMMANDS.iter().find(|command| {
            let mut names = command.aliases.iter().chain([&command.name]);
            names.any(|name| name.eq_ignore_ascii_case(word))
        })
    }

    /// Who has it may use the command.
    pub(super) fn permission(&self) -> String {
        format!("cmd_{}", self.name)
    }

    /// As it is typed.
    pub(super) fn usage(&self, prefix: &str) -> String {
        format!("{prefix}{} {}", self.name, self.arguments).trim_end().to_owned()
    }
}

macro_rules! commands {
    ($($task:ident $name:literal $([$($alias:literal),*])? $arguments:literal $($audit:literal)? => $help:literal;)*) => {
        /// All of them, by name.
        pub(super) const COMMANDS: &[Command] = &[$(Command {
            task: Task::$task,
            name: $name,
            aliases: &[$($($alias),*)?],
            arguments: $arguments,
            audit: commands!(@audit $($audit)?),
            help: $help,
        }),*];
    };
    (@audit) => { None };
    (@audit $audit:literal) => { Some($audit) };
}

commands! {
    Addr "addr" "NAME" => "tells a player's address";
    Alert "alert" "TEXT" "SendMessage" => "writes a line to everybody";
    Ban "ban" "NAME|ADDRESS [ADDRESS] [REASON]" "CreateBan"
        => "keeps a player, or an address or network, out for good";
    Banlist "banlist" ["bans"] "[PAGE]" => "lists bans";
    Drain "drain" "SERVER [off]" "SetServerState"
        => "lets nobody in to a server any more, or again";
    Find "find" "NAME" => "tells where a player is";
    Gperms "gperms" "[GROUP]" => "lists what a group may do, or all groups";
    Group "group" "[NAME]" => "tells the groups that you, or a player, are in";
    Gsend "gsend" "player GROUP NAME|current GROUP|all GROUP" "MovePlayers"
        => "takes a player, all of your server, or everybody to a group of servers";
    Gserver "gserver" "[GROUP]" => "lists the groups of servers, or takes you to one";
    Help "help" "[COMMAND|PAGE]" => "lists what you may use";
    Kick "kick" "NAME [REASON]" "KickPlayer" => "ends a player's visit";
    Msg "msg" ["tell", "w"] "NAME TEXT" => "writes to a player in any world";
    Mute "mute" "NAME [TIME] [REASON]" "MutePlayer"
        => "keeps a player from writing, for example for 10m";
    Perms "perms" "[NAME]" => "lists what you, or a player, may do";
    Players "players" ["list"] "[PAGE]" => "lists who is where";
    Reply "r" ["reply"] "TEXT" => "answers who wrote to you last";
    Reload "reload" "" "Reload" => "reads the documents again";
    Send "send" "player SERVER NAME|current SERVER|all SERVER" "MovePlayers"
        => "takes a player, all of your server, or everybody to a server";
    Server "server" "[SERVER]" => "tells where you are, or takes you to a server or group";
    Servers "servers" "[PAGE]" => "lists the servers and how they are";
    Shutdown "shutdown" "" "Shutdown" => "ends this proxy";
    Tempban "tempban" "NAME|ADDRESS TIME [REASON]" "CreateBan"
        => "keeps a player, or an address or network, out for a time, for example 7d";
    Unban "unban" "NAME|ADDRESS" "DeleteBan" => "lifts a ban";
    Unmute "unmute" "NAME" "UnmutePlayer" => "lets a player write again";
    Uptime "uptime" "" => "tells since when this proxy runs";
    Usage "usage" "[COMMAND]" => "tells how a command is typed";
    Whereami "whereami" "" => "tells where you are";
}

/// The table of all commands for the manual.
pub fn manual() -> String {
    let mut text = String::from("| command | permission | |\n|---|---|---|\n");
    for command in COMMANDS {
        let usage = command.usage(">").replace('|', "\\|");
        let also = match command.aliases {
            [] => String::new(),
            aliases => format!(" (also `{}`)", aliases.join("`, `")),
        };
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "| `{usage}`{also} | `{}` | {} |", command.permission(), command.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_means_one_command() {
        let names = COMMANDS.iter().flat_map(|it| it.aliases.iter().chain([&it.name]));
        let names: Vec<_> = names.collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(names.iter().all(|name| name.bytes().all(|c| c.is_ascii_lowercase())));
        assert_eq!(Command::find("REPLY").unwrap().permission(), "cmd_r");
        assert!(Command::find("hel").is_none());
        assert!(COMMANDS.is_sorted_by_key(|it| it.name));
    }

    #[test]
    fn the_manual_has_all_commands() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../doc/console.md");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(&manual()), "put this into doc/console.md:\n{}", manual());
    }
}
