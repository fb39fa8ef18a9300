//! What the tests of this program have in common.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use mesegate_testkit::{Bot, BotOptions, JoinError};
use sqlx::AnyConnection;
use tokio::runtime::Runtime;
use xtask::engine::{Server, ServerSpec};
use xtask::lab::{Generation, Lab};
use xtask::proxy::{Proxy, ProxySpec};

/// How long one thing may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A plain server for players to be on, whose accounts nobody looks at.
pub(crate) fn lobby(lab: &Lab) -> Server {
    Server::start(lab, ServerSpec::new("lobby", Generation::V5_15).setting("max_users", 100))
        .unwrap()
}

/// A proxy in front of `server` with this account store. `folder` gets the file with the URL, and
/// the key that makes later proxies of the same folder known to the server.
pub(crate) fn proxy(server: &Server, url: &str, folder: &Path, fields: &str) -> Proxy {
    let file = folder.join("database-url");
    std::fs::write(&file, url).unwrap();
    let spec = ProxySpec::new(&[(server.name(), server.address())])
        .proxy_fields(fields)
        .folder(folder.join("proxy"))
        .flag("--database-file", file.to_str().unwrap());
    Proxy::start(&spec).unwrap()
}

pub(crate) async fn try_join(
    addr: SocketAddr,
    name: &str,
    password: &str,
) -> Result<Bot, JoinError> {
    Bot::join(BotOptions::new(addr, name).with_password(password)).await
}

pub(crate) async fn join(addr: SocketAddr, name: &str, password: &str) -> Bot {
    let joined = try_join(addr, name, password).await;
    joined.unwrap_or_else(|error| panic!("{name} at {addr}: {error}"))
}

/// What `mesegate-proxy accounts` is run with.
pub(crate) fn accounts_command(store: &str, folder: &Path, arguments: &[&str]) -> Command {
    // Not on the command line, since it may have a password.
    let mut command = Command::new(Proxy::build().unwrap());
    command.arg("accounts").env("MESEGATE_DATABASE", store).args(arguments).current_dir(folder);
    command
}

pub(crate) fn accounts(store: &str, folder: &Path, arguments: &[&str]) -> Output {
    accounts_command(store, folder, arguments).output().unwrap()
}

/// A URL in a file, for `--url-file`.
pub(crate) fn url_file(folder: &Path, name: &str, url: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, url).unwrap();
    path
}

/// A row of `auth`.
pub(crate) type AuthRow = (i64, String, String, i64);

/// The tables of engines, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tables {
    pub(crate) auth: Vec<AuthRow>,
    pub(crate) privileges: Vec<(i64, String)>,
}

impl Tables {
    pub(crate) async fn read(url: &str) -> Self {
        let mut db = connect(url).await;
        let auth = "SELECT id, name, password, last_login FROM auth ORDER BY id";
        let privileges = "SELECT id, privilege FROM user_privileges ORDER BY id, privilege";
        Self {
            auth: sqlx::query_as(auth).fetch_all(&mut db).await.unwrap(),
            privileges: sqlx::query_as(privileges).fetch_all(&mut db).await.unwrap(),
        }
    }

    pub(crate) fn password(&self, name: &str) -> &str {
        &self.auth.iter().find(|row| row.1 == name).unwrap().2
    }

    pub(crate) fn ids(&self) -> Vec<(i64, &str)> {
        self.auth.iter().map(|row| (row.0, row.1.as_str())).collect()
    }
}

pub(crate) async fn connect(url: &str) -> AnyConnection {
    use sqlx::Connection as _;
    sqlx::any::install_default_drivers();
    AnyConnection::connect(url).await.unwrap()
}
