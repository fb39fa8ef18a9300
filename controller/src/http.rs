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
    pages.metrics.claims.set(pages.claims.len() as i64);
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, pages.metrics.render())
}
