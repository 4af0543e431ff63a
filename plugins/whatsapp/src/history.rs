//! The chats that the WhatsApp Business app had before it was connected: `history`.

use rapport_meta::{Batch, Text, provider_error};
use rapport_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::message::{self, Sender, Source};
use crate::payload::{HistoryContext, Value};
use crate::scene::Scene;

/// A part of the history; there are many, and each webhook holds thousands of messages.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Chunk<'a> {
    #[serde(deserialize_with = "lenient::object")]
    metadata: Option<Progress>,
    #[serde(borrow, deserialize_with = "lenient::places")]
    threads: Vec<Option<Thread<'a>>>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    errors: Vec<&'a RawValue>,
}

#[derive(Clone, Copy, Deserialize, Default)]
#[serde(default)]
struct Progress {
    #[serde(deserialize_with = "lenient::integer")]
    phase: Option<u64>,
    #[serde(deserialize_with = "lenient::integer")]
    chunk_order: Option<u64>,
    #[serde(deserialize_with = "lenient::integer")]
    progress: Option<u64>,
}

/// All messages with one user, whose wa_id or user id is the id of the thread.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Thread<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    messages: Vec<&'a RawValue>,
}

/// Marks an event as old news: it opens no conversation and no 24-hour window.
const HISTORY: &str = "com.whatsapp.history";

#[derive(Serialize)]
struct Extension<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_order: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Text<'a>,
}

pub fn read(value: &Value, scene: &Scene, batch: &mut Batch) {
    batch.each("history", &value.history, |raw, batch| match lenient::read::<Chunk>(raw) {
        Some(found) => chunk(&found, scene, batch),
        None => batch.malformed("history", "it is not an object"),
    });
    batch.each("messages", &value.messages, |raw, batch| file(raw, scene, batch));
}

fn chunk(chunk: &Chunk, scene: &Scene, batch: &mut Batch) {
    if chunk.threads.is_empty() && chunk.errors.is_empty() && chunk.metadata.is_none() {
        return batch.malformed("history", "it has no `threads`, `errors` or `metadata`");
    }
    if !chunk.errors.is_empty() {
        // 2593109: the business does not share its history.
        log::warn(&format!("no history: {}", provider_error::codes(&chunk.errors)));
    }
    let progress = chunk.metadata.unwrap_or_default();
    batch.each_object("threads", &chunk.threads, |thread, batch| {
        if thread.id.is_none() && thread.messages.is_empty() {
            return batch.malformed("threads", "it has no `id` and no `messages`");
        }
        let source = Source { array: "messages", sender: Sender::ByNumber, thread: thread.id.as_deref() };
        batch.each("messages", &thread.messages, |raw, batch| {
            let start = batch.position();
            message::read(raw, &source, scene, batch);
            batch.extend_since(start, HISTORY, &extension(progress, raw));
        });
    });
}

/// A file that the history itself has only a `media_placeholder` of: it comes later, as a message with the same id,
/// and completes that one.
fn file(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let start = batch.position();
    message::read(raw, &Source { array: "messages", sender: Sender::ByNumber, thread: None }, scene, batch);
    batch.replace_since(start, |event| match event.body {
        EventBody::Message(message) => {
            let edit = Edit { message_id: message.id, parts: message.parts };
            Event { id: format!("{}:media", event.id), body: EventBody::MessageEdited(edit), ..event }
        }
        _ => event,
    });
    batch.extend_since(start, HISTORY, &extension(Progress::default(), raw));
}

fn extension(progress: Progress, raw: &RawValue) -> Extension<'_> {
    let context: Option<HistoryContext> = lenient::field(raw, "history_context").and_then(lenient::read);
    Extension {
        phase: progress.phase,
        chunk_order: progress.chunk_order,
        progress: progress.progress,
        status: context.and_then(|context| context.status),
    }
}
