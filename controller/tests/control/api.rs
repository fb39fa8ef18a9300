//! An API server that answers reviews as it is told to, and counts them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::post;
use kube::Client;
use serde_json::{Value, json};

pub(crate) struct Api {
    pub(crate) client: Client,
    asked: Arc<AtomicUsize>,
}

impl Api {
    /// `answer` makes a status of a spec.
    pub(crate) async fn new(answer: fn(&Value) -> Option<Value>) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let handler = move |body: String| {
            counter.fetch_add(1, Ordering::Relaxed);
            let mut review: Value = serde_json::from_str(&body).unwrap();
            let status = answer(&review["spec"]);
            async move {
                let json = [(header::CONTENT_TYPE, "application/json")];
                let Some(status) = status else {
                    let failure = json!({ "kind": "Status", "status": "Failure", "code": 500 });
                    return (StatusCode::INTERNAL_SERVER_ERROR, json, failure.to_string());
                };
                review["status"] = status;
                (StatusCode::CREATED, json, review.to_string())
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/apis/authentication.k8s.io/v1/tokenreviews", post(handler.clone()))
            .route("/apis/authorization.k8s.io/v1/subjectaccessreviews", post(handler));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
        Self { client, asked }
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}
