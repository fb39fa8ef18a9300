//! A player's way to one of several targets, one try after the other.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::{Duration, Instant};

use mesegate_resource::{EmptyPolicy, Name, Target};

use super::{Closed, QueueTurn, Seat};
use crate::network::{Group, Network, Server};
use crate::players::Order;
use crate::shared::Shared;

/// How long a player waits for a turn or for a member that can take them.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a player waits who has nowhere else to go.
const QUEUE: Duration = Duration::from_mins(10);

/// How often a waiting player is told their place at most, if it changes, and at least.
const TELL: Duration = Duration::from_secs(2);
const TELL_AGAIN: Duration = Duration::from_secs(30);

/// After what time a waiting player tries members again that have refused them.
const AGAIN: Duration = Duration::from_secs(5);

/// How often a waiting player looks.
const LOOK: Duration = Duration::from_millis(250);

/// Members of one group that a player tries, each of which may take ten seconds to say no.
const TRIES: usize = 4;

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    /// A server that would let the player in as far as the proxy knows.
    Try(Box<Server>, Seat),
    /// A target that does not.
    Closed(Target, Closed),
    /// Nothing is left.
    End,
}

/// A player's way to one of several targets. Every target is tried once, so fallbacks that lead
/// to each other end.
pub(crate) struct Route<'a> {
    shared: &'a Shared,
    player: &'a str,
    /// Servers that are not chosen as members of a group: the one that is left, and those that were
    /// lost lately.
    leaving: Vec<String>,
    /// Whether the player is on no server, and so has to wait for one.
    homeless: bool,
    targets: VecDeque<Target>,
    seen: HashSet<Target>,
    group: Option<Visit>,
    /// The player's privileges, once they were needed.
    privileges: Option<BTreeSet<String>>,
}

/// A group that is being tried.
struct Visit {
    name: Name,
    tried: Vec<Name>,
    /// Whether the player has had their turn.
    admitted: bool,
    began: Instant,
    /// When a member has refused the player, of those that were tried.
    refused: Option<Instant>,
    /// Their place in the queue, once they wait, and what of it they were told when.
    waiting: Option<Waiting>,
}

struct Waiting {
    turn: QueueTurn,
    told: Option<(usize, Instant)>,
}

impl<'a> Route<'a> {
    /// The way to the first of `targets` that lets the player in.
    pub(crate) fn new(
        shared: &'a Shared,
        player: &'a str,
        leaving: Vec<String>,
        homeless: bool,
        targets: Vec<Target>,
    ) -> Self {
        Self {
            shared,
            player,
            leaving,
            homeless,
            targets: targets.into(),
            seen: HashSet::new(),
            group: None,
            privileges: None,
        }
    }

    /// What comes next. Waits for the player's turn where there is one.
    pub(crate) async fn next(&mut self) -> Step {
        loop {
            if let Some(visit) = self.group.take() {
                let target = Target::Group(visit.name.clone());
                match self.member(visit).await {
                    Ok((server, seat)) => return Step::Try(server, seat),
                    Err(closed) => return Step::Closed(target, closed),
                }
            }
            let Some(target) = self.targets.pop_front() else { return Step::End };
            if !self.seen.insert(target.clone()) {
                continue;
            }
            match &target {
                Target::Server(name) => match self.server(name).await {
                    Ok((server, seat)) => return Step::Try(server, seat),
                    Err(closed) => return Step::Closed(target, closed),
                },
                Target::Group(name) => {
                    let began = Instant::now();
                    let (name, tried) = (name.clone(), Vec::new());
                    let visit =
                        Visit { name, tried, admitted: false, began, refused: None, waiting: None };
                    self.group = Some(visit);
                }
            }
        }
    }

    async fn server(&mut self, name: &Name) -> Result<(Box<Server>, Seat), Closed> {
        let network = self.shared.network.load_full();
        let server = network.server(name.as_str()).ok_or(Closed::Gone)?;
        self.learn_privileges(&network, [server].into_iter()).await;
        if !self.may_enter(&network, server) {
            return Err(Closed::Forbidden);
        }
        let seat = self.shared.selector.seat(server)?;
        Ok((Box::new(server.clone()), seat))
    }

