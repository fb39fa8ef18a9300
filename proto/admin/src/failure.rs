//! Why a call failed: one reason, whose name and status code are part of the interface.

use mesegate_proto::admin::ERROR_DOMAIN;
use mesegate_proto::admin::v1::FailureReason as Reason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its name is part of the interface.
    pub reason: Reason,
    /// In words.
    pub text: String,
}

impl Failure {
    /// With a text for people.
    pub fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into() }
    }

    /// A field's value: what is wrong with it.
    pub fn field(field: &str, wrong: impl std::fmt::Display) -> Self {
        Self::new(Reason::InvalidField, format!("{field}: {wrong}"))
    }

    /// Nobody of that name.
    pub fn no_such_player(name: &str) -> Self {
        Self::new(Reason::NoSuchPlayer, format!("no player {name:?} is in the game"))
    }

    /// A player who is there no more.
    pub fn left(name: &str) -> Self {
        Self::new(Reason::PlayerLeft, format!("player {name:?} left"))
    }

    /// The deadline has passed.
    pub fn timeout() -> Self {
        Self::new(Reason::Timeout, "it was not done before the deadline")
    }

    /// The process ends.
    pub fn stopping() -> Self {
        Self::new(Reason::Stopping, "the process stops")
    }

    /// There is no such server.
    pub fn no_such_server(name: &str) -> Self {
        Self::new(Reason::NoSuchTarget, format!("there is no server {name:?}"))
    }

    /// There is no such group.
    pub fn no_such_group(name: &str) -> Self {
        Self::new(Reason::NoSuchTarget, format!("there is no group {name:?}"))
    }

    /// There is no such proxy.
    pub fn no_such_proxy(name: &str) -> Self {
        Self::new(Reason::NoSuchProxy, format!("there is no proxy {name:?}"))
    }

    /// There is no such ban.
    pub fn no_such_ban() -> Self {
        Self::new(Reason::NoSuchBan, "there is no such ban")
    }

    pub(crate) fn code(&self) -> Code {
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
            Reason::TargetUnreachable
            | Reason::PlayerLeft
            | Reason::ProxyGone
            | Reason::Stopping
            | Reason::Store => Code::Unavailable,
            Reason::Timeout => Code::DeadlineExceeded,
            Reason::BanExists => Code::AlreadyExists,
            Reason::WatchTooSlow => Code::Aborted,
            Reason::Unauthenticated => Code::Unauthenticated,
            Reason::Permission => Code::PermissionDenied,
            Reason::Unspecified => Code::Internal,
        }
    }

    /// It as callers get it: with its code, and with its reason in the details.
    pub fn status(self) -> Status {
        let details = ErrorDetails::with_error_info(self.reason.name(), ERROR_DOMAIN, []);
        Status::with_error_details(self.code(), self.text, details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_code_and_travels_by_name() {
        for number in 1..=23 {
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
