//! A real node of Kubernetes: containerd, kubelet, kube-proxy and a name server, in namespaces of
//! their own, with an API server, a scheduler and controllers beside them.
//!
//! Nothing of it stays: its network, mounts and processes go with its first process. The machine
//! reaches it, and the ports that its Services have, at [`Node::address`].

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::kube::{Cluster, NodePrograms, Programs, logged, owned};
use crate::oci::{self, Image};
use crate::run::RunFolder;
use crate::{Error, Result, paths, ports, wait};

/// The two ends of the one cable that the node has, in a network that is nobody's (RFC 2544).
const MACHINE: Ipv4Addr = Ipv4Addr::new(198, 18, 77, 1);
const NODE: Ipv4Addr = Ipv4Addr::new(198, 18, 77, 2);

/// The machine's end.
const LINK: &str = "mesegate-node";

/// What the node begins with; `kube/node/node.sh` says more.
const SCRIPT: &str = include_str!("../kube/node/node.sh");

/// The source of the one program of the image that holds a pod's namespaces.
const PAUSE: &str = include_str!("../kube/node/pause.c");

/// Below each of cgroups' controllers.
const CGROUPS: &str = "/sys/fs/cgroup";

/// How long a step may take; a few seconds each on an idle machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running node, with its cluster. Dropping it removes everything.
#[derive(Debug)]
pub struct Node {
    // In this order: what uses the API server ends before it.
    shell: Shell,
    managers: Vec<Manager>,
    cluster: Cluster,
    run: RunFolder,
}

/// The node's first process, from outside.
#[derive(Debug)]
struct Shell {
    outer: Child,
    /// The process in the namespaces.
    inner: u32,
    cgroup: String,
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
        pause(run.path())?;
        let shell = Shell::start(run.path(), &programs)?;
        let cluster = Cluster::start_on(MACHINE)?;
        let kubeconfig = run.path().join("kubeconfig");
        std::fs::copy(cluster.kubeconfig(), &kubeconfig).map_err(Error::io("the kubeconfig"))?;
        touch(&run.path().join("go"))?;
        let managers = start_managers(run.path(), &programs, &cluster)?;
        let node = Self { shell, managers, cluster, run };
        let ready = wait::until(PATIENCE, || {
            let wait = ["wait", "--for=condition=Ready", "node/node-1", "--timeout=2s"];
            node.cluster.kubectl(&wait).is_ok_and(|it| it.success).then_some(())
        });
        match ready {
            Some(()) => Ok(node),
            None => Err(node.late("the node's readiness", "kubelet")),
        }
    }

    /// Its API server.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Where the ports of its Services are.
    pub fn address(&self) -> Ipv4Addr {
        NODE
    }

    /// Files of this run, with a folder `log`.
    pub fn folder(&self) -> &Path {
        self.run.path()
    }

    /// How many programs of the control plane run beside the API server.
    pub fn managers(&self) -> usize {
        self.managers.len()
    }

    /// Gives it an image, so that it need not be fetched.
    ///
    /// # Errors
    /// When it is not taken.
    pub fn load(&self, image: &Path) -> Result<()> {
        let ctr = self.folder().join("bin/ctr");
        let arguments = ["--namespace", "k8s.io", "images", "import"];
        let mut import = self.inside(&ctr);
        import.args(arguments).arg(image);
        succeed(&mut import, &format!("loading {}", image.display())).map(drop)
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
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.shell.inner.to_string(),
            "--mount",
            "--net",
            "--pid",
            "--",
        ]);
        command.arg(program).stdin(Stdio::null());
        command
    }

    fn late(&self, what: &str, program: &str) -> Error {
        let log = self.folder().join(format!("log/{program}.log"));
        let tail = wait::tail(&wait::read(&log), 20);
        Error::Timeout { what: what.into(), seconds: PATIENCE.as_secs(), log, tail }
    }
}

