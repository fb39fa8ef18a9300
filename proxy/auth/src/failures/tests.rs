use super::*;
use crate::Accounts;

async fn stores(folder: &tempfile::TempDir) -> [Failures; 2] {
    let path = folder.path().display();
    let open = async |url: String| Accounts::open(&url.parse().unwrap()).await.unwrap().failures();
    [
        open(format!("sqlite:{path}/auth.sqlite?mode=rwc")).await,
        open(format!("files:{path}/files")).await,
    ]
}

fn failed(name: &str, prefix: &str, count: u32, last: i64) -> FailedLogins {
    FailedLogins { name: name.into(), prefix: prefix.parse().unwrap(), count, last }
}

fn more(name: &str, prefix: &str, count: u32, last: i64) -> FailureChange {
    FailureChange { added: failed(name, prefix, count, last), afresh: false }
}

fn afresh(name: &str, prefix: &str, count: u32, last: i64) -> FailureChange {
    FailureChange { afresh: true, ..more(name, prefix, count, last) }
}

async fn all(store: &Failures, after: i64) -> Vec<FailedLogins> {
    let mut all = store.since(after).await.unwrap();
    all.sort_by_key(|it| (it.name.clone(), it.prefix));
    all
}

#[tokio::test]
async fn counts_of_several_proxies_add_up_until_the_right_password_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder).await {
        let (v4, v6) = ("192.0.2.0/24", "2001:db8::/64");
        store.write(&[more("alice", v4, 3, 1000), more("alice", v6, 1, 1001)], 0).await.unwrap();
        store.write(&[more("alice", v4, 4, 990), more("bob", v4, 1, 1002)], 0).await.unwrap();
        let rows = [
            failed("alice", v4, 7, 1000),
            failed("alice", v6, 1, 1001),
            failed("bob", v4, 1, 1002),
        ];
        assert_eq!(all(&store, 0).await, rows);
        assert_eq!(all(&store, 1001).await, rows[1..]);
        store.write(&[afresh("alice", v4, 0, 1010), afresh("bob", v4, 2, 1011)], 0).await.unwrap();
        let rows = [
            failed("alice", v4, 0, 1010),
            failed("alice", v6, 1, 1001),
            failed("bob", v4, 2, 1011),
        ];
        assert_eq!(all(&store, 0).await, rows);
        // What is stale begins anew, or goes.
        store.write(&[more("alice", v6, 1, 1020)], 1011).await.unwrap();
        assert_eq!(all(&store, 0).await, [failed("alice", v6, 1, 1020), rows[2].clone()]);
        store.write(&[], 2000).await.unwrap();
        assert_eq!(all(&store, 0).await, []);
    }
}

#[tokio::test]
async fn rows_are_bounded_and_the_latest_stay() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder).await {
        let changes: Vec<FailureChange> = (0..MOST + 500)
            .map(|it| more(&format!("p{it}"), "192.0.2.1", 1, 1000 + i64::from(it)))
            .collect();
        store.write(&changes, 0).await.unwrap();
        let kept = store.since(0).await.unwrap();
        assert_eq!(kept.len(), MOST as usize);
        assert!(kept.iter().all(|it| it.last >= 1500));
    }
}
