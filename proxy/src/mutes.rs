//! Who must not write: neither in the chat of any world nor to other players.

use std::time::Duration;

use mesegate_auth::Mute;

use crate::shared::Shared;

/// Chat commands of the engine and of common mods that write to others. Other commands, which do
/// something in the game, are left to a muted player.
const TALK: [&str; 16] = [
    "all",
    "broadcast",
    "dm",
    "m",
    "mail",
    "me",
    "message",
    "msg",
    "pm",
    "r",
    "reply",
    "say",
    "shout",
    "t",
    "tell",
    "w",
];

/// How often the store is asked whether something has changed.
const EVERY: Duration = Duration::from_secs(2);

/// Keeps what is known up to date until the process is asked to stop. While the store is away, what
/// is known stays in force.
pub(crate) async fn keep(shared: &Shared) {
    let mut away = false;
    loop {
        let error = shared.mutes.refresh().await.err();
        if let Some(error) = error.as_ref().filter(|_| !away) {
            tracing::warn!(%error, "who is muted stays so; changes by other proxies are not seen");
        }
        away = error.is_some();
        if tokio::time::timeout(EVERY, shared.stopped()).await.is_ok() {
            return;
        }
    }
}

/// What a muted player reads, at `now` in Unix seconds.
pub(crate) fn told(mute: &Mute, now: i64) -> String {
    let reason = match mute.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let end = mute.expires.map_or_else(String::new, |end| {
        let left = u64::try_from(end.saturating_sub(now)).unwrap_or(0);
        format!(" for {}", crate::banned::span(left))
    });
    format!("You are muted{end}{reason}")
}

/// Whether a chat line is read by others, as opposed to a command that does something.
pub(crate) fn is_talk(line: &str) -> bool {
    let Some(command) = line.trim_start().strip_prefix('/') else { return true };
    let word = command.split_whitespace().next().unwrap_or_default();
    TALK.iter().any(|talk| word.eq_ignore_ascii_case(talk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_and_the_end_are_told() {
        let mute = |reason: &str, expires| Mute {
            name: "bob".into(),
            reason: reason.into(),
            author: "staff".into(),
            created: 0,
            expires,
        };
        assert_eq!(told(&mute("caps", Some(700)), 100), "You are muted for 10 minutes: caps");
        assert_eq!(told(&mute("", None), 100), "You are muted");
    }

    #[test]
    fn commands_that_talk_are_known() {
        for line in ["hello", " hi", "/me waves", "/MSG bob x", " /tell bob", ""] {
            assert!(is_talk(line), "{line}");
        }
        for line in ["/home", "/spawn now", "/", "/meow"] {
            assert!(!is_talk(line), "{line}");
        }
    }
}
