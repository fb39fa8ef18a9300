//! Commands to write to others, and to keep others from it.

use std::time::Duration;

use mesegate_admin::{Failure, Selection};
use mesegate_auth::{AccountError, Mute, MuteError};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_proto::span;

use super::ask::{Answer, Ask, Trouble};
use super::paint;
use crate::mutes::told;
use crate::shared::unix_now;

/// Writes to a player in any world.
pub(super) async fn msg(ask: &mut Ask) -> Answer {
    let player = ask.player()?;
    let text = ask.text()?;
    write(ask, &player.name, &text).await
}

/// Answers who wrote last.
pub(super) async fn reply(ask: &mut Ask) -> Answer {
    let text = ask.text()?;
    let last = ask.shared.players.correspondent(&ask.caller.name);
    let nobody = || Trouble::new(Reason::NoSuchPlayer.name(), "nobody has written to you");
    let name = last.ok_or_else(nobody)?;
    write(ask, &name, &text).await
}

async fn write(ask: &Ask, to: &str, text: &str) -> Answer {
    let from = &ask.caller.name;
    let now = unix_now() as i64;
    if let Some(mute) = ask.shared.mutes.of(from, now) {
        return Err(Trouble::new("MUTED", told(&mute, now)));
    }
    let selector = pb::PlayerSelector { names: vec![to.to_owned()], ..Default::default() };
    let line = paint::note(&format!("[{from} to you] {text}"));
    let selection = Selection::new(Some(selector))?;
    if ask.api.tell(&selection, &line, Some(from), Ask::deadline()).await? == 0 {
        return Err(match ask.api.player(to) {
            Some(_) => {
                let text = "the player has not arrived on a server yet";
                Trouble::new(Reason::PlayerNotReady.name(), text)
            }
            None => Failure::no_such_player(to).into(),
        });
    }
    Ok(vec![paint::note(&format!("[you to {to}] {text}"))])
}

/// Writes to everybody.
pub(super) async fn alert(ask: &mut Ask) -> Answer {
    let text = ask.text()?;
    ask.subject = "players".into();
    let line = paint::bad(&format!("[ALERT] {text}"));
    let told = ask.api.tell(&Selection::default(), &line, None, Ask::deadline()).await?;
    Ok(vec![paint::good(&format!("{told} players were told{}.", ask.here()))])
}

/// Keeps a player from writing.
pub(super) async fn mute(ask: &mut Ask) -> Answer {
    let name = ask.name()?;
    let time = match ask.words.peek().map(span::parse) {
        Some(Ok(time)) => {
            ask.words.next();
            Some(time)
        }
        Some(Err(_)) | None => None,
    };
    let reason = ask.optional_text()?;
    let created = unix_now() as i64;
    let mute = Mute {
        name: name.clone(),
        reason,
        author: ask.caller.name.clone(),
        created,
        expires: time.map(|time| created.saturating_add_unsigned(time.as_secs())),
    };
    let told = told(&mute, created);
    ask.shared.mutes.set(mute).await.map_err(|error| match error {
        MuteError::TooMany => {
            Trouble::new(Reason::TooManyRequests.name(), "too many players are muted")
        }
        MuteError::Store(error) => store(&error),
    })?;
    tell(ask, &name, &paint::bad(&told)).await;
    let end = time.map_or_else(|| "until unmuted".to_owned(), |it| format!("for {}", long(it)));
    Ok(vec![paint::good(&format!("{name} is muted{} {end}.", here(ask)))])
}

/// Proxies with the same store know the same mutes.
fn here(ask: &Ask) -> &'static str {
    if ask.shared.accounts.is_shared() { "" } else { ask.here() }
}

fn store(error: &AccountError) -> Trouble {
    tracing::error!(%error, "a mute was not changed");
    let text = if error.is_passing() {
        "accounts cannot be reached right now; nothing was changed"
    } else {
        "the database failed, and nothing was changed; the log has the cause"
    };
    Trouble::new(Reason::Store.name(), text)
}

/// Lets a player write again.
pub(super) async fn unmute(ask: &mut Ask) -> Answer {
    let name = ask.name()?;
    ask.end()?;
    let lifted = ask.shared.mutes.lift(&name, unix_now() as i64).await;
    if !lifted.map_err(|error| store(&error))? {
        return Err(Trouble::new("NOT_MUTED", format!("nothing keeps {name} from writing")));
    }
    tell(ask, &name, &paint::good("You may write again.")).await;
    Ok(vec![paint::good(&format!("{name} may write again."))])
}

/// Tells a player something that matters to them; who is not there need not know.
async fn tell(ask: &Ask, name: &str, line: &str) {
    let selector = pb::PlayerSelector { names: vec![name.to_owned()], ..Default::default() };
    if let Ok(selection) = Selection::new(Some(selector)) {
        let _ = ask.api.tell(&selection, line, None, Ask::deadline()).await;
    }
}

pub(super) fn long(time: Duration) -> String {
    crate::banned::span(time.as_secs())
}
