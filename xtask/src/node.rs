//! A real node of Kubernetes: containerd, kubelet, kube-proxy and a name server, in namespaces of
//! their own, with an API server, a scheduler and controllers beside them.
//!
//! Nothing of it stays: its network, mounts and processes go with its first process. The machine
//! reaches it, and the ports that its Services have, at [`Node::address`]. A second one may join.

mod cgroups;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::kube::{Cluster, NodePrograms, Programs, logged, owned};
use crate::oci::{self, Image};
use crate::run::RunFolder;
use crate::{Error, Result, paths, ports, wait};

/// The machine's end of the first node's cable, where the API server is. All addresses of nodes are of
/// a network that is nobody's (RFC 2544).
const MACHINE: Ipv4Addr = Ipv4Addr::new(198, 18, 77, 1);

/// Of all nodes' pods.
const ALL_PODS: &str = "10.244.0.0/16";

/// What the node begins with; `kube/node/node.sh` says more.
const SCRIPT: &str = include_str!("../kube/node/node.sh");

/// The source of the one program of the image that holds a pod's namespaces.
const PAUSE: &str = include_str!("../kube/node/pause.c");

/// How long a step may take; a few seconds each on an idle machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running node, with its cluster. Dropping it removes everything.
#[derive(Debug)]
pub struct Node {
    // In this order: what uses the API server ends before it.
    worker: Worker,
    managers: Vec<Manager>,
    cluster: Cluster,
    programs: NodePrograms,
    run: RunFolder,
}

/// What runs pods. Dropping it ends them.
#[derive(Debug)]
pub struct Worker {
    shell: Shell,
    place: Place,
    folder: PathBuf,
}

/// Which node it is: 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place(u8);

impl Place {
    fn name(self) -> String {
        format!("node-{}", self.0)
    }

    /// The machine's end of the cable, and the name that it has there.
    fn router(self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 77, 4 * self.0 - 3)
    }

    fn link(self) -> String {
        if self.0 == 1 { "mesegate-node".into() } else { format!("mesegate-node{}", self.0) }
    }

    /// The node's end.
    fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 77, 4 * self.0 - 2)
    }

    /// Its end of the cable between the two nodes.
    fn beside(self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 78, self.0)
    }

    fn pods(self) -> String {
        format!("10.244.{}.0/24", self.0 - 1)
    }

    fn cgroup(self) -> String {
        format!("mesegate-{}-{}", std::process::id(), self.0)
    }
}

/// The node's first process, from outside.
#[derive(Debug)]
struct Shell {
    outer: Child,
    /// The process in the namespaces.
    inner: u32,
    cgroup: String,
    link: String,
}

/// A program of the control plane.
#[derive(Debug)]
struct Manager(Child);

impl Node {
    /// Starts one and waits until pods can run on it.
    ///
    /// # Errors
    /// When this machine cannot, or this process is not root's, with words on what is missing.
    pub fn start() -> Result<Self> {
        if !paths::is_root() {
            let what = "a node makes network devices and control groups: run this as root, or name a \
                        cluster with --kubeconfig";
            return Err(Error::Unsupported(what.into()));
        }
        let programs = Programs::node()?;
        let run = RunFolder::temporary("node")?;
        let worker = Worker::start(Place(1), run.path(), &programs)?;
        let cluster = Cluster::start_on(MACHINE)?;
        worker.go(&cluster)?;
        let managers = start_managers(run.path(), &programs, &cluster)?;
        worker.ready(&cluster)?;
        Ok(Self { worker, managers, cluster, programs, run })
    }

