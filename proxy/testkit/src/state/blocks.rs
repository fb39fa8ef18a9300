//! Map blocks and node metadata (`mapblock.cpp`, `nodemetadata.cpp`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;

use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::wire::{Reader, WireError};

use super::names::Names;
use super::text::{self, Hand};

type Result<T> = std::result::Result<T, WireError>;

const NODES: usize = 4096;

fn broken<T>(what: &'static str) -> Result<T> {
    Err(WireError::Invalid { what, offset: 6 })
}

/// BLOCKDATA: where it is and what is in it.
pub(super) fn block(
    body: &[u8],
    names: &Names,
    version: ProtocolVersion,
) -> Result<([i16; 3], String)> {
    let mut r = Reader::new(body);
    let position = r.v3s16()?;
    let (header, nodes, list) =
        if version.0 >= 40 { format29(r.rest())? } else { format28(r.rest())? };
    // Flags, and which sides' light is complete: the latter changes as neighbours load.
    let mut out = format!("flags {:02x} widths {:?}\n", header[0], &header[3..5]);
    let mut run = (0, String::new());
    for index in 0..NODES {
        let id = u16::from_be_bytes([nodes[2 * index], nodes[2 * index + 1]]);
        let (light, param2) = (nodes[2 * NODES + index], nodes[3 * NODES + index]);
        let text = format!("{} {light:02x} {param2:02x}", names.node(id));
        if run.1 == text {
            run.0 += 1;
        } else {
            flush(&mut out, &run);
            run = (1, text);
        }
    }
    flush(&mut out, &run);
    out.push_str(&metadata(&list, false, names)?);
    Ok((position, out))
}

fn flush(out: &mut String, (count, text): &(u32, String)) {
    if *count > 0 {
        let _ = writeln!(out, "{count} × {text}");
    }
}

type Parts = ([u8; 5], Vec<u8>, Vec<u8>);

/// One zstd frame with everything, then a byte.
fn format29(data: &[u8]) -> Result<Parts> {
    let Ok(decoder) = zstd::stream::read::Decoder::with_buffer(data) else {
        return broken("zstd frame");
    };
    let mut decoder = decoder.single_frame();
    let mut all = Vec::new();
    if decoder.by_ref().take(64 << 20).read_to_end(&mut all).is_err() {
        return broken("zstd frame");
    }
    let mut r = Reader::new(&all);
    let header = r.take(5, "block header")?;
    let nodes = r.take(4 * NODES, "nodes")?.to_vec();
    Ok((header.try_into().or(broken("block header"))?, nodes, r.rest().to_vec()))
}

/// The header, two zlib streams one after the other, then a byte.
fn format28(data: &[u8]) -> Result<Parts> {
    let mut r = Reader::new(data);
    let header = r.take(5, "block header")?;
    let mut rest = r.rest();
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut decoder = flate2::bufread::ZlibDecoder::new(rest);
        let mut out = Vec::new();
        if decoder.by_ref().take(64 << 20).read_to_end(&mut out).is_err() {
            return broken("zlib stream");
        }
        let used = usize::try_from(decoder.total_in()).unwrap_or(rest.len());
        rest = rest.get(used..).unwrap_or_default();
        streams.push(out);
    }
    let list = streams.pop().unwrap_or_default();
    let nodes = streams.pop().unwrap_or_default();
    if nodes.len() != 4 * NODES {
        return broken("nodes");
    }
    Ok((header.try_into().or(broken("block header"))?, nodes, list))
}

/// A list of node metadata, entries in the order of their positions.
pub(super) fn metadata(list: &[u8], absolute: bool, names: &Names) -> Result<String> {
    let mut r = Reader::new(list);
    let version = r.u8()?;
    if version == 0 {
        return Ok(String::new());
    }
    let mut entries = BTreeMap::new();
    for _ in 0..r.u16()? {
        let position = if absolute { format!("{:?}", r.v3s16()?) } else { r.u16()?.to_string() };
        let mut variables = BTreeMap::new();
        for _ in 0..r.u32()? {
            let key = String::from_utf8_lossy(r.str16()?).into_owned();
            let value = String::from_utf8_lossy(r.str32()?).into_owned();
            let private = if version >= 2 { r.u8()? } else { 0 };
            variables.insert(key, (value, private));
        }
        let inventory = inventory_text(&mut r)?;
        let inventory = text::inventory(&inventory, names, &mut Hand::None);
        entries.insert(position, format!("{:?}\n{inventory}", resolve(variables, names)));
    }
    Ok(format!("metadata {version} {entries:?}"))
}

fn inventory_text(r: &mut Reader<'_>) -> Result<String> {
    const END: &[u8] = b"EndInventory\n";
    let rest = r.remaining();
    let Some(at) = rest.windows(END.len()).position(|part| part == END) else {
        return broken("inventory");
    };
    // `EndInventoryList` is another word: the line break tells.
    let text = r.take(at + END.len(), "inventory")?;
    // A node's list called `hand` is nothing special.
    Ok(String::from_utf8_lossy(text).replace("List hand ", "List  hand "))
}

/// The variables, with forms read as such: `formspec`, or what it points to with `${KEY}`, and
/// hypertext that a form points to.
fn resolve(
    variables: BTreeMap<String, (String, u8)>,
    names: &Names,
) -> BTreeMap<String, (String, u8)> {
    let mut out = variables.clone();
    let form_key = match variables.get("formspec") {
        Some((form, _)) => text::key(form).unwrap_or("formspec").to_owned(),
        None => return out,
    };
    let Some((form, private)) = variables.get(&form_key) else { return out };
    let (read, keys) = text::formspec(form, names);
    out.insert(form_key, (read, *private));
    for key in keys {
        if let Some((value, private)) = variables.get(&key) {
            out.insert(key, (text::hypertext(value, names), *private));
        }
    }
    out
}
