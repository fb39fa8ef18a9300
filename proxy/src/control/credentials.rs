//! What proves to controllers who this proxy is, and to this proxy who they are.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::options::ControlOptions;
use super::site::Site;

/// A file that is larger than any of these ever is, is not read.
const LARGEST: u64 = 1024 * 1024;

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialError {
    /// A file.
    #[error("cannot read {path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// What is in them.
    #[error("the certificates cannot be used: {0}")]
    Tls(#[from] tonic::transport::Error),
}

/// Files, which are read anew for every stream: tokens and certificates are renewed.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    ca: Option<PathBuf>,
    token: Option<PathBuf>,
    own: Option<(PathBuf, PathBuf)>,
}

impl Credentials {
    /// Those that the flags name.
    ///
    /// # Errors
    /// What does not go together.
    pub(super) fn new(options: &ControlOptions, sites: &[Site]) -> Result<Self, String> {
        let made = Self {
            ca: options.controller_ca.clone(),
            token: options.controller_token_file.clone(),
            own: options.controller_cert.clone().zip(options.controller_key.clone()),
        };
        if sites.iter().any(|it| it.tls) && made.ca.is_none() {
            return Err("--controller with https:// needs --controller-ca".into());
        }
        // Whoever listens in could use a token as well.
        if made.token.is_some() && sites.iter().any(|it| !it.tls) {
            return Err("--controller-token-file needs --controller with https://".into());
        }
        Ok(made)
    }

    /// The way to one address of a site.
    pub(super) async fn endpoint(
        &self,
        site: &Site,
        addr: SocketAddr,
    ) -> Result<Endpoint, CredentialError> {
        let scheme = if site.tls { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{addr}"))?;
        let endpoint = endpoint.origin(site.uri.clone());
        let (true, Some(ca)) = (site.tls, &self.ca) else { return Ok(endpoint) };
        let mut tls = ClientTlsConfig::new()
            .domain_name(site.host.as_str())
            .ca_certificate(Certificate::from_pem(read(ca).await?));
        if let Some((cert, key)) = &self.own {
            tls = tls.identity(Identity::from_pem(read(cert).await?, read(key).await?));
        }
        Ok(endpoint.tls_config(tls)?)
    }

    /// The value of the header that proves who this is, if a token does.
    pub(super) async fn header(&self) -> Result<Option<MetadataValue<Ascii>>, CredentialError> {
        let Some(path) = &self.token else { return Ok(None) };
        let wrong = |why: &str| CredentialError::File { path: path.clone(), why: why.into() };
        let text = String::from_utf8(read(path).await?).map_err(|_| wrong("that is no token"))?;
        let value = format!("Bearer {}", text.trim()).parse::<MetadataValue<Ascii>>();
        let mut value = value.map_err(|_| wrong("that is no token"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, CredentialError> {
    let wrong = |why: String| CredentialError::File { path: path.to_owned(), why };
    let size = tokio::fs::metadata(path).await.map_err(|it| wrong(it.to_string()))?.len();
    if size > LARGEST {
        return Err(wrong(format!("it has more than {LARGEST} bytes")));
    }
    tokio::fs::read(path).await.map_err(|it| wrong(it.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> ControlOptions {
        ControlOptions {
            controller: Vec::new(),
            controller_ca: None,
            controller_token_file: None,
            controller_cert: None,
            controller_key: None,
            proxy_class: "default".into(),
        }
    }

    #[test]
    fn tokens_do_not_travel_unencrypted_and_controllers_prove_who_they_are() {
        let sites = |url| [Site::parse(url).unwrap()];
        let new = |options: &ControlOptions, url| Credentials::new(options, &sites(url));
        assert!(new(&options(), "http://a").is_ok());
        assert!(new(&options(), "https://a").unwrap_err().contains("--controller-ca"));
        let token = ControlOptions { controller_token_file: Some("t".into()), ..options() };
        assert!(new(&token, "http://a").unwrap_err().contains("https://"));
        let both = ControlOptions { controller_ca: Some("ca".into()), ..token };
        assert!(new(&both, "https://a").is_ok());
    }

    #[tokio::test]
    async fn a_renewed_token_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let credentials = Credentials { ca: None, token: Some(path.clone()), own: None };
        assert!(credentials.header().await.unwrap_err().to_string().contains("token"));
        for token in ["one", "two"] {
            std::fs::write(&path, format!("{token}\n")).unwrap();
            let header = credentials.header().await.unwrap().unwrap();
            assert_eq!(header.to_str().unwrap(), format!("Bearer {token}"));
        }
    }
}
