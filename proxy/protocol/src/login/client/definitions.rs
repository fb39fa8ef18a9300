//! Collecting what a server sends between INIT2 and CLIENT_READY.

use bytes::Bytes;

use super::{AuthAccept, Outcome, Received, body_of};
use crate::login::Step;
use crate::{ProtocolVersion, split_command, to_client};

/// INIT2 was sent.
#[derive(Debug)]
pub struct AwaitDefinitions {
    version: ProtocolVersion,
    registered: bool,
    accept: AuthAccept,
    items: Option<Bytes>,
    nodes: Option<Bytes>,
    media: Option<Bytes>,
}

impl AwaitDefinitions {
    pub(super) fn new(version: ProtocolVersion, registered: bool, accept: AuthAccept) -> Self {
        Self { version, registered, accept, items: None, nodes: None, media: None }
    }

    /// Waits for ITEMDEF, NODEDEF and ANNOUNCE_MEDIA, in any order. One that comes twice replaces
    /// the first, as in the engine client.
    pub fn on_message(mut self, message: &Bytes) -> Outcome<Self, Entered> {
        let slot = match split_command(message) {
            Some((to_client::ITEMDEF, _)) => &mut self.items,
            Some((to_client::NODEDEF, _)) => &mut self.nodes,
            Some((to_client::ANNOUNCE_MEDIA, _)) => &mut self.media,
            _ => {
                // Nothing here is waited for under this command; refusals still end the login.
                return match body_of(message, to_client::ITEMDEF)? {
                    Received::Other => Ok(Step::PassOn(self)),
                    Received::Wanted(_) | Received::Ignored => Ok(Step::Stay(self)),
                };
            }
        };
        *slot = Some(message.slice(2..));
        let Self { version, registered, accept, items, nodes, media } = self;
        match (items, nodes, media) {
            (Some(item_def), Some(node_def), Some(announce_media)) => Ok(Step::Next(Entered {
                version,
                registered,
                accept,
                item_def,
                node_def,
                announce_media,
            })),
            (items, nodes, media) => {
                Ok(Step::Stay(Self { version, registered, accept, items, nodes, media }))
            }
        }
    }
}

/// Everything is there that a client needs before it may send CLIENT_READY.
#[derive(Debug, Clone)]
pub struct Entered {
    /// Version of this connection.
    pub version: ProtocolVersion,
    /// The login made the account.
    pub registered: bool,
    /// What the server said on accepting.
    pub accept: AuthAccept,
    /// Body of ITEMDEF.
    pub item_def: Bytes,
    /// Body of NODEDEF.
    pub node_def: Bytes,
    /// Body of ANNOUNCE_MEDIA.
    pub announce_media: Bytes,
}
