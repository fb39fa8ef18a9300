//! What can be typed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use mesegate_proto::span;

/// Look after the players and servers of a Mesegate network.
///
/// Exit codes: 0 done, 1 refused (standard error has the reason's name), 2 wrong usage, 3 not
/// reachable or not in time, 4 not allowed.
#[derive(Debug, Parser)]
#[command(name = "mesegatectl", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) server: ServerOptions,

    /// How results are written
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,

    // What follows gets its heading.
    #[command(flatten)]
    pub(crate) cluster: ClusterOptions,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the admin interface is, and who asks.
#[derive(Debug, Args)]
pub(crate) struct ServerOptions {
    /// The admin interface: http://HOST:PORT, or https:// where it has a certificate [default:
    /// http://127.0.0.1:9091]
    #[arg(long, global = true, env = "MESEGATE_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,

    /// File with the token; without one, the token is taken from the variable MESEGATE_TOKEN
    #[arg(long, global = true, env = "MESEGATE_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// Certificates (PEM) of the authorities that are believed, instead of the system's
    #[arg(long, global = true, env = "MESEGATE_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// Certificate (PEM) to show; needs --key
    #[arg(long, global = true, env = "MESEGATE_CERT", value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,

    /// Private key (PEM) of --cert
    #[arg(long, global = true, env = "MESEGATE_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,

    /// Name that the server's certificate must have, if not that in the URL
    #[arg(long, global = true, env = "MESEGATE_TLS_NAME", value_name = "NAME")]
    pub(crate) tls_name: Option<String>,

    /// How long a call may take; watches and moves of many are not limited
    #[arg(long, global = true, default_value = "30s", value_parser = span::parse,
          value_name = "TIME")]
    pub(crate) timeout: Duration,
}

/// A controller in a cluster instead of --server. Any of the flags means it, and so does being
/// called as kubectl's plugin.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Through a cluster")]
pub(crate) struct ClusterOptions {
    /// Where the cluster is [default: KUBECONFIG, or ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "server")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig [default: its current one]
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "server")]
    pub(crate) context: Option<String>,

    /// Namespace of the controller [default: that of the context]
    #[arg(long, short, global = true, value_name = "NAME", conflicts_with = "server")]
    pub(crate) namespace: Option<String>,

    /// ServiceAccount as which to ask, with a token that is made for that; without it, and without
    /// a token, the controller has to do without
    #[arg(long, global = true, value_name = "[NAMESPACE/]NAME", conflicts_with = "server")]
    pub(crate) service_account: Option<String>,
}

impl Cli {
    /// Whether the controller of a cluster is meant; `program` is what this one was called as.
    pub(crate) fn through_cluster(&self, program: &str) -> bool {
        let ClusterOptions { kubeconfig, context, namespace, service_account } = &self.cluster;
        let said = kubeconfig.is_some()
            || context.is_some()
            || namespace.is_some()
            || service_account.is_some();
        let plugin = Path::new(program)
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("kubectl-"));
        self.server.server.is_none() && (said || plugin)
    }
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON value; of watches and moves one a line.
    Json,
    /// YAML.
    Yaml,
}

