//! Addresses as people, networks and records write them: who is one person, who is nobody, and whose a message is.

use rapport_sdk::encoding::{base64, hex};
use rapport_sdk::number;
use ring::hmac;
use serde_json::{Value, json};

use crate::support::{Answer, Service, connection, fixture, wa_eu};

const SECRET: &str = "a secret of the address tests";
const AT: &str = "2026-09-29T08:00:00Z";

/// A shop that vouches for each user's chat, e-mail and phone, and a CRM.
async fn service() -> Service {
    let identifier =
        |scheme: &str| json!({"scheme": scheme, "value": format!("/data/user/{scheme}"), "attestation": "provider"});
    let identifiers = ["chat", "email", "phone"].map(identifier);
    let mapping = json!({"types": ["message.created"], "event": "message", "text": "/data/text",
        "identifiers": identifiers});
    let secret = format!("whsec_{}", base64::encode(SECRET.as_bytes()));
    let organization = json!({"organization-id": "00D000000000001EAA"});
    Service::start([
        wa_eu(),
        connection("shop", "standard-webhooks", &json!({"mappings": [mapping]}), &[("secret", vec![&secret])]),
        connection("crm", "salesforce", &organization, &[("path-token", vec!["a-path-token-of-tests"])]),
    ])
    .await
}

