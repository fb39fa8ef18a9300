//! Who may open a control stream: over TLS, with an API server that answers as it is told to.

use std::path::Path;
use std::sync::Arc;

use crate::api::Api;
use crate::bed::{Bed, hello};
use base64::Engine as _;
use mesegate_admin::{CertificateFiles, ProxyTokens, Tls};
use mesegate_controller::trust::{Gate, Reviews};
use mesegate_proto::control::v1::connect_request::Message as Out;
use mesegate_proto::control::v1::connect_response::Message as In;
use mesegate_proto::control::v1::control_service_client::ControlServiceClient;
use mesegate_proto::control::v1::{ConnectRequest, ConnectResponse};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status, Streaming};

/// An authority, and what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = pem("CERTIFICATE", params.self_signed(&key).unwrap().der());
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for a name, and its key.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", key.serialized_der()))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// The tokens `proxy` and `stranger` are known; only `proxy` may connect.
fn answer(spec: &Value) -> Option<Value> {
    let Some(token) = spec.get("token") else {
        let wanted = json!({ "group": "mesegate.dev", "verb": "connect", "resource": "proxies",
                             "namespace": "games" });
        let right = spec["resourceAttributes"] == wanted && spec["user"] == "proxy";
        return Some(json!({ "allowed": right }));
    };
    let token = token.as_str().unwrap();
    Some(match token {
        "proxy" | "stranger" if spec["audiences"] == json!(["mesegate-control"]) => {
            json!({ "authenticated": true, "user": { "username": token },
                    "audiences": spec["audiences"] })
        }
        "broken" => return None,
        _ => json!({ "authenticated": false }),
    })
}

struct Gated {
    bed: Bed,
    authority: Authority,
    tls: Arc<Tls>,
    dir: tempfile::TempDir,
}

impl Gated {
    async fn new(gate: impl AsyncFnOnce(&Path) -> Gate) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let proxies = Authority::new();
        write(dir.path(), &authority);
        std::fs::write(dir.path().join("proxies.pem"), &proxies.pem).unwrap();
        let [chain, key, ca] = ["tls.crt", "tls.key", "proxies.pem"].map(|it| dir.path().join(it));
        let files = CertificateFiles { chain: &chain, key: &key, client_ca: Some(&ca) };
        let tls = Arc::new(Tls::load(files).unwrap());
        let gate = gate(dir.path()).await;
        let bed = Bed::guarded(&["lobby"], gate, Some(Arc::clone(&tls))).await;
        let made = Self { bed, authority, tls, dir };
        let (certificate, key) = proxies.sign("proxy-0.games");
        // A client certificate is enough, and one of somebody else is not.
        let identity = Identity::from_pem(certificate, key);
        let mut stream = made.open(Some(identity), None).await.unwrap();
        assert!(matches!(stream.message().await.unwrap().unwrap().message, Some(In::Role(_))));
        let (certificate, key) = made.authority.sign("proxy-0.games");
        let identity = Identity::from_pem(certificate, key);
        assert!(made.open(Some(identity), None).await.is_err());
        made
    }

    async fn open(
        &self,
        identity: Option<Identity>,
        token: Option<&str>,
    ) -> Result<Streaming<ConnectResponse>, Status> {
        let uri = format!("https://{}", self.bed.endpoint.uri().authority().unwrap());
        let mut tls = ClientTlsConfig::new()
            .domain_name("controller")
            .ca_certificate(Certificate::from_pem(&self.authority.pem));
        if let Some(identity) = identity {
            tls = tls.identity(identity);
        }
        let endpoint = Endpoint::from_shared(uri).unwrap().tls_config(tls).unwrap();
        let channel = endpoint.connect().await.map_err(|it| Status::from_error(Box::new(it)))?;
        let first = ConnectRequest { message: Some(Out::Hello(hello(vec![]))) };
        let requests = tokio_stream::StreamExt::chain(
            tokio_stream::once(first),
            tokio_stream::pending::<ConnectRequest>(),
        );
        let mut request = Request::new(requests);
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", token.parse().unwrap());
        }
        Ok(ControlServiceClient::new(channel).connect(request).await?.into_inner())
    }

    async fn code(&self, token: Option<&str>) -> Code {
        self.open(None, token).await.unwrap_err().code()
    }
}

fn write(dir: &Path, authority: &Authority) {
    let (certificate, key) = authority.sign("controller");
    std::fs::write(dir.join("tls.key"), key).unwrap();
    std::fs::write(dir.join("tls.crt"), certificate).unwrap();
}

#[tokio::test]
async fn proxies_prove_who_they_are() {
    let mut gated = Gated::new(async |_: &Path| {
        let api = Api::new(answer).await;
        Gate::guarded(Arc::new(Reviews::new(&api.client)), "games".into())
    })
    .await;
    assert_eq!(gated.code(None).await, Code::Unauthenticated);
    assert_eq!(gated.code(Some("Basic proxy")).await, Code::Unauthenticated);
    assert_eq!(gated.code(Some("Bearer wrong")).await, Code::Unauthenticated);
    assert_eq!(gated.code(Some("Bearer stranger")).await, Code::PermissionDenied);
    assert_eq!(gated.code(Some("Bearer broken")).await, Code::Unavailable);
    // The one with the certificate is gone.
    while gated.bed.fleet.connected() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    gated.open(None, Some("Bearer proxy")).await.unwrap();
    // With a renewed certificate, of another authority, the old one is not believed any more.
    let renewed = Authority::new();
    write(gated.dir.path(), &renewed);
    gated.tls.reload();
    assert!(gated.open(None, Some("Bearer proxy")).await.is_err());
    gated.authority = renewed;
    gated.open(None, Some("Bearer proxy")).await.unwrap();
}

#[tokio::test]
async fn a_file_says_whose_tokens_are_those_of_proxies() {
    let text = "tokens:\n- { name: edge, role: proxy, token: edge-of-the-network }\n\
                - { name: ops, role: admin, token: ops-of-the-network }\n";
    let mut followed = None;
    let gated = Gated::new(async |dir: &Path| {
        let path = dir.join("tokens.yaml");
        std::fs::write(&path, text).unwrap();
        let tokens = Arc::new(ProxyTokens::load(&path).unwrap());
        let again = Arc::clone(&tokens);
        followed = Some(tokio::spawn(async move { again.follow().await }));
        Gate::listed(tokens)
    })
    .await;
    gated.open(None, Some("Bearer edge-of-the-network")).await.unwrap();
    assert_eq!(gated.code(None).await, Code::Unauthenticated);
    assert_eq!(gated.code(Some("Bearer proxy")).await, Code::Unauthenticated);
    assert_eq!(gated.code(Some("Bearer ops-of-the-network")).await, Code::PermissionDenied);
    // An edit counts without a restart; a broken one does not.
    let path = gated.dir.path().join("tokens.yaml");
    std::fs::write(&path, text.replace("edge-of", "rim-of")).unwrap();
    let mut left = 100;
    while gated.open(None, Some("Bearer rim-of-the-network")).await.is_err() {
        left -= 1;
        assert!(left > 0, "the edit was not seen");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(gated.code(Some("Bearer edge-of-the-network")).await, Code::Unauthenticated);
    std::fs::write(&path, "tokens: 5\n").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    gated.open(None, Some("Bearer rim-of-the-network")).await.unwrap();
    followed.unwrap().abort();
}
