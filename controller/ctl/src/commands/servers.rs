//! Servers and proxies.

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::proxy_service_client::ProxyServiceClient;
use mesegate_proto::admin::v1::server_service_client::ServerServiceClient;

use super::{PAGE, Session, pages};
use crate::cli::Repeat;
use crate::connection::Connection;
use crate::error::Error;

pub(super) fn client(session: &Session) -> ServerServiceClient<Connection> {
    ServerServiceClient::new(session.connection())
}

fn proxy_client(session: &Session) -> ProxyServiceClient<Connection> {
    ProxyServiceClient::new(session.connection())
}

pub(super) async fn list(session: &Session) -> Result<(), Error> {
    let call = |page_token| {
        let request = pb::ListServersRequest { page_size: PAGE, page_token };
        let mut client = client(session);
        async move { client.list_servers(session.request(request)).await }
    };
    let servers = pages(call, |page| (page.servers, page.next_page_token)).await?;
    session.list(&servers)
}

pub(super) async fn get(session: &Session, name: String) -> Result<(), Error> {
    let request = session.request(pb::GetServerRequest { name });
    session.one(client(session).get_server(request).await?.into_inner().server)
}

pub(super) async fn set_state(
    session: &Session,
    name: String,
    state: pb::ServerState,
    repeat: Repeat,
) -> Result<(), Error> {
    let (state, request_id) = (state.into(), repeat.request_id);
    let request = session.request(pb::SetServerStateRequest { name, state, request_id });
    session.one(client(session).set_server_state(request).await?.into_inner().server)
}

pub(super) async fn proxies(session: &Session) -> Result<(), Error> {
    let call = |page_token| {
        let request = pb::ListProxiesRequest { page_size: PAGE, page_token };
        let mut client = proxy_client(session);
        async move { client.list_proxies(session.request(request)).await }
    };
    let proxies = pages(call, |page| (page.proxies, page.next_page_token)).await?;
    session.list(&proxies)
}

pub(super) async fn drain_proxy(
    session: &Session,
    name: String,
    cancel: bool,
    repeat: Repeat,
) -> Result<(), Error> {
    let request_id = repeat.request_id;
    let request = session.request(pb::DrainProxyRequest { name, cancel, request_id });
    session.one(proxy_client(session).drain_proxy(request).await?.into_inner().proxy)
}
