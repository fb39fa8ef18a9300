//! Streams to controllers that are played by the test.

use std::net::SocketAddr;
use std::pin::Pin;

use mesegate_proto::control::hash;
use mesegate_proto::control::v1::connect_request::Message as Out;
use mesegate_proto::control::v1::connect_response::Message as In;
use mesegate_proto::control::v1::control_service_server::{ControlService, ControlServiceServer};
use mesegate_proto::control::v1::{
    ClaimAnswer, ConnectRequest, ConnectResponse, Hello, Resource, Role, Snapshot,
};
use mesegate_resource::ProxySpec;
use tokio::time::timeout;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use super::*;
use crate::players::Players;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long nothing has to come.
const QUIET: Duration = Duration::from_millis(300);

/// A controller's end of a stream.
struct Session {
    hello: Hello,
    requests: Streaming<ConnectRequest>,
    responses: mpsc::Sender<Result<ConnectResponse, Status>>,
}

impl Session {
    async fn send(&self, message: In) {
        self.responses.send(Ok(ConnectResponse { message: Some(message) })).await.unwrap();
    }

    /// The next message that is no sign of life and no report.
    async fn next(&mut self) -> Out {
        loop {
            let next = timeout(PATIENCE, self.requests.next()).await.unwrap().unwrap().unwrap();
            match next.message.unwrap() {
                Out::Heartbeat(_) | Out::Players(_) | Out::Probes(_) => {}
                other => return other,
            }
        }
    }

    async fn acked(&mut self, snapshot: &Snapshot) {
        let Out::Ack(ack) = self.next().await else { panic!("no ack") };
        assert_eq!(ack.hash, snapshot.hash);
    }
}

/// A controller that lets everybody in, or nobody.
struct Fake {
    sessions: mpsc::Sender<Session>,
    refuses: bool,
}

#[tonic::async_trait]
impl ControlService for Fake {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<ConnectResponse, Status>> + Send>>;

