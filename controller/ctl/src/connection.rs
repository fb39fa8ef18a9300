//! The connection, with the caller's credentials.

use std::path::Path;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use crate::cli::{ClusterOptions, ServerOptions};
use crate::cluster::Cluster;
use crate::error::Error;

/// What calls go through.
pub(crate) type Connection = InterceptedService<Channel, Token>;

/// Adds the token to every call.
#[derive(Debug, Clone)]
pub(crate) struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// Where it is if nothing is said.
const SERVER: &str = "http://127.0.0.1:9091";

/// Connects to an address.
pub(crate) async fn connect(options: &ServerOptions) -> Result<Connection, Error> {
    let server = options.server.as_deref().unwrap_or(SERVER);
    let unreachable = |error| unreachable(server.to_owned(), &error);
    let wrong = |_| {
        Error::Usage(format!(
            "--server {server:?} is not a URL; write for example http://127.0.0.1:9091"
        ))
    };
    let endpoint = Endpoint::from_shared(server.to_owned()).map_err(wrong)?;
    let mut endpoint = endpoint.connect_timeout(options.timeout);
    if server.starts_with("https://") {
        endpoint = endpoint.tls_config(tls(options)?).map_err(unreachable)?;
    } else if options.cert.is_some() || options.ca.is_some() {
        return Err(Error::Usage(
            "--ca and --cert need a --server that begins with https://".into(),
        ));
    }
    let channel = endpoint.connect().await.map_err(unreachable)?;
    Ok(InterceptedService::new(channel, Token(token(options)?)))
}

/// Connects to the controller of a cluster. Its interface has a certificate if anything is said
/// about one.
pub(crate) async fn connect_through(
    cluster: &ClusterOptions,
    options: &ServerOptions,
) -> Result<Connection, Error> {
    let controller = Cluster::find(cluster).await?;
    let encrypted = options.ca.is_some() || options.cert.is_some() || options.tls_name.is_some();
    // The name is for the certificate and for logs: where to connect is known.
    let url = if encrypted { "https://mesegate-controller" } else { "http://mesegate-controller" };
    let mut endpoint = Endpoint::from_static(url).connect_timeout(options.timeout);
    let unreachable = |error| unreachable(controller.place(), &error);
    if encrypted {
        endpoint = endpoint.tls_config(tls(options)?).map_err(unreachable)?;
    }
    let token = match (token(options)?, &cluster.service_account) {
        (None, Some(account)) => Some(bearer(&controller.token(account).await?)?),
        (token, _) => token,
    };
    let channel = controller.connect(endpoint).await.map_err(unreachable)?;
    Ok(InterceptedService::new(channel, Token(token)))
}

fn unreachable(url: String, error: &tonic::transport::Error) -> Error {
    let cause = std::error::Error::source(error);
    let text = cause.map_or_else(|| error.to_string(), innermost);
    Error::Unreachable { url, text }
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

fn tls(options: &ServerOptions) -> Result<ClientTlsConfig, Error> {
    let mut tls = ClientTlsConfig::new();
    tls = match &options.ca {
        Some(path) => tls.ca_certificate(Certificate::from_pem(read(path)?)),
        None => tls.with_native_roots(),
    };
    match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?)),
        (None, None) => {}
        _ => return Err(Error::Usage("--cert and --key need each other".into())),
    }
    if let Some(name) = &options.tls_name {
        tls = tls.domain_name(name);
    }
    Ok(tls)
}

/// From a file or the environment: arguments are visible to everybody on the machine.
fn token(options: &ServerOptions) -> Result<Option<MetadataValue<Ascii>>, Error> {
    let token = match &options.token_file {
        Some(path) => String::from_utf8(read(path)?).ok(),
        None => match std::env::var("MESEGATE_TOKEN") {
            Ok(token) => Some(token),
            Err(_) => return Ok(None),
        },
    };
    bearer(&token.unwrap_or_default()).map(Some)
}

fn bearer(token: &str) -> Result<MetadataValue<Ascii>, Error> {
    let value = Some(token.trim()).filter(|token| !token.is_empty());
    let value = value.and_then(|token| format!("Bearer {token}").parse().ok());
    let mut value: MetadataValue<Ascii> =
        value.ok_or_else(|| Error::Usage("the token is not text of one line".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::File { path: path.to_owned(), error })
}
