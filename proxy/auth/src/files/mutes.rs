//! Mutes, in `mesegate/mutes`.

use std::path::PathBuf;

use super::{Files, Inner, atomic, lines};
use crate::AccountError;
use crate::mutes::{Mute, Version};

impl Files {
    /// All mutes, unless they are still those of the known version.
    pub(crate) async fn read_mutes(
        &self,
        known: Option<Version>,
    ) -> Result<Option<(Version, Vec<Mute>)>, AccountError> {
        self.run(move |inner| {
            let path = inner.mutes_path();
            // Before the rest: what is read may then be newer, and is read once more.
            let version = atomic::state(&path)?;
            if known == Some(version) {
                return Ok(None);
            }
            Ok(Some((version, lines::read(&path)?)))
        })
        .await
    }

    /// Mutes somebody; false if `most` others are.
    pub(crate) async fn set_mute(&self, mute: &Mute, most: usize) -> Result<bool, AccountError> {
        let mute = mute.clone();
        self.run(move |inner| {
            inner.change_mutes(|all| {
                all.retain(|it| it.name != mute.name && it.holds(mute.created));
                let room = all.len() < most;
                if room {
                    all.push(mute);
                }
                (room, room)
            })
        })
        .await
    }

    /// Removes a mute; false if it did not hold.
    pub(crate) async fn lift_mute(&self, name: &str, now: i64) -> Result<bool, AccountError> {
        let name = name.to_owned();
        self.run(move |inner| {
            inner.change_mutes(|all| {
                let found = all.iter().position(|it| it.name == name).map(|at| all.remove(at));
                (found.is_some(), found.is_some_and(|it| it.holds(now)))
            })
        })
        .await
    }

    /// Adds or changes mutes, all or none of them.
    pub(crate) async fn put_mutes(&self, mutes: &[Mute]) -> Result<(), AccountError> {
        let mutes = mutes.to_vec();
        self.run(move |inner| {
            inner.change_mutes(|all| {
                let names: std::collections::HashSet<&str> =
                    mutes.iter().map(|it| it.name.as_str()).collect();
                all.retain(|it| !names.contains(it.name.as_str()));
                all.extend_from_slice(&mutes);
                (true, ())
            })
        })
        .await
    }
}

impl Inner {
    fn mutes_path(&self) -> PathBuf {
        self.folder.own().join("mutes")
    }

    /// Writes what `how` makes of all mutes if it says that there is something to write.
    fn change_mutes<T>(
        &self,
        how: impl FnOnce(&mut Vec<Mute>) -> (bool, T),
    ) -> Result<T, AccountError> {
        let _lock = self.folder.lock()?;
        let path = self.mutes_path();
        let mut all = lines::read(&path)?;
        let (changed, result) = how(&mut all);
        if changed {
            self.folder.replace(&path, lines::write(&path, &all)?.as_bytes())?;
        }
        Ok(result)
    }
}
