//! Bans in the account database.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use mesegate_admin as admin;
use mesegate_admin::Failure;
use mesegate_auth::{AccountError, Ban, BanError, BanKey, BanSubject, NewBan};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_protocol::login::check_name;
use mesegate_resource::BanTarget;

use crate::banned;
use crate::shared::{Shared, unix_now};

/// Makes a ban and sends away whom it concerns.
pub(super) async fn create(
    shared: &Shared,
    ban: admin::NewBan,
) -> Result<(pb::Ban, Vec<String>), Failure> {
    let admin::NewBan { subject: given, reason, note, author, created, expires } = ban;
    let terms = NewBan { subject: subject(given)?, reason, note, author, created, expires };
    let ban = shared.bans.create(terms).await.map_err(failed)?;
    let kicked = banned::send_away(shared, &ban).await;
    Ok((shown(&ban), kicked))
}

/// Lifts a ban.
pub(super) async fn delete(shared: &Shared, key: admin::BanKey) -> Result<pb::Ban, Failure> {
    let key = match key {
        admin::BanKey::Id(id) => {
            let number = id.parse().ok();
            BanKey::Id(number.ok_or_else(|| Failure::field("id", "not one that was given"))?)
        }
        admin::BanKey::Subject(given) => BanKey::Subject(subject(given)?),
    };
    let ban = shared.bans.delete(&key, unix_now() as i64).await.map_err(failed)?;
    Ok(shown(&ban))
}

/// Bans by number, which is the order in which they were made.
pub(super) async fn list(
    shared: &Shared,
    after: Option<&str>,
    limit: usize,
    include_expired: bool,
) -> Result<Vec<(String, pb::Ban)>, Failure> {
    let given = |_| Failure::field("page_token", "not one that was given");
    let after = after.map_or(Ok(0), |id| id.parse().map_err(given))?;
    let found = shared.bans.list(after, limit as u32, include_expired, unix_now() as i64).await;
    let found = found.map_err(|error| store(&error))?;
    Ok(found.iter().map(|ban| (ban.id.to_string(), shown(ban))).collect())
}

/// The ban that keeps somebody out, in the database or in the documents.
pub(super) async fn check(
    shared: &Shared,
    name: Option<&str>,
    address: Option<IpAddr>,
) -> Result<Option<pb::Ban>, Failure> {
    let found = shared.bans.check(name, address, unix_now() as i64).await;
    let found = found.map_err(|error| store(&error))?;
    Ok(found.map(|ban| shown(&ban)).or_else(|| declared(shared, name, address)))
}

/// The ban in the documents that keeps somebody out.
fn declared(shared: &Shared, name: Option<&str>, address: Option<IpAddr>) -> Option<pb::Ban> {
    use pb::ban_subject::Kind;
    let network = shared.network.load();
    let now = unix_now();
    let mut bans =
        network.bans().filter(|ban| ban.spec.expires_at.is_none_or(|end| end.unix() > now as i64));
    let ban = bans.find(|ban| match &ban.spec.target {
        BanTarget::Name(banned) => name.is_some_and(|name| banned.eq_ignore_ascii_case(name)),
        BanTarget::Cidr(banned) => address.is_some_and(|address| banned.contains(address)),
    })?;
    let kind = match &ban.spec.target {
        BanTarget::Name(name) => Kind::Name(name.clone()),
        BanTarget::Cidr(cidr) => Kind::Address(cidr.to_string()),
    };
    Some(pb::Ban {
        id: format!("document/{}", ban.name),
        subject: Some(pb::BanSubject { kind: Some(kind) }),
        reason: ban.spec.reason.clone().unwrap_or_default(),
        expires: ban.spec.expires_at.and_then(|end| time(end.unix())),
        ..Default::default()
    })
}

fn subject(given: Option<pb::BanSubject>) -> Result<BanSubject, Failure> {
    use pb::ban_subject::Kind;
    match given.and_then(|subject| subject.kind) {
        Some(Kind::Name(name)) => match check_name(&name) {
            Ok(()) => Ok(BanSubject::Name(name)),
            Err(_) => Err(Failure::field(
                "subject.name",
                "not a player name: 1 to 20 of a-z, A-Z, 0-9, - and _",
            )),
        },
        Some(Kind::Address(text)) => {
            let prefix = text.parse().map_err(|error| Failure::field("subject.address", error))?;
            Ok(BanSubject::Addresses(prefix))
        }
        None => Err(Failure::field("subject", "give a name or an address")),
    }
}

fn time(seconds: i64) -> Option<prost_types::Timestamp> {
    let since = Duration::from_secs(seconds.max(0).unsigned_abs());
    UNIX_EPOCH.checked_add(since).map(Into::into)
}

fn shown(ban: &Ban) -> pb::Ban {
    use pb::ban_subject::Kind;
    let kind = match &ban.terms.subject {
        BanSubject::Name(name) => Kind::Name(name.clone()),
        BanSubject::Addresses(prefix) => Kind::Address(prefix.to_string()),
    };
    pb::Ban {
        id: ban.id.to_string(),
        subject: Some(pb::BanSubject { kind: Some(kind) }),
        reason: ban.terms.reason.clone(),
        note: ban.terms.note.clone(),
        author: ban.terms.author.clone(),
        created: time(ban.terms.created),
        expires: ban.terms.expires.and_then(time),
    }
}

fn failed(error: BanError) -> Failure {
    match error {
        BanError::Exists(ban) => {
            let text = format!("banned already, by the ban {}", ban.id);
            Failure::new(Reason::BanExists, text)
        }
        BanError::Missing => Failure::no_such_ban(),
        BanError::Store(error) => store(&error),
    }
}

fn store(error: &AccountError) -> Failure {
    tracing::error!(%error, "the account database failed");
    Failure::new(Reason::Store, "the database failed; the log has the cause")
}
