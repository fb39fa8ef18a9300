//! The admin interface: what operators and their programs see and order, over gRPC.
//!
//! The `.proto` files of `mesegate-proto` say what each call means. A call passes the same stations
//! whatever it is: who is it ([`access`]), what are they allowed ([`verb`]), until when ([`call`]),
//! was it made before ([`repeats`]); then one of the services does it, and what it changed is
//! written down. What there is to see and to order is a [`Network`]: one proxy's, or that of all
//! proxies of a cluster.
#![forbid(unsafe_code)]

mod access;
mod authority;
mod bans;
mod call;
mod errand;
mod failure;
mod files;
mod incoming;
mod metrics;
mod moves;
mod network;
mod options;
mod page;
mod players;
mod proxies;
mod repeats;
mod select;
mod serve;
mod servers;
mod tls;
mod verb;
mod watch;
mod work;

pub use access::{ProxyTokens, TokensError};
pub use authority::{Account, Authority, Permissions};
pub use call::audit;
pub use errand::{Errander, Errands};
pub use failure::Failure;
pub use files::follow_certificate;
pub use incoming::{Connection, Peer, accept};
pub use metrics::Metrics;
pub use moves::{Plan, Tally};
pub use network::{
    BanKey, Change, Changes, Ended, Kick, Move, Moved, Network, NewBan, Page, Signal,
};
pub use options::{AdminOptions, CertificateFiles};
pub use players::server_of;
pub use repeats::{Key, Outcome, Repeats, Turn, request_id};
pub use select::Selection;
pub use serve::{Admin, AdminError};
pub use tls::{Tls, TlsError};
pub use verb::{Role, Verb};
pub use work::Work;
