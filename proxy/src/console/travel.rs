//! Commands that take players elsewhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mesegate_admin::{Failure, Move, Moved, Plan, Selection};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_resource::Target;
use tokio::sync::mpsc;

use super::ask::{Answer, Ask, Trouble, pick};
use super::{Said, paint};
use crate::network::Found;

/// Players of many who set out in a second.
const RATE: u32 = 50;

/// How long the move of many may take.
const LIMIT: Duration = Duration::from_mins(10);

/// Outcomes that may wait.
const OUTCOMES: usize = 64;

/// What a word may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Server,
    Group,
    Any,
}

/// A place for players, with what they read instead of its name.
fn target(ask: &Ask, kind: Kind, typed: &str) -> Result<(Target, String), Trouble> {
    let found = match kind {
        Kind::Server => Found::Server(ask.server(typed)?),
        Kind::Group => Found::Group(ask.group(typed)?),
        Kind::Any => {
            let network = &ask.network;
            let names = || {
                let servers = network.servers().map(|server| server.name.as_str());
                servers.chain(network.groups().map(|group| group.name.as_str()))
            };
            let name = pick(names, typed, "server")?;
            let server = network.server(name).map(Found::Server);
            let found = server.or_else(|| network.group(name).map(Found::Group));
            found.ok_or_else(|| Failure::no_such_server(name))?
        }
    };
    Ok((found.target(), found.title().to_owned()))
}

/// Takes the caller to a server or group, or tells where they are and what there is.
pub(super) async fn server(ask: &mut Ask, kind: Kind) -> Answer {
    if let Some(typed) = ask.words.next() {
        ask.end()?;
        let (target, _) = target(ask, kind, &typed)?;
        // What comes of it the player's task tells.
        let _ = ask.out.send(Said::Go(target)).await;
        return Ok(Vec::new());
    }
    let network = &ask.network;
    let here = ask.caller.server.as_deref();
    let place =
        here.map_or("no server", |name| network.server(name).map_or(name, |server| server.title()));
    let groups = network.groups().map(|group| group.name.as_str());
    let mut lines = vec![paint::good(&format!("You are on {place}."))];
    let list = |head: &str, names: Vec<&str>| {
        let listed = paint::lines(names.into_iter());
        listed.into_iter().map(|line| paint::pair(head, &line)).collect::<Vec<_>>()
    };
    if kind == Kind::Group {
        let groups: Vec<_> = network.groups().collect();
        let member = |name: &str| {
            let mine = groups
                .iter()
                .filter(|group| network.members(group).any(|server| server.name.as_str() == name));
            mine.map(|group| group.name.as_str()).collect::<Vec<_>>()
        };
        lines.extend(list("Its groups:", here.map(member).unwrap_or_default()));
        lines.extend(list("Groups:", groups.iter().map(|group| group.name.as_str()).collect()));
    } else {
        let open = network.servers().filter(|server| ask.shared.selector.closed(server).is_none());
        lines.extend(list("Servers:", open.map(|server| server.name.as_str()).collect()));
        lines.extend(list("Groups:", groups.collect()));
    }
    Ok(lines)
}

/// Takes a player, all of the caller's server, or everybody to a server or group.
pub(super) async fn send(ask: &mut Ask, kind: Kind) -> Answer {
    let whom = ask.word()?;
    let typed = ask.word()?;
    if !["player", "current", "all"].iter().any(|it| it.eq_ignore_ascii_case(&whom)) {
        return Err(Trouble::Usage);
    }
    let (target, title) = target(ask, kind, &typed)?;
    let order = Move { target: shown(&target), allow_reconnect: false, dry_run: false };
    if whom.eq_ignore_ascii_case("player") {
        return one(ask, order).await;
    }
    ask.end()?;
    let servers =
        if whom.eq_ignore_ascii_case("current") {
            let here = ask.caller.server.clone();
            vec![here.ok_or_else(|| {
                Trouble::new(Reason::PlayerNotReady.name(), "you are on no server")
            })?]
        } else {
            Vec::new()
        };
    let selector = pb::PlayerSelector { servers, ..Default::default() };
    many(ask, &Selection::new(Some(selector))?, order, &title).await
}

async fn one(ask: &mut Ask, order: Move) -> Answer {
    let player = ask.player()?;
    ask.end()?;
    let Moved { outcome, server } = ask.api.go(&player.name, &order, Ask::deadline()).await?;
    let text = match outcome {
        pb::MoveOutcome::AlreadyThere => format!("{} is on {server} already.", player.name),
        _ => format!("{} is on {server} now.", player.name),
    };
    Ok(vec![paint::good(&text)])
}

async fn many(ask: &mut Ask, selection: &Selection, order: Move, title: &str) -> Answer {
    let plan = Plan::new(&*ask.api, selection, order, RATE);
    ask.subject = "players".into();
    if plan.is_empty() {
        return Err(Trouble::new(Reason::NoSuchPlayer.name(), "nobody is there"));
    }
    ask.say(paint::head(&format!("Taking {} players to {title} …", plan.len()))).await;
    let (sender, mut outcomes) = mpsc::channel(OUTCOMES);
    let work = plan.run(&ask.api, Some(Instant::now() + LIMIT), sender);
    let count = async {
        let mut why: BTreeMap<&'static str, (u32, String)> = BTreeMap::new();
        while let Some(outcome) = outcomes.recv().await {
            let Ok(line) = outcome else { continue };
            if line.outcome() == pb::MoveOutcome::Failed {
                why.entry(line.reason().name()).or_insert_with(|| (0, line.text)).0 += 1;
            }
        }
        why
    };
    let (tally, why) = tokio::join!(work, count);
    ask.subject = tally.to_string();
    let moved = tally.moved;
    let mut lines = vec![paint::good(&format!(
        "{moved} arrived on {title}, {} were there before, {} failed.",
        tally.there, tally.failed
    ))];
    for (reason, (times, text)) in why {
        lines.push(paint::failed(&format!("{times} times: {}", paint::sentence(&text)), reason));
    }
    if let Some(end) = tally.end {
        lines.push(paint::failed(&paint::sentence(&end.text), end.reason.name()));
    }
    Ok(lines)
}

fn shown(target: &Target) -> pb::Target {
    let name = target.name().to_string();
    let kind = match target {
        Target::Server(_) => pb::target::Kind::Server(name),
        Target::Group(_) => pb::target::Kind::Group(name),
    };
    pb::Target { kind: Some(kind) }
}
