//! The model's operations and exchanges turned into the contract's types, and a connector's turns into the model's.
//!
//! The bytes of responses are lent: a media list or a page of an API may have megabytes.

use rapport_model::event as model;
use rapport_model::exchange::{self, Kept};
use rapport_model::sending as domain;
use serde_json::Value;
use wasmtime::component::{ComponentType, Lower};

use super::contract::exports::rapport::connector::polling;
use super::contract::exports::rapport::connector::sending as wit;
use super::contract::rapport::connector::{http, types};
use super::events;
use crate::call::one_line;
use crate::operation;

/// The contract's `exchange`, lent.
pub(super) type Exchange<'a> = Result<Response<'a>, http::TransportError>;

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Response<'a> {
    status: u16,
    headers: &'a [(String, String)],
    body: Answer<'a>,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(super) enum Answer<'a> {
    #[component(name = "bytes")]
    Bytes(&'a [u8]),
    #[component(name = "kept")]
    Kept(LentKept<'a>),
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct LentKept<'a> {
    blob: &'a str,
    bytes: u64,
    #[component(name = "mime-type")]
    mime_type: Option<&'a str>,
    sha256: &'a str,
}

pub(super) fn history(history: &[exchange::Exchange]) -> Vec<Exchange<'_>> {
    history.iter().map(|exchange| exchange.as_ref().map(response).map_err(transport_error)).collect()
}

fn response(response: &exchange::Response) -> Response<'_> {
    let body = match &response.body {
        exchange::Answer::Bytes(bytes) => Answer::Bytes(bytes),
        exchange::Answer::Kept(Kept { blob, bytes, mime_type, sha256 }) => {
            Answer::Kept(LentKept { blob, bytes: *bytes, mime_type: mime_type.as_deref(), sha256 })
        }
    };
    Response { status: response.status, headers: &response.headers, body }
}

fn transport_error(error: &exchange::TransportError) -> http::TransportError {
    use exchange::TransportError as Model;
    match error {
        Model::Denied(why) => http::TransportError::Denied(why.clone()),
        Model::Dns => http::TransportError::Dns,
        Model::Connect => http::TransportError::Connect,
        Model::Tls => http::TransportError::Tls,
        Model::RequestTooLarge(limit) => http::TransportError::RequestTooLarge(*limit),
        Model::Interrupted => http::TransportError::Interrupted,
        Model::Timeout => http::TransportError::Timeout,
        Model::ResponseTooLarge(status) => http::TransportError::ResponseTooLarge(*status),
    }
}

pub(super) fn operation(operation: &domain::Operation) -> wit::Operation {
    use domain::Operation as Model;
    use wit::Operation as Wit;
    match operation {
        Model::Send(message) => Wit::Send(outgoing(message)),
        Model::Edit { message, parts } => {
            Wit::Edit(wit::Editing { message: of_message(message), parts: self::parts(parts) })
        }
        Model::Retract(message) => Wit::Retract(of_message(message)),
        Model::React { message, emoji } => {
            Wit::React(wit::Reacting { message: of_message(message), emoji: emoji.clone() })
        }
        Model::MarkRead(message) => Wit::MarkRead(of_message(message)),
        Model::Typing { route, message, on } => {
            Wit::Typing(wit::Typing { route: self::route(route), message: message.clone(), on: *on })
        }
        Model::FetchMedia { account, source, message } => Wit::FetchMedia(wit::Fetching {
            account: account.clone(),
            source: media_source(source),
            message: message.clone(),
        }),
        Model::ListTemplates { account, cursor } => {
            Wit::ListTemplates(wit::Listing { account: account.clone(), cursor: cursor.clone() })
        }
        Model::UpsertContact { account, contact } => {
            Wit::UpsertContact(wit::Upserting { account: account.clone(), contact: self::contact(contact) })
        }
        Model::LookUp { route, reference, sent_at } => {
            Wit::LookUp(wit::LookingUp { route: self::route(route), reference: reference.clone(), sent_at: *sent_at })
        }
        Model::EraseContact { account, who } => {
            Wit::EraseContact(wit::Erasing { account: account.clone(), who: identifier(who) })
        }
        Model::TakeControl(control) => Wit::TakeControl(thread_control(control)),
        Model::PassControl(control) => Wit::PassControl(thread_control(control)),
        Model::ReleaseControl(control) => Wit::ReleaseControl(thread_control(control)),
        Model::Other(name, value) => Wit::Other((name.clone(), value.to_string())),
    }
}

