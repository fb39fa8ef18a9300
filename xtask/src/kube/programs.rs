//! etcd, kube-apiserver, kubectl and helm, kept in the lab's folder.
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
            unpack_etcd(&dir)?;
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

    /// helm, built when it is missing.
    ///
    /// # Errors
    /// As [`ensure`](Self::ensure).
    pub fn helm() -> Result<PathBuf> {
        let dir = tools()?;
        let folder = dir.join(format!("helm-{HELM}"));
        let program = folder.join("helm");
        if program.exists() {
            return Ok(program);
        }
        let _lock = lab::lock(&dir)?;
        let mut go = go(&folder)?;
        go.args(["install", "-trimpath", "-ldflags", "-s -w"]);
        go.arg(format!("helm.sh/helm/v3/cmd/helm@{HELM}"));
        build(&mut go, &dir.join("helm.log"), &format!("helm {HELM}"))?;
        Ok(program)
    }
}

fn tools() -> Result<PathBuf> {
    let dir = paths::lab()?.join("tools");
    std::fs::create_dir_all(&dir).map_err(Error::io(format!("making {}", dir.display())))?;
    Ok(dir)
}

/// Fetches Debian's package and unpacks it; nothing is installed on the machine.
fn unpack_etcd(dir: &Path) -> Result<()> {
    let root = dir.join("etcd");
    if root.join("usr/bin/etcd").exists() {
        return Ok(());
    }
    println!("tools: fetching Debian's etcd-server into {}", root.display());
    let fetched = dir.join("etcd.part");
    let _ = std::fs::remove_dir_all(&fetched);
    std::fs::create_dir_all(&fetched)
        .map_err(Error::io(format!("making {}", fetched.display())))?;
    let log = dir.join("etcd.log");
    let mut script = Command::new("sh");
    script.current_dir(&fetched);
    script.args(["-ec", "apt-get download etcd-server; dpkg-deb -x etcd-server_*.deb root"]);
    lab::watched(&mut script, &log, "tools: etcd").map_err(|error| {
        Error::Unsupported(format!(
            "etcd is needed for the API server: {error}\nIt is Debian's package etcd-server; \
             `apt-get update` may help. Or set KUBEBUILDER_ASSETS to a folder with etcd, \
             kube-apiserver and kubectl"
        ))
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
    println!("tools: building {what} (about ten minutes on two cores, once)");
    lab::watched(command, log, &format!("tools: {what}"))?;
    println!("tools: {what} took {} s", start.elapsed().as_secs());
    Ok(())
}
