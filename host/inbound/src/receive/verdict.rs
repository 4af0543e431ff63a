//! What a call of a connector means for its webhook. Pure: all rules of acknowledgement are here.

use rapport_connections::credentials::Vouching;
use rapport_sandbox::{CallError, FailureKind, Receipt, Received, Rejection};

use crate::admission::UNPROVEN;
use crate::refusal::Refusal;

/// What a call of a connector means, before anything is done about it.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Store the events, then answer.
    Take(Receipt),
    /// Verified, but not ours: answered 200, and nothing is stored.
    Ignore(String),
    /// Verified, but not handled: kept whole, answered 200.
    Park { reason: &'static str, detail: String },
    /// Not taken, and nothing is left of it.
    Refuse { refusal: Refusal, detail: String },
}

/// What the outcome of a call means. Pure: all rules of acknowledgement are here.
pub(crate) fn judge(called: Result<Received, CallError>, vouching: Vouching) -> Verdict {
    let refuse = |detail: String, refusal: fn(&'static str) -> Refusal, public| Verdict::Refuse {
        refusal: refusal(public),
        detail,
    };
    match called {
        Err(error) if error.kind == FailureKind::Busy => {
            refuse(error.detail, Refusal::unavailable, "all sandboxes are busy; deliver it again")
        }
        Err(error) if error.kind == FailureKind::NotFetched => {
            refuse(error.detail, Refusal::unavailable, "the provider's certificate was not fetched; deliver it again")
        }
        Err(error) if error.verified || vouching == Vouching::Credentials => {
            Verdict::Park { reason: error.kind.name(), detail: error.detail }
        }
        Err(error) => refuse(
            error.to_string(),
            Refusal::connector_failed,
            "the connector failed before it had verified the webhook; nothing was stored",
        ),
        Ok(received) => judge_answer(received, vouching),
    }
}

fn judge_answer(received: Received, vouching: Vouching) -> Verdict {
    let verified = received.verified || vouching == Vouching::Credentials;
    let unverified = |detail: String| match vouching {
        _ if received.unavailable => Verdict::Refuse {
            refusal: Refusal::unavailable("the provider's certificate could not be fetched; fix: deliver it again"),
            detail,
        },
        Vouching::Nobody => Verdict::Refuse {
            refusal: Refusal::unauthenticated(UNPROVEN),
            detail: format!(
                "{detail}; fix: give the connection a secret `path-token` or `basic`, unless it is for deliveries of AWS only"
            ),
        },
        Vouching::Connector | Vouching::Credentials => Verdict::Refuse {
            refusal: Refusal::connector_failed("the connector judged a webhook that it had not verified"),
            detail: format!("{detail}; fix: the connector must call `verify` first"),
        },
    };
    match received.outcome {
        Err(Rejection::Unauthenticated(detail)) => {
            Verdict::Refuse { refusal: Refusal::unauthenticated(UNPROVEN), detail }
        }
        Err(Rejection::Ignored(detail)) if verified => Verdict::Ignore(detail),
        Err(Rejection::Malformed(detail)) if verified => Verdict::Park { reason: "malformed", detail },
        Err(Rejection::Unsupported(detail)) if verified => Verdict::Park { reason: "unsupported", detail },
        Err(Rejection::Ignored(detail) | Rejection::Malformed(detail) | Rejection::Unsupported(detail)) => {
            unverified(detail)
        }
        // A handshake is answered before anything can be verified, but only in so many words.
        Ok(receipt) if verified || is_handshake(&receipt) => Verdict::Take(receipt),
        Ok(receipt) => unverified(format!("{} events without a verification", receipt.events.len())),
    }
}

