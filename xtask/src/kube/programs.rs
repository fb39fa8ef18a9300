//! etcd, kube-apiserver, kubectl, helm and grpcurl, and what a node needs, kept in the lab's folder.
//!
//! etcd and what runs containers are Debian's packages, unpacked without being installed. The others
//! are built from the Go
//! module proxy at the versions of `xtask/kube/tools/go.mod`, whose checksums are in `go.sum`
//! beside it; that takes about ten minutes on two cores, once. `KUBEBUILDER_ASSETS` names a folder
//! with etcd, kube-apiserver and kubectl that are used instead.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Error, Result, lab, paths};

/// The release of kube-apiserver and kubectl; the same as in `xtask/kube/tools/go.mod`.
const KUBERNETES: &str = "v1.36.3";

/// The release of helm.
const HELM: &str = "v3.22.0";

/// The release of grpcurl.
const GRPCURL: &str = "v1.9.3";

/// The release of CoreDNS.
const COREDNS: &str = "v1.15.0";

/// What runs containers and connects them, of Debian, with the libraries of its own.
const NODE_PACKAGES: [&str; 10] = [
    "containerd",
    "runc",
    "containernetworking-plugins",
    "iptables",
    "libip4tc2",
    "libip6tc2",
    "libxtables12",
    "libnftnl11",
    "libmnl0",
    "libseccomp2",
];

/// What a node needs besides the API server.
#[derive(Debug, Clone)]
pub struct NodePrograms {
    /// Folder with kubelet, kube-proxy, kube-controller-manager and kube-scheduler.
    pub kubernetes: PathBuf,
    /// The root folder of [`NODE_PACKAGES`].
    pub packages: PathBuf,
    /// The name server of the cluster.
    pub coredns: PathBuf,
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The database of the API server.
    pub etcd: PathBuf,
    /// The API server.
    pub api_server: PathBuf,
    /// The command-line client.
    pub kubectl: PathBuf,
}

