//! Real clients see every world through the proxy as they see it without.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use xtask::client::{Client, ClientSpec};
use xtask::engine::Server;
use xtask::image::Image;
use xtask::lab::Generation::{self, V5_15};
use xtask::lab::Lab;
use xtask::proxy::{Proxy, ProxySpec};

use crate::complaints::{complaints, more_than};
use crate::servers::{SOON, World};

/// Edge of the squares that pictures are compared by, in pixels.
const SQUARE: usize = 20;

/// How much the mean of a square may differ, of 255. Two direct visits with every client to every
/// world differed by up to 4.2, and by up to 8.2 in the sky, which gets its colour gradually after
/// an arrival (`client/sky.cpp`, Sky::update): so pictures are taken when they are at rest.
const TOLERANCE: f64 = 7.0;

/// What changes by more than this from picture to picture is not at rest yet.
const STILL: f64 = 0.3;

/// How long everything may take to look as it should.
const PATIENCE: Duration = Duration::from_secs(25);

/// What renamed things begin with; `conflict` is also the name of that game's own mod.
const PREFIXES: [&str; 3] = ["plain_", "modded_", "conflict_"];

/// What a client showed of one world, by what was asked for.
type Album = BTreeMap<&'static str, Seen>;

/// A picture, and which of its squares move by themselves: liquids, flames, animated images.
struct Seen {
    picture: Image,
    moving: Vec<bool>,
}

/// Below the lines of chat, which say who came when.
fn part(image: &Image) -> Image {
    image.crop(0, 200, image.width, image.height)
}

/// How much every square differs: the mean of its pixels.
fn squares(a: &Image, b: &Image) -> Vec<f64> {
    let differences = differences(a, b);
    let mut all = Vec::new();
    for y in (0..a.height).step_by(SQUARE) {
        for x in (0..a.width).step_by(SQUARE) {
            let (right, low) = ((x + SQUARE).min(a.width), (y + SQUARE).min(a.height));
            let rows = (y..low).map(|y| &differences[y * a.width + x..y * a.width + right]);
            let sum: f64 = rows.flatten().map(|it| f64::from(*it)).sum();
            all.push(sum / ((right - x) * (low - y)) as f64);
        }
    }
    all
}

/// How much every pixel differs from the most similar one at its place or beside it in the other
/// picture, both ways: a player who landed a hair beside sees all edges up to one pixel away.
fn differences(a: &Image, b: &Image) -> Vec<u8> {
    let (width, height) = (a.width, a.height);
    let nearest = |of: &Image, among: &Image, x: usize, y: usize| {
        let pixel = of.pixel(x, y);
        let around = (y.saturating_sub(1)..(y + 2).min(height))
            .flat_map(|y| (x.saturating_sub(1)..(x + 2).min(width)).map(move |x| (x, y)));
        let distance = |(x, y)| {
            let other = among.pixel(x, y);
            let sum: u16 = pixel.iter().zip(other).map(|(a, b)| u16::from(a.abs_diff(b))).sum();
            (sum / 3) as u8
        };
        around.map(distance).min().unwrap_or(u8::MAX)
    };
    let mut all = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            all.push(if a.pixel(x, y) == b.pixel(x, y) {
                0
            } else {
                nearest(a, b, x, y).max(nearest(b, a, x, y))
            });
        }
    }
    all
}

fn spec(generation: Generation, player: &str, address: std::net::SocketAddr) -> ClientSpec {
    ClientSpec::new(generation, player, address)
        .password("secret")
        .setting("show_debug", false)
        .setting("view_bobbing_amount", 0)
        .setting("fall_bobbing_amount", 0)
        .setting("directional_colored_fog", false)
        // Says what is there at once instead of when it comes into view.
        .setting("node_highlighting", "none")
}

/// What is looked at in a world: its name, and what to say for it.
fn views(world: World) -> &'static [(&'static str, &'static str)] {
    match world {
        World::Plain | World::Modded => &[("world", "")],
        World::Conflict => {
            &[("world", ""), ("picture", "/conflict picture"), ("form", "/conflict form")]
        }
    }
}

/// A picture once nothing changes any more but what always moves: a few squares.
fn settled(client: &mut Client) -> Seen {
    let end = Instant::now() + PATIENCE;
    let mut before = part(&client.screenshot().unwrap());
    loop {
        sleep(Duration::from_millis(1500));
        let picture = part(&client.screenshot().unwrap());
        let moving: Vec<bool> =
            squares(&before, &picture).into_iter().map(|it| it > STILL).collect();
        let count = moving.iter().filter(|it| **it).count();
        if count * 20 < moving.len() {
            return Seen { picture, moving };
        }
        assert!(
            Instant::now() < end,
            "{count} of {} squares still move: {}",
            moving.len(),
            client.last_picture().display()
        );
        before = picture;
    }
}

