//! The strategies.

use mesegate_resource::Strategy;
use rand::RngExt;

use crate::network::Server;

/// Members of a group that can take a player, in the order of their documents.
#[derive(Debug, Default)]
pub(super) struct Candidates<'a> {
    pub(super) servers: Vec<&'a Server>,
    /// Players of each.
    pub(super) players: Vec<u32>,
    /// Place of the first that comes after the member that was chosen last; none if the row begins
    /// anew.
    pub(super) next: Option<usize>,
}

impl<'a> Candidates<'a> {
    /// The one that the strategy chooses; `None` if there is none.
    pub(super) fn pick(&self, strategy: Strategy) -> Option<&'a Server> {
        if self.servers.is_empty() {
            return None;
        }
        let index = match strategy {
            Strategy::Random => any(self.servers.len()),
            Strategy::RoundRobin => self.next.unwrap_or(0),
            Strategy::LeastPlayers => self.least()?,
            Strategy::Weighted => self.weighted(),
        };
        self.servers.get(index).copied()
    }

    /// Of several with the same load, any: otherwise the first in the documents would get every
    /// player who comes to an empty network.
    fn least(&self) -> Option<usize> {
        // Shares can be compared only where all have a limit.
        let limited = self.servers.iter().all(|server| server.spec.max_players.is_some());
        let loads: Vec<u64> = self
            .servers
            .iter()
            .zip(&self.players)
            .map(|(server, count)| match server.spec.max_players {
                Some(most) if limited => (u64::from(*count) << 32) / u64::from(most.max(1)),
                _ => u64::from(*count),
            })
            .collect();
        let lowest = loads.iter().min()?;
        let lightest: Vec<usize> = (0..loads.len()).filter(|i| &loads[*i] == lowest).collect();
        lightest.get(any(lightest.len())).copied()
    }

    fn weighted(&self) -> usize {
        let sum: u32 = self.servers.iter().map(|server| server.spec.weight).sum();
        if sum == 0 {
            return any(self.servers.len());
        }
        let mut rest = rand::rng().random_range(0..sum);
        for (index, server) in self.servers.iter().enumerate() {
            if rest < server.spec.weight {
                return index;
            }
            rest -= server.spec.weight;
        }
        // Not reached: `rest` began below the sum of all weights.
        0
    }
}

fn any(count: usize) -> usize {
    rand::rng().random_range(0..count)
}
