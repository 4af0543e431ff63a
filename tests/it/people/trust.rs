//! What each attestation may do: who only says to be somebody is not taken for them, in whatever order things come.

use std::sync::Arc;

use rapport_model::EndpointKey;
use rapport_model::event::Attestation;
use rapport_model::identity::Rules;
use rapport_model::profile::rfc3339;
use rapport_projections::fold::aside::take_up;
use rapport_sdk::encoding::{base64, hex};
use ring::hmac;
use serde_json::{Value, json};

use crate::support::{Answer, Data, NOW, Service, Text, connection, wa_eu};

const SECRET: &str = "a secret of the tests of trust";
const NUMBER: &str = "+16505551234";
const WA_ID: &str = "16505551234";
const VIP: &str = "vip@bank.example";

fn tag(algorithm: hmac::Algorithm, data: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, SECRET.as_bytes()), data.as_bytes()).as_ref().to_vec()
}

async fn service_over(data: Arc<Data>) -> Service {
    let secret = |name: &'static str| [(name, vec![SECRET])];
    Service::over(
        data,
        [
            wa_eu(),
            connection("form", "typeform", &json!({}), &secret("secret")),
            connection("desk", "zendesk", &json!({"payload": "triggers"}), &secret("signing-secret")),
            connection("sms", "sms", &json!({}), &secret("auth-token")),
        ],
    )
    .await
}

async fn service() -> Service {
    service_over(Data::new().await).await
}

/// A submission of a public form, which anybody can make with whatever in its link.
async fn submit(service: &Service, token: &str, hidden: &Value) -> Answer {
    let body = json!({"event_id": format!("e-{token}"), "event_type": "form_response", "form_response": {
        "form_id": "lT4Z3j", "token": token, "submitted_at": "2026-09-29T08:00:03Z", "hidden": hidden,
        "definition": {"id": "lT4Z3j", "title": "Contact", "fields": [
            {"id": "q1", "ref": "text", "type": "long_text", "title": "What?", "properties": {}}]},
        "answers": [{"type": "text", "text": "Please send my parcel to 1 Evil Street",
            "field": {"id": "q1", "ref": "text", "type": "long_text"}}]}})
    .to_string();
    let signature = format!("sha256={}", base64::encode(&tag(hmac::HMAC_SHA256, &body)));
    service.send("POST", "/hooks/form", &[("typeform-signature", &signature)], body.as_bytes()).await
}

/// What a trigger of the help desk sends.
async fn trigger(service: &Service, body: &str) -> Answer {
    let time = rfc3339(NOW);
    let signature = base64::encode(&tag(hmac::HMAC_SHA256, &format!("{time}{body}")));
    let headers =
        [("x-zendesk-webhook-signature", signature.as_str()), ("x-zendesk-webhook-signature-timestamp", time.as_str())];
    service.send("POST", "/hooks/desk", &headers, body.as_bytes()).await
}

/// A text by SMS from whatever number its sender wrote on it.
async fn text(service: &Service, id: &str, from: &str, text: &str) -> Answer {
    let mut fields = [("Body", text), ("From", from), ("MessageSid", id), ("NumMedia", "0"), ("To", "+15005550006")];
    fields.sort_unstable();
    let signed: String = fields.iter().map(|(name, value)| format!("{name}{value}")).collect();
    let signed = format!("https://rapport.example/hooks/sms{signed}");
    let signature = base64::encode(&tag(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &signed));
    let escaped = |value: &str| value.replace('+', "%2B").replace(' ', "+");
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    let headers = [("x-twilio-signature", signature.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    service.send("POST", "/hooks/sms", &headers, body.join("&").as_bytes()).await
}

async fn whatsapp(service: &Service, n: u64) {
    assert_eq!(service.deliver(&Text::new(WA_ID, n).webhook()).await.status, 200);
}

/// Open suggestions as pairs of `scheme basis`, sorted; each with its id.
async fn suggestions(service: &Service) -> Vec<(String, String)> {
    service.settle().await;
    let page = service.read("/v1/suggestions?limit=100").await;
    let end = |end: &Value| format!("{} {}", end["scheme"].as_str().unwrap(), end["basis"].as_str().unwrap());
    let mut found: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let mut ends = [end(&item["a"]), end(&item["b"])];
            ends.sort();
            (ends.join(" ~ "), item["id"].as_str().unwrap().to_owned())
        })
        .collect();
    found.sort();
    found
}

