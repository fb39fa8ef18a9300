//! The proxy as a process of its own, as its users run it.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::run::RunFolder;
use crate::{Error, Result, paths, ports, tools, wait};

/// How to start a proxy.
#[derive(Debug, Clone)]
pub struct ProxySpec {
    listen: Option<SocketAddr>,
    servers: Vec<(String, SocketAddr)>,
    proxy_fields: String,
    folder: Option<PathBuf>,
    level: String,
    flags: Vec<String>,
}

impl ProxySpec {
    /// A proxy in front of these servers; the first is where players arrive, and each has all the
    /// others as fallbacks, in this order.
    pub fn new(servers: &[(&str, SocketAddr)]) -> Self {
        Self {
            listen: None,
            servers: servers.iter().map(|(name, address)| ((*name).into(), *address)).collect(),
            proxy_fields: String::new(),
            folder: None,
            level: "info,mesegate=debug".into(),
            flags: Vec::new(),
        }
    }

    /// Another address than a free port on 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Fields for the `spec` of the `MinetestProxy` document: lines of YAML, not indented.
    #[must_use]
    pub fn proxy_fields(mut self, yaml: &str) -> Self {
        self.proxy_fields = yaml.into();
        self
    }

    /// A run folder that is kept, so that accounts and content are still there next time.
    #[must_use]
    pub fn folder(mut self, folder: PathBuf) -> Self {
        self.folder = Some(folder);
        self
    }

    /// The filter of its log, such as `info`.
    #[must_use]
    pub fn level(mut self, level: &str) -> Self {
        self.level = level.into();
        self
    }

    /// A further flag of the program, such as `--media-http`, and its value.
    #[must_use]
    pub fn flag(mut self, flag: &str, value: &str) -> Self {
        self.flags.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    /// The resource documents.
    fn resources(&self) -> String {
        let mut yaml = String::new();
        for (name, address) in &self.servers {
            let _ = write!(
                yaml,
                "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\n\
                 metadata: {{ name: {name} }}\nspec:\n  \
                 endpoint: {{ host: \"{}\", port: {} }}\n  state: Active\n",
                address.ip(),
                address.port()
            );
            let others: Vec<String> = self
                .servers
                .iter()
                .filter(|(other, _)| other != name)
                .map(|(other, _)| format!("{{ server: {other} }}"))
                .collect();
            if !others.is_empty() {
                let _ = writeln!(yaml, "  fallbacks: [ {} ]", others.join(", "));
            }
            yaml.push_str("---\n");
        }
        yaml.push_str(
            "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestProxy\n\
             metadata: { name: default }\nspec:\n",
        );
        if let Some((first, _)) = self.servers.first() {
            let _ = writeln!(yaml, "  defaultTarget: {{ server: {first} }}");
        }
        for line in self.proxy_fields.lines() {
            let _ = writeln!(yaml, "  {line}");
        }
        yaml
    }
}

/// A running proxy. Dropping it kills it; [`stop`](Self::stop) lets it end properly.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    address: SocketAddr,
    http: SocketAddr,
    // Last, so that nothing writes there any more when it is removed.
    run: RunFolder,
}

