//! Who may do what.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use mesegate_proto::admin::v1 as pb;
use mesegate_testkit::FakeServer;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::client::{Admin, address, assert_reason, launch};
use crate::support::{Documents, Launch, SOON, eventually, lobby, within};

const FOREVER: u64 = 90;

const OPS: &str = "ops-0123456789abcdef";
const GUARD: &str = "guard-0123456789abcdef";
const BOARD: &str = "board-0123456789abcdef";

fn tokens(certificates: &str) -> String {
    format!(
        "tokens:\n- {{ name: ops, role: admin, token: {OPS} }}\n\
         - {{ name: guard, role: moderator, token: {GUARD} }}\n\
         - {{ name: board, role: viewer, token: {BOARD} }}\n{certificates}"
    )
}

/// A launch with files beside the proxy's own.
fn with_files(documents: Documents, files: &[(&str, &str, &str)]) -> Launch {
    let mut launch = launch(documents);
    for (flag, name, text) in files {
        let path = launch.folder().join(name);
        std::fs::write(&path, text).unwrap();
        launch = launch.arg(flag, path.to_str().unwrap());
    }
    launch
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_decide_and_strangers_are_refused() {
    within(FOREVER, async {
        let lobby = FakeServer::of(lobby()).unwrap();
        let documents = Documents::new().server("lobby", lobby.addr());
        let proxy =
            with_files(documents, &[("--admin-tokens", "tokens.yaml", &tokens(""))]).start().await;
        let alice = proxy.join("alice").await;
        let nobody = Admin::of(&proxy).await;
        for stranger in [nobody.clone(), nobody.with_token("wrong-0123456789abcdef")] {
            let request = stranger.ask(pb::ListPlayersRequest::default());
            let listed = stranger.players().list_players(request).await;
            assert_reason(listed, Code::Unauthenticated, "UNAUTHENTICATED");
            let request = stranger.ask(pb::WatchPlayersRequest::default());
            let watched = stranger.players().watch_players(request).await;
            assert_reason(watched, Code::Unauthenticated, "UNAUTHENTICATED");
            assert_reason(
                stranger.kick("alice", "").await,
                Code::Unauthenticated,
                "UNAUTHENTICATED",
            );
        }
        let line = proxy.logged("result=\"UNAUTHENTICATED\"").await;
        assert!(line.contains("actor=\"unknown\"") && line.contains("player alice"), "{line}");

        let (board, guard, ops) =
            (nobody.with_token(BOARD), nobody.with_token(GUARD), nobody.with_token(OPS));
        assert_eq!(board.list().await[0].address, "");
        assert_eq!(guard.list().await[0].address, "127.0.0.1");
        let denied = Code::PermissionDenied;
        assert_reason(board.kick("alice", "").await, denied, "PERMISSION");
        assert_reason(board.go("alice", "lobby").await, denied, "PERMISSION");
        let request = board.ask(pb::ListBansRequest::default());
        assert_reason(board.bans().list_bans(request).await, denied, "PERMISSION");
        guard.go("alice", "lobby").await.unwrap();
        let drain = pb::ServerState::Drain;
        assert_reason(guard.state("lobby", drain).await, denied, "PERMISSION");
        ops.state("lobby", drain).await.unwrap();
        let line = proxy.logged("verb=\"SetServerState\" ").await;
        assert!(line.contains("actor=\"guard\"") && line.contains("PERMISSION"), "{line}");
        assert_eq!(alice.closed(), None);

        // Whether it is there may be asked by everybody.
        let mut health = HealthClient::new(nobody.channel.clone());
        let service = "mesegate.admin.v1.PlayerService".to_owned();
        let answer = health.check(HealthCheckRequest { service }).await.unwrap().into_inner();
        assert_eq!(answer.status().as_str_name(), "SERVING");

        // A token that is taken out is refused, and a broken file changes nothing.
        let without = tokens("").replace(GUARD, "other-0123456789abcdef");
        std::fs::write(proxy.file("tokens.yaml"), without).unwrap();
        proxy.logged("the tokens were read again").await;
        assert_reason(guard.kick("alice", "").await, Code::Unauthenticated, "UNAUTHENTICATED");
        std::fs::write(proxy.file("tokens.yaml"), "tokens: nonsense\n").unwrap();
        proxy.logged("the edited tokens are refused").await;
        assert_eq!(ops.list().await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_address_needs_credentials() {
    within(FOREVER, async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("network.yaml");
        let server = Documents::new().server("lobby", "127.0.0.1:1".parse().unwrap());
        std::fs::write(&file, server.yaml()).unwrap();
        let refused = async |more: &[&str]| {
            let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_mesegate-proxy"))
                .args(["--listen", "127.0.0.1:0", "--http", "", "--data"])
                .arg(folder.path().join("data"))
                .arg("--resources")
                .arg(&file)
                .args(more)
                .kill_on_drop(true)
                .output()
                .await
                .unwrap();
            assert!(!output.status.success());
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        let said = refused(&["--admin", "0.0.0.0:0"]).await;
        assert!(said.contains("--admin-tokens"), "{said}");
        let tokens = folder.path().join("tokens.yaml");
        std::fs::write(&tokens, "tokens:\n- { name: a, role: admin, token: short }\n").unwrap();
        let said =
            refused(&["--admin", "127.0.0.1:0", "--admin-tokens", tokens.to_str().unwrap()]).await;
        assert!(said.contains("tokens.yaml") && said.contains("at least 16"), "{said}");
    })
    .await;
}

/// An authority and what it signs, as PEM.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: pem("CERTIFICATE", certificate.der()), issuer: Issuer::new(params, key) }
    }

    /// Certificate and key for a name.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", &key.serialize_der()))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

async fn connect(
    address: &str,
    authority: &Authority,
    own: Option<&(String, String)>,
) -> Result<Admin, tonic::transport::Error> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&authority.pem))
        .domain_name("edge.example.org");
    if let Some((certificate, key)) = own {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let endpoint = Channel::from_shared(format!("https://{address}")).unwrap();
    Ok(Admin::over(endpoint.tls_config(tls)?.connect().await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_have_roles_and_are_renewed_while_running() {
    within(FOREVER, async {
        let (authority, other) = (Authority::new(), Authority::new());
        let lobby = FakeServer::of(lobby()).unwrap();
        let documents = Documents::new().server("lobby", lobby.addr());
        let (certificate, key) = authority.sign("edge.example.org");
        let roles = "certificates:\n- { name: bot, role: moderator, san: bot.example.org }\n";
        let proxy = with_files(
            documents,
            &[
                ("--admin-tokens", "tokens.yaml", &tokens(roles)),
                ("--admin-tls-cert", "tls.crt", &certificate),
                ("--admin-tls-key", "tls.key", &key),
                ("--admin-tls-client-ca", "ca.crt", &authority.pem),
            ],
        )
        .start()
        .await;
        let address = address(&proxy).await;
        let _alice = proxy.join("alice").await;

        let bot = connect(&address, &authority, Some(&authority.sign("bot.example.org"))).await;
        bot.unwrap().kick("alice", "").await.unwrap();
        let line = proxy.logged("verb=\"KickPlayer\"").await;
        assert!(line.contains("actor=\"bot\""), "{line}");

        let unknown = connect(&address, &authority, Some(&authority.sign("x.example.org"))).await;
        let unknown = unknown.unwrap();
        let kicked = unknown.kick("alice", "").await;
        assert_reason(kicked, Code::Unauthenticated, "UNAUTHENTICATED");
        assert_eq!(unknown.with_token(OPS).list().await.len(), 0);
        let without = connect(&address, &authority, None).await.unwrap();
        let kicked = without.kick("alice", "").await;
        assert_reason(kicked, Code::Unauthenticated, "UNAUTHENTICATED");

        // A certificate of somebody else's authority does not even connect.
        let forged = connect(&address, &authority, Some(&other.sign("bot.example.org"))).await;
        let refused = match forged {
            Err(_) => true,
            Ok(admin) => admin
                .players()
                .list_players(pb::ListPlayersRequest::default())
                .await
                .is_err_and(|status| status.code() != Code::Unauthenticated),
        };
        assert!(refused);
        // Nor does a client that believes another authority talk to this server.
        assert!(connect(&address, &other, None).await.is_err());

        let (certificate, key) = other.sign("edge.example.org");
        renew(&proxy.file("tls.crt"), &certificate);
        renew(&proxy.file("tls.key"), &key);
        eventually("the new certificate", SOON, || {
            proxy.log().matches("a certificate was read again").count() > 0
        })
        .await;
        // The two files may have been seen one by one.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        connect(&address, &other, None).await.unwrap().with_token(OPS).list().await;
        assert!(connect(&address, &authority, None).await.is_err());
        // Who was connected stays connected.
        assert_eq!(without.with_token(BOARD).list().await.len(), 0);
    })
    .await;
}

fn renew(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}
