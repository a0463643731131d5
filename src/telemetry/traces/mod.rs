//! The export of spans to a collector.
//!
//! Ended spans go to a thread of their own over a queue of bounded length, which drops what does not fit: a slow or unreachable
//! collector costs spans and nothing else.

mod exporter;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::config::Telemetry;

use super::error::TelemetryError;
use exporter::CollectorClient;

/// How long a process that ends waits for its last spans to be sent.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Only spans of Mover: none of its drivers, and none of the exporter.
const TARGET: &str = "mover";

/// See the module's documentation.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Prepares the exporter; `None` without a configured collector. Opens no connection yet.
    pub fn start(telemetry: &Telemetry) -> Result<Option<Self>, TelemetryError> {
        let Some(collector) = &telemetry.collector else { return Ok(None) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(CollectorClient::new(collector))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(collector.traces())
            .build()
            .map_err(|error| TelemetryError::Traces { endpoint: collector.to_string(), cause: error.to_string() })?;
        let resource = Resource::builder()
            .with_service_name(telemetry.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
        Ok(Some(Self { provider }))
    }

    /// The layer of a subscriber.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("mover"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // The current span of OpenTelemetry is not used here.
            .with_context_activation(false)
            .with_filter(Targets::new().with_target(TARGET, Level::INFO))
    }

    /// Sends the remaining spans. Those that the collector does not take in time are lost.
    pub async fn end(self) {
        let flush = move || self.provider.shutdown_with_timeout(FLUSH_WITHIN);
        match tokio::task::spawn_blocking(flush).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the last traces were not taken"),
            Err(error) => tracing::debug!(%error, "the last traces were not sent"),
        }
    }
}
