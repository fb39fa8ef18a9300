//! Writes the manuals that are made from the programs: of their flags, and of their metrics.
//! `cargo xtask generate` calls it.
#![forbid(unsafe_code)]

mod flags;
mod metrics;
mod part;

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("the folder is missing")?;
    let folder = Path::new(&folder);
    std::fs::write(folder.join(flags::FILE), flags::text())?;
    let file = folder.join(metrics::FILE);
    let before = std::fs::read_to_string(&file)?;
    std::fs::write(&file, metrics::text(&before)?)?;
    for name in [flags::FILE, metrics::FILE] {
        println!("{}", folder.join(name).display());
    }
    Ok(())
}
