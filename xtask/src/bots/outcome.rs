//! What has become of the players while something was done to their proxies.

use std::collections::BTreeSet;
use std::fmt;

use super::{Event, What};

/// A summary of events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Players who read in the chat that they will be asked to reconnect.
    pub told: BTreeSet<String>,
    /// Players who were asked to reconnect.
    pub asked: BTreeSet<String>,
    /// Those of them who had to do so more than once.
    pub twice: BTreeSet<String>,
    /// Visits that ended in another way, and logins that failed for good: who, and how.
    pub lost: Vec<String>,
    /// Milliseconds from the goodbye to the next world, sorted.
    pub away: Vec<u64>,
    /// Returns that took more than one login.
    pub again: usize,
    /// When the first and the last was asked to reconnect, in milliseconds since 1970.
    pub between: Option<(u64, u64)>,
}

impl Outcome {
    /// Of events in order.
    pub fn of(events: &[Event]) -> Self {
        let mut outcome = Self::default();
        for Event { at, player, what } in events {
            match what {
                What::Joined { tries, away } => {
                    outcome.away.extend(away);
                    outcome.again += usize::from(away.is_some() && *tries > 1);
                }
                What::Told => {
                    outcome.told.insert(player.clone());
                }
                What::Ended { asked: true, .. } => {
                    if !outcome.asked.insert(player.clone()) {
                        outcome.twice.insert(player.clone());
                    }
                    let (first, last) = outcome.between.unwrap_or((*at, *at));
                    outcome.between = Some((first.min(*at), last.max(*at)));
                }
                What::Ended { asked: false, text } | What::Refused { again: false, text } => {
                    outcome.lost.push(format!("{player}: {text}"));
                }
                What::Refused { again: true, .. } => {}
            }
        }
        outcome.away.sort_unstable();
        outcome
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.asked.is_empty() && self.lost.is_empty() {
            return f.write_str("nobody had to reconnect");
        }
        let (told, asked, lost) = (self.told.len(), self.asked.len(), self.lost.len());
        write!(f, "{told} told, {asked} asked to reconnect, {lost} lost")?;
        if let Some(longest) = self.away.last() {
            let median = self.away[self.away.len() / 2];
            write!(f, "; back after {median} ms at the median and {longest} ms at most")?;
        }
        write!(f, ", {} not at the first try", self.again)?;
        if !self.twice.is_empty() {
            write!(f, "; {} asked more than once", self.twice.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64, player: &str, what: What) -> Event {
        Event { at, player: player.into(), what }
    }

    fn ended(asked: bool) -> What {
        What::Ended { asked, text: "words".into() }
    }

    #[test]
    fn who_is_dropped_without_a_word_is_lost() {
        let joined = |tries, away| What::Joined { tries, away };
        let refused = |again| What::Refused { again, text: "no".into() };
        let outcome = Outcome::of(&[
            event(1, "a", joined(3, None)),
            event(2, "a", What::Told),
            event(3, "a", ended(true)),
            event(4, "a", refused(true)),
            event(5, "a", joined(2, Some(2))),
            event(6, "b", ended(false)),
            event(7, "c", refused(false)),
            event(9, "a", ended(true)),
        ]);
        let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
        let expected = Outcome {
            told: names(&["a"]),
            asked: names(&["a"]),
            twice: names(&["a"]),
            lost: vec!["b: words".into(), "c: no".into()],
            away: vec![2],
            again: 1,
            between: Some((3, 9)),
        };
        assert_eq!(outcome, expected);
        assert_eq!(Outcome::of(&[]).to_string(), "nobody had to reconnect");
    }
}