    async fn connect(
        &self,
        request: Request<Streaming<ConnectRequest>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        if self.refuses {
            return Err(Status::unauthenticated("who are you?"));
        }
        let mut requests = request.into_inner();
        let first = requests.message().await?.and_then(|it| it.message);
        let Some(Out::Hello(hello)) = first else { panic!("no hello") };
        let (responses, receiver) = mpsc::channel(16);
        let session = Session { hello, requests, responses };
        self.sessions.send(session).await.map_err(|_| Status::unavailable("over"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// A controller: its address, the streams that are opened to it, and what ends it.
struct Replica {
    addr: SocketAddr,
    sessions: mpsc::Receiver<Session>,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Replica {
    async fn start(refuses: bool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, sessions) = mpsc::channel(4);
        let service = ControlServiceServer::new(Fake { sessions: sender, refuses });
        let server = tonic::transport::Server::builder().add_service(service);
        let server = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { addr, sessions, server }
    }

    async fn session(&mut self) -> Session {
        timeout(PATIENCE, self.sessions.recv()).await.unwrap().unwrap()
    }
}

/// A proxy that follows some controllers.
struct Bed {
    updates: Updates,
    claims: Claims,
    metrics: Metrics,
    _data: tempfile::TempDir,
}

impl Bed {
    fn new(replicas: &[&Replica]) -> Self {
        let options = ControlOptions {
            controller: replicas.iter().map(|it| format!("http://{}", it.addr)).collect(),
            controller_ca: None,
            controller_token_file: None,
            controller_cert: None,
            controller_key: None,
            proxy_class: "default".into(),
        };
        let data = tempfile::tempdir().unwrap();
        let metrics = Metrics::new().unwrap();
        let claims = Claims::new(Players::default(), metrics.clone());
        let settings = Settings::new(&options, "proxy".into()).unwrap();
        let updates = follow(settings, data.path(), claims.clone(), metrics.clone());
        Self { updates, claims, metrics, _data: data }
    }

    /// The servers of the next network.
    async fn network(&mut self) -> Vec<String> {
        let update = timeout(PATIENCE, self.updates.receiver.recv()).await.unwrap().unwrap();
        update.done.send(()).unwrap();
        update.network.servers().map(|it| it.name.to_string()).collect()
    }

    async fn quiet(&mut self) {
        assert!(timeout(QUIET, self.updates.receiver.recv()).await.is_err());
    }
}

fn snapshot(servers: &[&str]) -> Snapshot {
    let resource = |kind: &str, name: &str, spec: &str| Resource {
        kind: kind.into(),
        name: name.into(),
        spec: spec.into(),
        ..Resource::default()
    };
    let server = r#"{"endpoint": {"host": "h", "port": 1}}"#;
    let proxy = r#"{"defaultTarget": {"server": "a"}}"#;
    let mut resources = vec![resource("MinetestProxy", "default", proxy)];
    resources.extend(servers.iter().map(|name| resource("MinetestServer", name, server)));
    let digests: Vec<_> = resources.iter().map(Resource::digest).collect();
    Snapshot { hash: hash(&digests).to_vec(), resources, complete: true }
}

#[tokio::test]
async fn documents_count_once_and_from_whoever_is_left() {
    let (mut a, mut b) = (Replica::start(false).await, Replica::start(false).await);
    let mut bed = Bed::new(&[&a, &b]);
    let (mut at_a, mut at_b) = (a.session().await, b.session().await);
    assert!(at_a.hello.resume.is_empty() && at_b.hello.proxy == "proxy");
    let first = snapshot(&["a"]);
    at_a.send(In::Snapshot(first.clone())).await;
    assert_eq!(bed.network().await, ["a"]);
    at_a.acked(&first).await;
    // The same from the other one changes nothing.
    at_b.send(In::Snapshot(first.clone())).await;
    at_b.acked(&first).await;
    bed.quiet().await;
    let second = snapshot(&["a", "b"]);
    at_a.send(In::Snapshot(second.clone())).await;
    at_b.send(In::Snapshot(second.clone())).await;
    assert_eq!(bed.network().await, ["a", "b"]);
    at_a.acked(&second).await;
    at_b.acked(&second).await;
    bed.quiet().await;
    assert_eq!(bed.metrics.control_streams.get(), 2);
    // One of them goes; whichever it was, the other one's documents count from now on.
    a.server.abort();
    drop(at_a);
    while bed.metrics.control_streams.get() > 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bed.quiet().await;
    let third = snapshot(&["a", "c"]);
    at_b.send(In::Snapshot(third.clone())).await;
    assert_eq!(bed.network().await, ["a", "c"]);
    at_b.acked(&third).await;
    // Who comes later, or again, is told what there is.
    drop(at_b);
    assert_eq!(b.session().await.hello.resume, third.hash);
}

#[tokio::test]
async fn documents_of_whoever_is_not_followed_are_not_put_in_force() {
    let (mut a, mut b) = (Replica::start(false).await, Replica::start(false).await);
    let mut bed = Bed::new(&[&a, &b]);
    let mut sessions = [a.session().await, b.session().await];
    let both = snapshot(&["a"]);
    for session in &sessions {
        session.send(In::Snapshot(both.clone())).await;
    }
    bed.network().await;
    for session in &mut sessions {
        session.acked(&both).await;
    }
    // One of them is alone with its documents: either it is followed, or it hears that it is not.
    let (mut followed, mut told) = (0, 0);
    for (session, name) in sessions.iter_mut().zip(["x", "y"]) {
        let own = snapshot(&["a", name]);
        session.send(In::Snapshot(own.clone())).await;
        tokio::select! {
            network = bed.network() => {
                assert_eq!(network, ["a", name]);
                session.acked(&own).await;
                followed += 1;
            }
            answer = session.next() => {
                let Out::Nack(nack) = answer else { panic!("{answer:?}") };
                assert!(nack.elsewhere && !nack.resync && nack.hash == own.hash);
                told += 1;
            }
        }
    }
    assert_eq!((followed, told), (1, 1));
    assert_eq!(bed.metrics.config_nacks_total.get(), 0);
}

#[tokio::test]
async fn a_controller_that_is_reached_twice_has_one_stream() {
    let (mut a, mut b) = (Replica::start(false).await, Replica::start(false).await);
    let bed = Bed::new(&[&a, &b]);
    let role = || In::Role(Role { replica: "same".into(), ..Role::default() });
    let (at_a, at_b) = (a.session().await, b.session().await);
    at_a.send(role()).await;
    tokio::time::sleep(QUIET).await;
    at_b.send(role()).await;
    while bed.metrics.control_streams.get() != 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(timeout(QUIET * 3, a.sessions.recv()).await.is_err());
    // It is needed again when the other one is lost.
    drop(at_b);
    b.server.abort();
    a.session().await;
}

#[tokio::test]
async fn names_are_asked_for_where_the_leader_is() {
    let (mut a, mut b) = (Replica::start(false).await, Replica::start(false).await);
    let bed = Bed::new(&[&a, &b]);
    let (at_a, mut at_b) = (a.session().await, b.session().await);
    let role = |replica: &str, leader| {
        In::Role(Role { replica: replica.into(), leader, ..Role::default() })
    };
    at_a.send(role("a", false)).await;
    at_b.send(role("b", true)).await;
    let Out::Claims(report) = at_b.next().await else { panic!("no report") };
    assert!(report.complete && report.held.is_empty());
    let rules: ProxySpec = serde_json::from_str(r#"{"defaultTarget": {"server": "a"}}"#).unwrap();
    let claims = bed.claims.clone();
    let taken = tokio::spawn(async move { claims.take("bob", &rules).await });
    let Out::Claim(request) = at_b.next().await else { panic!("no request") };
    let (id, name) = (request.id, request.name);
    at_b.send(In::Claim(ClaimAnswer { id, name, granted: true, ..ClaimAnswer::default() })).await;
    let claim = taken.await.unwrap().unwrap();
    // The next leader hears of it, and of its end.
    let mut next = at_a;
    at_b.send(role("b", false)).await;
    next.send(role("a", true)).await;
    let Out::Claims(report) = next.next().await else { panic!("no report") };
    assert_eq!((report.held.len(), &*report.held[0].name), (1, "bob"));
    drop(claim);
    let Out::Release(release) = next.next().await else { panic!("no release") };
    assert_eq!((release.id, &*release.name), (id, "bob"));
}

#[tokio::test]
async fn a_refusal_is_counted_and_tried_again() {
    let a = Replica::start(true).await;
    let mut bed = Bed::new(&[&a]);
    let denied = bed.metrics.control_failures_total.with_label_values(&["denied"]);
    let twice = async {
        while denied.get() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, twice).await.unwrap();
    assert_eq!(bed.metrics.control_stream_up.get(), 0);
    bed.quiet().await;
}
