//! Directories of mt-multiserver-proxy become documents and accounts by one command, and their
//! players log in and find what they had.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mesegate_auth::srp::Verifier;
use mesegate_testkit::JoinError;
use serde_json::json;
use sqlx::Connection as _;
use xtask::client::{Client, ClientSpec};
use xtask::engine::{Server, ServerSpec};
use xtask::lab::Generation::{V5_10, V5_15};
use xtask::lab::{Generation, Lab};
use xtask::postgres::Postgres;
use xtask::proxy::{Proxy, ProxySpec};

use crate::brute_force::elsewhere;
use crate::lab::{PATIENCE, connect, join, runtime, try_join};
use crate::round_trip::empty_database;

/// Players with their passwords.
const PLAYERS: [(&str, &str); 3] = [("boss", "boss secret"), ("alice", "hers"), ("carol", "x y")];

/// Who is banned, and where from.
const BANNED: (&str, Ipv4Addr) = ("mallory", Ipv4Addr::new(127, 0, 0, 9));

/// Where the incumbent kept accounts.
enum Backend {
    Files,
    Sqlite,
    /// With how to reach it.
    Postgres(String),
}

impl Backend {
    /// Makes the directory as its programs do (`auth_files.go`, `auth_mtsqlite3.go`,
    /// `auth_mtpostgresql.go`).
    async fn fill(&self, folder: &Path) {
        let verifiers = PLAYERS
            .map(|(name, password)| (name, Verifier::from_password(name, password.as_bytes())));
        let url = match self {
            Self::Files => {
                for (name, Verifier { salt, verifier }) in verifiers {
                    let own = folder.join("auth").join(name);
                    std::fs::create_dir_all(&own).unwrap();
                    std::fs::write(own.join("salt"), salt).unwrap();
                    std::fs::write(own.join("verifier"), verifier).unwrap();
                    std::fs::write(own.join("timestamp"), "").unwrap();
                }
                std::fs::write(folder.join("auth/alice/last_server"), "Creative World").unwrap();
                std::fs::create_dir(folder.join("ban")).unwrap();
                std::fs::write(folder.join("ban").join(BANNED.1.to_string()), BANNED.0).unwrap();
                return;
            }
            Self::Sqlite => format!("sqlite:{}?mode=rwc", folder.join("auth.sqlite").display()),
            Self::Postgres(url) => url.clone(),
        };
        std::fs::write(folder.join("ipban.txt"), format!("{}|{}\n", BANNED.1, BANNED.0)).unwrap();
        let mut db = connect(&url).await;
        let table = match self {
            Self::Sqlite => {
                "CREATE TABLE auth (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(32) UNIQUE, \
                 password VARCHAR(512), last_login INTEGER)"
            }
            _ => {
                "CREATE TABLE auth (id SERIAL PRIMARY KEY, name TEXT UNIQUE, password TEXT, \
                 last_login INTEGER NOT NULL DEFAULT 0)"
            }
        };
        sqlx::query(table).execute(&mut db).await.unwrap();
        for (name, Verifier { salt, verifier }) in verifiers {
            // Padded, other than engines write them.
            let field = format!("#1#{}#{}", STANDARD.encode(salt), STANDARD.encode(verifier));
            let insert =
                "INSERT INTO auth (name, password, last_login) VALUES ($1, $2, 1700000000)";
            sqlx::query(insert).bind(name).bind(field).execute(&mut db).await.unwrap();
        }
        db.close().await.unwrap();
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Sqlite => "mtsqlite3",
            Self::Postgres(_) => "mtpostgresql",
        }
    }
}

