//! The console: every command, allowed and denied, with right and wrong arguments.

use std::time::Duration;

use mesegate_testkit::{Bot, FakeServer};

use crate::support::{
    ARENA, Documents, Launch, Proxy, SOON, arena, eventually, lobby, refusal, within,
};

const FOREVER: u64 = 120;

/// Longer than a server that does not answer is waited for.
const PATIENCE: Duration = Duration::from_secs(25);

/// What a client shows of a line: without colours.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}(c@");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once(')').map_or("", |(_, rest)| rest));
    [first].into_iter().chain(rest.map(str::to_owned)).collect()
}

/// Types a line and waits for an answer that shows all of these, in this order.
async fn ask(bot: &Bot, line: &str, answers: &[&str]) {
    bot.say(line).await;
    for answer in answers {
        hear(bot, line, answer).await;
    }
}

/// Waits for a line that shows this.
async fn hear(bot: &Bot, what: &str, answer: &str) {
    let mut seen = Vec::new();
    while let Some(line) = bot.chat(PATIENCE).await {
        let line = plain(&line.text);
        if line.contains(answer) {
            return;
        }
        seen.push(line);
    }
    panic!("{}: {what}: no {answer:?} in {seen:?}", bot.name());
}

const RIGHTS: &str = "permissions: { groups: [ { name: staff, permissions: [ 'cmd_*' ] } ], \
                      players: [ { name: Staff, groups: [ staff ] } ] }";

struct Bed {
    lobby: FakeServer,
    arena: FakeServer,
    documents: Documents,
    proxy: Proxy,
    staff: Bot,
    bob: Bot,
    bobby: Bot,
    carol: Bot,
}

impl Bed {
    async fn start() -> Self {
        let (lobby, arena) = (FakeServer::of(lobby()).unwrap(), FakeServer::of(arena()).unwrap());
        let documents = Documents::new()
            .server("lobby", lobby.addr())
            .labelled("arena", arena.addr(), "in: games", "displayName: The Arena")
            .group("games", "displayName: Games")
            .proxy(RIGHTS);
        let proxy = Launch::new(documents.clone()).start().await;
        let staff = proxy.join("staff").await;
        let (bob, bobby) = (proxy.join("bob").await, proxy.join("bobby").await);
        let carol = proxy.join("carol").await;
        Self { lobby, arena, documents, proxy, staff, bob, bobby, carol }
    }

