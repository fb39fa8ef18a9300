//! Why sending failed and why a connection ended.

/// Why a message was not accepted for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The connection is closed or closing.
    #[error("connection is closed")]
    Closed,
    /// The send queue has reached its limit in bytes; the message was not queued.
    #[error("send queue is full")]
    QueueFull,
    /// The message is longer than the protocol can carry, or the channel does not exist.
    #[error("message does not fit the protocol")]
    TooLarge,
}

impl SendError {
    /// The error's name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::QueueFull => "send_limit",
            Self::TooLarge => "message_too_large",
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// This side closed it.
    Local,
    /// The peer sent DISCO.
    PeerDisconnected,
    /// Nothing acceptable was received for the receive timeout.
    ReceiveTimeout,
    /// A reliable packet stayed unacknowledged for the ack timeout.
    AckTimeout,
    /// The peer needed more receive memory than it is allowed, or the process has none left.
    ReceiveLimit,
    /// The process has no memory left for its send queues.
    SendLimit,
    /// The peer reused a sequence number with other content.
    ProtocolViolation,
}

impl CloseReason {
    /// Every reason, for metrics that want to start at zero.
    pub const ALL: [Self; 7] = [
        Self::Local,
        Self::PeerDisconnected,
        Self::ReceiveTimeout,
        Self::AckTimeout,
        Self::ReceiveLimit,
        Self::SendLimit,
        Self::ProtocolViolation,
    ];

    /// The reason's name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::PeerDisconnected => "peer_disconnected",
            Self::ReceiveTimeout => "receive_timeout",
            Self::AckTimeout => "ack_timeout",
            Self::ReceiveLimit => "receive_limit",
            Self::SendLimit => "send_limit",
            Self::ProtocolViolation => "protocol_violation",
        }
    }
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