impl Programs {
    /// Finds them, and builds what is missing. Prints what it does and how long it takes.
    ///
    /// # Errors
    /// When this machine cannot build them, with words on what is missing and what to do.
    pub fn ensure() -> Result<Self> {
        if let Some(folder) = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from) {
            let [etcd, api_server, kubectl] =
                ["etcd", "kube-apiserver", "kubectl"].map(|name| folder.join(name));
            return Ok(Self { etcd, api_server, kubectl });
        }
        let dir = tools()?;
        let kube = dir.join(format!("kube-{KUBERNETES}"));
        let programs = Self {
            etcd: dir.join("etcd/usr/bin/etcd"),
            api_server: kube.join("kube-apiserver"),
            kubectl: kube.join("kubectl"),
        };
        if !programs.etcd.exists() {
            unpack("etcd", &["etcd-server"]).map_err(|error| {
                Error::Unsupported(format!(
                    "etcd is needed for the API server: {error}\nOr set KUBEBUILDER_ASSETS to a \
                     folder with etcd, kube-apiserver and kubectl"
                ))
            })?;
        }
        if !programs.api_server.exists() || !programs.kubectl.exists() {
            let _lock = lab::lock(&dir)?;
            build_kubernetes(&dir, &kube, &["kube-apiserver", "kubectl"])?;
        }
        Ok(programs)
    }

    /// kubectl alone, for a cluster that is there already: the one on the path, or ours.
    ///
    /// # Errors
    /// As [`ensure`](Self::ensure).
    pub fn kubectl() -> Result<PathBuf> {
        let mut version = Command::new("kubectl");
        version.args(["version", "--client"]).stdout(Stdio::null()).stderr(Stdio::null());
        if version.status().is_ok_and(|status| status.success()) {
            return Ok("kubectl".into());
        }
        Self::ensure().map(|programs| programs.kubectl)
    }

    /// The library that gives a program another clock when it is preloaded.
    ///
    /// # Errors
    /// When it cannot be fetched from Debian.
    pub fn faketime() -> Result<PathBuf> {
        let dir = tools()?;
        let library = |machine: &str| {
            let folder = format!("faketime/usr/lib/{machine}-linux-gnu/faketime");
            dir.join(folder).join("libfaketime.so.1")
        };
        let library = library(std::env::consts::ARCH);
        if !library.exists() {
            unpack("faketime", &["libfaketime"])?;
        }
        Ok(library)
    }

    /// Where a package of Debian is unpacked, together with everything that it needs and this
    /// machine does not have.
    ///
    /// # Errors
    /// When they cannot be fetched.
    pub fn packages(folder: &str, package: &str) -> Result<PathBuf> {
        fetch(folder, WITH_DEPENDENCIES, &[package])
    }

    /// Settings of the environment with which these programs of Debian are found: of each its name
    /// and its package, which is unpacked if this machine lacks the program.
    ///
    /// # Errors
    /// When one is missing and cannot be fetched.
    pub fn found(programs: &[(&str, &str)]) -> Result<Vec<(&'static str, OsString)>> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let mut libraries = Vec::new();
        for (program, package) in programs {
            if folders.iter().any(|it| it.join(program).exists()) {
                continue;
            }
            let root = Self::packages(package, package)?;
            folders.extend(["usr/bin", "usr/sbin", "bin", "sbin"].map(|it| root.join(it)));
            libraries.extend(library_folders(&root));
        }
        let join = |folders: &[PathBuf], what| {
            std::env::join_paths(folders)
                .map_err(|error| Error::Unsupported(format!("{what}: {error}")))
        };
        let mut settings = vec![("PATH", join(&folders, "PATH")?)];
        if !libraries.is_empty() {
            settings.push(("LD_LIBRARY_PATH", join(&libraries, "folders of libraries")?));
        }
        Ok(settings)
    }

    /// What a node needs, built and fetched when it is missing.
    ///
    /// # Errors
    /// As [`ensure`](Self::ensure).
    pub fn node() -> Result<NodePrograms> {
        let dir = tools()?;
        let kubernetes = dir.join(format!("kube-{KUBERNETES}"));
        let names = ["kubelet", "kube-proxy", "kube-controller-manager", "kube-scheduler"];
        {
            let _lock = lab::lock(&dir)?;
            build_kubernetes(&dir, &kubernetes, &names)?;
        }
        let packages = unpack("node", &NODE_PACKAGES)?;
        let coredns = installed("coredns", "github.com/coredns/coredns", COREDNS)?;
        Ok(NodePrograms { kubernetes, packages, coredns })
    }

    /// Debian's Prometheus.
    ///
    /// # Errors
    /// When it cannot be fetched.
    pub fn prometheus() -> Result<PathBuf> {
        Ok(unpack("prometheus", &["prometheus"])?.join("usr/bin/prometheus"))
    }

    /// helm, built when it is missing.
    ///
    /// # Errors
    /// As [`ensure`](Self::ensure).
    pub fn helm() -> Result<PathBuf> {
        installed("helm", "helm.sh/helm/v3/cmd/helm", HELM)
    }

    /// grpcurl, a client of gRPC servers that is not of this project, built when it is missing.
    ///
    /// # Errors
    /// As [`ensure`](Self::ensure).
    pub fn grpcurl() -> Result<PathBuf> {
        installed("grpcurl", "github.com/fullstorydev/grpcurl/cmd/grpcurl", GRPCURL)
    }
}

/// Where programs below `root` find the libraries that are not installed. Packages of releases up to
/// Debian 12 have some of them in `/lib`, which is another folder here.
pub(crate) fn library_folders(root: &Path) -> [PathBuf; 2] {
    let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
    [root.join("usr/lib").join(&machine), root.join("lib").join(&machine)]
}

/// A program that is one package of a Go module.
pub(super) fn installed(name: &str, package: &str, version: &str) -> Result<PathBuf> {
    let dir = tools()?;
    let folder = dir.join(format!("{name}-{version}"));
    let program = folder.join(name);
    if !program.exists() {
        let _lock = lab::lock(&dir)?;
        // Another run may have built it while this one waited.
        if program.exists() {
            return Ok(program);
        }
        let mut go = go(&folder)?;
        go.args(["install", "-trimpath", "-ldflags", "-s -w"]);
        go.arg(format!("{package}@{version}"));
        build(&mut go, &dir.join(format!("{name}.log")), &format!("{name} {version}"))?;
    }
    Ok(program)
}

pub(super) fn tools() -> Result<PathBuf> {
    let dir = paths::lab()?.join("tools");
    std::fs::create_dir_all(&dir).map_err(Error::io(format!("making {}", dir.display())))?;
    Ok(dir)
}

/// Fetches packages of Debian and unpacks them into one `folder` of the lab's, which it gives;
/// nothing is installed on the machine. The file `packages` there has their names and versions.
///
/// # Errors
/// When they cannot be fetched.
pub(crate) fn unpack(folder: &str, packages: &[&str]) -> Result<PathBuf> {
    fetch(folder, ALONE, packages)
}

