//! The connection, with the caller's credentials.

use std::path::Path;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use crate::cli::ServerOptions;
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

/// Connects.
pub(crate) async fn connect(options: &ServerOptions) -> Result<Connection, Error> {
    let unreachable = |error: tonic::transport::Error| {
        let cause = std::error::Error::source(&error);
        let text = cause.map_or_else(|| error.to_string(), innermost);
        Error::Unreachable { url: options.server.clone(), text }
    };
    let wrong = |_| {
        let url = &options.server;
        Error::Usage(format!(
            "--server {url:?} is not a URL; write for example http://127.0.0.1:9091"
        ))
    };
    let endpoint = Endpoint::from_shared(options.server.clone()).map_err(wrong)?;
    let mut endpoint = endpoint.connect_timeout(options.timeout);
    if options.server.starts_with("https://") {
        endpoint = endpoint.tls_config(tls(options)?).map_err(unreachable)?;
    } else if options.cert.is_some() || options.ca.is_some() {
        return Err(Error::Usage(
            "--ca and --cert need a --server that begins with https://".into(),
        ));
    }
    let channel = endpoint.connect().await.map_err(unreachable)?;
    Ok(InterceptedService::new(channel, Token(token(options)?)))
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
    let value = token.and_then(|token| format!("Bearer {}", token.trim()).parse().ok());
    let mut value: MetadataValue<Ascii> =
        value.ok_or_else(|| Error::Usage("the token is not text of one line".into()))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::File { path: path.to_owned(), error })
}
