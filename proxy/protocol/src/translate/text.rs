//! Messages whose names are in text: forms, inventories, node metadata.

use crate::content::compression::{zlib_compress, zlib_decompress};
use crate::editor::Editor;
use crate::map::metadata;
use crate::version::ProtocolVersion;
use crate::wire::Result;
use crate::{NameMap, formspec, inventory};

/// Decompressed NODEMETA_CHANGED are at most this large, in bytes.
const METADATA_MAX: usize = 4 * 1024 * 1024;

/// SHOW_FORMSPEC and INVENTORY_FORMSPEC.
pub(super) fn form(edit: &mut Editor<'_>, names: &NameMap) -> Result<()> {
    edit.str32(|form| formspec::rewrite(form, names))
}

/// FORMSPEC_PREPEND; left out if it gets too long.
pub(super) fn prepend(edit: &mut Editor<'_>, names: &NameMap) -> Result<()> {
    edit.str16(|form| formspec::rewrite(form, names))
}

/// INVENTORY, with a hand of the backend's own if the client's is another one.
pub(super) fn inventory(
    edit: &mut Editor<'_>,
    names: &NameMap,
    version: ProtocolVersion,
) -> Result<()> {
    let rewrite = |text: &[u8]| {
        let new = inventory::rewrite(text, names);
        let Some(hand) = names.hand() else { return new };
        let with = inventory::with_hand(new.as_deref().unwrap_or(text), hand);
        (with != text).then_some(with)
    };
    if version.framed_inventory() {
        return edit.str32(rewrite);
    }
    edit.rest(rewrite);
    Ok(())
}

/// DETACHED_INVENTORY.
pub(super) fn detached_inventory(edit: &mut Editor<'_>, names: &NameMap) -> Result<()> {
    edit.read().str16()?; // name
    if edit.read().bool()? {
        // The length before the text wraps at 65 536, so nobody uses it.
        edit.rest(|rest| {
            let new = inventory::rewrite(rest.get(2..)?, names)?;
            Some([&(new.len() as u16).to_be_bytes()[..], &new].concat())
        });
    }
    Ok(())
}

/// NODEMETA_CHANGED: one zlib stream in every version.
///
/// # Errors
/// It is over [`METADATA_MAX`], or cannot be read.
pub(super) fn node_metadata(edit: &mut Editor<'_>, names: &NameMap) -> Result<()> {
    let mut result = Ok(());
    edit.str32(|stream| {
        let new = zlib_decompress(stream, METADATA_MAX)
            .and_then(|list| metadata::rewrite(&list, true, names))
            .and_then(|new| new.map(|list| zlib_compress(&list)).transpose());
        new.unwrap_or_else(|error| {
            result = Err(error);
            None
        })
    })?;
    result
}
