//! Many bots at once.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::report::Report;
use super::scene::Way;
use crate::{Bot, BotOptions, JoinError};

/// Starts players evenly over `window` and waits for all of them.
pub(super) async fn join_all(
    players: Vec<BotOptions>,
    window: Duration,
) -> (Vec<Bot>, Vec<(String, JoinError)>) {
    let begun = Instant::now();
    let gap = window / (players.len().max(1) as u32);
    let mut joining = JoinSet::new();
    for (index, options) in players.into_iter().enumerate() {
        joining.spawn(async move {
            sleep_until(begun + gap * index as u32).await;
            let name = options.name.clone();
            Bot::join(options).await.map_err(|error| (name, error))
        });
    }
    let (mut bots, mut failed) = (Vec::new(), Vec::new());
    while let Some(result) = joining.join_next().await {
        match result {
            Ok(Ok(bot)) => bots.push(bot),
            Ok(Err(failure)) => failed.push(failure),
            // A bot that panicked is a mistake of this program; its player is missing.
            Err(error) => failed.push(("?".into(), JoinError::Login(error.to_string()))),
        }
    }
    (bots, failed)
}

/// Reports failed joins, one line per kind.
pub(super) fn report_failed(
    report: &mut Report,
    part: &str,
    way: Way,
    failed: &[(String, JoinError)],
) {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for (_, error) in failed {
        *kinds.entry(error.to_string()).or_default() += 1;
    }
    for (error, count) in kinds {
        report.fail(format!("{part}, {way}: {count} did not join: {error}"));
    }
}

/// Reports players that are gone or were told what a client does not survive. Returns how many
/// were lost.
pub(super) fn report_lost(report: &mut Report, part: &str, way: Way, bots: &[Bot]) -> usize {
    let mut lost = 0;
    for bot in bots {
        if let Some(reason) = bot.closed() {
            lost += 1;
            report.fail(format!("{part}, {way}: {} was lost: {reason:?}", bot.name()));
        }
        if let Some(first) = bot.look(|view| view.violations.first().cloned()) {
            report.fail(format!("{part}, {way}: {} would have stopped: {first}", bot.name()));
        }
    }
    lost
}

/// Lets all players leave.
pub(super) async fn leave_all(bots: Vec<Bot>) {
    let mut leaving = JoinSet::new();
    for bot in bots {
        leaving.spawn(bot.leave());
    }
    leaving.join_all().await;
    // The servers take their time to notice; the next part uses other names.
    tokio::time::sleep(Duration::from_millis(300)).await;
}
