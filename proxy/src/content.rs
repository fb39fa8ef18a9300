//! `mesegate-proxy content`: what clients are given, from the store on disk.

use std::fmt::Write as _;
use std::sync::Arc;

use mesegate_backend::Credentials;
use mesegate_content::{ContentReport, ContentStore, PartReport, Share, offline_report};
use mesegate_protocol::ProtocolVersion;

use crate::app::{RunError, server_specs};
use crate::cli::ContentOptions;
use crate::resource;

/// Renamed things that the table shows for each server.
const SHOWN: usize = 20;

/// What clients of a version and language get, as text: a table, or JSON. Needs no running proxy
/// and does not disturb one.
///
/// # Errors
/// When the documents or the data folder cannot be read.
pub fn content(options: &ContentOptions) -> Result<String, RunError> {
    let network = resource::load(&options.resources)?;
    let folder = options.data.join("content");
    // Looked at first, because opening a store makes what is missing.
    std::fs::metadata(&folder).map_err(|error| RunError::Data { path: folder.clone(), error })?;
    let store = Arc::new(ContentStore::open(&folder)?);
    let specs = server_specs(&network, None, |_| Credentials::Empty);
    let version = options.version.map(ProtocolVersion);
    let report = offline_report(&store, &specs, version, &options.language);
    if options.json {
        let json = serde_json::to_string_pretty(&report);
        return json.map_err(|error| RunError::Option(format!("cannot write JSON: {error}")));
    }
    Ok(table(&report))
}

fn table(report: &ContentReport) -> String {
    let language = if report.language.is_empty() { "none" } else { report.language.as_str() };
    let ContentReport { version, nodes, items, media, media_bytes, .. } = report;
    let mut text = format!(
        "Protocol {version}, language {language}: {nodes} nodes, {items} items, {media} files of \
         {} in all.\nshared: others have it as well; renamed: clients know it under another name.\n\n",
        size(*media_bytes)
    );
    let mut rows = vec![
        ["SERVER", "SPEAKS", "NODES", "ITEMS", "MEDIA", "OWN MEDIA", "IDS MOVED", "REWRITTEN"]
            .map(str::to_owned),
    ];
    rows.extend(report.parts.iter().map(row));
    write_rows(&mut text, &rows);
    for part in report.parts.iter().filter(|part| part.renamed_total > 0) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n{}: {} renamed", part.name, part.renamed_total);
        for renamed in part.renamed.iter().take(SHOWN) {
            let _ = writeln!(text, "  {renamed}");
        }
        if part.renamed_total > SHOWN {
            let _ = writeln!(text, "  … and {} more", part.renamed_total - SHOWN);
        }
    }
    for part in &report.parts {
        for (count, what) in [
            (part.illegal_files, "have names that no client accepts"),
            (part.undelivered_files, "were announced but not delivered, or are too large"),
            (part.dropped_files, "are not sent: another server's go by a name that cannot change"),
        ] {
            if count > 0 {
                let _ = writeln!(text, "\n{}: {count} files {what}", part.name);
            }
        }
    }
    for out in &report.left_out {
        let _ = writeln!(text, "\n{}: left out: {}", out.server, out.reason);
    }
    text
}

fn row(part: &PartReport) -> [String; 8] {
    let servers = part.servers.join(",");
    let name = if servers == part.name { servers } else { format!("{} ({servers})", part.name) };
    [
        name,
        part.newest.to_string(),
        share(&part.nodes),
        share(&part.items),
        share(&part.media),
        size(part.media.own_bytes),
        format!("{} of {}", part.ids_moved, part.ids_kept + part.ids_moved),
        if part.identity { "no".into() } else { "yes".into() },
    ]
}

fn share(share: &Share) -> String {
    let Share { total, shared, renamed, .. } = share;
    format!("{total} ({shared} shared, {renamed} renamed)")
}

/// Bytes for people, with binary prefixes.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// Left-aligned columns as wide as their widest cell.
fn write_rows<const N: usize>(text: &mut String, rows: &[[String; N]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut text = String::new();
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        write_rows(&mut text, &[row("NAME", "N"), row("x", "10"), row("länger", "")]);
        assert_eq!(text, "NAME    N\nx       10\nlänger\n");
    }

    #[test]
    fn sizes_are_read_easily() {
        let sizes = [0, 1023, 1024, 1536, 5 * 1_048_576].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB"]);
    }
}