/// Which players are meant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Selector {
    /// On this server; may be given several times
    #[arg(long = "on", value_name = "SERVER")]
    pub(crate) on: Vec<String>,

    /// Of this name; may be given several times
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,

    /// With a name that begins so
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Who is in the game
    Players {
        #[command(flatten)]
        selector: Selector,
    },
    /// How a player's connections do, when somebody says that it lags
    Inspect {
        /// The player
        player: String,
    },
    /// Sends players to another server
    Move {
        /// A player; or select many with the flags below
        #[arg(conflicts_with_all = ["on", "names", "prefix", "all"])]
        player: Option<String>,
        /// Server to go to
        #[arg(long, value_name = "SERVER", required_unless_present = "to_group")]
        to: Option<String>,
        /// Group to go to
        #[arg(long, value_name = "GROUP", conflicts_with = "to")]
        to_group: Option<String>,
        #[command(flatten)]
        selector: Selector,
        /// Everybody
        #[arg(long, conflicts_with_all = ["on", "names", "prefix"])]
        all: bool,
        /// Players that set out in a second
        #[arg(long, value_name = "N", default_value_t = 10)]
        rate: u32,
        /// Only shows what would be done
        #[arg(long, conflicts_with = "player")]
        dry_run: bool,
        /// Asks players to connect anew whose game would have to load more first
        #[arg(long)]
        reconnect: bool,
        #[command(flatten)]
        repeat: Repeat,
    },
    /// Ends a player's visit
    Kick {
        /// The player
        player: String,
        /// What the player reads
        #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
        reason: String,
        /// The player's client offers to reconnect
        #[arg(long)]
        reconnect: bool,
        #[command(flatten)]
        repeat: Repeat,
    },
    /// Writes a line into the chat of players
    Message {
        /// The line
        text: String,
        #[command(flatten)]
        selector: Selector,
        /// Everybody
        #[arg(long, conflicts_with_all = ["on", "names", "prefix"])]
        all: bool,
        #[command(flatten)]
        repeat: Repeat,
    },
    /// Keeps a name or addresses out of the network
    Ban {
        /// A player name, an IP address, or a prefix such as 192.0.2.0/24
        subject: String,
        /// What the player reads
        #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
        reason: String,
        /// What only operators read
        #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
        note: String,
        /// How long, such as 12h or 7d; without it until the ban is lifted
        #[arg(long = "for", value_parser = span::parse, value_name = "TIME")]
        duration: Option<Duration>,
        #[command(flatten)]
        repeat: Repeat,
    },
    /// Lifts a ban
    Unban {
        /// What was banned
        #[arg(required_unless_present = "id")]
        subject: Option<String>,
        /// The ban's number
        #[arg(long, conflicts_with = "subject", value_name = "ID")]
        id: Option<String>,
        #[command(flatten)]
        repeat: Repeat,
    },
    /// Who is kept out
    Bans {
        /// Only the ban that keeps this name or address out
        #[arg(long, value_name = "SUBJECT")]
        check: Option<String>,
        /// With bans that have ended by themselves
        #[arg(long, conflicts_with = "check")]
        expired: bool,
    },
    /// The game servers
    Servers {
        /// Only this one
        #[arg(value_name = "SERVER")]
        name: Option<String>,
    },
    /// Lets nobody in to a server or a proxy any more; who is there stays
    Drain {
        #[command(subcommand)]
        what: Drain,
    },
    /// The proxies
    Proxies,
    /// Shows changes as they happen
    Watch {
        #[command(subcommand)]
        what: Watch,
    },
    /// Writes what a shell needs to complete commands
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// What is drained.
#[derive(Debug, Subcommand)]
pub(crate) enum Drain {
    /// A game server
    Server {
        /// Its name
        #[arg(value_name = "SERVER")]
        name: String,
        /// Lets players in again
        #[arg(long)]
        cancel: bool,
        /// Switches it off instead
        #[arg(long, conflicts_with = "cancel")]
        disable: bool,
        #[command(flatten)]
        repeat: Repeat,
    },
    /// A proxy
    Proxy {
        /// Its name
        #[arg(value_name = "PROXY")]
        name: String,
        /// Lets players in again
        #[arg(long)]
        cancel: bool,
        #[command(flatten)]
        repeat: Repeat,
    },
}

/// What is watched.
#[derive(Debug, Subcommand)]
pub(crate) enum Watch {
    /// Who comes, goes and moves
    Players {
        #[command(flatten)]
        selector: Selector,
    },
    /// What becomes of the servers
    Servers,
}

/// Making a call again.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Repeat {
    /// With the same ID the command is not done a second time: it shows the first outcome again
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) request_id: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    /// Values have names of their own: one that is called like a flag of all commands takes that
    /// flag's value.
    #[test]
    fn values_are_not_taken_for_flags_of_all_commands() {
        fn check(command: &clap::Command, flags: &[&str]) {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                assert!(!flags.contains(&id), "{}: {id}", command.get_name());
            }
            command.get_subcommands().for_each(|command| check(command, flags));
        }
        let all = Cli::command();
        let flags: Vec<&str> = all.get_arguments().map(|it| it.get_id().as_str()).collect();
        all.get_subcommands().for_each(|command| check(command, &flags));
        let line = ["mesegatectl", "--server", "http://x", "servers"];
        let cli = Cli::try_parse_from(line).unwrap();
        assert_eq!(cli.server.server.as_deref(), Some("http://x"));
        assert!(matches!(cli.command, Command::Servers { name: None }));
    }

    #[test]
    fn a_cluster_is_meant_by_its_flags_or_by_the_plugins_name() {
        let meant = |program: &str, line: &str| {
            let words = [program].into_iter().chain(line.split(' '));
            Cli::try_parse_from(words).unwrap().through_cluster(program)
        };
        assert!(!meant("mesegatectl", "players"));
        assert!(meant("mesegatectl", "players -n games"));
        assert!(meant("mesegatectl", "--service-account ops players"));
        assert!(meant("/usr/bin/kubectl-mesegate", "players"));
        assert!(!meant("/usr/bin/kubectl-mesegate", "players --server http://x"));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for line in [
            "move alice",
            "move alice --to a --all",
            "move alice --to a --to-group b",
            "move alice --to a --dry-run",
            "unban",
            "unban alice --id 3",
            "drain server a --cancel --disable",
            "ban alice --for soon",
            "players --server http://x --context y",
        ] {
            let words = ["mesegatectl"].into_iter().chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