fn configure(folder: &Path, backend: &Backend, lobby: &Server, creative: &Server) {
    let connection = match backend {
        Backend::Postgres(url) => url.as_str(),
        _ => "",
    };
    let config = json!({
        "AuthBackend": backend.name(),
        "AuthPostgresConn": connection,
        "CmdPrefix": "!",
        "RequirePasswd": true,
        "UserLimit": 30,
        "DefaultSrv": "Lobbies",
        "Servers": {
            "lobby": { "Addr": lobby.address().to_string(), "Groups": ["Lobbies"] },
            "Creative World": { "Addr": creative.address().to_string(), "Fallback": "lobby" },
        },
        "Groups": { "default": ["cmd_server"], "Staff": ["cmd_*"] },
        "UserGroups": { "boss": "Staff" },
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

fn migrate(from: &Path, to: &Path, more: &[&str]) -> Output {
    Command::new(Proxy::build().unwrap())
        .arg("migrate")
        .arg(from)
        .args(more)
        .arg("--out")
        .arg(to.join("new.yaml"))
        .arg("--data")
        .arg(to.join("data"))
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// The documents and the data folder that the directory becomes.
fn taken_over(folder: &Path) -> (String, PathBuf) {
    let (from, to) = (folder.join("old"), folder.join("new"));
    std::fs::create_dir(&to).unwrap();
    let dry = migrate(&from, &to, &["--dry-run"]);
    assert!(dry.status.success(), "{}", said(&dry));
    assert!(said(&dry).contains("accounts: 3 would be added"), "{}", said(&dry));
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 0, "a dry run made something");

    let done = migrate(&from, &to, &[]);
    assert!(done.status.success(), "{}", said(&done));
    for expected in
        ["accounts: 3 added", "bans: 1 added", "\"Creative World\" is called creative-world now"]
    {
        assert!(said(&done).contains(expected), "{expected}: {}", said(&done));
    }
    let again = migrate(&from, &to, &[]);
    assert!(again.status.success(), "{}", said(&again));
    assert!(said(&again).contains("accounts: 0 added"), "{}", said(&again));
    let documents = std::fs::read_to_string(to.join("new.yaml")).unwrap();

    std::fs::write(to.join("new.yaml"), "# my own\n").unwrap();
    let refused = migrate(&from, &to, &[]);
    assert!(!refused.status.success() && said(&refused).contains("--out"), "{}", said(&refused));
    (documents, to.join("data"))
}

async fn play(proxy: &Proxy, lobby: &Server, creative: &Server, last_servers: bool) {
    let wrong = try_join(proxy.address(), "alice", "wrong").await.map(drop);
    assert!(matches!(&wrong, Err(JoinError::Denied { .. })), "{wrong:?}");
    let (from, relay) = elsewhere(BANNED.1, proxy.address()).await;
    let banned = try_join(from, "carol", "x y").await.map(drop);
    assert!(matches!(&banned, Err(JoinError::Denied { .. })), "{banned:?}");
    relay.abort();

    let alice = join(proxy.address(), "alice", "hers").await;
    assert!(!alice.registered(), "alice was registered anew");
    let home = if last_servers { creative } else { lobby };
    home.wait_log("probe: join alice", PATIENCE).unwrap();
    let boss = join(proxy.address(), "boss", "boss secret").await;
    lobby.wait_log("probe: join boss", PATIENCE).unwrap();
    alice.say("!kick boss").await;
    alice.expect_chat("kick", PATIENCE).await.unwrap();
    alice.say("!server creative-world").await;
    creative.wait_log("probe: join alice", PATIENCE).unwrap();
    assert_eq!(boss.closed(), None);
    boss.say("!kick alice enough").await;
    let gone = tokio::time::timeout(PATIENCE, async {
        while alice.closed().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    gone.await.expect("alice is still there");
    boss.leave().await;
}

#[test]
#[ignore = "needs the lab: real servers and clients"]
fn directories_of_the_incumbent_are_taken_over_and_their_players_log_in() {
    let lab = Lab::ensure(&Generation::ALL).unwrap();
    let start = |name, generation| {
        Server::start(&lab, ServerSpec::new(name, generation).probe(name)).unwrap()
    };
    let postgres = Postgres::start().unwrap();
    let runtime = runtime();
    let url = runtime.block_on(empty_database(&postgres, "incumbent"));
    for backend in [Backend::Files, Backend::Sqlite, Backend::Postgres(url)] {
        // Each with worlds that nobody has been to.
        let (lobby, creative) = (start("lobby", V5_15), start("creative", V5_10));
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("old");
        std::fs::create_dir(&old).unwrap();
        runtime.block_on(backend.fill(&old));
        configure(&old, &backend, &lobby, &creative);
        let (documents, data) = taken_over(folder.path());
        assert!(!documents.contains("lab-only"), "a password is in the documents");

        let store = format!("sqlite:{}", data.join("auth.sqlite").display());
        let spec = ProxySpec::documented(&documents)
            .folder(folder.path().join("proxy"))
            .flag("--database", &store);
        let proxy = Proxy::start(&spec).unwrap();
        let files = matches!(backend, Backend::Files);
        runtime.block_on(play(&proxy, &lobby, &creative, files));
        if files {
            let spec = ClientSpec::new(V5_15, "carol", proxy.address()).password("x y");
            let mut client = Client::start(&lab, spec).unwrap();
            client.wait_joined(Duration::from_mins(1)).unwrap();
            lobby.wait_log("probe: join carol", PATIENCE).unwrap();
        }
        println!("{}: taken over", backend.name());
    }
}
