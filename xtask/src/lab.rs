//! The lab's root folders: one Debian suite per generation of the engine.
//!
//! Each is made with `mmdebstrap` in 20 to 75 seconds, takes about 500 MB, and is kept until its
//! recipe changes. The folder is told by [`paths::lab`].

pub mod mods;

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Error, Result, paths, wait};

/// What every root folder needs besides the engine: a screen without hardware, OpenGL in
/// software, something that takes pictures of it and something that types.
const TOOLS: &str = "xvfb,libgl1-mesa-dri,imagemagick,xdotool";

/// A generation of the engine, named after the release that the project was first tested with.
/// The suites move on; [`Lab::version`] tells what is really there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Generation {
    /// Minetest 5.6 of Debian 12 (protocol 41).
    V5_6,
    /// Luanti 5.10 of Debian 13 (protocol 46).
    V5_10,
    /// Luanti 5.15 or later of Debian's unstable suite (protocol 51 or later).
    V5_15,
}

impl Generation {
    /// All of them, oldest first.
    pub const ALL: [Self; 3] = [Self::V5_6, Self::V5_10, Self::V5_15];

    /// The Debian suite, which also names the root folder.
    pub const fn suite(self) -> &'static str {
        match self {
            Self::V5_6 => "bookworm",
            Self::V5_10 => "trixie",
            Self::V5_15 => "sid",
        }
    }

    /// The server's package.
    const fn server_package(self) -> &'static str {
        match self {
            Self::V5_6 => "minetest-server",
            Self::V5_10 | Self::V5_15 => "luanti-server",
        }
    }

    /// The client's package, which also names its program.
    const fn client_package(self) -> &'static str {
        match self {
            Self::V5_6 => "minetest",
            Self::V5_10 | Self::V5_15 => "luanti",
        }
    }

    /// The server program inside the root folder. The one in `/usr/games` is a wrapper that adds
    /// settings of its own.
    pub const fn server_program(self) -> &'static str {
        match self {
            Self::V5_6 => "/usr/lib/minetest/minetestserver",
            Self::V5_10 | Self::V5_15 => "/usr/libexec/luanti/luantiserver",
        }
    }

    /// The client program inside the root folder.
    pub const fn client_program(self) -> &'static str {
        match self {
            Self::V5_6 => "/usr/games/minetest",
            Self::V5_10 | Self::V5_15 => "/usr/games/luanti",
        }
    }

    /// The variable with further folders of games (`getSubgamePathEnv` of `content/subgames.cpp`).
    pub const fn games_variable(self) -> &'static str {
        match self {
            Self::V5_6 => "MINETEST_SUBGAME_PATH",
            Self::V5_10 | Self::V5_15 => "MINETEST_GAME_PATH",
        }
    }

    fn packages(self) -> String {
        format!("{},{},{TOOLS}", self.server_package(), self.client_package())
    }

    /// What the root folder is made of; another recipe makes it anew.
    fn recipe(self) -> String {
        format!("1 {} {}\n", self.suite(), self.packages())
    }
}

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V5_6 => "5.6",
            Self::V5_10 => "5.10",
            Self::V5_15 => "5.15",
        })
    }
}

/// The lab with the root folders that were asked for.
#[derive(Debug, Clone)]
pub struct Lab {
    dir: PathBuf,
}

impl Lab {
    /// Makes sure that these generations are installed, and installs the missing ones. Prints
    /// what it does and how long it takes.
    ///
    /// # Errors
    /// When this machine cannot install them, with words on what is missing and what to do.
    pub fn ensure(generations: &[Generation]) -> Result<Self> {
        let dir = paths::lab()?;
        std::fs::create_dir_all(&dir)
            .map_err(Error::io(format!("making the lab's folder {}", dir.display())))?;
        let lab = Self { dir };
        let complete = |it: &Generation| lab.is_installed(*it) && lab.has_mods(*it);
        if !generations.iter().all(complete) {
            let _lock = lock(&lab.dir)?;
            // Another run may have installed them while this one waited.
            for generation in generations {
                if !lab.is_installed(*generation) {
                    lab.install(*generation)?;
                }
                if !lab.has_mods(*generation) {
                    lab.add_mods(*generation)?;
                }
            }
        }
        Ok(lab)
    }

