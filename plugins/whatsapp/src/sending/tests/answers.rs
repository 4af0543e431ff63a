//! Every line of the tables of errors: what an answer means, by Meta, by AWS, and without an answer.

use super::*;

/// The case of a failure, and whether the same may work later.
fn case(failure: &Failure) -> &'static str {
    match failure {
        Failure::InvalidRecipient(_) => "recipient",
        Failure::ConsentRequired(_) => "consent",
        Failure::OutsideWindow => "window",
        Failure::TemplateRequired(_) => "template",
        Failure::UnsupportedContent(_) => "content",
        Failure::TooLarge(_) => "too-large",
        Failure::RateLimited(_) => "wait",
        Failure::Account(_) => "account",
        Failure::Undetermined(_) => "undetermined",
        Failure::Provider(error) if error.retryable => "later",
        Failure::Provider(_) => "refused",
        Failure::Other(_) => "other",
    }
}

fn of_meta(status: u16, code: u32) -> Failure {
    let error = json!({ "error": {
        "message": format!("(#{code}) Some title"),
        "type": "OAuthException",
        "code": code,
        "error_data": { "messaging_product": "whatsapp", "details": "More about it" },
        "fbtrace_id": "A1",
    } });
    failure(run(&text(), &[answered(status, &[], &error.to_string())]))
}

#[test]
fn every_code_of_meta_means_what_the_table_says() {
    let table: &[(&[u32], &str)] = &[
        (&[0, 3, 10, 190, 200, 250, 299, 131_005], "account"),
        (&[4, 80_007, 130_429, 131_056, 133_016], "wait"),
        (&[131_048, 131_064, 368, 131_031, 131_042, 131_044, 131_045, 131_037], "account"),
        (&[130_497], "refused"),
        (&[131_057], "later"),
        (&[131_047], "template"),
        (&[131_049], "refused"),
        (&[131_050], "consent"),
        (&[130_472], "refused"),
        (&[131_026, 131_021, 131_030, 131_062], "recipient"),
        (&[132_000, 132_001, 132_005, 132_007, 132_008, 132_012, 132_015, 132_016], "template"),
        (&[132_068, 132_069], "content"),
        (&[131_051, 100, 131_008, 131_009], "content"),
        (&[131_052, 131_053], "later"),
        (&[131_000, 131_016, 135_000, 1, 2], "undetermined"),
        (&[137_000, 2_494_191], "refused"),
        // Not in the table: the status decides.
        (&[5, 199, 300, 999_999], "refused"),
    ];
    for (codes, expected) in table {
        for code in *codes {
            assert_eq!(case(&of_meta(400, *code)), *expected, "{code}");
        }
    }
}

#[test]
fn an_error_of_meta_s_servers_is_no_promise_unless_it_is_a_refusal() {
    for (status, code, expected) in [
        // Documented with 500, and a refusal all the same.
        (500, 3, "account"),
        (500, 131_045, "account"),
        (500, 131_026, "recipient"),
        // The host would try these again by itself.
        (500, 131_056, "undetermined"),
        (503, 4, "undetermined"),
        (500, 131_053, "undetermined"),
        (500, 131_000, "undetermined"),
        (500, 999_999, "undetermined"),
        (401, 999_999, "account"),
        (403, 131_056, "wait"),
        (429, 999_999, "wait"),
    ] {
        assert_eq!(case(&of_meta(status, code)), expected, "{status} {code}");
    }
}

