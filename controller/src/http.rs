//! `/livez`, `/readyz` and `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::claims::Claims;
use crate::fleet::Fleet;
use crate::metrics::Metrics;

/// What the pages show.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) metrics: Metrics,
    pub(crate) fleet: Fleet,
    pub(crate) claims: Claims,
    /// Whether all objects were seen once.
    pub(crate) synced: Arc<AtomicBool>,
}

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, pages: Pages) {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(pages);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the http server stopped");
    }
}

async fn readyz(State(pages): State<Pages>) -> (StatusCode, &'static str) {
    if pages.synced.load(Ordering::Relaxed) {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the objects of the cluster have not been seen yet\n")
    }
}

async fn render(State(pages): State<Pages>) -> impl IntoResponse {
    pages.metrics.streams.set(pages.fleet.connected() as i64);
    pages.metrics.whereabouts(&pages.fleet.by_server());
    pages.metrics.claims.set(pages.claims.len() as i64);
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, pages.metrics.render())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn there_are_three_pages_and_no_others() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let synced = Arc::new(AtomicBool::new(false));
        let pages = Pages {
            metrics: Metrics::new().unwrap(),
            fleet: Fleet::default(),
            claims: Claims::default(),
            synced: Arc::clone(&synced),
        };
        tokio::spawn(serve(listener, pages));
        let get = async |path: &str| {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.0\r\nhost: controller\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
            (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
        };
        assert_eq!(get("/livez").await.0, 200);
        assert_eq!(get("/readyz").await.0, 503);
        synced.store(true, Ordering::Relaxed);
        assert_eq!(get("/readyz").await.0, 200);
        let (status, text) = get("/metrics").await;
        assert!(status == 200 && text.contains("mesegate_controller_leader 0"), "{text}");
        for path in ["/", "/debug", "/debug/pprof/", "/config", "/env", "/objects", "/metrics/"] {
            assert_eq!(get(path).await, (404, String::new()), "{path}");
        }
    }
}