    /// The lab's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The root folder of a generation.
    pub fn root(&self, generation: Generation) -> PathBuf {
        self.dir.join(generation.suite())
    }

    /// The engine's version as the suite's package has it, such as `5.10.0+dfsg-5`.
    ///
    /// # Errors
    /// When the generation is not installed.
    pub fn version(&self, generation: Generation) -> Result<String> {
        let file = self.root(generation).join("var/lib/dpkg/status");
        let text = std::fs::read_to_string(&file)
            .map_err(Error::io(format!("reading {}", file.display())))?;
        package_version(&text, generation.server_package()).ok_or_else(|| {
            Error::Unsupported(format!(
                "{} is not installed in {}",
                generation.server_package(),
                self.root(generation).display()
            ))
        })
    }

    fn marker(&self, generation: Generation) -> PathBuf {
        self.dir.join(format!("{}.done", generation.suite()))
    }

    fn is_installed(&self, generation: Generation) -> bool {
        std::fs::read_to_string(self.marker(generation)).is_ok_and(|it| it == generation.recipe())
            && self.root(generation).is_dir()
    }

    fn install(&self, generation: Generation) -> Result<()> {
        ensure_mmdebstrap()?;
        let suite = generation.suite();
        let log = self.dir.join(format!("{suite}.log"));
        let part = self.dir.join(format!("{suite}.part"));
        let root = self.root(generation);
        let start = Instant::now();
        println!(
            "lab: installing {suite} (engine {generation}, about 500 MB) into {}",
            self.dir.display()
        );
        let _ = std::fs::remove_file(self.marker(generation));
        for old in [&part, &root] {
            if old.exists() {
                std::fs::remove_dir_all(old)
                    .map_err(Error::io(format!("removing {}", old.display())))?;
            }
        }
        let mut command = Command::new("mmdebstrap");
        command.args(["--variant=apt", "--aptopt=Acquire::Check-Valid-Until \"false\""]);
        command.arg(format!("--include={}", generation.packages()));
        if paths::is_root() {
            command.arg(suite).arg(&part);
            watched(&mut command, &log, &format!("lab: {suite}"))?;
        } else {
            // The folder that `--mode=unshare` makes belongs to subordinate users; unpacked from
            // a tar file everything is the user's own, and root's inside of `unshare`.
            let tar = self.dir.join(format!("{suite}.part.tar"));
            command.arg("--mode=unshare").arg(suite).arg(&tar);
            watched(&mut command, &log, &format!("lab: {suite}"))?;
            std::fs::create_dir_all(&part)
                .map_err(Error::io(format!("making {}", part.display())))?;
            let mut unpack = Command::new("tar");
            unpack.arg("-xf").arg(&tar).arg("-C").arg(&part).arg("--exclude=./dev/*");
            watched(&mut unpack, &log, &format!("lab: unpacking {suite}"))?;
            std::fs::remove_file(&tar).map_err(Error::io("removing the tar file"))?;
        }
        std::fs::rename(&part, &root).map_err(Error::io(format!("renaming {}", part.display())))?;
        let version = self.version(generation)?;
        std::fs::write(self.marker(generation), generation.recipe())
            .map_err(Error::io("writing the lab's marker"))?;
        println!("lab: {suite} has engine {version}; took {} s", start.elapsed().as_secs());
        Ok(())
    }
}

/// One installation at a time in this folder, also between processes. The lock ends with the
/// returned file, or with the process.
///
/// # Errors
/// When the folder cannot be written to.
pub fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::io(format!("opening {}", path.display())))?;
    if file.try_lock().is_err() {
        println!("lab: another run is installing; waiting for it");
        file.lock().map_err(Error::io(format!("locking {}", path.display())))?;
    }
    Ok(file)
}

