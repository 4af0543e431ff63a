use serde_json::json;

use super::*;

const WHOLE: &str = r#"
id = "acme-chat"
name = "Acme Chat"
version = "1.2.0"
contract = "0.2"

[limits]
memory-mib = 64
cpu-ms = 20
output-kib = 512

[secrets]
signing-secret = "Settings → API → Signing secret"

[config]
type = "object"
required = ["account"]
[config.properties.account]
type = "string"
"#;

const LEAST: &str = "id = \"acme\"\nname = \"Acme\"\nversion = \"1.0.0\"\ncontract = \"0.2\"\n";

fn refusal(text: &str) -> String {
    Manifest::parse(text).unwrap_err().to_string()
}

#[test]
fn a_whole_manifest_is_read() {
    let manifest = Manifest::parse(WHOLE).unwrap();
    assert_eq!(manifest.id, "acme-chat");
    assert_eq!(manifest.limits, Limits { memory_mib: 64, cpu_ms: 20, output_kib: 512, ..Limits::default() });
    assert_eq!(manifest.secrets["signing-secret"].what, "Settings → API → Signing secret");
    assert_eq!(
        manifest.config,
        json!({"type": "object", "required": ["account"], "properties": {"account": {"type": "string"}}})
    );
    assert_eq!(manifest.unsigned, None);
}

#[test]
fn four_lines_are_enough() {
    let manifest = Manifest::parse(LEAST).unwrap();
    assert_eq!(manifest.limits, Limits::default());
    assert_eq!(manifest.config, json!({}));
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    assert_eq!(
        refusal(&format!("{LEAST}contarct = 1")),
        "connector.toml: unknown key `contarct`; fix: write `contract`"
    );
    assert_eq!(
        refusal(&format!("{LEAST}[limits]\ncpu_ms = 1")),
        "connector.toml: unknown key `limits.cpu_ms`; fix: write `cpu-ms`"
    );
    assert_eq!(
        refusal(&format!("{LEAST}[limits]\nsockets = 1")),
        "connector.toml: unknown key `limits.sockets`; fix: remove it; there are `memory-mib`, `cpu-ms`, `output-kib`, \
         `body-kib`, `component-kib`"
    );
}

#[test]
fn a_misspelt_key_is_told_and_not_the_right_one_as_missing() {
    let key = |text: &str| refusal(text).replace("connector.toml: ", "");
    assert_eq!(key(&LEAST.replace("name", "nmae")), "unknown key `nmae`; fix: write `name`");
    assert_eq!(
        key(&format!("{LEAST}[[verify.proofs]]\nscheme = 'token'\nsecrte = 'a'\nheader = 'h'")),
        "unknown key `verify.proofs.secrte`; fix: write `secret`"
    );
    assert_eq!(key(&format!("{LEAST}[secrets.a]\nwaht = 'x'")), "unknown key `secrets.a.waht`; fix: write `what`");
    assert_eq!(key(&format!("{LEAST}[feed]\nform = 'x'")), "unknown key `feed.form`; fix: write `from`");
    assert_eq!(
        key(&format!("{LEAST}[replay]\nexcepton = 'x'")),
        "unknown key `replay.excepton`; fix: write `exception`"
    );
}

#[test]
fn an_unknown_word_names_the_nearest_known_one() {
    let proof = |lines: &str| {
        format!("{LEAST}[secrets]\nsigning-secret = 'x'\n[[verify.proofs]]\nheader = 'x-signature'\n{lines}")
    };
    let (scheme, secret) = ("scheme = 'hmac-sha256'\n", "secret = 'signing-secret'\n");
    for (text, expected) in [
        (format!("{LEAST}level = 'bronz'"), "`level`: unknown word `bronz`; fix: write `bronze`"),
        (
            format!("{LEAST}[secrets]\na = {{ what = 'x', kind = 'hmca' }}"),
            "`secrets.a.kind`: unknown word `hmca`; fix: write `hmac`",
        ),
        (
            proof(&format!("{secret}scheme = 'hmac-sha-256'")),
            "`verify.proofs.scheme`: unknown word `hmac-sha-256`; fix: write `hmac-sha256`",
        ),
        (
            proof(&format!("{scheme}{secret}encoding = 'hexa'\nover = ['body']")),
            "`verify.proofs.encoding`: unknown word `hexa`; fix: write `hex`",
        ),
        (
            proof(&format!("{scheme}{secret}encoding = 'hex'\nover = ['bdy']")),
            "`verify.proofs.over`: unknown word `bdy`; fix: write `body`",
        ),
        (
            proof(&format!("{scheme}secret = 'sign-secret'\nencoding = 'hex'\nover = ['body']")),
            "`verify.proofs.secret`: `sign-secret` is not under `[secrets]`; fix: write `signing-secret`",
        ),
        (
            format!("{LEAST}[[verify.proofs]]\nscheme = 'token'\nheader = 'h'\nsecret = 'key'"),
            "`verify.proofs.secret`: `key` is not under `[secrets]`; fix: add `key` there, and say what it is",
        ),
    ] {
        assert_eq!(refusal(&text), format!("connector.toml: {expected}"));
    }
}

