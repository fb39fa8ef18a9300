//! A cluster with the definitions applied.

#![allow(dead_code)] // every test program uses a part of it

use std::path::PathBuf;
use std::time::Duration;

use xtask::kube::{Answer, Cluster};
use xtask::{chart, paths, wait};

/// Starts a cluster and applies `deploy/crds` twice: as new ones, and once more with server-side
/// apply, without a single warning.
pub(crate) fn cluster() -> Cluster {
    let cluster = Cluster::start().unwrap();
    if !cluster.is_own() {
        clean(&cluster);
    }
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

/// What earlier tests left in a cluster that is not ours.
fn clean(cluster: &Cluster) {
    for kind in ["mts", "mtg", "mtp", "mtb"] {
        // No such kind, the first time.
        cluster.kubectl(&["delete", kind, "--all"]).unwrap();
    }
    let others = ["lease/mesegate-controller", "service/cloud", "endpointslice/cloud-1"];
    let answer = cluster.kubectl(&[&["delete", "--ignore-not-found"], &others[..]].concat());
    assert!(answer.unwrap().success);
}

/// A kubeconfig with the rights that the chart gives a controller, and no others.
pub(crate) fn controller_rights(cluster: &Cluster) -> PathBuf {
    let answer = chart::render("default", "{}").unwrap();
    assert!(answer.success, "{answer:?}");
    for part in answer.output.split("\n---\n") {
        if part.contains("templates/controller/rbac.yaml") {
            applied(cluster, part);
        }
    }
    let token = cluster.kubectl(&["create", "token", "mesegate-controller"]).unwrap();
    assert!(token.success, "{token:?}");
    cluster.kubeconfig_of("controller", token.output.trim()).unwrap()
}

/// Makes a service account with roles; gives a token of it for an audience, or for the API server.
pub(crate) fn account(cluster: &Cluster, name: &str, roles: &[&str], audience: &str) -> String {
    let run = |words: &[&str]| {
        let answer = cluster.kubectl(words).unwrap();
        assert!(answer.success, "{answer:?}");
        answer.output.trim().to_owned()
    };
    run(&["create", "serviceaccount", name]);
    let subject = format!("--serviceaccount=default:{name}");
    for (number, role) in roles.iter().enumerate() {
        run(&["create", "rolebinding", &format!("{name}-{number}"), role, &subject]);
    }
    let audience = format!("--audience={audience}");
    let more: &[&str] = if audience.ends_with('=') { &[] } else { &[&audience] };
    run(&[&["create", "token", name], more].concat())
}