fn outgoing(message: &domain::Outgoing) -> wit::Outgoing {
    wit::Outgoing {
        reference: message.reference.clone(),
        route: route(&message.route),
        author: match message.author {
            model::Author::Customer => types::Author::Customer,
            model::Author::Agent => types::Author::Agent,
            model::Author::Automation => types::Author::Automation,
        },
        kind: match message.kind {
            domain::Kind::Reply => wit::Kind::Reply,
            domain::Kind::Notice => wit::Kind::Notice,
        },
        purpose: message.purpose.clone(),
        subject: message.subject.clone(),
        parts: parts(&message.parts),
        in_reply_to: message.in_reply_to.clone(),
        thread: message.thread.clone(),
        references: message.references.clone(),
        copies: message.copies.iter().map(identifier).collect(),
        comment: message.comment.clone(),
        last_customer_at: message.last_customer_at,
        expires_at: message.expires_at,
        extensions: extensions(&message.extensions),
    }
}

fn route(route: &domain::Route) -> wit::Route {
    wit::Route { to: identifier(&route.to), account: route.account.clone() }
}

fn of_message(message: &domain::OfMessage) -> wit::OfMessage {
    wit::OfMessage { route: route(&message.route), message: message.message.clone() }
}

fn thread_control(control: &domain::ThreadControl) -> wit::ThreadControl {
    let domain::ThreadControl { route, target, metadata } = control;
    wit::ThreadControl { route: self::route(route), target: target.clone(), metadata: metadata.clone() }
}

fn parts(parts: &[model::Part]) -> Vec<types::Part> {
    parts.iter().map(part).collect()
}

fn part(part: &model::Part) -> types::Part {
    use model::Part as Model;
    use types::Part as Wit;
    match part {
        Model::Text(text) => Wit::Text(text.clone()),
        Model::Html(html) => Wit::Html(html.clone()),
        Model::Media(media) => Wit::Media(types::Media {
            source: media_source(&media.source),
            mime_type: media.mime_type.clone(),
            file_name: media.file_name.clone(),
            size: media.size,
            content_id: media.content_id.clone(),
        }),
        Model::Place(place) => Wit::Place(types::Place {
            latitude: place.latitude,
            longitude: place.longitude,
            name: place.name.clone(),
            address: place.address.clone(),
        }),
        Model::ContactCard(card) => Wit::ContactCard(contact(card)),
        Model::Choices(choices) => Wit::Choices(choices.iter().map(choice).collect()),
        Model::Chosen(one) => Wit::Chosen(choice(one)),
        Model::Form(form) => Wit::Form(form.to_string()),
        Model::Template(template) => Wit::Template(types::Template {
            name: template.name.clone(),
            locale: template.locale.clone(),
            parameters: template.parameters.iter().map(Value::to_string).collect(),
        }),
        Model::Other(name, value) => Wit::Other((name.clone(), value.to_string())),
    }
}

fn choice(choice: &model::Choice) -> types::Choice {
    types::Choice { id: choice.id.clone(), title: choice.title.clone() }
}

fn media_source(source: &model::MediaSource) -> types::MediaSource {
    match source {
        model::MediaSource::Url(url) => types::MediaSource::Url(url.clone()),
        model::MediaSource::ProviderId(id) => types::MediaSource::ProviderId(id.clone()),
        model::MediaSource::Blob(key) => types::MediaSource::Blob(key.clone()),
    }
}

fn contact(contact: &model::Contact) -> types::Contact {
    types::Contact {
        identifiers: contact.identifiers.iter().map(identifier).collect(),
        display_name: contact.display_name.clone(),
        locale: contact.locale.clone(),
        time_zone: contact.time_zone.clone(),
        traits: extensions(&contact.traits),
    }
}

fn identifier(identifier: &model::Identifier) -> types::Identifier {
    types::Identifier {
        scheme: identifier.scheme.clone(),
        scope: identifier.scope.clone(),
        value: identifier.value.clone(),
        attestation: match identifier.attestation {
            model::Attestation::Provider => types::Attestation::Provider,
            model::Attestation::Signature => types::Attestation::Signature,
            model::Attestation::Agent => types::Attestation::Agent,
            model::Attestation::Claimed => types::Attestation::Claimed,
            model::Attestation::Customer => types::Attestation::Customer,
            model::Attestation::Imported => types::Attestation::Imported,
        },
    }
}

