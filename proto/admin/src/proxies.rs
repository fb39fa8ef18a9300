//! `ProxyService`.

use std::sync::Arc;

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::proxy_service_server::ProxyService;
use tonic::{Request, Response, Status};

use crate::call::Call;
use crate::failure::Failure;
use crate::page;
use crate::serve::Api;
use crate::verb::Verb;

pub(crate) struct Service(pub(crate) Arc<Api>);

#[tonic::async_trait]
impl ProxyService for Service {
    async fn list_proxies(
        &self,
        request: Request<pb::ListProxiesRequest>,
    ) -> Result<Response<pb::ListProxiesResponse>, Status> {
        let list = async |api: Arc<Api>, _: Call, message: pb::ListProxiesRequest| {
            let all = api.network.proxies();
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
            Ok(pb::GetProxyResponse { proxy: Some(api.proxy(&message.name)?) })
        };
        self.0.look(Verb::GET_PROXY, request, get).await
    }

    async fn drain_proxy(
        &self,
        request: Request<pb::DrainProxyRequest>,
    ) -> Result<Response<pb::DrainProxyResponse>, Status> {
        let drain = async |api: Arc<Api>, call: Call, message: pb::DrainProxyRequest| {
            api.network.drain(&message.name, message.cancel, call.deadline).await?;
            Ok(pb::DrainProxyResponse { proxy: Some(api.proxy(&message.name)?) })
        };
        self.0.change(Verb::DRAIN_PROXY, request, drain).await
    }
}

impl Api {
    fn proxy(&self, name: &str) -> Result<pb::Proxy, Failure> {
        let found = self.network.proxies().into_iter().find(|proxy| proxy.name == name);
        found.ok_or_else(|| Failure::no_such_proxy(name))
    }
}
