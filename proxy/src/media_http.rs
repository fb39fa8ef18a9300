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
use tokio::sync::{Mutex, watch};

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

/// After a connection could not be accepted, for instance for want of file descriptors.
const RELIEF: Duration = Duration::from_millis(100);

/// Serves the media of all catalogues for ever, to at most `most` connections at a time.
pub(crate) async fn serve(listener: TcpListener, library: Library, metrics: Metrics, most: usize) {
    let media = Arc::new(Current::new(library));
    let connections = Arc::new(Connections::new(most));
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
}

/// What is served: all that clients may have been told, however short ago.
struct Current {
    library: Library,
    changes: watch::Receiver<u64>,
    /// With the library's revision from which it was made.
    made: ArcSwap<(u64, Arc<RemoteMedia>)>,
    making: Mutex<()>,
}

impl Current {
    fn new(library: Library) -> Self {
        let changes = library.changes();
        let revision = *changes.borrow();
        let made = ArcSwap::from_pointee((revision, Arc::new(library.remote_media())));
        Self { library, changes, made, making: Mutex::default() }
    }

    /// Made anew if the library has changed since, once for all who ask meanwhile.
    async fn media(&self) -> Arc<RemoteMedia> {
        if let Some(media) = self.fresh() {
            return media;
        }
        let _making = self.making.lock().await;
        if let Some(media) = self.fresh() {
            return media;
        }
        // Before looking: what changes meanwhile is found by the next one who asks.
        let revision = *self.changes.borrow();
        let library = self.library.clone();
        match tokio::task::spawn_blocking(move || library.remote_media()).await {
            Ok(media) => {
                let media = Arc::new(media);
                self.made.store(Arc::new((revision, Arc::clone(&media))));
                media
            }
            Err(_) => Arc::clone(&self.made.load().1),
        }
    }

    fn fresh(&self) -> Option<Arc<RemoteMedia>> {
        let made = self.made.load();
        (made.0 == *self.changes.borrow()).then(|| Arc::clone(&made.1))
    }
}

async fn attend(stream: TcpStream, guest: Guest, media: Arc<Current>, metrics: Metrics) {
    // Without it the end of a small answer would wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let (media, metrics) = (media.clone(), metrics.clone());
        async move {
            let media = media.media().await;
            Ok::<_, Infallible>(answer::answer(request, media, &metrics).await)
        }
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
