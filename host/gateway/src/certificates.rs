//! The certificates that providers sign with: fetched when a connector first asks for one, then kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rapport_egress::Egress;
use rapport_model::Timestamp;
use rapport_model::hosts::HostPattern;
use rapport_sandbox::Certificate;
use x509_cert::der::{DecodePem, Encode};

/// Certificates that are kept. A provider has one a region, and a new one every year.
const KEPT_MAX: usize = 64;
/// Milliseconds that a certificate is used before it is fetched again.
const KEPT_MS_MAX: u64 = 24 * 3600 * 1000;
/// Milliseconds that a failure is remembered: the provider delivers again, and then it may be over.
const FAILURE_KEPT_MS: u64 = 30 * 1000;
/// Fetches a minute. The URL comes from a webhook that nothing has verified yet, so anybody can ask for many.
const FETCHES_A_MINUTE_MAX: usize = 30;

/// The certificates of a process.
#[derive(Default)]
pub struct Certificates(Mutex<Known>);

#[derive(Default)]
struct Known {
    certificates: BTreeMap<String, Kept>,
    /// When the last fetches were made.
    fetches: Vec<Timestamp>,
}

struct Kept {
    certificate: Certificate,
    until: Timestamp,
}

impl Certificates {
    /// What is known of the certificate at `url`, without asking anybody.
    pub fn get(&self, url: &str, now: Timestamp) -> Certificate {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.certificates.get(url) {
            Some(kept) if now < kept.until => kept.certificate.clone(),
            _ => Certificate::NotFetched,
        }
    }

    /// Fetches the certificate at `url`, so that [`get`](Self::get) knows it or why it is unavailable.
    pub async fn fetch(&self, egress: &Egress, url: &str, allowed: &[HostPattern], now: Timestamp) {
        if !self.may_fetch(now) {
            tracing::warn!(limit = FETCHES_A_MINUTE_MAX, "too many certificates asked for; this one is not fetched");
            return self.keep(url, Kept { certificate: Certificate::Unavailable, until: now + FAILURE_KEPT_MS }, now);
        }
        let found = match egress.get(url, allowed).await {
            Ok(response) if response.status == 200 => read(&response.body, now),
            Ok(response) => Err(format!("status {}", response.status)),
            Err(error) => Err(error.to_string()),
        };
        let kept = found.unwrap_or_else(|error| {
            tracing::warn!(error, "certificate not fetched");
            Kept { certificate: Certificate::Unavailable, until: now + FAILURE_KEPT_MS }
        });
        self.keep(url, kept, now);
    }

    fn may_fetch(&self, now: Timestamp) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.fetches.retain(|at| now.saturating_sub(*at) < 60_000);
        let may = known.fetches.len() < FETCHES_A_MINUTE_MAX;
        if may {
            known.fetches.push(now);
        }
        may
    }

    fn keep(&self, url: &str, kept: Kept, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.certificates.retain(|_, kept| now < kept.until);
        // Failures go first: somebody who asks for many URLs must not push out the certificates that are in use.
        if known.certificates.len() >= KEPT_MAX {
            known.certificates.retain(|_, kept| kept.certificate != Certificate::Unavailable);
        }
        if known.certificates.len() < KEPT_MAX {
            known.certificates.insert(url.to_owned(), kept);
        }
    }
}

/// The public key of a certificate in PEM, if it is valid now. The first one counts; what follows are its issuers.
///
/// Nobody checks the chain: that it came over TLS from a host that the manifest allows is what vouches for it, and the
/// providers that sign this way publish no issuers beside it.
fn read(pem: &[u8], now: Timestamp) -> Result<Kept, String> {
    let end = b"-----END CERTIFICATE-----";
    let first = pem.windows(end.len()).position(|window| window == end).map_or(pem, |at| &pem[..at + end.len()]);
    let certificate = x509_cert::Certificate::from_pem(first).map_err(|error| format!("no certificate: {error}"))?;
    let validity = certificate.tbs_certificate.validity;
    let ms = |time: x509_cert::time::Time| u64::try_from(time.to_unix_duration().as_millis()).unwrap_or(u64::MAX);
    let (from, to) = (ms(validity.not_before), ms(validity.not_after));
    if !(from..=to).contains(&now) {
        return Err("the certificate is not valid now".into());
    }
    let key = certificate.tbs_certificate.subject_public_key_info.to_der().map_err(|error| error.to_string())?;
    Ok(Kept { certificate: Certificate::Key(key), until: to.min(now + KEPT_MS_MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_says_so() {
        for pem in [&b""[..], b"<html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"] {
            assert!(read(pem, 0).is_err_and(|error| error.starts_with("no certificate")));
        }
    }

    #[test]
    fn fetches_are_counted_by_the_minute() {
        let certificates = Certificates::default();
        let made = (0..FETCHES_A_MINUTE_MAX + 5).filter(|_| certificates.may_fetch(1_000_000)).count();
        assert_eq!(made, FETCHES_A_MINUTE_MAX);
        assert!(certificates.may_fetch(1_060_000));
    }

    #[test]
    fn many_failures_do_not_push_out_a_certificate() {
        let certificates = Certificates::default();
        let key = Certificate::Key(vec![1]);
        certificates.keep("good", Kept { certificate: key.clone(), until: 100 }, 1);
        for number in 0..3 * KEPT_MAX {
            certificates.keep(&number.to_string(), Kept { certificate: Certificate::Unavailable, until: 100 }, 1);
        }
        assert_eq!(certificates.get("good", 2), key);
        assert_eq!(certificates.get("good", 100), Certificate::NotFetched);
        assert!(certificates.0.lock().unwrap().certificates.len() <= KEPT_MAX);
    }
}
