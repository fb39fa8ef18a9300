//! The Helm chart, and the plain manifests that are made from it.

use std::path::PathBuf;
use std::process::Command;

use crate::kube::{Answer, Programs};
use crate::{Error, Result, paths};

/// What releases are called here; the names of all objects begin with it.
pub const RELEASE: &str = "mesegate";

/// The release of Kubernetes that templates are told of.
pub const KUBERNETES: &str = "1.36.0";

/// Where [`manifests`] are installed.
const NAMESPACE: &str = "mesegate";

/// The chart's folder.
pub fn folder() -> PathBuf {
    paths::workspace().join("charts/mesegate")
}

/// The package of the last version before the chart's own, as its users have it.
pub fn previous() -> PathBuf {
    paths::workspace().join("xtask/kube/previous/mesegate-0.1.0.tgz")
}

/// Where the plain manifests are.
pub fn manifests_file() -> PathBuf {
    paths::workspace().join("deploy/install.yaml")
}

/// Runs helm with a text on its standard input; `--values -` reads it.
///
/// # Errors
/// When helm cannot be had or started. A command that fails is no error.
pub fn helm(arguments: &[&str], input: &str) -> Result<Answer> {
    Answer::of(Command::new(Programs::helm()?).args(arguments), input)
}

/// What the chart makes of these values (YAML) in a namespace. Values that it refuses are a failed
/// answer.
///
/// # Errors
/// As [`helm`].
pub fn render(namespace: &str, values: &str) -> Result<Answer> {
    render_for(KUBERNETES, namespace, values)
}

/// The same for a release of Kubernetes, such as `1.30.0`.
///
/// # Errors
/// As [`helm`].
pub fn render_for(kubernetes: &str, namespace: &str, values: &str) -> Result<Answer> {
    let folder = folder();
    let folder = folder.to_string_lossy();
    let place = ["--namespace", namespace, "--kube-version", kubernetes];
    helm(&[&["template", RELEASE, &folder, "--values", "-"], &place[..]].concat(), values)
}

/// The text of the plain manifests.
///
/// # Errors
/// As [`helm`], and when the chart cannot be rendered.
pub fn manifests() -> Result<String> {
    // A certificate in a file that everybody has would be no secret.
    let values = "controller: { tls: { mode: secret, secretName: mesegate-control-tls } }\n";
    let answer = render(NAMESPACE, values)?;
    if !answer.success {
        return Err(Error::Failed {
            what: "helm template".into(),
            status: "refused".into(),
            output: answer.complaints,
        });
    }
    Ok(format!(
        "# Made by `cargo xtask generate` from charts/mesegate with its default values; do not edit.\n\
         #\n\
         # Before it, make the certificate of the address that proxies connect to:\n\
         #\n\
         #   kubectl create namespace {NAMESPACE}\n\
         #   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \\\n\
         #     -keyout ca.key -out ca.crt -subj /CN=mesegate-ca\n\
         #   openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \\\n\
         #     -keyout tls.key -out tls.csr -subj /CN=mesegate-controller\n\
         #   printf subjectAltName=DNS:mesegate-controller.{NAMESPACE}.svc,DNS:mesegate-controller \\\n\
         #     > names\n\
         #   openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 \\\n\
         #     -extfile names -out tls.crt\n\
         #   kubectl -n {NAMESPACE} create secret generic mesegate-control-tls \\\n\
         #     --from-file=tls.crt --from-file=tls.key --from-file=ca.crt\n\
         {}",
        answer.output
    ))
}
