//! Traces, as a collector gets them.

use std::net::{SocketAddr, TcpListener as Unheard};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mesegate_proto::admin::v1::player_service_client::PlayerServiceClient;
use mesegate_proto::admin::v1::target::Kind;
use mesegate_proto::admin::v1::{MovePlayerRequest, Target};
use mesegate_testkit::{FakeServer, FakeServerOptions};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::support::{ARENA, Documents, Launch, Proxy, SOON, arena, eventually, go, lobby, within};

const FOREVER: u64 = 90;

/// A collector that keeps everything.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    resources: Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.unwrap_or_default().attributes;
            self.resources.lock().unwrap().push(format!("{attributes:?}"));
            for scope in resource.scope_spans {
                self.spans.lock().unwrap().extend(scope.spans);
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, SocketAddr) {
        let collector = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = TraceServiceServer::new(collector.clone());
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        (collector, address)
    }

    fn all(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }

    /// The span of that name with this attribute, once it has come.
    async fn span(&self, name: &str, key: &str, value: &str) -> Span {
        let find = || {
            self.all()
                .into_iter()
                .find(|it| it.name == name && attribute(it, key).as_deref() == Some(value))
        };
        eventually(&format!("the span {name} with {key}={value}"), SOON, || find().is_some()).await;
        find().unwrap()
    }
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|it| it.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

fn is_part(span: &Span, of: &Span) -> bool {
    span.trace_id == of.trace_id && span.parent_span_id == of.span_id
}

/// A proxy with two servers that sends its traces there, and the address of its admin interface.
async fn launch(endpoint: &str) -> (FakeServer, FakeServer, Proxy, SocketAddr) {
    let lobby = FakeServer::start(FakeServerOptions::new(lobby())).unwrap();
    let arena = FakeServer::start(FakeServerOptions::new(arena())).unwrap();
    let documents = Documents::new().server("lobby", lobby.addr()).server("arena", arena.addr());
    let admin = Unheard::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let launch =
        Launch::new(documents).arg("--otlp-endpoint", endpoint).arg("--admin", &admin.to_string());
    (lobby, arena, launch.start().await, admin)
}

/// Has a player moved, as a part of the caller's trace.
async fn order(admin: SocketAddr, player: &str, server: &str, traceparent: &str) {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{admin}")).unwrap();
    let mut client = PlayerServiceClient::new(channel.connect().await.unwrap());
    let target = Target { kind: Some(Kind::Server(server.to_owned())) };
    let order = MovePlayerRequest {
        name: player.to_owned(),
        target: Some(target),
        ..MovePlayerRequest::default()
    };
    let mut request = Request::new(order);
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    client.move_player(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_hops_and_orders_are_traces_that_hang_together() {
    within(FOREVER, async {
        let (collector, address) = Collector::start().await;
        let (_lobby, _arena, mut proxy, admin) = launch(&format!("http://{address}")).await;
        let alice = proxy.join("alice").await;
        go(&alice, "arena", ARENA).await;
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        order(admin, "alice", "lobby", &format!("00-{trace}-00f067aa0ba902b7-01")).await;
        alice.leave().await;
        // The rest is sent at the end.
        proxy.terminate();
        let (status, taken) = proxy.ended().await;
        assert!(status.success(), "{status}");
        assert!(taken < Duration::from_secs(10), "{taken:?}");

        let login = collector.span("login", "result", "ok").await;
        assert!(login.parent_span_id.is_empty(), "{login:?}");
        assert_eq!(attribute(&login, "server").as_deref(), Some("lobby"));
        let all = collector.all();
        for step in ["password", "name", "load content", "join"] {
            let found = all.iter().find(|it| it.name == step && is_part(it, &login));
            assert!(found.is_some(), "{step} of {all:#?}");
        }
        let join = all.iter().find(|it| it.name == "join").unwrap();
        let entered = all.iter().find(|it| it.name == "enter server" && is_part(it, join));
        assert_eq!(attribute(entered.unwrap(), "server").as_deref(), Some("lobby"));

        let session = attribute(&login, "session.id").unwrap();
        let hop = collector.span("hop", "cause", "wish").await;
        assert!(hop.parent_span_id.is_empty(), "{hop:?}");
        for (key, value) in [
            ("from", "lobby"),
            ("server", "arena"),
            ("result", "ok"),
            ("session.id", session.as_str()),
        ] {
            assert_eq!(attribute(&hop, key).as_deref(), Some(value), "{key}");
        }
        assert!(all.iter().any(|it| it.name == "enter server" && is_part(it, &hop)));

        let call = collector.span("PlayerService/MovePlayer", "rpc.system", "grpc").await;
        let number = u128::from_be_bytes(call.trace_id.clone().try_into().unwrap());
        assert_eq!(format!("{number:032x}"), trace);
        assert_eq!(call.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
        let ordered = collector.span("hop", "cause", "order").await;
        assert!(is_part(&ordered, &call), "{ordered:?} {call:?}");
        assert_eq!(attribute(&ordered, "server").as_deref(), Some("lobby"));

        // The log has the number and the name, the traces only the number.
        let line = proxy.logged("a player is in the game").await;
        assert!(line.contains("alice") && line.contains(&session), "{line}");
        let text = format!("{all:?}");
        assert!(!text.contains("alice") && !text.contains("127.0.0.1"), "{text}");
        let resources = collector.resources.lock().unwrap().join("\n");
        assert!(resources.contains("mesegate-proxy"), "{resources}");
        assert!(!proxy.log().contains("could not be sent"), "{}", proxy.log());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_nothing_to_players() {
    within(FOREVER, async {
        let nobody = Unheard::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (_lobby, _arena, mut proxy, _) = launch(&format!("http://{nobody}")).await;
        let alice = proxy.join("alice").await;
        go(&alice, "arena", ARENA).await;
        let begun = Instant::now();
        let warned = || proxy.log().matches("traces could not be sent").count();
        eventually("the warning", SOON, || warned() > 0).await;
        // Several batches later.
        for _ in 0..2 {
            go(&alice, "lobby", crate::support::LOBBY).await;
            go(&alice, "arena", ARENA).await;
            tokio::time::sleep(Duration::from_secs(6)).await;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "the test is too slow to tell");
        assert_eq!(warned(), 1, "{}", proxy.log());
        alice.leave().await;
        proxy.terminate();
        let (status, taken) = proxy.ended().await;
        assert!(status.success(), "{status}");
        assert!(taken < Duration::from_secs(8), "{taken:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_is_refused_at_the_start() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mesegate-proxy"))
        .args(["--resources", "nowhere", "--otlp-endpoint", "not a url"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("--otlp-endpoint") && text.contains("http://127.0.0.1:4317"), "{text}");
}
