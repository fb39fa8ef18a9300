//! Accounts of an existing world, and changing a password in the game.

use mesegate_auth::legacy_hash;
use mesegate_auth::srp::{ClientHandshake, Verifier};
use mesegate_protocol::login::{BasedOn, DenyCode, FirstSrp, SrpBytesA, SrpBytesM, SrpBytesSB};
use mesegate_protocol::to_client;
use mesegate_testkit::{Bot, Event, FakeServer};
use sqlx::{Connection as _, SqliteConnection};

use crate::support::{Documents, Launch, Proxy, SOON, lobby, refusal, within};

const FOREVER: u64 = 60;

/// The tables as engines make them (`database/database-sqlite3.cpp`, `AuthDatabaseSQLite3`).
const SCHEMA: &str = "\
    CREATE TABLE `auth` (`id` INTEGER PRIMARY KEY AUTOINCREMENT,`name` VARCHAR(32) UNIQUE,\
    `password` VARCHAR(512),`last_login` INTEGER);\
    CREATE TABLE `user_privileges` (`id` INTEGER,`privilege` VARCHAR(32),\
    PRIMARY KEY (id, privilege)CONSTRAINT fk_id FOREIGN KEY (id) REFERENCES auth (id) \
    ON DELETE CASCADE);";

struct World {
    server: FakeServer,
    proxy: Proxy,
}

/// A proxy that uses the account file of a world with these names and stored passwords.
async fn existing(accounts: &[(&str, String)], fields: &str) -> World {
    let server = FakeServer::of(lobby()).unwrap();
    let documents = Documents::new().server("lobby", server.addr()).proxy(fields);
    let launch = Launch::new(documents);
    let file = launch.folder().join("world.sqlite");
    let url = format!("sqlite:{}", file.display());
    let mut db = SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
    sqlx::raw_sql(SCHEMA).execute(&mut db).await.unwrap();
    for (name, password) in accounts {
        let insert = "INSERT INTO auth (name, password, last_login) VALUES (?, ?, 1700000000)";
        sqlx::query(insert).bind(*name).bind(password).execute(&mut db).await.unwrap();
    }
    db.close().await.unwrap();
    let proxy = launch.arg("--database", &url).start().await;
    World { server, proxy }
}

async fn stored(world: &World, name: &str) -> (String, i64) {
    let url = format!("sqlite:{}", world.proxy.file("world.sqlite").display());
    let mut db = SqliteConnection::connect(&url).await.unwrap();
    let query = "SELECT password, last_login FROM auth WHERE name = ?";
    sqlx::query_as(query).bind(name).fetch_one(&mut db).await.unwrap()
}

/// The next message of one of these commands.
async fn answer(bot: &Bot, commands: &[u16]) -> Event {
    let end = tokio::time::Instant::now() + SOON;
    loop {
        if let Some(event) = bot.events().into_iter().find(|e| commands.contains(&e.command)) {
            return event;
        }
        assert!(tokio::time::Instant::now() < end, "no answer of {commands:?}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Proves `old` once more, as `client/client.cpp` sendChangePassword. Returns whether it was
/// accepted.
async fn prove(bot: &Bot, old: &str, based_on: BasedOn) -> bool {
    let secret = match based_on {
        BasedOn::Password => old.to_owned(),
        BasedOn::LegacyHash => legacy_hash(bot.name(), old),
    };
    let both = [to_client::ACCEPT_SUDO_MODE, to_client::DENY_SUDO_MODE];
    bot.events();
    let (handshake, a) = ClientHandshake::start(bot.name(), secret.as_bytes());
    bot.send(1, true, SrpBytesA { a, based_on }.encode()).await;
    let event = answer(bot, &[to_client::SRP_BYTES_S_B, both[0], both[1]]).await;
    if both.contains(&event.command) {
        return event.command == both[0];
    }
    let SrpBytesSB { salt, b } = SrpBytesSB::decode(&event.body).unwrap();
    let m = handshake.respond(&salt, &b).unwrap().to_vec();
    bot.send(1, true, SrpBytesM { m }.encode()).await;
    answer(bot, &both).await.command == both[0]
}

async fn set(bot: &Bot, new: &str) {
    let Verifier { salt, verifier } = Verifier::from_password(bot.name(), new.as_bytes());
    bot.send(1, true, FirstSrp { salt, verifier, empty: new.is_empty() }.encode()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_an_old_world_keep_their_passwords() {
    within(FOREVER, async {
        let accounts = [
            ("Oldie", legacy_hash("Oldie", "geheim")),
            ("Blank", String::new()),
            ("Newer", {
                let verifier = Verifier::from_password("Newer", b"secret");
                mesegate_auth::Password::Srp(verifier).format()
            }),
        ];
        let world = existing(&accounts, "").await;
        let join =
            |name: &str, password: &str| Bot::join(world.proxy.bot(name).with_password(password));
        for (name, password) in [("Oldie", "geheim"), ("Blank", ""), ("Newer", "secret")] {
            let bot = join(name, password).await.unwrap();
            assert!(!bot.registered(), "{name}");
            bot.leave().await;
            assert!(stored(&world, name).await.1 > 1_700_000_000, "{name}");
        }
        for (name, password) in [("Oldie", "other"), ("Blank", "x"), ("Newer", "geheim")] {
            let (code, ..) = refusal(join(name, password).await);
            assert_eq!(code, DenyCode::WrongPassword, "{name}");
        }
        let (code, text, _) = refusal(join("oldie", "geheim").await);
        assert_eq!(code, DenyCode::CustomString);
        assert!(text.contains("Oldie"), "{text}");
        let legacy = [("method", "legacy"), ("result", "ok")];
        assert_eq!(world.proxy.metric("auth_attempts_total", &legacy), 2.0);
        // The server got secrets of the proxy's own.
        assert_eq!(world.server.joins(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_in_the_game() {
    within(FOREVER, async {
        let accounts = [("Alice", legacy_hash("Alice", "first"))];
        let world = existing(&accounts, "passwordPolicy: { allowEmpty: false }").await;
        let join = |password: &str| Bot::join(world.proxy.bot("Alice").with_password(password));
        let gone = || async {
            assert!(world.server.until(|server| server.players().is_empty()).await);
        };

        let alice = join("first").await.unwrap();
        assert!(!prove(&alice, "wrong", BasedOn::LegacyHash).await);
        // Without proof nothing is changed.
        set(&alice, "sneaked").await;
        assert!(prove(&alice, "first", BasedOn::LegacyHash).await);
        set(&alice, "").await;
        alice.expect_chat("empty password is not allowed", SOON).await.unwrap();
        assert_eq!(stored(&world, "Alice").await.0, accounts[0].1);
        assert!(prove(&alice, "first", BasedOn::LegacyHash).await);
        set(&alice, "second").await;
        alice.expect_chat("Password change successful", SOON).await.unwrap();
        assert!(stored(&world, "Alice").await.0.starts_with("#1#"));
        // Once more, now with the new kind.
        assert!(prove(&alice, "second", BasedOn::Password).await);
        set(&alice, "third").await;
        alice.expect_chat("Password change successful", SOON).await.unwrap();
        alice.leave().await;
        gone().await;

        for old in ["first", "second", "sneaked", ""] {
            assert_eq!(refusal(join(old).await).0, DenyCode::WrongPassword, "{old:?}");
        }
        join("third").await.unwrap();
        // The server never heard of it: it was entered again with the same secret.
        assert_eq!(world.server.joins(), 2);
        assert_eq!(world.server.accounts().iter().filter(|name| *name == "Alice").count(), 1);
    })
    .await;
}
