//! A controller without a cluster, its proxies, and a client of the interface.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_admin::{Admin, AdminOptions, Authority, Network};
use mesegate_controller::admin::{Accounts, Whole};
use mesegate_controller::claims::Claims;
use mesegate_controller::cluster::Cluster;
use mesegate_controller::compile::{Compiled, compile};
use mesegate_controller::events::Events;
use mesegate_controller::fleet::Fleet;
use mesegate_controller::metrics::Metrics;
use mesegate_controller::stream::{Asked, Control};
use mesegate_controller::trust::{Gate, Reviews};
use mesegate_controller::world::{Object, World};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::player_service_client::PlayerServiceClient;
use mesegate_proto::admin::v1::proxy_service_client::ProxyServiceClient;
use mesegate_proto::control::PROTOCOL;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::command_result::Result as Outcome;
use mesegate_proto::control::v1::connect_request::Message as Out;
use mesegate_proto::control::v1::connect_response::Message as In;
use mesegate_proto::control::v1::control_service_client::ControlServiceClient;
use mesegate_proto::control::v1::control_service_server::ControlServiceServer;
use mesegate_proto::control::v1::{
    Ack, Command, CommandResult, ConnectRequest, ConnectResponse, Done, Failed, Hello, PlayerReport,
};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Status, Streaming};
use tonic_types::StatusExt as _;

use crate::cluster::Cluster as FakeCluster;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A controller.
pub struct Bed {
    pub fleet: Fleet,
    control: Endpoint,
    pub admin: Channel,
    pub stop: watch::Sender<bool>,
    compiled: watch::Sender<Arc<Compiled>>,
    _leads: watch::Sender<bool>,
}

