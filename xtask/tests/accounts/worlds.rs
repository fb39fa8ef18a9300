//! Worlds of three generations of the engine, with their accounts in SQLite and in PostgreSQL, and
//! a proxy that takes those over while the engine goes on using them.

use std::time::{Duration, Instant};

use mesegate_auth::{Password, legacy_hash, srp::Verifier};
use mesegate_testkit::{Bot, JoinError};
use xtask::client::{Client, ClientSpec};
use xtask::engine::{Server, ServerSpec};
use xtask::lab::{Generation, Lab};
use xtask::postgres::Postgres;
use xtask::proxy::Proxy;

use crate::lab::{PATIENCE, Tables, connect, join, lobby, proxy, runtime, try_join};

/// Players, their passwords, and what the admin does about each.
const PLAYERS: [(&str, &str, &[&str]); 4] = [
    ("Alice", "first secret", &["/grant Alice fly,fast"]),
    ("bob", "other secret", &["/setpassword bob given by staff"]),
    ("carol", "", &[]),
    ("dave", "forgotten", &["/clearpassword dave", "/revoke dave shout"]),
];

/// Who gets another password through the proxy, and that.
const CHANGED: [&str; 2] = ["Alice", "bob"];
const NEW: &str = "third secret";

fn password(name: &str) -> &'static str {
    match name {
        "bob" => "given by staff",
        "dave" => "",
        _ => PLAYERS.iter().find(|it| it.0 == name).unwrap().1,
    }
}

