//! `mesegate-proxy accounts`: work on the account store, beside running proxies or without any.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use mesegate_auth::srp::Verifier;
use mesegate_auth::transfer::{self, CopyOptions, Report, Tally};
use mesegate_auth::{
    AccountError, Accounts, BanSubject, DEFAULT_PRIVILEGES, Password, Record, StoreUrl,
};

use crate::cli::DatabaseOptions;
use crate::shared::unix_now;

/// How often progress is shown.
const PROGRESS: Duration = Duration::from_secs(1);

/// Accounts that are read at once.
const PAGE: usize = 500;

/// Longest password that is read.
const LONGEST_PASSWORD: usize = 1024;

/// Lists, changes and moves accounts, bans and mutes. The proxy may be running or not
#[derive(Debug, Clone, Args)]
pub struct AccountsOptions {
    /// The proxy's data folder
    #[arg(long, env = "MESEGATE_DATA", default_value = "mesegate-data", value_name = "DIR")]
    pub data: PathBuf,

    /// Where accounts are kept.
    #[command(flatten)]
    pub database: DatabaseOptions,

    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with accounts.
#[derive(Debug, Clone, Subcommand)]
pub enum Action {
    /// Lists all accounts: name, last login in Unix seconds (-1: never), kind of password,
    /// privileges
    List,
    /// Shows one account, without its password, and whether its name is muted or banned
    Show {
        /// The player's name
        name: String,
    },
    /// Sets a password, which is read from standard input or a file: its first line
    SetPassword {
        /// The player's name
        name: String,
        /// File with the password
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Makes the account if there is none
        #[arg(long)]
        create: bool,
    },
    /// Removes an account; bans and mutes of its name stay
    Delete {
        /// The player's name
        name: String,
    },
    /// Takes accounts, bans and mutes from elsewhere into the store. FROM is sqlite:PATH,
    /// postgres://USER@HOST/DATABASE, files:DIR, authtxt:PATH or ipban:PATH, those of
    /// mt-multiserver-proxy included
    Import {
        /// The other store or file
        from: Option<String>,
        /// The rest.
        #[command(flatten)]
        copy: CopyArgs,
    },
    /// Writes the store's accounts, bans and mutes elsewhere; TO is of the same kinds
    Export {
        /// The other store or file
        to: Option<String>,
        /// The rest.
        #[command(flatten)]
        copy: CopyArgs,
    },
}

/// How to copy.
#[derive(Debug, Clone, Args)]
pub struct CopyArgs {
    /// File with the other store's URL, when that has a password
    #[arg(long, value_name = "FILE")]
    pub url_file: Option<PathBuf>,
    /// Says what would change and changes nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Changes accounts that are there already to what the source says; otherwise they stay
    #[arg(long)]
    pub replace: bool,
}

/// Why that failed.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The store.
    #[error("{0}")]
    Account(#[from] AccountError),
    /// A flag or an argument.
    #[error("{0}")]
    Option(String),
    /// Input, output or the runtime.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Does what was asked for. The code is that of the program: 3 when a copy left something out.
///
/// # Errors
/// When the store cannot be used; the text has no password.
pub fn accounts(options: &AccountsOptions) -> Result<ExitCode, AccountsError> {
    let url = options.database.url(&options.data).map_err(AccountsError::Option)?;
    if options.database.is_in_data() {
        folder(options)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match &options.action {
            Action::List => list(&url).await.map(|()| ExitCode::SUCCESS),
            Action::Show { name } => show(&url, name).await.map(|()| ExitCode::SUCCESS),
            Action::SetPassword { name, password_file, create } => {
                let password = read_password(password_file.as_ref())?;
                set_password(&url, name, &password, *create).await.map(|()| ExitCode::SUCCESS)
            }
            Action::Delete { name } => {
                let accounts = Accounts::open(&url).await?;
                accounts.delete(name).await?;
                accounts.close().await;
                println!("{name} is removed");
                Ok(ExitCode::SUCCESS)
            }
            Action::Import { from, copy: args } => {
                let from = other(from.as_deref(), args)?;
                copy(&from, &url, args, &BTreeMap::new()).await
            }
            Action::Export { to, copy: args } => {
                let to = other(to.as_deref(), args)?;
                copy(&url, &to, args, &BTreeMap::new()).await
            }
        }
    })
}

/// Sees to the data folder. Only what brings accounts in makes one: for anything else it is more
/// likely that another one is meant.
fn folder(options: &AccountsOptions) -> Result<(), AccountsError> {
    let path = &options.data;
    let brings =
        matches!(options.action, Action::SetPassword { create: true, .. } | Action::Import { .. });
    if brings {
        std::fs::create_dir_all(path).map_err(|error| {
            AccountsError::Option(format!("cannot make --data {}: {error}", path.display()))
        })
    } else if path.is_dir() {
        Ok(())
    } else {
        let text = format!(
            "there is no folder {}: name that of the proxy with --data, or its \
                            database with --database",
            path.display()
        );
        Err(AccountsError::Option(text))
    }
}

/// The URL of the other side.
fn other(argument: Option<&str>, args: &CopyArgs) -> Result<StoreUrl, AccountsError> {
    match (argument, &args.url_file) {
        (Some(text), None) => {
            let url: StoreUrl = text.parse()?;
            if url.has_password() {
                return Err(AccountsError::Option(
                    "a password on the command line can be read by everybody on this machine: \
                     put the URL into a file and name it with --url-file"
                        .into(),
                ));
            }
            Ok(url)
        }
        (None, Some(path)) => Ok(std::fs::read_to_string(path)
            .map_err(|error| {
                AccountsError::Option(format!("cannot read {}: {error}", path.display()))
            })?
            .parse()?),
        _ => Err(AccountsError::Option("name the other store, or --url-file".into())),
    }
}

async fn list(url: &StoreUrl) -> Result<(), AccountsError> {
    let accounts = Accounts::open(url).await?;
    let mut names = accounts.names().await?;
    names.sort_unstable();
    let mut out = io::stdout().lock();
    for names in names.chunks(PAGE) {
        let mut text = String::new();
        for record in accounts.records(names).await? {
            let privileges: Vec<&str> = record.privileges.iter().map(String::as_str).collect();
            let (kind, privileges) = (password_kind(&record), privileges.join(","));
            let _ = writeln!(
                text,
                "{:20} {:>11} {kind:8} {privileges}",
                record.name, record.last_login
            );
        }
        if let Err(error) = out.write_all(text.as_bytes()) {
            // Who reads may have seen enough.
            return if error.kind() == io::ErrorKind::BrokenPipe {
                Ok(())
            } else {
                Err(error.into())
            };
        }
    }
    accounts.close().await;
    Ok(())
}

fn password_kind(record: &Record) -> &'static str {
    match record.password.as_deref().map(Password::parse) {
        Some(Ok(Password::Srp(_))) => "srp",
        Some(Ok(Password::Legacy(hash))) if hash.is_empty() => "empty",
        Some(Ok(Password::Legacy(_))) => "legacy",
        Some(Err(_)) => "damaged",
        None => "missing",
    }
}

