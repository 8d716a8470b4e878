//! Traces by OTLP: a server span for each client request, as OpenTelemetry's HTTP conventions have it. The standard variables
//! (`OTEL_EXPORTER_OTLP_ENDPOINT` and the others) turn it on and configure it. Without them, a request costs one branch.

mod export;
mod layer;
mod settings;
mod span;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::sync::oneshot;

use crate::metrics::Metrics;
use export::Collector;
pub use layer::Traced;
pub use settings::TraceSettings;
pub use span::Peer;

/// How long the process waits at its end for the last spans to be exported.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Makes the spans, and exports them on a thread of the SDK. Clones share it.
#[derive(Clone)]
pub struct Traces(Arc<Shared>);

struct Shared {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// Reads the client's context; none if traces are not continued.
    propagator: Option<TraceContextPropagator>,
    /// Knows probes by their `User-Agent`.
    metrics: Arc<Metrics>,
}

impl Traces {
    /// Starts the exporter. Must be called inside the tokio runtime, which sends the exports.
    pub fn start(settings: &TraceSettings, metrics: Arc<Metrics>) -> io::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(settings))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(settings.endpoint.to_string())
            .with_timeout(settings.timeout)
            .build()
            .map_err(io::Error::other)?;
        let resource = Resource::builder();
        let resource = if settings.has_service_name { resource } else { resource.with_service_name("shopfront") };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(settings.sampler.clone())
            .with_resource(resource.build())
            .build();
        let tracer = provider.tracer("shopfront");
        let propagator = settings.continues_traces.then(TraceContextPropagator::new);
        // Not the whole URL, whose path may be a key.
        let collector = settings.endpoint.authority().map_or("", |authority| authority.as_str());
        tracing::info!(collector, "spans are exported");
        Ok(Self(Arc::new(Shared { provider, tracer, propagator, metrics })))
    }

    /// Exports the last spans, within a second. The SDK's call blocks, so it has a thread.
    pub async fn flush(self) {
        let (flushed, is_flushed) = oneshot::channel();
        let flush = move || {
            // A failure has been logged.
            let _ = self.0.provider.shutdown_with_timeout(FLUSH_TIMEOUT);
            let _ = flushed.send(());
        };
        if std::thread::Builder::new().name("flush".to_owned()).spawn(flush).is_ok() {
            let _ = tokio::time::timeout(FLUSH_TIMEOUT, is_flushed).await;
        }
    }
}
