//! A command that is carried out: who asks, what is left of the words, and what they mean.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_admin::{Failure, Network as Api, Selection};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_protocol::login::check_name;
use tokio::sync::mpsc;

use super::table::Command;
use super::words::Words;
use super::{Caller, Said};
use crate::network::{Group, Network, Server};
use crate::shared::Shared;

/// How long what concerns one player may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Players among whom one is looked for by the beginning of a name.
const LOOKED_AT: usize = 64;

/// Names that a question lists.
const LISTED: usize = 6;

/// The lines of an answer.
pub(super) type Answer = Result<Vec<String>, Trouble>;

/// Why nothing was done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It was typed wrongly.
    Usage,
    /// One name, as the admin interface has it where it has the same, and what it means.
    Failed { reason: &'static str, text: String },
}

impl Trouble {
    pub(super) fn new(reason: &'static str, text: impl Into<String>) -> Self {
        Self::Failed { reason, text: text.into() }
    }

    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Usage => "USAGE",
            Self::Failed { reason, .. } => reason,
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::new(failure.reason.name(), failure.text)
    }
}

/// A command that is carried out.
pub(super) struct Ask {
    /// What the admin interface is over as well.
    pub(super) api: Arc<dyn Api>,
    /// Whether there may be other proxies that cannot be reached.
    pub(super) alone: bool,
    pub(super) shared: Arc<Shared>,
    pub(super) network: Arc<Network>,
    pub(super) caller: Caller,
    pub(super) words: Words,
    pub(super) out: mpsc::Sender<Said>,
    /// What it is about, for the audit record. No addresses.
    pub(super) subject: String,
}

impl Ask {
    /// Says something before the end.
    pub(super) async fn say(&self, line: String) {
        // Who asked may have left.
        let _ = self.out.send(Said::Line(line)).await;
    }

    pub(super) fn prefix(&self) -> &str {
        &self.network.proxy.command_prefix
    }

    /// Whether the caller may use a command.
    pub(super) fn may(&self, command: &Command) -> bool {
        self.network.permissions.allows(&self.caller.name, &command.permission())
    }

    /// Where there may be other proxies that cannot be reached.
    pub(super) fn here(&self) -> &'static str {
        if self.alone { " on this proxy" } else { "" }
    }

    /// Where there may be other proxies, which do not learn of it.
    pub(super) fn only_here(&self) -> &'static str {
        if self.shared.fleet { " on this proxy" } else { "" }
    }

    /// When what concerns one player is given up.
    pub(super) fn deadline() -> Instant {
        Instant::now() + LIMIT
    }

    /// The next word, which must be there.
    pub(super) fn word(&mut self) -> Result<String, Trouble> {
        self.words.next().ok_or(Trouble::Usage)
    }

    /// That nothing is left.
    pub(super) fn end(&self) -> Result<(), Trouble> {
        if self.words.is_empty() { Ok(()) } else { Err(Trouble::Usage) }
    }

    /// All that is left, which must be something.
    pub(super) fn text(&mut self) -> Result<String, Trouble> {
        let text = self.words.rest();
        if text.is_empty() {
            return Err(Trouble::Usage);
        }
        limited(text)
    }

    /// All that is left, which may be nothing.
    pub(super) fn optional_text(&mut self) -> Result<String, Trouble> {
        limited(self.words.rest())
    }

    /// The number of a page, the first if none is given; nothing may follow.
    pub(super) fn page(&mut self) -> Result<usize, Trouble> {
        let page = match self.words.next() {
            None => 1,
            Some(word) => word.parse().map_err(|_| Trouble::Usage)?,
        };
        self.end()?;
        Ok(page)
    }

    /// The player in the game whom a word means.
    pub(super) fn player(&mut self) -> Result<pb::Player, Trouble> {
        let typed = self.word()?;
        let player = self.in_game(&typed)?;
        self.subject = format!("player {}", player.name);
        Ok(player)
    }

    fn in_game(&self, typed: &str) -> Result<pb::Player, Trouble> {
        if let Some(player) = self.api.player(typed) {
            return Ok(player);
        }
        let nobody = || {
            let text = format!("no player {} is in the game{}", short(typed), self.here());
            Trouble::new(Reason::NoSuchPlayer.name(), text)
        };
        // Longer than any name, and so nobody's.
        let name_prefix = check_name(typed).map(|()| typed.to_owned()).map_err(|_| nobody())?;
        let selector = pb::PlayerSelector { name_prefix, ..Default::default() };
        let mut found = self.api.players(None, LOOKED_AT, &Selection::new(Some(selector))?).players;
        let same = |player: &pb::Player| player.name.eq_ignore_ascii_case(typed);
        if found.iter().filter(|player| same(player)).count() == 1 {
            found.retain(same);
        }
        match found.len() {
            0 => Err(nobody()),
            1 => found.pop().ok_or_else(nobody),
            _ => Err(which(found.iter().map(|player| player.name.as_str()))),
        }
    }

    /// The name that a word means: of a player in the game, or as it is typed.
    pub(super) fn name(&mut self) -> Result<String, Trouble> {
        let typed = self.word()?;
        let name = match self.in_game(&typed) {
            Ok(player) => player.name,
            Err(trouble) if trouble.reason() == Reason::NoSuchPlayer.name() => {
                let field = |_| Failure::field("name", "1 to 20 of a-z, A-Z, 0-9, - and _");
                check_name(&typed).map_err(field)?;
                typed
            }
            Err(trouble) => return Err(trouble),
        };
        self.subject = format!("player {name}");
        Ok(name)
    }

    /// The server that a word means.
    pub(super) fn server(&self, typed: &str) -> Result<&Server, Trouble> {
        let names = || self.network.servers().map(|server| server.name.as_str());
        let name = pick(names, typed, "server")?;
        self.network.server(name).ok_or_else(|| Failure::no_such_server(name).into())
    }

    /// The group of servers that a word means.
    pub(super) fn group(&self, typed: &str) -> Result<&Group, Trouble> {
        let names = || self.network.groups().map(|group| group.name.as_str());
        let name = pick(names, typed, "group")?;
        self.network.group(name).ok_or_else(|| Failure::no_such_group(name).into())
    }
}

