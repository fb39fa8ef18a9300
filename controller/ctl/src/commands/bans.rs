//! Bans.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::ban_service_client::BanServiceClient;
use serde_json::{Value, json};

use super::{PAGE, Session, pages};
use crate::cli::Repeat;
use crate::connection::Connection;
use crate::error::Error;
use crate::output::Row as _;
use crate::rows;

fn client(session: &Session) -> BanServiceClient<Connection> {
    BanServiceClient::new(session.connection())
}

/// Player names have none of the characters that are in every address and prefix.
fn is_address(text: &str) -> bool {
    text.contains(['.', ':', '/'])
}

fn subject(text: String) -> pb::BanSubject {
    use pb::ban_subject::Kind;
    let kind = if is_address(&text) { Kind::Address(text) } else { Kind::Name(text) };
    pb::BanSubject { kind: Some(kind) }
}

pub(super) async fn create(
    session: &Session,
    who: String,
    reason: String,
    note: String,
    duration: Option<Duration>,
    repeat: Repeat,
) -> Result<(), Error> {
    let expires = duration.map(|duration| (SystemTime::now() + duration).into());
    let subject = Some(subject(who));
    let request_id = repeat.request_id;
    let request = pb::CreateBanRequest { subject, reason, note, expires, request_id };
    let done = client(session).create_ban(session.request(request)).await?.into_inner();
    let ban = done.ban.unwrap_or_default();
    let value = json!({ "ban": ban.value(), "kicked": done.kicked });
    let mut text = format!("{} is banned, number {}", rows::subject(&ban), ban.id);
    if !done.kicked.is_empty() {
        let _ = write!(text, "; sent away: {}", done.kicked.join(", "));
    }
    session.line(&text, &value)
}

pub(super) async fn delete(
    session: &Session,
    who: Option<String>,
    id: Option<String>,
    repeat: Repeat,
) -> Result<(), Error> {
    use pb::delete_ban_request::Which;
    let which = id.map(Which::Id).or(who.map(|who| Which::Subject(subject(who))));
    let request = pb::DeleteBanRequest { which, request_id: repeat.request_id };
    let done = client(session).delete_ban(session.request(request)).await?.into_inner();
    let ban = done.ban.unwrap_or_default();
    session.line(&format!("{} is not banned any more", rows::subject(&ban)), &ban.value())
}

pub(super) async fn list(session: &Session, include_expired: bool) -> Result<(), Error> {
    let call = |page_token| {
        let request = pb::ListBansRequest { page_size: PAGE, page_token, include_expired };
        let mut client = client(session);
        async move { client.list_bans(session.request(request)).await }
    };
    let bans = pages(call, |page| (page.bans, page.next_page_token)).await?;
    session.list(&bans)
}

pub(super) async fn check(session: &Session, who: String) -> Result<(), Error> {
    let (name, address) = match is_address(&who) {
        true if who.parse::<IpAddr>().is_ok() => (String::new(), who),
        true => return Err(Error::Usage(format!("{who:?} is neither a name nor one address"))),
        false => (who, String::new()),
    };
    let request = pb::CheckBanRequest { name, address };
    let done = client(session).check_ban(session.request(request)).await?.into_inner();
    match done.ban {
        Some(ban) => session.one(Some(ban)),
        None => session.line("not banned", &Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        for name in ["alice", "A_l-1ce", "face"] {
            assert!(!is_address(name), "{name}");
        }
        for address in ["192.0.2.1", "192.0.2.0/24", "2001:db8::/48", "::1"] {
            assert!(is_address(address), "{address}");
        }
    }
}
