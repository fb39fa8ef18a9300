//! Logins with much media: directly and through the proxy, over UDP and HTTP, near and far.
//!
//! One player at a time, so that the way is what counts. The proxy has the media from several
//! servers and gives away what all of them have together, which is what the direct server has.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::BenchError;
use super::children::{Backend, free_tcp_port, start_proxy};
use super::cli::Options;
use super::report::{MediaReport, Report};
use super::scene::{MEDIA_SEED, proxy_binary, server};
use crate::samples::Samples;
use crate::{Bot, BotOptions, Impairment, Relay, RelayOptions, TcpRelay, World};

/// Limit for one login.
const DEADLINE: Duration = Duration::from_mins(5);

/// How a player gets the media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MediaWay {
    /// From the server, over UDP.
    Direct,
    /// From the proxy, over UDP.
    Proxy,
    /// As `Direct`, far away.
    FarDirect,
    /// As `Proxy`, far away.
    FarProxy,
    /// From the proxy over HTTP, far away.
    FarHttp,
}

impl fmt::Display for MediaWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Direct => "direct",
            Self::Proxy => "proxy",
            Self::FarDirect => "far, direct",
            Self::FarProxy => "far, proxy",
            Self::FarHttp => "far, HTTP",
        })
    }
}

/// The media that all servers have together.
fn whole(bytes: usize, file: usize) -> World {
    World::new("whole").padded_with(bytes, file, MEDIA_SEED)
}

/// Writes the media as a mod that a real server can load.
pub(super) fn write_mod(folder: &Path, bytes: usize, file: usize) -> std::io::Result<()> {
    let textures = folder.join("textures");
    std::fs::create_dir_all(&textures)?;
    std::fs::write(folder.join("mod.conf"), "name = bench_media\n")?;
    std::fs::write(folder.join("init.lua"), "-- Only media.\n")?;
    for (name, content) in whole(bytes, file).media {
        std::fs::write(textures.join(name), content)?;
    }
    Ok(())
}

pub(super) async fn measure(options: &Options, report: &mut Report) -> Result<(), BenchError> {
    let all = whole(options.login_media, options.login_file);
    let mut half = all.clone();
    half.name = "half".into();
    half.media.truncate(all.media.len() / 2 + 1);
    let mut rest = all.clone();
    rest.name = "rest".into();
    rest.media = all.media.split_at(all.media.len() / 3).1.to_vec();
    let (fake, half, rest) = (server(all)?, server(half)?, server(rest)?);
    let (kind, direct) = match options.engine {
        Some(engine) => ("engine", engine),
        None => ("fake", fake.addr()),
    };
    // With a real server the media is its own and the game's.
    let mut backends = vec![Backend::new("half", half.addr()), Backend::new("rest", rest.addr())];
    if options.engine.is_some() {
        backends.insert(0, Backend::new("engine", direct));
    }

    let delay = Duration::from_millis(options.round_trip) / 2;
    let far = RelayOptions::both(1, Impairment { delay, ..Impairment::default() });
    let failed = || BenchError::io("cannot start a relay");
    let media = free_tcp_port().map_err(failed())?;
    let http_relay = TcpRelay::loopback(media, delay).await.map_err(failed())?;
    let flags = [
        "--media-http".to_owned(),
        media.to_string(),
        "--media-url".to_owned(),
        format!("http://{}/", http_relay.addr()),
    ];
    let folder = TempDir::new().map_err(BenchError::io("cannot make a temporary folder"))?;
    let program = proxy_binary(options)?;
    let mut proxy = start_proxy(&program, folder.path(), &backends, &flags).await?;
    let far_direct = Relay::loopback(direct, far).map_err(failed())?;
    let far_proxy = Relay::loopback(proxy.addr, far).map_err(failed())?;

    let mut result = MediaReport {
        server: kind,
        bytes: 0,
        files: 0,
        round_trip_ms: options.round_trip,
        ways: std::collections::BTreeMap::new(),
    };
    for (way, addr) in [
        (MediaWay::Direct, direct),
        (MediaWay::Proxy, proxy.addr),
        (MediaWay::FarDirect, far_direct.addr()),
        (MediaWay::FarProxy, far_proxy.addr()),
        (MediaWay::FarHttp, far_proxy.addr()),
    ] {
        let mut times = Samples::new();
        for index in 0..options.logins {
            let bot = log_in(way, addr, index).await;
            match bot {
                Ok(bot) => {
                    check(&bot, way, &mut result, report);
                    times.add(bot.times().in_game);
                    bot.leave().await;
                }
                Err(error) => report.fail(format!("media, {way}: {error}")),
            }
        }
        result.ways.insert(way, times.summary());
    }
    for (name, relay) in [("server", &far_direct), ("proxy", &far_proxy)] {
        let lost = relay.stats().overflow.load(std::sync::atomic::Ordering::Relaxed);
        if lost > 0 {
            report.fail(format!("media: the relay to the {name} lost {lost} datagrams"));
        }
    }
    report.media = Some(result);
    proxy.stop().await;
    Ok(())
}

async fn log_in(way: MediaWay, addr: SocketAddr, index: usize) -> Result<Bot, crate::JoinError> {
    // Names without blanks and commas.
    let mut player = BotOptions::new(addr, &format!("media{}{index}", way as u8));
    player.events = 0;
    player.check_blocks = false;
    player.deadline = DEADLINE;
    player.download = true;
    player.http = way == MediaWay::FarHttp;
    Bot::join(player).await
}

/// All ways must bring the same media, and HTTP all of it.
fn check(bot: &Bot, way: MediaWay, result: &mut MediaReport, report: &mut Report) {
    let times = bot.times();
    if result.bytes == 0 {
        result.bytes = times.media_bytes;
        result.files = bot.announced().len();
    }
    if times.media_bytes != result.bytes {
        let (first, now) = (result.bytes, times.media_bytes);
        report.fail(format!("media, {way}: {now} bytes of media, not {first}"));
    }
    if way == MediaWay::FarHttp && times.http_bytes != times.media_bytes {
        let missing = times.media_bytes - times.http_bytes;
        report.fail(format!("media, {way}: {missing} bytes did not come over HTTP"));
    }
}
