//! A controller's streams without a cluster, and a client that is written out by hand.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mesegate_admin::{Tls, accept};
use mesegate_controller::claims::Claims;
use mesegate_controller::compile::{Compiled, compile};
use mesegate_controller::fleet::Fleet;
use mesegate_controller::metrics::Metrics;
use mesegate_controller::stream::Control;
use mesegate_controller::trust::Gate;
use mesegate_controller::world::{Object, World};
use mesegate_proto::control::PROTOCOL;
use mesegate_proto::control::v1::connect_request::Message as Out;
use mesegate_proto::control::v1::connect_response::Message as In;
use mesegate_proto::control::v1::control_service_client::ControlServiceClient;
use mesegate_proto::control::v1::control_service_server::ControlServiceServer;
use mesegate_proto::control::v1::{ConnectRequest, ConnectResponse, Hello, Role, Snapshot};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Endpoint, Server};
use tonic::{Status, Streaming};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long nothing has to come.
const QUIET: Duration = Duration::from_millis(300);

pub(crate) fn compiled(servers: &[&str]) -> Arc<Compiled> {
    let object = |name: &&str| Object {
        uid: None,
        name: (*name).into(),
        labels: BTreeMap::new(),
        generation: 1,
        spec: Arc::new(serde_json::from_str(r#"{"endpoint": {"host": "h", "port": 1}}"#).unwrap()),
    };
    let proxy = Object {
        uid: None,
        name: "default".into(),
        labels: BTreeMap::new(),
        generation: 1,
        spec: Arc::new(serde_json::from_str(r#"{"defaultTarget": {"server": "lobby"}}"#).unwrap()),
    };
    let servers = servers.iter().map(object).collect();
    Arc::new(compile(&World { servers, proxies: vec![proxy], ..World::default() }, 0))
}

pub(crate) struct Bed {
    pub(crate) compiled: watch::Sender<Arc<Compiled>>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) leads: watch::Sender<bool>,
    pub(crate) fleet: Fleet,
    pub(crate) claims: Claims,
    pub(crate) endpoint: Endpoint,
}

impl Bed {
    pub(crate) async fn new(servers: &[&str]) -> Self {
        Self::guarded(servers, Gate::Open, None).await
    }

    /// Its endpoint is without TLS.
    pub(crate) async fn guarded(servers: &[&str], gate: Gate, tls: Option<Arc<Tls>>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (compiled, watched) = watch::channel(compiled(servers));
        let (stop, stopping) = watch::channel(false);
        let fleet = Fleet::default();
        let metrics = Metrics::new().unwrap();
        let connections = accept(listener, tls, metrics.connections.clone());
        let (leads, led) = watch::channel(false);
        let claims = Claims::default();
        let control = Control {
            compiled: watched,
            fleet: fleet.clone(),
            claims: claims.clone(),
            gate,
            replica: "replica".into(),
            leads: led,
            asked: None,
            metrics,
            stopping,
        };
        let service = ControlServiceServer::new(control);
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(connections));
        Self { compiled, stop, leads, fleet, claims, endpoint: Endpoint::from_shared(url).unwrap() }
    }

    pub(crate) fn hash(&self) -> Vec<u8> {
        self.compiled.borrow().sets["default"].hash().to_vec()
    }

    pub(crate) async fn open(&self, hello: Hello) -> Stream {
        let channel = self.endpoint.connect().await.unwrap();
        let (requests, receiver) = mpsc::channel(8);
        let mut stream = ControlServiceClient::new(channel);
        requests.send(ConnectRequest { message: Some(Out::Hello(hello)) }).await.unwrap();
        let responses = stream.connect(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        Stream { requests, responses }
    }
}

pub(crate) fn hello(resume: Vec<u8>) -> Hello {
    Hello {
        protocol: PROTOCOL,
        release: "0.0.0".into(),
        proxy: "pod".into(),
        class: "default".into(),
        resume,
    }
}

pub(crate) struct Stream {
    pub(crate) requests: mpsc::Sender<ConnectRequest>,
    pub(crate) responses: Streaming<ConnectResponse>,
}

impl Stream {
    pub(crate) async fn send(&self, message: Out) {
        self.requests.send(ConnectRequest { message: Some(message) }).await.unwrap();
    }

    /// The next message that is no heartbeat, nor the role at the beginning.
    pub(crate) async fn next(&mut self) -> Result<Option<In>, Status> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.responses.message()).await.unwrap()?;
            match next.map(|it| it.message.unwrap()) {
                Some(In::Heartbeat(_) | In::Role(Role { leader: false, .. })) => {}
                other => return Ok(other),
            }
        }
    }

    pub(crate) async fn snapshot(&mut self) -> Snapshot {
        match self.next().await.unwrap().unwrap() {
            In::Snapshot(snapshot) => snapshot,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn quiet(&mut self) {
        let mut quiet = tokio::time::interval(QUIET);
        quiet.tick().await;
        loop {
            tokio::select! {
                message = self.responses.message() => match message.unwrap().unwrap().message {
                    Some(In::Heartbeat(_) | In::Role(Role { leader: false, .. })) => {}
                    other => panic!("{other:?}"),
                },
                _ = quiet.tick() => return,
            }
        }
    }
}
