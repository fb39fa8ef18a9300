//! Flags of the admin interface.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

/// Flags of the admin interface.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Admin interface")]
pub struct AdminOptions {
    /// TCP address of the admin interface (gRPC); off when not given. Other addresses than those of
    /// this machine need --admin-tokens
    #[arg(long, env = "MESEGATE_ADMIN", value_name = "ADDR")]
    pub admin: Option<SocketAddr>,

    /// File that says who may use the admin interface; edits are picked up while running
    #[arg(long, env = "MESEGATE_ADMIN_TOKENS", value_name = "FILE")]
    pub admin_tokens: Option<PathBuf>,

    /// Certificate chain (PEM) of the admin interface; renewed files are picked up while running
    #[arg(long, env = "MESEGATE_ADMIN_TLS_CERT", value_name = "FILE")]
    pub admin_tls_cert: Option<PathBuf>,

    /// Private key (PEM) of that certificate
    #[arg(long, env = "MESEGATE_ADMIN_TLS_KEY", value_name = "FILE")]
    pub admin_tls_key: Option<PathBuf>,

    /// Certificates (PEM) of the authorities whose client certificates are believed; which of them
    /// may do what is in --admin-tokens
    #[arg(long, env = "MESEGATE_ADMIN_TLS_CLIENT_CA", value_name = "FILE")]
    pub admin_tls_client_ca: Option<PathBuf>,

    /// Whether the admin interface describes itself to tools such as grpcurl
    #[arg(long, env = "MESEGATE_ADMIN_REFLECTION", value_name = "BOOL", default_value_t = true,
          action = clap::ArgAction::Set)]
    pub admin_reflection: bool,
}

/// Where the server's own certificate is.
#[derive(Debug, Clone, Copy)]
pub struct CertificateFiles<'a> {
    /// Certificate chain (PEM).
    pub chain: &'a Path,
    /// Private key (PEM).
    pub key: &'a Path,
    /// Authorities (PEM) whose client certificates are believed.
    pub client_ca: Option<&'a Path>,
}

impl AdminOptions {
    /// The address to listen on, if any. `authority` tells whether there are other credentials
    /// than those in files.
    ///
    /// # Errors
    /// What does not go together.
    pub(crate) fn check(&self, authority: bool) -> Result<Option<SocketAddr>, &'static str> {
        let Some(addr) = self.admin else { return Ok(None) };
        if self.admin_tls_cert.is_some() != self.admin_tls_key.is_some() {
            return Err("--admin-tls-cert and --admin-tls-key need each other");
        }
        if self.admin_tls_client_ca.is_some() {
            if self.admin_tls_cert.is_none() {
                return Err("--admin-tls-client-ca needs --admin-tls-cert and --admin-tls-key");
            }
            if self.admin_tokens.is_none() {
                return Err("--admin-tls-client-ca needs --admin-tokens, which says what each \
                            certificate may do");
            }
        }
        if self.admin_tokens.is_none() && !authority && !addr.ip().is_loopback() {
            return Err("--admin with an address that others can reach needs --admin-tokens (a \
                        controller: or --admin-accounts); write for example --admin \
                        127.0.0.1:9091 to do without");
        }
        Ok(Some(addr))
    }

    pub(crate) fn certificate(&self) -> Option<CertificateFiles<'_>> {
        Some(CertificateFiles {
            chain: self.admin_tls_cert.as_deref()?,
            key: self.admin_tls_key.as_deref()?,
            client_ca: self.admin_tls_client_ca.as_deref(),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        admin: AdminOptions,
    }

    fn check(flags: &[&str]) -> Result<Option<SocketAddr>, &'static str> {
        let all = ["program"].iter().chain(flags);
        Program::try_parse_from(all).unwrap().admin.check(false)
    }

    #[test]
    fn strangers_are_never_let_in_without_credentials() {
        assert_eq!(check(&[]), Ok(None));
        assert!(check(&["--admin", "127.0.0.1:1"]).is_ok());
        assert!(check(&["--admin", "[::1]:1"]).is_ok());
        for addr in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1"] {
            assert!(check(&["--admin", addr]).unwrap_err().contains("--admin-tokens"));
            assert!(check(&["--admin", addr, "--admin-tokens", "x"]).is_ok());
        }
    }

    #[test]
    fn flags_that_need_each_other_say_so() {
        let admin = ["--admin", "127.0.0.1:1"];
        let with = |more: &[&str]| check(&[&admin[..], more].concat());
        assert!(with(&["--admin-tls-cert", "x"]).unwrap_err().contains("--admin-tls-key"));
        assert!(with(&["--admin-tls-client-ca", "x"]).unwrap_err().contains("--admin-tls-cert"));
        let tls = ["--admin-tls-cert", "x", "--admin-tls-key", "x", "--admin-tls-client-ca", "x"];
        assert!(with(&tls).unwrap_err().contains("--admin-tokens"));
    }
}
