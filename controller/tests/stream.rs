//! Control streams over loopback, against a client that is written out by hand.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mesegate_controller::compile::{Compiled, compile};
use mesegate_controller::fleet::Fleet;
use mesegate_controller::metrics::Metrics;
use mesegate_controller::stream::Control;
use mesegate_controller::world::{Object, World};
use mesegate_proto::control::PROTOCOL;
use mesegate_proto::control::v1::connect_request::Message as Out;
use mesegate_proto::control::v1::connect_response::Message as In;
use mesegate_proto::control::v1::control_service_client::ControlServiceClient;
use mesegate_proto::control::v1::control_service_server::ControlServiceServer;
use mesegate_proto::control::v1::{Ack, ConnectRequest, ConnectResponse, Hello, Nack, Snapshot};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Status, Streaming};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long nothing has to come.
const QUIET: Duration = Duration::from_millis(300);

fn compiled(servers: &[&str]) -> Arc<Compiled> {
    let object = |name: &&str| Object {
        name: (*name).into(),
        labels: BTreeMap::new(),
        generation: 1,
        spec: Arc::new(serde_json::from_str(r#"{"endpoint": {"host": "h", "port": 1}}"#).unwrap()),
    };
    let proxy = Object {
        name: "default".into(),
        labels: BTreeMap::new(),
        generation: 1,
        spec: Arc::new(serde_json::from_str(r#"{"defaultTarget": {"server": "lobby"}}"#).unwrap()),
    };
    let servers = servers.iter().map(object).collect();
    Arc::new(compile(&World { servers, proxies: vec![proxy], ..World::default() }, 0))
}

struct Bed {
    compiled: watch::Sender<Arc<Compiled>>,
    stop: watch::Sender<bool>,
    fleet: Fleet,
    endpoint: Endpoint,
}

impl Bed {
    async fn new(servers: &[&str]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (compiled, watched) = watch::channel(compiled(servers));
        let (stop, stopping) = watch::channel(false);
        let fleet = Fleet::default();
        let metrics = Metrics::new().unwrap();
        let control = Control { compiled: watched, fleet: fleet.clone(), metrics, stopping };
        let service = ControlServiceServer::new(control);
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { compiled, stop, fleet, endpoint: Endpoint::from_shared(url).unwrap() }
    }

    fn hash(&self) -> Vec<u8> {
        self.compiled.borrow().sets["default"].hash().to_vec()
    }

    async fn open(&self, hello: Hello) -> Stream {
        let channel = self.endpoint.connect().await.unwrap();
        let (requests, receiver) = mpsc::channel(8);
        let mut stream = ControlServiceClient::new(channel);
        requests.send(ConnectRequest { message: Some(Out::Hello(hello)) }).await.unwrap();
        let responses = stream.connect(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        Stream { requests, responses }
    }
}

fn hello(resume: Vec<u8>) -> Hello {
    Hello {
        protocol: PROTOCOL,
        release: "0.0.0".into(),
        proxy: "pod".into(),
        class: "default".into(),
        resume,
    }
}

struct Stream {
    requests: mpsc::Sender<ConnectRequest>,
    responses: Streaming<ConnectResponse>,
}

impl Stream {
    async fn send(&self, message: Out) {
        self.requests.send(ConnectRequest { message: Some(message) }).await.unwrap();
    }

    /// The next message that is no heartbeat.
    async fn next(&mut self) -> Result<Option<In>, Status> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.responses.message()).await.unwrap()?;
            match next.map(|it| it.message.unwrap()) {
                Some(In::Heartbeat(_)) => {}
                other => return Ok(other),
            }
        }
    }

    async fn snapshot(&mut self) -> Snapshot {
        match self.next().await.unwrap().unwrap() {
            In::Snapshot(snapshot) => snapshot,
            other => panic!("{other:?}"),
        }
    }

    async fn quiet(&mut self) {
        let mut quiet = tokio::time::interval(QUIET);
        quiet.tick().await;
        loop {
            tokio::select! {
                message = self.responses.message() => match message.unwrap().unwrap().message {
                    Some(In::Heartbeat(_)) => {}
                    other => panic!("{other:?}"),
                },
                _ = quiet.tick() => return,
            }
        }
    }
}

#[tokio::test]
async fn changes_come_one_after_the_other_as_differences() {
    let bed = Bed::new(&["lobby"]).await;
    let mut stream = bed.open(hello(vec![])).await;
    let snapshot = stream.snapshot().await;
    assert!(snapshot.complete && snapshot.hash == bed.hash() && snapshot.resources.len() == 2);
    // Nothing further before the answer, and then only the last state.
    bed.compiled.send_replace(compiled(&["lobby", "a"]));
    bed.compiled.send_replace(compiled(&["lobby", "a", "b"]));
    stream.quiet().await;
    stream.send(Out::Ack(Ack { hash: snapshot.hash.clone() })).await;
    let Some(In::Delta(delta)) = stream.next().await.unwrap() else { panic!() };
    let names: Vec<&str> = delta.upserts.iter().map(|it| it.name.as_str()).collect();
    assert_eq!((names, delta.removals.len()), (vec!["a", "b"], 0));
    assert_eq!((&delta.base_hash, &delta.hash), (&snapshot.hash, &bed.hash()));
    // A set that is refused is not sent again; one that could not be applied comes whole.
    let (hash, reason) = (delta.hash.clone(), "no".to_owned());
    stream.send(Out::Nack(Nack { hash, reason, resync: false })).await;
    stream.quiet().await;
    let key = ("default".to_owned(), "pod".to_owned());
    assert_eq!(bed.fleet.members()[&key].refused.as_deref(), Some("no"));
    bed.compiled.send_replace(compiled(&["lobby", "c"]));
    let Some(In::Delta(delta)) = stream.next().await.unwrap() else { panic!() };
    assert_eq!(delta.base_hash, snapshot.hash);
    let (hash, reason) = (delta.hash.clone(), "lost".to_owned());
    stream.send(Out::Nack(Nack { hash, reason, resync: true })).await;
    assert_eq!(stream.snapshot().await.hash, bed.hash());
}

#[tokio::test]
async fn who_has_everything_gets_the_empty_difference_and_a_newer_stream_takes_over() {
    let bed = Bed::new(&["lobby"]).await;
    let mut stream = bed.open(hello(bed.hash())).await;
    let Some(In::Delta(delta)) = stream.next().await.unwrap() else { panic!() };
    assert!(delta.upserts.is_empty() && delta.removals.is_empty());
    assert!(delta.base_hash == bed.hash() && delta.hash == bed.hash());
    let mut newer = bed.open(hello(vec![])).await;
    newer.snapshot().await;
    assert_eq!(bed.fleet.connected(), 1);
    bed.stop.send_replace(true);
    assert_eq!(newer.next().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn wrong_beginnings_are_refused() {
    let bed = Bed::new(&["lobby"]).await;
    for (hello, code) in [
        (Hello { protocol: 99, ..hello(vec![]) }, Code::FailedPrecondition),
        (Hello { proxy: String::new(), ..hello(vec![]) }, Code::InvalidArgument),
        (Hello { class: "x".repeat(300), ..hello(vec![]) }, Code::InvalidArgument),
    ] {
        let mut stream = bed.open(hello).await;
        assert_eq!(stream.next().await.unwrap_err().code(), code);
    }
    assert_eq!(bed.fleet.connected(), 0);
    let mut other = bed.open(Hello { class: "other".into(), ..hello(vec![]) }).await;
    other.quiet().await;
}
