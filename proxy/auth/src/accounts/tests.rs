use std::os::unix::fs::PermissionsExt as _;

use std::time::Duration;

use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use super::*;
use crate::PasswordError;
use crate::srp::Verifier;

/// Made by engines up to 5.11 (`database/database-sqlite3.cpp`).
const OLD_SCHEMA: &str = "\
    CREATE TABLE `auth` (`id` INTEGER PRIMARY KEY AUTOINCREMENT,`name` VARCHAR(32) UNIQUE,\
    `password` VARCHAR(512),`last_login` INTEGER);\
    CREATE TABLE `user_privileges` (`id` INTEGER,`privilege` VARCHAR(32),\
    PRIMARY KEY (id, privilege)CONSTRAINT fk_id FOREIGN KEY (id) REFERENCES auth (id) \
    ON DELETE CASCADE);\
    INSERT INTO auth VALUES (1,'foo','iEPX+SQWIR3p67lj/0zigSWTKHg',1700000000),\
    (2,'nobody',NULL,NULL),(3,'odd','#2#AAAA#AAAA',0),(4,'nologin','',NULL);\
    INSERT INTO user_privileges VALUES (1,'interact'),(1,'fly'),(1,'shout');";

fn url(dir: &TempDir) -> StoreUrl {
    format!("sqlite:{}/auth.sqlite", dir.path().display()).parse().unwrap()
}

async fn fresh() -> (TempDir, Accounts) {
    let dir = tempfile::tempdir().unwrap();
    let accounts = Accounts::open(&url(&dir).creating()).await.unwrap();
    (dir, accounts)
}

fn pool(accounts: &Accounts) -> &sqlx::AnyPool {
    match &accounts.store {
        Store::Sql(sql) => sql.pool(),
        Store::Files(_) => panic!("not a database"),
    }
}

async fn raw(dir: &TempDir) -> SqliteConnection {
    SqliteConnection::connect(url(dir).creating().expose()).await.unwrap()
}

async fn old_file() -> (TempDir, Accounts) {
    let dir = tempfile::tempdir().unwrap();
    let mut connection = raw(&dir).await;
    sqlx::raw_sql(OLD_SCHEMA).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let accounts = Accounts::open(&url(&dir)).await.unwrap();
    (dir, accounts)
}

fn privileges(account: &Account) -> Vec<&str> {
    account.privileges.iter().map(String::as_str).collect()
}

fn legacy(hash: &str) -> Password {
    Password::Legacy(hash.to_owned())
}

#[tokio::test]
async fn account_lives_through_registration_login_and_password_change() {
    let (dir, accounts) = fresh().await;
    assert_eq!(accounts.get("Alice").await.unwrap(), None);
    let first = Password::Srp(Verifier::from_password("Alice", b"one"));
    accounts.create("Alice", &first, DEFAULT_PRIVILEGES).await.unwrap();
    let account = accounts.get("Alice").await.unwrap().unwrap();
    assert_eq!((&account.password, account.last_login), (&first, NEVER));
    assert_eq!(privileges(&account), ["interact", "shout"]);

    accounts.note_login("Alice", 1_800_000_000);
    let second = Password::Srp(Verifier::from_password("Alice", b"two"));
    accounts.set_password("Alice", &second).await.unwrap();
    accounts.close().await;

    let accounts = Accounts::open(&url(&dir)).await.unwrap();
    let account = accounts.get("Alice").await.unwrap().unwrap();
    assert_eq!((&account.password, account.last_login), (&second, 1_800_000_000));
    assert_eq!(privileges(&account), ["interact", "shout"]);
}

#[tokio::test]
async fn names_are_case_sensitive_but_twins_are_refused() {
    let (_dir, accounts) = fresh().await;
    accounts.create("Alice", &legacy(""), &[]).await.unwrap();
    assert_eq!(accounts.get("alice").await.unwrap(), None);
    assert_eq!(accounts.find_case_insensitive("aLICE").await.unwrap().as_deref(), Some("Alice"));
    assert_eq!(accounts.find_case_insensitive("Alice").await.unwrap(), None);
    assert_eq!(accounts.find_case_insensitive("Alic_").await.unwrap(), None);
    let twin = accounts.create("alice", &legacy(""), &[]).await;
    assert!(matches!(twin, Err(AccountError::Twin(name)) if name == "Alice"));
    let again = accounts.create("Alice", &legacy(""), &[]).await;
    assert!(matches!(again, Err(AccountError::Exists(name)) if name == "Alice"));
}

