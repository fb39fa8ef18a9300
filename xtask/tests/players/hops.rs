//! Players hop between servers of different releases.

use std::thread::sleep;
use std::time::{Duration, Instant};

use xtask::client::Client;
use xtask::image::Image;
use xtask::lab::Generation::{self, V5_6, V5_10, V5_15};
use xtask::wait;

use crate::support::{COLOURS, Network, SOON, content, plays, see_floor};

/// Whether the marker of the world with this colour is drawn at its place, which no other world
/// uses.
fn marker(image: &Image, colour: &str) -> bool {
    let column = COLOURS.iter().position(|it| *it == colour).unwrap();
    let [red, green, blue] = image.crop(470 + 80 * column, 410, 20, 20).average();
    match colour {
        "red" => red > 150.0 && green < 90.0 && blue < 90.0,
        "green" => green > 150.0 && red < 90.0 && blue < 90.0,
        _ => panic!("no marker of {colour} is known"),
    }
}

/// The player sees this world's marker and not the other's.
fn see_marker(client: &mut Client, colour: &str, other: &str) -> Image {
    let end = Instant::now() + SOON;
    loop {
        let image = client.screenshot().unwrap();
        if marker(&image, colour) && !marker(&image, other) {
            return image;
        }
        assert!(
            Instant::now() < end,
            "not the marker of {colour} alone: {}",
            client.last_picture().display()
        );
    }
}

/// Lines of a log that contain `text`.
fn count(log: &str, text: &str) -> usize {
    log.lines().filter(|line| line.contains(text)).count()
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn a_player_hops_twenty_times_without_reconnecting() {
    const HOPS: usize = 20;
    let mut network = Network::start_with(&[V5_10, V5_15], |_, spec| {
        spec.setting("mesegate_probe.dress", "marker,hud,sky,world")
    });
    let mut client = network.join(V5_15, "alice");
    see_marker(&mut client, "red", "green");
    for hop in 1..=HOPS {
        let (target, before) = (COLOURS[hop % 2], COLOURS[(hop + 1) % 2]);
        let logged = network.server(target).log().len();
        client.chat(&format!(">server {target}")).unwrap();
        let joined = network.server(target).wait_log_since(logged, "probe: join alice ", SOON);
        joined.unwrap_or_else(|error| panic!("hop {hop}: {error}\n{}", network.proxy.log()));
        see_marker(&mut client, target, before);
        eprint!("{hop} ");
    }
    eprintln!("hops");
    let last = COLOURS[HOPS % 2];
    sleep(Duration::from_secs(1));
    see_marker(&mut client, last, COLOURS[(HOPS + 1) % 2]);
    plays(&mut client, network.server(last));

    assert!(client.alive().unwrap());
    let log = client.log();
    assert_eq!(count(&log, "TOCLIENT_HELLO received"), 1);
    assert_eq!(count(&log, "Connecting to server at"), 1);
    let joins: Vec<usize> =
        network.servers.iter().map(|it| count(&it.log(), "probe: join alice ")).collect();
    assert_eq!(joins, [HOPS / 2 + 1, HOPS / 2]);
    assert_eq!(count(&network.proxy.log(), "a player is in the game"), 1);
    content(&client);
    client.stop().unwrap();
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn clients_of_all_generations_hop_between_servers_of_all_generations() {
    let mut network = Network::start(&[V5_6, V5_10, V5_15]);
    for generation in Generation::ALL {
        let player = format!("p{}", generation.suite());
        let mut client = network.join(generation, &player);
        see_floor(&mut client, "red");
        for target in ["green", "blue", "red"] {
            let logged: Vec<usize> = network.servers.iter().map(|it| it.log().len()).collect();
            network.hop(&mut client, target);
            plays(&mut client, network.server(target));
            let left = format!("probe: leave {player} quit");
            let left = network
                .servers
                .iter()
                .zip(logged)
                .filter(|(server, logged)| server.log()[*logged..].contains(&left));
            assert_eq!(left.count(), 1);
        }
        content(&client);
        client.stop().unwrap();
    }
}

/// What one server put on the screen is gone on the next.
#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn a_hop_leaves_nothing_on_the_screen() {
    let mut network = Network::start(&[V5_10, V5_15]);
    for generation in Generation::ALL {
        let mut client = network.join(generation, &format!("p{}", generation.suite()));
        see_floor(&mut client, "red");
        network.hop(&mut client, "green");
        network.hop(&mut client, "red");
        // The sky's colours fade from one world's to the other's for some seconds.
        sleep(Duration::from_secs(4));
        let before = client.screenshot().unwrap();

        network.hop(&mut client, "green");
        client.chat("/probe up").unwrap();
        // Below the lines of chat and debug text, and below the clouds, which move.
        let part = |image: &Image| image.crop(0, 255, 800, 345);
        let worst = |image: &Image| part(image).worst_difference(&part(&before), 15);
        let dressed =
            wait::until(SOON, || (worst(&client.screenshot().unwrap()) > 100.0).then_some(()));
        assert!(dressed.is_some(), "{}", client.last_picture().display());

        network.hop(&mut client, "red");
        let clean =
            wait::until(SOON, || (worst(&client.screenshot().unwrap()) < 25.0).then_some(()));
        assert!(clean.is_some(), "{}", client.last_picture().display());
        plays(&mut client, network.server("red"));
        content(&client);
        client.stop().unwrap();
    }
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn a_server_that_cannot_be_entered_leaves_the_player_where_they_are() {
    let mut network = Network::start(&[V5_10, V5_10]);
    // Of 5.15, because earlier ones do not log what they show in the chat.
    let mut client = network.join(V5_15, "alice");
    see_floor(&mut client, "red");
    network.server("green").stop().unwrap();
    client.chat(">server green").unwrap();
    client.wait_log("You cannot enter green", SOON).unwrap();
    client.chat(">server nowhere").unwrap();
    client.wait_log("There is no server nowhere", SOON).unwrap();
    plays(&mut client, network.server("red"));
}
