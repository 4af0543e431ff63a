//! The certificates that providers sign with: fetched when a connector first asks for one, then kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rapport_egress::Egress;
use rapport_model::Timestamp;
use rapport_sandbox::{Certificate, Hosts};
use rapport_telemetry::{CertificateNotFetched, TooManyCertificates};
use tokio::sync::watch;
use x509_cert::der::{DecodePem, Encode};

/// Certificates that are kept. A provider has one a region, and a new one every year.
const KEPT_MAX: usize = 64;
/// Milliseconds that a certificate is used before it is fetched again.
const KEPT_MS_MAX: u64 = 24 * 3600 * 1000;
/// Milliseconds that a failure is remembered: the provider delivers again, and then it may be over.
const FAILURE_KEPT_MS: u64 = 30 * 1000;
/// Failures that are remembered. One that is forgotten is tried again, within the connection's fetches.
const FAILURES_MAX: usize = 256;
/// Fetches a minute of one connection, of URLs that were never good: such a URL comes from a webhook that nothing has
/// verified yet, so anybody can ask for many. A URL that was good once is fetched again whatever somebody else asks for.
const UNKNOWN_A_MINUTE_MAX: usize = 10;
/// Milliseconds that a webhook waits for a certificate. Then it is told to come back, and the fetch goes on without it.
const WAIT_MS_MAX: u64 = 1_500;

/// The certificates of a process.
#[derive(Default)]
pub struct Certificates(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// By URL: those that were good once, also when they have to be fetched again.
    good: BTreeMap<String, Kept>,
    /// By URL: until when it is not tried again.
    failures: BTreeMap<String, Timestamp>,
    /// By connection: when unknown URLs were fetched for it.
    fetches: BTreeMap<String, Vec<Timestamp>>,
    /// By URL: what is being fetched, and who waits for it.
    under_way: BTreeMap<String, watch::Receiver<bool>>,
}

struct Kept {
    key: Vec<u8>,
    until: Timestamp,
}

impl Certificates {
    /// What is known of the certificate at `url`, without asking anybody.
    pub fn get(&self, url: &str, now: Timestamp) -> Certificate {
        let known = self.known();
        match (known.good.get(url), known.failures.get(url)) {
            (Some(kept), _) if now < kept.until => Certificate::Key(kept.key.clone()),
            (_, Some(until)) if now < *until => Certificate::Unavailable,
            _ => Certificate::NotFetched,
        }
    }

    /// Fetches the certificate at `url` for a connection. Whether [`get`](Self::get) knows now what it is, or that it is
    /// unavailable; else the fetch still goes on, or was one too many.
    pub async fn fetch(
        self: &Arc<Self>,
        egress: &Egress,
        connection: &str,
        url: &str,
        hosts: &Hosts,
        now: Timestamp,
    ) -> bool {
        let Some(mut done) = self.begin(egress, connection, url, hosts, now) else { return false };
        let arrived = async { done.wait_for(|done| *done).await.is_ok() };
        tokio::time::timeout(Duration::from_millis(WAIT_MS_MAX), arrived).await.unwrap_or(false)
    }

    /// Joins a fetch, or begins one in its own task, because the caller may be gone before it ends.
    fn begin(
        self: &Arc<Self>,
        egress: &Egress,
        connection: &str,
        url: &str,
        hosts: &Hosts,
        now: Timestamp,
    ) -> Option<watch::Receiver<bool>> {
        let mut known = self.known();
        if let Some(under_way) = known.under_way.get(url) {
            return Some(under_way.clone());
        }
        if !known.may_fetch(connection, url, now) {
            TooManyCertificates { connection, limit: UNKNOWN_A_MINUTE_MAX }.emit();
            return None;
        }
        let (finished, done) = watch::channel(false);
        known.under_way.insert(url.to_owned(), done.clone());
        let (this, egress, url, allowed) =
            (Arc::clone(self), egress.clone(), url.to_owned(), hosts.certificates.clone());
        tokio::spawn(async move {
            let found = match egress.get(&url, &allowed).await {
                Ok(response) if response.status == 200 => read(&response.body, now),
                Ok(response) => Err(format!("status {}", response.status)),
                Err(error) => Err(error.to_string()),
            };
            this.known().finish(&url, found, now);
            let _ = finished.send(true);
        });
        Some(done)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether a fetch may be made, which is counted.
    fn may_fetch(&mut self, connection: &str, url: &str, now: Timestamp) -> bool {
        if self.good.contains_key(url) {
            return true;
        }
        let fetches = self.fetches.entry(connection.to_owned()).or_default();
        fetches.retain(|at| now.saturating_sub(*at) < 60_000);
        let may = fetches.len() < UNKNOWN_A_MINUTE_MAX;
        if may {
            fetches.push(now);
        }
        may
    }

    fn finish(&mut self, url: &str, found: Result<Kept, String>, now: Timestamp) {
        self.under_way.remove(url);
        match found {
            Ok(kept) => {
                self.failures.remove(url);
                if self.good.len() >= KEPT_MAX && !self.good.contains_key(url) {
                    let stalest = self.good.iter().min_by_key(|(_, kept)| kept.until).map(|(url, _)| url.clone());
                    stalest.and_then(|url| self.good.remove(&url));
                }
                self.good.insert(url.to_owned(), kept);
            }
            Err(error) => {
                CertificateNotFetched { error: &error }.emit();
                self.failures.retain(|_, until| now < *until);
                if self.failures.len() >= FAILURES_MAX {
                    self.failures.pop_first();
                }
                self.failures.insert(url.to_owned(), now + FAILURE_KEPT_MS);
            }
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
    Ok(Kept { key, until: to.min(now + KEPT_MS_MAX) })
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

    fn kept(until: Timestamp) -> Result<Kept, String> {
        Ok(Kept { key: vec![1], until })
    }

    #[test]
    fn a_flood_of_unknown_urls_is_one_connections_own_and_stops_no_url_that_was_good() {
        let mut known = Known::default();
        assert!(known.may_fetch("mail", "good", 0));
        known.finish("good", kept(100), 0);
        let made = (0..1_000).filter(|number| known.may_fetch("mail", &number.to_string(), 1_000_000)).count();
        assert_eq!(made, UNKNOWN_A_MINUTE_MAX);
        assert!(known.may_fetch("mail", "good", 1_000_000), "its time is over, and it is fetched again");
        assert!(known.may_fetch("other", "1", 1_000_000), "another connection");
        assert!(known.may_fetch("mail", "new", 1_060_000), "a minute later");
    }

    #[test]
    fn many_failures_do_not_push_out_a_certificate() {
        let certificates = Certificates::default();
        certificates.known().finish("good", kept(100), 1);
        for number in 0..3 * FAILURES_MAX {
            certificates.known().finish(&number.to_string(), Err("no".into()), 1);
        }
        assert_eq!(certificates.get("good", 2), Certificate::Key(vec![1]));
        assert_eq!(certificates.get("good", 100), Certificate::NotFetched);
        certificates.known().finish("good", Err("no".into()), 100);
        assert_eq!(certificates.get("good", 101), Certificate::Unavailable);
        assert_eq!(certificates.get("good", 100 + FAILURE_KEPT_MS), Certificate::NotFetched);
        assert!(certificates.known().failures.len() <= FAILURES_MAX);
        for number in 0..2 * KEPT_MAX {
            certificates.known().finish(&format!("k{number}"), kept(200), 1);
        }
        assert!(certificates.known().good.len() <= KEPT_MAX);
    }
}
