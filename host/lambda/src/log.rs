//! The log: one JSON object a line on standard error, as CloudWatch reads it.
//!
//! `timestamp`, `level`, `event`, `message`, then the fields of the spans around it and of the event itself. `rapport-telemetry`
//! has the list of all events; lines of libraries have no `event`.

mod emf;

use std::fmt;
use std::io::Write;

use rapport_telemetry::Panicked;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// Begins to log, as the function's environment asks for it.
pub fn start(get: &dyn Fn(&str) -> Option<String>) {
    let metrics = get("RAPPORT_METRICS_NAMESPACE").filter(|namespace| !namespace.is_empty());
    let log = Json { level: level(get), metrics, write: |line| drop(std::io::stderr().write_all(line)) };
    // It fails only if somebody has begun before, and then there is a log.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(log));
    // Where, and not what: a panic's message may quote what it was about.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        Panicked { at: &at }.emit();
    }));
}

/// What is at least this grave is logged; of libraries, warnings.
fn level(get: &dyn Fn(&str) -> Option<String>) -> Level {
    match get("AWS_LAMBDA_LOG_LEVEL").as_deref() {
        Some("TRACE") => Level::TRACE,
        Some("DEBUG") => Level::DEBUG,
        Some("WARN") => Level::WARN,
        Some("ERROR" | "FATAL") => Level::ERROR,
        _ => Level::INFO,
    }
}

/// Writes a line for each event.
struct Json {
    level: Level,
    /// Where CloudWatch is to keep metrics; none: it keeps none.
    metrics: Option<String>,
    write: fn(&[u8]),
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Json {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let of_libraries = self.level.min(Level::WARN);
        *metadata.level() <= if metadata.target().starts_with("rapport") { self.level } else { of_libraries }
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.0.extend(of_span.0.clone());
            }
        }
        event.record(&mut fields);
        let now = OffsetDateTime::now_utc();
        fields.0.insert("timestamp".to_owned(), now.format(&Rfc3339).unwrap_or_default().into());
        fields.0.insert("level".to_owned(), event.metadata().level().as_str().into());
        // By its id and not by its words: they may be reworded, and a connector may say the same.
        if let Some(listed) = rapport_telemetry::described(event.metadata().name()) {
            fields.0.insert("event".to_owned(), listed.id.into());
            if let Some(namespace) = &self.metrics {
                emf::embed(namespace, listed, now.unix_timestamp_nanos() / 1_000_000, &mut fields.0);
            }
        }
        let mut line = Value::Object(fields.0).to_string().into_bytes();
        line.push(b'\n');
        (self.write)(&line);
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    use rapport_telemetry::{ConnectorSaysInfo, EventsStored, RequestUnproven};

    fn lines(written: &Mutex<Vec<u8>>) -> Vec<Value> {
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        written.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_one_object_with_the_fields_of_its_spans() {
        static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());
        let log =
            Json { level: Level::INFO, metrics: None, write: |line| WRITTEN.lock().unwrap().extend_from_slice(line) };
        tracing::subscriber::with_default(Registry::default().with(log), || {
            let _span = rapport_telemetry::request("r-1", None).entered();
            tracing::info!(new = 2, write_units = 1.5, "events \"stored\"\n");
            RequestUnproven { status: 401, took_ms: 0.5 }.emit();
            tracing::info!(target: "hyper", "of a library");
            tracing::warn!(target: "hyper", request_id = "r-2", "grave");
        });
        let lines = lines(&WRITTEN);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0]["message"], "events \"stored\"\n");
        assert_eq!((&lines[0]["new"], &lines[0]["write_units"]), (&2.into(), &1.5.into()));
        assert_eq!((&lines[0]["request_id"], &lines[0]["level"]), (&"r-1".into(), &"INFO".into()));
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z') && lines[0].get("traceparent").is_none());
        assert!(lines[0].get("event").is_none(), "it is not on the list");
        assert_eq!(lines[1]["request_id"], "r-2", "the nearest says what it is");
    }

    #[test]
    fn metrics_follow_the_event_and_not_its_words() {
        static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());
        let metrics = Some("Rapport".to_owned());
        let log = Json { level: Level::INFO, metrics, write: |line| WRITTEN.lock().unwrap().extend_from_slice(line) };
        tracing::subscriber::with_default(Registry::default().with(log), || {
            let (request_id, connection, connector) = ("r-1", "a", "c");
            let (new, duplicates, write_units) = (2, 1, 1.5);
            EventsStored { request_id, connection, connector, sandbox_us: 7, new, duplicates, write_units }.emit();
            ConnectorSaysInfo { request_id, connection, message: "webhook parked" }.emit();
        });
        let lines = lines(&WRITTEN);
        assert_eq!((&lines[0]["event"], &lines[0]["message"]), (&"events-stored".into(), &"events stored".into()));
        let names = ["sandbox_us", "new", "duplicates", "write_units"];
        let metrics = lines[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert_eq!(metrics.iter().map(|metric| metric["Name"].as_str().unwrap()).collect::<Vec<_>>(), names);
        assert!(names.iter().all(|name| lines[0][name].is_number()), "{}", lines[0]);
        assert!(lines[1].get("_aws").is_none() && lines[1].get("parked").is_none(), "{}", lines[1]);
    }
}
