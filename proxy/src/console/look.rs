//! Commands that tell something.

use std::collections::BTreeMap;
use std::time::Duration;

use mesegate_admin::{Selection, server_of};
use mesegate_proto::admin::v1 as pb;

use super::ask::{Answer, Ask};
use super::paint;

/// Where a player is.
pub(super) fn find(ask: &mut Ask) -> Answer {
    let player = ask.player()?;
    ask.end()?;
    let place = match server_of(&player) {
        Some(server) => format!("is on {server}"),
        None => "is on no server yet".to_owned(),
    };
    let proxy = if ask.shared.fleet { format!(" (proxy {})", player.proxy) } else { String::new() };
    Ok(vec![paint::good(&format!("{} {place}{proxy}.", player.name))])
}

/// A player's address.
pub(super) async fn addr(ask: &mut Ask) -> Answer {
    let player = ask.player()?;
    ask.end()?;
    let player = ask.api.find(&player.name, Ask::deadline()).await?;
    Ok(vec![paint::good(&format!("{} is at {}.", player.name, player.address))])
}

/// Who is where.
pub(super) fn players(ask: &mut Ask) -> Answer {
    let page = ask.page()?;
    let all = ask.api.players(None, usize::MAX, &Selection::default());
    let mut by_server: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for player in &all.players {
        by_server.entry(&player.server).or_default().push(&player.name);
    }
    // Who is on none comes last.
    let nowhere = by_server.remove("");
    let mut lines = Vec::new();
    let places = by_server.into_iter().chain(nowhere.map(|names| ("no server yet", names)));
    for (server, names) in places {
        let head = format!("{server} ({}):", names.len());
        for (index, line) in paint::lines(names.into_iter()).iter().enumerate() {
            let continued = format!("{server}:");
            lines.push(paint::pair(if index == 0 { &head } else { &continued }, line));
        }
    }
    let count = match all.total {
        1 => "1 player".to_owned(),
        total => format!("{total} players"),
    };
    let title = format!("{count}{}", ask.here());
    Ok(paint::page(&title, &lines, page, &format!("{}players", ask.prefix())))
}

/// The servers and how they are.
pub(super) fn servers(ask: &mut Ask) -> Answer {
    let page = ask.page()?;
    let servers = ask.api.servers();
    let lines: Vec<String> = servers.iter().map(|server| line(ask, server)).collect();
    let groups: Vec<&str> = ask.network.groups().map(|group| group.name.as_str()).collect();
    let count =
        if lines.len() == 1 { "1 server".to_owned() } else { format!("{} servers", lines.len()) };
    let title = match groups.as_slice() {
        [] => count,
        groups => format!("{count}; groups: {}", groups.join(", ")),
    };
    Ok(paint::page(&title, &lines, page, &format!("{}servers", ask.prefix())))
}

fn line(ask: &Ask, server: &pb::Server) -> String {
    let most = ask.network.server(&server.name).and_then(|it| it.spec.max_players);
    let players = match (most, server.players) {
        (Some(most), players) => format!("{players} of {most} players"),
        (None, 1) => "1 player".to_owned(),
        (None, players) => format!("{players} players"),
    };
    let state = match server.state() {
        pb::ServerState::Drain => ", draining",
        pb::ServerState::Disabled => ", out of service",
        pb::ServerState::Active | pb::ServerState::Unspecified => "",
    };
    let health = match server.reachability() {
        pb::Reachability::Up => "up",
        pb::Reachability::Down => "down",
        pb::Reachability::VersionRefused => "speaks another version",
        pb::Reachability::Unknown | pb::Reachability::Unspecified => "not looked at",
    };
    let title =
        if server.title == server.name { String::new() } else { format!(", {}", server.title) };
    paint::pair(&server.name, &format!("{health}{state}, {players}{title}"))
}

/// Where the caller is.
pub(super) fn whereami(ask: &mut Ask) -> Answer {
    ask.end()?;
    let place =
        ask.caller.server.as_deref().map_or("no server", |name| {
            ask.network.server(name).map_or(name, |server| server.title())
        });
    let proxy = &ask.shared.about.name;
    Ok(vec![paint::good(&format!("You are on {place}, through the proxy {proxy}."))])
}

/// Since when the proxy runs.
pub(super) fn uptime(ask: &mut Ask) -> Answer {
    ask.end()?;
    let up = ask.shared.about.started.elapsed().unwrap_or_default();
    Ok(vec![paint::good(&format!("This proxy has been running for {}.", clock(up)))])
}

/// Days, hours, minutes and seconds, without those that are nothing at the beginning.
fn clock(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {seconds} s"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_two_or_three_units() {
        for (seconds, text) in
            [(0, "0 s"), (61, "1 min 1 s"), (3_720, "1 h 2 min"), (90_061, "1 d 1 h 1 min")]
        {
            assert_eq!(clock(Duration::from_secs(seconds)), text);
        }
    }
}
