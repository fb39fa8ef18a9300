//! `cargo xtask image`: the container images of the programs.

use xtask::images::{self, Profile};
use xtask::oci::Architecture;
use xtask::{Result, paths};

use super::usage;

/// Builds them and says how large they are.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let mut profile = Profile::Release;
    let mut architectures = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--dev" => profile = Profile::Dev,
            "--arch" => {
                let name = rest.next().map_or("", String::as_str);
                let found = Architecture::ALL.into_iter().find(|it| it.name() == name);
                let known = || usage(format!("there are images for amd64 and arm64, not `{name}`"));
                architectures.push(found.ok_or_else(known)?);
            }
            other => return Err(usage(format!("image has no option `{other}`"))),
        }
    }
    if architectures.is_empty() {
        architectures.push(Architecture::host()?);
    }
    let folder = paths::artifacts().join("images");
    for architecture in architectures {
        for image in images::build(profile, architecture, &folder)? {
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            println!(
                "{} {}: {:.1} MB, {:.1} MB packed, {}\n    {}",
                image.name,
                architecture.name(),
                megabytes(image.written.unpacked),
                megabytes(image.written.packed),
                image.written.digest,
                image.file.display()
            );
        }
    }
    Ok(true)
}
