//! The services, behind one address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mesegate_proto::admin::v1 as pb;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tonic::transport::Server;

use crate::access::{Access, TokensError};
use crate::authority::Authority;
use crate::metrics::Metrics;
use crate::network::Network;
use crate::options::AdminOptions;
use crate::repeats::Repeats;
use crate::tls::{Tls, TlsError};
use crate::{bans, files, incoming, players, proxies, servers};

/// The largest request: a thousand names fit several times.
const MAX_REQUEST: usize = 256 * 1024;

/// Calls at once on one connection.
const STREAMS: u32 = 64;

/// Bytes of request headers.
const HEADERS: u32 = 16 * 1024;

/// Calls at once that go on for long: watches, and moves of many.
const LONG_CALLS: usize = 64;

/// How often a silent client is asked whether it is there, and how long it may take to answer.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Why the admin interface is not there.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Flags that do not go together; the text names them.
    #[error("{0}")]
    Option(&'static str),
    /// The address.
    #[error("cannot listen on --admin {addr}: {error}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The file of tokens.
    #[error("--admin-tokens: {0}")]
    Tokens(#[from] TokensError),
    /// Keys and certificates.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// The descriptors for reflection.
    #[error("cannot describe the admin interface: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// What all services share.
pub(crate) struct Api {
    pub(crate) network: Arc<dyn Network>,
    pub(crate) access: Access,
    pub(crate) repeats: Repeats,
    pub(crate) long_calls: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
}

/// The bound interface, before it is served.
pub struct Admin {
    listener: TcpListener,
    access: Access,
    tls: Option<Arc<Tls>>,
    reflection: bool,
}

impl Admin {
    /// Reads the files and binds the address; `None` if no address is given. Callers whose token
    /// is in no file are whom `authority` knows, if there is one.
    ///
    /// # Errors
    /// What keeps it from being served; the text names the flag or file.
    pub async fn bind(
        options: &AdminOptions,
        authority: Option<Arc<dyn Authority>>,
    ) -> Result<Option<Self>, AdminError> {
        let addr = options.check(authority.is_some()).map_err(AdminError::Option)?;
        let Some(addr) = addr else { return Ok(None) };
        let access = Access::new(options.admin_tokens.as_deref(), authority)?;
        let tls = options.certificate().map(Tls::load).transpose()?.map(Arc::new);
        let listener = TcpListener::bind(addr).await;
        let listener = listener.map_err(|error| AdminError::Listen { addr, error })?;
        if tls.is_none() && !addr.ip().is_loopback() {
            tracing::warn!(%addr, "tokens of the admin interface travel unencrypted");
        }
        Ok(Some(Self { listener, access, tls, reflection: options.admin_reflection }))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process stops.
    pub async fn serve(self, network: Arc<dyn Network>, metrics: Metrics) {
        if let Err(error) = self.run(network, metrics).await {
            tracing::error!("the admin interface stopped: {error}");
        }
    }

    async fn run(
        self,
        network: Arc<dyn Network>,
        metrics: Metrics,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Self { listener, access, tls, reflection } = self;
        tracing::info!(admin = %listener.local_addr()?, "operators can connect");
        let connections = incoming::accept(listener, tls.clone(), metrics.connections.clone());
        let api = Arc::new(Api {
            network,
            access,
            repeats: Repeats::default(),
            long_calls: Arc::new(Semaphore::new(LONG_CALLS)),
            metrics,
        });
        let files = files::follow(&api.access, tls);
        let stopped = api.network.stopped();
        let health = tonic_health::server::HealthReporter::new();
        health
            .set_serving::<pb::player_service_server::PlayerServiceServer<players::Service>>()
            .await;
        health.set_serving::<pb::ban_service_server::BanServiceServer<bans::Service>>().await;
        health
            .set_serving::<pb::server_service_server::ServerServiceServer<servers::Service>>()
            .await;
        health
            .set_serving::<pb::proxy_service_server::ProxyServiceServer<proxies::Service>>()
            .await;
        let health = tonic_health::pb::health_server::HealthServer::new(
            tonic_health::server::HealthService::from_health_reporter(health),
        );
        let reflection = reflection
            .then(|| {
                tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)
                    .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                    // What the details of errors are made of.
                    .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
                    .build_v1()
            })
            .transpose()?;
        let server = Server::builder()
            .max_concurrent_streams(STREAMS)
            .http2_max_header_list_size(HEADERS)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .add_service(
                pb::player_service_server::PlayerServiceServer::new(players::Service(api.clone()))
                    .max_decoding_message_size(MAX_REQUEST),
            )
            .add_service(
                pb::ban_service_server::BanServiceServer::new(bans::Service(api.clone()))
                    .max_decoding_message_size(MAX_REQUEST),
            )
            .add_service(
                pb::server_service_server::ServerServiceServer::new(servers::Service(api.clone()))
                    .max_decoding_message_size(MAX_REQUEST),
            )
            .add_service(
                pb::proxy_service_server::ProxyServiceServer::new(proxies::Service(api.clone()))
                    .max_decoding_message_size(MAX_REQUEST),
            )
            .add_service(health)
            .add_optional_service(reflection);
        tokio::select! {
            served = server.serve_with_incoming(connections) => served?,
            () = files => {}
            () = stopped => {
                // Watchers read why; then the process ends with the players' goodbyes.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Ok(())
    }
}
