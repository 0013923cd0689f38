//! What operators watch: log lines on stderr, traces and metrics by OTLP, metrics for Prometheus.
//!
//! The library tells what happens by spans and by an observer; here they get to where somebody looks. OTLP is on when one of
//! OpenTelemetry's own variables names an endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT`, `…_TRACES_ENDPOINT`, `…_METRICS_ENDPOINT`), and
//! speaks `http/protobuf`.

mod metrics;

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::sync::Arc;

use clap::ValueEnum;
use connector_host::{Host, Observer};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::{Encoder as _, Registry, TextEncoder};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, filter::Targets};

use crate::args::Global;
use crate::error::{Failure, Result};
use crate::progress;
use crate::terminal;

use metrics::Metrics;
pub(crate) use metrics::Watched;

/// Name of this program for collectors, unless `OTEL_SERVICE_NAME` says another.
const SERVICE: &str = "connector";
/// Spans and events of the library and of connectors: what traces are made of.
const TRACED: [&str; 2] = ["connector_host", "connector"];

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The ways out, to be closed at the end so that nothing is lost.
pub(crate) struct Telemetry {
    tracer: Option<SdkTracerProvider>,
    meter: Option<(SdkMeterProvider, Arc<Metrics>)>,
    registry: Option<Registry>,
}

impl Telemetry {
    /// Opens them: log lines always, OTLP if the environment names an endpoint, Prometheus if this process stays (`scraped`).
    ///
    /// # Errors
    /// An endpoint or option in the environment that makes no sense.
    pub(crate) fn start(global: &Global, scraped: bool) -> Result<Self> {
        let environment = Environment::of_process();
        if environment.traces || environment.metrics {
            // The exporters' client comes without a provider of TLS and insists on one. Who installed one before means the same.
            let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        }
        let tracer = environment.traces.then(tracer).transpose()?;
        let layer = tracer.as_ref().map(|provider| {
            let spans = Targets::new().with_targets(TRACED.map(|target| (target, tracing::Level::INFO)));
            let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer(SERVICE));
            layer.with_location(false).with_threads(false).with_tracked_inactivity(false).with_filter(spans)
        });
        if let Err(error) = tracing_subscriber::registry().with(layer).with(lines(global)).try_init() {
            terminal::tell(&format!("warning: no log: {error}\n"));
        }
        let registry = scraped.then(Registry::new);
        let meter =
            (environment.metrics || scraped).then(|| meter(environment.metrics, registry.as_ref())).transpose()?;
        let meter = meter.map(|provider| {
            let metrics = Arc::new(Metrics::new(&provider));
            (provider, metrics)
        });
        Ok(Self { tracer, meter, registry })
    }

    /// Whether spans are sent.
    pub(crate) fn traces(&self) -> bool {
        self.tracer.is_some()
    }

    /// Counts what happens in a host; none where nobody looks.
    pub(crate) fn observer(&self) -> Option<Arc<dyn Observer>> {
        self.meter.as_ref().map(|(_, metrics)| Arc::clone(metrics) as Arc<dyn Observer>)
    }

    /// From now on, tells what this host uses, which versions serve, and what is left of the allowances of these connections.
    pub(crate) fn watch(&self, host: &Host, watched: &Arc<dyn Watched>) {
        if let Some((_, metrics)) = &self.meter {
            metrics.watch(host, watched);
        }
    }

    /// From now on, metrics call only these objects by their names.
    pub(crate) fn know_objects(&self, names: BTreeSet<String>) {
        if let Some((_, metrics)) = &self.meter {
            metrics.know_objects(names);
        }
    }

    /// The metrics as Prometheus reads them.
    ///
    /// # Errors
    /// Two metrics that do not go together: a defect.
    pub(crate) fn exposition(&self) -> std::result::Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        let families = self.registry.as_ref().map(Registry::gather).unwrap_or_default();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }

    /// Sends what was not sent yet. Blocks for a few seconds at most.
    pub(crate) fn stop(&self) {
        let traces = self.tracer.as_ref().map_or(Ok(()), SdkTracerProvider::shutdown);
        let metrics = self.meter.as_ref().map_or(Ok(()), |(provider, _)| provider.shutdown());
        for (what, result) in [("traces", traces), ("metrics", metrics)] {
            if let Err(error) = result {
                terminal::tell(&format!(
                    "warning: the last {what} were not taken: {}\n",
                    terminal::clean(&error.to_string())
                ));
            }
        }
    }
}

/// What OpenTelemetry's variables ask for.
#[derive(Debug, PartialEq, Eq)]
struct Environment {
    traces: bool,
    metrics: bool,
}

impl Environment {
    fn of_process() -> Self {
        Self::of(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn of(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let is = |name: &str, value: &str| variable(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
        let on = |signal: &str| {
            let endpoint = |name: String| variable(&name).is_some();
            !is("OTEL_SDK_DISABLED", "true")
                && !is(&format!("OTEL_{signal}_EXPORTER"), "none")
                && (endpoint("OTEL_EXPORTER_OTLP_ENDPOINT".into())
                    || endpoint(format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")))
        };
        Self { traces: on("TRACES"), metrics: on("METRICS") }
    }
}

/// Log lines on stderr, for people or as JSON.
fn lines<S>(global: &Global) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let default = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info,connector=debug,connector_host=debug",
        // Other libraries trace the header fields and bytes of requests: who wants those says so in RUST_LOG.
        (false, _) => "info,connector=trace,connector_host=trace,connector_store=trace,connector_versions=trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let layer = tracing_subscriber::fmt::layer().with_writer(progress::LogWriter::default);
    let layer = layer.with_ansi(std::io::stderr().is_terminal());
    match global.log_format.unwrap_or(if global.json { LogFormat::Json } else { LogFormat::Text }) {
        LogFormat::Json => layer.json().with_filter(filter).boxed(),
        LogFormat::Text => layer.with_filter(filter).boxed(),
    }
}

fn resource() -> Resource {
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some();
    let builder = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if named { builder.build() } else { builder.with_service_name(SERVICE).build() }
}

fn refused(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new("cannot send traces and metrics as the OTEL_… environment variables say").causes_of(error)
}

fn tracer() -> Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_http().build().map_err(|e| refused(&e))?;
    Ok(SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter).build())
}

fn meter(otlp: bool, registry: Option<&Registry>) -> Result<SdkMeterProvider> {
    let mut builder = SdkMeterProvider::builder().with_resource(resource());
    if otlp {
        let exporter = opentelemetry_otlp::MetricExporter::builder().with_http().build().map_err(|e| refused(&e))?;
        builder = builder.with_periodic_exporter(exporter);
    }
    if let Some(registry) = registry {
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build();
        builder = builder.with_reader(exporter.map_err(|e| refused(&e))?);
    }
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn otlp_is_on_where_an_endpoint_is_named_and_nothing_turns_it_off() {
        let of = |variables: &[(&str, &str)]| {
            let environment = Environment::of(&|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            });
            (environment.traces, environment.metrics)
        };
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert_eq!(of(&[]), (false, false));
        assert_eq!(of(&[all]), (true, true));
        assert_eq!(of(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")]), (true, false));
        assert_eq!(of(&[all, ("OTEL_METRICS_EXPORTER", "none")]), (true, false));
        assert_eq!(of(&[all, ("OTEL_SDK_DISABLED", "true")]), (false, false));
    }
}
