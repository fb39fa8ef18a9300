//! Mods of Debian's packages in the lab's root folders.
//!
//! The packages are downloaded and unpacked, not installed: they are plain Lua, all suites have
//! them, and in the unstable suite what they depend on goes by another name at times, so that
//! `apt-get install` refuses them beside the engine.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Generation, Lab};
use crate::capsule::Capsule;
use crate::run::RunFolder;
use crate::{Error, Result};

/// Mods without `minetest-mod-` before their names. Together they add many hundred nodes with
/// palettes, node boxes, meshes and forms to Minetest Game, and nothing that moves by itself.
pub const PACKAGES: [&str; 10] = [
    "3d-armor",
    "basic-materials",
    "currency",
    "infinite-chest",
    "mesecons",
    "moreblocks",
    "moreores",
    "protector",
    "quartz",
    "unifieddyes",
];

/// Where the packages are unpacked to, inside a root folder.
const FOLDER: &str = "opt/mesegate-mods";

/// Below it, where Debian's packages keep mods.
const MODS: &str = "usr/share/games/minetest/mods";

/// How long the download may take; it is about 4 MB, and 20 MB of package lists.
const DOWNLOAD: Duration = Duration::from_mins(5);

impl Lab {
    /// The folders of the mods and modpacks of [`PACKAGES`], sorted by name.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn mods(&self, generation: Generation) -> Result<Vec<PathBuf>> {
        let folder = self.root(generation).join(FOLDER).join(MODS);
        let what = || Error::io(format!("listing {}", folder.display()));
        let mut mods = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(what())? {
            mods.push(entry.map_err(what())?.path());
        }
        mods.sort();
        Ok(mods)
    }

    fn mods_marker(&self, generation: Generation) -> PathBuf {
        self.dir.join(format!("{}.mods.done", generation.suite()))
    }

    pub(super) fn has_mods(&self, generation: Generation) -> bool {
        std::fs::read_to_string(self.mods_marker(generation)).is_ok_and(|it| it == recipe())
            && self.root(generation).join(FOLDER).is_dir()
    }

    /// Adds the mods to a root folder that is there already.
    pub(super) fn add_mods(&self, generation: Generation) -> Result<()> {
        let suite = generation.suite();
        println!("lab: adding {} packages of mods to {suite}", PACKAGES.len());
        let start = Instant::now();
        let root = self.root(generation);
        // The machine may have moved to another network since the folder was made.
        let _ = std::fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf"));
        let run = RunFolder::temporary(&format!("mods-{suite}"))?;
        let mut capsule = Capsule::enter(&root, run.path())?;
        capsule.run(&script(), DOWNLOAD)?;
        drop(capsule);
        let count = self.mods(generation)?.len();
        if count < PACKAGES.len() {
            return Err(Error::Unsupported(format!("{suite} has only {count} mods")));
        }
        let marker = self.mods_marker(generation);
        std::fs::write(&marker, recipe())
            .map_err(Error::io(format!("writing {}", Path::new(&marker).display())))?;
        println!("lab: {suite} has {count} mods; took {} s", start.elapsed().as_secs());
        Ok(())
    }
}

/// What the folder is made of; another recipe makes it anew.
fn recipe() -> String {
    format!("1 {}\n", PACKAGES.join(" "))
}

/// Without a user of its own for downloads, which a namespace with one user cannot have; and with
/// lists that are older than they say they are good for, as `mmdebstrap` takes them, too.
fn script() -> String {
    let packages: Vec<String> = PACKAGES.iter().map(|it| format!("minetest-mod-{it}")).collect();
    let packages = packages.join(" ");
    format!(
        "set -e\n\
         apt=\"apt-get -q -o APT::Sandbox::User=root -o Acquire::Check-Valid-Until=false\"\n\
         $apt update\n\
         rm -rf /{FOLDER}\n\
         mkdir -p /{FOLDER}\n\
         cd /{FOLDER}\n\
         $apt download {packages}\n\
         for file in *.deb; do dpkg-deb -x \"$file\" . && rm \"$file\"; done"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_asked_for_by_its_full_name() {
        let script = script();
        assert!(script.contains(" minetest-mod-3d-armor ") && script.contains("-unifieddyes\n"));
        assert!(PACKAGES.iter().all(|name| recipe().contains(name)));
    }
}
