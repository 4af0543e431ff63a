//! A profile and a timeline for a person's eyes.

use serde_json::Value;

use crate::Terminal;
use crate::terminal::Tone;

/// Rows of each part that are shown in brief.
const BRIEF_ROWS: usize = 4;

/// A profile; in brief without what another row says already, nor what a provider calls by its own names.
pub(super) fn profile(profile: &Value, all: bool, terminal: &Terminal) {
    row(terminal, "profile", text(&profile["id"]));
    let mut shown: Vec<(&str, &str)> = Vec::new();
    for identifier in list(&profile["identifiers"]) {
        let name = (text(&identifier["scheme"]), text(&identifier["value"]));
        if !all && (shown.contains(&name) || shown.len() == BRIEF_ROWS) {
            continue;
        }
        shown.push(name);
        let since = text(&identifier["first_seen"]);
        row(terminal, text(&identifier["scheme"]), &format!("{}  since {since}", text(&identifier["value"])));
    }
    for (name, cell) in pairs(&profile["traits"]).filter(|(name, _)| all || *name == "display_name") {
        row(terminal, name, &format!("{}  (said on {})", plain(&cell["value"]), text(&cell["channel"])));
    }
    for (purpose, consent) in pairs(&profile["consents"]) {
        row(terminal, &format!("consent to {purpose}"), text(&consent["state"]));
    }
    for channel in list(&profile["channels"]).filter(|_| all) {
        let waiting = channel["waiting_since"].as_str().map(|since| format!(", waiting since {since}"));
        let account = format!("with account {}{}", text(&channel["account"]), waiting.unwrap_or_default());
        row(terminal, &format!("on {}", text(&channel["channel"])), &account);
    }
    let counters =
        pairs(&profile["counters"]).filter(|(name, _)| all || name.contains("events") || name.contains("messages"));
    let counters: Vec<String> = counters.map(|(name, count)| format!("{name} {count}")).collect();
    row(terminal, "counters", &counters.join(", "));
}

/// A timeline; in brief the newest event of each kind.
pub(super) fn timeline(timeline: &Value, all: bool, terminal: &Terminal) {
    let mut shown: Vec<String> = Vec::new();
    for event in list(&timeline["items"]) {
        let time = terminal.paint(Tone::Quiet, text(&event["time"]));
        let kind = text(&event["type"]).trim_start_matches("rapport.").trim_end_matches(".v1").to_owned();
        if !all && (shown.contains(&kind) || kind == "other" || shown.len() > BRIEF_ROWS) {
            continue;
        }
        shown.push(kind.clone());
        println!("  {time}  {kind:<20} {}", gist(&kind, &event["data"][&kind]));
    }
}

/// What an event is about, in a line.
fn gist(kind: &str, body: &Value) -> String {
    match kind {
        "message" => format!("{}: {}", text(&body["author"]), parts(&body["parts"])),
        "message_edited" => format!("now: {}", parts(&body["parts"])),
        "reaction" => body["emoji"].as_str().unwrap_or("taken back").to_owned(),
        "delivery" => match &body["state"] {
            Value::String(state) => state.clone(),
            Value::Object(state) => state.keys().cloned().collect(),
            _ => String::new(),
        },
        "feedback" => {
            let (metric, comment) = (plain(&body["metric"]), plain(&body["comment"]));
            format!("{metric} {} of {} to {}: {comment}", body["score"], body["scale"][0], body["scale"][1])
        }
        "ticket" => format!("{}: {}", plain(&body["state"]), plain(&body["subject"])),
        "control" => format!("held by: {}", text(&body["holder"])),
        "consent" => format!("{} {}", text(&body["purpose"]), text(&body["state"])),
        _ => plain(body),
    }
}

fn parts(parts: &Value) -> String {
    let part = |part: &Value| match pairs(part).next() {
        Some(("text", words)) => plain(words),
        Some(("chosen", choice)) => format!("[{}]", text(&choice["title"])),
        Some((kind, _)) => format!("[{kind}]"),
        None => String::new(),
    };
    list(parts).map(part).collect::<Vec<_>>().join(" ")
}

fn row(terminal: &Terminal, name: &str, value: &str) {
    println!("  {} {value}", terminal.paint(Tone::Quiet, &format!("{name:<22}")));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// Text as it is, all else as JSON; control characters escaped, so that no message paints the terminal.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn pairs(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