impl Shell {
    fn start(run: &Path, programs: &NodePrograms) -> Result<Self> {
        remove_old_cgroups();
        let cgroup = format!("mesegate-{}", std::process::id());
        make_cgroups(&cgroup)?;
        let log = run.join("log");
        std::fs::create_dir_all(&log).map_err(Error::io(format!("making {}", log.display())))?;
        let mut unshare = owned(Path::new("unshare"));
        unshare.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", SCRIPT]);
        unshare.env("RUN", run).env("CGROUP", &cgroup);
        unshare.env("ADDRESS", NODE.to_string()).env("ROUTER", MACHINE.to_string());
        unshare.env("KUBERNETES", &programs.kubernetes).env("COREDNS", &programs.coredns);
        unshare.env("PACKAGES", &programs.packages);
        let log = log.join("node.log");
        let outer = logged(&mut unshare, &log)?;
        let mut shell = Self { outer, inner: 0, cgroup };
        let waiting = run.join("waiting");
        if wait::until(PATIENCE, || waiting.exists().then_some(())).is_none() {
            let what = "the node's namespaces".into();
            let tail = wait::tail(&wait::read(&log), 20);
            return Err(Error::Timeout { what, seconds: PATIENCE.as_secs(), log, tail });
        }
        shell.inner = child_of(shell.outer.id())?;
        let namespace = format!("/proc/{}/ns/net", shell.inner);
        // One that an earlier run left is gone with its node; if not, it is in use.
        ip(&["link", "add", LINK, "type", "veth", "peer", "name", "node0", "netns", &namespace])?;
        ip(&["address", "add", &format!("{MACHINE}/30"), "dev", LINK])?;
        ip(&["link", "set", LINK, "up"])?;
        Ok(shell)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.outer.kill();
        let _ = self.outer.wait();
        // The processes end one after the other, and each leaves its group then.
        wait::until(Duration::from_secs(10), || remove_cgroups(&self.cgroup).then_some(()));
        // Network namespaces are removed in the background, and the cable with them.
        let link = Path::new("/sys/class/net").join(LINK);
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

/// The roots of all trees of groups: one for each controller of version 1, and that of version 2,
/// which may be beside them.
fn hierarchies() -> Vec<PathBuf> {
    let root = PathBuf::from(CGROUPS);
    let is_tree = |it: &PathBuf| it.join("cgroup.procs").exists() && !it.is_symlink();
    if is_tree(&root) {
        return vec![root];
    }
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    entries.map(|it| it.path()).filter(is_tree).collect()
}

/// Makes the groups that the kubelet looks for.
fn make_cgroups(name: &str) -> Result<()> {
    for hierarchy in hierarchies() {
        let group = hierarchy.join(name);
        std::fs::create_dir_all(&group)
            .map_err(Error::io(format!("making {}", group.display())))?;
        // A new one of `cpuset` has neither processors nor memory.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if let Ok(value) = std::fs::read_to_string(hierarchy.join(file)) {
                let _ = std::fs::write(group.join(file), value);
            }
        }
    }
    Ok(())
}

/// Removes groups and all below them; whether none is left.
fn remove_cgroups(name: &str) -> bool {
    let groups = hierarchies().into_iter().map(|it| it.join(name)).filter(|it| it.exists());
    groups.filter(|it| !remove_group(it)).count() == 0
}

fn remove_group(group: &Path) -> bool {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_group(&entry.path());
        }
    }
    std::fs::remove_dir(group).is_ok()
}

/// Removes what runs that were killed have left.
fn remove_old_cgroups() {
    for hierarchy in hierarchies() {
        for entry in std::fs::read_dir(&hierarchy).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let process = name.strip_prefix("mesegate-").and_then(|it| it.parse::<u32>().ok());
            if process.is_some_and(|it| !Path::new("/proc").join(it.to_string()).exists()) {
                remove_cgroups(&name);
            }
        }
    }
}
