//! `ProxyService`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_proto::admin::v1::proxy_service_server::ProxyService;
use tonic::{Request, Response, Status};

use super::call::Call;
use super::failure::Failure;
use super::verb::Verb;
use super::{Api, page};

pub(super) struct Service(pub(super) Arc<Api>);

#[tonic::async_trait]
impl ProxyService for Service {
    async fn list_proxies(
        &self,
        request: Request<pb::ListProxiesRequest>,
    ) -> Result<Response<pb::ListProxiesResponse>, Status> {
        let list = async |api: Arc<Api>, _: Call, message: pb::ListProxiesRequest| {
            let all = vec![api.proxy()];
            let (proxies, next_page_token) =
                page::cut(all, message.page_size, &message.page_token, |proxy| &proxy.name)?;
            Ok(pb::ListProxiesResponse { proxies, next_page_token })
        };
        self.0.look(Verb::LIST_PROXIES, request, list).await
    }

    async fn get_proxy(
        &self,
        request: Request<pb::GetProxyRequest>,
    ) -> Result<Response<pb::GetProxyResponse>, Status> {
        let get = async |api: Arc<Api>, _: Call, message: pb::GetProxyRequest| {
            api.is_me(&message.name)?;
            Ok(pb::GetProxyResponse { proxy: Some(api.proxy()) })
        };
        self.0.look(Verb::GET_PROXY, request, get).await
    }

    async fn drain_proxy(
        &self,
        request: Request<pb::DrainProxyRequest>,
    ) -> Result<Response<pb::DrainProxyResponse>, Status> {
        let drain = async |api: Arc<Api>, _: Call, message: pb::DrainProxyRequest| {
            api.is_me(&message.name)?;
            api.shared.draining.store(!message.cancel, Ordering::Relaxed);
            Ok(pb::DrainProxyResponse { proxy: Some(api.proxy()) })
        };
        self.0.change(Verb::DRAIN_PROXY, request, drain).await
    }
}

impl Api {
    fn is_me(&self, name: &str) -> Result<(), Failure> {
        if name == self.about.name {
            return Ok(());
        }
        let text = format!("there is no proxy {name:?}; this one is {:?}", self.about.name);
        Err(Failure::new(Reason::NoSuchProxy, text))
    }

    fn proxy(&self) -> pb::Proxy {
        let shared = &self.shared;
        let state = if shared.draining.load(Ordering::Relaxed) {
            pb::ProxyState::Draining
        } else if (self.about.ready)().is_err() {
            pb::ProxyState::Starting
        } else {
            pb::ProxyState::Serving
        };
        let configured = shared.metrics.config_loaded_timestamp.get().max(0).unsigned_abs();
        pb::Proxy {
            name: self.about.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: state.into(),
            players: shared.players.len() as u32,
            max_players: shared.network.load().proxy.limits.players,
            started: Some(self.about.started.into()),
            configured: Some((UNIX_EPOCH + Duration::from_secs(configured)).into()),
        }
    }
}
