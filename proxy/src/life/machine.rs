//! What a proxy does between serving and its end, without clocks, signals or players: times and
//! numbers in, things to do out.

use std::time::{Duration, Instant};

/// Who is still there this long before the end is told once more.
const LAST_NOTICE: Duration = Duration::from_mins(1);

/// How often those who are there after the deadline are sent away once more.
const AGAIN: Duration = Duration::from_secs(1);

/// How a proxy is drained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Terms {
    /// How long players may stay; zero: the process ends at once, and an operator's drain has no
    /// end.
    pub(super) timeout: Duration,
    /// Players that are asked to reconnect in a second while there is time left.
    pub(super) nudge: f64,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    /// Everybody is told how long they may stay.
    Notice(Duration),
    /// So many players are asked to reconnect.
    Nudge(usize),
    /// Everybody is.
    SendAway,
    /// The process ends.
    End,
}

/// What the proxy is doing.
#[derive(Debug)]
pub(super) struct Machine {
    terms: Terms,
    state: State,
}

#[derive(Debug)]
enum State {
    Serving,
    Draining(Drain),
    Ending,
}

#[derive(Debug)]
struct Drain {
    began: Instant,
    /// Whether the process ends with it; an operator's drain does not end it.
    ends: bool,
    deadline: Option<Deadline>,
    /// Players that were to be asked so far.
    nudged: u64,
}

#[derive(Debug)]
struct Deadline {
    at: Instant,
    /// How much time is left when notices are given, the next one last.
    notices: Vec<Duration>,
    /// When everybody was sent away last.
    passed: Option<Instant>,
}

impl Deadline {
    fn new(now: Instant, timeout: Duration) -> Self {
        let mut notices = vec![timeout, timeout / 2];
        notices.extend((LAST_NOTICE < timeout).then_some(LAST_NOTICE));
        notices.sort_unstable();
        notices.dedup();
        Self { at: now + timeout, notices, passed: None }
    }

    /// The notice that is due; of several, the last one.
    fn notice(&mut self, now: Instant) -> Option<Duration> {
        let left = self.at.saturating_duration_since(now);
        let before = self.notices.len();
        while self.notices.pop_if(|mark| *mark >= left).is_some() {}
        (self.notices.len() < before).then_some(left)
    }
}

impl Machine {
    pub(super) fn new(terms: Terms) -> Self {
        Self { terms, state: State::Serving }
    }

    /// The process is asked to end. Asked twice, it does not wait for anybody.
    pub(super) fn end(&mut self, now: Instant) {
        let timeout = self.terms.timeout;
        match &mut self.state {
            State::Serving if !timeout.is_zero() => self.begin(now, true),
            State::Draining(drain) if !drain.ends && !timeout.is_zero() => {
                drain.ends = true;
                let at = now + timeout;
                if drain.deadline.as_ref().is_none_or(|it| at < it.at) {
                    drain.deadline = Some(Deadline::new(now, timeout));
                }
            }
            _ => self.state = State::Ending,
        }
    }

    /// An operator wants the proxy to be left.
    pub(super) fn drain(&mut self, now: Instant) {
        if matches!(self.state, State::Serving) {
            self.begin(now, false);
        }
    }

    /// An operator has changed their mind. False if the process is to end, which nobody can take
    /// back.
    pub(super) fn resume(&mut self) -> bool {
        match &self.state {
            State::Serving => true,
            State::Draining(drain) if !drain.ends => {
                self.state = State::Serving;
                true
            }
            State::Draining(_) | State::Ending => false,
        }
    }

    fn begin(&mut self, now: Instant, ends: bool) {
        let timeout = self.terms.timeout;
        let deadline = (!timeout.is_zero()).then(|| Deadline::new(now, timeout));
        self.state = State::Draining(Drain { began: now, ends, deadline, nudged: 0 });
    }

    /// What is to be done now, with so many players in the game.
    pub(super) fn step(&mut self, now: Instant, players: usize) -> Vec<Act> {
        let drain = match &mut self.state {
            State::Serving => return Vec::new(),
            State::Ending => return vec![Act::End],
            State::Draining(drain) => drain,
        };
        let over = drain.deadline.as_mut().filter(|it| it.at <= now);
        if drain.ends && (players == 0 || over.is_some()) {
            self.state = State::Ending;
            return vec![Act::End];
        }
        if let Some(deadline) = over {
            let again = deadline.passed.is_none_or(|last| now.duration_since(last) >= AGAIN);
            if players == 0 || !again {
                return Vec::new();
            }
            deadline.passed = Some(now);
            return vec![Act::SendAway];
        }
        let notice = drain.deadline.as_mut().and_then(|it| it.notice(now)).map(Act::Notice);
        let until_now = now.duration_since(drain.began).as_secs_f64() * self.terms.nudge;
        let due = (until_now as u64).saturating_sub(drain.nudged);
        drain.nudged += due;
        let nudge = players.min(usize::try_from(due).unwrap_or(usize::MAX));
        let acts = notice.into_iter().chain((nudge > 0).then_some(Act::Nudge(nudge)));
        if players == 0 { Vec::new() } else { acts.collect() }
    }

    /// True from the first wish that the proxy be left.
    pub(super) fn is_draining(&self) -> bool {
        !matches!(self.state, State::Serving)
    }

    /// True while the process is to end.
    pub(super) fn ends(&self) -> bool {
        match &self.state {
            State::Serving => false,
            State::Draining(drain) => drain.ends,
            State::Ending => true,
        }
    }

    /// When those who are still there are sent away.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Draining(drain) => drain.deadline.as_ref().map(|it| it.at),
            State::Serving | State::Ending => None,
        }
    }

    /// Whether those whose connection is lost may come back.
    pub(super) fn keeps(&self, now: Instant) -> bool {
        match &self.state {
            State::Serving => true,
            State::Draining(drain) => drain.deadline.as_ref().is_none_or(|it| now < it.at),
            State::Ending => false,
        }
    }
}

#[cfg(test)]
mod tests;