/// What a shell does in an empty folder to get packages into `root`.
const ALONE: &str = "apt-get download \"$@\"
    for package in *.deb; do
        dpkg-deb -x \"$package\" root
        dpkg-deb -W --showformat='${Package} ${Version}\\n' \"$package\" >> root/packages
    done";
/// A machine may have no lists of packages, or such as are too old; then lists are fetched for this
/// alone.
const WITH_DEPENDENCIES: &str = "mkdir -p debs/partial lists/partial
    lists=\"-o Dir::State::lists=$PWD/lists\"
    fetch() {
        apt-get install --yes --download-only --no-install-recommends -o Debug::NoLocking=1 \
            -o Dir::Cache::archives=\"$PWD/debs\" \"$@\"
    }
    fetch \"$@\" || { apt-get update -o Debug::NoLocking=1 \"$lists\"; fetch \"$lists\" \"$@\"; }
    for deb in debs/*.deb; do dpkg-deb -x \"$deb\" root; done";

fn fetch(folder: &str, script: &str, packages: &[&str]) -> Result<PathBuf> {
    let dir = tools()?;
    let root = dir.join(folder);
    if root.exists() {
        return Ok(root);
    }
    let _lock = lab::lock(&dir)?;
    // Another run may have fetched them while this one waited.
    if root.exists() {
        return Ok(root);
    }
    println!("tools: fetching Debian's {} into {}", packages.join(", "), root.display());
    let fetched = dir.join(format!("{folder}.part"));
    let _ = std::fs::remove_dir_all(&fetched);
    std::fs::create_dir_all(&fetched)
        .map_err(Error::io(format!("making {}", fetched.display())))?;
    let log = dir.join(format!("{folder}.log"));
    let mut shell = Command::new("sh");
    shell.current_dir(&fetched).args(["-ec", script, "sh"]).args(packages);
    lab::watched(&mut shell, &log, &format!("tools: {folder}")).map_err(|error| {
        let names = packages.join(", ");
        Error::Unsupported(format!("{error}\n{names}: of Debian; `apt-get update` may help"))
    })?;
    let unpacked = fetched.join("root");
    std::fs::rename(&unpacked, &root)
        .map_err(Error::io(format!("moving {}", unpacked.display())))?;
    let _ = std::fs::remove_dir_all(&fetched);
    Ok(root)
}

/// Builds those of Kubernetes' programs that are not in `folder`.
fn build_kubernetes(dir: &Path, folder: &Path, names: &[&str]) -> Result<()> {
    let missing: Vec<&str> =
        names.iter().copied().filter(|name| !folder.join(name).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut version = KUBERNETES.trim_start_matches('v').split('.');
    let (major, minor) = (version.next().unwrap_or("1"), version.next().unwrap_or("0"));
    // What Kubernetes' own build writes into its programs; without it the API server tells no
    // version that clients understand.
    let flags = format!(
        "-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES} \
         -X k8s.io/component-base/version.gitMajor={major} \
         -X k8s.io/component-base/version.gitMinor={minor}"
    );
    let mut go = go(folder)?;
    go.current_dir(paths::workspace().join("xtask/kube/tools"));
    go.args(["install", "-mod=readonly", "-trimpath", "-ldflags", &flags]);
    go.args(missing.iter().map(|name| format!("k8s.io/kubernetes/cmd/{name}")));
    let what = format!("{} {KUBERNETES}", missing.join(", "));
    build(&mut go, &dir.join("kube.log"), &what)
}

/// Go, which puts what it builds into `folder`.
pub(super) fn go(folder: &Path) -> Result<Command> {
    let works = |program: &str| {
        let mut command = Command::new(program);
        command.arg("version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let program = ["go", "/usr/local/go/bin/go"].into_iter().find(|program| works(program));
    let Some(program) = program else {
        return Err(Error::Unsupported(
            "Kubernetes' programs are built with Go 1.21 or later, which is not there: install \
             golang-go (from Debian 13 on) or Go from go.dev; newer toolchains are fetched by it. \
             Or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl"
                .into(),
        ));
    };
    let mut go = Command::new(program);
    // Nothing of C in them: they run on whatever machine has the lab's folder.
    go.env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "auto").env("GOBIN", folder);
    Ok(go)
}

fn build(command: &mut Command, log: &Path, what: &str) -> Result<()> {
    let start = Instant::now();
    println!("tools: building {what} (up to ten minutes on two cores, once)");
    lab::watched(command, log, &format!("tools: {what}"))?;
    println!("tools: {what} took {} s", start.elapsed().as_secs());
    Ok(())
}
