//! `BanService`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use mesegate_auth::{Ban, BanError, BanKey, BanSubject, NewBan};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_proto::admin::v1::ban_service_server::BanService;
use mesegate_protocol::login::check_name;
use mesegate_resource::BanTarget;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};

use super::call::Call;
use super::failure::Failure;
use super::players::readable;
use super::verb::Verb;
use super::{Api, page};
use crate::banned;
use crate::players::{Kick, Order};
use crate::shared::unix_now;

/// Bytes of a note.
const NOTE: usize = 2000;

/// How long a ban waits for its players' tasks to have taken it, at most.
const TAKEN: Duration = Duration::from_secs(1);

pub(super) struct Service(pub(super) Arc<Api>);

#[tonic::async_trait]
impl BanService for Service {
    async fn create_ban(
        &self,
        request: Request<pb::CreateBanRequest>,
    ) -> Result<Response<pb::CreateBanResponse>, Status> {
        self.0.change(Verb::CREATE_BAN, request, create).await
    }

    async fn delete_ban(
        &self,
        request: Request<pb::DeleteBanRequest>,
    ) -> Result<Response<pb::DeleteBanResponse>, Status> {
        self.0.change(Verb::DELETE_BAN, request, delete).await
    }

    async fn list_bans(
        &self,
        request: Request<pb::ListBansRequest>,
    ) -> Result<Response<pb::ListBansResponse>, Status> {
        self.0.look(Verb::LIST_BANS, request, list).await
    }

    async fn check_ban(
        &self,
        request: Request<pb::CheckBanRequest>,
    ) -> Result<Response<pb::CheckBanResponse>, Status> {
        self.0.look(Verb::CHECK_BAN, request, check).await
    }
}

async fn create(
    api: Arc<Api>,
    call: Call,
    message: pb::CreateBanRequest,
) -> Result<pb::CreateBanResponse, Failure> {
    let subject = subject(message.subject)?;
    if !message.reason.is_empty() {
        readable("reason", &message.reason)?;
    }
    if message.note.len() > NOTE {
        return Err(Failure::field("note", format!("at most {NOTE} bytes")));
    }
    let now = unix_now() as i64;
    let expires = message.expires.map(|at| at.seconds);
    if expires.is_some_and(|at| at <= now) {
        return Err(Failure::field("expires", "must lie in the future"));
    }
    let terms = NewBan {
        subject,
        reason: message.reason,
        note: message.note,
        author: call.actor.name.clone(),
        created: now,
        expires,
    };
    let ban = api.shared.bans.create(terms).await.map_err(failed)?;
    let kicked = send_away(&api, &ban).await;
    Ok(pb::CreateBanResponse { ban: Some(shown(&ban)), kicked })
}

/// Ends the visits of those whom a new ban concerns.
async fn send_away(api: &Api, ban: &Ban) -> Vec<String> {
    let subject = &ban.terms.subject;
    let concerned = api.shared.players.select(|p| subject.concerns(&p.name, p.address));
    let text = banned::told(ban, ban.terms.created);
    let mut kicked = Vec::new();
    let mut waiting = Vec::new();
    for player in concerned {
        let (done, taken) = oneshot::channel();
        let kick = Kick { source: "ban", text: text.clone(), reconnect: false, done };
        if api.shared.players.order(&player.name, Order::Kick(kick)).is_ok() {
            waiting.push(taken);
            kicked.push(player.name.clone());
        }
    }
    let end = Instant::now() + TAKEN;
    for taken in waiting {
        // Their tasks do it whether it is waited for or not.
        let _ = tokio::time::timeout(end.saturating_duration_since(Instant::now()), taken).await;
    }
    kicked
}

async fn delete(
    api: Arc<Api>,
    _call: Call,
    message: pb::DeleteBanRequest,
) -> Result<pb::DeleteBanResponse, Failure> {
    use pb::delete_ban_request::Which;
    let key = match message.which {
        Some(Which::Id(id)) => {
            let number = id.parse().ok();
            BanKey::Id(number.ok_or_else(|| Failure::field("id", "not one that was given"))?)
        }
        Some(Which::Subject(given)) => BanKey::Subject(subject(Some(given))?),
        None => return Err(Failure::field("which", "give an id or a subject")),
    };
    let ban = api.shared.bans.delete(&key, unix_now() as i64).await.map_err(failed)?;
    Ok(pb::DeleteBanResponse { ban: Some(shown(&ban)) })
}

async fn list(
    api: Arc<Api>,
    _call: Call,
    message: pb::ListBansRequest,
) -> Result<pb::ListBansResponse, Failure> {
    let after = match page::after(&message.page_token)? {
        None => 0,
        Some(id) => {
            id.parse().map_err(|_| Failure::field("page_token", "not one that was given"))?
        }
    };
    let size = page::size(message.page_size);
    let now = unix_now() as i64;
    // One more than is shown tells whether there are more.
    let found = api.shared.bans.list(after, size as u32 + 1, message.include_expired, now).await;
    let mut found = found.map_err(|error| Failure::store(&error))?;
    let more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| more).map(|last| page::token(&last.id.to_string()));
    Ok(pb::ListBansResponse {
        bans: found.iter().map(shown).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

async fn check(
    api: Arc<Api>,
    _call: Call,
    message: pb::CheckBanRequest,
) -> Result<pb::CheckBanResponse, Failure> {
    let name = Some(message.name.as_str()).filter(|name| !name.is_empty());
    let address: Option<IpAddr> = match message.address.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| Failure::field("address", "not an IP address"))?),
    };
    if name.is_none() && address.is_none() {
        return Err(Failure::field("name", "give a name, an address or both"));
    }
    let found = api.shared.bans.check(name, address, unix_now() as i64).await;
    let found = found.map_err(|error| Failure::store(&error))?;
    let ban = found.map(|ban| shown(&ban)).or_else(|| declared(&api, name, address));
    Ok(pb::CheckBanResponse { ban })
}

/// The ban in the documents that keeps somebody out.
fn declared(api: &Api, name: Option<&str>, address: Option<IpAddr>) -> Option<pb::Ban> {
    use pb::ban_subject::Kind;
    let network = api.shared.network.load();
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
        BanError::Missing => Failure::new(Reason::NoSuchBan, "there is no such ban"),
        BanError::Store(error) => Failure::store(&error),
    }
}
