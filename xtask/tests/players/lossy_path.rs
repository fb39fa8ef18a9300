//! A path that loses, repeats, delays and reorders datagrams.

use std::fs::{create_dir_all, write};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use mesegate_testkit::{Bot, BotOptions, Impairment, Relay, RelayOptions};
use xtask::client::{Client, ClientSpec};
use xtask::lab::Generation::{V5_10, V5_15};

use crate::bots::{NEAR, SPAWN, runtime};
use crate::support::{COLOURS, Network, SOON, content, plays, see_floor};

/// Pictures that do not compress, and how large each is.
const PICTURES: usize = 110;
const SIDE: usize = 128;

/// Lines said by each bot.
const LINES: usize = 100;

const PATH: Impairment = Impairment {
    loss: 0.1,
    duplicate: 0.02,
    delay: Duration::from_millis(100),
    jitter: Duration::from_millis(50),
};

/// A picture of noise as a PNG file.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut rows = Vec::with_capacity(SIDE * (SIDE * 3 + 1));
    for _ in 0..SIDE {
        let no_filter = 0;
        rows.push(no_filter);
        rows.extend(
            std::iter::repeat_with(|| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .take(SIDE * 3),
        );
    }
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::none());
    zlib.write_all(&rows).unwrap();
    let mut header = Vec::new();
    header.extend((SIDE as u32).to_be_bytes());
    header.extend((SIDE as u32).to_be_bytes());
    header.extend([8, 2, 0, 0, 0]); // 8 bits, RGB
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in
        [(b"IHDR", header), (b"IDAT", zlib.finish().unwrap()), (b"IEND", Vec::new())]
    {
        png.extend((data.len() as u32).to_be_bytes());
        let start = png.len();
        png.extend(kind);
        png.extend(data);
        let mut crc = Crc::new();
        crc.update(&png[start..]);
        png.extend(crc.sum().to_be_bytes());
    }
    png
}

/// A mod that has nothing but large pictures; gives its folder and their size.
fn picture_mod(parent: &Path) -> (PathBuf, usize) {
    let folder = parent.join("pictures");
    create_dir_all(folder.join("textures")).unwrap();
    write(folder.join("mod.conf"), "name = pictures\n").unwrap();
    write(folder.join("init.lua"), "").unwrap();
    let mut size = 0;
    for number in 0..PICTURES {
        let png = noise(number as u64 + 1);
        size += png.len();
        write(folder.join(format!("textures/pictures_{number}.png")), png).unwrap();
    }
    (folder, size)
}

/// Ten hops and a hundred lines, half of them before and half between the hops.
async fn bot_plays(bot: &Bot) -> Vec<Duration> {
    let mut times = Vec::new();
    for line in 0..LINES / 2 {
        bot.say(&format!("line {line} of {}", bot.name())).await;
    }
    for hop in 1..=10 {
        let command = format!(">server {}", COLOURS[hop % 2]);
        let took = bot.travel(&command, SPAWN, NEAR, Duration::from_secs(40)).await;
        times.push(took.unwrap_or_else(|error| panic!("hop {hop}: {error}")));
        for line in 0..LINES / 20 {
            let number = LINES / 2 + (hop - 1) * (LINES / 20) + line;
            bot.say(&format!("line {number} of {}", bot.name())).await;
        }
        // A server moves a joining player twice, itself and by a mod. Its echo of the last line
        // comes after both: the second move is not taken for the end of the next hop.
        let last = LINES / 2 + hop * (LINES / 20) - 1;
        let echo = format!("line {last} of {}", bot.name());
        bot.expect_chat(&echo, Duration::from_secs(40)).await.unwrap();
    }
    times
}

