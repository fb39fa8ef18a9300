//! A real Kubernetes API server: etcd and kube-apiserver as processes on free loopback ports.
//!
//! There are no nodes and no controllers: objects are stored, checked, watched and printed, and
//! nothing is run. `MESEGATE_TEST_KUBECONFIG` names a cluster that is used instead.

mod programs;
pub mod schemas;

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use programs::{NodePrograms, Programs};
pub(crate) use programs::{library_folders, unpack};

use crate::run::RunFolder;
use crate::{Error, Result, ports, wait};

/// How long the API server may take until it is ready; 5 s on an idle machine.
const START: Duration = Duration::from_mins(2);

/// The token of the administrator of a cluster of ours, which listens on loopback only.
const TOKEN: &str = "lab-administrator";

/// What a command gave back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it succeeded.
    pub success: bool,
    /// What it printed.
    pub output: String,
    /// What it complained about: warnings of the API server, and errors.
    pub complaints: String,
}

impl Answer {
    /// That of `command`, with a text on its standard input.
    ///
    /// # Errors
    /// When it cannot be started. A command that fails is no error.
    pub(crate) fn of(command: &mut Command, input: &str) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::io(format!("starting {program}")))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read it says why by itself.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output =
            child.wait_with_output().map_err(Error::io(format!("waiting for {program}")))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self {
            success: output.status.success(),
            output: text(&output.stdout),
            complaints: text(&output.stderr),
        })
    }
}

/// An API server with an administrator. Dropping it ends its processes.
#[derive(Debug)]
pub struct Cluster {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    own: Option<Own>,
}

/// The processes of a cluster of ours.
#[derive(Debug)]
struct Own {
    programs: Programs,
    etcd: Child,
    /// Where it is reached.
    etcd_port: u16,
    api_server: Child,
    /// Of the API server.
    address: Ipv4Addr,
    port: u16,
    // Last, so that nothing writes there any more when it is removed.
    run: RunFolder,
}

impl Cluster {
    /// Starts one, or uses the one that `MESEGATE_TEST_KUBECONFIG` names.
    ///
    /// # Errors
    /// When the programs cannot be had or do not start, with the end of the log.
    pub fn start() -> Result<Self> {
        if let Some(kubeconfig) = std::env::var_os("MESEGATE_TEST_KUBECONFIG") {
            return Self::of(Path::new(&kubeconfig));
        }
        Self::start_on(Ipv4Addr::LOCALHOST)
    }

    /// Somebody's, that a kubeconfig leads to.
    ///
    /// # Errors
    /// When there is no kubectl.
    pub fn of(kubeconfig: &Path) -> Result<Self> {
        let kubectl = Programs::kubectl()?;
        Ok(Self { kubectl, kubeconfig: kubeconfig.into(), own: None })
    }

