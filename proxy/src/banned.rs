//! Players whom a ban concerns: what they read, and that they leave.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use mesegate_auth::Ban;
use tokio::sync::oneshot;

use crate::players::{Kick, Order};
use crate::shared::{Shared, unix_now};

/// How long a ban waits for its players' tasks to have taken it, at most.
const TAKEN: Duration = Duration::from_secs(1);

/// How often bans that others have made in the same store are looked for.
const EVERY: Duration = Duration::from_millis(500);

/// Keeps bans of other proxies with the same store in force, until the process is asked to stop.
pub(crate) async fn keep(shared: &Shared) {
    let mut news = shared.bans.news();
    let mut away = false;
    loop {
        let found = news.next(unix_now() as i64).await;
        if let Some(error) = found.as_ref().err().filter(|_| !away) {
            tracing::warn!(%error, "bans made by other proxies are not seen for now");
        }
        away = found.is_err();
        for ban in found.iter().flatten() {
            send_away(shared, ban).await;
        }
        let pause = if news.more() { Duration::ZERO } else { EVERY };
        if tokio::time::timeout(pause, shared.stopped()).await.is_ok() {
            return;
        }
    }
}

/// Ends the visits of those whom a ban concerns, and gives their names.
pub(crate) async fn send_away(shared: &Shared, ban: &Ban) -> Vec<String> {
    let subject = &ban.terms.subject;
    let concerned = shared.players.select(|p| subject.concerns(&p.name, p.address));
    let text = told(ban, unix_now() as i64);
    let mut kicked = Vec::new();
    let mut waiting = Vec::new();
    for player in concerned {
        let (done, taken) = oneshot::channel();
        let kick = Kick { source: "ban", text: text.clone(), reconnect: false, done };
        if shared.players.order(&player.name, Order::Kick(kick)).is_ok() {
            waiting.push(taken);
            kicked.push(player.name.clone());
        }
    }
    let end = Instant::now() + TAKEN;
    for taken in waiting {
        // Their tasks do it whether it is waited for or not.
        let _ = tokio::time::timeout(end.saturating_duration_since(Instant::now()), taken).await;
    }
    kicked
}

/// What a banned player reads, at `now` in Unix seconds.
pub(crate) fn told(ban: &Ban, now: i64) -> String {
    let mut text = match ban.terms.reason.as_str() {
        "" => "You are banned here.".to_owned(),
        reason => format!("You are banned here: {reason}"),
    };
    if let Some(expires) = ban.terms.expires {
        let left = u64::try_from(expires.saturating_sub(now)).unwrap_or(0);
        let _ = write!(text, "\nThe ban ends in {}.", span(left));
    }
    text
}

/// A time span, rounded up to the largest unit of which there are two.
pub(crate) fn span(seconds: u64) -> String {
    for (unit, length) in [("days", 86_400), ("hours", 3600), ("minutes", 60)] {
        if seconds > length {
            let count = seconds.div_ceil(length);
            return format!("{count} {unit}");
        }
    }
    "a minute".to_owned()
}

#[cfg(test)]
mod tests {
    use mesegate_auth::{BanSubject, NewBan};

    use super::*;

    fn ban(reason: &str, expires: Option<i64>) -> Ban {
        let terms = NewBan {
            subject: BanSubject::Name("alice".into()),
            reason: reason.into(),
            note: "secret".into(),
            author: "ops".into(),
            created: 0,
            expires,
        };
        Ban { id: 1, terms }
    }

    #[test]
    fn the_reason_and_the_end_are_told() {
        assert_eq!(told(&ban("griefing", None), 5), "You are banned here: griefing");
        for (left, text) in [
            (1, "a minute"),
            (60, "a minute"),
            (61, "2 minutes"),
            (3600, "60 minutes"),
            (3601, "2 hours"),
            (86_401, "2 days"),
            (864_000, "10 days"),
        ] {
            let all = format!("You are banned here.\nThe ban ends in {text}.");
            assert_eq!(told(&ban("", Some(100 + left)), 100), all);
        }
    }
}
