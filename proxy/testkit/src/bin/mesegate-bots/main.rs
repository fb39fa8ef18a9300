//! Players for tests of whole installations: they walk about, see the world, ask now and then where
//! they are, and come back when they are asked to reconnect. Every event is a line of JSON on the
//! standard output. They leave when the standard input ends.
#![forbid(unsafe_code)]

mod player;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use player::{Line, Player};

/// Lines that wait for being written.
const LINES: usize = 4096;

/// Between two players' first logins, so that they are not one wave.
const PACE: Duration = Duration::from_millis(100);

#[derive(Debug, Parser)]
#[command(name = "mesegate-bots", version)]
struct Cli {
    /// Where players connect to; given more than once, they go on to the next where nobody answers
    /// or they are sent away, and begin at different ones.
    #[arg(long, required = true)]
    address: Vec<SocketAddr>,
    /// How many.
    #[arg(long, default_value_t = 50)]
    players: usize,
    /// Their names begin with it.
    #[arg(long, default_value = "bot")]
    prefix: String,
    /// What every second one says when it is there for the first time.
    #[arg(long)]
    say: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => {
            eprintln!("mesegate-bots: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn run(cli: Cli) {
    let (lines, mut written) = mpsc::channel::<Line>(LINES);
    let (stop, stopped) = watch::channel(false);
    let addresses: Arc<[SocketAddr]> = cli.address.into();
    let mut players = JoinSet::new();
    for number in 0..cli.players {
        let player = Player {
            name: format!("{}{number}", cli.prefix),
            at: number % addresses.len(),
            addresses: addresses.clone(),
            say: cli.say.clone().filter(|_| number % 2 == 1),
            lines: lines.clone(),
            stopped: stopped.clone(),
        };
        players.spawn(player.play(PACE * number as u32));
    }
    drop(lines);
    std::thread::spawn(move || {
        // However it ends.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = stop.send(true);
    });
    while let Some(line) = written.recv().await {
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    // Who is left says goodbye by being dropped.
    players.shutdown().await;
}
