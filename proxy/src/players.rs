//! Who is in the game: one session a name.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Everybody who is in the game. Cloning shares the list.
#[derive(Debug, Clone, Default)]
pub struct Players {
    /// Letter case counts, as it does for accounts.
    names: Arc<Mutex<HashSet<String>>>,
}

/// Why a name cannot enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// A player of that name is in the game.
    Name,
    /// As many players as the limit allows are in the game.
    Full,
}

/// A place in the game, given back when dropped.
#[derive(Debug)]
pub struct Place {
    name: String,
    players: Players,
}

impl Players {
    /// Whether a player of that name could enter now.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, name: &str, limit: u32) -> Result<(), Taken> {
        admit(&self.lock(), name, limit)
    }

    /// Takes the name and a place. Called after the password was right, so that strangers hold
    /// neither.
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub fn enter(&self, name: &str, limit: u32) -> Result<Place, Taken> {
        let mut names = self.lock();
        admit(&names, name, limit)?;
        names.insert(name.to_owned());
        Ok(Place { name: name.to_owned(), players: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are in the game.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// True when nobody is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.players.lock().remove(&self.name);
    }
}

fn admit(names: &HashSet<String>, name: &str, limit: u32) -> Result<(), Taken> {
    if names.contains(name) {
        Err(Taken::Name)
    } else if names.len() >= limit as usize {
        Err(Taken::Full)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_the_game_once_and_leaves_with_its_place() {
        let players = Players::default();
        let place = players.enter("alice", 2).unwrap();
        assert_eq!(players.enter("alice", 2).unwrap_err(), Taken::Name);
        let _bob = players.enter("Alice", 2).unwrap();
        assert_eq!(players.check("carol", 2).unwrap_err(), Taken::Full);
        drop(place);
        assert!(players.enter("alice", 2).is_ok());
    }
}