/// The lines of a player in both servers' logs, which are complete, in order, and there once.
fn lines_arrived(network: &Network, player: &str) {
    let mut all: Vec<(String, usize)> = Vec::new();
    for server in &network.servers {
        let mut own = Vec::new();
        for line in server.log().lines() {
            if let Some((_, text)) = line.split_once(&format!("probe: chat {player} line ")) {
                own.push(text.split(' ').next().unwrap().parse::<usize>().unwrap());
            }
        }
        assert!(own.is_sorted(), "{}: {own:?}", server.name());
        all.extend(own.into_iter().map(|number| (server.name().to_owned(), number)));
    }
    let mut numbers: Vec<usize> = all.iter().map(|(_, number)| *number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..LINES).collect::<Vec<_>>(), "{player}: {all:?}");
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn players_join_hop_and_chat_over_a_lossy_path() {
    let scratch = xtask::run::RunFolder::temporary("pictures").unwrap();
    let (pictures, size) = picture_mod(scratch.path());
    assert!(size > 5 << 20, "{size}");
    let mut network = Network::start_with(&[V5_10, V5_15], |_, spec| {
        // No limit at all: a higher one is reached only a second after the player's first line
        // (`remoteplayer.cpp`, canSendChatMessage), and until then five lines are a flood.
        spec.mod_folder(pictures.clone()).setting("chat_message_limit_per_10sec", 0)
    });
    let runtime = runtime();
    let relay = {
        let _inside = runtime.enter();
        Relay::loopback(network.proxy.address(), RelayOptions::both(7, PATH)).unwrap()
    };

    let began = Instant::now();
    let spec = ClientSpec::new(V5_10, "alice", relay.addr()).password("secret");
    let mut client = Client::start(&network.lab, spec).unwrap();
    let bot = runtime.block_on(async {
        let mut options = BotOptions::new(relay.addr(), "bob").with_password("secret");
        options.download = true;
        options.deadline = Duration::from_mins(2);
        Bot::join(options).await.unwrap()
    });
    eprintln!(
        "bot: joined after {:.1} s with {:.1} MB of media",
        began.elapsed().as_secs_f64(),
        bot.times().media_bytes as f64 / 1e6
    );
    assert!(bot.times().media_bytes >= size as u64);
    let playing = runtime.spawn(async move {
        let mut times = bot_plays(&bot).await;
        times.sort();
        (bot, times)
    });

    let joined = client.wait_joined(Duration::from_mins(2)).unwrap();
    eprintln!("client: joined after {:.1} s", joined.as_secs_f64());
    see_floor(&mut client, "red");
    for hop in 1..=10 {
        network.hop(&mut client, COLOURS[hop % 2]);
        client.chat(&format!("hop {hop} done")).unwrap();
    }
    eprintln!("client: ten hops after {:.1} s", began.elapsed().as_secs_f64());
    plays(&mut client, &network.servers[0]);
    content(&client);
    assert!(client.alive().unwrap());

    let (bot, times) = runtime.block_on(playing).unwrap();
    eprintln!("bot: hops from {:?} to {:?}", times[0], times[times.len() - 1]);
    assert_eq!(bot.closed(), None);
    let violations = bot.look(|view| view.violations.clone());
    assert!(violations.is_empty(), "{violations:?}");
    lines_arrived(&network, "bob");
    for (number, server) in network.servers.iter().enumerate() {
        let log = server.log();
        let hops: Vec<&str> = log
            .lines()
            .filter_map(|line| line.split_once("probe: chat alice hop "))
            .map(|it| it.1)
            .collect();
        let own: Vec<String> =
            (1..=10).filter(|hop| hop % 2 == number).map(|hop| format!("{hop} done")).collect();
        assert_eq!(hops, own, "{}", server.name());
    }
    let stats = relay.stats();
    let lost = stats.lost.load(Relaxed);
    eprintln!("relay: {} datagrams passed, {lost} lost", stats.forwarded.load(Relaxed));
    assert!(lost > 100);
    runtime.block_on(bot.leave());
    client.wait_log("hop 10 done", SOON).unwrap();
}
