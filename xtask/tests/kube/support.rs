//! A cluster with the definitions applied.

use std::time::Duration;

use xtask::kube::{Answer, Cluster};
use xtask::{paths, wait};

/// Starts a cluster and applies `deploy/crds` twice: as new ones, and once more with server-side
/// apply, without a single warning.
pub(crate) fn cluster() -> Cluster {
    let cluster = Cluster::start().unwrap();
    let folder = paths::workspace().join("deploy/crds");
    let folder = folder.to_str().unwrap();
    for more in [&["--warnings-as-errors"][..], &["--server-side", "--force-conflicts"]] {
        let answer = cluster.kubectl(&[&["apply", "-f", folder], more].concat()).unwrap();
        assert!(answer.success && answer.complaints.is_empty(), "{answer:?}");
    }
    let waited = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
    let established = wait::until(Duration::from_secs(30), || {
        cluster.kubectl(&waited).unwrap().success.then_some(())
    });
    assert!(established.is_some());
    cluster
}

/// Applies a text; what is refused is a failed answer.
pub(crate) fn apply(cluster: &Cluster, text: &str) -> Answer {
    cluster.kubectl_with(&["apply", "--validate=strict", "-f", "-"], text).unwrap()
}

/// Applies a text that has to be taken without a warning.
pub(crate) fn applied(cluster: &Cluster, text: &str) {
    let answer = apply(cluster, text);
    assert!(answer.success && answer.complaints.is_empty(), "{answer:?}\n{text}");
}

/// What kubectl prints for these arguments.
pub(crate) fn get(cluster: &Cluster, arguments: &[&str]) -> String {
    let answer = cluster.kubectl(&[&["get"], arguments].concat()).unwrap();
    assert!(answer.success, "{answer:?}");
    answer.output
}