async fn accept(service: &Service, id: &str) {
    let answer = service.post(&format!("/v1/suggestions/{id}/accept"), &json!({"reason": "asked her"})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn known(service: &Service, scheme: &str, value: &str) -> Value {
    service.settle().await;
    service.look_up(scheme, value).await.unwrap_or_else(|| panic!("{scheme} {value} is not known"))
}

#[tokio::test]
async fn a_form_with_somebody_s_address_is_not_theirs() {
    let service = service().await;
    whatsapp(&service, 1).await;
    service.settle().await;
    let link = json!({"a": {"scheme": "whatsapp", "value": WA_ID}, "b": {"scheme": "email", "value": VIP},
        "reason": "she said so", "by": "agent 7"});
    assert_eq!(service.post("/v1/links", &link).await.status, 201);
    let before = known(&service, "email", VIP).await;
    let answer = submit(&service, "t1", &json!({"email": VIP, "name": "Mallory Evil"})).await;
    assert_eq!(answer.status, 200);
    let after = known(&service, "email", VIP).await;
    assert_eq!(after, before, "nothing of it is the customer's");
    assert_eq!((&after["verified"], service.timeline(&after, 50).await.len()), (&json!(true), 1));

    let open = suggestions(&service).await;
    assert_eq!(open.iter().map(|(pair, _)| pair.as_str()).collect::<Vec<_>>(), ["email proven ~ email said"]);
    accept(&service, &open[0].1).await;
    let joined = known(&service, "email", VIP).await;
    assert_eq!(joined["id"], before["id"]);
    assert_eq!(joined["traits"]["display_name"]["value"], "Ada Lovelace", "a weaker word replaces no stronger one");
    let timeline = service.timeline(&joined, 50).await;
    let verified: Vec<_> = timeline.iter().map(|event| event["verified"].clone()).collect();
    assert_eq!(verified, [json!(false), json!(true)], "it stays marked");
    let bases: Vec<_> = joined["identifiers"].as_array().unwrap().iter().map(|one| &one["basis"]).collect();
    assert_eq!(bases.iter().filter(|basis| **basis == "said").count(), 1, "{bases:?}");
}

#[tokio::test]
async fn who_submits_a_form_first_is_not_whoever_has_the_address_later() {
    let service = service().await;
    assert_eq!(submit(&service, "t1", &json!({"email": VIP})).await.status, 200);
    let stranger = known(&service, "email", VIP).await;
    assert_eq!((&stranger["verified"], &stranger["identifiers"][0]["verified"]), (&json!(false), &json!(false)));
    assert_eq!(suggestions(&service).await, []);
    whatsapp(&service, 1).await;
    service.settle().await;
    let link =
        json!({"a": {"scheme": "whatsapp", "value": WA_ID}, "b": {"scheme": "email", "value": VIP}, "reason": "r"});
    assert_eq!(service.post("/v1/links", &link).await.status, 201);
    let ada = known(&service, "email", VIP).await;
    assert_ne!(ada["id"], stranger["id"]);
    assert_eq!(service.timeline(&ada, 50).await.len(), 1);
    assert_eq!(suggestions(&service).await[0].0, "email proven ~ email said", "whichever of the two was first");
}

#[tokio::test]
async fn a_forged_sender_of_an_sms_neither_stops_nor_joins_anybody() {
    for sms_first in [true, false] {
        let service = service().await;
        if !sms_first {
            whatsapp(&service, 1).await;
            service.settle().await;
        }
        assert_eq!(text(&service, "SM1", NUMBER, "STOP").await.status, 200);
        service.settle().await;
        if sms_first {
            let alone = known(&service, "phone", NUMBER).await;
            assert_eq!(alone["id"], known(&service, "sms", NUMBER).await["id"], "one number in two schemes");
            assert_eq!((&alone["verified"], suggestions(&service).await), (&json!(false), vec![]));
            whatsapp(&service, 1).await;
        }
        let ada = known(&service, "phone", NUMBER).await;
        assert_eq!((&ada["verified"], &ada["consents"]), (&json!(true), &json!({})));
        assert_eq!(service.timeline(&ada, 50).await.len(), 1);
        let texts = known(&service, "sms", NUMBER).await;
        assert_eq!(texts["verified"], false);
        assert!(texts["consents"].as_object().unwrap().values().all(|consent| consent["attestation"] == "claimed"));
        assert!(!texts["consents"].as_object().unwrap().is_empty(), "who texted STOP gets no more texts");

        let open = suggestions(&service).await;
        assert_eq!(open.iter().map(|(pair, _)| pair.as_str()).collect::<Vec<_>>(), ["phone claimed ~ phone proven"]);
        accept(&service, &open[0].1).await;
        let joined = known(&service, "sms", NUMBER).await;
        assert_eq!(joined["id"], known(&service, "whatsapp", WA_ID).await["id"]);
        assert_eq!(joined["consents"], texts["consents"], "now a person says that it was she");
        // Who believes her texts does not believe every form with her number.
        assert_eq!(submit(&service, "t1", &json!({"phone": NUMBER})).await.status, 200);
        let timeline = service.timeline(&known(&service, "phone", NUMBER).await, 50).await;
        assert!(timeline.iter().all(|event| !event["id"].as_str().unwrap().contains("t1")), "{timeline:#?}");
    }
}

#[tokio::test]
async fn an_operator_may_believe_a_network() {
    let mut data = Arc::into_inner(Data::new().await).unwrap();
    let mut rules = Rules::default();
    rules.linking.insert(Attestation::Claimed);
    data.table = data.table.under(rules);
    let service = service_over(Arc::new(data)).await;
    assert_eq!(text(&service, "SM1", NUMBER, "hello").await.status, 200);
    whatsapp(&service, 1).await;
    let ada = known(&service, "sms", NUMBER).await;
    assert_eq!((&ada["verified"], &ada["id"]), (&json!(true), &known(&service, "whatsapp", WA_ID).await["id"]));
    assert_eq!(service.timeline(&ada, 50).await.len(), 2);
}

#[tokio::test]
async fn a_ticket_s_subject_names_nobody() {
    let service = service().await;
    let victim =
        r#""requester":{"id":"66","name":"","email":"vip@bank.example"},"current_user":{"email":"vip@bank.example"}"#;
    let ticket = |subject: &str| {
        format!(
            r#"{{"ticket_id":"5158","ticket_title":"{subject}","status":"Open","requester":{{"id":"7","name":"Mallory","email":"mallory@evil.example"}},"current_user":{{"email":"mallory@evil.example"}},"latest_public_comment":"hello"}}"#
        )
    };
    for subject in [
        format!(r#"help",{victim},"x":""#),
        format!(r#"he said "help", {victim},"x":""#),
        format!(r#"help","ticket":{{{victim}}},"x":""#),
        r#"help","ticket.requester.id":"66","x":""#.to_owned(),
        r#"help","type":"zen:event-type:user.permanently_deleted","detail":{"id":"66"},"event":{},"id":"e","time":"2026-09-29T08:00:00Z","account_id":"1","x":""#.to_owned(),
        r#"a "quoted" word"#.to_owned(),
    ] {
        assert_eq!(trigger(&service, &ticket(&subject)).await.status, 200, "{subject}");
        service.settle().await;
        assert_eq!(service.look_up("email", VIP).await, None, "{subject}");
    }
    // A template that has no name of its own to tell it by.
    let comment = r#"x","type":"zen:event-type:ticket.comment_added","id":"1","event":{"comment":{"body":"I agree","author":{"id":"66","is_staff":false}}},"detail":{"id":"1","requester_id":"66"},"z":""#;
    assert_eq!(trigger(&service, &format!(r#"{{"text":"{comment}"}}"#)).await.status, 200);
    service.settle().await;
    assert_eq!(service.look_up("zendesk.user", "66").await, None);
    let readable = service.data.readable().await;
    assert!(!readable.contains("contact_erased"), "a template is not an event of the desk");

    // Identities first: what customers write breaks nothing that matters.
    let good = r#"{"requester":{"id":"7","email":"ada@example.com"},"current_user":{"id":"7"},"ticket_id":"5159","status":"Open","ticket_title":"a "quoted" word","latest_public_comment":"hello"}"#;
    assert_eq!(trigger(&service, good).await.status, 200);
    service.settle().await;
    let found = service.get("/v1/profiles/lookup?scheme=zendesk.user&scope=desk&value=7").await;
    assert_eq!((found.status, &found.json()["verified"]), (200, &json!(false)), "and it is only said");
}

#[tokio::test]
async fn a_text_of_the_future_is_one_of_today_and_stays_one() {
    let service = service().await;
    let future = Text { at: 4_070_908_800, ..Text::new(WA_ID, 1) };
    for _ in 0..2 {
        assert_eq!(service.deliver(&future.webhook()).await.status, 200);
    }
    let profile = known(&service, "whatsapp", WA_ID).await;
    let timeline = service.timeline(&profile, 50).await;
    assert_eq!(timeline.len(), 1, "a redelivery is not a second event");
    assert_eq!(timeline[0]["time"], rfc3339(NOW));
    assert_eq!(timeline[0]["data"]["extensions"]["rapport.stated-time"], 4_070_908_800_000_u64);
    assert_eq!(profile["last_seen"], rfc3339(NOW));
    let erasure = json!({"identifier": {"scheme": "phone", "value": NUMBER}});
    let receipt = service.post("/v1/erasures", &erasure).await;
    assert_eq!((receipt.status, &receipt.json()["removed"]["events"]), (200, &json!(1)));
    for (scheme, value) in [("whatsapp", WA_ID), ("phone", NUMBER)] {
        assert_eq!(service.look_up(scheme, value).await, None, "{scheme}");
    }
}

#[tokio::test]
async fn an_erasure_of_an_address_reaches_who_only_says_to_have_it() {
    let service = service().await;
    whatsapp(&service, 1).await;
    assert_eq!(text(&service, "SM1", NUMBER, "hello").await.status, 200);
    assert_eq!(submit(&service, "t1", &json!({"phone": NUMBER})).await.status, 200);
    let ada = known(&service, "phone", NUMBER).await;
    assert_eq!(service.timeline(&ada, 50).await.len(), 1);
    let receipt = service.post("/v1/erasures", &json!({"identifier": {"scheme": "phone", "value": NUMBER}})).await;
    assert_eq!((receipt.status, &receipt.json()["removed"]["events"]), (200, &json!(3)), "{receipt:?}");
    for (scheme, value) in [("whatsapp", WA_ID), ("phone", NUMBER), ("sms", NUMBER)] {
        assert_eq!(service.look_up(scheme, value).await, None, "{scheme}");
    }
    assert_eq!(suggestions(&service).await, []);
    let left = hex::encode(service.data.readable().await.as_bytes());
    assert!(!left.contains(&hex::encode(NUMBER.as_bytes())), "an address is left");
}

/// A text or a notice of WhatsApp, at seconds since 1970.
fn of_whatsapp(from: &str, at: u64, name: Option<&str>, rest: &Value) -> Vec<u8> {
    let mut message = json!({"from": from, "id": format!("wamid.{at}"), "timestamp": at.to_string()});
    message.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    let contacts = name.map(|name| json!([{"profile": {"name": name}, "wa_id": from}])).unwrap_or(json!([]));
    let value = json!({"messaging_product": "whatsapp", "contacts": contacts, "messages": [message],
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}});
    let entry = json!({"id": "1", "changes": [{"field": "messages", "value": value}]});
    serde_json::to_vec(&json!({"object": "whatsapp_business_account", "entry": [entry]})).unwrap()
}

const OLD: &str = "573000000001";
const NEW: &str = "573000000002";

/// Ada writes, moves to another number and writes from there; later somebody else writes from her old one.
fn a_number_that_changes_hands() -> [Vec<u8>; 4] {
    let text = |text: &str| json!({"type": "text", "text": {"body": text}});
    let moved = json!({"type": "system", "system": {"type": "user_changed_number", "wa_id": NEW,
        "body": format!("Ada changed from \u{200e}{OLD} to \u{200e}{NEW}")}});
    [
        of_whatsapp(OLD, 1_790_000_000, Some("Ada"), &text("my old number")),
        of_whatsapp(OLD, 1_790_000_100, None, &moved),
        of_whatsapp(NEW, 1_790_000_200, None, &text("my new number")),
        of_whatsapp(OLD, 1_790_600_000, Some("Zoe"), &text("my number now")),
    ]
}

/// A person without what differs from table to table.
async fn person(service: &Service, value: &str) -> Value {
    let mut profile = known(service, "whatsapp", value).await;
    let timeline = service.timeline(&profile, 50).await;
    let texts: Vec<Value> = timeline.iter().map(|event| event["data"]["message"]["parts"][0]["text"].clone()).collect();
    profile["timeline"] = json!(texts);
    profile
}

#[tokio::test]
async fn a_number_that_changes_hands_is_somebody_else_s_in_whatever_order_things_come() {
    let mut orders = Vec::new();
    for n in 0..256_usize {
        let order: Vec<usize> = (0..4).map(|place| n >> (2 * place) & 3).collect();
        if (0..4).all(|one| order.contains(&one)) {
            orders.push(order);
        }
    }
    assert_eq!(orders.len(), 24);
    let mut expected = None;
    for (n, order) in orders.iter().enumerate() {
        let service = service().await;
        let bodies = a_number_that_changes_hands();
        for place in order {
            assert_eq!(service.deliver(&bodies[*place]).await.status, 200);
            // Every other order comes as a heap.
            if n % 2 == 0 {
                service.settle().await;
            }
        }
        // And all of it comes again.
        for body in &bodies {
            assert_eq!(service.deliver(body).await.status, 200);
        }
        let (mut ada, mut zoe) = (person(&service, NEW).await, person(&service, OLD).await);
        assert_ne!(ada["id"], zoe["id"], "{order:?}");
        assert_eq!(known(&service, "phone", &format!("+{OLD}")).await["id"], zoe["id"], "{order:?}");
        for (person, name, texts) in [
            (&mut ada, "Ada", json!(["my new number", null, "my old number"])),
            (&mut zoe, "Zoe", json!(["my number now"])),
        ] {
            assert_eq!(person["traits"]["display_name"]["value"], name, "{order:?}");
            assert_eq!(person["traits"]["display_name"]["newer"], Value::Null, "{order:?}");
            assert_eq!(person["timeline"], texts, "{order:?}");
            person.as_object_mut().unwrap().remove("id");
        }
        let found = json!([ada, zoe]);
        assert_eq!(found, *expected.get_or_insert_with(|| found.clone()), "{order:?}");
    }
}

/// A number is given up twice. Each of the three people keeps their own words, however the webhooks come.
#[tokio::test]
async fn a_number_that_changes_hands_twice_is_three_people_s_in_whatever_order_things_come() {
    const LAST: &str = "4915550000003";
    let text = |text: &str| json!({"type": "text", "text": {"body": text}});
    let moved = |to: &str| {
        json!({"type": "system", "system": {"type": "user_changed_number", "wa_id": to,
            "body": format!("User changed from \u{200e}{OLD} to \u{200e}{to}")}})
    };
    let bodies = [
        of_whatsapp(OLD, 1_790_000_000, Some("Ada"), &text("ada, before")),
        of_whatsapp(OLD, 1_790_000_100, None, &moved(NEW)),
        of_whatsapp(NEW, 1_790_000_200, Some("Ada"), &text("ada, after")),
        of_whatsapp(OLD, 1_790_100_000, Some("Zoe"), &text("zoe, before")),
        of_whatsapp(OLD, 1_790_200_000, None, &moved(LAST)),
        of_whatsapp(LAST, 1_790_200_100, Some("Zoe"), &text("zoe, after")),
        of_whatsapp(OLD, 1_790_300_000, Some("Max"), &text("max")),
    ];
    let said = async |service: &Service, number: &str| {
        let person = person(service, number).await;
        let texts = person["timeline"].as_array().unwrap().iter().filter_map(Value::as_str);
        let mut texts: Vec<String> = texts.map(str::to_owned).collect();
        texts.sort();
        texts
    };
    for order in 0..8_u64 {
        let service = service().await;
        let mut left: Vec<usize> = (0..bodies.len()).collect();
        let mut random = order.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut taken = Vec::new();
        while !left.is_empty() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // The first order is theirs.
            let place = if order < 2 { 0 } else { (random >> 33) as usize % left.len() };
            taken.push(left.remove(place));
        }
        for place in &taken {
            assert_eq!(service.deliver(&bodies[*place]).await.status, 200);
            if order % 2 == 0 {
                service.settle().await;
            }
        }
        service.settle().await;
        let found = [said(&service, NEW).await, said(&service, LAST).await, said(&service, OLD).await];
        assert_eq!(
            found,
            [vec!["ada, after", "ada, before"], vec!["zoe, after", "zoe, before"], vec!["max"]],
            "{taken:?}"
        );
    }
}

/// Who had a number is erased. What somebody else says since, and is delivered late, stays.
#[tokio::test]
async fn whoever_has_a_number_now_keeps_their_words_when_its_former_holder_is_erased() {
    let service = service().await;
    let [first, moved, second, theirs] = a_number_that_changes_hands();
    for body in [first, moved, second] {
        assert_eq!(service.deliver(&body).await.status, 200);
    }
    service.settle().await;
    let request = json!({"identifier": {"scheme": "whatsapp", "value": NEW}});
    assert_eq!(service.post("/v1/erasures", &request).await.status, 200);
    assert_eq!(service.deliver(&theirs).await.status, 200);
    service.settle().await;
    assert_eq!(person(&service, OLD).await["timeline"], json!(["my number now"]));
    assert_eq!(service.look_up("whatsapp", NEW).await, None);
    // And again, by whoever is erased next: the one who has it now.
    let request = json!({"identifier": {"scheme": "whatsapp", "value": OLD}});
    assert_eq!(service.post("/v1/erasures", &request).await.status, 200);
    assert_eq!(service.look_up("whatsapp", OLD).await, None);
}

#[tokio::test]
async fn an_agent_links_whoever_has_the_number_now() {
    let service = service().await;
    for body in a_number_that_changes_hands() {
        assert_eq!(service.deliver(&body).await.status, 200);
    }
    service.settle().await;
    let new = json!({"a": {"scheme": "whatsapp", "value": OLD}, "b": {"scheme": "crm.contact", "value": "zoe"},
        "reason": "she called", "by": "an agent"});
    assert_eq!(service.post("/v1/links", &new).await.status, 201);
    let (ada, zoe) = (known(&service, "whatsapp", NEW).await, known(&service, "whatsapp", OLD).await);
    assert_eq!(known(&service, "crm.contact", "zoe").await["id"], zoe["id"]);
    assert_ne!(ada["id"], zoe["id"]);
}

/// Folding failed for the number's endpoint, and is done later from its log alone.
#[tokio::test]
async fn what_is_taken_up_again_is_handed_over_like_what_is_streamed() {
    let service = service().await;
    let table = &service.data.table;
    for body in a_number_that_changes_hands() {
        assert_eq!(service.deliver(&body).await.status, 200);
    }
    let eid_of = |value: &str| {
        let key = EndpointKey { scheme: "whatsapp".into(), scope: None, value: value.into() };
        table.eid(&key)
    };
    for number in [OLD, NEW] {
        let aside = table.set_aside(&eid_of(number), "a test", NOW, |_| Some(NOW)).await.unwrap();
        assert!(take_up(table, &aside, NOW).await.unwrap());
    }
    let at_the_first = table.found_after(&eid_of(OLD), None).await.unwrap();
    let moved = 1_790_000_100_000;
    assert!(at_the_first.iter().all(|found| found.key.at() <= moved), "what is Zoe's is not at Ada's");
    let since = table.tenant_key().since(&eid_of(OLD), moved);
    assert_eq!(table.found_after(&since, None).await.unwrap().len(), 1);
}
