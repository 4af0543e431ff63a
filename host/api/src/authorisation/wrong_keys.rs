//! Counts wrong API keys and slows them down. The right key is compared first, so wrong keys never delay it.
//!
//! Keys have at least 16 bytes, so guessing never finds one. The purpose is another: guesses raise an alarm (the metric of
//! `api key refused`), and a client that keeps using an old key does not keep a core busy.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong keys are counted per window of this length.
const WINDOW: Duration = Duration::from_secs(60);
/// Wrong keys of one address in a window that are answered at once: a person tries the few keys they have.
const AT_ONCE_MAX: u32 = 10;
/// Wrong keys of one address in a window that are answered 401. More are answered 429: it is a program that does not stop.
const OF_ONE_MAX: u32 = 40;
/// Wrong keys of all addresses in a window that are answered at once: many clients at once may still use an expired key.
const OF_ALL_AT_ONCE_MAX: u32 = 300;
/// How long an answer waits. It allows four guesses a second, and a person with a mistyped key does not notice.
const WAIT: Duration = Duration::from_millis(250);
/// Answers that wait at once. Each holds a connection and some KB; beyond these the answer is 429 at once.
const WAITING_MAX: usize = 64;
/// Addresses that are counted separately, some 500 KB. Further ones only count in the total.
const ADDRESSES_MAX: usize = 10_000;

/// How an answer is slowed down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowDown {
    /// It waits: this process answers many requests at once.
    #[default]
    Wait,
    /// It is 429 at once: this process answers one request at a time, so a wait would delay callers with a right key. The
    /// front door limits the rate there.
    Refuse,
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct WrongKeys {
    slow_down: SlowDown,
    counts: Mutex<Counts>,
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Counts {
    began: Option<Instant>,
    all: u32,
    by_address: HashMap<Network, u32>,
}

/// Whom an address is counted with: an IPv4 address by itself, an IPv6 address with its /64, which one host has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Network([u8; 8]);

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                Self([0, 0, 0, 0, a, b, c, d])
            }
            IpAddr::V6(address) => {
                let octets = address.octets();
                Self(octets[..8].try_into().expect("eight octets of sixteen"))
            }
        }
    }
}

/// How a wrong key is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongKeyAnswer {
    /// Whether it is 429 and not 401.
    pub is_too_many: bool,
    /// How long the answer waits.
    pub wait: Duration,
    /// Wrong keys of all addresses in this window, with this one.
    pub in_all: u32,
}

impl WrongKeys {
    /// A counter that slows down in this manner.
    pub(crate) fn slowed(slow_down: SlowDown) -> Self {
        Self { slow_down, ..Self::default() }
    }

    /// Counts a wrong key.
    pub(crate) fn count(&self, address: Option<IpAddr>, now: Instant) -> WrongKeyAnswer {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = counts.began.is_none_or(|began| now.saturating_duration_since(began) >= WINDOW);
        if is_over {
            *counts = Counts { began: Some(now), ..Counts::default() };
        }
        counts.all = counts.all.saturating_add(1);
        let in_all = counts.all;
        let of_one = address.map_or(0, |address| counts.of(Network::of(address)));
        let is_slow = of_one > AT_ONCE_MAX || in_all > OF_ALL_AT_ONCE_MAX;
        let is_too_many = of_one > OF_ONE_MAX;
        match self.slow_down {
            SlowDown::Wait => WrongKeyAnswer { is_too_many, wait: if is_slow { WAIT } else { Duration::ZERO }, in_all },
            SlowDown::Refuse => WrongKeyAnswer { is_too_many: is_slow, wait: Duration::ZERO, in_all },
        }
    }

    /// Waits before a wrong key is answered, unless too many wait already: then `false`, at once.
    pub(crate) async fn wait(&self, time: Duration) -> bool {
        if time.is_zero() {
            return true;
        }
        let slot = WaitingSlot(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            return false;
        }
        tokio::time::sleep(time).await;
        drop(slot);
        true
    }
}

impl Counts {
    fn of(&mut self, network: Network) -> u32 {
        let is_full = self.by_address.len() >= ADDRESSES_MAX && !self.by_address.contains_key(&network);
        if is_full {
            return 0;
        }
        let count = self.by_address.entry(network).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

/// One place among those that wait; left when dropped, also by a caller who hung up.
struct WaitingSlot<'a>(&'a AtomicUsize);

impl Drop for WaitingSlot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Seconds after which a guesser is told to come back.
pub(crate) const RETRY_AFTER_S: u64 = WINDOW.as_secs();

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn wrong_keys_of_one_address_are_slowed_and_then_too_many_and_others_are_not() {
        let (wrong, now) = (WrongKeys::default(), Instant::now());
        let answers: Vec<WrongKeyAnswer> = (0..41).map(|_| wrong.count(address("192.0.2.1"), now)).collect();
        assert!(answers[..10].iter().all(|answer| answer.wait.is_zero() && !answer.is_too_many));
        assert!(answers[10..].iter().all(|answer| answer.wait == WAIT));
        assert!(!answers[39].is_too_many && answers[40].is_too_many);
        assert!(wrong.count(address("192.0.2.2"), now).wait.is_zero(), "another address");
        assert!(wrong.count(address("192.0.2.1"), now + WINDOW).wait.is_zero(), "another minute");
    }

    #[test]
    fn a_host_s_addresses_of_ipv6_are_counted_together_and_many_hosts_all_together() {
        let (wrong, now) = (WrongKeys::default(), Instant::now());
        for n in 0..11 {
            wrong.count(address(&format!("2001:db8::{n:x}")), now);
        }
        assert_eq!(wrong.count(address("2001:db8::ffff"), now).wait, WAIT);
        assert!(wrong.count(address("2001:db8:0:1::1"), now).wait.is_zero());
        for n in 0..OF_ALL_AT_ONCE_MAX {
            wrong.count(address(&format!("10.0.{}.{}", n / 256, n % 256)), now);
        }
        assert_eq!(wrong.count(address("192.0.2.1"), now).wait, WAIT);
        assert_eq!(wrong.count(None, now).wait, WAIT);
    }

    #[test]
    fn more_addresses_than_are_counted_take_no_more_memory() {
        let (wrong, now) = (WrongKeys::default(), Instant::now());
        for n in 0..20_000_u32 {
            wrong.count(Some(IpAddr::from(n.to_be_bytes())), now);
        }
        assert_eq!(wrong.counts.lock().unwrap().by_address.len(), ADDRESSES_MAX);
    }

    #[test]
    fn a_process_of_one_request_at_a_time_never_waits() {
        let (wrong, now) = (WrongKeys::slowed(SlowDown::Refuse), Instant::now());
        let answers: Vec<WrongKeyAnswer> = (0..11).map(|_| wrong.count(address("192.0.2.1"), now)).collect();
        assert!(answers.iter().all(|answer| answer.wait.is_zero()));
        assert!(!answers[9].is_too_many && answers[10].is_too_many);
    }
}
