//! An image of Debian's Luanti server, made of the lab's root folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::lab::{Generation, Lab};
use xtask::oci::{Architecture, Image};
use xtask::{Error, Result};

/// The release that it has.
const GENERATION: Generation = Generation::V5_10;

/// Writes the image that `deploy/examples/servers.yaml` names; gives its file.
pub(super) fn image(folder: &Path) -> Result<PathBuf> {
    let lab = Lab::ensure(&[GENERATION])?;
    let from = lab.root(GENERATION);
    let root = folder.join("luanti.root");
    let _ = std::fs::remove_dir_all(&root);
    let program = GENERATION.server_program();
    let mut files = vec![program.to_owned(), "/usr/share/luanti".to_owned()];
    // Inside, so that its own libraries are found.
    let mut ldd = Command::new("chroot");
    let listing = ldd.arg(&from).args(["ldd", program]).output();
    let listing = listing.map_err(Error::io("starting chroot"))?;
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let path =
        |line: &str| line.split_whitespace().find(|it| it.starts_with('/')).map(str::to_owned);
    files.extend(listing.lines().filter_map(path));
    if files.len() < 10 {
        return Err(Error::Unsupported(format!("the libraries of {program}: {listing}")));
    }
    for file in files {
        let (source, target) = (inside(&from, &file), root.join(file.trim_start_matches('/')));
        let parent = target.parent().unwrap_or(&root);
        std::fs::create_dir_all(parent)
            .map_err(Error::io(format!("making {}", parent.display())))?;
        let copied = Command::new("cp")
            .args(["-rL", "--no-target-directory", "--"])
            .arg(&source)
            .arg(&target)
            .status();
        if !copied.is_ok_and(|it| it.success()) {
            return Err(Error::Unsupported(format!("{} was not copied", source.display())));
        }
    }
    let image = Image {
        name: "mesegate.dev/luanti-server:demo".into(),
        architecture: Architecture::host()?,
        entrypoint: vec![program.into()],
        user: "65532:65532".into(),
        ports: vec!["30000/udp".into()],
        ..Image::default()
    };
    let file = folder.join("luanti-server.tar");
    image.write(&root, &file)?;
    std::fs::remove_dir_all(&root).map_err(Error::io(format!("removing {}", root.display())))?;
    Ok(file)
}

/// A file of a root folder: `/lib` is a link there to `usr/lib`, which must not lead out of it.
fn inside(root: &Path, file: &str) -> PathBuf {
    let file = file.trim_start_matches('/');
    let merged = file.starts_with("lib/") || file.starts_with("lib64/");
    if merged { root.join("usr").join(file) } else { root.join(file) }
}
