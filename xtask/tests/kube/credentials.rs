//! Tokens of service accounts with a time of our choice: the API server gives out none that are
//! over soon.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use xtask::kube::Cluster;

use crate::support::get;

/// Signs tokens as the API server does.
pub(crate) struct Signer {
    key: PathBuf,
    account: String,
    uid: String,
}

impl Signer {
    /// For an account of a cluster of ours.
    pub(crate) fn new(cluster: &Cluster, account: &str) -> Self {
        let uid = get(cluster, &["serviceaccount", account, "-o=jsonpath={.metadata.uid}"]);
        let key = cluster.service_account_key().unwrap();
        Self { key, account: account.into(), uid }
    }

    /// A token that is over in so many seconds, for the audience `mesegate`.
    pub(crate) fn token(&self, seconds: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let claims = json!({
            "aud": ["mesegate"],
            "iss": "https://kubernetes.default.svc",
            "sub": format!("system:serviceaccount:default:{}", self.account),
            "iat": now - 3600,
            "nbf": now - 3600,
            "exp": now + seconds,
            "kubernetes.io": {
                "namespace": "default",
                "serviceaccount": { "name": self.account, "uid": self.uid },
            },
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = part(&json!({"alg": "RS256", "typ": "JWT"})) + "." + &part(&claims);
        let mut openssl = Command::new("openssl")
            .args(["dgst", "-sha256", "-sign"])
            .arg(&self.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        openssl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = openssl.wait_with_output().unwrap();
        assert!(output.status.success());
        text + "." + &URL_SAFE_NO_PAD.encode(output.stdout)
    }
}
