//! What a banned player reads.

use std::fmt::Write as _;

use mesegate_auth::Ban;

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
