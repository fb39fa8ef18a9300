//! Item strings, inventories and the messages that carry them. All inventories are the same text
//! (`inventory.cpp`), on the wire as well as in block metadata.
//!
//! Rewriting works line by line and touches item names only; what is not understood is kept.

mod item;
mod list;
mod message;

pub use item::ItemString;
pub use list::{map_items, with_hand};
pub use message::{DetachedInventory, InventoryMessage};
