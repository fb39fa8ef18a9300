//! `mesegate-proxy mod-token`: what a server's mod proves itself with.

use mesegate_auth::BackendKey;
use mesegate_resource::Name;

use crate::app::RunError;
use crate::cli::ModTokenOptions;

/// The secret of the mod on a server, for its configuration file. Makes the proxy's key if there is
/// none yet.
///
/// # Errors
/// When there can be no server of that name, or the data folder cannot be used.
pub fn mod_token(options: &ModTokenOptions) -> Result<String, RunError> {
    let wrong = || RunError::Option(format!("{:?} is no server's name", options.server));
    let server = Name::new(&options.server).ok_or_else(wrong)?;
    let data = |error| RunError::Data { path: options.data.clone(), error };
    std::fs::create_dir_all(&options.data).map_err(data)?;
    let key = BackendKey::load_or_create(&options.data)?;
    Ok(key.mod_token(server.as_str()).reveal().to_owned())
}
