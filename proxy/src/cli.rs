//! Process settings: what one process needs to start. Everything about the network of servers is
//! in resource documents instead (see [`crate::resource`]), because those change while it runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use mesegate_admin::AdminOptions;
use mesegate_auth::StoreUrl;
use mesegate_protocol::ProtocolVersion;
use mesegate_telemetry::TelemetryOptions;

use crate::accounts::AccountsOptions;
use crate::control::ControlOptions;
use crate::life::LifeOptions;
use crate::migrate::MigrateOptions;

/// One address for a network of Luanti servers.
#[derive(Debug, Clone, Parser)]
#[command(name = "mesegate-proxy", version, about, max_term_width = 100)]
pub struct Options {
    /// UDP address players connect to. `[::]` serves IPv4 as well
    #[arg(long, env = "MESEGATE_LISTEN", default_value = "[::]:30000", value_name = "ADDR")]
    pub listen: SocketAddr,

    /// Folder for accounts, the backend key and fetched content; created if missing
    #[arg(long, env = "MESEGATE_DATA", default_value = "mesegate-data", value_name = "DIR")]
    pub data: PathBuf,

    /// Where accounts are kept.
    #[command(flatten)]
    pub database: DatabaseOptions,

    /// File or folder with the MinetestServer and MinetestProxy documents (*.yaml, *.yml);
    /// edits are picked up while running. Required without --controller
    #[arg(
        long,
        env = "MESEGATE_RESOURCES",
        value_name = "PATH",
        required_unless_present = "controller",
        conflicts_with = "controller"
    )]
    pub resources: Option<PathBuf>,

    /// HTTP address for /livez, /readyz and /metrics; off when empty
    #[arg(long, env = "MESEGATE_HTTP", default_value = "127.0.0.1:9090", value_name = "ADDR")]
    pub http: String,

    /// HTTP address from which clients load media instead of over UDP; off when empty
    #[arg(long, env = "MESEGATE_MEDIA_HTTP", default_value = "", value_name = "ADDR")]
    pub media_http: String,

    /// Base URL under which clients reach --media-http
    /// [default: http://ADDR/, unless ADDR is every address of the machine]
    #[arg(long, env = "MESEGATE_MEDIA_URL", value_name = "URL")]
    pub media_url: Option<String>,

    /// Connections that --media-http serves at a time; a quarter of them to one address
    #[arg(long, env = "MESEGATE_MEDIA_CONNECTIONS", default_value_t = 512, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub media_connections: u32,

    /// Client sockets that share the address, one reader each [default: one per core, at most 8]
    #[arg(long, env = "MESEGATE_SOCKETS", value_name = "N",
          value_parser = clap::value_parser!(u8).range(1..=64))]
    pub sockets: Option<u8>,

    /// How the process begins and ends.
    #[command(flatten)]
    pub life: LifeOptions,

    /// Seconds that players get to read the reason and leave when the proxy stops
    #[arg(long, env = "MESEGATE_STOP_SECONDS", default_value_t = 3, value_name = "SECONDS",
          value_parser = clap::value_parser!(u8).range(0..=60))]
    pub stop_seconds: u8,

    /// Megabytes that received and queued messages of all connections together may hold
    #[arg(long, env = "MESEGATE_BUFFER_MB", default_value_t = 1024, value_name = "MB",
          value_parser = clap::value_parser!(u32).range(16..=1_048_576))]
    pub buffer_mb: u32,

    /// Megabytes for translated map blocks, which players who are near each other share; 0 keeps
    /// none
    #[arg(long, env = "MESEGATE_BLOCK_CACHE_MB", default_value_t = 64, value_name = "MB",
          value_parser = clap::value_parser!(u32).range(0..=65_536))]
    pub block_cache_mb: u32,

    /// What this proxy is called in the admin interface and by a controller [default: the
    /// machine's name]
    #[arg(long, env = "MESEGATE_NAME", value_name = "NAME")]
    pub name: Option<String>,

    // Groups with a heading come last: what follows one gets its heading.
    /// Where documents come from instead of files.
    #[command(flatten)]
    pub control: ControlOptions,

    /// The admin interface.
    #[command(flatten)]
    pub admin: AdminOptions,

    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryOptions,
}

/// Everything that can be typed, for the manual.
pub fn command() -> clap::Command {
    // What the proxy itself requires is not asked for where it does not run.
    Options::command().subcommand_negates_reqs(true).subcommands([
        ContentOptions::augment_args(clap::Command::new("content")),
        AccountsOptions::augment_args(clap::Command::new("accounts")),
        ModTokenOptions::augment_args(clap::Command::new("mod-token")),
        MigrateOptions::augment_args(clap::Command::new("migrate")),
    ])
}

