//! Metrics in the log: CloudWatch reads them from lines that say which of their own fields are metrics (embedded metric
//! format). No call is made for them, and nothing waits.

use serde_json::{Map, Value, json};

/// A line that is measured.
struct Measured {
    message: &'static str,
    /// The metric that counts such lines.
    count: Option<&'static str>,
    /// Fields of the line that are metrics, with their units.
    fields: &'static [(&'static str, &'static str)],
}

/// The line that stands for refusals which no line was written of.
const SUPPRESSED: &str = "webhooks refused";

const MEASURED: &[Measured] = &[
    Measured {
        message: "events stored",
        count: None,
        fields: &[("new", "Count"), ("duplicates", "Count"), ("write_units", "Count"), ("sandbox_us", "Microseconds")],
    },
    Measured { message: "webhook refused", count: Some("refused"), fields: &[] },
    Measured { message: SUPPRESSED, count: Some("refused"), fields: &[] },
    Measured { message: "api key refused", count: Some("api_keys_refused"), fields: &[] },
    Measured { message: "api call refused", count: Some("api_refused"), fields: &[] },
    Measured { message: "api call failed", count: Some("api_failed"), fields: &[] },
    Measured { message: "audit not written; nothing was done", count: Some("audit_not_written"), fields: &[] },
    Measured { message: "audit not written; nothing was given out", count: Some("audit_not_written"), fields: &[] },
    Measured { message: "audit not written of what was done", count: Some("audit_not_written"), fields: &[] },
    Measured { message: "webhook parked", count: Some("parked"), fields: &[] },
    Measured { message: "webhook ignored", count: Some("ignored"), fields: &[] },
    Measured { message: "webhook not stored", count: Some("not_stored"), fields: &[] },
    Measured { message: "delivery not taken", count: Some("not_taken"), fields: &[] },
    Measured { message: "request answered", count: None, fields: &[("took_ms", "Milliseconds")] },
    Measured { message: "request failed", count: Some("failed"), fields: &[("took_ms", "Milliseconds")] },
    Measured { message: "an erasure left something", count: Some("incomplete"), fields: &[] },
    Measured {
        message: "a provider demands an erasure; the rest waits for a decision",
        count: Some("erasures_demanded"),
        fields: &[],
    },
    Measured { message: "an endpoint's way leads to no profile that has it", count: Some("unreachable"), fields: &[] },
    Measured { message: "the connection cannot be set up", count: Some("not_set_up"), fields: &[] },
    Measured {
        message: "batch folded",
        count: None,
        fields: &[("events", "Count"), ("unreadable", "Count"), ("lag_ms", "Milliseconds")],
    },
    Measured { message: "set aside: not folded", count: Some("set_aside"), fields: &[] },
];
/// What a metric is broken down by, where the line has it. A reason is one of a dozen words.
const DIMENSIONS: &[&str] = &["connection", "reason"];

/// Makes a line say which of its fields are metrics, if it is one that is measured: as a total, and broken down.
pub(super) fn embed(namespace: &str, at_ms: i128, line: &mut Map<String, Value>) {
    let message = line.get("message").and_then(Value::as_str).unwrap_or_default();
    let Some(measured) = MEASURED.iter().find(|measured| measured.message == message) else { return };
    let mut metrics: Vec<Value> = Vec::new();
    if let Some(count) = measured.count {
        // A line may stand for others that were not written, and then for no more than those.
        let others = line.get("suppressed").and_then(Value::as_u64).unwrap_or_default();
        let itself = u64::from(measured.message != SUPPRESSED);
        line.insert(count.to_owned(), json!(itself + others));
        metrics.push(json!({"Name": count, "Unit": "Count"}));
    }
    let present = measured.fields.iter().filter(|(name, _)| line.get(*name).is_some_and(Value::is_number));
    metrics.extend(present.map(|(name, unit)| json!({"Name": name, "Unit": unit})));
    let of_line: Vec<&str> = DIMENSIONS.iter().copied().filter(|name| line.contains_key(*name)).collect();
    let dimensions = if of_line.is_empty() { json!([[]]) } else { json!([[], of_line]) };
    let directive = json!({"Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics});
    let at_ms = i64::try_from(at_ms).unwrap_or_default();
    line.insert("_aws".to_owned(), json!({"Timestamp": at_ms, "CloudWatchMetrics": [directive]}));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedded(line: Value) -> Value {
        let Value::Object(mut line) = line else { panic!("{line}") };
        embed("Rapport", 7, &mut line);
        Value::Object(line)
    }

    #[test]
    fn a_measured_line_names_fields_that_it_has() {
        let line = embedded(json!({"message": "events stored", "connection": "a", "new": 2, "write_units": 1.5}));
        assert_eq!(line["_aws"]["Timestamp"], 7);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([[], ["connection"]]));
        let names: Vec<_> = directive["Metrics"].as_array().unwrap().iter().map(|metric| &metric["Name"]).collect();
        assert_eq!(names, ["new", "write_units"]);

        let refused = json!({"message": "webhook refused", "connection": "a", "reason": "unauthenticated"});
        let line = embedded(refused);
        assert_eq!(line["refused"], 1);
        let of_a_flood = embedded(json!({"message": "webhook refused", "connection": "a", "suppressed": 41}));
        assert_eq!(of_a_flood["refused"], 42, "every one is counted");
        assert_eq!(embedded(json!({"message": SUPPRESSED, "suppressed": 41}))["refused"], 41);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([[], ["connection", "reason"]]));
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        let line = json!({"message": "connector says", "status": 7});
        assert_eq!(embedded(line.clone()), line);
    }
}
