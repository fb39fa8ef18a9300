//! The process.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_testkit::{Bot, BotOptions};
use tempfile::TempDir;

use super::{Documents, SOON, eventually, http};

/// How long a start may take, definitions of all servers included.
const START: Duration = Duration::from_secs(20);

/// Lines of the log that a failed test shows.
const SHOWN: usize = 60;

/// How to start a proxy.
pub struct Launch {
    documents: Documents,
    /// Servers whose content is waited for.
    content: Vec<String>,
    args: Vec<String>,
    ready: bool,
    folder: Arc<TempDir>,
}

impl Launch {
    pub fn new(documents: Documents) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self { content: documents.names(), documents, args: Vec::new(), ready: true, folder }
    }

    pub fn arg(mut self, flag: &str, value: &str) -> Self {
        self.args.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    /// Waits for the content of these servers only.
    pub fn content_of(mut self, servers: &[&str]) -> Self {
        self.content = servers.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// Does not wait until players can be let in.
    pub fn unready(mut self) -> Self {
        self.ready = false;
        self
    }

    /// Where the proxy's files will be.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub async fn start(self) -> Proxy {
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let path = self.folder.path();
        std::fs::write(path.join("network.yaml"), self.documents.yaml()).unwrap();
        let log = File::create(path.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_mesegate-proxy"))
            .args(["--listen", "127.0.0.1:0", "--http", &http.to_string(), "--data"])
            .arg(path.join("data"))
            .arg("--resources")
            .arg(path.join("network.yaml"))
            .args(&self.args)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut proxy = Proxy { child, addr: http, http, folder: self.folder };
        let line = proxy.logged("players can connect").await;
        let addr = line.split("listen=").nth(1).and_then(|rest| rest.split(' ').next());
        proxy.addr = addr.unwrap().parse().unwrap();
        if self.ready {
            proxy.known(&self.content).await;
            eventually("readiness", START, || proxy.page("/readyz").0 == 200).await;
        }
        proxy
    }
}

/// A running proxy; ended when dropped.
pub struct Proxy {
    child: Child,
    /// Where players connect.
    pub addr: SocketAddr,
    http: SocketAddr,
    folder: Arc<TempDir>,
}

impl Proxy {
    /// Another process with the files of this one, which must have ended.
    pub fn again(&self, documents: Documents) -> Launch {
        Launch { folder: self.folder.clone(), ..Launch::new(documents) }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A bot that fetches nothing.
    pub fn bot(&self, name: &str) -> BotOptions {
        BotOptions::new(self.addr, name)
    }

    /// Joins and stands in a world.
    pub async fn join(&self, name: &str) -> Bot {
        Bot::join(self.bot(name)).await.unwrap()
    }

    /// Files of the proxy: `log`, `network.yaml`, `data/`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.file("log")).unwrap()).into_owned()
    }

    /// The first line of the log with these words, once it is there.
    pub async fn logged(&self, words: &str) -> String {
        let find = || self.log().lines().find(|line| line.contains(words)).map(str::to_owned);
        eventually(&format!("{words:?} in the log"), START, || find().is_some()).await;
        find().unwrap()
    }

    /// Waits until new clients are given the content of all these servers, and of no others.
    pub async fn known(&self, servers: &[String]) {
        let last = || {
            let log = self.log();
            let published = || log.lines().filter(|line| line.contains("catalogue published"));
            // While not all servers were looked at, content of a higher version than theirs may
            // have been wanted, and it may be there last.
            let version = |line: &str| {
                let number = line.split("version=").nth(1)?.split(' ').next()?;
                number.parse::<u16>().ok()
            };
            let network = published().filter_map(version).min()?;
            let line = published().rfind(|line| version(line) == Some(network))?;
            let list = line.split("servers=\"").nth(1)?.split('"').next()?;
            let mut names: Vec<String> = list.split(',').map(str::to_owned).collect();
            names.sort();
            Some(names)
        };
        let mut wanted = servers.to_vec();
        wanted.sort();
        let what = format!("content of {wanted:?}");
        eventually(&what, START, || last().as_ref() == Some(&wanted)).await;
    }

    /// Status and text of a page.
    pub fn page(&self, path: &str) -> (u16, String) {
        http::get(self.http, path).unwrap_or_default()
    }

    /// The sum of all series of a metric that have these labels. `name` goes without the prefix.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        http::sum(&self.page("/metrics").1, &format!("mesegate_proxy_{name}"), labels)
    }

    /// Waits until a metric has at least a value.
    pub async fn counts(&self, name: &str, labels: &[(&str, &str)], least: f64) {
        let what = format!("{name} {labels:?} >= {least}");
        eventually(&what, SOON, || self.metric(name, labels) >= least).await;
    }

    /// Replaces the documents.
    pub fn edit(&self, yaml: &str) {
        std::fs::write(self.file("network.yaml"), yaml).unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// How the process ended, and how long it took from now.
    pub async fn ended(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, begun.elapsed());
            }
            assert!(begun.elapsed() < START, "the process does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(SHOWN)..];
            eprintln!("--- the proxy's log:\n{}\n---", tail.join("\n"));
        }
    }
}