#[test]
fn more_than_the_maximum_names_the_limit_and_the_maximum() {
    assert_eq!(
        refusal(&format!("{LEAST}[limits]\nmemory-mib = 4096")),
        "connector.toml: `memory-mib` is 4096, the host's maximum is 128; fix: ask for 128 or less"
    );
    assert!(refusal(&format!("{LEAST}[limits]\ncpu-ms = 60000")).contains("`cpu-ms`"));
    assert!(refusal(&format!("{LEAST}[limits]\noutput-kib = 999999")).contains("`output-kib`"));
}

#[test]
fn wrong_values_are_named_with_what_would_do() {
    assert!(
        refusal(&format!("{LEAST}[limits]\ncpu-ms = 0"))
            .contains("`limits.cpu-ms`: expected a whole number of at least 1")
    );
    assert!(refusal(&format!("{LEAST}[limits]\ncpu-ms = -1")).contains("found `-1`"));
    assert!(refusal(&format!("{LEAST}[secrets]\nkey = 1")).contains("`secrets.key`"));
    assert!(refusal(&format!("{LEAST}unsigned = \"\"")).contains("`unsigned`"));
    assert!(refusal(&LEAST.replace("0.2", "0.1")).contains("expected `0.2`"));
    assert!(refusal(&LEAST.replace("0.2", "0.20")).contains("expected `0.2`"));
    assert!(refusal(&LEAST.replace("\"acme\"", "\"../acme\"")).contains("`id`"));
    assert_eq!(refusal("name = \"Acme\""), "connector.toml: `id` is missing; fix: add `id = \"…\"`");
    assert!(refusal("id = ").starts_with("connector.toml: "));
}

#[test]
fn a_provider_that_signs_nothing_is_told_by_the_configuration() {
    let always = Manifest::parse(&format!("{LEAST}unsigned = 'no signature'")).unwrap().unsigned.unwrap();
    assert_eq!(always.reason, "no signature");
    assert!(always.applies(&json!({})));

    let text = format!("{LEAST}[unsigned]\nreason = 'some sign nothing'\nwhen = {{ provider = ['a', 'b'] }}");
    let some = Manifest::parse(&text).unwrap().unsigned.unwrap();
    assert!(some.applies(&json!({"provider": "b"})));
    assert!(!some.applies(&json!({"provider": "c"})));
    assert!(!some.applies(&json!({})));

    assert!(refusal(&format!("{LEAST}unsigned = 1")).contains("`unsigned`: expected why"));
    assert!(refusal(&format!("{LEAST}[unsigned]\nwhen = {{}}")).contains("expected a `reason`"));
    assert!(refusal(&format!("{LEAST}[unsigned]\nreason = 'x'\nwhen = {{ a = 1 }}")).contains("`unsigned.when.a`"));
    assert!(refusal(&format!("{LEAST}[unsigned]\nreason = 'x'\nif = 1")).contains("unknown key `unsigned.if`"));
}

#[test]
fn hosts_are_patterns_that_do_not_allow_everybody() {
    let text = format!("{LEAST}[hosts]\ncertificates = ['sns.*.amazonaws.com']");
    let hosts = Manifest::parse(&text).unwrap().hosts;
    assert_eq!(hosts.certificates.len(), 1);
    assert_eq!(hosts.confirmations, []);
    assert!(
        refusal(&format!("{LEAST}[hosts]\ncertificates = ['*.com']")).contains("`hosts.certificates`: expected host")
    );
    assert!(refusal(&format!("{LEAST}[hosts]\nconfirmations = 'a.b'")).contains("`hosts.confirmations`"));
    assert!(refusal(&format!("{LEAST}[hosts]\ncertificate = []")).contains("write `certificates`"));
}

#[test]
fn a_feed_says_what_it_takes_and_where_an_object_is_named() {
    let feed = |text: &str| Manifest::parse(&format!("{LEAST}{text}")).unwrap().feed.unwrap();
    assert_eq!(feed("feed = 'events'"), Feed { from: "events".into(), object: None });
    let text = "[feed]\nfrom = 'mail'\nobject = { bucket = '/action/bucket', key = '/action/key' }";
    let object = feed(text).object.unwrap();
    let named = |notification: serde_json::Value| object.in_notification(&notification);
    assert_eq!(named(json!({"action": {"bucket": "b", "key": "k"}})), Some(("b".into(), "k".into())));
    for other in [json!({"action": {"bucket": "b"}}), json!({"action": {"bucket": "b", "key": 7}}), json!([]), json!(1)]
    {
        assert_eq!(named(other), None);
    }
}

#[test]
fn a_feed_that_is_half_said_is_refused() {
    let refused = |text: &str| refusal(&format!("{LEAST}{text}"));
    assert!(refused("feed = 7").starts_with("connector.toml: `feed`: expected what AWS delivers"));
    assert!(refused("[feed]\nform = 'x'").contains("unknown key `feed.form`; fix: write `from`"));
    assert!(refused("[feed]").contains("`feed`: expected `from`"));
    assert!(refused("[feed]\nfrom = 'x'\nobjekt = {}").contains("unknown key `feed.objekt`; fix: write `object`"));
    assert!(
        refused("[feed]\nfrom = 'x'\nobject = { bucket = '/a' }")
            .contains("`feed.object.key`: expected a JSON Pointer")
    );
    assert!(refused("[feed]\nfrom = 'x'\nobject = { bucket = 'a', key = '/b' }").contains("`feed.object.bucket`"));
}
