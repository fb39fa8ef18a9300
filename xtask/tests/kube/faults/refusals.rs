//! Documents that a proxy does not take. The API server and the controller leave none of that
//! kind, so one side at a time is written out by hand here.

use std::pin::Pin;
use std::time::Duration;

use mesegate_proto::control::v1::connect_request::Message as FromProxy;
use mesegate_proto::control::v1::connect_response::Message as FromController;
use mesegate_proto::control::v1::control_service_client::ControlServiceClient;
use mesegate_proto::control::v1::control_service_server::{ControlService, ControlServiceServer};
use mesegate_proto::control::v1::{
    Ack, ConnectRequest, ConnectResponse, Hello, Nack, Resource, Snapshot,
};
use mesegate_proto::control::{PROTOCOL, hash};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};
use xtask::controller::{Controller, ControllerSpec};

use super::Bed;
use crate::fleet::{PATIENCE, SOON, condition, in_force};
use crate::support::get;

/// A third proxy, which says what it thinks of documents.
struct Critic {
    requests: mpsc::Sender<ConnectRequest>,
    responses: Streaming<ConnectResponse>,
}

impl Critic {
    async fn connect(url: String) -> Self {
        let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        let (requests, receiver) = mpsc::channel(8);
        let hello = Hello {
            protocol: PROTOCOL,
            release: "0.0.0".into(),
            proxy: "critic".into(),
            class: "default".into(),
            ..Hello::default()
        };
        requests.send(ConnectRequest { message: Some(FromProxy::Hello(hello)) }).await.unwrap();
        let mut client = ControlServiceClient::new(channel);
        let responses = client.connect(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        Self { requests, responses }
    }

    /// Waits for the next documents and answers them: with a reason, or by taking them.
    async fn answer(&mut self, refusal: Option<&str>) {
        let hash = loop {
            let next = tokio::time::timeout(PATIENCE, self.responses.message()).await.unwrap();
            match next.unwrap().unwrap().message {
                Some(FromController::Snapshot(it)) if it.complete => break it.hash,
                Some(FromController::Delta(it)) => break it.hash,
                _ => {}
            }
        };
        let answer = match refusal {
            Some(reason) => {
                FromProxy::Nack(Nack { hash, reason: reason.into(), ..Nack::default() })
            }
            None => FromProxy::Ack(Ack { hash }),
        };
        self.requests.send(ConnectRequest { message: Some(answer) }).await.unwrap();
    }
}

/// A controller whose documents lack the server that they name.
struct Careless {
    answers: mpsc::Sender<FromProxy>,
}

#[tonic::async_trait]
impl ControlService for Careless {
    type ConnectStream =
        Pin<Box<dyn tokio_stream::Stream<Item = Result<ConnectResponse, Status>> + Send>>;

    async fn connect(
        &self,
        request: Request<Streaming<ConnectRequest>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let mut requests = request.into_inner();
        let answers = self.answers.clone();
        let (sender, responses) = mpsc::channel(8);
        tokio::spawn(async move {
            let resource = Resource {
                kind: "MinetestProxy".into(),
                name: "default".into(),
                spec: r#"{"defaultTarget": {"server": "nowhere"}}"#.into(),
                ..Resource::default()
            };
            let hash = hash([&resource.digest()]).to_vec();
            let snapshot = Snapshot { hash, resources: vec![resource], complete: true };
            let message = Some(FromController::Snapshot(snapshot));
            let _ = sender.send(Ok(ConnectResponse { message })).await;
            while let Ok(Some(request)) = requests.message().await {
                if let Some(answer @ (FromProxy::Ack(_) | FromProxy::Nack(_))) = request.message {
                    // The proxy tries again; nobody waits for all of its answers.
                    let _ = answers.try_send(answer);
                    break;
                }
            }
            drop(sender);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn documents_are_refused() {
    let mut bed = Bed::new();
    let controller = bed.controllers[0].as_ref().unwrap();
    let (url, address) = (controller.url(), controller.address());
    let mut critic = bed.fleet.runtime.block_on(Critic::connect(url));
    bed.fleet.runtime.block_on(critic.answer(None));
    condition(&bed.cluster, "mts/lobby", "Programmed", "Programmed");
    let disliked = bed.edit();
    bed.fleet.all("a change that one proxy refuses", SOON, |it| in_force(it, &disliked));
    bed.fleet.runtime.block_on(critic.answer(Some("not to my taste")));
    condition(&bed.cluster, "mts/lobby", "Programmed", "Refused");
    let path = "-o=jsonpath={.status.conditions[?(@.type==\"Programmed\")].message}";
    let said = get(&bed.cluster, &["mts/lobby", path]);
    assert_eq!(said, "critic: not to my taste");
    assert_eq!(controller.metric("nacks_total").unwrap(), 1.0);
    bed.unharmed("while one proxy refuses documents");
    bed.edit();
    bed.fleet.runtime.block_on(critic.answer(None));
    condition(&bed.cluster, "mts/lobby", "Programmed", "Programmed");
    drop(critic);

    bed.controllers.clear();
    let (answers, mut answered) = mpsc::channel(8);
    let careless = bed.fleet.runtime.spawn(async move {
        let listener = TcpListener::bind(address).await.unwrap();
        let service = ControlServiceServer::new(Careless { answers });
        let incoming = TcpListenerStream::new(listener);
        Server::builder().add_service(service).serve_with_incoming(incoming).await
    });
    for _ in 0..2 {
        let answer = bed.fleet.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, answered.recv()).await.unwrap().unwrap()
        });
        let FromProxy::Nack(nack) = answer else { panic!("{answer:?}") };
        println!("kube: a proxy refuses: {}", nack.reason);
        assert!(nack.reason.contains("nowhere") && !nack.resync, "{}", nack.reason);
    }
    std::thread::sleep(Duration::from_secs(1));
    assert!(bed.fleet.proxies.iter().all(|it| in_force(it, "\"lobby\"")));
    assert!(bed.fleet.proxies.iter().all(|it| it.metric("config_nacks_total").unwrap() >= 1.0));
    let _late = bed.fleet.join(0, "latecomer");
    bed.unharmed("after documents were refused");
    careless.abort();
    let _ = bed.fleet.runtime.block_on(careless);

    let spec = ControllerSpec::new("controller-1").listen(address);
    bed.controllers.push(Some(Controller::start(&bed.cluster, &spec).unwrap()));
    bed.recovers("with good documents", PATIENCE);
    bed.follows("with good documents");
    bed.unharmed("with good documents");
}
