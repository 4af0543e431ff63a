//! Whether each request of the fixtures may leave: the way out itself is asked, with a value in the place of each secret that the
//! manifest binds. Nothing leaves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rapport_egress::{AwsKeys, Blobs, Bound, Grants, Keeping, Sending, Work, check};
use rapport_model::exchange::Request;
use rapport_model::secret::{Secret, Use};
use rapport_sandbox::Manifest;
use rapport_sdk::testing::Findings;
use rapport_sdk::testing::outbound::{OutboundFixture, SendingSubject, requests_of};
use serde::Deserialize;
use serde_json::Value;

/// What stands for the URL of statuses, and for that of unsubscribing.
const OWN_URL: &str = "https://rapport.example/s/a-b";

/// Runs the check `requests`, named after the folder of the fixtures.
pub(super) fn run(
    manifest: &Manifest,
    subject: &dyn SendingSubject,
    fixtures: &[OutboundFixture],
    way: &str,
) -> Result<Findings> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("no runtime for the requests")?;
    let grants = grants(manifest);
    let mut findings = Findings { check: format!("{way} requests"), ..Findings::default() };
    let mut causes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for fixture in fixtures {
        // A fixture that does not come to an end is told by the check of fixtures.
        for request in requests_of(subject, fixture).unwrap_or_default() {
            findings.cases += 1;
            if let Err(why) = runtime.block_on(may_leave(&grants, &request)) {
                let names = causes.entry(why).or_default();
                if !names.contains(&fixture.name.as_str()) {
                    names.push(&fixture.name);
                }
            }
        }
    }
    findings.failures = causes.into_iter().map(|(why, names)| format!("{}: {why}", named(&names))).collect();
    Ok(findings)
}

/// Fixtures that are named; the rest are counted.
const NAMED_MAX: usize = 3;

fn named(names: &[&str]) -> String {
    let first = names[..names.len().min(NAMED_MAX)].join(", ");
    if names.len() > NAMED_MAX { format!("{first} and {} more", names.len() - NAMED_MAX) } else { first }
}

/// All that the manifest asks for. What an operator narrows is not the author's.
fn grants(manifest: &Manifest) -> Grants {
    let bound = |used: &Use| Bound { used: used.clone(), value: Some(Secret::new(*b"a-value-of-the-kit")) };
    Grants {
        hosts: manifest.hosts.api.clone(),
        narrowed: Some(manifest.hosts.api.clone()),
        secrets: manifest.secrets.iter().map(|(name, known)| (name.clone(), bound(&known.used))).collect(),
        aws: manifest.aws.clone(),
        granted: manifest.aws.clone(),
        stand_in: None,
        live: false,
    }
}

/// Whether one request may leave.
///
/// # Errors
/// Why not, with the fix.
async fn may_leave(grants: &Grants, request: &Value) -> Result<(), String> {
    let request = Request::deserialize(request).map_err(|error| format!("it is not of the contract: {error}"))?;
    let token = Secret::new(*b"a-token-of-the-kit");
    let aws =
        AwsKeys { access_key_id: "AKIDEXAMPLE".to_owned(), secret_access_key: token.clone(), session_token: None };
    let sending = Sending {
        request: &request,
        grants,
        token: Some(&token),
        aws: Some(&aws),
        status_url: Some(OWN_URL),
        unsubscribe_url: Some(OWN_URL),
        blobs: Arc::new(OneByte),
        limit: Duration::from_secs(1),
        now: 0,
        entropy: [7; 16],
    };
    check(&sending).await
}

/// Every blob is there, and has one byte.
struct OneByte;

impl Blobs for OneByte {
    fn size<'a>(&'a self, _: &'a str) -> Work<'a, Option<u64>> {
        Box::pin(async { Ok(Some(1)) })
    }

    fn read<'a>(&'a self, _: &'a str, _: u64, bytes: u64) -> Work<'a, Vec<u8>> {
        Box::pin(async move { Ok(vec![0; usize::try_from(bytes).unwrap_or_default()]) })
    }

    fn keep(&self) -> Work<'_, Box<dyn Keeping>> {
        Box::pin(async { Err("nothing is kept here".to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use rapport_sdk::http::{Piece, Request};
    use serde_json::json;

    use super::*;

    const MANIFEST: &str = "id = 'acme'\nname = 'Acme'\nversion = '1'\ncontract = '0.2'\n[hosts]\napi = ['api.acme.example', \
                            'ses.*.amazonaws.com']\n[aws]\nses = ['SendEmail']\n[secrets]\nsigning-secret = 'x'\naccess-token = \
                            { use = 'bearer', what = 'x' }\nkey = { use = { header = 'x-key' }, what = 'x' }\nbot-token = { use = { \
                            path = '/bot{secret}' }, what = 'x' }\n";

    #[tokio::test]
    async fn a_request_goes_only_where_the_manifest_says_and_with_what_it_binds() {
        let grants = grants(&Manifest::parse(MANIFEST).unwrap());
        let post = |path: &str| Request::post(format!("https://api.acme.example{path}"));
        let right = [
            post("/v1").bearer("access-token").json(&json!({})),
            post("/v1").secret_header("x-key", "", "key"),
            post("/bot").secret("bot-token").path("/send").blob("image/png", "b"),
            Request::post("https://ses.eu-west-1.amazonaws.com/v2/email").aws("ses", "eu-west-1").json(&json!({})),
            post("/v1").form_piece("callback", Piece::StatusUrl),
        ];
        for request in right {
            assert_eq!(may_leave(&grants, &json!(request)).await, Ok(()), "{request:?}");
        }
        let wrong = [
            (
                Request::get("https://api.acme.test/"),
                "does not allow the host `api.acme.test`; fix: add it to `[hosts] api`",
            ),
            (post("/v1").bearer("acces-token"), "has no secret `acces-token`; fix: add it to `[secrets]`"),
            (post("/v1").bearer("signing-secret"), "secret `signing-secret` is bound to"),
            (post("/v1").secret_header("x-kee", "", "key"), "secret `key` is bound to the header `x-key`"),
            (post("/boot").secret("bot-token"), "secret `bot-token` is bound to the path `/bot{secret}`"),
            (
                Request::post("https://ses.eu-west-1.amazonaws.com/").aws("s3", "eu-west-1"),
                "does not ask for `s3`; fix: ",
            ),
            (post("/v1").header("host", "elsewhere"), "the header `host` is made by the host; fix: leave it out"),
            (post("/v1").header("authorization", "Bearer x"), "the header `authorization` is given as text; fix: "),
        ];
        for (request, expected) in wrong {
            let why = may_leave(&grants, &json!(request)).await.unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
        assert_eq!(named(&["a", "b", "c", "d"]), "a, b, c and 1 more");
    }
}
