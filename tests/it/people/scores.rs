//! What a customer thinks, asked by three providers: each answer as it was given, in one profile.

use rapport_model::profile::rfc3339;
use rapport_sdk::encoding::{base64, hex};
use ring::hmac;
use serde_json::{Value, json};

use crate::support::{Answer, NOW, Service, connection};

const SECRET: &str = "a secret of three providers' tests";
const ADA: &str = "ada@example.com";
const PAGE: &str = "682498302938465";

fn tag(data: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), data.as_bytes()).as_ref().to_vec()
}

/// An answer to "Would you recommend us?", with the address in the link that she followed.
fn nps() -> Value {
    let field = |id: &str, reference: &str, kind: &str| json!({"id": id, "ref": reference, "type": kind});
    json!({"event_id": "01K9ZT3Q0E8Q7V2C4D5F6G7H8J", "event_type": "form_response", "form_response": {
        "form_id": "lT4Z3j", "token": "b7k2m9x4q1w8e3r6t5y0u2i7o9p4a1s3",
        "landed_at": "2026-11-20T09:00:10Z", "submitted_at": "2026-11-20T09:01:12Z", "hidden": {"email": ADA},
        "definition": {"id": "lT4Z3j", "title": "How was your order?", "fields": [
            {"id": "q1", "ref": "nps", "type": "nps", "title": "Would you recommend us?", "properties": {}},
            {"id": "q2", "ref": "why", "type": "long_text", "title": "Why?", "properties": {}}]},
        "answers": [{"type": "number", "number": 9, "field": field("q1", "nps", "nps")},
            {"type": "text", "text": "Fast, and lovely oak", "field": field("q2", "why", "long_text")}]}})
}

/// How a case was solved, by a desk that knows her by its own id.
fn csat_of_a_case() -> Value {
    json!({"account_id": 22_129_848, "id": "cbe4028c-7239-495d-b020-f22348516046", "time": "2026-11-20T10:12:07.67Z",
        "type": "zen:event-type:ticket.csat_received", "subject": "zen:ticket:5158", "zendesk_event_version": "2022-11-06",
        "detail": {"id": "5158", "requester_id": "8447388090495", "subject": "Broken cup", "status": "SOLVED",
            "via": {"channel": "web_service"}},
        "event": {"satisfaction_score": {"score": "GOOD", "comment": {"body": "A new one came at once"}}}})
}

/// How a chat was, in which nobody has an address.
fn csat_of_a_chat() -> Value {
    let question = json!({"type": "csat", "payload": "5",
        "follow_up": {"type": "free_form", "payload": "I am very satisfied!"}});
    let feedback = json!({"feedback_screens": [{"screen_id": 0, "questions": {"hauydmns8": question}}]});
    json!({"object": "page", "entry": [{"id": PAGE, "time": 1_795_259_400_423_u64, "messaging": [
        {"sender": {"id": "6161616161616161"}, "recipient": {"id": PAGE}, "messaging_feedback": feedback}]}]})
}

async fn service() -> Service {
    let secret = |name: &'static str| [(name, vec![SECRET])];
    Service::start([
        connection("surveys-eu", "typeform", &json!({}), &secret("secret")),
        connection("desk-eu", "zendesk", &json!({"payload": "events"}), &secret("signing-secret")),
        connection(
            "fb-eu",
            "messenger",
            &json!({}),
            &[("app-secret", vec![SECRET]), ("verify-token", vec!["a test's verify token"])],
        ),
    ])
    .await
}

/// Each of the three, signed as its provider does.
async fn deliver_all(service: &Service) -> [Answer; 3] {
    let [typeform, desk, page] = [nps(), csat_of_a_case(), csat_of_a_chat()].map(|body| body.to_string());
    let of_typeform = format!("sha256={}", base64::encode(&tag(&typeform)));
    let time = rfc3339(NOW);
    let of_desk = base64::encode(&tag(&format!("{time}{desk}")));
    let of_page = format!("sha256={}", hex::encode(&tag(&page)));
    let desk_headers =
        [("x-zendesk-webhook-signature", of_desk.as_str()), ("x-zendesk-webhook-signature-timestamp", time.as_str())];
    [
        service.send("POST", "/hooks/surveys-eu", &[("typeform-signature", &of_typeform)], typeform.as_bytes()).await,
        service.send("POST", "/hooks/desk-eu", &desk_headers, desk.as_bytes()).await,
        service.send("POST", "/hooks/fb-eu", &[("x-hub-signature-256", &of_page)], page.as_bytes()).await,
    ]
}

/// The scores of whoever has her address, oldest first.
async fn scores(service: &Service) -> Vec<Value> {
    service.settle().await;
    let profile = service.look_up("email", ADA).await.unwrap();
    let timeline = service.timeline(&profile, 50).await;
    timeline.iter().rev().filter_map(|event| event["data"].get("feedback").cloned()).collect()
}

#[tokio::test]
async fn scores_of_three_providers_stand_in_one_profile_as_they_were_given() {
    let service = service().await;
    for _ in 0..2 {
        assert_eq!(deliver_all(&service).await.map(|answer| answer.status), [200; 3]);
    }
    assert_eq!(scores(&service).await.len(), 1, "nothing says yet that the three are one person");

    let email = json!({"scheme": "email", "value": ADA});
    for other in [
        json!({"scheme": "zendesk.user", "scope": "22129848", "value": "8447388090495"}),
        json!({"scheme": "messenger", "scope": PAGE, "value": "6161616161616161"}),
    ] {
        let link = json!({"a": email, "b": other, "reason": "she said so in the chat", "by": "ops"});
        assert_eq!(service.post("/v1/links", &link).await.status, 201);
    }
    // The form's address is only what somebody put into a link.
    let open = service.read("/v1/suggestions").await;
    let id = open["items"][0]["id"].as_str().unwrap();
    let accepted = service.post(&format!("/v1/suggestions/{id}/accept"), &json!({"reason": "it was her link"})).await;
    assert_eq!((accepted.status, open["items"].as_array().unwrap().len()), (200, 1));
    let found = scores(&service).await;
    let said = |score: &Value| {
        ["metric", "score", "scale", "comment", "about"].map(|field| score.get(field).cloned().unwrap_or_default())
    };
    let expected = [
        json!(["nps", 9.0, [0.0, 10.0], "Fast, and lovely oak", null]),
        json!(["csat", 1.0, [0.0, 1.0], "A new one came at once", "5158"]),
        json!(["csat", 5.0, [1.0, 5.0], "I am very satisfied!", null]),
    ];
    assert_eq!(found.iter().map(|score| json!(said(score))).collect::<Vec<_>>(), expected);
    let profile = service.look_up("email", ADA).await.unwrap();
    assert_eq!(profile["counters"]["feedbacks"], 3, "a redelivery is not a second answer");
}
