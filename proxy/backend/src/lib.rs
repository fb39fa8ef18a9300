//! Entering a Luanti server as its client would: dial, agree on a protocol version, prove who one
//! is (registering on the first visit), and receive the definitions.
//!
//! It ends before CLIENT_READY: [`enter`] hands over a connection on which the server waits for
//! that message, so the caller decides whether the player really goes there. [`hello`] asks only
//! for the newest protocol version, and [`download`] fetches media on an entered connection.
//!
//! The crate knows nothing about players' connections, configuration or what the definitions say.
//! Giving up is always possible: a future that is dropped says goodbye to the server.
//!
//! ```no_run
//! # async fn example() -> Result<(), mesegate_backend::EnterError> {
//! use mesegate_backend::{Credentials, Dial, enter, leave};
//!
//! let address = "localhost:30000".parse()?;
//! let dial = Dial::new(address, "alice", Credentials::Secret("correct horse".into()));
//! let entered = enter(&dial).await?;
//! println!("protocol {}, {} bytes of nodes", entered.version, entered.definitions.node_def.len());
//! leave(entered.link);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod address;
mod dial;
mod download;
mod enter;
mod error;
mod hello;
mod talk;

pub use address::{Address, AddressError};
pub use dial::{Credentials, Dial};
pub use download::{DownloadLimits, Downloaded, download};
pub use enter::{Definitions, Entered, enter};
pub use error::{EnterError, Step};
pub use hello::hello;
pub use talk::leave;