/// Where accounts are kept.
#[derive(Debug, Clone, Args)]
pub struct DatabaseOptions {
    /// Accounts and bans: `sqlite:PATH`, which must exist, or `sqlite:PATH?mode=rwc`, which is
    /// created if missing, `postgres://USER@HOST/DATABASE`, or `files:DIR` in the layout of
    /// mt-multiserver-proxy. Databases of engines are used as they are. A URL with a password
    /// comes from the environment or from --database-file
    /// [default: sqlite:DATA/auth.sqlite?mode=rwc]
    #[arg(long, env = "MESEGATE_DATABASE", value_name = "URL", hide_env_values = true)]
    pub database: Option<UrlText>,

    /// File with that URL, such as a mounted secret
    #[arg(long, env = "MESEGATE_DATABASE_FILE", value_name = "FILE", conflicts_with = "database")]
    pub database_file: Option<PathBuf>,
}

impl DatabaseOptions {
    /// Whether nothing else is said than that it is in the data folder.
    pub fn is_in_data(&self) -> bool {
        self.database.is_none() && self.database_file.is_none()
    }

    /// The URL of the account store, which is in the data folder unless something else is said.
    ///
    /// # Errors
    /// When the file cannot be read or the URL is not understood. The text has no password.
    pub fn url(&self, data: &Path) -> Result<StoreUrl, String> {
        let text = match (&self.database, &self.database_file) {
            (Some(url), _) => url.0.clone(),
            (None, Some(path)) => std::fs::read_to_string(path).map_err(|error| {
                format!("cannot read --database-file {}: {error}", path.display())
            })?,
            (None, None) => format!("sqlite:{}?mode=rwc", data.join("auth.sqlite").display()),
        };
        text.parse::<StoreUrl>().map_err(|error| error.to_string())
    }
}

/// A URL as it was given; it is not shown, since it may have a password.
#[derive(Clone)]
pub struct UrlText(String);

impl std::str::FromStr for UrlText {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for UrlText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UrlText(..)")
    }
}

/// Shows what clients are given: what each server brings into the common content, what is shared,
/// what is renamed and why. Reads the data folder; the proxy may be running or not
#[derive(Debug, Clone, Args)]
pub struct ContentOptions {
    /// File or folder with the documents
    #[arg(long, env = "MESEGATE_RESOURCES", value_name = "PATH")]
    pub resources: PathBuf,

    /// The proxy's data folder
    #[arg(long, env = "MESEGATE_DATA", default_value = "mesegate-data", value_name = "DIR")]
    pub data: PathBuf,

    /// Protocol version of the clients [default: the highest that all servers speak]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16)
          .range(i64::from(ProtocolVersion::MIN.0)..=i64::from(ProtocolVersion::MAX.0)))]
    pub version: Option<u16>,

    /// Language of the clients, such as `de`; none when empty
    #[arg(long, default_value = "", value_name = "L")]
    pub language: String,

    /// Writes JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Prints the token with which the mod `mesegate` on a server proves itself to the proxy: write it
/// into that server's configuration as `mesegate.token`
#[derive(Debug, Clone, Args)]
pub struct ModTokenOptions {
    /// Name of the server's MinetestServer document
    pub server: String,

    /// The proxy's data folder; created if missing
    #[arg(long, env = "MESEGATE_DATA", default_value = "mesegate-data", value_name = "DIR")]
    pub data: PathBuf,
}

/// What the program was called for.
#[derive(Debug, Clone)]
pub enum Call {
    /// Run the proxy.
    Run(Box<Options>),
    /// Show what clients are given.
    Content(ContentOptions),
    /// Work on the account store.
    Accounts(AccountsOptions),
    /// Print the token of a server's mod.
    ModToken(ModTokenOptions),
    /// Take over a directory of mt-multiserver-proxy.
    Migrate(MigrateOptions),
}

impl Call {
    /// Reads the command line and the environment. Ends the process with a usage message where
    /// they are wrong, or with what was asked for, such as the version.
    pub fn parse() -> Self {
        Self::try_parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn try_parse_from<I, T>(args: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        let mut command = command();
        let matches = command.try_get_matches_from_mut(args)?;
        let (call, matches) = match matches.subcommand() {
            Some(("accounts", matches)) => {
                (Self::Accounts(AccountsOptions::from_arg_matches(matches)?), matches)
            }
            Some(("migrate", matches)) => {
                (Self::Migrate(MigrateOptions::from_arg_matches(matches)?), matches)
            }
            Some(("mod-token", matches)) => {
                return Ok(Self::ModToken(ModTokenOptions::from_arg_matches(matches)?));
            }
            Some((_, matches)) => {
                return Ok(Self::Content(ContentOptions::from_arg_matches(matches)?));
            }
            None => (Self::Run(Box::new(Options::from_arg_matches(&matches)?)), &matches),
        };
        let database = match &call {
            Self::Run(options) => options.database.database.as_ref(),
            Self::Accounts(options) => options.database.database.as_ref(),
            Self::Migrate(options) => options.database.database.as_ref(),
            Self::Content(_) | Self::ModToken(_) => None,
        };
        // Whoever may list processes would read it.
        let typed = matches.value_source("database") == Some(ValueSource::CommandLine);
        let url = database.and_then(|text| text.0.parse::<StoreUrl>().ok());
        if typed && url.is_some_and(|url| url.has_password()) {
            return Err(command.error(
                clap::error::ErrorKind::ValueValidation,
                "a password on the command line can be read by everybody on this machine: give the \
                 URL in MESEGATE_DATABASE or --database-file, or the password in PGPASSWORD or \
                 PGPASSFILE",
            ));
        }
        Ok(call)
    }
}

impl Options {
    /// Where `/livez`, `/readyz` and `/metrics` are served, if anywhere.
    ///
    /// # Errors
    /// The text names the flag when the value is not an address.
    pub fn http_addr(&self) -> Result<Option<SocketAddr>, String> {
        address("--http", &self.http, "127.0.0.1:9090")
    }