#[tokio::test]
async fn accounts_that_do_not_exist_are_not_changed() {
    let (_dir, accounts) = fresh().await;
    let missing = accounts.set_password("bob", &legacy("")).await;
    assert!(matches!(missing, Err(AccountError::Missing(_))));
    accounts.note_login("bob", 1);
    accounts.note_server("alice", "lobby");
    let missing = accounts.delete("bob").await;
    assert!(matches!(missing, Err(AccountError::Missing(_))));
    assert_eq!(accounts.get("bob").await.unwrap(), None);
}

#[tokio::test]
async fn file_of_an_old_engine_is_used_as_it_is() {
    let (dir, accounts) = old_file().await;
    let foo = accounts.get("foo").await.unwrap().unwrap();
    assert_eq!(foo.password, legacy("iEPX+SQWIR3p67lj/0zigSWTKHg"));
    assert_eq!(privileges(&foo), ["fly", "interact", "shout"]);
    assert_eq!(foo.last_login, 1_700_000_000);
    assert_eq!(accounts.get("nologin").await.unwrap().unwrap().last_login, 0);
    accounts.create("new", &legacy(""), &["shout", "shout"]).await.unwrap();
    assert_eq!(privileges(&accounts.get("new").await.unwrap().unwrap()), ["shout"]);
    accounts.close().await;

    let mut connection = raw(&dir).await;
    let schema: Vec<String> = sqlx::query_scalar(
        "SELECT sql FROM sqlite_schema WHERE name IN ('auth', 'user_privileges') ORDER BY name",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert!(OLD_SCHEMA.contains(&schema[0]) && OLD_SCHEMA.contains(&schema[1]), "{schema:?}");
}

#[tokio::test]
async fn unusable_passwords_are_errors_and_not_empty_passwords() {
    let (_dir, accounts) = old_file().await;
    for (name, source) in
        [("nobody", PasswordError::Missing), ("odd", PasswordError::UnknownFormat)]
    {
        let result = accounts.get(name).await;
        assert!(matches!(result, Err(AccountError::Password { source: s, .. }) if s == source));
    }
}

#[tokio::test]
async fn journal_mode_of_the_file_is_kept_and_privileges_go_with_the_account() {
    for mode in ["delete", "wal"] {
        let dir = tempfile::tempdir().unwrap();
        let mut other = raw(&dir).await;
        let set = if mode == "wal" { "PRAGMA journal_mode=wal" } else { "PRAGMA journal_mode" };
        sqlx::query(set).execute(&mut other).await.unwrap();
        let accounts = Accounts::open(&url(&dir)).await.unwrap();
        accounts.create("alice", &legacy(""), &["fly"]).await.unwrap();
        let kept: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut other).await.unwrap();
        assert_eq!(kept, mode);
        sqlx::query("DELETE FROM auth").execute(pool(&accounts)).await.unwrap();
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM user_privileges")
            .fetch_one(&mut other)
            .await
            .unwrap();
        assert_eq!(left, 0, "foreign keys are off");
    }
}

#[tokio::test]
async fn changes_by_an_engine_are_seen_and_its_locks_waited_for() {
    let (dir, accounts) = fresh().await;
    accounts.create("alice", &legacy(""), &[]).await.unwrap();
    let mut engine = raw(&dir).await;
    sqlx::raw_sql("BEGIN EXCLUSIVE; UPDATE auth SET last_login = 7")
        .execute(&mut engine)
        .await
        .unwrap();
    let release = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sqlx::raw_sql("COMMIT").execute(&mut engine).await.unwrap();
        engine
    });
    accounts.create("bob", &legacy(""), &[]).await.unwrap();
    let _engine = release.await.unwrap();
    assert_eq!(accounts.get("alice").await.unwrap().unwrap().last_login, 7);
}

#[tokio::test]
async fn many_registrations_at_once_all_arrive() {
    let (_dir, accounts) = fresh().await;
    let tasks: Vec<_> = (0..40)
        .map(|i| {
            let accounts = accounts.clone();
            tokio::spawn(async move {
                accounts.create(&format!("p{}", i / 2), &legacy(""), DEFAULT_PRIVILEGES).await
            })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => made += 1,
            Err(error) => assert!(matches!(error, AccountError::Exists(_)), "{error}"),
        }
    }
    assert_eq!(made, 20);
}

