use super::*;
use crate::Accounts;

async fn accounts(folder: &tempfile::TempDir) -> Accounts {
    let url = format!("sqlite:{}/auth.sqlite?mode=rwc", folder.path().display());
    Accounts::open(&url.parse().unwrap()).await.unwrap()
}

async fn open(folder: &tempfile::TempDir) -> Bans {
    accounts(folder).await.bans()
}

fn name(name: &str) -> BanSubject {
    BanSubject::Name(name.into())
}

fn addresses(text: &str) -> BanSubject {
    BanSubject::Addresses(text.parse().unwrap())
}

fn terms(subject: BanSubject) -> NewBan {
    NewBan {
        subject,
        reason: "griefing".into(),
        note: "see log".into(),
        author: "ops".into(),
        created: 1000,
        expires: None,
    }
}

#[allow(clippy::unnecessary_wraps)] // as checks take it
fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

#[tokio::test]
async fn names_are_kept_out_in_any_letter_case_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let bans = open(&folder).await;
    assert_eq!(bans.check(Some("alice"), None, 1000).await.unwrap(), None);
    let made = bans.create(terms(name("Alice"))).await.unwrap();
    for bans in [bans, open(&folder).await] {
        let found = bans.check(Some("aLICE"), ip("192.0.2.1"), 1000).await.unwrap();
        assert_eq!(*found.unwrap(), made);
        assert_eq!(bans.check(Some("alice2"), None, 1000).await.unwrap(), None);
    }
}

#[tokio::test]
async fn addresses_are_kept_out_by_prefix_in_both_spellings() {
    let folder = tempfile::tempdir().unwrap();
    let bans = open(&folder).await;
    bans.create(terms(addresses("192.0.2.0/24"))).await.unwrap();
    bans.create(terms(addresses("2001:db8:7::/48"))).await.unwrap();
    for (address, banned) in [
        ("192.0.2.200", true),
        ("::ffff:192.0.2.200", true),
        ("192.0.3.1", false),
        ("2001:db8:7:1::9", true),
        ("2001:db8:8::9", false),
    ] {
        let found = bans.check(Some("bob"), ip(address), 1000).await.unwrap();
        assert_eq!(found.is_some(), banned, "{address}");
    }
}

#[tokio::test]
async fn a_ban_ends_by_itself_and_can_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let bans = open(&folder).await;
    let short = NewBan { expires: Some(1010), ..terms(name("alice")) };
    let first = bans.create(short.clone()).await.unwrap();
    assert!(bans.check(Some("alice"), None, 1009).await.unwrap().is_some());
    assert!(bans.check(Some("alice"), None, 1010).await.unwrap().is_none());
    let again = bans.create(NewBan { created: 1010, expires: None, ..short }).await.unwrap();
    assert!(again.id > first.id);
    assert_eq!(bans.list(0, 10, false, 1010).await.unwrap(), std::slice::from_ref(&again));
    assert_eq!(bans.list(0, 10, true, 1010).await.unwrap(), [first.clone(), again.clone()]);
    assert_eq!(bans.list(first.id, 1, true, 1010).await.unwrap(), [again]);
}

#[tokio::test]
async fn a_subject_is_banned_once_and_a_lifted_ban_is_gone_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let bans = open(&folder).await;
    let first = bans.create(terms(name("alice"))).await.unwrap();
    match bans.create(terms(name("ALICE"))).await {
        Err(BanError::Exists(there)) => assert_eq!(*there, first),
        other => panic!("{other:?}"),
    }
    let wide = bans.create(terms(addresses("192.0.2.0/24"))).await.unwrap();
    // Another subject, though it covers the same addresses.
    bans.create(terms(addresses("192.0.2.0/25"))).await.unwrap();
    assert!(bans.check(Some("alice"), None, 1000).await.unwrap().is_some());
    let key = BanKey::Subject(name("aLiCe"));
    assert_eq!(bans.delete(&key, 1000).await.unwrap(), first);
    assert!(matches!(bans.delete(&key, 1000).await, Err(BanError::Missing)));
    assert!(bans.check(Some("alice"), None, 1000).await.unwrap().is_none());
    assert_eq!(bans.delete(&BanKey::Id(wide.id), 1000).await.unwrap(), wide);
    assert!(bans.check(None, ip("192.0.2.1"), 1000).await.unwrap().is_some());
    assert!(bans.check(None, ip("192.0.2.200"), 1000).await.unwrap().is_none());
    // The number of the last one is not given to the next.
    let last = bans.create(terms(name("carol"))).await.unwrap();
    bans.delete(&BanKey::Id(last.id), 1000).await.unwrap();
    assert!(bans.create(terms(name("carol"))).await.unwrap().id > last.id);
}

#[tokio::test]
async fn accounts_are_not_concerned() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = accounts(&folder).await;
    let bans = accounts.bans();
    bans.create(terms(name("alice"))).await.unwrap();
    assert_eq!(accounts.get("alice").await.unwrap(), None);
}

#[tokio::test]
async fn bans_that_others_make_are_news_and_forget_what_was_known() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (open(&folder).await, open(&folder).await);
    let until = |who: &str, expires| NewBan { expires, ..terms(name(who)) };
    theirs.create(until("alice", None)).await.unwrap();
    let mut news = ours.news();
    let names = |found: Vec<Ban>| -> Vec<_> {
        found.into_iter().map(|ban| ban.terms.subject.columns().0.unwrap().to_owned()).collect()
    };
    assert_eq!(names(news.next(5).await.unwrap()), ["alice"]);
    assert!(ours.check(Some("bob"), None, 5).await.unwrap().is_none());
    theirs.create(until("bob", None)).await.unwrap();
    theirs.create(until("carol", Some(5))).await.unwrap();
    assert!(names(news.next(5).await.unwrap()).contains(&"bob".to_owned()));
    assert!(!news.more());
    assert!(ours.check(Some("bob"), None, 5).await.unwrap().is_some(), "an old answer");

    let many: Vec<_> = (0..1500).map(|number| until(&format!("n{number}"), None)).collect();
    theirs.put(&many).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    loop {
        seen.extend(names(news.next(5).await.unwrap()));
        if !news.more() {
            break;
        }
    }
    assert!((0..1500).all(|number| seen.contains(&format!("n{number}"))), "{}", seen.len());
}