async fn show(url: &StoreUrl, name: &str) -> Result<(), AccountsError> {
    let accounts = Accounts::open(url).await?;
    let record = accounts.records(&[name.to_owned()]).await?.pop();
    let record = record.ok_or_else(|| AccountError::Missing(name.to_owned()))?;
    let privileges: Vec<&str> = record.privileges.iter().map(String::as_str).collect();
    println!("name        {}", record.name);
    println!("password    {}", password_kind(&record));
    println!("privileges  {}", privileges.join(", "));
    println!("last login  {}", record.last_login);
    println!("last server {}", record.last_server.as_deref().unwrap_or("unknown"));
    let until =
        |end: Option<i64>| end.map_or_else(|| "for ever".into(), |it| format!("until {it}"));
    let (mutes, now) = (accounts.mutes(), unix_now() as i64);
    mutes.refresh().await?;
    if let Some(mute) = mutes.of(name, now) {
        println!("muted       {} by {}: {}", until(mute.expires), mute.author, mute.reason);
    }
    let ban = accounts.bans().check(Some(name), None, now).await?;
    if let Some(ban) = ban {
        let BanSubject::Name(_) = ban.terms.subject else { return Ok(()) };
        let until = until(ban.terms.expires);
        println!("banned      {until} by {}: {}", ban.terms.author, ban.terms.reason);
    }
    accounts.close().await;
    Ok(())
}

