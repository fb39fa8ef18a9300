//! One clock for all bots and fake servers of a process, so that a time stamp that travels in a
//! message can be compared where it arrives.

use std::sync::LazyLock;
use std::time::Instant;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the first call in this process.
pub fn nanos() -> u64 {
    START.elapsed().as_nanos() as u64
}
