//! Traces that go on in another process.
#![forbid(unsafe_code)]
#![cfg(feature = "otlp")]
#![allow(missing_docs)]

use mesegate_telemetry::span::{TARGET, follow, header};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;

#[test]
fn a_trace_goes_on_where_the_caller_says_so() {
    let provider = SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let caller = format!("00-{trace}-00f067aa0ba902b7-01");
        let span = tracing::info_span!(target: TARGET, "call");
        follow(&span, &caller);
        let told = header(&span);
        assert!(told.starts_with(&format!("00-{trace}-")) && told.ends_with("-01"), "{told}");
        assert_ne!(told, caller);
        // What the next one is told leads to the same trace.
        let next = tracing::info_span!(target: TARGET, "command");
        follow(&next, &told);
        assert!(header(&next).contains(trace));
        for nonsense in ["", "x", "00-zz-00-01", &"0".repeat(60), &"-".repeat(55)] {
            let span = tracing::info_span!(target: TARGET, "call");
            follow(&span, nonsense);
            let told = header(&span);
            assert!(told.len() == 55 && !told.contains(trace), "{nonsense:?}: {told}");
        }
    });
    assert_eq!(header(&tracing::Span::none()), "");
}
