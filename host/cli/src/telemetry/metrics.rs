//! What happens in a host, as metrics of OpenTelemetry: names and units by its semantic conventions, where there are any.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use connector_host::{
    CallEnded, Connection, Deployment, Host, HostStatus, Observer, QuotaStatus, RequestEnded, SwapEnded, SwapError,
};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;

/// Bounds of the histograms of durations, in seconds: from a request on the same machine to a call of minutes.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Name, unit and description of a metric.
type Named = (&'static str, &'static str, &'static str);

const CALLS: Named = ("connector.call.duration", "s", "Calls of connectors, by connector, version and result");
const RECORDS: Named = ("connector.records", "{record}", "Records that calls read or were given to write");
const OUTCOMES: Named = ("connector.outcomes", "{record}", "Records of writes, by what became of them");
const REQUESTS: Named = ("http.client.request.duration", "s", "Requests of connectors until the answer's head");
const BYTES: Named = ("http.client.response.body.size", "By", "Bodies of answers that connectors took");
const SWAPS: Named = ("connector.swaps", "{swap}", "Exchanges of a connector's version, by result");
const SOCKETS: Named = ("connector.sockets", "{socket}", "Open sockets, idle ones included");
const ON_VERSION: Named =
    ("connector.version.activities", "{activity}", "Activities that run on each version of a connector");

/// A gauge, and how to read it off what there is.
type Gauge<From, To> = (Named, fn(&From) -> To);

/// What a host uses.
const OF_HOST: [Gauge<HostStatus, usize>; 3] = [
    (("connector.instances", "{instance}", "Instances of connectors"), |host| host.instances),
    (("connector.memory", "By", "Linear memory of all instances"), |host| host.memory),
    (("connector.connections", "{connection}", "Open connections"), |host| host.connections),
];

/// What is left of an allowance.
const OF_QUOTA: [Gauge<QuotaStatus, Option<u64>>; 4] = [
    (("connector.quota.limit", "{request}", "Requests per window that the remote allows"), |quota| {
        quota.limit.map(u64::from)
    }),
    (("connector.quota.left", "{request}", "Requests left in this window"), |quota| quota.left.map(u64::from)),
    (("connector.quota.waiting", "{request}", "Requests that wait for leave"), |quota| Some(quota.waiting.into())),
    (("connector.quota.held", "ms", "How long nobody may send"), |quota| {
        quota.held_for.map(|held| u64::try_from(held.as_millis()).unwrap_or(u64::MAX))
    }),
];

/// The instruments.
#[derive(Debug)]
pub(super) struct Metrics {
    meter: Meter,
    calls: Histogram<f64>,
    records: Counter<u64>,
    outcomes: Counter<u64>,
    requests: Histogram<f64>,
    bytes: Counter<u64>,
    swaps: Counter<u64>,
    objects: Mutex<Option<BTreeSet<String>>>,
}

/// What stands for an object that the connector does not have: callers can make up any number of names.
const OTHER: &str = "_OTHER";

impl Metrics {
    pub(super) fn new(provider: &SdkMeterProvider) -> Self {
        let meter = provider.meter(super::SERVICE);
        let seconds = |(name, unit, what): Named| {
            let histogram = meter.f64_histogram(name).with_unit(unit).with_description(what);
            histogram.with_boundaries(SECONDS.to_vec()).build()
        };
        let counter =
            |(name, unit, what): Named| meter.u64_counter(name).with_unit(unit).with_description(what).build();
        Self {
            calls: seconds(CALLS),
            records: counter(RECORDS),
            outcomes: counter(OUTCOMES),
            requests: seconds(REQUESTS),
            bytes: counter(BYTES),
            swaps: counter(SWAPS),
            objects: Mutex::default(),
            meter,
        }
    }

    /// From now on, only these objects are called by their names.
    pub(super) fn know_objects(&self, names: BTreeSet<String>) {
        *self.objects.lock().unwrap_or_else(PoisonError::into_inner) = Some(names);
    }

    fn object(&self, typed: Option<&str>) -> KeyValue {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |name: &&str| name.is_empty() || objects.as_ref().is_none_or(|objects| objects.contains(*name));
        KeyValue::new("connector.object", Some(typed.unwrap_or_default()).filter(known).unwrap_or(OTHER).to_owned())
    }

    /// See [`super::Telemetry::watch`].
    pub(super) fn watch(&self, host: &Host, watched: &Arc<dyn Watched>) {
        let gauge =
            |(name, unit, what): Named| self.meter.u64_observable_gauge(name).with_unit(unit).with_description(what);
        for (named, read) in OF_HOST {
            let host = host.clone();
            gauge(named).with_callback(move |gauge| gauge.observe(read(&host.status()) as u64, &[])).build();
        }
        for (named, read) in OF_QUOTA {
            let watched = Arc::clone(watched);
            let told = move |gauge: &dyn opentelemetry::metrics::AsyncInstrument<u64>| watched.tell_quotas(gauge, read);
            gauge(named).with_callback(told).build();
        }
        let counted = Arc::clone(watched);
        let sockets = move || counted.connections().iter().map(|one| u64::from(one.status().sockets)).sum();
        gauge(SOCKETS).with_callback(move |gauge| gauge.observe(sockets(), &[])).build();
        let watched = Arc::clone(watched);
        gauge(ON_VERSION).with_callback(move |gauge| watched.tell_versions(gauge)).build();
    }
}

/// What is looked at whenever somebody reads the metrics.
pub(crate) trait Watched: Send + Sync {
    /// One for each connector.
    fn deployments(&self) -> Vec<Deployment>;
    /// Those that are open.
    fn connections(&self) -> Vec<Connection>;
}

impl dyn Watched {
    fn tell_quotas(
        &self,
        gauge: &dyn opentelemetry::metrics::AsyncInstrument<u64>,
        read: fn(&QuotaStatus) -> Option<u64>,
    ) {
        for connection in self.connections() {
            for quota in connection.status().quotas {
                if let Some(value) = read(&quota) {
                    let connection = KeyValue::new("connector.connection", connection.name().to_owned());
                    gauge.observe(value, &[connection, KeyValue::new("connector.store", quota.bucket)]);
                }
            }
        }
    }

    fn tell_versions(&self, gauge: &dyn opentelemetry::metrics::AsyncInstrument<u64>) {
        let states = self.deployments().into_iter().map(|deployment| deployment.state());
        let all =
            states.flat_map(|state| state.versions.into_iter().map(move |version| (state.connector.clone(), version)));
        for (connector, version) in all {
            let attributes = [
                KeyValue::new("connector.name", connector),
                KeyValue::new("connector.version", version.version),
                KeyValue::new("connector.digest", version.digest),
                KeyValue::new("connector.role", version.role.name()),
            ];
            gauge.observe(version.activities.into(), &attributes);
        }
    }
}

impl Observer for Metrics {
    fn call_ended(&self, call: &CallEnded<'_>) {
        let info = call.connector.info();
        let connection = KeyValue::new("connector.connection", call.connection.to_owned());
        let verb = KeyValue::new("connector.call", call.call);
        let object = self.object(call.object);
        let tally = call.tally;
        if tally.records > 0 {
            self.records.add(tally.records, &[connection.clone(), verb.clone(), object.clone()]);
        }
        for (count, outcome) in [
            (tally.applied, "applied"),
            (tally.failed, "failed"),
            (tally.unknown, "unknown"),
            (tally.skipped, "skipped"),
        ] {
            if count > 0 {
                let outcome = KeyValue::new("connector.outcome", outcome);
                self.outcomes.add(count, &[connection.clone(), verb.clone(), object.clone(), outcome]);
            }
        }
        let mut attributes = vec![
            connection,
            verb,
            object,
            KeyValue::new("connector.name", info.name.clone()),
            KeyValue::new("connector.version", info.version.clone()),
        ];
        attributes.extend(call.error.map(|error| KeyValue::new("error.type", error)));
        self.calls.record(call.took.as_secs_f64(), &attributes);
    }

    fn request_ended(&self, request: &RequestEnded<'_>) {
        let mut attributes = vec![KeyValue::new("connector.connection", request.connection.to_owned())];
        if let Some(origin) = request.origin {
            attributes.push(KeyValue::new("server.address", origin.host().to_owned()));
            self.bytes.add(request.bytes, &attributes);
            attributes.push(KeyValue::new("server.port", i64::from(origin.port())));
        }
        attributes.push(KeyValue::new("http.request.method", request.method.to_owned()));
        attributes.extend(request.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
        attributes.extend(request.failure.map(|failure| KeyValue::new("error.type", failure.to_owned())));
        self.requests.record(request.took.as_secs_f64(), &attributes);
    }

    fn swap_ended(&self, swap: &SwapEnded<'_>) {
        let attributes = [
            KeyValue::new("connector.name", swap.to.info().name.clone()),
            KeyValue::new("connector.swap.result", swap.error.map_or("switched", SwapError::name)),
        ];
        self.swaps.add(1, &attributes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands between back-quotes in the rows of the table that begins with this head.
    fn table<'a>(book: &'a str, head: &str) -> Vec<Vec<&'a str>> {
        let rows =
            book.lines().skip_while(|line| !line.starts_with(head)).skip(2).take_while(|line| line.starts_with('|'));
        rows.map(|row| row.split('`').skip(1).step_by(2).collect()).collect()
    }

    const BOOK: &str = include_str!("../../../../docs/operating.md");

    #[test]
    fn the_book_names_every_metric_with_its_unit_and_no_other() {
        let all = [CALLS, RECORDS, OUTCOMES, REQUESTS, BYTES, SWAPS, SOCKETS, ON_VERSION];
        let all = all.into_iter().chain(OF_HOST.map(|(named, _)| named)).chain(OF_QUOTA.map(|(named, _)| named));
        let mut code: Vec<String> = all.map(|(name, unit, _)| format!("| `{name}` | {unit} |")).collect();
        let rows = BOOK.lines().filter(|line| line.starts_with("| `connector.") || line.starts_with("| `http."));
        let mut book: Vec<String> =
            rows.map(|row| row.split('|').take(3).collect::<Vec<_>>().join("|") + "|").collect();
        code.sort();
        book.sort();
        assert_eq!(book, code);
    }

    #[test]
    fn the_attributes_in_the_book_are_those_of_the_code() {
        let source = include_str!("metrics.rs");
        let rows = table(BOOK, "| metric |");
        assert_eq!(rows.len(), 15);
        for attribute in rows.iter().flat_map(|row| row.iter().skip(1)) {
            assert!(source.contains(&format!("\"{attribute}\"")), "{attribute}");
        }
        let spans =
            concat!(include_str!("../../../embed/src/activity.rs"), include_str!("../../../embed/src/requests.rs"))
                .replace("r#", "");
        let rows = table(BOOK, "| span |");
        assert_eq!(rows.len(), 3);
        for row in rows {
            let (span, attributes) = row.split_first().unwrap_or_else(|| panic!("an empty row"));
            assert!(spans.contains(&format!("\"{span}\",")), "{span}");
            for attribute in attributes {
                assert!(spans.contains(&format!("{attribute} =")), "{attribute}");
            }
        }
    }
}