fn extensions(extensions: &model::Extensions) -> types::Extensions {
    extensions.iter().map(|(key, value)| (key.clone(), value.to_string())).collect()
}

/// A field of a turn that no turn may have.
pub(super) type Field = String;

pub(super) fn turn(turn: wit::Turn) -> Result<domain::Turn, Field> {
    let next = match turn.next {
        wit::Next::Perform(requests) => domain::Next::Perform(requests.into_iter().map(request).collect()),
        wit::Next::Done => domain::Next::Done,
        wit::Next::Failed(failure) => domain::Next::Failed(self::failure(failure)),
    };
    Ok(domain::Turn { so_far: outcome(turn.so_far)?, next })
}

pub(super) fn step(step: polling::Step) -> Result<operation::Step, Field> {
    Ok(match step {
        polling::Step::Perform(requests) => operation::Step::Perform(requests.into_iter().map(request).collect()),
        polling::Step::Done(batch) => operation::Step::Done(operation::Batch {
            events: events_of(batch.events)?,
            unread: batch.unread.iter().map(|line| one_line(line)).collect(),
            cursor: batch.cursor,
            again_in_ms: batch.again_in_ms,
        }),
        polling::Step::Failed(why) => operation::Step::Failed(not_pulled(why)),
    })
}

/// A poll fails for some of the reasons for which a send does.
fn not_pulled(failure: polling::Failure) -> domain::Failure {
    use polling::Failure as Wit;
    match failure {
        Wit::RateLimited(ms) => domain::Failure::RateLimited(ms),
        Wit::Account(error) => domain::Failure::Account(provider_error(error)),
        Wit::Provider(error) => domain::Failure::Provider(provider_error(error)),
        Wit::Other(why) => domain::Failure::Other(one_line(&why)),
    }
}

fn events_of(events: Vec<types::Event>) -> Result<Vec<model::Event>, Field> {
    let event = |(at, event)| events::event(event).map_err(|field| format!("events[{at}].{field}"));
    events.into_iter().enumerate().map(event).collect()
}

fn outcome(outcome: wit::Outcome) -> Result<domain::Outcome, Field> {
    Ok(domain::Outcome {
        accepted: accepted(outcome.accepted),
        events: events_of(outcome.events)?,
        media: outcome.media.map(kept),
        templates: outcome.templates.into_iter().map(template).collect(),
        found: outcome.found.map(|found| match found {
            wit::Found::Yes(parts) => domain::Found::Yes(accepted(parts)),
            wit::Found::Absent => domain::Found::Absent,
            wit::Found::Unclear => domain::Found::Unclear,
        }),
        cursor: outcome.cursor,
        extensions: events::extensions(outcome.extensions),
    })
}

fn accepted(accepted: Vec<wit::Accepted>) -> Vec<domain::Accepted> {
    accepted.into_iter().map(|one| domain::Accepted { part: one.part, id: one.id }).collect()
}

fn template(template: wit::TemplateOffer) -> domain::TemplateOffer {
    domain::TemplateOffer {
        name: template.name,
        locale: template.locale,
        status: template.status,
        category: template.category,
        body: template.body,
        variables: template.variables,
        extensions: events::extensions(template.extensions),
    }
}

fn kept(kept: http::Kept) -> Kept {
    Kept { blob: kept.blob, bytes: kept.bytes, mime_type: kept.mime_type, sha256: kept.sha256 }
}

/// Its sentences go into a log and an item, so they are held to what a log line is held to.
fn failure(failure: wit::Failure) -> domain::Failure {
    use domain::Failure as Model;
    use wit::Failure as Wit;
    match failure {
        Wit::InvalidRecipient(why) => Model::InvalidRecipient(one_line(&why)),
        Wit::ConsentRequired(purpose) => Model::ConsentRequired(one_line(&purpose)),
        Wit::OutsideWindow => Model::OutsideWindow,
        Wit::TemplateRequired(why) => Model::TemplateRequired(one_line(&why)),
        Wit::UnsupportedContent(why) => Model::UnsupportedContent(one_line(&why)),
        Wit::TooLarge(limit) => Model::TooLarge(limit),
        Wit::RateLimited(ms) => Model::RateLimited(ms),
        Wit::Account(error) => Model::Account(provider_error(error)),
        Wit::Undetermined(error) => Model::Undetermined(provider_error(error)),
        Wit::Provider(error) => Model::Provider(provider_error(error)),
        Wit::Other(why) => Model::Other(one_line(&why)),
    }
}

