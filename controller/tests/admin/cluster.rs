//! An API server that knows as much of the protocol as the controller needs: lists, watches,
//! writes, and reviews.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

const GROUP: &str = "/apis/mesegate.dev/v1alpha1/namespaces/games/{plural}";

#[derive(Clone)]
pub struct Cluster {
    state: Arc<Mutex<Objects>>,
    events: broadcast::Sender<(String, Value)>,
}

#[derive(Default)]
struct Objects {
    version: u64,
    /// By plural and name.
    all: BTreeMap<(String, String), Value>,
}

impl Cluster {
    /// Starts it with two servers and the settings of proxies; gives its URL too.
    pub async fn start() -> (Self, String) {
        let cluster = Self { state: Arc::default(), events: broadcast::channel(1024).0 };
        for name in ["lobby", "arena"] {
            let spec = json!({ "endpoint": { "host": "h", "port": 1 } });
            cluster.put("minetestservers", named("MinetestServer", name, spec));
        }
        let spec = json!({ "defaultTarget": { "server": "lobby" } });
        cluster.put("minetestproxies", named("MinetestProxy", "default", spec));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route(GROUP, get(list).post(create))
            .route(&format!("{GROUP}/{{name}}"), get(read).delete(remove).patch(patch))
            .route("/api/v1/namespaces/games/{plural}", get(list))
            .route("/apis/discovery.k8s.io/v1/namespaces/games/{plural}", get(list))
            .route("/apis/authentication.k8s.io/v1/tokenreviews", post(whose))
            .route("/apis/authorization.k8s.io/v1/subjectaccessreviews", post(may))
            .with_state(cluster.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (cluster, url)
    }

    pub fn put(&self, plural: &str, mut object: Value) -> Value {
        let mut state = self.state.lock().unwrap();
        state.version += 1;
        let version = state.version.to_string();
        let meta = object["metadata"].as_object_mut().unwrap();
        meta.insert("resourceVersion".into(), version.clone().into());
        meta.entry("uid").or_insert_with(|| format!("uid-{version}").into());
        meta.entry("creationTimestamp").or_insert("2026-01-01T00:00:00Z".into());
        let name = meta["name"].as_str().unwrap().to_owned();
        let known = state.all.insert((plural.into(), name), object.clone()).is_some();
        let kind = if known { "MODIFIED" } else { "ADDED" };
        let _ = self.events.send((plural.into(), json!({ "type": kind, "object": object })));
        object
    }

    pub fn names(&self, plural: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.all.keys().filter(|(it, _)| it == plural).map(|(_, name)| name.clone()).collect()
    }

    pub fn object(&self, plural: &str, name: &str) -> Option<Value> {
        self.state.lock().unwrap().all.get(&(plural.into(), name.into())).cloned()
    }
}

pub fn named(kind: &str, name: &str, spec: Value) -> Value {
    let metadata = json!({ "name": name, "namespace": "games", "generation": 1 });
    json!({ "apiVersion": "mesegate.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec })
}

fn answer(code: StatusCode, value: &Value) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn failure(code: StatusCode, reason: &str) -> Response {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                         "message": reason, "reason": reason, "code": code.as_u16() });
    answer(code, &status)
}

async fn list(State(cluster): State<Cluster>, Path(plural): Path<String>, uri: Uri) -> Response {
    let mut events = cluster.events.subscribe();
    let query = uri.query().unwrap_or_default();
    let value = |key: &str| query.split('&').find_map(|it| it.strip_prefix(key)?.strip_prefix('='));
    if value("watch").is_none() {
        let state = cluster.state.lock().unwrap();
        let items: Vec<&Value> =
            state.all.iter().filter(|((it, _), _)| *it == plural).map(|(_, it)| it).collect();
        let metadata = json!({ "resourceVersion": state.version.to_string() });
        let all =
            json!({ "kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items });
        return answer(StatusCode::OK, &all);
    }
    let since: u64 = value("resourceVersion").unwrap().parse().unwrap();
    let (sender, lines) = mpsc::channel::<Result<String, std::io::Error>>(64);
    let missed: Vec<Value> = {
        let state = cluster.state.lock().unwrap();
        let version = |it: &Value| {
            it["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap()
        };
        let new =
            state.all.iter().filter(|((it, _), object)| *it == plural && version(object) > since);
        new.map(|(_, object)| json!({ "type": "ADDED", "object": object })).collect()
    };
    tokio::spawn(async move {
        for event in missed {
            sender.send(Ok(format!("{event}\n"))).await.ok();
        }
        while let Ok((kind, event)) = events.recv().await {
            if kind == plural && sender.send(Ok(format!("{event}\n"))).await.is_err() {
                return;
            }
        }
    });
    let body = Body::from_stream(ReceiverStream::new(lines));
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn create(
    State(cluster): State<Cluster>,
    Path(plural): Path<String>,
    body: String,
) -> Response {
    let object: Value = serde_json::from_str(&body).unwrap();
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    if cluster.object(&plural, &name).is_some() {
        return failure(StatusCode::CONFLICT, "AlreadyExists");
    }
    answer(StatusCode::CREATED, &cluster.put(&plural, object))
}

async fn read(
    State(cluster): State<Cluster>,
    Path((plural, name)): Path<(String, String)>,
) -> Response {
    match cluster.object(&plural, &name) {
        Some(object) => answer(StatusCode::OK, &object),
        None => failure(StatusCode::NOT_FOUND, "NotFound"),
    }
}

async fn remove(
    State(cluster): State<Cluster>,
    Path((plural, name)): Path<(String, String)>,
    body: String,
) -> Response {
    let Some(object) = cluster.object(&plural, &name) else {
        return failure(StatusCode::NOT_FOUND, "NotFound");
    };
    let options: Value = serde_json::from_str(&body).unwrap();
    assert!(options["preconditions"]["uid"].is_string(), "{options}");
    if options["preconditions"]["uid"] != object["metadata"]["uid"] {
        return failure(StatusCode::CONFLICT, "Conflict");
    }
    cluster.state.lock().unwrap().all.remove(&(plural.clone(), name));
    let _ = cluster.events.send((plural, json!({ "type": "DELETED", "object": object })));
    answer(StatusCode::OK, &object)
}

async fn patch(
    State(cluster): State<Cluster>,
    Path((plural, name)): Path<(String, String)>,
    body: String,
) -> Response {
    let Some(mut object) = cluster.object(&plural, &name) else {
        return failure(StatusCode::NOT_FOUND, "NotFound");
    };
    merge(&mut object, serde_json::from_str(&body).unwrap());
    answer(StatusCode::OK, &cluster.put(&plural, object))
}

fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into @ Value::Null, Value::Object(patch)) => {
            *into = json!({});
            merge(into, Value::Object(patch));
        }
        (into, patch) => *into = patch,
    }
}

/// Tokens are names, but for `expired` and `broken`.
async fn whose(body: String) -> Response {
    let mut review: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(review["spec"]["audiences"], json!(["mesegate"]));
    let token = review["spec"]["token"].as_str().unwrap().to_owned();
    review["status"] = match token.as_str() {
        "broken" => {
            tokio::time::sleep(Duration::from_millis(1)).await;
            return failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
        }
        "expired" => json!({ "authenticated": false, "error": "the token is over" }),
        name => json!({ "authenticated": true, "user": { "username": name, "uid": name },
                        "audiences": ["mesegate"] }),
    };
    answer(StatusCode::CREATED, &review)
}

/// Everybody sees players; `mover` moves them, `ops` may do everything.
async fn may(body: String) -> Response {
    let mut review: Value = serde_json::from_str(&body).unwrap();
    let asked = &review["spec"]["resourceAttributes"];
    assert_eq!((&asked["group"], &asked["namespace"]), (&json!("mesegate.dev"), &json!("games")));
    let text = |key: &str| asked[key].as_str().unwrap_or_default();
    let allowed = match review["spec"]["user"].as_str().unwrap() {
        "ops" => true,
        "mover" if text("subresource") == "move" => text("verb") == "create",
        _ => {
            text("resource") == "players"
                && text("subresource").is_empty()
                && text("verb") == "list"
        }
    };
    review["status"] = json!({ "allowed": allowed });
    answer(StatusCode::CREATED, &review)
}