/// A message of the shop, signed.
async fn say(service: &Service, id: &str, user: Value) -> Answer {
    let body = json!({"type": "message.created", "timestamp": AT, "data": {"text": "hi", "user": user}}).to_string();
    let time = (crate::support::NOW / 1_000).to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = base64::encode(hmac::sign(&key, format!("{id}.{time}.{body}").as_bytes()).as_ref());
    let signature = format!("v1,{tag}");
    let headers = [("webhook-id", id), ("webhook-timestamp", &time), ("webhook-signature", &signature)];
    let answer = service.send("POST", "/hooks/shop", &headers, body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// The profiles of two users who share a value, by their e-mail addresses.
async fn two_with(service: &Service, scheme: &str, values: [&str; 2]) -> [Value; 2] {
    let mut found = Vec::new();
    for (n, value) in values.into_iter().enumerate() {
        let email = format!("{}.{n}@shop.example", hex::encode(format!("{scheme}{value}").as_bytes()));
        let email: String = email.chars().skip(email.len().saturating_sub(60)).collect();
        say(
            service,
            &format!("{scheme}-{value}-{n}").replace(|c: char| !c.is_ascii_alphanumeric(), "_"),
            json!({"email": &email, scheme: value}),
        )
        .await;
        found.push(email);
    }
    service.settle().await;
    [service.look_up("email", &found[0]).await.unwrap(), service.look_up("email", &found[1]).await.unwrap()]
}

#[tokio::test]
async fn a_line_is_one_person_in_every_spelling() {
    let service = service().await;
    for values in [
        ["+5491123456789", "+541123456789"],
        ["+54 9 11 2345-6780", "+54 11 15 2345-6780"],
        ["+22507139912", "+2250707139912"],
        ["+22997123456", "+2290197123456"],
        ["+5215512345678", "+525512345678"],
        ["+551187654321", "+5511987654321"],
        ["\u{202a}+16505557006\u{202c}", "+16505557006"],
        ["+1６505557016", "+16505557016"],
        ["tel:+1-650-555-7026", "001 650 555 7026"],
        ["+1\u{a0}650\u{2011}555\u{ad}7036", "+16505557036"],
    ] {
        let [a, b] = two_with(&service, "phone", values).await;
        assert_eq!(a["id"], b["id"], "{values:?}");
    }
}

#[tokio::test]
async fn who_only_looks_alike_stays_apart() {
    let service = service().await;
    for (scheme, values) in [
        // A switchboard.
        ("phone", ["+16505551234", "+1 650 555 1234 ext 99"]),
        ("phone", ["+16505551244", "+16505551244;ext=5"]),
        // Placeholders and withheld callers.
        ("phone", ["+266696687", "+266696687"]),
        ("phone", ["+7378742833", "+7378742833"]),
        ("phone", ["anonymous", "anonymous"]),
        ("phone", ["+10000000000", "+10000000000"]),
        ("phone", ["+18005551234", "+18005551234"]),
        ("phone", ["+1-800-FLOWERS", "+18003569377"]),
        ("chat", ["0000", "0000"]),
        ("chat", ["distinct_id", "distinct_id"]),
        ("chat", ["distinctid", "DistinctId"]),
        ("chat", ["email", "email"]),
        ("chat", ["null", "null"]),
        ("chat", ["{{user.id}}", "{{user.id}}"]),
    ] {
        let [a, b] = two_with(&service, scheme, values).await;
        assert_ne!(a["id"], b["id"], "{scheme}: {values:?}");
        assert_eq!(service.timeline(&a, 10).await.len(), 1, "{scheme}: {values:?}");
    }
    assert_eq!(service.look_up("chat", "0000").await, None, "nobody is called so");
    assert_eq!(service.look_up("phone", "+266696687").await, None);
}

#[tokio::test]
async fn nobody_is_found_under_a_mailbox_that_quotes_theirs() {
    let service = service().await;
    say(&service, "victim", json!({"email": "victim@bank.example"})).await;
    say(&service, "evil", json!({"email": "\"<victim@bank.example>\"@evil.example"})).await;
    service.settle().await;
    let victim = service.look_up("email", "Victim <victim@BANK.example>").await.unwrap();
    assert_eq!(service.timeline(&victim, 10).await.len(), 1);
    for value in ["\"<victim@bank.example>\"@evil.example", "\u{212a}ictim@bank.example"] {
        let found = service.look_up("email", value).await;
        assert!(found.is_none_or(|found| found["id"] != victim["id"]), "{value}");
    }
    assert_eq!(
        service.look_up("email", "\"victim\"@bank.example").await.unwrap(),
        victim,
        "quotes alone change nothing"
    );
}

#[tokio::test]
async fn nobody_is_found_under_an_address_with_a_character_more() {
    let service = service().await;
    say(&service, "victim", json!({"email": "victim@bank.example"})).await;
    say(&service, "victim-chat", json!({"chat": "victim"})).await;
    say(&service, "victim-phone", json!({"phone": "+16505551234"})).await;
    let evil = ["\0", "\u{fffd}", "\u{1}", "\u{b}", "\u{7f}", "\u{85}", "\u{200b}", "\u{feff}"];
    for (n, sign) in evil.into_iter().enumerate() {
        // Around a mailbox and anywhere in a number, what shows nothing is what a copy brought along.
        let is_shown = n < 6;
        let email = if is_shown { format!("victim@bank.example{sign}") } else { format!("vic{sign}tim@bank.example") };
        say(&service, &format!("evil-email-{n}"), json!({"email": email})).await;
        say(&service, &format!("evil-email-within-{n}"), json!({"email": format!("victim{sign}@bank.example")})).await;
        say(&service, &format!("evil-chat-{n}"), json!({"chat": format!("victim{sign}")})).await;
        if is_shown {
            say(&service, &format!("evil-phone-{n}"), json!({"phone": format!("+16505551234{sign}")})).await;
        }
    }
    service.settle().await;
    for (scheme, value) in [("email", "victim@bank.example"), ("chat", "victim"), ("phone", "+16505551234")] {
        let victim = service.look_up(scheme, value).await.unwrap();
        assert_eq!(service.timeline(&victim, 100).await.len(), 1, "{scheme}");
    }
    // A lost character may be any: two who lost theirs share nothing, and their messages are kept.
    assert_eq!(service.look_up("email", "victim@bank.example\u{fffd}").await, None);
    assert_eq!(service.look_up("email", "victim@bank.example\0").await, None);
    let mut stored = service.data.items().await;
    stored.retain(crate::support::is_event);
    assert_eq!(stored.len(), 3 + 3 * evil.len() + 6);
}

#[tokio::test]
async fn strangers_who_name_nobody_share_no_conversation_and_nothing_of_them_is_lost() {
    let service = service().await;
    say(&service, "stranger-1", json!({"chat": "0000"})).await;
    say(&service, "stranger-2", json!({"phone": "+266696687"})).await;
    service.settle().await;
    let mut stored = service.data.items().await;
    stored.retain(crate::support::is_event);
    assert_eq!(stored.len(), 2);
    let partitions: std::collections::BTreeSet<String> =
        stored.iter().map(|item| format!("{:?}", item["pk"])).collect();
    assert_eq!(partitions.len(), 2, "each has a conversation of its own");
    assert!(service.data.table.parked("shop").await.unwrap().is_empty());
    assert_eq!(service.look_up("chat", "0000").await, None);
}

/// A change event of the CRM.
async fn change(service: &Service, n: u64, kind: &str, changed: Value, fields: Value) {
    let header = json!({"entityName": "Contact", "recordIds": ["003D000000QYVcVIAX"], "changeType": kind, "changeOrigin": "x",
        "transactionKey": format!("t{n}"), "sequenceNumber": 1, "commitTimestamp": 1_790_000_001_000_u64 + n * 1_000,
        "commitUser": "005D0000001hv4SYAQ", "nulledFields": [], "diffFields": [], "changedFields": changed});
    let mut payload = fields;
    payload["ChangeEventHeader"] = header;
    let body = json!({"source": "aws.partner/salesforce.com/00D000000000001EAA/0YL", "detail": {"payload": payload}});
    let headers = [("content-type", "application/json")];
    let target = "/hooks/crm/a-path-token-of-tests";
    let answer = service.send("POST", target, &headers, body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_part_of_a_record_changes_that_part_in_whatever_order_it_comes() {
    let created = (
        1,
        "CREATE",
        json!([]),
        json!({"Name": {"FirstName": "Ada", "LastName": "Lovelace"},
        "Email": "ada@sf.example", "Title": "Countess", "MailingAddress": {"Street": "1 Main", "City": "Paris"}}),
    );
    let site = (
        2,
        "UPDATE",
        json!(["Website__c", "LastModifiedDate"]),
        json!({"Name": null, "Email": null, "Title": null, "MailingAddress": null, "Website__c": "https://x.example"}),
    );
    let city = (3, "UPDATE", json!(["MailingAddress.City"]), json!({"MailingAddress": {"City": "Lyon"}}));
    let name = (4, "UPDATE", json!(["Name.FirstName"]), json!({"Name": {"FirstName": "Augusta", "LastName": null}}));
    let all = [created, site, city, name];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let service = service().await;
        for at in order {
            let (n, kind, changed, fields) = all[at].clone();
            change(&service, n, kind, changed, fields).await;
        }
        service.settle().await;
        let target = "/v1/profiles/lookup?scheme=salesforce.contact&scope=00D000000000001EAA&value=003D000000QYVcVIAX";
        let profile = service.read(target).await;
        let value = |name: &str| profile["traits"][name]["value"].clone();
        assert_eq!(value("com.salesforce.Email"), "ada@sf.example", "{order:?}");
        assert_eq!(value("com.salesforce.Title"), "Countess", "{order:?}");
        assert_eq!(value("com.salesforce.Website__c"), "https://x.example", "{order:?}");
        assert_eq!(value("com.salesforce.MailingAddress"), json!({"Street": "1 Main", "City": "Lyon"}), "{order:?}");
        assert_eq!(value("display_name"), "Augusta Lovelace", "{order:?}");
        let parts = profile["traits"].as_object().unwrap().keys().filter(|name| name.contains('/')).count();
        assert_eq!(parts, 0, "{order:?}");
    }
}

#[tokio::test]
async fn what_the_business_wrote_is_in_the_customers_timeline_and_the_business_is_no_customer() {
    let service = service().await;
    for name in ["history-of-a-number-in-another-spelling", "history-from-me", "own-number-is-no-customer"] {
        assert_eq!(service.deliver(&fixture(name).webhook.body).await.status, 200, "{name}");
    }
    service.settle().await;
    for (customer, expected) in
        [("16505550301", vec!["agent", "customer", "agent"]), ("16505550303", vec!["customer", "agent", "agent"])]
    {
        let profile = service.look_up("whatsapp", customer).await.unwrap();
        let timeline = service.timeline(&profile, 10).await;
        let authors: Vec<&str> =
            timeline.iter().filter_map(|event| event["data"]["message"]["author"].as_str()).collect();
        assert_eq!(authors, expected, "{customer}");
    }
    for own in ["554187654321", "5541987654321", "15559998888", "15550001111"] {
        assert_eq!(service.look_up("whatsapp", own).await, None, "{own}");
        assert_eq!(service.look_up("phone", &format!("+{own}")).await, None, "{own}");
    }
}

#[test]
fn the_sdk_and_the_host_mean_the_same_line() {
    use rapport_model::canonical::{e164, renumbered};
    for row in renumbered::RENUMBERED {
        let digit = |place: usize| row.when.get(place).and_then(|digits| digits.chars().next()).unwrap_or('2');
        let old = format!("{}{}", row.country, (0..row.digits).map(digit).collect::<String>());
        let new = renumbered::today(&old);
        assert_ne!(old, new);
        assert!(number::is_same_line(&old, &new));
        assert_eq!(e164(&format!("+{old}")), e164(&format!("+{new}")), "{old}");
        assert_eq!(e164(&format!("+{old}")), Some(format!("+{new}")), "{old}");
    }
}
