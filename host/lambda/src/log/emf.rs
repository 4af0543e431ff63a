//! Metrics in the log: CloudWatch reads them from lines that say which of their own fields are metrics (embedded metric
//! format). No call is made for them, and nothing waits.

use rapport_telemetry::{Counted, DIMENSIONS, Described};
use serde_json::{Map, Value, json};

/// Makes the line of an event say which of its fields are metrics, if it has some: as a total, and broken down.
pub(super) fn embed(namespace: &str, event: &Described, at_ms: i128, line: &mut Map<String, Value>) {
    if event.metrics().next().is_none() {
        return;
    }
    if let Some(count) = event.count {
        let others = |field: &str| line.get(field).and_then(Value::as_u64).unwrap_or_default();
        let counted = match count.of {
            Counted::Line => 1,
            Counted::LinePlus(field) => 1 + others(field),
            Counted::By(field) => others(field),
        };
        line.insert(count.metric.to_owned(), json!(counted));
    }
    let present = event.metrics().filter(|(name, _)| line.get(*name).is_some_and(Value::is_number));
    let metrics: Vec<Value> = present.map(|(name, unit)| json!({"Name": name, "Unit": unit.name()})).collect();
    let of_line: Vec<&str> = DIMENSIONS.iter().copied().filter(|name| line.contains_key(*name)).collect();
    let dimensions = if of_line.is_empty() { json!([[]]) } else { json!([[], of_line]) };
    let directive = json!({"Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics});
    let at_ms = i64::try_from(at_ms).unwrap_or_default();
    line.insert("_aws".to_owned(), json!({"Timestamp": at_ms, "CloudWatchMetrics": [directive]}));
}

#[cfg(test)]
mod tests {
    use rapport_telemetry::described;

    use super::*;

    fn embedded(id: &str, line: Value) -> Value {
        let Value::Object(mut line) = line else { panic!("{line}") };
        embed("Rapport", described(id).unwrap(), 7, &mut line);
        Value::Object(line)
    }

    #[test]
    fn a_measured_line_names_fields_that_it_has() {
        let line = embedded("events-stored", json!({"connection": "a", "new": 2, "write_units": 1.5}));
        assert_eq!(line["_aws"]["Timestamp"], 7);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([[], ["connection"]]));
        let names: Vec<_> = directive["Metrics"].as_array().unwrap().iter().map(|metric| &metric["Name"]).collect();
        assert_eq!(names, ["new", "write_units"]);

        let line = embedded("webhook-refused", json!({"connection": "a", "reason": "unauthenticated"}));
        assert_eq!(line["refused"], 1);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([[], ["connection", "reason"]]));
        let of_a_flood = embedded("webhook-refused", json!({"connection": "a", "suppressed": 41}));
        assert_eq!(of_a_flood["refused"], 42, "every one is counted");
        assert_eq!(embedded("webhooks-refused", json!({"suppressed": 41}))["refused"], 41);
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        let line = json!({"message": "events stored", "status": 7});
        assert_eq!(embedded("connector-says-info", line.clone()), line);
    }
}
