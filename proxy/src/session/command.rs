//! Chat lines that are for the proxy: done one after the other, in the order in which they came.

use super::play::{End, Player};
use crate::console::{self, Caller, Said};

/// Lines that may wait for the command under way.
const WAITING: usize = 16;

impl Player {
    /// Takes a line without its prefix.
    pub(super) fn command(&mut self, line: &str) -> Result<(), End> {
        if self.waiting_lines.len() >= WAITING {
            return self.tell("Too many commands wait; this one was not done.");
        }
        self.waiting_lines.push_back(line.to_owned());
        self.next_command();
        Ok(())
    }

    fn next_command(&mut self) {
        if self.command.is_some() {
            return;
        }
        let Some(line) = self.waiting_lines.pop_front() else { return };
        let server = self.world.as_ref().map(|world| world.server.clone());
        let caller = Caller { name: self.who.name.clone(), server };
        self.command = Some(console::begin(&self.shared, caller, &line));
    }

    /// A command has something to say, or has ended.
    pub(super) fn said(&mut self, said: Option<Said>) -> Result<(), End> {
        match said {
            Some(Said::Line(line)) => self.tell(&line),
            Some(Said::Go(target)) => {
                let network = self.shared.network.load_full();
                network.target(&target).map_or(Ok(()), |found| self.wish(found))
            }
            None => {
                self.command = None;
                self.next_command();
                Ok(())
            }
        }
    }
}
