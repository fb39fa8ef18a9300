//! A program of this workspace as a process of its own, as its users run it.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use crate::{Error, Result, http, paths, tools, wait};

/// A running program with a log and with HTTP pages. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Program {
    what: &'static str,
    child: Child,
    http: SocketAddr,
    log: PathBuf,
}

/// Builds the program `name` and gives its path; the environment's `variable` names another one.
///
/// All programs are built at once, and only once in a process: one alone has dependencies with
/// other features, which are then built for both in turns.
///
/// # Errors
/// When it does not compile.
pub(crate) fn build(name: &str, variable: &str) -> Result<PathBuf> {
    static BUILT: Mutex<bool> = Mutex::new(false);
    if let Some(program) = std::env::var_os(variable) {
        return Ok(program.into());
    }
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !*built {
        let output = tools::cargo()
            .args(["build", "--quiet", "--workspace", "--bins"])
            .current_dir(paths::workspace())
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("starting cargo"))?;
        if !output.status.success() {
            return Err(Error::Failed {
                what: "building the programs".into(),
                status: output.status.to_string(),
                output: wait::tail(&String::from_utf8_lossy(&output.stderr), 40),
            });
        }
        *built = true;
    }
    Ok(paths::target().join("debug").join(name))
}

impl Program {
    /// Starts it; `what` is for errors, `log` gets what it prints, in the place of what is there.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(
        what: &'static str,
        program: &Path,
        arguments: impl FnOnce(&mut Command),
        http: SocketAddr,
        log: PathBuf,
    ) -> Result<Self> {
        let file = open_log(&log)?;
        let errors = file.try_clone().map_err(Error::io("a second handle"))?;
        // The signal comes when the *thread* that starts the program ends, however it does.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command.args(["--http", &http.to_string()]);
        arguments(&mut command);
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            // Ctrl-C in a terminal is for the owner of this value alone.
            .process_group(0)
            .spawn()
            .map_err(Error::io("starting setpriv (from util-linux)"))?;
        Ok(Self { what, child, http, log })
    }

    /// Waits until `GET /readyz` answers 200.
    ///
    /// # Errors
    /// When it does not within `limit`, or the program ends.
    pub(crate) fn wait_ready(&mut self, limit: Duration) -> Result<()> {
        let ready = wait::until(limit, || {
            if !self.alive() {
                return Some(false);
            }
            self.get("/readyz").is_ok_and(|(status, _)| status == 200).then_some(true)
        });
        match ready {
            Some(true) => Ok(()),
            Some(false) => Err(Error::Ended {
                what: format!("the {}", self.what),
                log: self.log.clone(),
                tail: wait::tail(&self.log(), 30),
            }),
            None => Err(self.late(&format!("the {}'s readiness", self.what), limit)),
        }
    }

    /// Where its HTTP pages are.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its process id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has logged.
    pub(crate) fn log(&self) -> String {
        wait::read(&self.log)
    }

    /// One HTTP page: status and body.
    ///
    /// # Errors
    /// When there is no answer within five seconds, or none that is HTTP.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, String)> {
        http::get(self.http, path)
    }

    /// The sum of all series of a metric, by its whole name.
    ///
    /// # Errors
    /// When the page cannot be read.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        let (_, page) = self.get("/metrics")?;
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            let rest = if rest.starts_with('{') { rest.rsplit_once('}')?.1 } else { rest };
            rest.strip_prefix(' ')?.trim().parse::<f64>().ok()
        };
        Ok(page.lines().filter_map(value).sum())
    }

    /// Whether it still runs.
    pub(crate) fn alive(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Errors
    /// When it has not ended within `limit`.
    pub(crate) fn stop(&mut self, limit: Duration) -> Result<()> {
        self.terminate()?;
        self.ended(limit).map(|_| ())
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// When there is no `kill`.
    pub(crate) fn terminate(&self) -> Result<()> {
        let id = self.child.id().to_string();
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &id]).stdin(Stdio::null()).status().map_err(Error::io("kill"))?;
        Ok(())
    }

    /// How it ended.
    ///
    /// # Errors
    /// When it has not within `limit`.
    pub(crate) fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        wait::until(limit, || self.child.try_wait().ok().flatten())
            .ok_or_else(|| self.late(&format!("the end of the {}", self.what), limit))
    }

    /// Something that was waited for did not happen.
    pub(crate) fn late(&self, what: &str, limit: Duration) -> Error {
        Error::Timeout {
            what: what.into(),
            seconds: limit.as_secs(),
            log: self.log.clone(),
            tail: wait::tail(&self.log(), 30),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open_log(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(path)
        .map_err(Error::io(format!("opening {}", path.display())))
}
