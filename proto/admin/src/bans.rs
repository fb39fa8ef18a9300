//! `BanService`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::ban_service_server::BanService;
use tonic::{Request, Response, Status};

use crate::call::Call;
use crate::failure::Failure;
use crate::network::{BanKey, NewBan};
use crate::page;
use crate::players::readable;
use crate::serve::Api;
use crate::verb::Verb;

/// Bytes of a note.
const NOTE: usize = 2000;

pub(crate) struct Service(pub(crate) Arc<Api>);

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
    if !message.reason.is_empty() {
        readable("reason", &message.reason)?;
    }
    if message.note.len() > NOTE {
        return Err(Failure::field("note", format!("at most {NOTE} bytes")));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs() as i64);
    let expires = message.expires.map(|at| at.seconds);
    if expires.is_some_and(|at| at <= now) {
        return Err(Failure::field("expires", "must lie in the future"));
    }
    let ban = NewBan {
        subject: message.subject,
        reason: message.reason,
        note: message.note,
        author: call.actor.name.clone(),
        created: now,
        expires,
    };
    let (ban, kicked) = api.network.create_ban(ban, call.deadline).await?;
    Ok(pb::CreateBanResponse { ban: Some(ban), kicked })
}

async fn delete(
    api: Arc<Api>,
    call: Call,
    message: pb::DeleteBanRequest,
) -> Result<pb::DeleteBanResponse, Failure> {
    use pb::delete_ban_request::Which;
    let key = match message.which {
        Some(Which::Id(id)) => BanKey::Id(id),
        Some(Which::Subject(given)) => BanKey::Subject(Some(given)),
        None => return Err(Failure::field("which", "give an id or a subject")),
    };
    let ban = api.network.delete_ban(key, call.deadline).await?;
    Ok(pb::DeleteBanResponse { ban: Some(ban) })
}

async fn list(
    api: Arc<Api>,
    _call: Call,
    message: pb::ListBansRequest,
) -> Result<pb::ListBansResponse, Failure> {
    let after = page::after(&message.page_token)?;
    let size = page::size(message.page_size);
    // One more than is shown tells whether there are more.
    let found = api.network.bans(after.as_deref(), size + 1, message.include_expired);
    let mut found = found.await?;
    let more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| more).map(|(key, _)| page::token(key));
    Ok(pb::ListBansResponse {
        bans: found.into_iter().map(|(_, ban)| ban).collect(),
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
    Ok(pb::CheckBanResponse { ban: api.network.banned(name, address).await? })
}