/// A server with accounts that players made and that staff changed, by logging in and in chat.
async fn populated(server: &Server) {
    let admin = join(server.address(), "boss", "boss secret").await;
    for (name, password, orders) in PLAYERS {
        let player = join(server.address(), name, password).await;
        for order in orders {
            admin.say(order).await;
            // The engine answers each; what it says differs from release to release.
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        player.leave().await;
    }
    admin.leave().await;
}

/// A real client in the game with its old password.
fn client(lab: &Lab, generation: Generation, proxy: &Proxy) -> Client {
    let spec = ClientSpec::new(generation, "bob", proxy.address());
    let mut client = Client::start(lab, spec.password(password("bob"))).unwrap();
    client.wait_joined(Duration::from_mins(1)).unwrap();
    client
}

/// Everybody of the world is in the game at once, with the old password and a client of its
/// generation.
fn at_real_clients(lab: &Lab, generation: Generation, proxy: &Proxy) {
    let boss = ("boss", "boss secret");
    let everybody = PLAYERS.iter().map(|it| (it.0, password(it.0))).chain([boss]);
    let mut clients: Vec<Client> = everybody
        .map(|(name, password)| {
            let spec = ClientSpec::new(generation, name, proxy.address()).password(password);
            Client::start(lab, spec).unwrap()
        })
        .collect();
    for client in &mut clients {
        client.wait_joined(Duration::from_mins(2)).unwrap();
    }
    for client in clients {
        client.stop().unwrap();
    }
    assert!(!proxy.log().contains("a new account was made"), "somebody was registered anew");
}

/// Joins when whoever was there under that name is gone.
async fn next(proxy: &Proxy, name: &str, password: &str) -> Bot {
    let since = Instant::now();
    loop {
        match try_join(proxy.address(), name, password).await {
            Ok(bot) => return bot,
            Err(JoinError::Denied { text, .. })
                if !text.contains("Wrong") && since.elapsed() < Duration::from_mins(1) =>
            {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

/// The client's player changes the password in its form.
async fn change_at_the_keyboard(lab: &Lab, generation: Generation, proxy: &Proxy, url: &str) {
    let hash = legacy_hash("bob", password("bob"));
    for _ in 0..3 {
        let mut client = client(lab, generation, proxy);
        client.change_password(password("bob"), NEW).unwrap();
        let sent = Instant::now();
        while sent.elapsed() < Duration::from_secs(6) {
            if Tables::read(url).await.password("bob") != hash {
                return client.stop().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        // The forms came too late for what was typed.
        client.stop().unwrap();
        next(proxy, "bob", password("bob")).await.leave().await;
    }
    panic!("the password is still the old one");
}

/// What the proxies of a test have in common: the lab, a server to play on, a folder.
struct Place {
    lab: Lab,
    lobby: Server,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let lab = Lab::ensure(&Generation::ALL).unwrap();
        Self { lobby: lobby(&lab), lab, folder: tempfile::tempdir().unwrap() }
    }
}

async fn take_over(place: &Place, server: &Server, url: &str, generation: Generation) {
    let Place { lab, lobby, folder } = place;
    populated(server).await;
    let before = Tables::read(url).await;
    assert_eq!(before.auth.len(), PLAYERS.len() + 1, "{:?}", before.ids());
    assert_eq!(before.password("bob"), legacy_hash("bob", "given by staff"), "a legacy hash");
    assert_eq!(before.password("dave"), "");
    assert!(!before.password("Alice").contains('='), "unpadded");

    let proxy = proxy(lobby, url, folder.path(), "");
    for (name, _, _) in PLAYERS {
        let wrong = try_join(proxy.address(), name, "wrong").await.map(drop);
        assert!(
            matches!(&wrong, Err(JoinError::Denied { text, .. }) if text.contains("Wrong password")),
            "{name}: {wrong:?}"
        );
        // Clients of the release before may not have been missed yet when their proxy ended.
        let bot = next(&proxy, name, password(name)).await;
        assert!(!bot.registered(), "{name} was registered anew");
        bot.leave().await;
    }
    at_real_clients(lab, generation, &proxy);
    // A real client, whose password is stored as a hash.
    change_at_the_keyboard(lab, generation, &proxy, url).await;
    // The same name in other letters is not let in, as on the engine.
    let twin = try_join(proxy.address(), "ALICE", "x").await.map(drop);
    assert!(matches!(twin, Err(JoinError::Denied { .. })), "{twin:?}");

    // Changed through the proxy, used at the engine: one that was SRP, one that was a hash.
    for name in CHANGED {
        let typed = name == "bob";
        let present = if typed { NEW } else { password(name) };
        let player = next(&proxy, name, present).await;
        if present == password(name) {
            assert!(player.change_password(present, NEW, PATIENCE).await.unwrap());
            player.expect_chat("Password change successful", PATIENCE).await.unwrap();
        }
        player.leave().await;
        let old = try_join(server.address(), name, password(name)).await.map(drop);
        assert!(matches!(old, Err(JoinError::Denied { .. })), "the old one: {old:?}");
        join(server.address(), name, NEW).await.leave().await;
    }

    // Made through the proxy, used at the engine.
    join(proxy.address(), "erin", "new here").await.leave().await;
    join(server.address(), "erin", "new here").await.leave().await;

    let after = Tables::read(url).await;
    assert_eq!(after.ids()[..before.auth.len()], before.ids()[..], "ids changed");
    let old_rows = after.privileges.iter().filter(|it| before.auth.iter().any(|a| a.0 == it.0));
    assert!(old_rows.eq(before.privileges.iter()), "privileges changed: {after:?}");
    for (name, _, _) in PLAYERS {
        if !CHANGED.contains(&name) {
            assert_eq!(after.password(name), before.password(name), "{name}");
            continue;
        }
        let Ok(Password::Srp(verifier)) = Password::parse(after.password(name)) else {
            panic!("{name}: not what the engine writes");
        };
        assert!(verifier.matches_password(name, NEW.as_bytes()), "{name}");
        assert_ne!(verifier, Verifier::from_password(name, NEW.as_bytes()), "{name}: no salt");
    }
    let erin = after.auth.iter().find(|row| row.1 == "erin").unwrap();
    let granted: Vec<&str> =
        after.privileges.iter().filter(|it| it.0 == erin.0).map(|it| it.1.as_str()).collect();
    assert_eq!(granted, ["interact", "shout"]);
}

fn spec(name: &str, generation: Generation) -> ServerSpec {
    ServerSpec::new(name, generation).setting("name", "boss")
}

#[test]
#[ignore = "needs the lab: real servers and clients"]
fn accounts_of_worlds_in_sqlite_are_taken_over_and_stay_the_engines() {
    let place = Place::new();
    for generation in Generation::ALL {
        let began = Instant::now();
        let server = Server::start(&place.lab, spec("sqlite", generation)).unwrap();
        let url = format!("sqlite:{}", server.world_dir().join("auth.sqlite").display());
        runtime().block_on(take_over(&place, &server, &url, generation));
        println!("{generation}, SQLite: {:.1} s", began.elapsed().as_secs_f64());
    }
}

#[test]
#[ignore = "needs the lab: real servers and clients"]
fn accounts_of_worlds_in_postgres_are_taken_over_and_stay_the_engines() {
    let place = Place::new();
    let postgres = Postgres::start().unwrap();
    for generation in Generation::ALL {
        let began = Instant::now();
        let database = format!("world_{}", generation.suite());
        runtime().block_on(async {
            let mut db = connect(&postgres.url("postgres")).await;
            let make = format!("CREATE DATABASE {database}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut db).await.unwrap();
        });
        let server = spec("postgres", generation)
            .world_setting("gameid", "minetest_game")
            .world_setting("backend", "sqlite3")
            .world_setting("player_backend", "sqlite3")
            .world_setting("auth_backend", "postgresql")
            .world_setting("mod_storage_backend", "sqlite3")
            .world_setting("pgsql_auth_connection", &postgres.engine_connection(&database));
        let server = Server::start(&place.lab, server).unwrap();
        let url = postgres.url(&database);
        runtime().block_on(take_over(&place, &server, &url, generation));
        println!("{generation}, PostgreSQL: {:.1} s", began.elapsed().as_secs_f64());
    }
}
