//! Definitions and media: what a client loads before it plays.
//!
//! Outer layers are read whole, definitions inside them lazily: [`FeaturesView`] and [`ItemView`]
//! find the names, texture strings and ids in one definition and replace them, copying all other
//! bytes, unknown ones at the end included.

mod announce;
pub mod compression;
pub mod features;
mod fields;
pub mod item;
mod items;
mod media;
mod nodes;
mod order;
mod push;

pub use announce::{AnnounceMedia, MEDIA_FILES_MAX, MEDIA_NAME_MAX};
pub use features::FeaturesView;
pub use fields::{Field, FieldKind};
pub use item::{ItemType, ItemView};
pub use items::{ItemDef, ItemDefs};
pub use media::{BUNCH_BYTES, MEDIA_FILE_MAX, Media, MediaFile, RequestMedia, bunches, frame};
pub use nodes::{NodeDef, NodeDefs, remap_connects_to};
pub use push::{HaveMedia, MediaPush, PushContent};
