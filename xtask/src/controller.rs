//! The controller as a process of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::kube::Cluster;
use crate::program::{self, Program};
use crate::run::RunFolder;
use crate::{Result, ports};

/// How to start a controller.
#[derive(Debug, Clone)]
pub struct ControllerSpec {
    name: String,
    listen: Option<SocketAddr>,
    kubeconfig: Option<PathBuf>,
    flags: Vec<String>,
    variables: Vec<(String, String)>,
}

impl ControllerSpec {
    /// A replica of that name, on a free port, for the namespace `default`.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            listen: None,
            kubeconfig: None,
            flags: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// The address of an earlier one.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Other rights than the administrator's.
    #[must_use]
    pub fn kubeconfig(mut self, file: PathBuf) -> Self {
        self.kubeconfig = Some(file);
        self
    }

    /// A further flag of the program and its value.
    #[must_use]
    pub fn flag(mut self, flag: &str, value: &str) -> Self {
        self.flags.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    /// A further flag of the program that has no value.
    #[must_use]
    pub fn switch(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }
}

/// A running controller. Dropping it kills it; [`stop`](Self::stop) lets it end properly.
#[derive(Debug)]
pub struct Controller {
    program: Program,
    listen: SocketAddr,
    // Last, so that nothing writes there any more when it is removed.
    _run: RunFolder,
}

impl Controller {
    /// Builds and starts it, and waits until it has seen all objects.
    /// `MESEGATE_CONTROLLER_PROGRAM` names another program than the one built.
    ///
    /// # Errors
    /// When it ends by itself or is not ready within half a minute.
    pub fn start(cluster: &Cluster, spec: &ControllerSpec) -> Result<Self> {
        let program = program::build("mesegate-controller", "MESEGATE_CONTROLLER_PROGRAM")?;
        let run = RunFolder::temporary("controller")?;
        let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listen = match spec.listen {
            Some(listen) => listen,
            None => local(ports::free()?),
        };
        let http = local(ports::free()?);
        let log = run.path().join("controller.log");
        let kubeconfig = spec.kubeconfig.as_deref().unwrap_or(cluster.kubeconfig());
        let arguments = |command: &mut std::process::Command| {
            command
                .args(["--listen", &listen.to_string(), "--namespace", "default"])
                .args(["--pod", &spec.name, "--log", "info,mesegate_controller=debug"])
                .args(&spec.flags)
                .env("KUBECONFIG", kubeconfig)
                .envs(spec.variables.iter().map(|(name, value)| (name, value)));
        };
        let program = Program::start("controller", &program, arguments, http, log)?;
        let mut controller = Self { program, listen, _run: run };
        controller.program.wait_ready(Duration::from_secs(30))?;
        Ok(controller)
    }

    /// What proxies are told.
    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// Where proxies connect to.
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.program.process()
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        self.program.log()
    }

    /// The sum of all series of a metric; `name` goes without the prefix.
    ///
    /// # Errors
    /// When the page cannot be read.
    pub fn metric(&self, name: &str) -> Result<f64> {
        self.program.metric(&format!("mesegate_controller_{name}"))
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Errors
    /// When it has not ended within `limit`.
    pub fn stop(&mut self, limit: Duration) -> Result<()> {
        self.program.stop(limit)
    }
}