    /// Starts one whose API server is reached at this address of the machine, by nodes if it is not
    /// the loopback address.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_on(address: Ipv4Addr) -> Result<Self> {
        let programs = Programs::ensure()?;
        let run = RunFolder::temporary("kube")?;
        let folder = run.path();
        let (etcd_port, peer, port) = (ports::free()?, ports::free()?, ports::free()?);
        let etcd = start_etcd(&programs.etcd, folder, etcd_port, peer)?;
        make_credentials(folder)?;
        let api_server =
            start_api_server(&programs.api_server, folder, (address, port), etcd_port)?;
        let path = folder.join("kubeconfig");
        write(&path, &kubeconfig(folder, (address, port), TOKEN))?;
        let kubectl = programs.kubectl.clone();
        let own = Own { programs, etcd, etcd_port, api_server, address, port, run };
        let mut cluster = Self { kubectl, kubeconfig: path, own: Some(own) };
        cluster.wait_ready()?;
        Ok(cluster)
    }

    /// Whether it is one that was started here, and empty at first.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Kills the API server; its database stays.
    ///
    /// # Errors
    /// When the cluster is somebody else's.
    pub fn stop_api_server(&mut self) -> Result<()> {
        let own = self.own.as_mut().ok_or_else(foreign)?;
        let _ = own.api_server.kill();
        own.api_server.wait().map(drop).map_err(Error::io("waiting for kube-apiserver"))
    }

    /// Starts the API server again where it was, and waits until it is ready.
    ///
    /// # Errors
    /// As [`start`](Self::start), and when the cluster is somebody else's.
    pub fn restart_api_server(&mut self) -> Result<()> {
        self.stop_api_server()?;
        let own = self.own.as_mut().ok_or_else(foreign)?;
        let (program, place) = (&own.programs.api_server, (own.address, own.port));
        own.api_server = start_api_server(program, own.run.path(), place, own.etcd_port)?;
        self.wait_ready()
    }

    /// A kubeconfig with another bearer token; in a folder that goes with the cluster.
    ///
    /// # Errors
    /// When it cannot be written, and when the cluster is somebody else's.
    pub fn kubeconfig_of(&self, name: &str, token: &str) -> Result<PathBuf> {
        let own = self.own.as_ref().ok_or_else(foreign)?;
        let path = own.run.path().join(format!("kubeconfig-{name}"));
        write(&path, &kubeconfig(own.run.path(), (own.address, own.port), token))?;
        Ok(path)
    }

    /// The key that the tokens of service accounts are signed with.
    ///
    /// # Errors
    /// When the cluster is somebody else's.
    pub fn service_account_key(&self) -> Result<PathBuf> {
        let own = self.own.as_ref().ok_or_else(foreign)?;
        Ok(service_account_key(own.run.path()))
    }

    /// The certificate that vouches for the API server.
    ///
    /// # Errors
    /// When the cluster is somebody else's.
    pub fn certificate(&self) -> Result<PathBuf> {
        self.own.as_ref().map(|own| certificate(own.run.path())).ok_or_else(foreign)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(own) = &mut self.own {
                let children = [(&mut own.etcd, "etcd"), (&mut own.api_server, "kube-apiserver")];
                for (child, name) in children {
                    if child.try_wait().is_ok_and(|status| status.is_some()) {
                        let log = own.run.path().join(format!("{name}.log"));
                        let tail = wait::tail(&wait::read(&log), 20);
                        return Err(Error::Ended { what: name.into(), log, tail });
                    }
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
            if let Some(own) = &self.own
                && start.elapsed() > START
            {
                let log = own.run.path().join("kube-apiserver.log");
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
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments);
        Answer::of(&mut kubectl, input)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // The API server first: without its database it would only complain.
        for child in [&mut self.api_server, &mut self.etcd] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn foreign() -> Error {
    let what = "the cluster of MESEGATE_TEST_KUBECONFIG is not stopped, and not given new rights";
    Error::Unsupported(what.into())
}

fn start_etcd(program: &Path, folder: &Path, client: u16, peer: u16) -> Result<Child> {
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let mut etcd = owned(program);
    etcd.arg("--data-dir").arg(folder.join("etcd"));
    etcd.args(["--listen-client-urls", &url(client), "--advertise-client-urls", &url(client)]);
    etcd.args(["--listen-peer-urls", &url(peer), "--initial-advertise-peer-urls", &url(peer)]);
    etcd.args(["--initial-cluster", &format!("default={}", url(peer))]);
    // Nothing has to outlive a power cut.
    etcd.arg("--unsafe-no-fsync");
    logged(&mut etcd, &folder.join("etcd.log"))
}

fn service_account_key(folder: &Path) -> PathBuf {
    folder.join("service-accounts.key")
}

fn tokens(folder: &Path) -> PathBuf {
    folder.join("tokens.csv")
}

fn make_credentials(folder: &Path) -> Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"]);
    let made = openssl.arg(service_account_key(folder)).stderr(Stdio::null()).status();
    if !made.is_ok_and(|status| status.success()) {
        let what = "the API server's key is made with `openssl`: install that package";
        return Err(Error::Unsupported(what.into()));
    }
    write(&tokens(folder), &format!("{TOKEN},admin,admin,\"system:masters\"\n"))
}

fn start_api_server(
    program: &Path,
    folder: &Path,
    (address, port): (Ipv4Addr, u16),
    etcd: u16,
) -> Result<Child> {
    let key = service_account_key(folder);
    let mut api_server = owned(program);
    api_server.arg(format!("--etcd-servers=http://127.0.0.1:{etcd}"));
    api_server.arg(format!("--bind-address={address}"));
    api_server.arg(format!("--advertise-address={address}"));
    api_server.arg(format!("--secure-port={port}"));
    for (flag, path) in [
        ("--cert-dir", &folder.join("certificates")),
        ("--service-account-key-file", &key),
        ("--service-account-signing-key-file", &key),
        ("--token-auth-file", &tokens(folder)),
    ] {
        api_server.arg(flag).arg(path);
    }
    api_server.args([
        "--service-account-issuer=https://kubernetes.default.svc",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
    ]);
    if address.is_loopback() {
        // It is not an address that the Service `kubernetes` may have.
        api_server.arg("--endpoint-reconciler-type=none");
    } else {
        api_server.arg("--kubelet-preferred-address-types=InternalIP");
    }
    logged(&mut api_server, &folder.join("kube-apiserver.log"))
}

/// A program that ends with the thread that starts it, however that ends.
pub(crate) fn owned(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).stdin(Stdio::null());
    command
}

pub(crate) fn logged(command: &mut Command, log: &Path) -> Result<Child> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(log)
        .map_err(Error::io(format!("making {}", log.display())))?;
    let errors = file.try_clone().map_err(Error::io("a second handle"))?;
    let spawned = command.stdout(file).stderr(errors).spawn();
    spawned.map_err(Error::io("starting setpriv (from util-linux)"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(Error::io(format!("writing {}", path.display())))
}

/// The certificate that the API server makes for itself is its own authority.
fn certificate(folder: &Path) -> PathBuf {
    folder.join("certificates/apiserver.crt")
}

fn kubeconfig(folder: &Path, (address, port): (Ipv4Addr, u16), token: &str) -> String {
    let certificate = certificate(folder);
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: lab\nclusters:\n- name: lab\n  cluster:\n    \
         server: https://{address}:{port}\n    certificate-authority: {}\nusers:\n- name: admin\n  \
         user:\n    token: {token}\ncontexts:\n- name: lab\n  context:\n    cluster: lab\n    \
         user: admin\n",
        certificate.display()
    )
}
