//! Process settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{CommandFactory as _, Parser};
use mesegate_admin::{AdminOptions, CertificateFiles};
use mesegate_telemetry::TelemetryOptions;

use crate::janitor::Retention;

/// Gives the custom resources of a namespace to Mesegate's proxies.
#[derive(Debug, Clone, Parser)]
#[command(name = "mesegate-controller", version, about, max_term_width = 100)]
pub struct Options {
    /// Address for proxies (gRPC). Other addresses than those of this machine need --tls-cert and
    /// --tls-key; proxies then have to prove who they are
    #[arg(
        long,
        env = "MESEGATE_CONTROL_LISTEN",
        default_value = "127.0.0.1:7443",
        value_name = "ADDR"
    )]
    pub listen: SocketAddr,

    /// Certificate chain (PEM) of --listen; renewed files are picked up while running
    #[arg(long, env = "MESEGATE_CONTROL_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Private key (PEM) of that certificate
    #[arg(long, env = "MESEGATE_CONTROL_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Certificates (PEM) of the authorities whose client certificates are those of proxies; they
    /// need no token
    #[arg(
        long,
        env = "MESEGATE_CONTROL_TLS_CLIENT_CA",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_client_ca: Option<PathBuf>,

    /// File with the tokens of proxies, instead of those of ServiceAccounts; edits are picked up
    /// while running
    #[arg(long, env = "MESEGATE_CONTROL_TOKENS", value_name = "FILE", requires = "tls_cert")]
    pub tokens: Option<PathBuf>,

    /// How long a MinetestBan stays after its end before it is deleted, such as 24h, or forever
    #[arg(
        long,
        env = "MESEGATE_BAN_RETENTION",
        default_value = "24h",
        value_name = "TIME",
        value_parser = Retention::parse
    )]
    pub ban_retention: Retention,

    /// Run the servers of MinetestServer objects that have `managed`: make StatefulSets, Services,
    /// ConfigMaps and volumes for them
    #[arg(long, env = "MESEGATE_MANAGED_SERVERS")]
    pub managed_servers: bool,

    /// Namespace of the objects [default: that of the kubeconfig or of the pod]
    #[arg(long, env = "MESEGATE_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,

    /// Name of the Lease whose holder writes statuses
    #[arg(
        long,
        env = "MESEGATE_LEASE",
        default_value = "mesegate-controller",
        value_name = "NAME"
    )]
    pub lease: String,

    /// What this replica is called in the Lease [default: HOSTNAME and the process id]
    #[arg(long, env = "MESEGATE_POD", value_name = "NAME")]
    pub pod: Option<String>,

    /// HTTP address for /livez, /readyz and /metrics
    #[arg(long, env = "MESEGATE_HTTP", default_value = "127.0.0.1:9091", value_name = "ADDR")]
    pub http: SocketAddr,

    /// The admin interface.
    #[command(flatten)]
    pub admin: AdminOptions,

    /// Accounts of the cluster may use the admin interface, as its roles say, with tokens for the
    /// audience mesegate
    #[arg(long, env = "MESEGATE_ADMIN_ACCOUNTS", help_heading = "Admin interface")]
    pub admin_accounts: bool,

    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryOptions,
}

/// Everything that can be typed, for the manual.
pub fn command() -> clap::Command {
    Options::command()
}

impl Options {
    /// Where the certificate of the address for proxies is, if it has one.
    pub fn certificate(&self) -> Option<CertificateFiles<'_>> {
        Some(CertificateFiles {
            chain: self.tls_cert.as_deref()?,
            key: self.tls_key.as_deref()?,
            client_ca: self.tls_client_ca.as_deref(),
        })
    }

    /// What this replica is called.
    pub fn identity(&self) -> String {
        self.pod.clone().unwrap_or_else(|| {
            let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "controller".into());
            format!("{host}-{}", std::process::id())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_on_loopback() {
        let options = Options::try_parse_from(["mesegate-controller"]).unwrap();
        assert!(options.listen.ip().is_loopback() && options.http.ip().is_loopback());
        assert!(!options.identity().is_empty());
    }
}