#[tokio::test]
async fn opening_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let open = async |text: &str| Accounts::open(&text.parse::<StoreUrl>()?).await;
    let missing = Accounts::open(&url(&dir)).await.unwrap_err();
    assert!(missing.to_string().contains("auth.sqlite"), "{missing}");
    assert!(!dir.path().join("auth.sqlite").exists());
    for bad in ["mysql://db", "auth.sqlite", "sqlite:", "sqlite:x?mode=never", "authtxt:a"] {
        let error = open(bad).await.unwrap_err();
        assert!(matches!(error, AccountError::Url { .. }), "{bad}: {error}");
    }
    let nowhere = open("sqlite:/nonexistent/a.sqlite?mode=rwc").await.unwrap_err();
    assert!(matches!(nowhere, AccountError::File { .. }), "{nowhere}");
    std::fs::write(dir.path().join("auth.sqlite"), vec![b'x'; 4096]).unwrap();
    let garbage = Accounts::open(&url(&dir)).await.unwrap_err();
    assert!(matches!(garbage, AccountError::Open { .. }), "{garbage}");
    // Port 9 discards; nothing listens there.
    let away = open("postgres://nobody@127.0.0.1:9/none").await.unwrap_err();
    assert!(away.is_passing(), "{away:?}");
}

#[tokio::test]
async fn a_new_file_is_private() {
    let (dir, accounts) = fresh().await;
    accounts.create("alice", &legacy(""), &[]).await.unwrap();
    let metadata = std::fs::metadata(dir.path().join("auth.sqlite")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn the_target_of_a_reconnect_is_kept_until_it_expires_or_is_cleared() {
    let (dir, accounts) = fresh().await;
    assert_eq!(accounts.reconnect("alice", 100).await.unwrap(), None);
    accounts.set_reconnect("alice", "arena", 100, 200).await.unwrap();
    accounts.set_reconnect("alice", "lobby", 100, 300).await.unwrap();
    accounts.close().await;
    let accounts = Accounts::open(&url(&dir)).await.unwrap();
    assert_eq!(accounts.reconnect("alice", 299).await.unwrap().as_deref(), Some("lobby"));
    assert_eq!(accounts.reconnect("alice", 300).await.unwrap(), None);
    assert_eq!(accounts.reconnect("Alice", 100).await.unwrap(), None);
    accounts.clear_reconnect("alice").await.unwrap();
    assert_eq!(accounts.reconnect("alice", 100).await.unwrap(), None);
}

#[tokio::test]
async fn targets_that_have_expired_do_not_pile_up() {
    let (_dir, accounts) = fresh().await;
    for index in 0..10 {
        let now = index * 10;
        accounts.set_reconnect(&index.to_string(), "arena", now, now + 10).await.unwrap();
    }
    let count = "SELECT count(*) FROM mesegate_reconnect";
    let count: i64 = sqlx::query_scalar(count).fetch_one(pool(&accounts)).await.unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn tables_of_a_later_release_are_left_alone() {
    let (dir, accounts) = fresh().await;
    accounts.close().await;
    let mut connection = raw(&dir).await;
    sqlx::raw_sql("UPDATE mesegate_schema SET version = 99")
        .execute(&mut connection)
        .await
        .unwrap();
    let newer = Accounts::open(&url(&dir)).await.unwrap_err();
    assert!(matches!(newer, AccountError::Newer { found: 99, .. }), "{newer}");
}

#[tokio::test]
async fn what_is_noted_is_written_once_the_store_answers_again() {
    let (dir, accounts) = fresh().await;
    accounts.create("alice", &legacy(""), &["fly"]).await.unwrap();
    let mut engine = raw(&dir).await;
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut engine).await.unwrap();
    for second in 1..=100 {
        accounts.note_login("alice", second);
        accounts.note_server("alice", "lobby");
    }
    // Not written yet, but known.
    assert_eq!(accounts.last_server("alice").await.unwrap().as_deref(), Some("lobby"));
    tokio::time::sleep(Duration::from_secs(6)).await;
    sqlx::raw_sql("COMMIT").execute(&mut engine).await.unwrap();
    let since = std::time::Instant::now();
    while accounts.get("alice").await.unwrap().unwrap().last_login != 100 {
        assert!(since.elapsed() < Duration::from_secs(15), "not written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    accounts.close().await;
    let accounts = Accounts::open(&url(&dir)).await.unwrap();
    assert_eq!(accounts.last_server("alice").await.unwrap().as_deref(), Some("lobby"));
}
