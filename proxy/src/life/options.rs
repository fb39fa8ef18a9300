//! Flags.

use std::time::Duration;

use clap::Args;

use super::machine::Terms;

/// How the process begins and ends.
#[derive(Debug, Clone, Args)]
pub struct LifeOptions {
    /// Seconds that players may go on playing once the process was asked to end, or the proxy was
    /// drained; with 0, who asks the process to end ends it at once, and a drained proxy keeps its
    /// players
    #[arg(long, env = "MESEGATE_DRAIN_TIMEOUT", default_value_t = 0, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub drain_timeout: u32,

    /// Players a second that are asked to reconnect while there is time left, so that they do not
    /// all do so at the end; such as 0.5
    #[arg(long, env = "MESEGATE_DRAIN_NUDGE", default_value_t = 0.0, value_name = "N",
          value_parser = rate)]
    pub drain_nudge: f64,

    /// Hours after which documents that were kept on disk do not make the proxy ready any more
    /// unless a controller is there
    #[arg(long, env = "MESEGATE_STALE_HOURS", default_value_t = 24, value_name = "HOURS",
          value_parser = clap::value_parser!(u32).range(0..=87_600))]
    pub stale_hours: u32,
}

impl LifeOptions {
    pub(super) fn terms(&self) -> Terms {
        let timeout = Duration::from_secs(self.drain_timeout.into());
        Terms { timeout, nudge: self.drain_nudge }
    }

    pub(crate) fn stale(&self) -> Duration {
        Duration::from_hours(self.stale_hours.into())
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.0..=1000.0).contains(rate));
    rate.ok_or_else(|| "write a number from 0 to 1000, such as 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn rates_are_numbers_that_can_be_kept_to() {
        assert_eq!([rate("0"), rate("0.5"), rate("1000")], [Ok(0.0), Ok(0.5), Ok(1000.0)]);
        for wrong in ["-1", "NaN", "inf", "1001", "many", ""] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
