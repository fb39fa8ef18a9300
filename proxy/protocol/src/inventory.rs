//! Item strings, inventories and the messages that carry them. All inventories are the same text
//! (`inventory.cpp`), on the wire as well as in block metadata.
//!
//! Rewriting touches item names and the textures in the metadata of items; every other byte is
//! kept, and so is what is not understood.

mod item;
mod lines;
mod list;
mod message;
mod word;

pub(crate) use item::rewrite_item;
pub(crate) use lines::end;
pub use list::{rewrite, with_hand};
pub use message::{DetachedInventory, InventoryMessage};