/// Whether a receipt holds nothing that would be kept, and says its answer.
fn is_handshake(receipt: &Receipt) -> bool {
    receipt.events.is_empty() && receipt.unread.is_empty() && receipt.response.is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rapport_sandbox::{HttpResponse, Log, Usage};

    use super::super::asks_for_confirmation;
    use super::*;

    fn answered(outcome: Result<Receipt, Rejection>, verified: bool) -> Result<Received, CallError> {
        let proven = BTreeSet::new();
        let (log, usage) = (Log::default(), Usage::default());
        Ok(Received { outcome, verified, proven, unavailable: false, log, usage })
    }

    fn failed(kind: FailureKind, verified: bool) -> Result<Received, CallError> {
        Err(CallError {
            kind,
            detail: "d".into(),
            verified,
            proven: BTreeSet::new(),
            log: Log::default(),
            usage: Usage::default(),
            certificate_url: None,
        })
    }

    fn answer() -> HttpResponse {
        HttpResponse { status: 200, headers: Vec::new(), body: Vec::new() }
    }

    fn status(verdict: &Verdict) -> u16 {
        match verdict {
            Verdict::Take(_) | Verdict::Ignore(_) | Verdict::Park { .. } => 200,
            Verdict::Refuse { refusal, .. } => refusal.status(),
        }
    }

    fn event() -> rapport_model::Event {
        rapport_model::Event {
            id: "1".into(),
            at: 1,
            account: "a".into(),
            contact: Default::default(),
            body: rapport_model::event::Body::ContactUpdated,
            extensions: Default::default(),
        }
    }

    #[test]
    fn a_verified_failure_is_parked_and_an_unverified_one_leaves_nothing() {
        use FailureKind::{Deadline, Memory, OutputTooLarge, Trap};
        for kind in [Deadline, Memory, OutputTooLarge, Trap] {
            let verdict = judge(failed(kind, true), Vouching::Connector);
            assert_eq!(verdict, Verdict::Park { reason: kind.name(), detail: "d".into() });
            assert_eq!(status(&judge(failed(kind, false), Vouching::Connector)), 500);
        }
        assert_eq!(
            status(&judge(failed(FailureKind::Busy, true), Vouching::Connector)),
            503,
            "busy is not the connector's doing"
        );
    }

    #[test]
    fn a_rejection_is_believed_only_after_a_verification() {
        let why = || "w".to_owned();
        for rejection in [Rejection::Ignored(why()), Rejection::Malformed(why()), Rejection::Unsupported(why())] {
            assert_eq!(status(&judge(answered(Err(rejection.clone()), true), Vouching::Connector)), 200);
            assert_eq!(status(&judge(answered(Err(rejection.clone()), false), Vouching::Connector)), 500);
            assert_eq!(
                status(&judge(answered(Err(rejection), false), Vouching::Credentials)),
                200,
                "the URL's token stood in"
            );
        }
        for verified in [false, true] {
            assert_eq!(
                status(&judge(answered(Err(Rejection::Unauthenticated(why())), verified), Vouching::Connector)),
                401
            );
        }
    }

    #[test]
    fn what_nobody_can_vouch_for_is_not_proven() {
        let receipt = || Ok(Receipt { response: None, events: vec![event()], unread: vec![], nonce: None });
        assert_eq!(status(&judge(answered(receipt(), false), Vouching::Nobody)), 401);
        assert_eq!(status(&judge(answered(receipt(), true), Vouching::Nobody)), 200, "signed all the same");
        assert_eq!(status(&judge(answered(receipt(), false), Vouching::Credentials)), 200);
        assert_eq!(status(&judge(failed(FailureKind::Trap, false), Vouching::Nobody)), 500);
        assert_eq!(status(&judge(failed(FailureKind::NotFetched, false), Vouching::Connector)), 503);
        let unavailable = answered(Err(Rejection::Unsupported("no certificate".into())), false);
        let unavailable = unavailable.map(|received| Received { unavailable: true, ..received });
        assert_eq!(status(&judge(unavailable, Vouching::Connector)), 503, "the provider is to come back");
    }

    #[test]
    fn without_a_verification_there_are_no_events_and_no_silent_success() {
        let receipt = |events, response| Ok(Receipt { response, events, unread: vec![], nonce: None });
        assert_eq!(status(&judge(answered(receipt(vec![event()], None), false), Vouching::Connector)), 500);
        assert_eq!(status(&judge(answered(receipt(vec![event()], Some(answer())), false), Vouching::Connector)), 500);
        assert_eq!(status(&judge(answered(receipt(vec![], None), false), Vouching::Connector)), 500);
        assert!(
            matches!(judge(answered(receipt(vec![], Some(answer())), false), Vouching::Connector), Verdict::Take(_)),
            "a handshake"
        );
        assert!(matches!(judge(answered(receipt(vec![event()], None), true), Vouching::Connector), Verdict::Take(_)));
    }

    #[test]
    fn what_could_not_be_read_is_no_handshake_and_counts_after_a_verification_only() {
        let receipt = |response| {
            let unread = vec!["messages[1]: it has no `id`".into()];
            Ok(Receipt { response, events: vec![], unread, nonce: None })
        };
        for response in [None, Some(answer())] {
            assert_eq!(status(&judge(answered(receipt(response.clone()), false), Vouching::Connector)), 500);
            assert_eq!(status(&judge(answered(receipt(response.clone()), false), Vouching::Nobody)), 401);
            let taken = judge(answered(receipt(response), true), Vouching::Connector);
            assert!(matches!(taken, Verdict::Take(_)), "its own response goes out, as some providers want it");
        }
        let received = answered(receipt(None), true);
        assert!(!asks_for_confirmation(&received), "it is parked, so nothing waits for a request of ours");
    }
}
