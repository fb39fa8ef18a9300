//! Traces over OTLP.

mod exporter;

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Runtime;
use tonic::transport::{ClientTlsConfig, Endpoint};
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::log::Program;
use crate::span::HEADER;
use exporter::Exporter;

/// How long spans that have not been sent yet are tried to be, at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long the collector may take for one batch.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest header: two digits, 32, 16 and two, with dashes (W3C Trace Context).
const LONGEST: usize = 55;

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TraceError {
    /// The address.
    #[error("{0}; write for example http://127.0.0.1:4317")]
    Endpoint(tonic::transport::Error),
    /// The exporter.
    #[error("{0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Its thread.
    #[error("cannot start a thread: {0}")]
    Start(#[from] std::io::Error),
}

/// The way to the collector.
#[derive(Debug)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    /// Of its own, so that a slow collector has nothing to do with players, and spans of the end
    /// are sent when the program's runtime is gone.
    runtime: Option<Runtime>,
}

impl Drop for Traces {
    fn drop(&mut self) {
        // What fails was told.
        let _ = self.provider.shutdown_with_timeout(FAREWELL);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Sends what passes the layer to a collector. The queue is bounded (`OTEL_BSP_MAX_QUEUE_SIZE`,
/// 2048 spans); who makes a span never waits.
pub(crate) fn start<S>(
    endpoint: &str,
    program: &Program,
) -> Result<(OpenTelemetryLayer<S, SdkTracer>, Traces), TraceError>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("traces")
        .enable_all()
        .build()?;
    let url = Endpoint::from_shared(endpoint.to_owned()).map_err(TraceError::Endpoint)?;
    let url = match url.uri().scheme_str() {
        Some("https") => {
            let tls = ClientTlsConfig::new().with_native_roots();
            url.tls_config(tls).map_err(TraceError::Endpoint)?
        }
        _ => url,
    };
    let channel = {
        let _inside = runtime.enter();
        url.connect_timeout(PATIENCE).connect_lazy()
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_channel(channel)
        .with_timeout(PATIENCE)
        .build()?;
    let provider = SdkTracerProvider::builder()
        .with_resource(resource(program))
        .with_batch_exporter(Exporter::new(exporter, runtime.handle().clone()))
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("mesegate"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false);
    Ok((layer, Traces { provider, runtime: Some(runtime) }))
}

/// Who sends. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` have the last word.
fn resource(program: &Program) -> Resource {
    let given = Resource::builder().build();
    let own = [
        KeyValue::new("service.name", program.name),
        KeyValue::new("service.version", program.release),
        KeyValue::new("service.instance.id", program.instance.clone()),
    ];
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some_and(|name| !name.is_empty());
    let own = own.into_iter().filter(|it| match it.key.as_str() {
        "service.name" => !named,
        key => given.get(&opentelemetry::Key::new(key.to_owned())).is_none(),
    });
    Resource::builder().with_attributes(own.collect::<Vec<_>>()).build()
}

pub(crate) fn follow(span: &Span, traceparent: &str) {
    if traceparent.is_empty() || traceparent.len() > LONGEST || span.is_disabled() {
        return;
    }
    let carrier = HashMap::from([(HEADER.to_owned(), traceparent.to_owned())]);
    // Where it makes no sense the context is empty, and the span stays what it was.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
}

pub(crate) fn header(span: &Span) -> String {
    if span.is_disabled() {
        return String::new();
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(HEADER).unwrap_or_default()
}