/// Looks for `mmdebstrap`, and installs it where that is possible without asking.
fn ensure_mmdebstrap() -> Result<()> {
    let works = |program: &str| {
        Command::new(program)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    for tool in ["unshare", "chroot"] {
        if !works(tool) {
            return Err(Error::Unsupported(format!(
                "the lab needs `{tool}` (util-linux, coreutils) on Linux; \
                 use servers of your own instead: `--server HOST:PORT` twice"
            )));
        }
    }
    if works("mmdebstrap") {
        return Ok(());
    }
    if paths::is_root() && works("apt-get") {
        println!("lab: installing mmdebstrap with apt-get");
        let log = paths::lab()?.join("apt.log");
        for arguments in
            [&["update"][..], &["install", "-y", "--no-install-recommends", "mmdebstrap"]]
        {
            let mut command = Command::new("apt-get");
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
            watched(&mut command, &log, "lab: apt-get")?;
        }
        return Ok(());
    }
    Err(Error::Unsupported(
        "the lab makes its engines with mmdebstrap, which is not installed. On Debian or Ubuntu: \
         `apt-get install mmdebstrap uidmap debian-archive-keyring`. Elsewhere use servers of your \
         own: `cargo xtask demo --server HOST:PORT --server HOST:PORT`"
            .into(),
    ))
}

/// Runs a long command with its output in `log`, and says every ten seconds that it still runs.
///
/// # Errors
/// When the command cannot be started or fails; the error has the end of the log.
pub fn watched(command: &mut Command, log: &Path, what: &str) -> Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .map_err(Error::io(format!("opening {}", log.display())))?;
    let errors = file.try_clone().map_err(Error::io("a second handle"))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .spawn()
        .map_err(Error::io(format!("starting {}", command.get_program().display())))?;
    let start = Instant::now();
    let mut next = Duration::from_secs(10);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(Error::io(what))? {
            break status;
        }
        if start.elapsed() >= next {
            let last = wait::tail(&wait::read(log), 1);
            println!("{what}: {} s … {}", next.as_secs(), last.trim());
            next += Duration::from_secs(10);
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        what: what.into(),
        status: status.to_string(),
        output: format!("{}\n(all of it: {})", wait::tail(&wait::read(log), 20), log.display()),
    })
}

/// The version of an installed package according to dpkg's status file.
fn package_version(status: &str, package: &str) -> Option<String> {
    let wanted = format!("Package: {package}");
    status
        .split("\n\n")
        .find(|entry| entry.lines().any(|line| line == wanted))?
        .lines()
        .find_map(|line| line.strip_prefix("Version: "))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_package_and_no_other() {
        let status = "Package: luanti\nVersion: 1\n\nPackage: luanti-server\nStatus: ok\n\
                      Version: 5.10.0+dfsg-5\n\nPackage: x\nVersion: 3\n";
        assert_eq!(package_version(status, "luanti-server").as_deref(), Some("5.10.0+dfsg-5"));
        assert_eq!(package_version(status, "minetest"), None);
    }

    #[test]
    fn recipes_differ_so_that_a_marker_fits_one_suite_only() {
        let [a, b, c] = Generation::ALL.map(Generation::recipe);
        assert!(a != b && b != c && a != c);
    }

    #[test]
    fn a_watched_command_that_fails_shows_the_end_of_its_output() {
        let log = std::env::temp_dir().join(format!("mesegate-watched-{}", std::process::id()));
        let error = watched(Command::new("sh").args(["-c", "echo oh dear; exit 3"]), &log, "it")
            .unwrap_err()
            .to_string();
        std::fs::remove_file(&log).unwrap();
        assert!(error.contains("oh dear") && error.contains('3'), "{error}");
    }
}