    /// Starts a second one of the same cluster, with a cable to the first, and waits until pods can
    /// run on it. It does not know the images that the first one was given.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn join(&self) -> Result<Worker> {
        let (first, place) = (&self.worker, Place(2));
        let second = Worker::start(place, &self.run.path().join("second"), &self.programs)?;
        let ends = [&first.shell, &second.shell].map(Shell::network);
        let one = ["link", "add", "beside", "netns", &ends[0], "type", "veth"];
        ip(&[&one[..], &["peer", "name", "beside", "netns", &ends[1]]].concat())?;
        for (worker, other) in [(first, place), (&second, first.place)] {
            let own = format!("{}/30", worker.place.beside());
            let (node, next) = (format!("{}/32", other.address()), other.beside().to_string());
            worker.ip(&["address", "add", &own, "dev", "beside"])?;
            worker.ip(&["link", "set", "beside", "up"])?;
            worker.ip(&["route", "add", &node, "via", &next])?;
            worker.ip(&["route", "add", &other.pods(), "via", &next])?;
        }
        second.go(&self.cluster)?;
        second.ready(&self.cluster)?;
        Ok(second)
    }

    /// Its API server.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Where the ports of its Services are.
    pub fn address(&self) -> Ipv4Addr {
        self.worker.address()
    }

    /// Where nodes reach this machine, and the API server is.
    pub fn machine(&self) -> Ipv4Addr {
        MACHINE
    }

    /// Files of this run, with a folder `log`.
    pub fn folder(&self) -> &Path {
        self.run.path()
    }

    /// How many programs of the control plane run beside the API server.
    pub fn managers(&self) -> usize {
        self.managers.len()
    }

    /// As [`Worker::load`].
    ///
    /// # Errors
    /// When it is not taken.
    pub fn load(&self, image: &Path) -> Result<()> {
        self.worker.load(image)
    }

    /// Starts a program on the node, which ends with it; what it prints goes to the file `log` of
    /// the folder `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, program: &Path, arguments: &[String], log: &str) -> Result<()> {
        let mut command = self.inside(program);
        command.args(arguments);
        // Its end comes with that of all processes on the node, whoever waits for it.
        logged(&mut command, &self.folder().join("log").join(log)).map(drop)
    }

    /// A command on the node.
    pub fn inside(&self, program: &Path) -> Command {
        self.worker.inside(program)
    }
}

impl Worker {
    /// Its name in the cluster.
    pub fn name(&self) -> String {
        self.place.name()
    }

    /// Where the ports of its Services are.
    pub fn address(&self) -> Ipv4Addr {
        self.place.address()
    }

    /// Gives it an image, so that it need not be fetched.
    ///
    /// # Errors
    /// When it is not taken.
    pub fn load(&self, image: &Path) -> Result<()> {
        let mut import = self.inside(&self.folder.join("bin/ctr"));
        import.args(["--namespace", "k8s.io", "images", "import"]).arg(image);
        succeed(&mut import, &format!("loading {}", image.display())).map(drop)
    }

    /// Makes the namespaces; nothing runs in them before there is a cluster.
    fn start(place: Place, folder: &Path, programs: &NodePrograms) -> Result<Self> {
        let log = folder.join("log");
        std::fs::create_dir_all(&log).map_err(Error::io(format!("making {}", log.display())))?;
        pause(folder)?;
        Ok(Self { shell: Shell::start(place, folder, programs)?, place, folder: folder.into() })
    }

    /// Starts what runs pods.
    fn go(&self, cluster: &Cluster) -> Result<()> {
        let kubeconfig = self.folder.join("kubeconfig");
        std::fs::copy(cluster.kubeconfig(), &kubeconfig).map_err(Error::io("the kubeconfig"))?;
        touch(&self.folder.join("go"))
    }

    fn ready(&self, cluster: &Cluster) -> Result<()> {
        let node = format!("node/{}", self.name());
        let ready = wait::until(PATIENCE, || {
            let wait = ["wait", "--for=condition=Ready", &node, "--timeout=2s"];
            cluster.kubectl(&wait).is_ok_and(|it| it.success).then_some(())
        });
        ready.ok_or_else(|| {
            let log = self.folder.join("log/kubelet.log");
            let tail = wait::tail(&wait::read(&log), 20);
            let what = format!("the readiness of {}", self.name());
            Error::Timeout { what, seconds: PATIENCE.as_secs(), log, tail }
        })
    }

    /// A command on it.
    fn inside(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        let process = self.shell.inner.to_string();
        command.args(["--target", &process, "--mount", "--net", "--pid", "--"]);
        command.arg(program).stdin(Stdio::null());
        command
    }

    fn ip(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.inside(Path::new("ip"));
        succeed(command.args(arguments), &format!("ip {}", arguments.join(" "))).map(drop)
    }
}

