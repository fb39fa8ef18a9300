//! A shell inside a root folder, in namespaces of its own.
//!
//! `unshare` gives it a mount and a process namespace, and the shell is process 1 of the latter:
//! when it ends, the kernel ends everything that was started in it and drops every mount. It ends
//! when [`Capsule`] is dropped, and also when this process dies in any other way, because its
//! standard input is a pipe that only we hold. (`PR_SET_PDEATHSIG` alone would not do: it fires
//! when the *thread* that started the child ends.)
//!
//! Inside, `/tmp/run` is the run folder of the host side, `/proc`, `/dev` and the rest of `/tmp`
//! are there, and the network is the host's.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::{Error, Result, paths, wait};

/// The run folder as programs inside see it.
pub const RUN: &str = "/tmp/run";

/// `$1` is the root folder, `$2` the run folder.
const SETUP: &str = r#"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mkdir -p "$1/tmp/run" "$1/tmp/.X11-unix"
chmod 1777 "$1/tmp/.X11-unix"
mount --bind "$2" "$1/tmp/run"
exec chroot "$1" /usr/bin/env -i HOME=/tmp/run PATH=/usr/games:/usr/bin:/bin LANG=C.UTF-8 \
  LIBGL_ALWAYS_SOFTWARE=1 /bin/sh
"#;

/// A running shell in a root folder. Dropping it ends everything inside.
#[derive(Debug)]
pub struct Capsule {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    number: u64,
    run: PathBuf,
}

/// What a command inside gave back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its exit status; 0 is success.
    pub status: i32,
    /// What it printed, standard output and error together.
    pub output: String,
}

/// A program that runs in the background inside a capsule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job(u32);

impl Capsule {
    /// Enters `root` with `run` as the run folder. What the shell itself complains about goes to
    /// `capsule.log` there.
    ///
    /// # Errors
    /// When the namespaces or mounts are refused by this machine.
    pub fn enter(root: &Path, run: &Path) -> Result<Self> {
        let log = run.join("capsule.log");
        let errors = File::create(&log).map_err(Error::io(format!("making {}", log.display())))?;
        let mut command = Command::new("unshare");
        if !paths::is_root() {
            command.arg("--map-root-user");
        }
        let mut child = command
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", SETUP, "sh"])
            .args([root, run])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            // Ctrl-C in a terminal goes to the whole process group; whoever owns the capsule
            // decides when and how it ends.
            .process_group(0)
            .spawn()
            .map_err(Error::io("starting unshare (from util-linux)"))?;
        let missing = || Error::Unsupported("a pipe to unshare is missing".into());
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                if sender.send(text).is_err() {
                    break;
                }
                line.clear();
            }
        });
        let mut capsule = Self { child, stdin, lines, number: 0, run: run.to_path_buf() };
        capsule.run("true", Duration::from_secs(20))?;
        Ok(capsule)
    }

    /// The run folder on the host side.
    pub fn run_dir(&self) -> &Path {
        &self.run
    }

    /// Runs a shell command to its end, at most for `limit`.
    ///
    /// # Errors
    /// When the shell is gone or the command takes too long. A command that fails is no error.
    pub fn sh(&mut self, command: &str, limit: Duration) -> Result<Outcome> {
        self.number += 1;
        let end_mark = format!("@@mesegate {} ", self.number);
        // The mark has to start a line even if the command's output does not end one.
        let script = format!("{{ {command}\n}} </dev/null 2>&1; printf '\\n{end_mark}%d\\n' $?\n");
        if self.stdin.write_all(script.as_bytes()).and_then(|()| self.stdin.flush()).is_err() {
            return Err(self.gone());
        }
        let end = Instant::now() + limit;
        let mut output = String::new();
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(status) = line.strip_prefix(&end_mark) {
                        let status = status.parse().unwrap_or(-1);
                        // Only the mark's own line break is taken off again.
                        let output = output.strip_suffix('\n').unwrap_or(&output).to_owned();
                        return Ok(Outcome { status, output });
                    }
                    let _ = writeln!(output, "{line}");
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Error::Timeout {
                        what: format!("the end of `{command}`"),
                        seconds: limit.as_secs(),
                        log: self.run.join("capsule.log"),
                        tail: wait::tail(&output, 20),
                    });
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.gone()),
            }
        }
    }

    /// As [`sh`](Self::sh), for commands that have to succeed; gives what they printed.
    ///
    /// # Errors
    /// As `sh`, and when the command fails.
    pub fn run(&mut self, command: &str, limit: Duration) -> Result<String> {
        let outcome = self.sh(command, limit)?;
        if outcome.status == 0 {
            return Ok(outcome.output);
        }
        Err(Error::Failed {
            what: format!("`{command}`"),
            status: format!("exit status {}", outcome.status),
            output: wait::tail(&outcome.output, 20),
        })
    }

    /// Starts a program in the background; what it prints goes to the file `log` of the run
    /// folder.
    ///
    /// # Errors
    /// When the shell is gone.
    pub fn spawn(&mut self, command: &str, log: &str) -> Result<Job> {
        let printed = self.run(
            &format!("{command} >>{RUN}/{log} 2>&1 </dev/null &\necho $!"),
            Duration::from_secs(10),
        )?;
        printed.trim().parse().map(Job).map_err(|_| Error::Failed {
            what: format!("`{command}`"),
            status: "no process id".into(),
            output: printed,
        })
    }

    /// Whether a background program still runs.
    ///
    /// # Errors
    /// When the shell is gone.
    pub fn alive(&mut self, job: Job) -> Result<bool> {
        // A program that ended stays as a zombie until the shell looks after it; so ask for the
        // state instead of `kill -0`.
        let test = format!("grep -q '^State:.[^ZX]' /proc/{}/status", job.0);
        Ok(self.sh(&test, Duration::from_secs(10))?.status == 0)
    }

    /// Sends a signal (such as `INT` or `KILL`) to a background program. One that has ended
    /// already is no error.
    ///
    /// # Errors
    /// When the shell is gone.
    pub fn signal(&mut self, job: Job, signal: &str) -> Result<()> {
        self.sh(&format!("kill -{signal} {}", job.0), Duration::from_secs(10)).map(drop)
    }

    fn gone(&mut self) -> Error {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.run.join("capsule.log");
        Error::Ended {
            what: "the shell in the lab's root folder".into(),
            tail: wait::tail(&wait::read(&log), 20),
            log,
        }
    }
}

impl Drop for Capsule {
    fn drop(&mut self) {
        // With --kill-child the shell dies with `unshare`, and with the shell everything else.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Quotes a text for the shell.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_survives_quotes() {
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