/// Looks at everything in the world where the player is.
fn look(client: &mut Client, world: World) -> Album {
    sleep(Duration::from_secs(3));
    let mut album = Album::new();
    for (name, command) in views(world) {
        if !command.is_empty() {
            client.chat(command).unwrap();
            sleep(Duration::from_secs(2));
        }
        album.insert(name, settled(client));
        if *name == "form" {
            client.key("Escape").unwrap();
            sleep(Duration::from_millis(300));
        }
    }
    album
}

/// Asserts that the client shows what a direct visit showed, as soon as it has had time to.
fn sees(client: &mut Client, world: World, name: &str, command: &str, direct: &Seen) {
    if !command.is_empty() {
        client.chat(command).unwrap();
    }
    let end = Instant::now() + PATIENCE;
    loop {
        sleep(Duration::from_secs(1));
        let picture = part(&client.screenshot().unwrap());
        let all = squares(&direct.picture, &picture);
        let still: Vec<f64> =
            all.into_iter().zip(&direct.moving).filter(|it| !it.1).map(|it| it.0).collect();
        let count = still.iter().filter(|it| **it > TOLERANCE).count();
        let worst = still.iter().copied().fold(0.0, f64::max);
        if count == 0 {
            println!("   {} {name}: worst square {worst:.1}", world.name());
            break;
        }
        assert!(
            Instant::now() < end,
            "{} {name}: {count} of {} squares differ, by up to {worst:.0}: {}",
            world.name(),
            still.len(),
            client.last_picture().display()
        );
    }
    if name == "form" {
        client.key("Escape").unwrap();
        sleep(Duration::from_millis(300));
    }
}

/// A client of each generation visits all worlds directly, then all of them by hopping, and comes
/// back to the first.
fn clients_see_the_same(of_client: Generation, servers: &[Server], proxy: &Proxy, lab: &Lab) {
    let began = Instant::now();
    let mut albums = Vec::new();
    let mut known = BTreeMap::new();
    for (world, server) in World::ALL.into_iter().zip(servers) {
        let mut client = Client::start(lab, spec(of_client, "direct", server.address())).unwrap();
        client.wait_joined(Duration::from_mins(1)).unwrap();
        albums.push((world, look(&mut client, world)));
        known.extend(complaints(&client, &PREFIXES));
        client.stop().unwrap();
    }
    let player = format!("c{}", of_client.to_string().replace('.', "x"));
    let mut client = Client::start(lab, spec(of_client, &player, proxy.address())).unwrap();
    client.wait_joined(Duration::from_mins(1)).unwrap();
    let mut here = World::Plain;
    // And back to the first, after everything that the last one put up.
    for (world, album) in albums.iter().chain(albums.first()) {
        if *world != here {
            let server = servers.iter().find(|it| it.name() == world.name()).unwrap();
            let logged = server.log().len();
            client.chat(&format!(">server {}", world.name())).unwrap();
            let joined = server.wait_log_since(logged, &format!("probe: join {player} "), SOON);
            joined.unwrap_or_else(|error| panic!("{error}\n{}", proxy.log()));
            here = *world;
        }
        for (name, command) in views(*world) {
            sees(&mut client, *world, name, command, &album[name]);
        }
    }
    let more = more_than(&client, &known, &PREFIXES);
    assert!(more.is_empty(), "not logged without the proxy:\n{}", more.join("\n"));
    assert_eq!(client.log().matches("Connecting to server at").count(), 1);
    client.stop().unwrap();
    println!("client {of_client}: fine ({:.1} s)", began.elapsed().as_secs_f64());
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only worlds"]
fn clients_of_all_generations_see_every_world_as_without_the_proxy() {
    let lab = Lab::ensure(&Generation::ALL).unwrap();
    let servers = World::ALL.map(|world| world.start(&lab, V5_15));
    let named: Vec<_> = servers.iter().map(|it| (it.name(), it.address())).collect();
    let proxy = Proxy::start(&ProxySpec::new(&named)).unwrap();
    for of_client in Generation::ALL {
        clients_see_the_same(of_client, &servers, &proxy, &lab);
    }
}
