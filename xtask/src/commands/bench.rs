//! `cargo xtask bench`: the load generator in an optimised build, and the control plane at scale.

use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::engine::{Server, ServerSpec};
use xtask::kube::Programs;
use xtask::lab::{Generation, Lab};
use xtask::{Error, Result, paths, tools};

/// Builds proxy and generator and hands all arguments on. `--only control` alone is about the
/// controller instead.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    if arguments.iter().map(String::as_str).eq(["--only", "control"]) {
        return control();
    }
    let release = paths::target().join("release");
    let built = tools::cargo()
        .args(["build", "--release", "--package", "mesegate-proxy", "--bin", "mesegate-proxy"])
        .args(["--package", "mesegate-testkit", "--bin", "mesegate-bench"])
        .current_dir(paths::workspace())
        .status()
        .map_err(Error::io("starting cargo"))?;
    if !built.success() {
        return Ok(false);
    }
    let bench = release.join("mesegate-bench");
    let mut command = Command::new(&bench);
    command.arg("--proxy").arg(release.join("mesegate-proxy"));
    let own = ["--replay", "--help", "-h", "relay", "record"];
    if !arguments.iter().any(|argument| own.contains(&argument.as_str())) {
        match recording(&bench) {
            Ok(folder) => {
                command.arg("--replay").arg(folder);
            }
            Err(error) => println!("no real server to record ({error}): worlds are made up"),
        }
    }
    // Kept until the end: players log in to it.
    let _engine = if wants_engine(arguments) {
        match media_server(&bench) {
            Ok(server) => {
                command.arg("--engine").arg(server.address().to_string());
                Some(server)
            }
            Err(error) => {
                println!("no real server with much media ({error}): a fake one stands in");
                None
            }
        }
    } else {
        None
    };
    let status = command.args(arguments).status().map_err(Error::io("starting mesegate-bench"))?;
    Ok(status.success())
}

/// An optimised controller with many proxies, servers and players.
fn control() -> Result<bool> {
    Programs::ensure()?;
    let mut build = tools::cargo();
    build.args(["build", "--release", "--locked", "--package", "mesegate-controller"]);
    let mut test = tools::cargo();
    test.args(["test", "--workspace", "--locked", "--test", "scale"]);
    test.args(["--", "--ignored", "--nocapture"]);
    test.env("MESEGATE_CONTROLLER_PROGRAM", paths::target().join("release/mesegate-controller"));
    for mut command in [build, test] {
        let status = command.current_dir(paths::workspace()).status();
        if !status.map_err(Error::io("starting cargo"))?.success() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether logins with much media are measured against a real server.
fn wants_engine(arguments: &[String]) -> bool {
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let without = ["--engine", "--help", "-h", "relay", "record", "media-files", "--quick"];
    if without.iter().any(|flag| has(flag)) {
        return false;
    }
    let only = arguments.iter().position(|argument| argument == "--only");
    only.and_then(|at| arguments.get(at + 1)).is_none_or(|parts| parts.contains("media"))
}

/// A real server with the media that the load generator compares logins with.
fn media_server(bench: &Path) -> Result<Server> {
    let generation = Generation::V5_15;
    let lab = Lab::ensure(&[generation])?;
    let folder = paths::target().join("bench_media");
    let status = Command::new(bench)
        .args(["media-files", "--to"])
        .arg(&folder)
        .status()
        .map_err(Error::io("starting mesegate-bench"))?;
    if !status.success() {
        return Err(Error::Failed {
            what: "writing media files".into(),
            status: status.to_string(),
            output: String::new(),
        });
    }
    // The many small files of a real game would hide what is compared.
    let spec = ServerSpec::new("media", generation)
        .own_game("mesegate_bare")
        .setting("mg_name", "singlenode")
        .mod_folder(folder);
    Server::start(&lab, spec)
}

/// What a real server sends: definitions, media and map blocks of the standard game. Made once.
fn recording(bench: &Path) -> Result<PathBuf> {
    let generation = Generation::V5_15;
    let lab = Lab::ensure(&[generation])?;
    let version = lab.version(generation)?;
    let recordings = lab.dir().join("recordings");
    let folder = recordings.join(&version);
    if folder.is_dir() {
        return Ok(folder);
    }
    let parts = recordings.join(format!("{version}.part"));
    std::fs::create_dir_all(&parts).map_err(Error::io("making the folder of recordings"))?;
    let spec = ServerSpec::new("recorded", generation).setting("mg_name", "v7");
    let server = Server::start(&lab, spec)?;
    let status = Command::new(bench)
        .args(["record", "--from", &server.address().to_string(), "--to"])
        .arg(&parts)
        .status()
        .map_err(Error::io("starting mesegate-bench"))?;
    if !status.success() {
        return Err(Error::Failed {
            what: "recording a server".into(),
            status: status.to_string(),
            output: String::new(),
        });
    }
    std::fs::rename(&parts, &folder).map_err(Error::io("keeping the recording"))?;
    Ok(folder)
}
