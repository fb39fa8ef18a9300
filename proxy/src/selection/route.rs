//! A player's way to one of several targets, one try after the other.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::{Duration, Instant};

use mesegate_resource::{EmptyPolicy, Name, Target};

use super::{Closed, Seat};
use crate::network::Server;
use crate::shared::Shared;

/// How long a player waits for a turn or for a member that can take them.
const PATIENCE: Duration = Duration::from_secs(30);

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
    /// The server that is left, which is not chosen as a member of a group.
    leaving: Option<&'a str>,
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
}

impl<'a> Route<'a> {
    /// The way to the first of `targets` that lets the player in.
    pub(crate) fn new(
        shared: &'a Shared,
        player: &'a str,
        leaving: Option<&'a str>,
        targets: Vec<Target>,
    ) -> Self {
        Self {
            shared,
            player,
            leaving,
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
                    let visit =
                        Visit { name: name.clone(), tried: Vec::new(), admitted: false, began };
                    self.group = Some(visit);
                }
            }
        }
    }

    async fn server(&mut self, name: &Name) -> Result<(Box<Server>, Seat), Closed> {
        let network = self.shared.network.load_full();
        let server = network.server(name.as_str()).ok_or(Closed::Gone)?;
        self.learn_privileges([server].into_iter()).await;
        if !self.may_enter(server) {
            return Err(Closed::Forbidden);
        }
        let seat = self.shared.selector.seat(server)?;
        Ok((Box::new(server.clone()), seat))
    }

    /// The next member of a group. Goes on with the group's fallbacks where its policy says so.
    async fn member(&mut self, mut visit: Visit) -> Result<(Box<Server>, Seat), Closed> {
        let mut closed = Closed::NoMember;
        let mut policy = EmptyPolicy::Reject;
        let mut fallbacks = Vec::new();
        while visit.tried.len() < TRIES {
            // Anew each time: documents may have been edited while the player waited.
            let network = self.shared.network.load_full();
            let Some(group) = network.group(visit.name.as_str()) else {
                return Err(Closed::Gone);
            };
            policy = group.spec.empty_policy;
            fallbacks.clone_from(&group.spec.fallbacks);
            self.learn_privileges(network.members(group)).await;
            let left = PATIENCE.saturating_sub(visit.began.elapsed());
            let selector = &self.shared.selector;
            if !visit.admitted && selector.has_member(&network, group, self.wanted(&visit)) {
                let now = Instant::now();
                let Some(wait) = selector.turn(group, now, left) else {
                    closed = Closed::Crowded;
                    break;
                };
                visit.admitted = true;
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                    continue;
                }
            }
            if visit.admitted
                && let Some((server, seat)) = selector.seat_in(&network, group, self.wanted(&visit))
            {
                let server = Box::new(server.clone());
                visit.tried.push(server.name.clone());
                self.group = Some(visit);
                return Ok((server, seat));
            }
            if policy != EmptyPolicy::Wait || left.is_zero() {
                break;
            }
            tokio::time::sleep(LOOK.min(left)).await;
        }
        if policy != EmptyPolicy::Reject {
            for target in fallbacks.into_iter().rev() {
                self.targets.push_front(target);
            }
        }
        Err(closed)
    }

    /// Which members can be chosen, as far as is known outside the selector.
    fn wanted(&self, visit: &Visit) -> impl Fn(&Server) -> bool {
        let status = self.shared.library.server_status();
        let down: HashSet<String> = status
            .iter()
            .filter(|status| status.state.is_known_down())
            .map(|status| status.name.clone())
            .collect();
        move |server| {
            let name = server.name.as_str();
            !down.contains(name)
                && self.leaving != Some(name)
                && !visit.tried.contains(&server.name)
                && self.may_enter(server)
        }
    }

    fn may_enter(&self, server: &Server) -> bool {
        server.spec.access.as_ref().is_none_or(|access| {
            self.privileges.as_ref().is_some_and(|it| it.contains(&access.permission))
        })
    }

    /// Asks the account database, if one of the servers wants a privilege. One that does not answer
    /// grants none.
    async fn learn_privileges(&mut self, mut servers: impl Iterator<Item = &Server>) {
        if self.privileges.is_some() || !servers.any(|server| server.spec.access.is_some()) {
            return;
        }
        let account = self.shared.accounts.get(self.player).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a player's privileges cannot be read");
            None
        });
        self.privileges = Some(account.map(|it| it.privileges).unwrap_or_default());
    }
}
