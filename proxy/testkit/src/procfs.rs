//! What a process used, from `/proc`: CPU time and resident memory.

use std::fs;
use std::io;
use std::time::Duration;

/// Clock ticks per second in `/proc/PID/stat`. The kernel's `USER_HZ`, which is 100 on every
/// architecture that Rust's standard library supports on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time of a process so far, user and system, all threads (also ended ones).
///
/// # Errors
/// The process is gone or `/proc` cannot be read.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&stat).ok_or_else(|| bad("stat"))
}

/// Resident memory in bytes (`VmRSS`).
///
/// # Errors
/// The process is gone or `/proc` cannot be read.
pub fn resident(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse_status(&status).ok_or_else(|| bad("status"))
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("unexpected layout of /proc/PID/{what}"))
}

/// The second field is the program's name in parentheses and may itself hold blanks and
/// parentheses, so fields are counted from the last closing one.
fn parse_stat(stat: &str) -> Option<Duration> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
}

fn parse_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_a_hostile_program_name_is_read() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 5 0 100 1 2";
        assert_eq!(parse_stat(stat), Some(Duration::from_secs(3)));
        assert_eq!(parse_stat("7 (a) S 1"), None);
    }

    #[test]
    fn status_gives_bytes() {
        assert_eq!(parse_status("Name:\tx\nVmRSS:\t  12 kB\n"), Some(12 * 1024));
        assert_eq!(parse_status("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        let pid = std::process::id();
        assert!(resident(pid).unwrap() > 100_000);
        let before = cpu_time(pid).unwrap();
        let end = std::time::Instant::now() + Duration::from_millis(60);
        let mut x = 1_u64;
        while std::time::Instant::now() < end {
            x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005));
        }
        assert!(cpu_time(pid).unwrap() > before);
    }
}
