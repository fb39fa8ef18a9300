//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures a Mesegate proxy against no proxy and against a bare UDP relay.
#[derive(Debug, Parser)]
#[command(name = "mesegate-bench", version)]
pub(super) struct Cli {
    /// What this process logs about itself, as in RUST_LOG.
    #[arg(long, default_value = "error", global = true)]
    pub log: String,
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub options: Options,
}

/// Helpers that run as processes of their own.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// A bare UDP relay; prints the address it listens on.
    Relay {
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
        /// Where datagrams go.
        #[arg(long)]
        to: SocketAddr,
    },
    /// Writes the media of the logins that are compared over UDP and HTTP, as a mod.
    MediaFiles {
        /// Folder of the mod.
        #[arg(long)]
        to: PathBuf,
        /// Bytes in all.
        #[arg(long, default_value_t = 20_000_000)]
        bytes: usize,
        /// Size of one file in bytes.
        #[arg(long, default_value_t = 64 * 1024)]
        file: usize,
    },
    /// Records a real server's definitions, media and blocks for `--replay`.
    Record {
        /// The server, as host:port.
        #[arg(long)]
        from: String,
        /// Folder to write to.
        #[arg(long)]
        to: PathBuf,
        /// Player name to enter with.
        #[arg(long, default_value = "recorder")]
        name: String,
        /// Its password; registered on the first visit.
        #[arg(long, default_value = "recorder")]
        password: String,
    },
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// Time to join with media.
    Joins,
    /// Holding players: CPU time, memory, nobody lost.
    Hold,
    /// Added one-way latency.
    Latency,
    /// Time of a hop between servers.
    Hops,
    /// Time to join with much media, over UDP and HTTP, near and far.
    Media,
    /// CPU time of map blocks whose content ids differ.
    Blocks,
    /// Twenty servers in five pools: time until players can come, and memory.
    Content,
}

/// Sizes of the measurement.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// The proxy's binary; by default `mesegate-proxy` beside this one.
    #[arg(long)]
    pub proxy: Option<PathBuf>,
    /// Measure only these parts.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Small numbers, for a test of the whole in well under a minute.
    #[arg(long)]
    pub quick: bool,
    /// Players held.
    #[arg(long, default_value_t = 300)]
    pub players: usize,
    /// Seconds they are held.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Players that join with media.
    #[arg(long, default_value_t = 100)]
    pub joins: usize,
    /// Seconds within which they start.
    #[arg(long, default_value_t = 20)]
    pub join_window: u64,
    /// Bytes of media per join.
    #[arg(long, default_value_t = 5_000_000)]
    pub media: usize,
    /// Players that start per second where joining itself is not measured.
    #[arg(long, default_value_t = 20)]
    pub join_rate: u32,
    /// Players while latency is measured.
    #[arg(long, default_value_t = 100)]
    pub latency_players: usize,
    /// Seconds during which latency is measured.
    #[arg(long, default_value_t = 15)]
    pub latency_seconds: u64,
    /// Players that hop.
    #[arg(long, default_value_t = 20)]
    pub hop_players: usize,
    /// Hops of each.
    #[arg(long, default_value_t = 10)]
    pub hops: usize,
    /// Bytes of media of the logins that are compared over UDP and HTTP.
    #[arg(long, default_value_t = 20_000_000)]
    pub login_media: usize,
    /// Size of its files in bytes.
    #[arg(long, default_value_t = 64 * 1024)]
    pub login_file: usize,
    /// Such logins on each way, one after the other.
    #[arg(long, default_value_t = 3)]
    pub logins: usize,
    /// Milliseconds there and back on the far ways.
    #[arg(long, default_value_t = 100)]
    pub round_trip: u64,
    /// A real server that has the files of `media-files`, to be measured directly.
    #[arg(long)]
    pub engine: Option<SocketAddr>,
    /// Players that get the same map blocks.
    #[arg(long, default_value_t = 50)]
    pub block_players: usize,
    /// Blocks around them, to each side.
    #[arg(long, default_value_t = 12)]
    pub block_radius: i16,
    /// Replay these recordings instead of made-up worlds: the first is server a, the second (or
    /// the first again) is server b.
    #[arg(long)]
    pub replay: Vec<PathBuf>,
    /// Milliseconds that a crowd is given to settle before something is measured.
    #[arg(long, default_value_t = 2000)]
    pub settle: u64,
    /// Write the report as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

impl Options {
    /// `settle` as a duration.
    pub(super) fn settle(&self) -> Duration {
        Duration::from_millis(self.settle)
    }

    /// Applies `--quick`.
    pub(super) fn effective(mut self) -> Self {
        if self.quick {
            self.players = self.players.min(20);
            self.seconds = self.seconds.min(4);
            self.joins = self.joins.min(10);
            self.join_window = self.join_window.min(1);
            self.media = self.media.min(500_000);
            self.latency_players = self.latency_players.min(10);
            self.latency_seconds = self.latency_seconds.min(2);
            self.hop_players = self.hop_players.min(4);
            self.hops = self.hops.min(2);
            self.settle = self.settle.min(500);
            self.login_media = self.login_media.min(1_000_000);
            self.logins = self.logins.min(1);
            self.block_players = self.block_players.min(5);
            self.block_radius = self.block_radius.min(4);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn parts_are_a_list() {
        let cli = Cli::parse_from(["x", "--only", "joins,hops", "--quick"]);
        assert_eq!(cli.options.only, [Part::Joins, Part::Hops]);
        assert!(cli.options.effective().players <= 20);
    }
}
