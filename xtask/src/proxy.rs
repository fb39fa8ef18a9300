//! The proxy as a process of its own, as its users run it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::program::{self, Program};
use crate::run::RunFolder;
use crate::{Error, Result, ports, wait};

/// How to start a proxy.
#[derive(Debug, Clone)]
pub struct ProxySpec {
    listen: Option<SocketAddr>,
    servers: Vec<(String, SocketAddr)>,
    proxy_fields: String,
    server_fields: String,
    documents: Option<String>,
    folder: Option<PathBuf>,
    level: String,
    flags: Vec<String>,
    controllers: Vec<String>,
}

impl ProxySpec {
    /// A proxy in front of these servers; the first is where players arrive, and each has all the
    /// others as fallbacks, in this order.
    pub fn new(servers: &[(&str, SocketAddr)]) -> Self {
        Self {
            listen: None,
            servers: servers.iter().map(|(name, address)| ((*name).into(), *address)).collect(),
            proxy_fields: String::new(),
            server_fields: String::new(),
            documents: None,
            folder: None,
            level: "info,mesegate=debug".into(),
            flags: Vec::new(),
            controllers: Vec::new(),
        }
    }

    /// A proxy that gets its documents from the controllers at these URLs.
    pub fn controlled(urls: &[String]) -> Self {
        Self { controllers: urls.to_vec(), ..Self::new(&[]) }
    }

    /// A proxy with these documents, as they are.
    pub fn documented(yaml: &str) -> Self {
        Self { documents: Some(yaml.into()), ..Self::new(&[]) }
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

    /// Fields for the `spec` of every `MinetestServer` document: lines of YAML, not indented.
    #[must_use]
    pub fn server_fields(mut self, yaml: &str) -> Self {
        self.server_fields = yaml.into();
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
        if let Some(documents) = &self.documents {
            return documents.clone();
        }
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
            for line in self.server_fields.lines() {
                let _ = writeln!(yaml, "  {line}");
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
    program: Program,
    address: SocketAddr,
    // Last, so that nothing writes there any more when it is removed.
    run: RunFolder,
}

impl Proxy {
    /// Builds the program and gives its path; `MESEGATE_PROXY` names another one.
    ///
    /// # Errors
    /// When it does not compile.
    pub fn build() -> Result<PathBuf> {
        program::build("mesegate-proxy", "MESEGATE_PROXY")
    }

    /// The token of the mod on `server`, for a proxy that runs in the kept folder `run`.
    ///
    /// # Errors
    /// When the program does not give one.
    pub fn mod_token(run: &Path, server: &str) -> Result<String> {
        let mut command = Command::new(Self::build()?);
        command.args(["mod-token", server, "--data"]).arg(run.join("data"));
        let output = command.output().map_err(Error::io("running mesegate-proxy mod-token"))?;
        let failed = || Error::io("mesegate-proxy mod-token")(std::io::Error::other("it failed"));
        let text = String::from_utf8(output.stdout).map_err(|_| failed())?;
        if output.status.success() { Ok(text.trim().to_owned()) } else { Err(failed()) }
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
        if spec.controllers.is_empty() {
            std::fs::write(&resources, spec.resources())
                .map_err(Error::io(format!("writing {}", resources.display())))?;
        }
        let log = run.path().join("proxy.log");
        let arguments = |command: &mut Command| {
            command.args(["--listen", &address.to_string(), "--log", &spec.level]);
            command.arg("--data").arg(run.path().join("data")).args(&spec.flags);
            if spec.controllers.is_empty() {
                command.arg("--resources").arg(&resources);
            }
            for url in &spec.controllers {
                command.args(["--controller", url]);
            }
        };
        let program = Program::start("proxy", &program, arguments, http, log)?;
        let mut proxy = Self { program, address, run };
        proxy.wait_ready(Duration::from_mins(1))?;
        Ok(proxy)
    }

    /// Waits until `GET /readyz` answers 200.
    ///
    /// # Errors
    /// When it does not within `limit`, or the proxy ends.
    pub fn wait_ready(&mut self, limit: Duration) -> Result<()> {
        self.program.wait_ready(limit)
    }

    /// Where players connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its HTTP pages are.
    pub fn http(&self) -> SocketAddr {
        self.program.http()
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.program.process()
    }

    /// The folder with its resources, data and log.
    pub fn run_dir(&self) -> &Path {
        self.run.path()
    }

    /// The file with its resource documents. It may be rewritten while the proxy runs.
    pub fn resources(&self) -> PathBuf {
        self.run.path().join("resources.yaml")
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        self.program.log()
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
            .ok_or_else(|| self.program.late("another look at the documents", limit))
    }

    /// Waits until a line of the log contains `text`, and gives that line.
    ///
    /// # Errors
    /// When there is none within `limit`.
    pub fn wait_log(&self, text: &str, limit: Duration) -> Result<String> {
        wait::until(limit, || {
            self.log().lines().find(|line| line.contains(text)).map(str::to_owned)
        })
        .ok_or_else(|| self.program.late(&format!("`{text}` in the proxy's log"), limit))
    }

    /// One HTTP page: status and body.
    ///
    /// # Errors
    /// When there is no answer within five seconds, or none that is HTTP.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        self.program.get(path)
    }

    /// The sum of all series of a metric; `name` goes without the prefix.
    ///
    /// # Errors
    /// When the page cannot be read.
    pub fn metric(&self, name: &str) -> Result<f64> {
        self.program.metric(&format!("mesegate_proxy_{name}"))
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        self.program.alive()
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Errors
    /// When it has not ended within `limit`.
    pub fn stop(&mut self, limit: Duration) -> Result<()> {
        self.program.stop(limit)
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn terminate(&self) -> Result<()> {
        self.program.terminate()
    }

    /// How it ended.
    ///
    /// # Errors
    /// When it has not within `limit`.
    pub fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.program.ended(limit)
    }
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
