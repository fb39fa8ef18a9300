//! Where the commands of one page are run: a folder with what somebody has who follows it, two
//! servers, and a player.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mesegate_testkit::{Bot, BotOptions, FakeServer, FakeServerOptions, World};
use xtask::kube::{Cluster, Programs};
use xtask::run::RunFolder;
use xtask::{http, paths, wait};

use crate::blocks::{Block, Kind};

/// How long a command, a start or a join may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a command did.
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) output: String,
}

/// A program that goes on running, and where its pages are.
struct Service {
    child: Child,
    name: &'static str,
    http: SocketAddr,
    log: PathBuf,
    /// Whether it is ready by itself, without what comes after it on the page.
    alone: bool,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two servers where the pages say that they are, which know nobody.
struct Servers {
    runtime: tokio::runtime::Runtime,
    _servers: Vec<FakeServer>,
}

impl Servers {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let start = |(name, port): (&str, u16)| {
            let addr = SocketAddr::from(([127, 0, 0, 1], port));
            let options = FakeServerOptions::new(World::new(name));
            let options = FakeServerOptions { addr, ..options };
            // Those of the page before may not be gone altogether.
            let started = wait::until(PATIENCE, || FakeServer::start(options.clone()).ok());
            started.unwrap_or_else(|| panic!("port {port} is not free"))
        };
        let servers = {
            let _inside = runtime.enter();
            [("lobby", 30001), ("arena", 30002)].map(start).into()
        };
        Self { runtime, _servers: servers }
    }
}

/// The place of one page.
pub(crate) struct Place {
    services: Vec<Service>,
    player: Option<Bot>,
    servers: Servers,
    cluster: Option<Cluster>,
    folder: RunFolder,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = RunFolder::temporary("docs").unwrap();
        let path = folder.path();
        let bin = path.join("bin");
        let release = path.join("target/release");
        for it in [&bin, &release] {
            std::fs::create_dir_all(it).unwrap();
        }
        for name in ["charts", "deploy", "doc"] {
            symlink(paths::workspace().join(name), path.join(name)).unwrap();
        }
        for name in ["mesegate-proxy", "mesegate-controller", "mesegatectl"] {
            let built = paths::target().join("debug").join(name);
            symlink(&built, bin.join(name)).unwrap();
            symlink(&built, release.join(name)).unwrap();
        }
        for (name, program) in [
            ("helm", Programs::helm().unwrap()),
            ("grpcurl", Programs::grpcurl().unwrap()),
            ("kubectl", Programs::ensure().unwrap().kubectl),
        ] {
            symlink(program, bin.join(name)).unwrap();
        }
        let (services, servers) = (Vec::new(), Servers::start());
        let place = Self { services, player: None, servers, cluster: None, folder };
        place.incumbent();
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A directory of mt-multiserver-proxy with one account.
    fn incumbent(&self) {
        let account = self.path().join("incumbent/auth/alice");
        std::fs::create_dir_all(&account).unwrap();
        for (name, bytes) in
            [("salt", &[7; 16][..]), ("verifier", &[9; 256]), ("timestamp", &[0; 8])]
        {
            std::fs::write(account.join(name), bytes).unwrap();
        }
        let config = r#"{ "Servers": { "lobby": { "Addr": "127.0.0.1:30001" } } }"#;
        std::fs::write(self.path().join("incumbent/config.json"), config).unwrap();
    }

    /// Saves the YAML blocks that have the name of a file in their first line.
    pub(crate) fn save(&self, blocks: &[Block]) {
        for block in blocks.iter().filter(|it| it.kind == Kind::Yaml) {
            if let Some(name) = file_name(block) {
                std::fs::write(self.path().join(name), &block.text).unwrap();
            }
        }
    }

    /// A cluster for what needs one; the same one for all of a page.
    pub(crate) fn need_cluster(&mut self) {
        if self.cluster.is_none() {
            let cluster = Cluster::start().unwrap();
            symlink(cluster.kubeconfig(), self.path().join("kubeconfig")).unwrap();
            self.cluster = Some(cluster);
        }
    }

