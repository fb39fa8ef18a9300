//! Players who wait for a group to have room, first come, first served.

use mesegate_resource::Name;

use super::Selector;

/// A place in the queue of a group, given back when dropped.
#[derive(Debug)]
pub(super) struct QueueTurn {
    group: Name,
    number: u64,
    selector: Selector,
}

impl QueueTurn {
    /// How many wait up to here, this one included.
    pub(super) fn position(&self) -> usize {
        let state = self.selector.lock();
        let queue = state.queues.get(&self.group);
        queue.map_or(1, |queue| 1 + queue.iter().take_while(|it| **it != self.number).count())
    }
}

impl Drop for QueueTurn {
    fn drop(&mut self) {
        let mut state = self.selector.lock();
        if let Some(queue) = state.queues.get_mut(&self.group) {
            queue.retain(|number| *number != self.number);
            if queue.is_empty() {
                state.queues.remove(&self.group);
            }
        }
    }
}

impl Selector {
    /// How many wait for a group.
    pub(super) fn queue_length(&self, group: &Name) -> usize {
        self.lock().queues.get(group).map_or(0, std::collections::VecDeque::len)
    }

    /// Joins the end of a group's queue.
    pub(super) fn line_up(&self, group: &Name) -> QueueTurn {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.queues.entry(group.clone()).or_default().push_back(number);
        QueueTurn { group: group.clone(), number, selector: self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_first_is_first() {
        let selector = Selector::default();
        let group = Name::new("all").unwrap();
        let mut turns: Vec<QueueTurn> = (0..4).map(|_| selector.line_up(&group)).collect();
        let positions =
            |turns: &[QueueTurn]| turns.iter().map(QueueTurn::position).collect::<Vec<_>>();
        assert_eq!(positions(&turns), [1, 2, 3, 4]);
        drop(turns.remove(1));
        assert_eq!(positions(&turns), [1, 2, 3]);
        let other = selector.line_up(&Name::new("other").unwrap());
        assert_eq!((other.position(), selector.queue_length(&group)), (1, 3));
        drop(turns);
        assert_eq!(selector.queue_length(&group), 0);
        assert_eq!(selector.lock().queues.len(), 1);
    }
}
