//! The one error type of the lab.

use std::path::PathBuf;

/// Why something in the lab did not work.
#[derive(thiserror::Error)]
pub enum Error {
    /// A file or a process could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ended with an error.
    #[error("{what} failed ({status}):\n{output}")]
    Failed {
        /// The program.
        what: String,
        /// Its exit status, in words.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// Something that was waited for did not happen in time.
    #[error("{what} did not happen within {seconds} s; last lines of {}:\n{tail}", log.display())]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
        /// Where it should have shown.
        log: PathBuf,
        /// The end of that file.
        tail: String,
    },
    /// A process ended although it should be running.
    #[error("{what} ended by itself; last lines of {}:\n{tail}", log.display())]
    Ended {
        /// The process.
        what: String,
        /// Its log.
        log: PathBuf,
        /// The end of that log.
        tail: String,
    },
    /// This machine cannot do what was asked.
    #[error("{0}")]
    Unsupported(String),
    /// A picture could not be read.
    #[error("unreadable picture {}: {reason}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Error {
    /// Turns an I/O error into ours, saying what was tried.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Tests print errors this way, and a log's end is unreadable on one line.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
