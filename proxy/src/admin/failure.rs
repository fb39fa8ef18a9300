//! Why a call failed: one reason, whose name and status code are part of the interface.

use mesegate_proto::admin::ERROR_DOMAIN;
use mesegate_proto::admin::v1::FailureReason as Reason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::players::{NotMoved, Undelivered};

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into() }
    }

    /// A field's value.
    pub(super) fn field(field: &str, wrong: impl std::fmt::Display) -> Self {
        Self::new(Reason::InvalidField, format!("{field}: {wrong}"))
    }

    pub(super) fn no_such_player(name: &str) -> Self {
        Self::new(Reason::NoSuchPlayer, format!("no player {name:?} is in the game"))
    }

    pub(super) fn left(name: &str) -> Self {
        Self::new(Reason::PlayerLeft, format!("player {name:?} left"))
    }

    pub(super) fn timeout() -> Self {
        Self::new(Reason::Timeout, "it was not done before the deadline")
    }

    pub(super) fn stopping() -> Self {
        Self::new(Reason::Stopping, "the proxy stops")
    }

    pub(super) fn store(error: &mesegate_auth::AccountError) -> Self {
        tracing::error!(%error, "the account database failed");
        Self::new(Reason::Store, "the database failed; the log has the cause")
    }

    pub(super) fn undelivered(name: &str, why: Undelivered) -> Self {
        match why {
            Undelivered::Missing => Self::no_such_player(name),
            Undelivered::Busy => {
                Self::new(Reason::TooManyRequests, format!("too many orders wait for {name:?}"))
            }
        }
    }

    pub(super) fn code(&self) -> Code {
        match self.reason {
            Reason::NoSuchPlayer
            | Reason::NoSuchTarget
            | Reason::NoSuchBan
            | Reason::NoSuchProxy => Code::NotFound,
            Reason::InvalidField | Reason::RequestIdReused => Code::InvalidArgument,
            Reason::TargetDraining
            | Reason::TargetDisabled
            | Reason::TargetRefused
            | Reason::ReconnectRequired
            | Reason::PlayerNotReady => Code::FailedPrecondition,
            Reason::TargetFull | Reason::TooManyRequests => Code::ResourceExhausted,
            Reason::TargetUnreachable | Reason::PlayerLeft | Reason::Stopping | Reason::Store => {
                Code::Unavailable
            }
            Reason::Timeout => Code::DeadlineExceeded,
            Reason::BanExists => Code::AlreadyExists,
            Reason::WatchTooSlow => Code::Aborted,
            Reason::Unauthenticated => Code::Unauthenticated,
            Reason::Permission => Code::PermissionDenied,
            Reason::Unspecified => Code::Internal,
        }
    }

    pub(super) fn status(self) -> Status {
        let details = ErrorDetails::with_error_info(self.reason.name(), ERROR_DOMAIN, []);
        Status::with_error_details(self.code(), self.text, details)
    }
}

impl From<NotMoved> for Failure {
    fn from(why: NotMoved) -> Self {
        let reason = match why.reason {
            "full" | "crowded" => Reason::TargetFull,
            "draining" => Reason::TargetDraining,
            "disabled" => Reason::TargetDisabled,
            "content_unknown" | "client_state_overflow" => Reason::ReconnectRequired,
            "nowhere" | "unknown_server" => Reason::NoSuchTarget,
            "not_ready" => Reason::PlayerNotReady,
            "busy" => Reason::TooManyRequests,
            "move_deadline" => Reason::Timeout,
            "interrupted" => Reason::Stopping,
            "bad_address" | "unresolved" | "unreachable" | "socket" | "closed" | "timeout"
            | "no_member" => Reason::TargetUnreachable,
            // The target answered: wrong_password, version_refused, denied, …; or
            // the player may not go there.
            _ => Reason::TargetRefused,
        };
        Self::new(reason, why.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_code_and_travels_by_name() {
        for number in 1..=22 {
            let reason = Reason::try_from(number).unwrap();
            let status = Failure::new(reason, "why").status();
            assert!(!matches!(status.code(), Code::Ok | Code::Internal), "{reason:?}");
            let info = status.get_details_error_info().unwrap();
            assert_eq!(
                (info.reason.as_str(), info.domain.as_str()),
                (reason.name(), "mesegate.dev")
            );
            assert_eq!(status.message(), "why");
        }
    }
}