impl Proxy {
    /// Builds the program and gives its path; `MESEGATE_PROXY` names another one.
    ///
    /// # Errors
    /// When it does not compile.
    pub fn build() -> Result<PathBuf> {
        if let Some(program) = std::env::var_os("MESEGATE_PROXY") {
            return Ok(program.into());
        }
        let output = Command::new(tools::cargo())
            .args(["build", "--quiet", "--package", "mesegate-proxy", "--bin", "mesegate-proxy"])
            .current_dir(paths::workspace())
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("starting cargo"))?;
        if !output.status.success() {
            return Err(Error::Failed {
                what: "building mesegate-proxy".into(),
                status: output.status.to_string(),
                output: wait::tail(&String::from_utf8_lossy(&output.stderr), 40),
            });
        }
        Ok(paths::target().join("debug/mesegate-proxy"))
    }

    /// Builds and starts it, and waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends by itself or is not ready within a minute.
    pub fn start(spec: &ProxySpec) -> Result<Self> {
        let program = Self::build()?;
        let run = match &spec.folder {
            Some(folder) => RunFolder::kept(folder)?,
            None => RunFolder::temporary("proxy")?,
        };
        let address = match spec.listen {
            Some(address) => address,
            None => (Ipv4Addr::LOCALHOST, ports::free()?).into(),
        };
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let resources = run.path().join("resources.yaml");
        std::fs::write(&resources, spec.resources())
            .map_err(Error::io(format!("writing {}", resources.display())))?;
        let log = open_log(&run.path().join("proxy.log"))?;
        let errors = log.try_clone().map_err(Error::io("a second handle"))?;
        // The signal comes when the *thread* that starts the proxy ends, however it does.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&program)
            .args(["--listen", &address.to_string(), "--http", &http.to_string()])
            .args(["--log", &spec.level])
            .arg("--data")
            .arg(run.path().join("data"))
            .arg("--resources")
            .arg(&resources)
            .args(&spec.flags)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C in a terminal is for the owner of this value alone.
            .process_group(0)
            .spawn()
            .map_err(Error::io("starting setpriv (from util-linux)"))?;
        let mut proxy = Self { child, address, http, run };
        proxy.wait_ready(Duration::from_mins(1))?;
        Ok(proxy)
    }

    /// Waits until `GET /readyz` answers 200.
    ///
    /// # Errors
    /// When it does not within `limit`, or the proxy ends.
    pub fn wait_ready(&mut self, limit: Duration) -> Result<()> {
        let ready = wait::until(limit, || {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return Some(false);
            }
            self.get("/readyz").is_ok_and(|(status, _)| status == 200).then_some(true)
        });
        match ready {
            Some(true) => Ok(()),
            Some(false) => Err(Error::Ended {
                what: "the proxy".into(),
                log: self.log_path(),
                tail: wait::tail(&self.log(), 30),
            }),
            None => Err(self.late("the proxy's readiness", limit)),
        }
    }

    /// Where players connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its HTTP pages are.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The folder with its resources, data and log.
    pub fn run_dir(&self) -> &Path {
        self.run.path()
    }

    /// The file with its resource documents. It may be rewritten while the proxy runs.
    pub fn resources(&self) -> PathBuf {
        self.run.path().join("resources.yaml")
    }

    fn log_path(&self) -> PathBuf {
        self.run.path().join("proxy.log")
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        wait::read(&self.log_path())
    }

    /// Makes another server the default target, whose names and numbers are the clients' own, and
    /// waits until the proxy has read that.
    ///
    /// # Errors
    /// When the documents cannot be rewritten, or the proxy does not read them again soon.
    pub fn set_target(&self, server: &str) -> Result<()> {
        self.change(|line| {
            let target = line.starts_with("  defaultTarget:");
            target.then(|| format!("  defaultTarget: {{ server: {server} }}"))
        })
    }

    /// Lets players who log in arrive at this server, whatever the default target is: all others
    /// let nobody in.
    ///
    /// # Errors
    /// As [`set_target`](Self::set_target).
    pub fn arrive_at(&self, server: &str) -> Result<()> {
        let mut here = false;
        self.change(|line| {
            if line.starts_with("metadata:") {
                here = line == format!("metadata: {{ name: {server} }}");
            }
            let state = if here { "Active" } else { "Drain" };
            line.starts_with("  state:").then(|| format!("  state: {state}"))
        })
    }

    /// Replaces lines of the documents.
    fn change(&self, mut change: impl FnMut(&str) -> Option<String>) -> Result<()> {
        let path = self.resources();
        let what = || Error::io(format!("changing {}", path.display()));
        let old = std::fs::read_to_string(&path).map_err(what())?;
        let new: String =
            old.lines().map(|line| change(line).unwrap_or_else(|| line.into()) + "\n").collect();
        if new == old {
            return Ok(());
        }
        let read = || self.log().matches("the documents were read again").count();
        let before = read();
        std::fs::write(&path, new).map_err(what())?;
        let limit = Duration::from_secs(20);
        wait::until(limit, || (read() > before).then_some(()))
            .ok_or_else(|| self.late("another look at the documents", limit))
    }

    /// Waits until a line of the log contains `text`, and gives that line.
    ///
    /// # Errors
    /// When there is none within `limit`.
    pub fn wait_log(&self, text: &str, limit: Duration) -> Result<String> {
        wait::until(limit, || {
            self.log().lines().find(|line| line.contains(text)).map(str::to_owned)
        })
        .ok_or_else(|| self.late(&format!("`{text}` in the proxy's log"), limit))
    }

    /// One HTTP page: status and body.
    ///
    /// # Errors
    /// When there is no answer within five seconds, or none that is HTTP.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        http_get(self.http, path).map_err(Error::io(format!("http://{}{path}", self.http)))
    }

    /// The sum of all series of a metric; `name` goes without the prefix.
    ///
    /// # Errors
    /// When the page cannot be read.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let (_, page) = self.get("/metrics")?;
        let name = format!("mesegate_proxy_{name}");
        let value = |line: &str| {
            let rest = line.strip_prefix(name.as_str())?;
            let rest = if rest.starts_with('{') { rest.rsplit_once('}')?.1 } else { rest };
            rest.strip_prefix(' ')?.trim().parse::<f64>().ok()
        };
        Ok(page.lines().filter_map(value).sum())
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Errors
    /// When it has not ended within `limit`.
    pub fn stop(&mut self, limit: Duration) -> Result<()> {
        Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .stdin(Stdio::null())
            .status()
            .map_err(Error::io("kill"))?;
        wait::until(limit, || (!self.alive()).then_some(()))
            .ok_or_else(|| self.late("the end of the proxy", limit))
    }

    fn late(&self, what: &str, limit: Duration) -> Error {
        Error::Timeout {
            what: what.into(),
            seconds: limit.as_secs(),
            log: self.log_path(),
            tail: wait::tail(&self.log(), 30),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open_log(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(path)
        .map_err(Error::io(format!("opening {}", path.display())))
}

fn http_get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    const LIMIT: Duration = Duration::from_secs(5);
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut part = [0; 8192];
    loop {
        let length = stream.read(&mut part)?;
        if length == 0 {
            break;
        }
        answer.extend_from_slice(&part[..length]);
        if start.elapsed() > LIMIT || answer.len() > 16 << 20 {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
    }
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::InvalidData)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or(std::io::ErrorKind::InvalidData)?;
    Ok((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_falls_back_to_the_others() {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let yaml = ProxySpec::new(&[("a", at(1)), ("b", at(2))])
            .proxy_fields("limits:\n  players: 5")
            .resources();
        assert!(yaml.contains("metadata: { name: a }\nspec:\n  endpoint: { host: \"127.0.0.1\", port: 1 }\n  state: Active\n  fallbacks: [ { server: b } ]\n---\n"), "{yaml}");
        assert!(
            yaml.ends_with("  defaultTarget: { server: a }\n  limits:\n    players: 5\n"),
            "{yaml}"
        );
    }
}
