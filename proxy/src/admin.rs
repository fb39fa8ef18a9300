//! The admin interface: what operators and their programs see and order, over gRPC.
//!
//! The `.proto` files of `mesegate-proto` say what each call means. A call passes the same stations
//! whatever it is: who is it ([`access`]), what are they allowed ([`verb`]), until when ([`call`]),
//! was it made before ([`repeats`]); then one of the services does it, and what it changed is
//! written down.

mod access;
mod bans;
mod call;
mod failure;
mod files;
mod incoming;
mod moves;
mod options;
mod page;
mod players;
mod proxies;
mod repeats;
mod select;
mod servers;
mod tls;
mod verb;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesegate_proto::admin::v1 as pb;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tonic::transport::Server;

use crate::http::Readiness;
use crate::shared::Shared;
use access::Access;
use repeats::Repeats;
use tls::Tls;

pub use options::AdminOptions;
pub(crate) use verb::Verb;

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
    Tokens(#[from] access::TokensError),
    /// Keys and certificates.
    #[error("{0}")]
    Tls(#[from] tls::TlsError),
    /// The descriptors for reflection.
    #[error("cannot describe the admin interface: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// What the process knows about itself.
#[derive(Clone)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) started: SystemTime,
    pub(crate) ready: Readiness,
}

/// What all services share.
struct Api {
    shared: Arc<Shared>,
    about: About,
    access: Arc<Access>,
    repeats: Repeats,
    long_calls: Arc<Semaphore>,
}

/// The bound interface, before it is served.
pub(crate) struct Admin {
    listener: TcpListener,
    access: Arc<Access>,
    tls: Option<Arc<Tls>>,
    reflection: bool,
}

impl Admin {
    /// Reads the files and binds the address; `None` if no address is given.
    pub(crate) async fn bind(options: &AdminOptions) -> Result<Option<Self>, AdminError> {
        let Some(addr) = options.check().map_err(AdminError::Option)? else { return Ok(None) };
        let access = match &options.admin_tokens {
            Some(path) => Access::from_file(path)?,
            None => Access::open(),
        };
        let tls = options.certificate().map(Tls::load).transpose()?;
        let listener = TcpListener::bind(addr).await;
        let listener = listener.map_err(|error| AdminError::Listen { addr, error })?;
        if tls.is_none() && !addr.ip().is_loopback() {
            tracing::warn!(%addr, "tokens of the admin interface travel unencrypted");
        }
        let (access, tls) = (Arc::new(access), tls.map(Arc::new));
        Ok(Some(Self { listener, access, tls, reflection: options.admin_reflection }))
    }

    /// Serves until the process stops.
    pub(crate) async fn serve(self, shared: Arc<Shared>, about: About) {
        if let Err(error) = self.run(shared, about).await {
            tracing::error!("the admin interface stopped: {error}");
        }
    }

    async fn run(
        self,
        shared: Arc<Shared>,
        about: About,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Self { listener, access, tls, reflection } = self;
        tracing::info!(admin = %listener.local_addr()?, "operators can connect");
        let stopping = Arc::clone(&shared);
        let files = files::follow(Arc::clone(&access), tls.clone());
        let connections = incoming::accept(listener, tls, shared.metrics.clone());
        let api = Arc::new(Api {
            shared,
            about,
            access,
            repeats: Repeats::default(),
            long_calls: Arc::new(Semaphore::new(LONG_CALLS)),
        });
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
                pb::proxy_service_server::ProxyServiceServer::new(proxies::Service(api))
                    .max_decoding_message_size(MAX_REQUEST),
            )
            .add_service(health)
            .add_optional_service(reflection);
        tokio::select! {
            served = server.serve_with_incoming(connections) => served?,
            () = files => {}
            () = stopping.stopped() => {
                // Watchers read why; then the process ends with the players' goodbyes.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Ok(())
    }
}
