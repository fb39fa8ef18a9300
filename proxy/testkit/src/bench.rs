//! `mesegate-bench`: what a proxy costs, measured against no proxy and against a bare relay.
//!
//! The proxy and the relay run as processes of their own, so that their CPU time and memory can be
//! read from the system. The players and two game servers live in this process. Every part runs
//! each of its ways in the same run on the same machine, because only ratios travel to other
//! machines.

mod blocks;
mod children;
mod cli;
mod content;
mod crowd;
mod hold;
mod hops;
mod joins;
mod latency;
mod media;
mod report;
mod scene;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, Options, Part};
use report::Report;
use scene::{Scene, Way};

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A process could not be started or spoken to.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The proxy did not become ready.
    #[error("the proxy did not become ready: {0}")]
    NotReady(String),
    /// A world cannot be loaded.
    #[error(transparent)]
    World(#[from] crate::WorldError),
    /// A server cannot be recorded.
    #[error(transparent)]
    Record(#[from] crate::RecordError),
    /// The recorded server's address cannot be understood.
    #[error(transparent)]
    Address(#[from] mesegate_backend::AddressError),
    /// The report cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl BenchError {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Reads the command line and runs it. Exit code 1 if a player was lost, a join failed or a
/// measurement could not be made.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::new(&cli.log);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let mut builder = match cli.command {
        // The yardstick must be as lean as a relay can be: one thread, no work stealing.
        Some(Command::Relay { .. }) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(cli));
    // Sessions that still say goodbye must not hold up the end.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode, BenchError> {
    match cli.command {
        Some(Command::Relay { listen, to }) => children::serve_relay(listen, to).await,
        Some(Command::MediaFiles { to, bytes, file }) => {
            media::write_mod(&to, bytes, file)
                .map_err(BenchError::io(format!("cannot write to {}", to.display())))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Record { from, to, name, password }) => {
            let credentials = mesegate_backend::Credentials::Secret(password);
            let dial = mesegate_backend::Dial::new(from.parse()?, &name, credentials);
            crate::record(&dial, &to).await?;
            println!("recorded {from} to {}", to.display());
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let options = cli.options.effective();
            let report = measure(&options).await?;
            print!("{report}");
            if let Some(path) = &options.json {
                let json = serde_json::to_vec_pretty(&report)?;
                std::fs::write(path, json)
                    .map_err(BenchError::io(format!("cannot write {}", path.display())))?;
            }
            let failed = !report.failures.is_empty();
            Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
    }
}

async fn measure(options: &Options) -> Result<Report, BenchError> {
    let mut report = Report::new();
    let wanted = |part: Part| options.only.is_empty() || options.only.contains(&part);
    if [Part::Hold, Part::Joins, Part::Latency, Part::Hops].into_iter().any(wanted) {
        measure_play(options, wanted, &mut report).await?;
    }
    if wanted(Part::Media) {
        eprintln!("measuring Media");
        media::measure(options, &mut report).await?;
    }
    if wanted(Part::Blocks) {
        eprintln!("measuring Blocks");
        blocks::measure(options, &mut report).await?;
    }
    if wanted(Part::Content) {
        eprintln!("measuring Content");
        content::measure(options, &mut report).await?;
    }
    report.finish();
    Ok(report)
}

/// The parts in which players play on two servers.
async fn measure_play(
    options: &Options,
    wanted: impl Fn(Part) -> bool,
    report: &mut Report,
) -> Result<(), BenchError> {
    let scene = Scene::set_up(options).await?;
    report.media_bytes = scene.a.world().media_bytes();
    let wanted = |part: Part| {
        let wanted = wanted(part);
        if wanted {
            eprintln!("measuring {part:?}");
        }
        wanted
    };
    // First, because memory per player only means something in processes that have not yet
    // served others: what those left behind would be used again.
    if wanted(Part::Hold) {
        hold::measure(&scene, options, report).await?;
    }
    if wanted(Part::Joins) {
        for way in Way::ALL {
            joins::measure(&scene, options, way, report).await;
        }
    }
    if wanted(Part::Latency) {
        latency::measure(&scene, options, report).await;
    }
    if wanted(Part::Hops) {
        hops::measure(&scene, options, report).await;
    }
    scene.tear_down(report).await;
    Ok(())
}