    /// That there is an audit record with these words.
    async fn audited(&self, verb: &str, subject: &str, result: &str) {
        let wanted = [
            format!("verb=\"{verb}\""),
            format!("subject=\"{subject}\""),
            format!("result=\"{result}\""),
        ];
        let find = || {
            let log = self.proxy.log();
            log.lines()
                .any(|line| line.contains("audit") && wanted.iter().all(|it| line.contains(it)))
        };
        eventually(&format!("the audit record {wanted:?}"), SOON, find).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_tell_something() {
    within(FOREVER, async {
        let bed = Bed::start().await;
        for (line, answers) in [
            (">find BOBBY", &["bobby is on lobby."][..]),
            (">find bobb", &["bobby is on lobby."]),
            (">find bo", &["Which of: bob, bobby? (AMBIGUOUS)"]),
            (">find BOB", &["bob is on lobby."]),
            (">find zed", &["No player zed is in the game. (NO_SUCH_PLAYER)"]),
            (">find", &["Usage: >find NAME (USAGE)"]),
            (">find bob now", &["Usage: >find NAME (USAGE)"]),
            (">addr bob", &["bob is at 127.0.0.1."]),
            (">addr", &["Usage: >addr NAME"]),
            (">players", &["4 players", "lobby (4): bob, bobby, carol, staff"]),
            (">list 7", &["4 players"]),
            (">players x", &["Usage: >players [PAGE]"]),
            (
                ">servers",
                &["2 servers; groups: games", "arena up, 0 players, The Arena", "lobby up, 4"],
            ),
            (">whereami", &["You are on lobby, through the proxy "]),
            (">whereami x", &["Usage: >whereami (USAGE)"]),
            (">uptime", &["This proxy has been running for "]),
            (">group", &["Your groups: staff, default"]),
            (">group bob", &["Groups of bob: default"]),
            (">perms", &["Your permissions: cmd_*, cmd_find"]),
            (">perms bobby", &["Permissions of bobby: cmd_find"]),
            (">perms a/b", &["Name: 1 to 20 of a-z, A-Z, 0-9, - and _. (INVALID_FIELD)"]),
            (">gperms", &["Groups: default, staff"]),
            (">gperms st", &["Permissions of staff: cmd_*"]),
            (">gperms default", &["Permissions of default: cmd_find", "Everybody is in it."]),
            (">gperms nope", &["There is no permission group nope. (NO_SUCH_TARGET)"]),
            (">server", &["You are on lobby.", "Servers: lobby, arena", "Groups: games"]),
            (">gserver", &["You are on lobby.", "Groups: games"]),
            (">help", &["What you may use (page 1 of 6; >help 2)", ">addr NAME tells"]),
            (">help 6", &["What you may use (page 6 of 6)", ">whereami tells where you are"]),
            (">help kick", &[">kick NAME [REASON] ends a player's visit"]),
            (">usage >msg", &[">msg NAME TEXT writes", "Also: tell, w"]),
            (">usage", &["What you may use (page 1 of 6"]),
            (">usage nope", &["There is no command nope. (NO_SUCH_COMMAND)"]),
        ] {
            ask(&bed.staff, line, answers).await;
        }
        // Nothing of it was seen in the world.
        assert_eq!(bed.lobby.said_by("staff"), Vec::<String>::new());
        let audited = bed.proxy.log().lines().filter(|line| line.contains("player:staff")).count();
        assert_eq!(audited, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_take_players_elsewhere() {
    within(FOREVER, async {
        let bed = Bed::start().await;
        let staff = &bed.staff;
        for (line, answers) in [
            (">send player arena bob", &["bob is on arena now."][..]),
            (">send player ar BOB", &["bob is on arena already."]),
            (">send player arena zed", &["No player zed is in the game. (NO_SUCH_PLAYER)"]),
            (">send player nowhere bob", &["There is no server nowhere. (NO_SUCH_TARGET)"]),
            (">send player games bob", &["There is no server games. (NO_SUCH_TARGET)"]),
            (">send", &["Usage: >send player SERVER NAME|current SERVER|all SERVER (USAGE)"]),
            (">send current", &["Usage: >send "]),
            (">send some arena", &["Usage: >send "]),
            (">send all arena now", &["Usage: >send "]),
            (
                ">send current arena",
                &[
                    "Taking 3 players to The Arena",
                    "3 arrived on The Arena, 0 were there before, 0 failed.",
                ],
            ),
            (">send all lobby", &["4 arrived on lobby, 0 were there before, 0 failed."]),
            (">gsend player games bob", &["bob is on arena now."]),
            (">gsend player lobby bob", &["There is no group lobby. (NO_SUCH_TARGET)"]),
            (">gsend current games", &["3 arrived on Games, 0 were there before, 0 failed."]),
            (">gsend all games", &["0 arrived on Games, 4 were there before, 0 failed."]),
            (">gsend all", &["Usage: >gsend "]),
            (">server nowhere", &["There is no server nowhere. (NO_SUCH_TARGET)"]),
            (">server arena", &["You are on The Arena already."]),
            (">gserver lobby", &["There is no group lobby. (NO_SUCH_TARGET)"]),
            (">server lo", &["Going to lobby …"]),
        ] {
            ask(staff, line, answers).await;
        }
        eventually("staff in the lobby", SOON, || bed.lobby.players() == ["staff"]).await;
        ask(staff, ">gserver games", &["Going to Games …"]).await;
        eventually("staff in the arena", SOON, || bed.arena.players().len() == 4).await;
        staff.until("the arena", |view| view.position == ARENA).await.unwrap();
        ask(staff, ">gserver", &["You are on The Arena.", "Its groups: games"]).await;
        bed.audited(
            "MovePlayers",
            "players to server arena: 3 moved, 0 failed, 0 there before",
            "OK",
        )
        .await;
        bed.audited("MovePlayers", "player bob", "OK").await;
        bed.audited("MovePlayers", "", "USAGE").await;

        // Players who cannot be moved are counted by the cause.
        bed.lobby.set_rule(mesegate_testkit::LoginRule::Full);
        ask(
            staff,
            ">send all lobby",
            &[
                "0 arrived on lobby, 0 were there before, 4 failed.",
                "4 times: The server is full. (TARGET_FULL)",
            ],
        )
        .await;
        bed.lobby.set_rule(mesegate_testkit::LoginRule::Accept);
        ask(staff, ">drain lobby", &["lobby lets nobody in any more, until the proxy ends."]).await;
        ask(staff, ">servers", &["lobby up, draining, 0 players"]).await;
        ask(
            staff,
            ">send all lobby",
            &["4 times: Nobody is let in there any more. (TARGET_DRAINING)"],
        )
        .await;
        ask(staff, ">server lobby", &["You cannot enter lobby: nobody is let in there any more."])
            .await;
        ask(staff, ">drain lobby off", &["lobby lets players in again, until the proxy ends."])
            .await;
        ask(staff, ">drain lobby maybe", &["Usage: >drain SERVER [off]"]).await;
        ask(staff, ">drain nowhere", &["There is no server nowhere. (NO_SUCH_TARGET)"]).await;
        bed.audited("SetServerState", "server lobby to SERVER_STATE_DRAIN", "OK").await;
        for bot in [&bed.staff, &bed.bob, &bed.bobby, &bed.carol] {
            assert_eq!(bot.closed(), None, "{}", bot.name());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_to_write_and_to_keep_from_writing() {
    within(FOREVER, async {
        let bed = Bed::start().await;
        let Bed { staff, bob, carol, .. } = &bed;
        ask(staff, ">send player arena bob", &["bob is on arena now."]).await;
        ask(staff, ">msg BOB hi \u{1b}there", &["[you to bob] hi there"]).await;
        hear(bob, "a message", "[staff to you] hi there").await;
        ask(bob, ">r hello", &["[you to staff] hello"]).await;
        hear(staff, "an answer", "[bob to you] hello").await;
        ask(staff, ">w bo x", &["Which of: bob, bobby? (AMBIGUOUS)"]).await;
        ask(staff, ">msg bob", &["Usage: >msg NAME TEXT (USAGE)"]).await;
        ask(carol, ">r hm", &["Nobody has written to you. (NO_SUCH_PLAYER)"]).await;
        ask(carol, ">r", &["Usage: >r TEXT (USAGE)"]).await;
        ask(staff, &format!(">msg bob {}", "x".repeat(501)), &["at most 500 bytes"]).await;
        ask(staff, ">alert Tea is ready", &["4 players were told."]).await;
        hear(bob, "an alert", "[ALERT] Tea is ready").await;
        hear(carol, "an alert", "[ALERT] Tea is ready").await;
        ask(staff, ">alert", &["Usage: >alert TEXT"]).await;

        ask(staff, ">mute bob 10m no shouting", &["bob is muted for 10 minutes."]).await;
        hear(bob, "the mute", "You are muted for 10 minutes: no shouting").await;
        for line in ["LOUD", "/me shouts"] {
            ask(bob, line, &["You are muted for 10 minutes: no shouting."]).await;
        }
        ask(bob, ">msg staff x", &["You are muted for 10 minutes: no shouting. (MUTED)"]).await;
        // What is no talk goes on.
        bob.say("/home").await;
        ask(bob, ">whereami", &["You are on The Arena"]).await;
        eventually("the command", SOON, || bed.arena.said_by("bob") == ["/home"]).await;
        ask(staff, ">unmute BOB", &["bob may write again."]).await;
        hear(bob, "the end", "You may write again.").await;
        ask(bob, "quiet", &["<bob> quiet"]).await;
        ask(staff, ">unmute bob", &["Nothing keeps bob from writing. (NOT_MUTED)"]).await;
        ask(staff, ">mute carol", &["carol is muted until unmuted."]).await;
        ask(staff, ">mute", &["Usage: >mute NAME [TIME] [REASON]"]).await;
        for (verb, subject, result) in [
            ("SendMessage", "players", "OK"),
            ("MutePlayer", "player bob", "OK"),
            ("UnmutePlayer", "player bob", "NOT_MUTED"),
        ] {
            bed.audited(verb, subject, result).await;
        }
        // What players write to each other is nobody's business.
        assert!(!bed.proxy.log().contains("hi there"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_keep_players_out() {
    within(FOREVER, async {
        let bed = Bed::start().await;
        let staff = &bed.staff;
        ask(staff, ">kick carol mind the rules", &["carol was sent away."]).await;
        bed.carol.wait_closed(SOON).await.unwrap();
        ask(staff, ">kick carol", &["No player carol is in the game. (NO_SUCH_PLAYER)"]).await;
        ask(staff, ">kick bo", &["Which of: bob, bobby? (AMBIGUOUS)"]).await;
        ask(staff, ">kick", &["Usage: >kick NAME [REASON] (USAGE)"]).await;
        ask(staff, ">ban BOBBY theft", &["bobby is banned. Sent away: bobby."]).await;
        bed.bobby.wait_closed(SOON).await.unwrap();
        let (_, text, _) = refusal(Bot::join(bed.proxy.bot("bobby")).await);
        assert!(text.contains("theft"), "{text}");
        for (line, answers) in [
            (">ban bobby", &["(BAN_EXISTS)"][..]),
            (">ban", &["Usage: >ban NAME|ADDRESS [ADDRESS] [REASON]"]),
            (">ban a/b", &["(INVALID_FIELD)"]),
            (">ban 192.0.2.0/24 bots", &["192.0.2.0/24 is banned."]),
            (">ban mallory 198.51.100.7 spam", &["198.51.100.7 is banned."]),
            (">tempban dave 2h loud", &["dave is banned for 2 hours."]),
            (">tempban erin", &["Usage: >tempban NAME|ADDRESS TIME [REASON]"]),
            (">tempban erin soon", &["(INVALID_FIELD)"]),
            (
                ">banlist",
                &[
                    "4 bans",
                    "bobby for good, by staff: theft",
                    "192.0.2.0/24 for good, by staff: bots",
                    "198.51.100.7 for good, by staff: spam",
                    "dave for 2 hours, by staff: loud",
                ],
            ),
            (">bans x", &["Usage: >banlist [PAGE]"]),
            (">unban bobby", &["bobby is not banned any more."]),
            (">unban bobby", &["(NO_SUCH_BAN)"]),
            (">unban 192.0.2.0/24", &["192.0.2.0/24 is not banned any more."]),
            (">unban", &["Usage: >unban NAME|ADDRESS"]),
            (">banlist", &["2 bans"]),
        ] {
            ask(staff, line, answers).await;
        }
        drop(bed.proxy.join("bobby").await);
        for (verb, subject, result) in [
            ("KickPlayer", "player carol", "OK"),
            ("KickPlayer", "", "NO_SUCH_PLAYER"),
            ("CreateBan", "player bobby", "BAN_EXISTS"),
            ("CreateBan", "addresses", "OK"),
            ("DeleteBan", "player bobby", "OK"),
        ] {
            bed.audited(verb, subject, result).await;
        }
        // Audit records have no addresses.
        let log = bed.proxy.log();
        let records = log.lines().filter(|line| line.contains("player:staff"));
        for record in records {
            assert!(!record.contains("192.0.2") && !record.contains("198.51"), "{record}");
        }
    })
    .await;
}

/// The commands that everybody may use; all others are refused to who is not staff.
const EVERYBODY: [&str; 12] = [
    "find", "group", "gserver", "help", "msg", "perms", "players", "r", "server", "servers",
    "usage", "whereami",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_is_refused_and_not_listed() {
    within(FOREVER, async {
        let mut bed = Bed::start().await;
        let manual = mesegate_proxy::console_manual();
        let names = manual.lines().filter_map(|line| line.split('`').nth(1)?.strip_prefix('>'));
        let names: Vec<&str> = names.filter_map(|usage| usage.split(' ').next()).collect();
        assert_eq!(names.len(), 28);
        let mut refused = 0;
        for name in &names {
            if EVERYBODY.contains(name) {
                continue;
            }
            let answer = format!("You may not use >{name}. (PERMISSION)");
            ask(&bed.bob, &format!(">{name} carol arena"), &[&answer]).await;
            ask(&bed.bob, &format!(">help {name}"), &["(NO_SUCH_COMMAND)"]).await;
            refused += 1;
        }
        assert_eq!(refused, names.len() - EVERYBODY.len());
        bed.audited("KickPlayer", "", "PERMISSION").await;
        bed.audited("Shutdown", "", "PERMISSION").await;
        ask(&bed.bob, ">help", &["What you may use (page 1 of 3", ">find NAME"]).await;

        // Rights are edited while they are in the game.
        let with = |names: &str| {
            let one = "{ name: Staff, groups: [ staff ] }";
            let all: Vec<String> =
                names.split(' ').map(|name| one.replace("Staff", name)).collect();
            bed.documents.yaml().replace(one, &all.join(", "))
        };
        bed.proxy.edit(&with("staff bob"));
        ask(&bed.staff, ">reload", &["The documents were read again: 2 servers."]).await;
        ask(&bed.bob, ">kick carol", &["carol was sent away."]).await;
        let edited = with("bob");
        bed.proxy.edit(&edited);
        ask(&bed.bob, ">reload", &["The documents were read again: 2 servers."]).await;
        ask(&bed.staff, ">kick bobby", &["You may not use >kick. (PERMISSION)"]).await;
        bed.proxy.edit(&edited.replace("groups: [ staff ]", "groups: [ stuff ]"));
        ask(
            &bed.bob,
            ">reload",
            &["spec.permissions.players[0].groups: there is no permission group stuff"],
        )
        .await;
        ask(&bed.bob, ">reload now", &["Usage: >reload"]).await;
        ask(&bed.bob, ">SHUTDOWN", &["The proxy stops."]).await;
        let (status, _) = bed.proxy.ended().await;
        assert!(status.success());
        assert!(bed.proxy.log().contains("verb=\"Shutdown\" subject=\"proxy "));
    })
    .await;
}

/// A command that takes long keeps neither packets nor chat waiting, and the next ones wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn commands_are_done_in_their_order_and_nothing_waits_for_a_slow_one() {
    within(FOREVER, async {
        let bed = Bed::start().await;
        bed.arena.set_rule(mesegate_testkit::LoginRule::Silent);
        bed.staff.say(">send player arena bob").await;
        bed.staff.say(">whereami").await;
        let began = std::time::Instant::now();
        ask(&bed.staff, "ping 1", &["pong 1"]).await;
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        for _ in 0..16 {
            bed.staff.say(">find bob").await;
        }
        hear(&bed.staff, "too many", "Too many commands wait").await;
        hear(&bed.staff, "the failure", "(TARGET_UNREACHABLE)").await;
        hear(&bed.staff, "the next", "You are on lobby").await;
        hear(&bed.staff, "the one after", "bob is on lobby.").await;
        ask(&bed.bob, ">server", &["You are on lobby"]).await;
        assert_ne!(bed.bob.view().position, ARENA);
    })
    .await;
}
