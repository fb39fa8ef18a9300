//! Chat lines that are for the proxy.

/// What a player asked the proxy for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// Go to the server of that name; without one: where am I, and where could I go.
    Server(Option<String>),
    /// Which servers there are.
    Servers,
    /// What can be asked for.
    Help,
    /// Something else, by its first word.
    Unknown(String),
}

impl Command {
    /// Reads a line that begins with `prefix`; `None` if it does not and so is ordinary chat.
    pub(super) fn parse(line: &str, prefix: &str) -> Option<Self> {
        let mut words = line.strip_prefix(prefix)?.split_whitespace();
        let word = words.next().unwrap_or("help").to_lowercase();
        Some(match word.as_str() {
            "server" => Self::Server(words.next().map(str::to_owned)),
            "servers" => Self::Servers,
            "help" => Self::Help,
            _ => Self::Unknown(word.chars().take(32).collect()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_with_the_prefix_are_commands() {
        assert_eq!(Command::parse("hello >server a", ">"), None);
        assert_eq!(Command::parse(" >server a", ">"), None);
        assert_eq!(
            Command::parse(">server  arena ", ">"),
            Some(Command::Server(Some("arena".into())))
        );
        assert_eq!(Command::parse("!!SERVER", "!!"), Some(Command::Server(None)));
        assert_eq!(Command::parse(">", ">"), Some(Command::Help));
        assert_eq!(
            Command::parse(">frobnicate x", ">"),
            Some(Command::Unknown("frobnicate".into()))
        );
    }
}
