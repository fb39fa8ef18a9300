//! Mutes on their way from store to store. Those that have ended stay behind.

use std::collections::HashMap;

use super::{BATCH, CopyOptions, Report, Side};
use crate::AccountError;
use crate::mutes::Mute;

pub(super) async fn copy(
    source: &Side,
    target: &Side,
    options: CopyOptions,
    report: &mut Report,
) -> Result<(), AccountError> {
    let there: HashMap<String, Mute> =
        target.mutes(options.now).await?.map(|it| (it.name.clone(), it)).collect();
    let mut new = Vec::new();
    for mute in source.mutes(options.now).await? {
        if let Some(why) = target.mute_refusal() {
            report.mutes.refused += 1;
            report.problem(format!("mute of {}: {why}", mute.name));
            continue;
        }
        match there.get(&mute.name) {
            Some(same) if *same == mute => report.mutes.same += 1,
            Some(_) if !options.replace => {
                report.mutes.kept += 1;
                report.problem(format!("{} is muted in the target otherwise; kept", mute.name));
            }
            other => {
                let tally = &mut report.mutes;
                *if other.is_some() { &mut tally.replaced } else { &mut tally.added } += 1;
                new.push(mute);
            }
        }
    }
    if !options.dry_run {
        for mutes in new.chunks(BATCH) {
            target.put_mutes(mutes).await?;
        }
    }
    Ok(())
}

impl Side {
    /// Those that hold.
    async fn mutes(&self, now: i64) -> Result<impl Iterator<Item = Mute>, AccountError> {
        let all = match self {
            Self::Store(accounts, _) => accounts.mutes().list().await?,
            Self::AuthTxt(_) | Self::IpBan(_) => Vec::new(),
        };
        Ok(all.into_iter().filter(move |it| it.holds(now)))
    }

    fn mute_refusal(&self) -> Option<&'static str> {
        match self {
            Self::Store(..) => None,
            Self::AuthTxt(it) => it.is_somewhere().then_some("auth.txt has no place for mutes"),
            Self::IpBan(_) => Some("ipban.txt has no place for mutes"),
        }
    }

    async fn put_mutes(&self, mutes: &[Mute]) -> Result<(), AccountError> {
        match self {
            Self::Store(accounts, _) => accounts.mutes().put(mutes).await,
            Self::AuthTxt(_) | Self::IpBan(_) => Ok(()),
        }
    }
}
