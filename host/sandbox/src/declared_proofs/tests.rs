use super::*;
use std::collections::HashMap;

use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair};

struct Fixed(HashMap<String, Vec<Secret>>);

impl Secrets for Fixed {
    fn versions(&self, name: &str) -> Option<&[Secret]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

const HEAD: &str = "id = 'acme'\nname = 'Acme'\nversion = '1'\ncontract = '0.2'\n\
                    [secrets]\ns = 'Signs.'\nother = 'Signs, too.'\n";

fn manifest(rest: &str) -> Manifest {
    Manifest::parse(&format!("{HEAD}{rest}")).unwrap()
}

fn gate_of(rest: &str, config: &str, secrets: &[(&str, &[&[u8]])]) -> Option<Gate> {
    let version = |version: &&[u8]| Secret::new(*version);
    let secrets = secrets.iter().map(|(name, versions)| ((*name).to_owned(), versions.iter().map(version).collect()));
    Gate::new(&manifest(rest), &serde_json::from_str(config).unwrap(), &Fixed(secrets.collect()))
}

fn gate(rest: &str, secrets: &[(&str, &[&[u8]])]) -> Gate {
    gate_of(rest, "{}", secrets).unwrap()
}

fn headers(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Whether a request is let in; the body comes byte by byte.
fn lets_in(gate: &Gate, method: &str, url: &str, given: &[(&str, &str)], body: &[u8]) -> bool {
    match gate.enter(method, url, &headers(given)) {
        Ok(Entry::Open | Entry::Proven) => true,
        Ok(Entry::Pending(mut pending)) => {
            body.chunks(1).for_each(|byte| pending.update(gate, byte));
            pending.finish(gate, body).is_ok()
        }
        Err(_) => false,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tag(algorithm: hmac::Algorithm, key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), data).as_ref().to_vec()
}

fn body_mac() -> Gate {
    let text = "[verify]\nopen = ['get']\nproofs = [{ scheme = 'hmac-sha256', secret = 's', header = 'X-Sig', prefix = \
                'sha256=', encoding = 'hex', over = ['body'] }]";
    gate(text, &[("s", &[b"new", b"old"])])
}

#[test]
fn the_mac_of_the_body_under_any_version_of_the_secret_is_let_in() {
    let gate = body_mac();
    for version in [&b"new"[..], b"old"] {
        let right = format!("sha256={}", hex(&tag(hmac::HMAC_SHA256, version, b"hello")));
        assert!(lets_in(&gate, "POST", "https://a.test/", &[("x-sig", &right)], b"hello"));
        assert!(lets_in(
            &gate,
            "POST",
            "https://a.test/",
            &[("x-sig", &right.to_uppercase().replace("SHA", "sha"))],
            b"hello"
        ));
        assert!(!lets_in(&gate, "POST", "https://a.test/", &[("x-sig", &right)], b"hello "));
        assert!(!lets_in(&gate, "POST", "https://a.test/", &[("x-sig", &right)], b""));
    }
    let forged = format!("sha256={}", hex(&tag(hmac::HMAC_SHA256, b"guess", b"hello")));
    let Ok(Entry::Pending(pending)) = gate.enter("POST", "", &headers(&[("x-sig", &forged)])) else { panic!() };
    let why = pending.finish(&gate, b"hello").unwrap_err().to_string();
    assert!(why.starts_with("the signature does not match secret `s`; fix: "), "{why}");
    assert!(!lets_in(&gate, "POST", "https://a.test/", &[("x-sig", &forged)], b"hello"));
}

#[test]
fn without_one_well_formed_proof_the_body_is_not_read() {
    let gate = body_mac();
    let right = format!("sha256={}", hex(&tag(hmac::HMAC_SHA256, b"new", b"hello")));
    let (short, long) = (&right[..right.len() - 2], format!("{right}00"));
    let cases: [&[(&str, &str)]; 8] = [
        &[],
        &[("x-sig", "")],
        &[("x-sig", "sha256=")],
        &[("x-sig", &right[7..])],
        &[("x-sig", short)],
        &[("x-sig", &long)],
        &[("x-sig", &right), ("x-sig", &right)],
        &[("x-other", &right)],
    ];
    for case in cases {
        let refused = gate.enter("POST", "https://a.test/", &headers(case));
        let Err(Unproven(why)) = refused else { panic!("{case:?}") };
        let expected = match (case.len(), case.first().is_some_and(|(name, _)| *name == "x-sig")) {
            (2, _) => "expected header `x-sig` exactly once, found 2; fix: ",
            (_, true) => "expected header `x-sig` to be `sha256=` and 64 hex digits, found something else; fix: ",
            (_, false) => "expected header `x-sig` exactly once, found none; fix: ",
        };
        assert!(why.starts_with(expected), "{why}");
        assert!(matches!(gate.enter("GET", "https://a.test/", &headers(case)), Ok(Entry::Open)), "a challenge");
    }
}

#[test]
fn a_token_is_decided_by_the_head_and_a_digest_and_a_signature_by_the_body() {
    let token = gate("[[verify.proofs]]\nscheme = 'token'\nsecret = 's'\nheader = 't'", &[("s", &[b"one", b"two"])]);
    for right in ["one", "two"] {
        assert!(matches!(token.enter("POST", "", &headers(&[("t", right)])), Ok(Entry::Proven)));
    }
    for wrong in ["", "on", "ones", "three"] {
        let Err(Unproven(why)) = token.enter("POST", "", &headers(&[("t", wrong)])) else { panic!("{wrong}") };
        assert!(why.starts_with("the token in header `t` does not match secret `s`; fix: "), "{why}");
    }
    let over = "header = 'd'\nencoding = 'base64'\nover = ['method', 'url', 'body', { header = 't' }]";
    let sha = gate(&format!("[[verify.proofs]]\nscheme = 'sha256'\nsecret = 's'\n{over}"), &[("s", &[b"one"])]);
    let digest = base64::engine::general_purpose::STANDARD
        .encode(digest::digest(&SHA256, b"onePOSThttps://a.test/xhello7").as_ref());
    let given = [("d", digest.as_str()), ("t", "7")];
    assert!(lets_in(&sha, "POST", "https://a.test/x", &given, b"hello"));
    assert!(!lets_in(&sha, "PUT", "https://a.test/x", &given, b"hello"));
    assert!(!lets_in(&sha, "POST", "https://a.test/", &given, b"hello"));
    assert!(!lets_in(&sha, "POST", "https://a.test/x", &[given[0], ("t", "8")], b"hello"));
    let Err(Unproven(why)) = sha.enter("POST", "https://a.test/x", &headers(&given[..1])) else { panic!() };
    assert!(why.starts_with("expected header `t`, which is signed, exactly once, found none; fix: "), "{why}");

    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let public = pair.public_key().as_ref();
    let signed = gate(&format!("[[verify.proofs]]\nscheme = 'ed25519'\nsecret = 's'\n{over}"), &[("s", &[public])]);
    let signature = hex(pair.sign(b"POSThttps://a.test/xhello7").as_ref());
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(unhex(&signature).unwrap());
    let given = [("d", signature.as_str()), ("t", "7")];
    assert!(lets_in(&signed, "POST", "https://a.test/x", &given, b"hello"));
    assert!(!lets_in(&signed, "POST", "https://a.test/x", &given, b"hallo"));
}

const TWO_KEYS: &str = "[[verify.proofs]]\nscheme = 'hmac-sha256'\nsecret = 's'\nheader = 'sigs'\nprefix = 'v1,'\nseparator = ' '\n\
                        encoding = 'base64'\nover = [{ header = 'id' }, { text = '.' }, 'body']\n\
                        [[verify.proofs]]\nscheme = 'hmac-sha512'\nsecret = 'other'\nheader = 'old-sig'\nencoding = 'hex'\n\
                        over = ['body']\nwhen = { old = [true] }";

#[test]
fn one_of_several_proofs_is_enough_where_its_secret_is_set_and_it_applies() {
    let right =
        format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(tag(hmac::HMAC_SHA256, b"k", b"7.hello")));
    let wrong = format!("v1,{}", base64::engine::general_purpose::STANDARD.encode([0; 32]));
    let several = format!("{wrong} v9,x {right}");
    let old = hex(&tag(hmac::HMAC_SHA512, b"o", b"hello"));
    let secrets: &[(&str, &[&[u8]])] = &[("s", &[b"k"]), ("other", &[b"o"])];
    let both = gate_of(TWO_KEYS, r#"{"old":true}"#, secrets).unwrap();
    assert!(lets_in(&both, "POST", "", &[("id", "7"), ("sigs", &several)], b"hello"));
    assert!(!lets_in(&both, "POST", "", &[("id", "8"), ("sigs", &several)], b"hello"));
    assert!(lets_in(&both, "POST", "", &[("old-sig", &old)], b"hello"));
    let new = gate_of(TWO_KEYS, "{}", secrets).unwrap();
    assert!(new.enter("POST", "", &headers(&[("old-sig", &old)])).is_err(), "`when` does not hold");
    // A `whsec_` key counts as its text and as the bytes that it encodes.
    let encoded = gate_of(TWO_KEYS, "{}", &[("s", &[b"whsec_aw=="])]).unwrap();
    assert!(lets_in(&encoded, "POST", "", &[("id", "7"), ("sigs", &several)], b"hello"));

    let none = gate_of(TWO_KEYS, "{}", &[]).unwrap();
    let Err(Unproven(why)) = none.enter("POST", "", &headers(&[("sigs", &several)])) else { panic!() };
    assert!(why.contains("no secret is set"), "{why}");
    assert!(gate_of("", "{}", secrets).is_none(), "nothing is declared");
}

#[test]
fn a_form_is_signed_field_by_field_under_each_spelling_of_the_url() {
    let text = "[[verify.proofs]]\nscheme = 'hmac-sha1'\nsecret = 's'\nheader = 'sig'\nencoding = 'base64'\n\
                over = ['url-spellings', 'form']";
    let gate = gate(text, &[("s", &[b"k"])]);
    let form = b"b=2&a=x+%26y&b=1&a=x+%26y&c=";
    for url in
        ["https://a.test/h?q='%21", "https://a.test:443/h?q='%21", "https://a.test/h?q=%27%21", "https://a.test/h?q='!"]
    {
        let signed = base64::engine::general_purpose::STANDARD.encode(tag(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            b"k",
            format!("{url}ax &yb1b2c").as_bytes(),
        ));
        assert!(lets_in(&gate, "POST", "https://a.test/h?q='%21", &[("sig", &signed)], form), "{url}");
        assert!(!lets_in(&gate, "POST", "https://b.test/h?q='%21", &[("sig", &signed)], form), "{url}");
        assert!(!lets_in(&gate, "POST", "https://a.test/h?q='%21", &[("sig", &signed)], b"b=2&a=x"), "{url}");
    }
    let many = "a=1&".repeat(FORM_FIELDS_MAX);
    assert_eq!(url::signed_fields(many.as_bytes(), FORM_FIELDS_MAX), None);
}

#[test]
fn the_documented_escapes_of_a_url_may_be_decoded() {
    let all = ":/?@!$'()*,;";
    assert_eq!(
        url::unescaped("https://a.test/?x=%3a%2F%20%253A%", all),
        ["https://a.test/?x=%3a%2F%20%253A%", "https://a.test/?x=:/%20%253A%"]
    );
    assert_eq!(url::unescaped("https://a.test/%é%4", all), ["https://a.test/%é%4"]);
}

#[test]
fn a_mistake_in_a_declaration_is_named() {
    let refusal = |rest: &str| Manifest::parse(&format!("{HEAD}{rest}")).unwrap_err().to_string();
    let proof = |rest: &str| refusal(&format!("[[verify.proofs]]\n{rest}"));
    assert!(proof("scheme = 'md5'\nsecret = 's'\nheader = 'h'").contains("`hmac-sha256`"));
    assert!(proof("scheme = 'token'\nheader = 'h'").contains("`verify.proofs.secret`"));
    assert!(proof("scheme = 'token'\nsecret = 's'\nheader = 'h'\nover = ['body']").contains("a token signs nothing"));
    let mac = "scheme = 'hmac-sha1'\nsecret = 's'\nheader = 'h'\nencoding = 'hex'\n";
    assert!(proof(mac).contains("`verify.proofs.over`"));
    assert!(proof(&format!("{mac}over = ['body', 'form']")).contains("the body once"));
    assert!(proof(&format!("{mac}over = ['boddy']")).contains("unknown word `boddy`; fix: write `body`"));
    assert!(proof(&format!("{mac}over = ['body']\nheaders = 1")).contains("unknown key `verify.proofs.headers`"));
    assert!(refusal("[verify]\nproof = []").contains("write `proofs`"));
    assert!(refusal("[redact]\njson = ['a']").contains("`redact.json`"));
    assert!(refusal("[redact]\nheader = ['a']").contains("write `headers`"));
    assert!(refusal("[replay]\nwhy = 'x'").contains("unknown key `replay.why`"));
    assert!(refusal("[hosts]\ncertificate-paths = ['x']").contains("`{hex}`"));
}
