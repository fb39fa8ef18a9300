//! Media over HTTP: what clients with `enable_remote_media_server` load instead of asking for it
//! over UDP (`client/clientmedia.cpp`).
//!
//! `BASE/index.mth` lists the SHA-1 of all media, `BASE/` and 40 hexadecimal digits is one content.
//! Names never appear. A client that cannot reach this, or does not get a file, asks over UDP.

mod answer;
mod body;
mod connections;
mod range;
mod url;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mesegate_content::{Library, RemoteMedia};
use tokio::net::{TcpListener, TcpStream};

use crate::metrics::Metrics;
use connections::{Connections, Guest, Patient};

pub(crate) use url::base_url;

/// Until the first line and all headers of a request must be there, idling between requests
/// included.
const HEADERS: Duration = Duration::from_secs(15);

/// Until a client must have taken something of what waits for it.
const STALL: Duration = Duration::from_secs(30);

/// Longest visit: that of a login that loads media.
const VISIT: Duration = Duration::from_mins(15);

/// Bytes that a connection may hold of requests, and of answers that the client has not taken.
const BUFFER: usize = 64 * 1024;

/// At most one look at the catalogues in this time: changes come in groups.
const GATHER: Duration = Duration::from_millis(100);

/// After a connection could not be accepted, for instance for want of file descriptors.
const RELIEF: Duration = Duration::from_millis(100);

/// Serves the media of all catalogues for ever, to at most `most` connections at a time.
pub(crate) async fn serve(listener: TcpListener, library: Library, metrics: Metrics, most: usize) {
    let media = Arc::new(ArcSwap::from_pointee(library.remote_media()));
    let connections = Arc::new(Connections::new(most));
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => match connections.enter(peer.ip(), &metrics) {
                    Ok(guest) => {
                        tokio::spawn(attend(stream, guest, media.clone(), metrics.clone()));
                    }
                    // Closed without a word: the client asks over UDP at once.
                    Err(reason) => {
                        let refused = &metrics.media_http_refused_total;
                        refused.with_label_values(&[reason.as_str()]).inc();
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "a media connection could not be accepted");
                    tokio::time::sleep(RELIEF).await;
                }
            }
        }
    };
    tokio::join!(follow(library.clone(), media.clone()), accepting);
}

/// Keeps what is served at what new clients are told.
async fn follow(library: Library, media: Arc<ArcSwap<RemoteMedia>>) {
    let mut changes = library.changes();
    while changes.changed().await.is_ok() {
        let library = library.clone();
        if let Ok(now) = tokio::task::spawn_blocking(move || library.remote_media()).await {
            media.store(Arc::new(now));
        }
        tokio::time::sleep(GATHER).await;
    }
}

async fn attend(
    stream: TcpStream,
    guest: Guest,
    media: Arc<ArcSwap<RemoteMedia>>,
    metrics: Metrics,
) {
    // Without it the end of a small answer would wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let (media, metrics) = (media.load_full(), metrics.clone());
        async move { Ok::<_, Infallible>(answer::answer(request, media, &metrics).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(BUFFER);
    let connection = http.serve_connection(TokioIo::new(Patient::new(stream, STALL)), service);
    match tokio::time::timeout(VISIT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a media connection ended"),
        Err(_) => tracing::debug!("a media connection was too long"),
    }
    drop(guest);
}
