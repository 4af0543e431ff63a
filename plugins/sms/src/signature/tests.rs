//! The vectors that Twilio publishes with its SDKs: twilio-node, -python, -java, -go, -php, -ruby and -csharp. The token
//! of all is `12345`.

use super::*;
use rapport_sdk::testing::Connection;

const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const CALL: &str = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";
const BODY: &str = r#"{"property": "value", "boolean": true}"#;
const HASH: &str = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";

fn accepts(method: &str, url: &str, body: &str, signature: &str) -> bool {
    let webhook = Webhook {
        method: method.into(),
        url: url.into(),
        headers: vec![(SIGNATURE.into(), signature.into())],
        body: body.into(),
    };
    let connection = Connection::new("sms-eu", "{}").with_secret(AUTH_TOKEN, &["12345"]);
    match connection.run(|| authenticate(&webhook)) {
        Ok(_) => true,
        Err(Rejection::Unauthenticated(_)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

fn signature(data: &str) -> String {
    base64::encode(&rapport_sdk::testing::sign(MacAlgorithm::HmacSha1, "12345", data.as_bytes()))
}

#[test]
fn a_form_is_signed_with_its_url() {
    assert!(accepts("POST", URL, CALL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
    let reordered = CALL.split('&').rev().collect::<Vec<_>>().join("&");
    assert!(accepts("POST", URL, &reordered, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
    assert!(accepts("POST", "https://MyCompany.com/myapp.php?foo=1&bar=2", CALL, "g9IN/x4Cft2g517EjYvEvM/W7LU="));
    assert!(accepts("POST", "http://MyCompany.com/myapp.php?foo=1&bar=2", CALL, "XY7AlKOKL6im4yWyX84gldUrtis="));
}

#[test]
fn another_form_url_token_or_signature_is_refused() {
    let right = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    for (url, form, signature) in [
        (URL, CALL.replace("1234&", "1235&"), right),
        (URL, CALL.replace("&To=%2B18005551212", ""), right),
        (URL, format!("{CALL}&More="), right),
        (URL, String::new(), right),
        ("https://mycompany.com/myapp.php?foo=1&bar=3", CALL.into(), right),
        ("https://MyCompany.com/myapp.php?foo=1&bar=2", CALL.into(), right),
        ("http://mycompany.com/myapp.php?foo=1&bar=2", CALL.into(), right),
        ("https://MyCompany.com:1234/myapp.php?foo=1&bar=2", CALL.into(), right),
        (URL, CALL.into(), "FAIL"),
        (URL, CALL.into(), "NOTRSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (URL, CALL.into(), "95+Bu0JVPi0r/SsESZCVf0dWAjw="),
        (URL, CALL.into(), ""),
    ] {
        assert!(!accepts("POST", url, &form, signature), "{url} {form} {signature}");
    }
}

#[test]
fn names_are_sorted_by_their_bytes() {
    let form = format!("{CALL}&ReasonConferenceEnded=test&Reason=Participant");
    assert!(accepts("POST", URL, &form, "vOEb5UThFn24KEfnOFLQY2AE5FY="));
    // The vector in which they are sorted the other way.
    assert!(!accepts("POST", URL, &form, "95+Bu0JVPi0r/SsESZCVf0dWAjw="));
}

#[test]
fn values_of_a_repeated_name_are_sorted_and_each_counts_once() {
    let form = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234";
    assert!(accepts("POST", URL, form, "IK+Dwps556ElfBT0I3Rgjkr1wJU="));
    assert!(!accepts("POST", URL, "Sid=CA123&SidAccount=AC123&Digits=5678", "IK+Dwps556ElfBT0I3Rgjkr1wJU="));
}

#[test]
fn a_port_may_be_signed_left_out_or_added() {
    let with_port = "https://mycompany.com:1234/myapp.php?foo=1&bar=2";
    assert!(accepts("POST", with_port, CALL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
    assert!(accepts("POST", with_port, CALL, "CYn1h0gLBdNxDGkKJg6hYohgeD8="));
    let mixed_case = "https://MyCompany.com:1234/myapp.php?foo=1&bar=2";
    assert!(accepts("POST", mixed_case, CALL, "PCqOZm8cnu/L6+u5i5fuEd+Iac4="));
    assert!(accepts("POST", URL, CALL, "kvajT1Ptam85bY51eRf/AJRuM3w="));
    assert!(accepts("POST", &with_port.replace("https", "http"), CALL, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="));
    assert!(accepts("POST", &URL.replace("https", "http"), CALL, "0ZXoZLH/DfblKGATFgpif+LLRf4="));
    assert!(accepts("POST", &URL.replace(".com", ".com:443"), CALL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
    assert!(!accepts("POST", URL, CALL, "CYn1h0gLBdNxDGkKJg6hYohgeD8="));
}

#[test]
fn credentials_in_the_url_are_signed() {
    let url = "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2";
    assert!(accepts("POST", url, CALL, "CukzLTc1tT5dXEDIHm/tKBanW10="));
    assert!(accepts("POST", url, CALL, "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="));
    assert!(accepts("POST", "https://user@mycompany.com/myapp.php?foo=1&bar=2", CALL, "2YRLlVAflCqxaNicjMpJcSTgzSs="));
    let mixed = "http://Username:Password@MyCompany.com/myapp.php?foo=1&bar=2";
    assert!(accepts("POST", mixed, CALL, "SkTSKyDJH9kUlhItI0slbgZ1UsI="));
}

#[test]
fn a_json_body_is_signed_through_its_hash_in_the_url() {
    let url = format!("{URL}&bodySHA256={HASH}");
    assert!(accepts("POST", &url, BODY, "a9nBmqA0ju/hNViExpshrM61xv4="));
    assert!(!accepts("POST", &url, &BODY.replace("true", "false"), "a9nBmqA0ju/hNViExpshrM61xv4="));
    assert!(!accepts("POST", &url, "", "a9nBmqA0ju/hNViExpshrM61xv4="));
    assert!(!accepts("POST", URL, BODY, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
    assert!(!accepts("POST", URL, BODY, "a9nBmqA0ju/hNViExpshrM61xv4="));
    let only = format!("https://mycompany.com/myapp.php?bodySHA256={HASH}");
    assert!(accepts("POST", &only, BODY, "y77kIzt2vzLz71DgmJGsen2scGs="));
    assert!(accepts("POST", URL, "property=value&boolean=true", "NBdBDr/T/lgjI+tlgpXjKZQZs/k="));
}

#[test]
fn a_hash_may_be_in_either_case_but_only_once_and_only_a_hash() {
    let upper = format!("{URL}&bodySHA256={}", HASH.to_ascii_uppercase());
    assert!(accepts("POST", &upper, BODY, &signature(&upper)));
    for hashes in [format!("{HASH}&bodySHA256={HASH}"), format!("{HASH}&body%53HA256=x"), "".into(), HASH[1..].into()] {
        let url = format!("{URL}&bodySHA256={hashes}");
        assert!(!accepts("POST", &url, BODY, &signature(&url)), "{url}");
    }
}

#[test]
fn a_get_is_signed_by_its_url_alone() {
    let url = format!("{URL}&{CALL}");
    assert!(accepts("GET", &url, "", &signature(&url)));
    assert!(!accepts("GET", &format!("{url}&x=1"), "", &signature(&url)));
}

#[test]
fn a_fragment_is_not_signed() {
    assert!(accepts("POST", &format!("{URL}#rc=3&rp=all"), CALL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
}

#[test]
fn the_escapes_of_a_query_are_kept_or_are_those_of_a_signer() {
    let given = "https://a.test/hooks?name=O%27Neill&x=a+b%2Fc";
    assert!(accepts("POST", given, "", &signature(given)));
    assert!(accepts("POST", given, "", &signature("https://a.test/hooks?name=O'Neill&x=a%20b%2Fc")));
    assert!(accepts("POST", given, "", &signature("https://a.test:443/hooks?name=O'Neill&x=a%20b%2Fc")));
    assert!(!accepts("POST", given, "", &signature("https://a.test/hooks?name=O%27Neil&x=a+b%2Fc")));
    let plain = "https://a.test/hooks?name=O'Neill";
    assert!(accepts("POST", plain, "", &signature("https://a.test/hooks?name=O%27Neill")));
    assert!(Url::of(given).spellings().len() <= 6);
}

#[test]
fn blank_values_and_decoded_values_are_signed() {
    let form = "B=&A=x%20y+z&C=%E4%B8%96&D=%FF&E";
    assert!(accepts("POST", URL, form, &signature(&format!("{URL}Ax y zBC世D\u{fffd}E"))));
}

#[test]
fn a_flood_of_fields_is_refused_before_it_costs_time() {
    let form = "a=b&".repeat(FIELDS_MAX);
    assert!(!accepts("POST", URL, &form, &signature(&format!("{URL}ab"))));
}