/// The name that is typed, or the only one that begins so.
pub(super) fn pick<'a, I: Iterator<Item = &'a str>>(
    names: impl Fn() -> I,
    typed: &str,
    kind: &str,
) -> Result<&'a str, Trouble> {
    let lower = typed.to_ascii_lowercase();
    if let Some(exact) = names().find(|name| *name == lower) {
        return Ok(exact);
    }
    let mut matching = names().filter(|name| name.starts_with(&lower));
    match (matching.next(), matching.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(which(names().filter(|name| name.starts_with(&lower)))),
        (None, _) => {
            let text = format!("there is no {kind} {}", short(typed));
            Err(Trouble::new(Reason::NoSuchTarget.name(), text))
        }
    }
}

fn which<'a>(names: impl Iterator<Item = &'a str>) -> Trouble {
    let names: Vec<&str> = names.take(LISTED + 1).collect();
    let more = if names.len() > LISTED { ", …" } else { "" };
    let listed = names.get(..LISTED).unwrap_or(&names).join(", ");
    Trouble::new("AMBIGUOUS", format!("which of: {listed}{more}?"))
}

fn limited(text: String) -> Result<String, Trouble> {
    // As the admin interface takes them.
    if text.len() > 500 {
        return Err(Failure::field("text", "at most 500 bytes").into());
    }
    Ok(text)
}

/// What was typed, to be shown again.
fn short(typed: &str) -> String {
    typed.chars().take(super::SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_meant_by_their_beginning_if_it_is_only_theirs() {
        let names = || ["arena", "arena-2", "lobby"].into_iter();
        assert_eq!(pick(names, "LO", "server").unwrap(), "lobby");
        assert_eq!(pick(names, "Arena", "server").unwrap(), "arena");
        let Err(Trouble::Failed { reason, text }) = pick(names, "ar", "server") else { panic!() };
        assert_eq!((reason, text.as_str()), ("AMBIGUOUS", "which of: arena, arena-2?"));
        let Err(Trouble::Failed { reason, text }) = pick(names, "x", "server") else { panic!() };
        assert_eq!((reason, text.as_str()), ("NO_SUCH_TARGET", "there is no server x"));
        let Err(Trouble::Failed { text, .. }) = pick(|| ["a"; 9].into_iter(), "", "server") else {
            panic!()
        };
        assert_eq!(text, "which of: a, a, a, a, a, a, …?");
    }
}
