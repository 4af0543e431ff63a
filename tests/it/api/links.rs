//! People link, undo, decide and ask, over HTTP.

use axum::body::Body;
use axum::http::Request;
use rapport_model::event::Attestation;
use serde_json::{Value, json};

use crate::support::API_KEY;
use crate::support::api::{Api, Reply, escaped, identifier};

async fn link(api: &Api, a: (&str, &str), b: (&str, &str)) -> Reply {
    let body = json!({"a": identifier(a.0, a.1), "b": identifier(b.0, b.1), "reason": "she said so", "by": "ada"});
    api.call("POST", "/v1/links", Some(body)).await
}

#[tokio::test]
async fn a_person_links_two_identifiers_and_undoes_it() {
    let api = Api::new().await;
    api.seen("chat", "ada").await;
    let before = api.look_up("chat", "ada").await;
    let made = link(&api, ("chat", "ada"), ("crm.contact", "4711")).await;
    assert_eq!(made.status, 201, "{made:?}");
    let location = made.headers["location"].clone();
    assert_eq!(location, format!("/v1/links/{}", made.body["id"].as_str().unwrap()));
    assert_eq!((&made.body["state"], &made.body["rule"]), (&json!("joins"), &json!("manual")));
    assert_eq!(
        (&made.body["evidence"]["by"], &made.body["evidence"]["reason"]),
        (&json!("ada"), &json!("she said so"))
    );
    assert_eq!(api.expect(200, ("GET", &location), None).await, made.body);
    let again = link(&api, ("crm.contact", "4711"), ("chat", "ada")).await;
    assert_eq!((again.status, &again.headers["location"], &again.body), (200, &location, &made.body));
    let merged = api.look_up("crm.contact", "4711").await;
    assert_eq!(merged["id"], api.look_up("chat", "ada").await["id"]);
    assert_eq!(merged["identifiers"].as_array().unwrap().len(), 2, "the CRM's record came to exist");
    let together_at = made.body["recorded_at"].as_str().unwrap();

    let undone = api.expect(200, ("DELETE", &location), Some(json!({"reason": "another Ada", "by": "bob"}))).await;
    assert_eq!((&undone["state"], &undone["closed"]["by"]), (&json!("closed"), &json!("bob")));
    assert_ne!(undone["a"]["profile"], undone["b"]["profile"]);
    let twice = api.expect(200, ("DELETE", &format!("{location}?reason=twice")), None).await;
    assert_eq!(twice, undone, "the first word stays");
    assert_eq!(api.look_up("chat", "ada").await, before);
    let target = format!("/v1/profiles/{}?as-of={}", before["id"].as_str().unwrap(), escaped(together_at));
    let then = api.expect(200, ("GET", &target), None).await;
    assert_eq!(then["identifiers"].as_array().unwrap().len(), 2);
    assert_eq!(then["links"][0]["id"], made.body["id"]);
    let target = format!("/v1/profiles/{}?as-of=2020-01-01T00:00:00Z", before["id"].as_str().unwrap());
    assert_eq!(api.expect(200, ("GET", &target), None).await["identifiers"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_identifier_that_looks_misspelt_makes_no_link() {
    let api = Api::new().await;
    api.seen("chat", "ada").await;
    for (given, detail) in [
        (("emial", "ada@example.com"), "scheme `emial` was never seen; fix: write `email`"),
        (("Phon", "+16505551234"), "scheme `phon` was never seen; fix: write `phone`"),
        (("email", "not-a-mail"), "value is not a mailbox; fix: `name@example.com`"),
    ] {
        for (a, b, field) in [(("chat", "ada"), given, "b"), (given, ("chat", "ada"), "a")] {
            let refused = link(&api, a, b).await;
            assert_eq!((refused.status, &refused.body["field"]), (400, &json!(field)), "{refused:?}");
            assert_eq!(refused.body["detail"], detail);
        }
    }
    // What an event named is known, however it looks.
    api.seen("emial", "ada@example.com").await;
    assert_eq!(link(&api, ("chat", "ada"), ("emial", "ada@example.com")).await.status, 201);
    assert_eq!(link(&api, ("chat", "ada"), ("email", "Ada <ada@example.com>")).await.status, 201);
}

#[tokio::test]
async fn a_path_that_is_nearly_a_route_is_told_with_it() {
    let api = Api::new().await;
    for (path, fix) in [
        ("/v1/profile/lookup", "call `/v1/profiles/lookup`"),
        ("/v1/profile/p123/timeline", "call `/v1/profiles/{id}/timeline`"),
        ("/v1/links/", "call `/v1/links/{id}`"),
        ("/v1/weather", "see /openapi.json for all routes"),
    ] {
        let refused = api.expect(404, ("GET", path), None).await;
        assert_eq!(refused["detail"], format!("no route at this path; fix: {fix}"), "{path}");
    }
}

#[tokio::test]
async fn an_id_that_went_into_another_one_leads_there() {
    let api = Api::new().await;
    let ids = [("chat", "ada"), ("chat", "ada2")];
    let mut before = Vec::new();
    for (scheme, value) in ids {
        api.seen(scheme, value).await;
        before.push(api.look_up(scheme, value).await["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(link(&api, ids[0], ids[1]).await.status, 201);
    let live = api.look_up("chat", "ada").await;
    let dead = before.iter().find(|id| live["id"] != **id).unwrap();
    let moved = api.call("GET", &format!("/v1/profiles/{dead}"), None).await;
    assert_eq!((moved.status, &moved.body), (301, &live));
    assert_eq!(moved.headers["location"], format!("/v1/profiles/{}", live["id"].as_str().unwrap()));
    assert_eq!(moved.headers["cache-control"], "no-store", "the merge may be undone");
}

#[tokio::test]
async fn why_two_identifiers_are_one_person_is_told_in_links() {
    let api = Api::new().await;
    let (chat, phone) = (api.seen("chat", "ada").await, api.seen("phone", "+16505551234").await);
    api.said(&chat, &phone, Attestation::Provider).await;
    assert_eq!(link(&api, ("phone", "+16505551234"), ("crm.contact", "a:b")).await.status, 201);
    let id = api.look_up("chat", "ada").await["id"].as_str().unwrap().to_owned();
    let ask =
        |from: String, to: String| format!("/v1/profiles/{id}/explain?from={}&to={}", escaped(&from), escaped(&to));
    let crm = identifier("crm.contact", "a:b").to_string();
    let why = api.expect(200, ("GET", &ask(chat.eid.to_string(), crm.clone())), None).await;
    assert_eq!(why["connected"], true);
    let rules: Vec<&Value> = why["links"].as_array().unwrap().iter().map(|link| &link["rule"]).collect();
    assert_eq!(rules, ["same-payload", "manual"], "from one end to the other");
    assert_eq!(why["to"]["value"], "a:b");

    let target = format!("/v1/links/{}", why["links"][1]["id"].as_str().unwrap());
    api.expect(200, ("DELETE", &target), None).await;
    let why = api.expect(200, ("GET", &ask(identifier("chat", "ada").to_string(), crm.clone())), None).await;
    assert_eq!((&why["connected"], &why["links"][0]["state"]), (&json!(false), &json!("closed")));
    assert_eq!(why["links"][0]["closed"]["key"], "test");
    assert_eq!(why["links"][0]["closed"]["by"], Value::Null, "nobody said who");
    let refused = api.expect(404, ("GET", &ask(crm, chat.eid.to_string())), None).await;
    assert_eq!(refused["field"], "from");
    let refused = api.expect(400, ("GET", &ask("chat:ada".into(), chat.eid.to_string())), None).await;
    assert_eq!(refused["field"], "from");
}

#[tokio::test]
async fn a_limit_that_stands_against_a_link_is_a_conflict_by_name() {
    let api = Api::new().await;
    let first = link(&api, ("user", "u1"), ("phone", "+16505551234")).await;
    assert_eq!(first.status, 201);
    let refused = link(&api, ("user", "u2"), ("phone", "+16505551234")).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.body["detail"].as_str().unwrap().contains("too many identifiers of `user`"), "{refused:?}");
    let listed = api.expect(200, ("GET", "/v1/conflicts"), None).await;
    assert_eq!(listed["items"][0]["id"], refused.body["conflict"]);
    assert_eq!(listed["items"][0]["limit"], json!({"scheme": "user", "scope": null, "max": 1}));
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["next"]), (1, &Value::Null));
    api.expect(200, ("DELETE", &first.headers["location"]), None).await;
    assert_eq!(api.expect(200, ("GET", "/v1/conflicts"), None).await["items"], json!([]), "it links by itself");
    assert_eq!(api.look_up("user", "u2").await["id"], api.look_up("phone", "+16505551234").await["id"]);
    let refused = link(&api, ("user", "u2"), ("email", "info@example.com")).await;
    assert_eq!((refused.status, &refused.body["field"]), (409, &json!("b")), "many people read it");
}

#[tokio::test]
async fn a_suggestion_is_accepted_or_dismissed_for_good() {
    let api = Api::new().await;
    let chat = api.seen("chat", "ada").await;
    let [right, wrong] = [api.seen("email", "ada@example.com").await, api.seen("email", "bob@example.com").await];
    for weak in [&right, &wrong] {
        api.said(&chat, weak, Attestation::Agent).await;
    }
    let mut listed = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.expect(200, ("GET", &format!("/v1/suggestions?limit=1&cursor={cursor}")), None).await;
        listed.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = next.to_owned();
    }
    assert_eq!(listed.len(), 2);
    let id = |party: &str| {
        let of = |one: &&Value| [&one["a"], &one["b"]].iter().any(|end| end["endpoint"] == party);
        listed.iter().find(of).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let accept = format!("/v1/suggestions/{}/accept", id(right.eid.as_str()));
    let accepted = api.expect(200, ("POST", &accept), Some(json!({"reason": "checked", "by": "ada"}))).await;
    assert_eq!((&accepted["rule"], &accepted["state"]), (&json!("accepted"), &json!("joins")));
    assert_eq!(api.expect(200, ("POST", &accept), None).await["id"], accepted["id"]);
    let dismiss = format!("/v1/suggestions/{}/dismiss", id(wrong.eid.as_str()));
    let dismissed = api.expect(200, ("POST", &dismiss), None).await;
    assert_eq!((&dismissed["state"], &dismissed["decided"]["key"]), (&json!("dismissed"), &json!("test")));
    api.said(&chat, &wrong, Attestation::Customer).await;
    assert_eq!(api.expect(200, ("GET", "/v1/suggestions"), None).await["items"], json!([]));
    let too_late = format!("/v1/suggestions/{}/dismiss", id(right.eid.as_str()));
    api.expect(409, ("POST", &too_late), None).await;
}

#[tokio::test]
async fn other_rules_show_whom_they_would_link_and_part_and_write_nothing() {
    let api = Api::new().await;
    for n in 0..8 {
        let phone = api.seen("phone", &format!("+1650555123{n}")).await;
        let chat = api.seen("chat", &format!("chat{n}")).await;
        api.said(&chat, &phone, Attestation::Signature).await;
        for user in ["a", "b"] {
            let user = api.seen("user", &format!("{user}{n}")).await;
            api.said(&chat, &user, Attestation::Provider).await;
        }
        let email = api.seen("email", &format!("ada{n}@example.com")).await;
        api.said(&chat, &email, Attestation::Agent).await;
    }
    let ids = async || {
        let mut ids = Vec::new();
        for n in 0..8 {
            ids.push(api.look_up("user", &format!("b{n}")).await["id"].clone());
        }
        ids
    };
    let before = ids().await;
    let rules = json!({"attestations": ["provider", "agent"], "limits": {"user": 2}});
    let (mut changes, mut cursor, mut profiles) = (Vec::new(), String::new(), 0);
    loop {
        let target = format!("/v1/rules/preview?limit=7&cursor={cursor}");
        let page = api.expect(200, ("POST", &target), Some(rules.clone())).await;
        assert!(page["items"].as_u64().unwrap() <= 7, "{page}");
        profiles += page["profiles"].as_u64().unwrap();
        changes.extend(page["changes"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = next.to_owned();
    }
    let of = |change: &str, scheme: &str| {
        let is =
            |one: &&Value| one["change"] == change && [&one["a"], &one["b"]].iter().any(|end| end["scheme"] == scheme);
        changes.iter().filter(is).count()
    };
    assert_eq!([of("link", "user"), of("link", "email"), of("part", "phone")], [8, 8, 8], "{changes:#?}");
    assert_eq!((changes.len(), profiles), (24, 16), "each once, and those that only hang together with another, too");
    assert_eq!(ids().await, before);
    let unchanged = api.expect(200, ("POST", "/v1/rules/preview"), Some(json!({}))).await;
    assert_eq!((&unchanged["changes"], &unchanged["next"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn bad_input_is_refused_by_the_name_of_the_field() {
    let api = Api::new().await;
    let good = json!({"a": identifier("chat", "ada"), "b": identifier("chat", "bob"), "reason": "x"});
    let with = |at: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(at).unwrap() = value;
        body
    };
    let mut unknown = good.clone();
    unknown["reson"] = json!("x");
    let mut nested = good.clone();
    nested["b"]["scop"] = json!("x");
    let mut missing = good.clone();
    missing.as_object_mut().unwrap().remove("b");
    let cases = [
        (unknown, "reson", "unknown field `reson`; fix: write `reason`"),
        (nested, "b.scop", "unknown field `b.scop`; fix: write `scope`"),
        (missing, "b", "field `b` is missing"),
        (with("/a/value", json!(7)), "a.value", "field `a.value` is not of type string"),
        (
            with("/a/value", json!("x".repeat(513))),
            "a.value",
            "field `a.value` is too long: at most 512 characters are allowed",
        ),
        (with("/reason", json!("")), "reason", "field `reason` is empty"),
        (with("/a/scheme", json!("no scheme")), "a", "identifier `a`: scheme `no scheme` is not a word"),
        (with("/b", good["a"].clone()), "b", "`a` and `b` are the same identifier"),
    ];
    for (body, field, detail) in cases {
        let refused = api.expect(400, ("POST", "/v1/links"), Some(body)).await;
        assert_eq!(refused["field"], field, "{refused}");
        assert!(refused["detail"].as_str().unwrap().starts_with(detail), "{refused}");
    }
    let rules = api.expect(400, ("POST", "/v1/rules/preview"), Some(json!({"attestations": ["anyone"]}))).await;
    assert_eq!(rules["field"], "attestations.0");
    assert!(rules["detail"].as_str().unwrap().contains("\"provider\""), "{rules}");
    for (target, field) in [
        ("/v1/conflicts?limit=0", "limit"),
        ("/v1/conflicts?limit=101", "limit"),
        ("/v1/conflicts?limit=ten", "limit"),
        ("/v1/conflicts?cursor=x", "cursor"),
        ("/v1/conflicts?limits=1", "limits"),
        ("/v1/suggestions?cursor=x&cursor=x", "cursor"),
        ("/v1/profiles/pAAAAAAAAAAAAAAAAAAAAAA?as-of=yesterday", "as-of"),
    ] {
        assert_eq!(api.expect(400, ("GET", target), None).await["field"], field, "{target}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_refused_with_what_to_call_instead() {
    let api = Api::new().await;
    for (target, says) in [
        ("/v1/profiles/lookup?scheme=fone&value=1", "of scheme `fone`"),
        ("/v1/profiles/search", "`POST /v1/profiles/lookup`"),
        ("/v1/profiles/search?q=ada", "`POST /v1/profiles/lookup`"),
        ("/v1/profiles/lookup/timeline", "take the `id` of its answer"),
        ("/v1/profiles/export", "`GET /v1/profiles/{id}/export`"),
        ("/v1/people", "see /openapi.json"),
    ] {
        let refused = api.expect(404, ("GET", target), None).await;
        assert!(refused["detail"].as_str().unwrap().contains(says), "{target}: {refused}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_refused_by_line_and_column_and_another_type_by_name() {
    let api = Api::new().await;
    let post = async |kind: &str, body: &str| {
        let request = Request::post("/v1/links").header("authorization", format!("Bearer {API_KEY}"));
        api.send(request.header("content-type", kind).body(Body::from(body.to_owned())).unwrap()).await
    };
    let broken = post("application/json", "{\n  \"a\": }").await;
    assert_eq!((broken.status, &broken.body["detail"]), (400, &json!("not valid JSON at line 2, column 8")));
    assert_eq!(post("application/json", "").await.status, 400);
    assert_eq!(post("application/json; charset=utf-8", "[]").await.body["detail"], "the field is not of type object");
    for other in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let refused = post(other, "{}").await;
        assert_eq!(
            (refused.status, &refused.headers["content-type"][..]),
            (415, "application/problem+json"),
            "{other}"
        );
    }
    assert_eq!(post("application/json", &"x".repeat((64 << 10) + 1)).await.status, 413);
}
