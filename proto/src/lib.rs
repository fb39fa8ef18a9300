//! Mesegate's gRPC interfaces: messages, clients and servers made of the `.proto` files beside
//! this crate, which are the reference.
#![forbid(unsafe_code)]

/// `mesegate.admin`: what operators and their programs ask for.
pub mod admin {
    /// Version 1.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    pub mod v1 {
        tonic::include_proto!("mesegate.admin.v1");

        /// The descriptors of all files of this package and of what they import.
        pub const FILE_DESCRIPTOR_SET: &[u8] =
            include_bytes!(concat!(env!("OUT_DIR"), "/admin.v1.bin"));
    }

    /// The domain of the `google.rpc.ErrorInfo` in status errors.
    pub const ERROR_DOMAIN: &str = "mesegate.dev";

    impl v1::FailureReason {
        /// The name in `google.rpc.ErrorInfo`: that of the enum without its prefix.
        pub fn name(self) -> &'static str {
            let name = self.as_str_name();
            name.strip_prefix("FAILURE_REASON_").unwrap_or(name)
        }

        /// The reason of that name.
        pub fn from_name(name: &str) -> Option<Self> {
            Self::from_str_name(&format!("FAILURE_REASON_{name}"))
        }
    }
}

pub mod control;
pub mod span;

#[cfg(test)]
mod tests {
    use super::admin::v1::FailureReason;

    #[test]
    fn reasons_have_their_names() {
        for number in 0..=23 {
            let reason = FailureReason::try_from(number).unwrap();
            assert_eq!(FailureReason::from_name(reason.name()), Some(reason));
        }
        assert_eq!(FailureReason::TargetFull.name(), "TARGET_FULL");
        assert!(FailureReason::try_from(24).is_err());
    }
}