    fn shell(&self, command: &str, before: &[&str]) -> Command {
        let mut words = before.to_vec();
        words.extend(["sh", "-ec", command]);
        let mut shell = Command::new(words[0]);
        let path = std::env::var("PATH").unwrap_or_default();
        shell
            .args(&words[1..])
            .current_dir(self.path())
            .env("PATH", format!("{}:{path}", self.path().join("bin").display()))
            .env("KUBECONFIG", self.path().join("kubeconfig"))
            .env("HOME", self.path())
            .env_remove("MESEGATE_PROXY")
            .stdin(Stdio::null());
        shell
    }

    /// Runs a command that ends by itself.
    pub(crate) fn run(&self, command: &str) -> Outcome {
        let limit = PATIENCE.as_secs().to_string();
        let output = self.shell(command, &["timeout", &limit]).output().unwrap();
        let text = [&output.stdout[..], &output.stderr].concat();
        let output_text = String::from_utf8_lossy(&text).into_owned();
        Outcome { success: output.status.success(), output: output_text }
    }

    /// Runs a command that does not end by itself for two seconds: it has to be running still.
    pub(crate) fn run_endless(&self, command: &str) -> Outcome {
        let output = self.shell(command, &["timeout", "2"]).output().unwrap();
        let text = [&output.stdout[..], &output.stderr].concat();
        let output_text = String::from_utf8_lossy(&text).into_owned();
        Outcome { success: output.status.code() == Some(124), output: output_text }
    }

    /// Starts a program that goes on running, in the place of the one of that name, and waits until
    /// it works.
    pub(crate) fn serve(&mut self, command: &str) -> Outcome {
        let (name, port) = if command.contains("mesegate-controller") {
            ("controller", 9091)
        } else {
            ("proxy", 9090)
        };
        self.player = None;
        self.services.retain(|it| it.name != name);
        let log = self.path().join(format!("{name}.log"));
        let file = File::create(&log).unwrap();
        let child = self
            .shell(&format!("exec {command}"), &["setpriv", "--pdeathsig", "KILL", "--"])
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let http = SocketAddr::from(([127, 0, 0, 1], port));
        let alone = !command.contains("--controller ");
        let mut service = Service { child, name, http, log, alone };
        let page = if alone { "/readyz" } else { "/livez" };
        let success = service.answers(page);
        let output = wait::tail(&wait::read(&service.log), 15);
        self.services.push(service);
        Outcome { success, output }
    }

    /// Whether all programs are ready now that all of a block was done.
    pub(crate) fn ready(&mut self) -> Outcome {
        for service in self.services.iter_mut().filter(|it| !it.alone) {
            if !service.answers("/readyz") {
                let output = wait::tail(&wait::read(&service.log), 15);
                return Outcome { success: false, output };
            }
        }
        Outcome { success: true, output: String::new() }
    }

    /// The player `alice` joins, once the proxy knows both servers.
    pub(crate) fn join(&mut self) -> Result<(), String> {
        let known = wait::until(PATIENCE, || {
            let (_, text) = http::get(([127, 0, 0, 1], 9090).into(), "/metrics").ok()?;
            let up = |it: &&str| it.starts_with("mesegate_proxy_content_identity{");
            (text.lines().filter(up).count() >= 2).then_some(())
        });
        known.ok_or("the proxy does not know both servers")?;
        let options = BotOptions::new(([127, 0, 0, 1], 30000).into(), "alice");
        let joined = self.servers.runtime.block_on(Bot::join(options));
        self.player = Some(joined.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Whether the player is in the game.
    pub(crate) fn playing(&self) -> bool {
        self.player.as_ref().is_some_and(|it| it.closed().is_none())
    }
}

impl Service {
    fn answers(&mut self, page: &str) -> bool {
        let (http, child) = (self.http, &mut self.child);
        let answer = wait::until(PATIENCE, || {
            if child.try_wait().is_ok_and(|it| it.is_some()) {
                return Some(false);
            }
            http::get(http, page).ok().filter(|it| it.0 == 200).map(|_| true)
        });
        answer == Some(true)
    }
}

/// The file that a block says it is.
pub(crate) fn file_name(block: &Block) -> Option<&str> {
    let name = block.text.lines().next()?.strip_prefix("# ")?;
    let plain = |it: char| it.is_ascii_alphanumeric() || ".-_".contains(it);
    (name.contains(".yaml") && name.chars().all(plain)).then_some(name)
}
