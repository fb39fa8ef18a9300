//! Flags that lead to controllers.

use std::path::PathBuf;

use clap::Args;

/// Flags that lead to controllers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Controller")]
pub struct ControlOptions {
    /// URL of a controller that gives the documents instead, such as https://controller:7443. All
    /// addresses of the host are used, one stream each; can be given several times. The documents
    /// that were good last are kept in the data folder
    #[arg(long, env = "MESEGATE_CONTROLLER", value_name = "URL", value_delimiter = ',')]
    pub controller: Vec<String>,

    /// Certificates (PEM) of the authorities that vouch for the controller; needed for https://
    #[arg(long, env = "MESEGATE_CONTROLLER_CA", value_name = "FILE")]
    pub controller_ca: Option<PathBuf>,

    /// Token that proves to the controller who this proxy is; read anew for every stream
    #[arg(long, env = "MESEGATE_CONTROLLER_TOKEN_FILE", value_name = "FILE")]
    pub controller_token_file: Option<PathBuf>,

    /// Client certificate (PEM) that proves it instead
    #[arg(
        long,
        env = "MESEGATE_CONTROLLER_CERT",
        value_name = "FILE",
        requires = "controller_key"
    )]
    pub controller_cert: Option<PathBuf>,

    /// Private key (PEM) of that certificate
    #[arg(
        long,
        env = "MESEGATE_CONTROLLER_KEY",
        value_name = "FILE",
        requires = "controller_cert"
    )]
    pub controller_key: Option<PathBuf>,

    /// Name of the MinetestProxy object whose settings a controller gives to this proxy
    #[arg(long, env = "MESEGATE_PROXY_CLASS", default_value = "default", value_name = "NAME")]
    pub proxy_class: String,
}
