//! Why a command was not done, and the exit code that says so.

use std::path::PathBuf;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What was typed.
    #[error("{0}")]
    Usage(String),
    /// A file with credentials.
    #[error("cannot read {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Nobody answers.
    #[error("cannot reach {url}: {text}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        text: String,
    },
    /// The API server of a cluster.
    #[error("the API server: {0}")]
    Cluster(Box<kube::Error>),
    /// The answer was no.
    #[error("{}", Told(.0))]
    Refused(Box<Status>),
    /// Some of many were not done; they were shown.
    #[error("{failed} of {all} players were not moved")]
    Partly {
        /// How many were not.
        failed: usize,
        /// Of how many.
        all: usize,
    },
    /// Standard output.
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Cluster(Box::new(error))
    }
}

impl Error {
    /// See the program's description.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Partly { .. } | Self::Output(_) => 1,
            Self::Usage(_) | Self::File { .. } => 2,
            Self::Unreachable { .. } => 3,
            Self::Cluster(error) => match &**error {
                kube::Error::Api(status) if status.is_forbidden() || status.code == 401 => 4,
                kube::Error::Api(_) => 1,
                _ => 3,
            },
            Self::Refused(status) => match status.code() {
                Code::InvalidArgument => 2,
                Code::DeadlineExceeded | Code::Cancelled => 3,
                // With a reason it is an answer: a player who left, a target that is down.
                Code::Unavailable if status.get_details_error_info().is_none() => 3,
                Code::Unauthenticated | Code::PermissionDenied => 4,
                _ => 1,
            },
        }
    }
}

/// A status as text: the reason's name, if there is one, and the words.
struct Told<'a>(&'a Status);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.get_details_error_info() {
            Some(info) => write!(f, "{}: {}", info.reason, self.0.message()),
            None => write!(f, "{}: {}", self.0.code(), self.0.message()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn codes_and_words_are_those_of_the_manual() {
        let with = |code, reason: &str| {
            let details = ErrorDetails::with_error_info(reason, "mesegate.dev", []);
            Error::from(Status::with_error_details(code, "why", details))
        };
        for (error, code) in [
            (with(Code::NotFound, "NO_SUCH_PLAYER"), 1),
            (with(Code::Unavailable, "TARGET_UNREACHABLE"), 1),
            (with(Code::InvalidArgument, "INVALID_FIELD"), 2),
            (with(Code::DeadlineExceeded, "TIMEOUT"), 3),
            (Status::unavailable("connection refused").into(), 3),
            (with(Code::PermissionDenied, "PERMISSION"), 4),
            (with(Code::Unauthenticated, "UNAUTHENTICATED"), 4),
            (Error::Partly { failed: 1, all: 2 }, 1),
        ] {
            assert_eq!(error.exit_code(), code, "{error}");
        }
        assert_eq!(with(Code::NotFound, "NO_SUCH_BAN").to_string(), "NO_SUCH_BAN: why");
    }
}
