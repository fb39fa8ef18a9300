use std::collections::BTreeMap;

use super::*;
use crate::Accounts;
use crate::transfer::{self, CopyOptions, Tally};

fn urls(folder: &tempfile::TempDir) -> [String; 2] {
    let path = folder.path().display();
    [format!("sqlite:{path}/auth.sqlite?mode=rwc"), format!("files:{path}/files")]
}

async fn open(url: &str) -> Mutes {
    Accounts::open(&url.parse().unwrap()).await.unwrap().mutes()
}

fn mute(name: &str, expires: Option<i64>) -> Mute {
    Mute {
        name: name.into(),
        reason: "caps \u{1f4e3}\n\"".into(),
        author: "Staff".into(),
        created: 1000,
        expires,
    }
}

#[tokio::test]
async fn mutes_hold_until_they_end_or_are_lifted_and_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for url in urls(&folder) {
        let mutes = open(&url).await;
        mutes.refresh().await.unwrap();
        mutes.set(mute("Bob", Some(1600))).await.unwrap();
        mutes.set(mute("carol", None)).await.unwrap();
        let restarted = open(&url).await;
        assert_eq!(restarted.of("bob", 1000), None, "not read yet");
        restarted.refresh().await.unwrap();
        for mutes in [&mutes, &restarted] {
            let found = mutes.of("bOB", 1599).unwrap();
            assert_eq!(*found, Mute { name: "bob".into(), ..mute("", Some(1600)) });
            assert_eq!(mutes.of("bob", 1600), None);
            assert!(mutes.of("carol", i64::MAX).is_some());
        }
        assert!(mutes.lift("CAROL", 2000).await.unwrap());
        assert!(!mutes.lift("carol", 2000).await.unwrap());
        assert!(!mutes.lift("bob", 1600).await.unwrap(), "ended by itself");
        assert_eq!(mutes.of("carol", 2000), None);
    }
}

#[tokio::test]
async fn other_processes_are_heard_of_and_what_was_ordered_here_is_not_undone() {
    let folder = tempfile::tempdir().unwrap();
    for url in urls(&folder) {
        let (one, other) = (open(&url).await, open(&url).await);
        for mutes in [&one, &other] {
            mutes.refresh().await.unwrap();
        }
        one.set(mute("bob", None)).await.unwrap();
        other.set(mute("carol", None)).await.unwrap();
        assert!(other.of("bob", 1000).is_none());
        for mutes in [&one, &other, &one] {
            mutes.refresh().await.unwrap();
        }
        for mutes in [&one, &other] {
            assert!(mutes.of("bob", 1000).is_some() && mutes.of("carol", 1000).is_some());
        }
        other.lift("bob", 1000).await.unwrap();
        one.refresh().await.unwrap();
        assert!(one.of("bob", 1000).is_none() && one.of("carol", 1000).is_some());
        // Changed to something else.
        one.set(mute("Carol", Some(5000))).await.unwrap();
        other.refresh().await.unwrap();
        assert_eq!(other.of("carol", 1000).unwrap().expires, Some(5000));
    }
}

#[tokio::test]
async fn no_more_are_muted_than_can_be_remembered() {
    let folder = tempfile::tempdir().unwrap();
    for url in urls(&folder) {
        let mutes = open(&url).await;
        let mut many: Vec<Mute> = (1..MOST).map(|it| mute(&it.to_string(), None)).collect();
        many.push(mute("short", Some(1001)));
        mutes.put(&many).await.unwrap();
        mutes.refresh().await.unwrap();
        let refused = mutes.set(mute("new", None)).await;
        assert!(matches!(refused, Err(MuteError::TooMany)), "{refused:?}");
        assert!(mutes.of("new", 1000).is_none());
        mutes.set(mute("1", None)).await.unwrap();
        mutes.set(Mute { created: 1001, ..mute("new", None) }).await.unwrap();
        assert!(mutes.of("new", 1001).is_some());
    }
}

#[tokio::test]
async fn what_cannot_be_read_leaves_in_force_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let [_, url] = urls(&folder);
    let mutes = open(&url).await;
    mutes.set(mute("bob", None)).await.unwrap();
    std::fs::write(folder.path().join("files/mesegate/mutes"), "nonsense\n").unwrap();
    assert!(mutes.refresh().await.is_err());
    assert!(matches!(mutes.set(mute("carol", None)).await, Err(MuteError::Store(_))));
    assert!(mutes.lift("bob", 1000).await.is_err());
    assert!(mutes.of("bob", 1000).is_some() && mutes.of("carol", 1000).is_none());
}

#[tokio::test]
async fn mutes_go_along_with_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let [sqlite, files] = urls(&folder);
    let source = open(&sqlite).await;
    source.set(mute("bob", None)).await.unwrap();
    source.set(mute("carol", Some(5000))).await.unwrap();
    source.put(&[mute("past", Some(1001))]).await.unwrap();
    let (from, to) = (sqlite.parse().unwrap(), files.parse().unwrap());
    let options = |dry_run, replace| CopyOptions { dry_run, replace, now: 2000 };
    let copy = async |options| {
        transfer::copy(&from, &to, options, &BTreeMap::new(), |_, _| {}).await.unwrap().mutes
    };
    let tally = Tally { added: 2, ..Tally::default() };
    assert_eq!(copy(options(true, false)).await, tally);
    assert_eq!(copy(options(false, false)).await, tally);
    assert_eq!(copy(options(false, false)).await, Tally { same: 2, ..Tally::default() });
    let target = open(&files).await;
    target.set(mute("bob", Some(9000))).await.unwrap();
    assert_eq!(copy(options(false, false)).await, Tally { same: 1, kept: 1, ..Tally::default() });
    let tally = Tally { same: 1, replaced: 1, ..Tally::default() };
    assert_eq!(copy(options(false, true)).await, tally);
    target.refresh().await.unwrap();
    assert_eq!(target.of("bob", 2000).unwrap().expires, None);
    assert_eq!(target.list().await.unwrap().len(), 2);

    let text = format!("authtxt:{}/auth.txt", folder.path().display()).parse().unwrap();
    let report = transfer::copy(&from, &text, options(false, false), &BTreeMap::new(), |_, _| {})
        .await
        .unwrap();
    assert_eq!((report.mutes.refused, report.problems.len()), (2, 2));
    assert!(report.losses.contains(&"mutes"));
}
