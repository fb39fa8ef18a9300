//! Keeping somebody out.

use std::time::{Duration, Instant, SystemTime};

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::ban_subject::Kind;
use mesegate_testkit::{Bot, Closed};

use crate::client::{Net, assert_reason};
use crate::support::{SOON, refusal, within};

const FOREVER: u64 = 60;

#[allow(clippy::unnecessary_wraps)] // as requests take it
fn name(name: &str) -> Option<pb::BanSubject> {
    Some(pb::BanSubject { kind: Some(Kind::Name(name.into())) })
}

#[allow(clippy::unnecessary_wraps)] // as requests take it
fn address(text: &str) -> Option<pb::BanSubject> {
    Some(pb::BanSubject { kind: Some(Kind::Address(text.into())) })
}

fn because(subject: Option<pb::BanSubject>, reason: &str) -> pb::CreateBanRequest {
    pb::CreateBanRequest { subject, reason: reason.into(), ..Default::default() }
}

/// What the player read who was sent away.
async fn last_words(bot: &Bot) -> String {
    match bot.wait_closed(SOON).await {
        Some(Closed::Denied { text, .. }) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_name_is_out_at_once_and_stays_out() {
    within(FOREVER, async {
        let net = Net::start().await;
        let alice = net.proxy.join("alice").await;
        let bob = net.proxy.join("bob").await;
        let begun = Instant::now();
        let done = net.admin.bans().create_ban(because(name("ALICE"), "griefing")).await.unwrap();
        assert!(last_words(&alice).await.contains("griefing"));
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let done = done.into_inner();
        assert_eq!(done.kicked, ["alice"]);
        let ban = done.ban.unwrap();
        assert_eq!((ban.author.as_str(), ban.reason.as_str()), ("local", "griefing"));

        let (_, text, reconnect) = refusal(Bot::join(net.proxy.bot("Alice")).await);
        assert!(text.contains("griefing") && !reconnect, "{text}");
        assert!(net.proxy.metric("ban_hits_total", &[("kind", "name")]) >= 1.0);
        assert_eq!(net.proxy.metric("kicks_total", &[("source", "ban")]), 1.0);
        assert_eq!(bob.closed(), None);

        let list = net.admin.bans().list_bans(pb::ListBansRequest::default()).await.unwrap();
        assert_eq!(list.into_inner().bans, std::slice::from_ref(&ban));
        let check = pb::CheckBanRequest { name: "aLiCe".into(), ..Default::default() };
        let found = net.admin.bans().check_ban(check.clone()).await.unwrap().into_inner().ban;
        assert_eq!(found, Some(ban));

        let which = Some(pb::delete_ban_request::Which::Subject(name("alice").unwrap()));
        let request = pb::DeleteBanRequest { which, ..Default::default() };
        net.admin.bans().delete_ban(request).await.unwrap();
        assert_eq!(net.admin.bans().check_ban(check).await.unwrap().into_inner().ban, None);
        net.proxy.join("alice").await;
        // Names are for the records, addresses are not.
        assert!(net.proxy.log().contains("subject=\"player ALICE\""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn banned_addresses_are_out_by_prefix() {
    within(FOREVER, async {
        let net = Net::start().await;
        let alice = net.proxy.join("alice").await;
        let bob = net.proxy.join("bob").await;
        // Does not concern them.
        let other = because(address("192.0.2.0/24"), "");
        assert!(net.admin.bans().create_ban(other).await.unwrap().into_inner().kicked.is_empty());
        let begun = Instant::now();
        let request = because(address("::ffff:127.0.0.0/104"), "bots");
        let done = net.admin.bans().create_ban(request).await.unwrap().into_inner();
        assert!(last_words(&alice).await.contains("bots"));
        assert!(last_words(&bob).await.contains("bots"));
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!(done.kicked, ["alice", "bob"]);
        let ban = done.ban.unwrap();
        assert_eq!(ban.subject, address("127.0.0.0/8"));
        let (_, text, _) = refusal(Bot::join(net.proxy.bot("carol")).await);
        assert!(text.contains("bots"), "{text}");
        let check = pb::CheckBanRequest { address: "127.9.9.9".into(), ..Default::default() };
        let found = net.admin.bans().check_ban(check).await.unwrap().into_inner().ban;
        assert_eq!(found.as_ref().map(|ban| &ban.id), Some(&ban.id));

        let which = Some(pb::delete_ban_request::Which::Id(ban.id));
        let request = pb::DeleteBanRequest { which, ..Default::default() };
        net.admin.bans().delete_ban(request).await.unwrap();
        net.proxy.join("carol").await;
        let audited: Vec<String> = net
            .proxy
            .log()
            .lines()
            .filter(|line| line.contains("audit"))
            .map(str::to_owned)
            .collect();
        assert_eq!(audited.len(), 3, "{audited:?}");
        assert!(!audited.iter().any(|line| line.contains("127.")), "{audited:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_by_itself() {
    within(FOREVER, async {
        let net = Net::start().await;
        let end = SystemTime::now() + Duration::from_secs(3);
        let request = pb::CreateBanRequest {
            expires: Some(end.into()),
            note: "first time".into(),
            ..because(name("alice"), "")
        };
        let made = net.admin.bans().create_ban(request.clone()).await.unwrap();
        let made = made.into_inner().ban.unwrap();
        assert_eq!(made.note, "first time");
        let (_, text, _) = refusal(Bot::join(net.proxy.bot("alice")).await);
        assert!(text.contains("The ban ends in a minute"), "{text}");
        assert_reason(
            net.admin.bans().create_ban(request).await,
            tonic::Code::AlreadyExists,
            "BAN_EXISTS",
        );
        tokio::time::sleep(Duration::from_secs(4)).await;
        net.proxy.join("alice").await;
        let list = async |include_expired| {
            let request = pb::ListBansRequest { include_expired, ..Default::default() };
            net.admin.bans().list_bans(request).await.unwrap().into_inner().bans
        };
        assert_eq!(list(false).await, []);
        assert_eq!(list(true).await, [made]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bans_outlast_the_process() {
    within(FOREVER, async {
        let mut net = Net::start().await;
        net.admin.bans().create_ban(because(name("alice"), "griefing")).await.unwrap();
        net.proxy.terminate();
        net.proxy.ended().await;
        let documents = crate::support::Documents::new().server("lobby", net.lobby.addr());
        let proxy = net.proxy.again(documents).start().await;
        let (_, text, _) = refusal(Bot::join(proxy.bot("alice")).await);
        assert!(text.contains("griefing"), "{text}");
    })
    .await;
}
