//! One request to the list. There is one every few minutes, so no connection is kept.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Bytes of an answer that are read.
const ANSWER: usize = 4096;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error("{0} is no URL of a server list")]
    Url(String),
    #[error("cannot connect to {0}: {1}")]
    Connect(String, io::Error),
    #[error("no certificate of an authority is known; SSL_CERT_FILE names a file with some: {0}")]
    Authorities(String),
    #[error("no secure connection: {0}")]
    Tls(io::Error),
    #[error("the request failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be written: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("the answer cannot be read: {0}")]
    Answer(String),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// Posts a body and gives status and text of the answer.
///
/// # Errors
/// Everything but an answer.
pub(crate) async fn post(
    url: &str,
    content_type: &str,
    body: String,
    limit: Duration,
) -> Result<(u16, String), PostError> {
    let posted = tokio::time::timeout(limit, send(url, content_type, body, None));
    posted.await.unwrap_or(Err(PostError::Timeout(limit)))
}

/// `roots`: the authorities, if not those of the system.
async fn send(
    url: &str,
    content_type: &str,
    body: String,
    roots: Option<RootCertStore>,
) -> Result<(u16, String), PostError> {
    let bad = || PostError::Url(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| bad())?;
    let authority = uri.authority().ok_or_else(bad)?;
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(bad()),
    };
    // Without the brackets of an IPv6 address.
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let request = Request::post(uri.path())
        .header(HOST, authority.as_str())
        .header(USER_AGENT, concat!("Mesegate/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, content_type)
        .body(Full::new(Bytes::from(body)))?;
    let stream = TcpStream::connect((host.as_str(), port)).await;
    let stream = stream.map_err(|e| PostError::Connect(authority.to_string(), e))?;
    if !secure {
        return exchange(stream, request).await;
    }
    let name = ServerName::try_from(host).map_err(|_| bad())?;
    let roots = match roots {
        Some(roots) => roots,
        None => system_roots().await?,
    };
    let config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| PostError::Tls(io::Error::other(e)))?
            .with_root_certificates(roots)
            .with_no_client_auth();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    exchange(stream.map_err(PostError::Tls)?, request).await
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(u16, String), PostError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let text = Limited::new(answer.into_body(), ANSWER).collect().await;
        let text = text.map_err(|e| PostError::Answer(e.to_string()))?.to_bytes();
        Ok((status, String::from_utf8_lossy(&text).into_owned()))
    };
    // The connection has to be driven for as long as the exchange lasts, and no longer.
    let (mut exchange, mut connection) = (std::pin::pin!(exchange), std::pin::pin!(connection));
    tokio::select! {
        done = &mut exchange => done,
        // What it had to say was said, or it broke and the exchange knows how.
        _ = &mut connection => exchange.await,
    }
}

/// The system's authorities, read anew each time, so that an update of them counts.
async fn system_roots() -> Result<RootCertStore, PostError> {
    let unknown = |what: String| PostError::Authorities(what);
    let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let loaded = loaded.map_err(|error| unknown(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    // Some of a system's certificates may be of a kind that is not understood.
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        let why: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
        return Err(unknown(why.join("; ")));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

    use super::*;

    const ANSWERED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 3\r\n\r\nyes";

    /// Reads one request to its last byte, answers, and gives what was read.
    async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, end: &str) -> String {
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).ends_with(end) {
            let mut part = [0; 4096];
            let length = stream.read(&mut part).await.unwrap();
            assert!(length > 0, "the request ended early");
            read.extend_from_slice(&part[..length]);
        }
        stream.write_all(ANSWERED).await.unwrap();
        String::from_utf8(read).unwrap()
    }

    #[tokio::test]
    async fn a_form_is_posted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            answer(stream, "end").await
        });
        let url = format!("http://{address}/some/announce");
        let answered = post(&url, "a/b", "the end".into(), Duration::from_secs(5)).await;
        assert_eq!(answered.unwrap(), (202, "yes".to_owned()));
        let request = served.await.unwrap();
        assert!(request.starts_with("POST /some/announce HTTP/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("host: {address}\r\n")), "{request}");
        assert!(request.contains("content-type: a/b\r\ncontent-length: 7\r\n"), "{request}");
    }

    #[tokio::test]
    async fn secure_lists_have_to_show_who_they_are() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let chain: CertificateDer<'static> = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/announce", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, "end").await;
                }
            }
        });
        let mut roots = RootCertStore::empty();
        roots.add(chain).unwrap();
        let answered = send(&url, "a/b", "end".into(), Some(roots)).await;
        assert_eq!(answered.unwrap().0, 202);
        let refused = send(&url, "a/b", "end".into(), Some(RootCertStore::empty())).await;
        assert!(matches!(refused, Err(PostError::Tls(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn what_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/announce", listener.local_addr().unwrap());
        let late = post(&url, "a/b", String::new(), Duration::from_millis(50)).await;
        assert!(matches!(late, Err(PostError::Timeout(_))), "{late:?}");
        let other = post("nonsense", "a/b", String::new(), Duration::from_secs(1)).await;
        assert!(matches!(other, Err(PostError::Url(_))), "{other:?}");
    }
}
