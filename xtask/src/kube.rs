//! A real Kubernetes API server: etcd and kube-apiserver as processes on free loopback ports.
//!
//! There are no nodes and no controllers: objects are stored, checked, watched and printed, and
//! nothing is run. `MESEGATE_TEST_KUBECONFIG` names a cluster that is used instead.

mod programs;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use programs::Programs;

use crate::run::RunFolder;
use crate::{Error, Result, ports, wait};

/// How long the API server may take until it is ready; 5 s on an idle machine.
const START: Duration = Duration::from_mins(2);

/// The token of the administrator of a cluster of ours, which listens on loopback only.
const TOKEN: &str = "lab-administrator";

/// What a kubectl command gave back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it succeeded.
    pub success: bool,
    /// What it printed.
    pub output: String,
    /// What it complained about: warnings of the API server, and errors.
    pub complaints: String,
}

/// An API server with an administrator. Dropping it ends its processes.
#[derive(Debug)]
pub struct Cluster {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    processes: Vec<Child>,
    // Last, so that nothing writes there any more when it is removed.
    _run: Option<RunFolder>,
}

impl Cluster {
    /// Starts one, or uses the one that `MESEGATE_TEST_KUBECONFIG` names.
    ///
    /// # Errors
    /// When the programs cannot be had or do not start, with the end of the log.
    pub fn start() -> Result<Self> {
        if let Some(kubeconfig) = std::env::var_os("MESEGATE_TEST_KUBECONFIG") {
            let kubectl = Programs::kubectl()?;
            let kubeconfig = kubeconfig.into();
            return Ok(Self { kubectl, kubeconfig, processes: Vec::new(), _run: None });
        }
        let programs = Programs::ensure()?;
        let run = RunFolder::temporary("kube")?;
        let folder = run.path().to_owned();
        let mut cluster = Self {
            kubectl: programs.kubectl.clone(),
            kubeconfig: folder.join("kubeconfig"),
            processes: Vec::new(),
            _run: Some(run),
        };
        let (client, peer) = (ports::free()?, ports::free()?);
        let port = ports::free()?;
        cluster.start_etcd(&programs.etcd, &folder, client, peer)?;
        cluster.start_api_server(&programs.api_server, &folder, port, client)?;
        write(&cluster.kubeconfig, &kubeconfig(&folder, port))?;
        cluster.wait_ready(&folder)?;
        Ok(cluster)
    }

    fn start_etcd(&mut self, program: &Path, folder: &Path, client: u16, peer: u16) -> Result<()> {
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let mut etcd = owned(program);
        etcd.arg("--data-dir").arg(folder.join("etcd"));
        etcd.args(["--listen-client-urls", &url(client), "--advertise-client-urls", &url(client)]);
        etcd.args(["--listen-peer-urls", &url(peer), "--initial-advertise-peer-urls", &url(peer)]);
        etcd.args(["--initial-cluster", &format!("default={}", url(peer))]);
        // Nothing has to outlive a power cut.
        etcd.arg("--unsafe-no-fsync");
        self.processes.push(logged(&mut etcd, &folder.join("etcd.log"))?);
        Ok(())
    }

    fn start_api_server(
        &mut self,
        program: &Path,
        folder: &Path,
        port: u16,
        etcd: u16,
    ) -> Result<()> {
        let key = folder.join("service-accounts.key");
        let mut openssl = Command::new("openssl");
        openssl.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"]);
        let made = openssl.arg(&key).stderr(Stdio::null()).status();
        if !made.is_ok_and(|status| status.success()) {
            let what = "the API server's key is made with `openssl`: install that package";
            return Err(Error::Unsupported(what.into()));
        }
        let tokens = folder.join("tokens.csv");
        write(&tokens, &format!("{TOKEN},admin,admin,\"system:masters\"\n"))?;
        let mut api_server = owned(program);
        api_server.arg(format!("--etcd-servers=http://127.0.0.1:{etcd}"));
        api_server.args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"]);
        api_server.arg(format!("--secure-port={port}"));
        for (flag, path) in [
            ("--cert-dir", &folder.join("certificates")),
            ("--service-account-key-file", &key),
            ("--service-account-signing-key-file", &key),
            ("--token-auth-file", &tokens),
        ] {
            api_server.arg(flag).arg(path);
        }
        api_server.args([
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
        ]);
        self.processes.push(logged(&mut api_server, &folder.join("kube-apiserver.log"))?);
        Ok(())
    }

    fn wait_ready(&mut self, folder: &Path) -> Result<()> {
        let start = Instant::now();
        loop {
            for (child, name) in self.processes.iter_mut().zip(["etcd", "kube-apiserver"]) {
                if child.try_wait().is_ok_and(|status| status.is_some()) {
                    let log = folder.join(format!("{name}.log"));
                    let tail = wait::tail(&wait::read(&log), 20);
                    return Err(Error::Ended { what: name.into(), log, tail });
                }
            }
            // The default service account comes with a controller that is not there, and nothing
            // here needs it; the namespace does come by itself.
            if self.kubectl(&["get", "--raw", "/readyz"])?.success
                && self.kubectl(&["get", "namespace", "default"])?.success
            {
                println!(
                    "kube: the API server was ready after {:.1} s",
                    start.elapsed().as_secs_f64()
                );
                return Ok(());
            }
            if start.elapsed() > START {
                let log = folder.join("kube-apiserver.log");
                let tail = wait::tail(&wait::read(&log), 20);
                let what = "the API server's readiness".into();
                return Err(Error::Timeout { what, seconds: START.as_secs(), log, tail });
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs kubectl as the administrator.
    ///
    /// # Errors
    /// When it cannot be started. A command that fails is no error.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Answer> {
        self.kubectl_with(arguments, "")
    }

    /// Runs kubectl as the administrator, with a text on its standard input.
    ///
    /// # Errors
    /// When it cannot be started. A command that fails is no error.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<Answer> {
        let mut child = Command::new(&self.kubectl)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::io(format!("starting {}", self.kubectl.display())))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A kubectl that does not read it says why by itself.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(Error::io("waiting for kubectl"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Answer {
            success: output.status.success(),
            output: text(&output.stdout),
            complaints: text(&output.stderr),
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The API server first: without its database it would only complain.
        for child in self.processes.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A program that ends with the thread that starts it, however that ends.
fn owned(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).stdin(Stdio::null());
    command
}

fn logged(command: &mut Command, log: &Path) -> Result<Child> {
    let file = File::create(log).map_err(Error::io(format!("making {}", log.display())))?;
    let errors = file.try_clone().map_err(Error::io("a second handle"))?;
    let spawned = command.stdout(file).stderr(errors).spawn();
    spawned.map_err(Error::io("starting setpriv (from util-linux)"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(Error::io(format!("writing {}", path.display())))
}

/// The certificate that the API server makes for itself is its own authority.
fn kubeconfig(folder: &Path, port: u16) -> String {
    let certificate = folder.join("certificates/apiserver.crt");
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: lab\nclusters:\n- name: lab\n  cluster:\n    \
         server: https://127.0.0.1:{port}\n    certificate-authority: {}\nusers:\n- name: admin\n  \
         user:\n    token: {TOKEN}\ncontexts:\n- name: lab\n  context:\n    cluster: lab\n    \
         user: admin\n",
        certificate.display()
    )
}
