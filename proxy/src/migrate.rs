//! `mesegate-proxy migrate`: a directory of mt-multiserver-proxy becomes documents and accounts.
//!
//! Read from its sources (`config.go`, `auth_*.go`, `perms.go`); what it decides in other ways than
//! its manual says is taken over as it decides it.

mod config;
mod documents;
mod stores;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use mesegate_auth::StoreUrl;

use crate::accounts::{self, AccountsError, CopyArgs};
use crate::cli::DatabaseOptions;
use crate::resource;
use config::Config;

/// Larger ones are refused; networks of hundreds of servers stay far below.
const MAX_CONFIG: u64 = 4 * 1024 * 1024;

/// Makes documents, accounts and bans of a directory of mt-multiserver-proxy, which stays as it is.
/// Can be repeated: accounts that are there already are kept
#[derive(Debug, Clone, Args)]
pub struct MigrateOptions {
    /// The directory with config.json
    pub from: PathBuf,

    /// File for the documents, which must not exist, or be what would be written
    #[arg(long, default_value = "resources.yaml", value_name = "FILE")]
    pub out: PathBuf,

    /// The proxy's data folder; created if missing
    #[arg(long, env = "MESEGATE_DATA", default_value = "mesegate-data", value_name = "DIR")]
    pub data: PathBuf,

    /// Where accounts are kept.
    #[command(flatten)]
    pub database: DatabaseOptions,

    /// Says what would be done and does nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Changes accounts that are there already to what the directory says; otherwise they stay
    #[arg(long)]
    pub replace: bool,
}

/// Why that failed.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A file of the directory, or the one for the documents.
    #[error("{}: {what}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A flag.
    #[error("{0}")]
    Option(String),
    /// Accounts and bans.
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    /// The runtime.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// What a configuration becomes.
#[derive(Debug, Default)]
struct Plan {
    /// The documents.
    text: String,
    /// What has to be known: other names, and what has no counterpart.
    notes: Vec<String>,
    /// Servers whose names had to be changed.
    renamed: BTreeMap<String, String>,
}

/// Does what was asked for. The code is that of the program: 3 when accounts or bans were left out,
/// or when the documents need a change before they can be used.
///
/// # Errors
/// When something cannot be read or written. What was written until then is whole.
pub fn migrate(options: &MigrateOptions) -> Result<ExitCode, MigrateError> {
    let to = options.database.url(&options.data).map_err(MigrateError::Option)?;
    let config = read(&options.from.join("config.json"))?;
    let plan = documents::make(&config);
    let wrong = resource::check(&options.out, &plan.text).err();
    if options.dry_run {
        println!("{}", plan.text.trim_end());
    } else {
        write(&options.out, &plan.text)?;
        println!("the documents are in {}", options.out.display());
        std::fs::create_dir_all(&options.data)?;
    }
    for note in &plan.notes {
        println!("note: {note}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut code = runtime.block_on(take_accounts(options, &config, &plan, &to))?;
    if let Some(wrong) = &wrong {
        println!("to be changed before the proxy starts: {wrong}");
        code = ExitCode::from(3);
    }
    if !options.dry_run {
        let listen = config.listen().unwrap_or_else(|| "[::]:40000".into());
        let out = options.out.display();
        println!("next: mesegate-proxy --listen '{listen}' --resources {out}");
    }
    Ok(code)
}

fn read(path: &Path) -> Result<Config, MigrateError> {
    let file = |what: String| MigrateError::File { path: path.to_owned(), what };
    let size = std::fs::metadata(path).map_err(|error| file(error.to_string()))?.len();
    if size > MAX_CONFIG {
        return Err(file(format!("{size} bytes; at most {MAX_CONFIG} are read")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| file(error.to_string()))?;
    Config::parse(&text).map_err(|error| file(error.to_string()))
}

/// Nobody's work is written over.
fn write(path: &Path, text: &str) -> Result<(), MigrateError> {
    let file = |what: String| MigrateError::File { path: path.to_owned(), what };
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let made = std::fs::File::options().write(true).create_new(true).open(path);
    let mut made = made.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            file("it exists and is something else: move it away, or give another --out".into())
        }
        _ => file(error.to_string()),
    })?;
    made.write_all(text.as_bytes()).map_err(|error| file(error.to_string()))
}

async fn take_accounts(
    options: &MigrateOptions,
    config: &Config,
    plan: &Plan,
    to: &StoreUrl,
) -> Result<ExitCode, MigrateError> {
    let sources = stores::sources(&options.from, config).map_err(MigrateError::Option)?;
    let how = CopyArgs { url_file: None, dry_run: options.dry_run, replace: options.replace };
    let mut code = ExitCode::SUCCESS;
    for from in &sources {
        println!("from {from}:");
        let copied = accounts::copy(from, to, &how, &plan.renamed).await?;
        if copied != ExitCode::SUCCESS {
            code = copied;
        }
    }
    if sources.is_empty() {
        println!("note: no accounts are there");
    }
    Ok(code)
}
