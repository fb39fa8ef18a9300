//! Commands that send players away and keep them out.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mesegate_admin::{BanKey, Failure, Kick, NewBan};
use mesegate_auth::Prefix;
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::ban_subject::Kind;
use mesegate_proto::span;

use super::ask::{Answer, Ask, Trouble};
use super::{paint, talk};
use crate::shared::unix_now;

/// Bans that a list is made of; there may be more, which the admin interface lists.
const LISTED: usize = 1000;

/// Ends a player's visit.
pub(super) async fn kick(ask: &mut Ask) -> Answer {
    let player = ask.player()?;
    let text = match ask.optional_text()? {
        reason if reason.is_empty() => "An operator has ended your visit.".to_owned(),
        reason => reason,
    };
    let kick = Kick { text, reconnect: false, ban: false };
    ask.api.kick(&player.name, kick, Ask::deadline()).await?;
    Ok(vec![paint::good(&format!("{} was sent away.", player.name))])
}

/// Keeps somebody out for good.
pub(super) async fn ban(ask: &mut Ask) -> Answer {
    let (subject, whom) = subject(ask)?;
    // The incumbent's form: the address of somebody who is not in the game.
    let address = ask.words.peek().and_then(network);
    let (subject, note, whom) = match (address, &subject) {
        (Some(address), Kind::Name(name)) => {
            ask.words.next();
            let note = format!("address of {name}");
            (Kind::Address(address.clone()), note, address)
        }
        _ => (subject, String::new(), whom),
    };
    let reason = ask.optional_text()?;
    create(ask, subject, note, reason, None, &whom).await
}

/// Keeps somebody out for a time.
pub(super) async fn tempban(ask: &mut Ask) -> Answer {
    let (subject, whom) = subject(ask)?;
    let word = ask.word()?;
    let time = span::parse(&word).map_err(|wrong| Failure::field("time", wrong))?;
    let reason = ask.optional_text()?;
    create(ask, subject, String::new(), reason, Some(time), &whom).await
}

async fn create(
    ask: &Ask,
    kind: Kind,
    note: String,
    reason: String,
    time: Option<Duration>,
    whom: &str,
) -> Answer {
    let created = unix_now() as i64;
    let ban = NewBan {
        subject: Some(pb::BanSubject { kind: Some(kind) }),
        reason,
        note,
        author: ask.caller.name.clone(),
        created,
        expires: time.map(|time| created.saturating_add_unsigned(time.as_secs())),
    };
    let (_, kicked) = ask.api.create_ban(ban, Ask::deadline()).await?;
    let end = time.map_or_else(String::new, |time| format!(" for {}", talk::long(time)));
    let gone = match kicked.as_slice() {
        [] => String::new(),
        names => format!(" Sent away: {}.", names.join(", ")),
    };
    Ok(vec![paint::good(&format!("{whom} is banned{end}.{gone}"))])
}

/// Lifts a ban.
pub(super) async fn unban(ask: &mut Ask) -> Answer {
    let typed = ask.word()?;
    ask.end()?;
    let (kind, subject) = match network(&typed) {
        Some(address) => (Kind::Address(address), "addresses".to_owned()),
        None => (Kind::Name(typed.clone()), format!("player {typed}")),
    };
    ask.subject = subject;
    let key = BanKey::Subject(Some(pb::BanSubject { kind: Some(kind) }));
    let ban = ask.api.delete_ban(key, Ask::deadline()).await?;
    Ok(vec![paint::good(&format!("{} is not banned any more.", name(&ban)))])
}

/// Lists bans.
pub(super) async fn banlist(ask: &mut Ask) -> Answer {
    let page = ask.page()?;
    let found = ask.api.bans(None, LISTED + 1, false).await?;
    let more = if found.len() > LISTED { "more than " } else { "" };
    let count = found.len().min(LISTED);
    let lines: Vec<String> = found.iter().take(LISTED).map(|(_, ban)| line(ban)).collect();
    let title = format!("{more}{count} {}", if count == 1 { "ban" } else { "bans" });
    Ok(paint::page(&title, &lines, page, &format!("{}banlist", ask.prefix())))
}

fn line(ban: &pb::Ban) -> String {
    let ends = ban.expires.as_ref().map(|at| {
        let end = UNIX_EPOCH + Duration::from_secs(at.seconds.max(0).unsigned_abs());
        end.duration_since(SystemTime::now()).unwrap_or_default()
    });
    let mut text =
        ends.map_or_else(|| "for good".to_owned(), |left| format!("for {}", talk::long(left)));
    if !ban.author.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(text, ", by {}", ban.author);
    }
    if !ban.reason.is_empty() {
        let _ = write!(text, ": {}", ban.reason);
    }
    paint::pair(&name(ban), &text)
}

fn name(ban: &pb::Ban) -> String {
    match ban.subject.as_ref().and_then(|subject| subject.kind.clone()) {
        Some(Kind::Name(name) | Kind::Address(name)) => name,
        None => String::new(),
    }
}

/// Whom the next word means, and what they are called in the answer.
fn subject(ask: &mut Ask) -> Result<(Kind, String), Trouble> {
    if let Some(address) = ask.words.peek().and_then(network) {
        ask.words.next();
        ask.subject = "addresses".into();
        return Ok((Kind::Address(address.clone()), address));
    }
    let name = ask.name()?;
    Ok((Kind::Name(name.clone()), name))
}

/// The address or network that a word is.
fn network(word: &str) -> Option<String> {
    let address: Option<IpAddr> = word.parse().ok();
    let prefix: Option<Prefix> = word.parse().ok();
    // A player may be called 127, which is not taken for an address.
    (address.is_some() || (word.contains('/') && prefix.is_some())).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_names() {
        for word in ["192.0.2.1", "192.0.2.0/24", "2001:db8::1", "2001:db8::/32"] {
            assert_eq!(network(word).as_deref(), Some(word));
        }
        for word in ["127", "alice", "a/b", "1-2-3-4", "192.0.2.0/33"] {
            assert_eq!(network(word), None, "{word}");
        }
    }
}