fn read_password(file: Option<&PathBuf>) -> Result<String, AccountsError> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path).map_err(|error| {
            AccountsError::Option(format!("cannot read {}: {error}", path.display()))
        })?,
        None => {
            if io::stdin().is_terminal() {
                eprintln!("The new password, which will be seen; an empty line for none:");
            }
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line)?;
            line
        }
    };
    let line = text.lines().next().unwrap_or_default();
    if line.len() > LONGEST_PASSWORD {
        return Err(AccountsError::Option(format!("longer than {LONGEST_PASSWORD} bytes")));
    }
    Ok(line.to_owned())
}

async fn set_password(
    url: &StoreUrl,
    name: &str,
    password: &str,
    create: bool,
) -> Result<(), AccountsError> {
    let accounts = Accounts::open(url).await?;
    let password = Password::Srp(Verifier::from_password(name, password.as_bytes()));
    match accounts.set_password(name, &password).await {
        Err(AccountError::Missing(_)) if create => {
            accounts.create(name, &password, DEFAULT_PRIVILEGES).await?;
            println!("{name} is made");
        }
        changed => {
            changed?;
            println!("{name} has another password");
        }
    }
    accounts.close().await;
    Ok(())
}

/// Copies, shows how far it is, and says what became of it. `renamed` as in [`transfer::copy`].
pub(crate) async fn copy(
    from: &StoreUrl,
    to: &StoreUrl,
    args: &CopyArgs,
    renamed: &BTreeMap<String, String>,
) -> Result<ExitCode, AccountsError> {
    let options =
        CopyOptions { dry_run: args.dry_run, replace: args.replace, now: unix_now() as i64 };
    let (began, mut shown) = (Instant::now(), Instant::now());
    let report = transfer::copy(from, to, options, renamed, |done, all| {
        if shown.elapsed() >= PROGRESS {
            shown = Instant::now();
            eprintln!("{done} of {all} accounts, {} s", began.elapsed().as_secs());
        }
    });
    let report = report.await?;
    print!("{}", told(&report, args.dry_run));
    let complete = report.problems.is_empty();
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn told(report: &Report, dry_run: bool) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        let _ = writeln!(text, "{problem}");
    }
    if report.more_problems > 0 {
        let _ = writeln!(text, "and {} more", report.more_problems);
    }
    if !report.losses.is_empty() {
        let _ = writeln!(text, "no place there for: {}", report.losses.join(", "));
    }
    let would = if dry_run { "would be " } else { "" };
    for (what, tally) in
        [("accounts", report.accounts), ("bans", report.bans), ("mutes", report.mutes)]
    {
        let Tally { added, replaced, same, kept, refused } = tally;
        let _ = writeln!(
            text,
            "{what}: {added} {would}added, {replaced} {would}changed, {same} there already, \
             {kept} left as they are, {refused} refused"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_brings_accounts_in_makes_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let data = parent.path().join("mesegate-data");
        let options = |action| {
            let database = DatabaseOptions { database: None, database_file: None };
            AccountsOptions { data: data.clone(), database, action }
        };
        let error = accounts(&options(Action::List)).unwrap_err().to_string();
        assert!(error.starts_with("there is no folder "), "{error}");
        assert!(error.contains("--data"), "{error}");
        assert!(!data.exists());

        let password_file = parent.path().join("password");
        std::fs::write(&password_file, "correct horse").unwrap();
        let name = "alice".to_owned();
        let password_file = Some(password_file);
        accounts(&options(Action::SetPassword { name, password_file, create: true })).unwrap();
        assert!(data.join("auth.sqlite").is_file());
        accounts(&options(Action::List)).unwrap();
    }
}
