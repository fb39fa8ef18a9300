//! The relay and the proxy as processes of their own. They end with this one.

use std::fmt::Write as _;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::BenchError;
use crate::{Relay, RelayOptions};

/// Until a child must have said that it runs.
const START: Duration = Duration::from_secs(10);

/// Until the proxy must be ready: it fetches the servers' content before.
const READY: Duration = Duration::from_mins(2);

/// Bytes of the proxy's log that an error quotes.
const QUOTE: usize = 2000;

/// The relay command: runs until it is killed.
pub(super) async fn serve_relay(
    listen: SocketAddr,
    to: SocketAddr,
) -> Result<ExitCode, BenchError> {
    let relay = Relay::open(listen, to, RelayOptions::default())
        .map_err(BenchError::io(format!("cannot listen on {listen}")))?;
    println!("{}", relay.addr());
    // The parent holds the other end of the standard input: when it is gone, so is the relay.
    let (gone, parent) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        let _ = gone.send(());
    });
    tokio::select! {
        () = relay.run() => {}
        _ = parent => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Where players connect.
    pub addr: SocketAddr,
    /// Its process id.
    pub pid: u32,
}

impl Process {
    fn new(child: Child, addr: SocketAddr) -> Result<Self, BenchError> {
        let pid = child.id().ok_or_else(|| BenchError::NotReady("it ended at once".into()))?;
        Ok(Self { child, addr, pid })
    }

    /// False once the process has ended by itself.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it.
    pub(super) async fn stop(&mut self) {
        // Fails only if it ended by itself.
        let _ = self.child.kill().await;
    }
}

/// Starts a bare relay to `to`.
pub(super) async fn start_relay(to: SocketAddr) -> Result<Process, BenchError> {
    let failed = || BenchError::io("cannot start the relay");
    let program = std::env::current_exe().map_err(failed())?;
    let mut child = Command::new(program)
        .args(["relay", "--listen", "127.0.0.1:0", "--to", &to.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed())?;
    let ended = || std::io::Error::other("it said nothing");
    let output = child.stdout.take().ok_or_else(ended).map_err(failed())?;
    let mut line = String::new();
    timeout(START, BufReader::new(output).read_line(&mut line))
        .await
        .map_err(|_| ended())
        .map_err(failed())?
        .map_err(failed())?;
    let addr = line.trim().parse().map_err(|_| ended()).map_err(failed())?;
    Process::new(child, addr)
}

/// A game server behind the proxy.
#[derive(Debug, Clone)]
pub(super) struct Backend {
    pub name: String,
    pub addr: SocketAddr,
    /// Other lines of its `spec`.
    pub fields: String,
}

impl Backend {
    pub(super) fn new(name: &str, addr: SocketAddr) -> Self {
        Self { name: name.to_owned(), addr, fields: String::new() }
    }

    pub(super) fn with_fields(mut self, fields: &str) -> Self {
        fields.clone_into(&mut self.fields);
        self
    }
}

/// Where the proxy finds its servers; players arrive on the first.
fn resources(backends: &[Backend]) -> String {
    let mut yaml = String::new();
    for Backend { name, addr, fields } in backends {
        let _ = write!(
            yaml,
            "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\nmetadata: {{ name: {name} }}\n\
             spec:\n  endpoint: {{ host: {}, port: {} }}\n  {fields}\n---\n",
            addr.ip(),
            addr.port()
        );
    }
    let first = backends.first().map_or("", |backend| &backend.name);
    let _ = write!(
        yaml,
        "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestProxy\n\
         metadata: {{ name: default }}\nspec:\n  defaultTarget: {{ server: {first} }}\n  \
         limits: {{ players: 1000 }}\n"
    );
    yaml
}

/// Starts the proxy in front of `backends`, with its files in `folder`, and waits until it is
/// ready.
pub(super) async fn start_proxy(
    program: &Path,
    folder: &Path,
    backends: &[Backend],
    flags: &[String],
) -> Result<Process, BenchError> {
    let failed = || BenchError::io(format!("cannot start {}", program.display()));
    let file = folder.join("resources.yaml");
    std::fs::write(&file, resources(backends)).map_err(failed())?;
    let log_path = folder.join("proxy.log");
    let log = std::fs::File::create(&log_path).map_err(failed())?;
    let listen = free_udp_port().map_err(failed())?;
    let http = free_tcp_port().map_err(failed())?;
    let mut child = Command::new(program)
        .arg("--listen")
        .arg(listen.to_string())
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--resources")
        .arg(&file)
        .arg("--http")
        .arg(http.to_string())
        .args(["--log", "warn"])
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::from(log.try_clone().map_err(failed())?))
        .stderr(Stdio::from(log))
        .kill_on_drop(true)
        .spawn()
        .map_err(failed())?;
    let end = Instant::now() + READY;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(BenchError::NotReady(format!("{status}\n{}", tail(&log_path))));
        }
        if is_ready(http).await {
            return Process::new(child, listen);
        }
        if Instant::now() > end {
            return Err(BenchError::NotReady(format!("no /readyz\n{}", tail(&log_path))));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn tail(path: &PathBuf) -> String {
    let log = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&log[log.len().saturating_sub(QUOTE)..]).into_owned()
}

/// A port that was free a moment ago. Another process could take it in between; then the proxy
/// says so and the measurement does not start.
fn free_udp_port() -> std::io::Result<SocketAddr> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

pub(super) fn free_tcp_port() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

async fn is_ready(http: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(http).await.ok()?;
        let request = format!("GET /readyz HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.ok()?;
        Some(&status[8..] == b" 200")
    };
    matches!(timeout(Duration::from_secs(2), ask).await, Ok(Some(true)))
}
