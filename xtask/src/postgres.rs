//! A PostgreSQL server of its own for tests, thrown away afterwards.
//!
//! The programs are those of the machine (`/usr/lib/postgresql`), or Debian's packages, unpacked
//! into the lab's tools without being installed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{Error, Result, kube, ports, wait};

/// How long it may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Its only user, and that user's password.
const USER: &str = "mesegate";
const PASSWORD: &str = "lab-only";

/// Who runs it when we are root, whom it refuses: Debian's `nobody` and `nogroup`.
const NOBODY: u32 = 65_534;

/// A cluster. Dropping it ends its server and removes it.
#[derive(Debug)]
pub struct Postgres {
    programs: Programs,
    folder: PathBuf,
    /// Where it listens.
    host: Ipv4Addr,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// When there are no programs and none can be fetched, or they fail.
    pub fn start() -> Result<Self> {
        Self::start_on(Ipv4Addr::LOCALHOST)
    }

    /// As [`start`](Self::start), at another address of this machine, for everybody who reaches it.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_on(host: Ipv4Addr) -> Result<Self> {
        let programs = Programs::find()?;
        // Not below the workspace, which another user may not be able to enter.
        let name = format!("mesegate-postgres-{}-{}", std::process::id(), ports::free()?);
        let folder = std::env::temp_dir().join(name);
        let io = |what: &str| Error::io(format!("{what} {}", folder.display()));
        fs::create_dir_all(&folder).map_err(io("making"))?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(io("closing"))?;
        let secret = folder.join("password");
        fs::write(&secret, PASSWORD).map_err(io("writing to"))?;
        if is_root() {
            for path in [&folder, &secret] {
                chown(path, Some(NOBODY), Some(NOBODY)).map_err(io("giving away"))?;
            }
        }
        let mut postgres = Self { programs, folder, host, port: ports::free()?, server: None };
        let mut make = postgres.command("initdb");
        make.arg("--pgdata").arg(postgres.data()).arg("--pwfile").arg(&secret);
        make.args(["--username", USER, "--auth=scram-sha-256", "--no-sync"]);
        make.args(["--locale=C", "--encoding=UTF8"]);
        let output = make.output().map_err(Error::io("starting initdb"))?;
        if !output.status.success() {
            return Err(Error::Failed {
                what: "initdb".into(),
                status: output.status.to_string(),
                output: wait::tail(&String::from_utf8_lossy(&output.stderr), 20),
            });
        }
        if !host.is_loopback() {
            let rules = postgres.data().join("pg_hba.conf");
            let mut text = wait::read(&rules);
            text.push_str("host all all 0.0.0.0/0 scram-sha-256\n");
            fs::write(&rules, text).map_err(Error::io(format!("writing {}", rules.display())))?;
        }
        postgres.resume()?;
        Ok(postgres)
    }

    /// Starts it again after [`stop`](Self::stop), with the same data at the same address.
    ///
    /// # Errors
    /// When it does not start.
    pub fn resume(&mut self) -> Result<()> {
        let log = self.folder.join("postgres.log");
        let file = File::create(&log).map_err(Error::io(format!("making {}", log.display())))?;
        let errors = file.try_clone().map_err(Error::io("a second handle"))?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        command.args(["-c", &format!("listen_addresses={}", self.host)]);
        command.args(["-c", "unix_socket_directories="]);
        // Nothing of value is in it.
        command.args(["-c", "fsync=off", "-c", "max_connections=60"]);
        let server = command.stdout(file).stderr(errors).spawn();
        self.server = Some(server.map_err(Error::io("starting postgres"))?);
        let ready = wait::until(PATIENCE, || {
            let says_so = wait::read(&log).contains("ready to accept connections");
            (says_so && TcpStream::connect(self.address()).is_ok()).then_some(())
        });
        ready.ok_or_else(|| self.late("the start of PostgreSQL"))
    }

    /// Stops it, as its operators do: connections are cut, nothing is lost.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        // Its "fast" shutdown.
        let mut kill = Command::new("sh");
        kill.args(["-c", "kill -INT \"$0\"", &server.id().to_string()]);
        kill.status().map_err(Error::io("kill"))?;
        let ended = wait::until(PATIENCE, || server.try_wait().ok().flatten());
        if ended.is_none() {
            let _ = server.kill();
            let _ = server.wait();
            return Err(self.late("the end of PostgreSQL"));
        }
        Ok(())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (self.host, self.port).into()
    }

    /// The URL of one of its databases, with the password. `postgres` is there from the start.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@{}/{database}", self.address())
    }

    /// The same as engines want it (`pgsql_auth_connection`).
    pub fn engine_connection(&self, database: &str) -> String {
        format!(
            "host={} port={} user={USER} password={PASSWORD} dbname={database}",
            self.host, self.port
        )
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// One of the programs, as a user that it accepts, ending when this process does.
    fn command(&self, program: &str) -> Command {
        let Programs { root, bin } = &self.programs;
        let shown = self.folder.join("programs");
        let (mut command, root) = match root {
            Some(root) if is_root() => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "--", "sh", "-ec", SHOW, "sh"]).args([root, &shown]);
                command.arg("setpriv");
                (command, Some(&shown))
            }
            root => (Command::new("setpriv"), root.as_ref()),
        };
        command.args(["--pdeathsig", "KILL"]);
        if is_root() {
            let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
            command.args([user.as_str(), group.as_str(), "--clear-groups"]);
        }
        command.arg("--");
        match root {
            Some(root) => command.arg("env").arg(libraries(root)).arg(root.join(bin).join(program)),
            None => command.arg(bin.join(program)),
        };
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    fn late(&self, what: &str) -> Error {
        let log = self.folder.join("postgres.log");
        let tail = wait::tail(&wait::read(&log), 20);
        Error::Timeout { what: what.into(), seconds: PATIENCE.as_secs(), log, tail }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What root does before it becomes somebody who may not enter the lab's folder: that is below a
/// home, which is often closed to others.
const SHOW: &str = "mkdir -p \"$2\"; mount --bind \"$1\" \"$2\"
    [ -e /usr/share/zoneinfo ] || mount --bind \"$1/usr/share\" /usr/share
    shift 2; exec \"$@\"";

/// Debian's PostgreSQL knows no other time zones, and clients ask for UTC.
const TIME_ZONES: &str = "/usr/share/zoneinfo";

/// Where the programs are.
#[derive(Debug)]
struct Programs {
    /// The folder that packages are unpacked in; none if they are installed.
    root: Option<PathBuf>,
    /// The folder with `initdb` and `postgres`, below that.
    bin: PathBuf,
}

impl Programs {
    fn find() -> Result<Self> {
        let installed = Path::new("/usr/lib/postgresql");
        if let Some(bin) = newest(installed) {
            return Ok(Self { root: None, bin });
        }
        if !is_root() && !Path::new(TIME_ZONES).exists() {
            let text = format!("PostgreSQL needs {TIME_ZONES}: install Debian's tzdata");
            return Err(Error::Unsupported(text));
        }
        let root = kube::Programs::packages("postgres", "postgresql")?;
        let bin = newest(&root.join("usr/lib/postgresql"));
        let bin = bin.and_then(|bin| bin.strip_prefix(&root).map(Path::to_owned).ok());
        let missing = || {
            Error::Unsupported(format!("no PostgreSQL in {}; remove that folder", root.display()))
        };
        Ok(Self { bin: bin.ok_or_else(missing)?, root: Some(root) })
    }
}

/// Where programs below `root` find the libraries that are not installed, as `env` takes it.
fn libraries(root: &Path) -> OsString {
    let mut variable = OsString::from("LD_LIBRARY_PATH=");
    for (index, folder) in kube::library_folders(root).into_iter().enumerate() {
        variable.push(if index == 0 { "" } else { ":" });
        variable.push(folder);
    }
    variable
}

fn newest(folder: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(folder).ok()?.flatten();
    let number = |name: &OsString| name.to_str()?.parse::<u32>().ok();
    let newest = versions.filter_map(|it| Some((number(&it.file_name())?, it.path()))).max()?;
    Some(newest.1.join("bin")).filter(|bin| bin.join("initdb").exists())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}