fn provider_error(error: types::ProviderError) -> model::ProviderError {
    let error = events::provider_error(error);
    model::ProviderError { code: one_line(&error.code), title: one_line(&error.title), ..error }
}

fn request(request: http::Request) -> exchange::Request {
    exchange::Request {
        method: match request.method {
            http::Method::Get => exchange::Method::Get,
            http::Method::Head => exchange::Method::Head,
            http::Method::Post => exchange::Method::Post,
            http::Method::Put => exchange::Method::Put,
            http::Method::Patch => exchange::Method::Patch,
            http::Method::Delete => exchange::Method::Delete,
        },
        url: pieces(request.url),
        headers: request.headers.into_iter().map(field).collect(),
        authorization: match request.authorization {
            http::Authorization::None => exchange::Authorization::None,
            http::Authorization::Bearer(secret) => exchange::Authorization::Bearer(secret),
            http::Authorization::Basic(http::BasicAuth { user, secret }) => {
                exchange::Authorization::Basic { user, secret }
            }
            http::Authorization::Aws(http::AwsAuth { service, region }) => {
                exchange::Authorization::Aws { service, region }
            }
            http::Authorization::Oauth2(secret) => exchange::Authorization::Oauth2(secret),
        },
        signed: request.signed.into_iter().map(signed_field).collect(),
        body: match request.body {
            http::Body::Empty => exchange::RequestBody::Empty,
            http::Body::Content(body) => exchange::RequestBody::Content(content(body)),
            http::Body::Multipart(fields) => {
                exchange::RequestBody::Multipart(fields.into_iter().map(form_field).collect())
            }
        },
        repeatable: request.repeatable,
        keep: request.keep,
        extensions: events::extensions(request.extensions),
    }
}

fn field(field: http::Field) -> exchange::Field {
    exchange::Field { name: field.name, value: pieces(field.value) }
}

fn signed_field(field: http::SignedField) -> exchange::SignedField {
    exchange::SignedField {
        name: field.name,
        prefix: field.prefix,
        algorithm: match field.algorithm {
            http::MacAlgorithm::HmacSha1 => exchange::MacAlgorithm::HmacSha1,
            http::MacAlgorithm::HmacSha256 => exchange::MacAlgorithm::HmacSha256,
            http::MacAlgorithm::HmacSha512 => exchange::MacAlgorithm::HmacSha512,
        },
        secret: field.secret,
        data: field.data,
        encoding: match field.encoding {
            http::MacEncoding::Hex => exchange::MacEncoding::Hex,
            http::MacEncoding::Base64 => exchange::MacEncoding::Base64,
        },
    }
}

fn form_field(field: http::FormField) -> exchange::FormField {
    exchange::FormField {
        name: field.name,
        file_name: field.file_name,
        content_type: field.content_type,
        content: content(field.content),
    }
}

fn content(content: http::Content) -> exchange::Content {
    match content {
        http::Content::Bytes(bytes) => exchange::Content::Bytes(bytes),
        http::Content::Pieces(list) => exchange::Content::Pieces(pieces(list)),
    }
}

fn pieces(pieces: Vec<http::Piece>) -> Vec<exchange::Piece> {
    let piece = |piece| match piece {
        http::Piece::Text(text) => exchange::Piece::Text(text),
        http::Piece::Secret(name) => exchange::Piece::Secret(name),
        http::Piece::Blob(key) => exchange::Piece::Blob(key),
        http::Piece::BlobBase64(key) => exchange::Piece::BlobBase64(key),
        http::Piece::BlobUrl(key) => exchange::Piece::BlobUrl(key),
        http::Piece::StatusUrl => exchange::Piece::StatusUrl,
        http::Piece::UnsubscribeUrl => exchange::Piece::UnsubscribeUrl,
    };
    pieces.into_iter().map(piece).collect()
}