    /// The next member of a group. Goes on with the group's fallbacks where its policy says so.
    async fn member(&mut self, mut visit: Visit) -> Result<(Box<Server>, Seat), Closed> {
        // Who is here again was refused by the member that was tried last.
        visit.refused = (!visit.tried.is_empty()).then(Instant::now);
        let (closed, policy, fallbacks) = loop {
            // Anew each time: documents may have been edited while the player waited.
            let network = self.shared.network.load_full();
            let Some(group) = network.group(visit.name.as_str()) else {
                return Err(Closed::Gone);
            };
            let policy = group.spec.empty_policy;
            let fallbacks = group.spec.fallbacks.clone();
            self.learn_privileges(&network, network.members(group)).await;
            let waits = policy == EmptyPolicy::Wait;
            let patience =
                if waits && self.homeless && fallbacks.is_empty() && self.targets.is_empty() {
                    QUEUE
                } else {
                    PATIENCE
                };
            let left = patience.saturating_sub(visit.began.elapsed());
            if waits && visit.refused.is_some_and(|at| at.elapsed() >= AGAIN) {
                // A server's own limit is not known here; there may be room by now.
                visit.tried.clear();
                visit.refused = None;
            }
            if visit.tried.len() >= TRIES && !waits {
                break (Closed::NoMember, policy, fallbacks);
            }
            if waits && !self.may_try(&network, group, &mut visit) {
                if left.is_zero() {
                    break (Closed::NoMember, policy, fallbacks);
                }
                self.tell_position(group.title(), &mut visit);
                tokio::time::sleep(LOOK.min(left)).await;
                continue;
            }
            let selector = &self.shared.selector;
            if !visit.admitted
                && selector.has_member(&network, group, self.wanted(&network, &visit))
            {
                let now = Instant::now();
                let Some(wait) = selector.turn(group, now, left) else {
                    break (Closed::Crowded, policy, fallbacks);
                };
                visit.admitted = true;
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                    continue;
                }
            }
            if visit.admitted
                && let Some((server, seat)) =
                    selector.seat_in(&network, group, self.wanted(&network, &visit))
            {
                let server = Box::new(server.clone());
                visit.tried.push(server.name.clone());
                // Whoever is on the way does not stand in the queue any more.
                visit.waiting = None;
                self.group = Some(visit);
                return Ok((server, seat));
            }
            if !waits || left.is_zero() {
                break (Closed::NoMember, policy, fallbacks);
            }
            tokio::time::sleep(LOOK.min(left)).await;
        };
        if policy != EmptyPolicy::Reject {
            for target in fallbacks.into_iter().rev() {
                self.targets.push_front(target);
            }
        }
        Err(closed)
    }

    /// Whether it is the player's turn in a group where players wait. As long as there is room, and
    /// nobody waits, it is everybody's.
    fn may_try(&self, network: &Network, group: &Group, visit: &mut Visit) -> bool {
        let selector = &self.shared.selector;
        let room = selector.room(network, group, self.wanted(network, visit));
        if visit.waiting.is_none() {
            if selector.queue_length(&group.name) < room {
                return true;
            }
            visit.waiting = Some(Waiting { turn: selector.line_up(&group.name), told: None });
        }
        visit.waiting.as_ref().is_some_and(|it| it.turn.position() <= room)
    }

    /// Tells the player how many are to be let in before them.
    fn tell_position(&self, title: &str, visit: &mut Visit) {
        let Some(waiting) = &mut visit.waiting else { return };
        let (position, now) = (waiting.turn.position(), Instant::now());
        let stale = waiting.told.is_none_or(|(told, at)| {
            let since = now.duration_since(at);
            (told != position && since >= TELL) || since >= TELL_AGAIN
        });
        if stale {
            waiting.told = Some((position, now));
            let line = format!("{title} has no room now. You are number {position} in the queue.");
            // Who is too busy to read it reads the next one.
            let _ = self.shared.players.order(self.player, Order::Tell(line));
        }
    }

    /// Which members can be chosen, as far as is known outside the selector.
    fn wanted(&self, network: &Network, visit: &Visit) -> impl Fn(&Server) -> bool {
        let status = self.shared.library.server_status();
        let down: HashSet<String> = status
            .iter()
            .filter(|status| status.state.is_known_down())
            .map(|status| status.name.clone())
            .collect();
        move |server| {
            let name = server.name.as_str();
            !down.contains(name)
                && !self.leaving.iter().any(|it| it == name)
                && !visit.tried.contains(&server.name)
                && self.may_enter(network, server)
        }
    }

    /// The documents' rules decide, and the account's privileges where no rule does.
    fn may_enter(&self, network: &Network, server: &Server) -> bool {
        server.spec.access.as_ref().is_none_or(|access| {
            let privilege =
                || self.privileges.as_ref().is_some_and(|it| it.contains(&access.permission));
            let rule = network.permissions.rule(self.player, &access.permission);
            rule.unwrap_or_else(privilege)
        })
    }

    /// Asks the account database, if one of the servers wants a privilege that no rule is about. One
    /// that does not answer grants none.
    async fn learn_privileges(
        &mut self,
        network: &Network,
        mut servers: impl Iterator<Item = &Server>,
    ) {
        let open = |server: &Server| {
            let access = server.spec.access.as_ref();
            access.is_some_and(|it| network.permissions.rule(self.player, &it.permission).is_none())
        };
        if self.privileges.is_some() || !servers.any(open) {
            return;
        }
        let account = self.shared.accounts.get(self.player).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a player's privileges cannot be read");
            None
        });
        self.privileges = Some(account.map(|it| it.privileges).unwrap_or_default());
    }
}