#[test]
fn words_of_meta_are_kept_and_a_wait_has_its_time() {
    assert_eq!(of_meta(400, 131_026), Failure::InvalidRecipient("Some title: More about it".into()));
    let Failure::Account(error) = of_meta(401, 190) else { panic!() };
    assert_eq!((error.code.as_str(), error.title.as_str()), ("190", "Some title: More about it"));
    assert!(error.detail.unwrap().contains("\"fbtrace_id\":\"A1\""));
    assert_eq!(of_meta(400, 131_056), Failure::RateLimited(Some(6000)));
    assert_eq!(of_meta(400, 130_429), Failure::RateLimited(None));
    let soon = answered(429, &[("retry-after", "9")], r#"{"error":{"code":131056}}"#);
    assert_eq!(failure(run(&text(), &[soon])), Failure::RateLimited(Some(9000)));
    let page = answered(400, &[], &json!({ "error": { "code": 131_009, "message": "x".repeat(9000) } }).to_string());
    let Failure::UnsupportedContent(why) = failure(run(&text(), &[page])) else { panic!() };
    assert_eq!(why.chars().count(), 200);
}

#[test]
fn outside_of_the_window_only_a_text_can_be_replaced_by_a_template() {
    let late = || answered(400, &[], r#"{"error":{"code":131047,"message":"Re-engagement message"}}"#);
    assert!(matches!(failure(run(&text(), &[late()])), Failure::TemplateRequired(_)));
    let file = Operation::Send(outgoing(vec![link("image/png")]));
    assert_eq!(failure(run(&file, &[late()])), Failure::OutsideWindow);
}

#[test]
fn a_number_that_is_not_there_is_a_matter_of_the_account() {
    let missing =
        answered(400, &[], r#"{"error":{"code":100,"error_subcode":33,"message":"Unsupported post request"}}"#);
    assert_eq!(case(&failure(run(&text(), &[missing]))), "account");
}

#[test]
fn who_stopped_marketing_is_also_told_as_a_withdrawal() {
    let turn = run(&text(), &[answered(400, &[], r#"{"error":{"code":131050,"message":"User stopped"}}"#)]);
    let [event] = &turn.so_far.events[..] else { panic!("{turn:?}") };
    let EventBody::Consent(consent) = &event.body else { panic!() };
    assert_eq!((consent.purpose.as_str(), consent.state), ("marketing", ConsentState::Withdrawn));
    assert!(consent.evidence.as_deref().unwrap().contains("131050"));
    assert_eq!(event.contact.identifiers, [Identifier::provider("phone", "+16505551234")]);
    assert_eq!(failure(turn), Failure::ConsentRequired("marketing".into()));
}

#[test]
fn answers_that_are_not_meta_s_go_by_their_status() {
    let html = "<html>502</html>";
    for (status, body, expected) in [
        (429, "", "wait"),
        (500, "", "undetermined"),
        (502, html, "undetermined"),
        (503, html, "undetermined"),
        (408, "", "undetermined"),
        (401, html, "account"),
        (400, html, "refused"),
        (413, html, "content"),
        (404, r#"{"error":"a text"}"#, "refused"),
        (400, r#"{"error":{"message":"without a code"}}"#, "refused"),
        (302, "", "refused"),
        // Taken, perhaps: the answer does not say what.
        (200, "", "undetermined"),
        (200, html, "undetermined"),
        (200, "{}", "undetermined"),
        (200, r#"{"messages":[]}"#, "undetermined"),
        (200, r#"{"messages":[{"id":""}]}"#, "undetermined"),
        (200, r#"{"success":true}"#, "undetermined"),
        (200, r#"{"error":{"code":131056,"message":"x"}}"#, "undetermined"),
    ] {
        let found = failure(run(&text(), &[answered(status, &[], body)]));
        assert_eq!(case(&found), expected, "{status} {body}");
    }
}

#[test]
fn without_an_answer_it_matters_whether_the_request_left() {
    for (error, expected) in [
        (TransportError::Dns, "later"),
        (TransportError::Connect, "later"),
        (TransportError::Tls, "later"),
        (TransportError::Denied("x".into()), "refused"),
        (TransportError::RequestTooLarge(9), "too-large"),
        (TransportError::Interrupted, "undetermined"),
        (TransportError::Timeout, "undetermined"),
        (TransportError::ResponseTooLarge(200), "undetermined"),
    ] {
        let found = failure(run(&text(), &[Err(error.clone())]));
        assert_eq!(case(&found), expected, "{error:?}");
    }
}

#[test]
fn every_error_of_aws_means_what_the_table_says() {
    let config = json!({ "aws": { "region": "eu-west-1", "phone-numbers": { ACCOUNT: "phone-number-id-0123" } } });
    let mean = |answer: Exchange| failure(run_with(&config, &text(), &[answer]));
    for (status, name, expected) in [
        (429, "ThrottledRequestException", "wait"),
        (400, "ThrottlingException", "wait"),
        (403, "AccessDeniedException", "account"),
        (403, "AccessDeniedByMetaException", "account"),
        (403, "InvalidSignatureException", "account"),
        (403, "UnrecognizedClientException", "account"),
        (403, "ExpiredTokenException", "account"),
        (404, "ResourceNotFoundException", "account"),
        (400, "ValidationException", "content"),
        (400, "InvalidParametersException", "content"),
        (502, "DependencyException", "undetermined"),
        (500, "InternalServiceException", "undetermined"),
        (503, "ThrottlingException", "undetermined"),
        (400, "LimitExceededException", "refused"),
        (500, "NewException", "undetermined"),
    ] {
        let in_header = answered(
            status,
            &[("x-amzn-errortype", &format!("{name}:http://internal.amazon.com/"))],
            r#"{"message":"x"}"#,
        );
        assert_eq!(case(&mean(in_header)), expected, "{name}");
        let in_body = answered(
            status,
            &[],
            &json!({ "__type": format!("com.amazonaws.socialmessaging#{name}"), "message": "x" }).to_string(),
        );
        assert_eq!(case(&mean(in_body)), expected, "{name}");
    }
    for (status, expected) in [(429, "wait"), (500, "undetermined"), (403, "account"), (400, "refused")] {
        assert_eq!(case(&mean(answered(status, &[], "<html>"))), expected, "{status}");
    }
    assert_eq!(case(&mean(answered(200, &[], r#"{"messageId":""}"#))), "undetermined");
}
