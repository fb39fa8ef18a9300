//! etcd, kube-apiserver, kubectl, helm and grpcurl, kept in the lab's folder.
//!
//! etcd is Debian's package, unpacked without being installed. The others are built from the Go
//! module proxy at the versions of `xtask/kube/tools/go.mod`, whose checksums are in `go.sum`
//! beside it; that takes about ten minutes on two cores, once. `KUBEBUILDER_ASSETS` names a folder
//! with etcd, kube-apiserver and kubectl that are used instead.

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
            let _lock = lab::lock(&dir)?;
            unpack(&dir, "etcd", "etcd-server").map_err(|error| {
                Error::Unsupported(format!(
                    "etcd is needed for the API server: {error}\nOr set KUBEBUILDER_ASSETS to a \
                     folder with etcd, kube-apiserver and kubectl"
                ))
            })?;
        }
        if !programs.api_server.exists() || !programs.kubectl.exists() {
            let _lock = lab::lock(&dir)?;
            build_kubernetes(&dir, &kube)?;
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
            let _lock = lab::lock(&dir)?;
            unpack(&dir, "faketime", "libfaketime")?;
        }
        Ok(library)
    }

    /// Where a package of Debian is unpacked, together with everything that it needs and this
    /// machine does not have.
    ///
    /// # Errors
    /// When they cannot be fetched.
    pub fn packages(folder: &str, package: &str) -> Result<PathBuf> {
        let dir = tools()?;
        let root = dir.join(folder);
        if !root.exists() {
            let _lock = lab::lock(&dir)?;
            fetch(&dir, folder, WITH_DEPENDENCIES, package)?;
        }
        Ok(root)
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

/// A program that is one package of a Go module.
fn installed(name: &str, package: &str, version: &str) -> Result<PathBuf> {
    let dir = tools()?;
    let folder = dir.join(format!("{name}-{version}"));
    let program = folder.join(name);
    if !program.exists() {
        let _lock = lab::lock(&dir)?;
        let mut go = go(&folder)?;
        go.args(["install", "-trimpath", "-ldflags", "-s -w"]);
        go.arg(format!("{package}@{version}"));
        build(&mut go, &dir.join(format!("{name}.log")), &format!("{name} {version}"))?;
    }
    Ok(program)
}

fn tools() -> Result<PathBuf> {
    let dir = paths::lab()?.join("tools");
    std::fs::create_dir_all(&dir).map_err(Error::io(format!("making {}", dir.display())))?;
    Ok(dir)
}

/// Fetches a package of Debian and unpacks it into `folder`; nothing is installed on the machine.
fn unpack(dir: &Path, folder: &str, package: &str) -> Result<()> {
    fetch(dir, folder, ALONE, package)
}

/// What a shell does in an empty folder to get a package, `$1`, into `root`.
const ALONE: &str = "apt-get download \"$1\"; dpkg-deb -x \"$1\"_*.deb root";
const WITH_DEPENDENCIES: &str = "mkdir -p debs/partial; apt-get install --yes --download-only \
     --no-install-recommends -o Debug::NoLocking=1 -o Dir::Cache::archives=\"$PWD/debs\" \"$1\"; \
     for deb in debs/*.deb; do dpkg-deb -x \"$deb\" root; done";

fn fetch(dir: &Path, folder: &str, script: &str, package: &str) -> Result<()> {
    let root = dir.join(folder);
    if root.exists() {
        return Ok(());
    }
    println!("tools: fetching Debian's {package} into {}", root.display());
    let fetched = dir.join(format!("{folder}.part"));
    let _ = std::fs::remove_dir_all(&fetched);
    std::fs::create_dir_all(&fetched)
        .map_err(Error::io(format!("making {}", fetched.display())))?;
    let log = dir.join(format!("{folder}.log"));
    let mut shell = Command::new("sh");
    shell.current_dir(&fetched).args(["-ec", script, "sh", package]);
    lab::watched(&mut shell, &log, &format!("tools: {folder}")).map_err(|error| {
        Error::Unsupported(format!("{error}\n{package} is of Debian; `apt-get update` may help"))
    })?;
    let unpacked = fetched.join("root");
    std::fs::rename(&unpacked, &root)
        .map_err(Error::io(format!("moving {}", unpacked.display())))?;
    let _ = std::fs::remove_dir_all(&fetched);
    Ok(())
}

fn build_kubernetes(dir: &Path, folder: &Path) -> Result<()> {
    if folder.join("kube-apiserver").exists() && folder.join("kubectl").exists() {
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
    go.args(["install", "-mod=readonly", "-trimpath", "-ldflags", &flags, "tool"]);
    let what = format!("kube-apiserver and kubectl {KUBERNETES}");
    build(&mut go, &dir.join("kube.log"), &what)
}

/// Go, which puts what it builds into `folder`.
fn go(folder: &Path) -> Result<Command> {
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