    /// Where media is served, if anywhere.
    ///
    /// # Errors
    /// The text names the flag when the value is not an address, or when there is a URL for
    /// nothing.
    pub fn media_http_addr(&self) -> Result<Option<SocketAddr>, String> {
        let addr = address("--media-http", &self.media_http, "0.0.0.0:30080")?;
        match (&self.media_url, addr) {
            (Some(url), None) if !url.is_empty() => {
                Err("--media-url is of no use without --media-http".into())
            }
            _ => Ok(addr),
        }
    }

    /// What this proxy is called.
    pub fn proxy_name(&self) -> String {
        let machine = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let name = self.name.clone().or_else(machine).unwrap_or_default();
        let name = name.trim();
        if name.is_empty() { "proxy".to_owned() } else { name.to_owned() }
    }

    /// How many client sockets to open.
    pub fn socket_count(&self) -> usize {
        match self.sockets {
            Some(n) => n.into(),
            None => std::thread::available_parallelism().map_or(1, |n| n.get().min(8)),
        }
    }
}

fn address(flag: &str, value: &str, example: &str) -> Result<Option<SocketAddr>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let wrong = |_| format!("{flag} {value:?} is not an address; write for example {example}");
    value.parse().map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_manual() {
        let options = Options::try_parse_from(["mesegate-proxy", "--resources", "x"]).unwrap();
        assert_eq!(options.listen.to_string(), "[::]:30000");
        let database = options.database.url(&options.data).unwrap();
        assert_eq!(database.to_string(), "sqlite:mesegate-data/auth.sqlite?mode=rwc");
        assert_eq!(options.http_addr().unwrap().unwrap().port(), 9090);
        assert_eq!(options.media_http_addr(), Ok(None));
    }

    #[test]
    fn the_content_is_shown_without_what_the_proxy_needs() {
        let args = ["mesegate-proxy", "content", "--resources", "x", "--version", "40", "--json"];
        let Ok(Call::Content(options)) = Call::try_parse_from(args) else { panic!() };
        assert_eq!((options.version, options.json), (Some(40), true));
        assert!(Call::try_parse_from(["mesegate-proxy", "content", "--version", "3"]).is_err());
        let run = Call::try_parse_from(["mesegate-proxy", "--resources", "x"]);
        assert!(matches!(run, Ok(Call::Run(_))));
    }

    #[test]
    fn a_database_password_is_not_taken_from_the_command_line_nor_shown() {
        let url = "postgres://mesegate:hunter2@db/auth";
        let args = ["mesegate-proxy", "--resources", "x", "--database", url];
        let error = Call::try_parse_from(args).unwrap_err().to_string();
        assert!(error.contains("--database-file") && !error.contains("hunter2"), "{error}");
        let args = ["mesegate-proxy", "accounts", "--database", url, "list"];
        assert!(Call::try_parse_from(args).is_err());
        let args = ["mesegate-proxy", "--resources", "x", "--database", "postgres://mesegate@db/a"];
        assert!(Call::try_parse_from(args).is_ok());

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        std::fs::write(&file, format!("{url}\n")).unwrap();
        let options = Options::try_parse_from([
            "mesegate-proxy".as_ref(),
            "--resources".as_ref(),
            "x".as_ref(),
            "--database-file".as_ref(),
            file.as_os_str(),
        ]);
        let options = options.unwrap();
        let shown = format!("{options:?} {}", options.database.url(&options.data).unwrap());
        assert!(shown.contains("mesegate@db/auth") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_wrong_http_address_names_the_flag() {
        let args = ["mesegate-proxy", "--resources", "x", "--http", "nowhere"];
        let options = Options::try_parse_from(args).unwrap();
        assert!(options.http_addr().unwrap_err().contains("--http"));
        let args = ["mesegate-proxy", "--resources", "x", "--media-http", "nowhere"];
        let options = Options::try_parse_from(args).unwrap();
        assert!(options.media_http_addr().unwrap_err().contains("--media-http"));
        let args = ["mesegate-proxy", "--resources", "x", "--media-url", "http://a/"];
        let options = Options::try_parse_from(args).unwrap();
        assert!(options.media_http_addr().unwrap_err().contains("--media-http"));
    }
}