impl Shell {
    fn start(place: Place, run: &Path, programs: &NodePrograms) -> Result<Self> {
        cgroups::remove_old();
        let (cgroup, link) = (place.cgroup(), place.link());
        cgroups::make(&cgroup)?;
        let mut unshare = owned(Path::new("unshare"));
        unshare.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", SCRIPT]);
        unshare.env("RUN", run).env("NAME", place.name()).env("CGROUP", &cgroup);
        unshare.env("ADDRESS", place.address().to_string());
        unshare.env("ROUTER", place.router().to_string());
        unshare.env("PODS", place.pods()).env("ALL_PODS", ALL_PODS);
        unshare.env("KUBERNETES", &programs.kubernetes).env("COREDNS", &programs.coredns);
        unshare.env("PACKAGES", &programs.packages);
        let log = run.join("log/node.log");
        let outer = logged(&mut unshare, &log)?;
        let mut shell = Self { outer, inner: 0, cgroup, link: link.clone() };
        let waiting = run.join("waiting");
        if wait::until(PATIENCE, || waiting.exists().then_some(())).is_none() {
            let what = "the node's namespaces".into();
            let tail = wait::tail(&wait::read(&log), 20);
            return Err(Error::Timeout { what, seconds: PATIENCE.as_secs(), log, tail });
        }
        shell.inner = child_of(shell.outer.id())?;
        // One that an earlier run left is gone with its node; if not, it is in use.
        ip(&[
            "link",
            "add",
            &link,
            "type",
            "veth",
            "peer",
            "name",
            "node0",
            "netns",
            &shell.network(),
        ])?;
        ip(&["address", "add", &format!("{}/30", place.router()), "dev", &link])?;
        ip(&["link", "set", &link, "up"])?;
        Ok(shell)
    }

    /// The file of its network namespace.
    fn network(&self) -> String {
        format!("/proc/{}/ns/net", self.inner)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.outer.kill();
        let _ = self.outer.wait();
        // The processes end one after the other, and each leaves its group then.
        wait::until(Duration::from_secs(10), || cgroups::remove(&self.cgroup).then_some(()));
        // Network namespaces are removed in the background, and the cable with them.
        let link = Path::new("/sys/class/net").join(&self.link);
        wait::until(Duration::from_secs(10), || (!link.exists()).then_some(()));
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command to its end.
fn succeed(command: &mut Command, what: &str) -> Result<Output> {
    let output = command.output().map_err(Error::io(what))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(Error::Failed {
        what: what.into(),
        status: output.status.to_string(),
        output: wait::tail(&String::from_utf8_lossy(&output.stderr), 20),
    })
}

fn ip(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("ip");
    succeed(command.args(arguments), &format!("ip {}", arguments.join(" "))).map(drop)
}

/// The one process that `unshare` has started, which `setpriv` has become.
fn child_of(process: u32) -> Result<u32> {
    let file = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(&file).map_err(Error::io(file.clone()))?;
    let first = children.split_whitespace().next().and_then(|it| it.parse().ok());
    first.ok_or_else(|| Error::Unsupported(format!("{file} names no process: {children:?}")))
}

fn touch(path: &Path) -> Result<()> {
    std::fs::write(path, "").map_err(Error::io(format!("writing {}", path.display())))
}

/// Writes the image that every pod begins with.
fn pause(run: &Path) -> Result<()> {
    let root = run.join("pause");
    std::fs::create_dir_all(&root).map_err(Error::io(format!("making {}", root.display())))?;
    let source = run.join("pause.c");
    std::fs::write(&source, PAUSE).map_err(Error::io(format!("writing {}", source.display())))?;
    let mut cc = Command::new("cc");
    cc.args(["-static", "-Os", "-s", "-o"]).arg(root.join("pause")).arg(&source);
    succeed(&mut cc, "cc (a C compiler with libc6-dev)")?;
    let image = Image {
        name: "mesegate.dev/pause:1".into(),
        architecture: oci::Architecture::host()?,
        entrypoint: vec!["/pause".into()],
        user: "65535:65535".into(),
        ..Image::default()
    };
    image.write(&root, &run.join("pause.tar")).map(drop)
}

fn start_managers(run: &Path, programs: &NodePrograms, cluster: &Cluster) -> Result<Vec<Manager>> {
    let folder = run.join("managers");
    let mut managers = Vec::new();
    for name in ["kube-controller-manager", "kube-scheduler"] {
        let mut command = owned(&programs.kubernetes.join(name));
        command.arg("--kubeconfig").arg(run.join("kubeconfig"));
        command.args(["--leader-elect=false", "--bind-address=127.0.0.1"]);
        command.arg(format!("--secure-port={}", ports::free()?));
        command.arg("--cert-dir").arg(folder.join(name));
        if name == "kube-controller-manager" {
            command.arg("--use-service-account-credentials=true");
            command.arg("--service-account-private-key-file").arg(cluster.service_account_key()?);
            command.arg("--root-ca-file").arg(cluster.certificate()?);
        }
        managers.push(Manager(logged(&mut command, &run.join(format!("log/{name}.log")))?));
    }
    Ok(managers)
}