fn compiled() -> Arc<Compiled> {
    fn object<S: serde::de::DeserializeOwned>(name: &str, spec: &str) -> Object<S> {
        let spec = Arc::new(serde_json::from_str(spec).unwrap());
        Object { name: name.into(), uid: None, labels: BTreeMap::new(), generation: 1, spec }
    }
    let server = |name| object(name, r#"{"endpoint": {"host": "h", "port": 1}}"#);
    let proxy = object("default", r#"{"defaultTarget": {"server": "lobby"}}"#);
    let servers = vec![server("lobby"), server("arena")];
    Arc::new(compile(&World { servers, proxies: vec![proxy], ..World::default() }, 0))
}

/// Compiles what is in the cluster whenever that changes.
async fn keep_compiled(cluster: Cluster, compiled: watch::Sender<Arc<Compiled>>) {
    let mut revision = cluster.revision();
    assert!(cluster.synced().await);
    loop {
        compiled.send_replace(Arc::new(compile(&cluster.world(), 0)));
        if revision.changed().await.is_err() {
            return;
        }
    }
}

impl Bed {
    /// Without a cluster, and open to everybody.
    pub async fn new() -> Self {
        // Nobody listens there: the cluster stays unknown.
        Self::over("http://127.0.0.1:1", false).await
    }

    /// With a cluster, whose accounts may use the interface.
    pub async fn in_cluster() -> (Self, FakeCluster) {
        let (cluster, url) = FakeCluster::start().await;
        let bed = Self::over(&url, true).await;
        until(|| bed.compiled.borrow().sets["default"].len() > 2).await;
        (bed, cluster)
    }

    async fn over(cluster_url: &str, accounts: bool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, compiled) = watch::channel(compiled());
        let (stop, stopping) = watch::channel(false);
        let (leads, led) = watch::channel(false);
        let (fleet, metrics) = (Fleet::default(), Metrics::new().unwrap());
        let config = kube::Config::new(cluster_url.parse().unwrap());
        let client = kube::Client::try_from(config).unwrap();
        let cluster = Cluster::watch(&client, "games", &metrics, false);
        let namespace = "games".to_owned();
        let events =
            Events::publish(client.clone(), namespace.clone(), "replica".into(), metrics.clone());
        let whole: Arc<dyn Network> = Arc::new(Whole {
            client: client.clone(),
            namespace,
            cluster: cluster.clone(),
            compiled: compiled.clone(),
            fleet: fleet.clone(),
            events,
            stopping: stopping.clone(),
        });
        let control = Control {
            compiled,
            fleet: fleet.clone(),
            claims: Claims::default(),
            gate: Gate::Open,
            replica: "replica".into(),
            leads: led,
            asked: Some(Asked { network: Arc::clone(&whole), states: false }),
            metrics: metrics.clone(),
            stopping,
        };
        let server = Server::builder().add_service(ControlServiceServer::new(control));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let options = AdminOptions {
            admin: Some("127.0.0.1:0".parse().unwrap()),
            admin_tokens: None,
            admin_tls_cert: None,
            admin_tls_key: None,
            admin_tls_client_ca: None,
            admin_reflection: false,
        };
        let authority = accounts.then(|| {
            tokio::spawn(keep_compiled(cluster.clone(), sender.clone()));
            let reviews = Arc::new(Reviews::new(&client));
            Arc::new(Accounts { reviews, namespace: "games".into() }) as Arc<dyn Authority>
        });
        let admin = Admin::bind(&options, authority).await.unwrap().unwrap();
        let address = format!("http://{}", admin.local_addr().unwrap());
        tokio::spawn(admin.serve(whole, metrics.admin.clone()));
        let admin = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
        let control = Endpoint::from_shared(url).unwrap();
        assert!(!accounts || cluster.synced().await);
        Self { fleet, control, admin, stop, compiled: sender, _leads: leads }
    }

    /// Two proxies, with alice at one of them and bob at the other, both on the lobby.
    pub async fn with_two() -> (Self, Proxy, Proxy) {
        let bed = Self::new().await;
        let mut one = bed.proxy("one").await;
        let mut two = bed.proxy("two").await;
        one.report(&[("alice", "lobby")]).await;
        two.report(&[("bob", "lobby")]).await;
        one.answer(0).await;
        two.answer(0).await;
        until(|| bed.fleet.player("alice").is_some() && bed.fleet.player("bob").is_some()).await;
        (bed, one, two)
    }

    pub async fn proxy(&self, name: &str) -> Proxy {
        let channel = self.control.connect().await.unwrap();
        let (requests, receiver) = mpsc::channel(1024);
        let hello = Hello {
            protocol: PROTOCOL,
            release: "0.0.0".into(),
            proxy: name.into(),
            class: "default".into(),
            resume: Vec::new(),
        };
        requests.send(ConnectRequest { message: Some(Out::Hello(hello)) }).await.unwrap();
        let mut client = ControlServiceClient::new(channel);
        let responses = client.connect(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        Proxy { requests, responses }
    }

    pub fn players(&self) -> PlayerServiceClient<Channel> {
        PlayerServiceClient::new(self.admin.clone())
    }

    pub fn proxies(&self) -> ProxyServiceClient<Channel> {
        ProxyServiceClient::new(self.admin.clone())
    }

    /// Moves a player within a time.
    pub fn go(
        &self,
        player: &str,
        server: &str,
        limit: Duration,
    ) -> impl Future<Output = Result<pb::MovePlayerResponse, Status>> + Send + 'static {
        let mut request = tonic::Request::new(pb::MovePlayerRequest {
            name: player.into(),
            target: target(server),
            ..Default::default()
        });
        request.set_timeout(limit);
        let mut players = self.players();
        async move { players.move_player(request).await.map(tonic::Response::into_inner) }
    }
}

#[allow(clippy::unnecessary_wraps)] // as requests take it
pub fn target(server: &str) -> Option<pb::Target> {
    Some(pb::Target { kind: Some(pb::target::Kind::Server(server.into())) })
}

/// A proxy's end of a control stream.
pub struct Proxy {
    requests: mpsc::Sender<ConnectRequest>,
    responses: Streaming<ConnectResponse>,
}

impl Proxy {
    pub async fn say(&self, message: Out) {
        self.requests.send(ConnectRequest { message: Some(message) }).await.unwrap();
    }

    /// Says who is in the game: names and servers.
    pub async fn report(&self, players: &[(&str, &str)]) {
        let player = |&(name, server): &(&str, &str)| pb::Player {
            name: name.into(),
            server: server.into(),
            state: pb::PlayerState::Playing.into(),
            protocol: 52,
            address: "192.0.2.1".into(),
            ..pb::Player::default()
        };
        let present = players.iter().map(player).collect();
        self.say(Out::Players(PlayerReport { full: true, present, ..Default::default() })).await;
    }

    /// The next command.
    pub async fn command(&mut self) -> Command {
        match self.next(|message| matches!(message, In::Command(_))).await {
            In::Command(command) => command,
            other => panic!("{other:?}"),
        }
    }

    /// The next message that is wanted. Documents are acknowledged on the way.
    pub async fn next(&mut self, wanted: impl Fn(&In) -> bool) -> In {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.responses.message()).await.unwrap();
            match next.unwrap().unwrap().message.unwrap() {
                message if wanted(&message) => return message,
                In::Snapshot(snapshot) => self.say(Out::Ack(Ack { hash: snapshot.hash })).await,
                In::Delta(delta) => self.say(Out::Ack(Ack { hash: delta.hash })).await,
                _ => {}
            }
        }
    }

    /// Reads the documents, and then answers so many commands as a proxy would whose players are
    /// all free to go.
    pub async fn answer(&mut self, commands: usize) {
        for _ in 0..commands {
            let command = self.command().await;
            let result = match command.op.unwrap() {
                Op::Move(order) => {
                    let Some(pb::target::Kind::Server(server)) = order.target.unwrap().kind else {
                        panic!()
                    };
                    let outcome = pb::MoveOutcome::Moved.into();
                    Outcome::Moved(pb::MovePlayerResponse { outcome, server })
                }
                Op::Tell(_) => Outcome::Told(1),
                Op::Data(data) => Outcome::Taken(data.parcels.len() as u32),
                Op::Kick(_) | Op::Drain(_) | Op::State(_) | Op::Find(_) | Op::Inspect(_) => {
                    Outcome::Done(Done {})
                }
            };
            self.result(command.id, result).await;
        }
    }

    /// Acknowledges documents for a while.
    pub async fn answer_documents(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while let Ok(next) = tokio::time::timeout_at(end, self.responses.message()).await {
            match next.unwrap().unwrap().message.unwrap() {
                In::Snapshot(snapshot) => self.say(Out::Ack(Ack { hash: snapshot.hash })).await,
                In::Delta(delta) => self.say(Out::Ack(Ack { hash: delta.hash })).await,
                _ => {}
            }
        }
    }

    pub async fn result(&self, id: u64, result: Outcome) {
        self.say(Out::Result(CommandResult { id, result: Some(result) })).await;
    }

    pub async fn done(&self, id: u64) {
        self.result(id, Outcome::Done(Done {})).await;
    }

    pub async fn fail(&self, id: u64, reason: pb::FailureReason) {
        let failed = Failed { reason: reason.into(), text: "why".into() };
        self.result(id, Outcome::Failed(failed)).await;
    }
}

/// Waits until something holds.
pub async fn until(holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "it did not come about");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The reason's name.
pub fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap_or_else(|| panic!("{status:?}")).reason
}
