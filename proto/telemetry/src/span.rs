//! Spans: what took how long, and for what.
//!
//! They are made with the macros of `tracing` and the [`TARGET`], for things that somebody waits
//! for and that happen some times a second at the most; never for messages or datagrams. A player
//! is a random number in them: traces leave the house, are kept elsewhere and for long, and are
//! read by more people than the log, so neither names nor addresses are in them. The log has both
//! the number and the name.

use tracing::Span;

/// Target of the spans that become traces. No others do.
pub const TARGET: &str = "mesegate_trace";

/// Name of the header that says which span a request belongs to (W3C Trace Context, "traceparent
/// Header").
pub const HEADER: &str = "traceparent";

/// Makes `span` a part of what the caller's header tells of. Anything that is no such header, and
/// everything where no traces are made, changes nothing.
pub fn follow(span: &Span, traceparent: &str) {
    #[cfg(feature = "otlp")]
    crate::trace::follow(span, traceparent);
    #[cfg(not(feature = "otlp"))]
    let _ = (span, traceparent);
}

/// The header that tells others of `span`; empty where no traces are made.
pub fn header(span: &Span) -> String {
    #[cfg(feature = "otlp")]
    return crate::trace::header(span);
    #[cfg(not(feature = "otlp"))]
    {
        let _ = span;
        String::new()
    }
}
