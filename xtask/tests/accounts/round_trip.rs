//! Ten thousand accounts and a thousand bans through every pair of stores and back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use mesegate_auth::srp::Verifier;
use mesegate_auth::{Accounts, BanSubject, NewBan, Password, Record, StoreUrl, legacy_hash};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use xtask::postgres::Postgres;

use crate::lab::{accounts, accounts_command, connect, runtime, url_file};

const ACCOUNTS: usize = 10_000;
const BANS: usize = 1_000;
const KILLS: usize = 20;

/// Everything that a store says, but for the numbers of bans.
#[derive(PartialEq, Eq)]
struct Content {
    accounts: BTreeMap<String, Record>,
    bans: Vec<NewBan>,
}

async fn content(url: &str) -> Content {
    let url: StoreUrl = url.parse().unwrap();
    let store = Accounts::open(&url).await.unwrap();
    let names = store.names().await.unwrap();
    let records = store.records(&names).await.unwrap();
    let accounts = records.into_iter().map(|it| (it.name.clone(), it)).collect();
    let mut bans = Vec::new();
    let mut after = 0;
    loop {
        let page = store.bans().list(after, 500, true, 0).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.id;
        bans.extend(page.into_iter().map(|it| it.terms));
    }
    bans.sort_by_key(|it| format!("{it:?}"));
    store.close().await;
    Content { accounts, bans }
}

/// Says where two differ; all of it would be too much to read.
fn assert_same(found: &Content, wanted: &Content, what: &str) {
    assert_eq!(found.accounts.len(), wanted.accounts.len(), "{what}: accounts");
    for (name, account) in &wanted.accounts {
        assert!(found.accounts.get(name) == Some(account), "{what}: {account:?}");
    }
    assert_eq!(found.bans.len(), wanted.bans.len(), "{what}: bans");
    for (found, wanted) in found.bans.iter().zip(&wanted.bans) {
        assert_eq!(found, wanted, "{what}");
    }
}

/// A database as if engines had made it: SRP of both spellings, legacy hashes, empty passwords,
/// with and without privileges.
async fn fill(url: &str) {
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    let store = Accounts::open(&url.parse().unwrap()).await.unwrap();
    let mut db = connect(url).await;
    sqlx::raw_sql("BEGIN").execute(&mut db).await.unwrap();
    for number in 0..ACCOUNTS {
        let name = format!("Player_{number}-x");
        let password = match number % 10 {
            8 => legacy_hash(&name, "old"),
            9 => String::new(),
            _ => {
                let mut salt = vec![0; 16];
                let mut verifier = vec![0; 256 - number % 3];
                random.fill_bytes(&mut salt);
                random.fill_bytes(&mut verifier);
                verifier[0] |= 1;
                Password::Srp(Verifier { salt, verifier }).format()
            }
        };
        let login: i64 = if number % 7 == 0 { -1 } else { random.random_range(0..2_000_000_000) };
        let add = "INSERT INTO auth (name, password, last_login) VALUES ($1, $2, $3) RETURNING id";
        let id: i64 = sqlx::query_scalar(add)
            .bind(&name)
            .bind(password)
            .bind(login)
            .fetch_one(&mut db)
            .await
            .unwrap();
        for privilege in ["interact", "shout", "fly", "my_mod:thing"].iter().take(number % 5) {
            let grant = "INSERT INTO user_privileges (id, privilege) VALUES ($1, $2)";
            sqlx::query(grant).bind(id).bind(*privilege).execute(&mut db).await.unwrap();
        }
        if number % 3 == 0 {
            let add = "INSERT INTO mesegate_player (name, server) VALUES ($1, $2)";
            sqlx::query(add).bind(&name).bind("arena-2").execute(&mut db).await.unwrap();
        }
    }
    sqlx::raw_sql("COMMIT").execute(&mut db).await.unwrap();
    let bans = store.bans();
    for number in 0..BANS {
        let subject = match number % 4 {
            0 => BanSubject::Name(format!("Griefer{number}")),
            1 => BanSubject::Addresses(
                format!("198.51.{}.{}", number / 250, number % 250).parse().unwrap(),
            ),
            2 => BanSubject::Addresses(format!("2001:db8:{number:x}::/64").parse().unwrap()),
            _ => BanSubject::Addresses(format!("2001:db8::{number:x}").parse().unwrap()),
        };
        let ban = NewBan {
            subject,
            reason: format!("\"grief\"\nnumber {number} — ä"),
            note: if number % 2 == 0 { "Griefer".into() } else { String::new() },
            author: "boss".into(),
            created: 1_700_000_000 + number as i64,
            // Some have ended.
            expires: match number % 3 {
                0 => None,
                1 => Some(1_700_100_000),
                _ => Some(4_000_000_000),
            },
        };
        bans.create(ban).await.unwrap();
    }
    store.close().await;
}

fn import(folder: &Path, from: &str, to: &str) -> String {
    let file = url_file(folder, "from-url", from);
    let output = accounts(to, folder, &["import", "--url-file", file.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{from} to {to}: {text}{errors}");
    assert!(!errors.contains("lab-only"), "{errors}");
    text
}

pub(crate) async fn empty_database(postgres: &Postgres, name: &str) -> String {
    let mut db = connect(&postgres.url("postgres")).await;
    let make = format!("CREATE DATABASE {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut db).await.unwrap();
    postgres.url(name)
}

#[test]
#[ignore = "minutes without optimization"]
fn accounts_and_bans_are_the_same_after_every_pair_of_stores() {
    let postgres = Postgres::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let sqlite = |name: &str| format!("sqlite:{}?mode=rwc", dir.join(name).display());
    let files = |name: &str| format!("files:{}", dir.join(name).display());
    let runtime = runtime();
    let first = sqlite("first.sqlite");
    let wanted = runtime.block_on(async {
        fill(&first).await;
        content(&first).await
    });
    // sqlite > postgres > sqlite > files > postgres > files > sqlite: every pair, both ways.
    let stores = runtime.block_on(async {
        [
            first.clone(),
            empty_database(&postgres, "one").await,
            sqlite("second.sqlite"),
            files("one"),
            empty_database(&postgres, "two").await,
            files("two"),
            sqlite("third.sqlite"),
        ]
    });
    for (number, pair) in stores.windows(2).enumerate() {
        let began = Instant::now();
        let planned = {
            let file = url_file(dir, "from-url", &pair[0]);
            let file = file.to_str().unwrap();
            accounts(&pair[1], dir, &["import", "--dry-run", "--url-file", file])
        };
        let planned = String::from_utf8_lossy(&planned.stdout).into_owned();
        assert!(planned.contains(&format!("{ACCOUNTS} would be added")), "{planned}");
        let done = import(dir, &pair[0], &pair[1]);
        assert!(done.contains(&format!("accounts: {ACCOUNTS} added")), "{done}");
        assert!(done.contains(&format!("bans: {BANS} added")), "{done}");
        let took = began.elapsed().as_secs_f64();
        let again = import(dir, &pair[0], &pair[1]);
        assert!(again.contains(&format!("0 changed, {ACCOUNTS} there already")), "{again}");
        let found = runtime.block_on(content(&pair[1]));
        assert_same(&found, &wanted, &format!("pair {number}"));
        println!("pair {number}: {took:.1} s");
    }
    // The engine's text file has no place for last servers and bans.
    let text = format!("authtxt:{}", dir.join("auth.txt").display());
    let output = accounts(&first, dir, &["export", &text]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("no place there for: last servers, bans"), "{told}");
    let back = sqlite("from-text.sqlite");
    import(dir, &text, &back);
    let found = runtime.block_on(content(&back));
    // Nor for privileges with a colon, which separates its fields.
    let plain = wanted.accounts.iter().filter(|it| !it.1.privileges.contains("my_mod:thing"));
    for (name, account) in plain {
        let wanted = Record { last_server: None, ..account.clone() };
        assert!(found.accounts.get(name) == Some(&wanted), "{account:?}");
    }
}

#[test]
#[ignore = "minutes without optimization"]
fn an_import_that_is_killed_leaves_a_readable_store_and_can_be_continued() {
    let postgres = Postgres::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let first = format!("sqlite:{}?mode=rwc", dir.join("first.sqlite").display());
    let runtime = runtime();
    let wanted = runtime.block_on(async {
        fill(&first).await;
        content(&first).await
    });
    let file = url_file(dir, "from-url", &first);
    let mut random = rand::rng();
    let mut told = String::new();
    let targets = [
        format!("sqlite:{}?mode=rwc", dir.join("killed.sqlite").display()),
        format!("files:{}", dir.join("killed").display()),
        runtime.block_on(empty_database(&postgres, "killed")),
    ];
    for (number, target) in targets.iter().enumerate() {
        let mut counts = Vec::new();
        for _ in 0..KILLS / targets.len() + usize::from(number < KILLS % targets.len()) {
            let arguments = ["import", "--url-file", file.to_str().unwrap()];
            let mut command = accounts_command(target, dir, &arguments);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            let mut child = command.spawn().unwrap();
            std::thread::sleep(Duration::from_millis(random.random_range(20..700)));
            child.kill().unwrap();
            child.wait().unwrap();
            let found = runtime.block_on(content(target));
            for (name, account) in &found.accounts {
                assert!(wanted.accounts.get(name) == Some(account), "{target}: {account:?}");
            }
            for ban in &found.bans {
                assert!(wanted.bans.contains(ban), "{target}: {ban:?}");
            }
            counts.push(found.accounts.len());
        }
        assert!(counts.is_sorted(), "{target}: accounts went away: {counts:?}");
        let done = import(dir, &first, target);
        assert_same(&runtime.block_on(content(target)), &wanted, &done);
        let _ = writeln!(told, "after each kill there were {counts:?} accounts; then all");
    }
    println!("{told}");
}
