//! How often an address may guess: `verify` is open to everybody, and asks storage about every password.
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use lessor_engine::Error;

/// Wrong passwords an address may send at once ...
const BURST: i64 = 100;
/// ... and how long it takes until it may send one more.
const REFILL_MS: i64 = 200;
/// Addresses that are remembered; beyond them all share one allowance.
const REMEMBERED: usize = 10_000;

/// Wrong passwords by address, each counted as the time at which it will be forgotten: what lies further ahead than a
/// burst takes is too much.
#[derive(Default)]
pub(crate) struct Guesses {
    by_address: Mutex<HashMap<Option<IpAddr>, i64>>,
}

/// Who asks, where one network of IPv6 is one client: it has more addresses than anybody can remember.
fn client(address: Option<IpAddr>) -> Option<IpAddr> {
    match address?.to_canonical() {
        IpAddr::V6(ip) => Some(Ipv6Addr::from(u128::from(ip) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => Some(v4),
    }
}

impl Guesses {
    /// # Errors
    /// 429 while an address has sent too many wrong ones.
    pub(crate) fn check(&self, address: Option<IpAddr>, now_ms: i64) -> Result<(), Error> {
        let known = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = known.get(&client(address)).or_else(|| known.get(&None).filter(|_| known.len() >= REMEMBERED));
        let ahead = forgotten.copied().unwrap_or_default() - now_ms - (BURST - 1) * REFILL_MS;
        if ahead <= 0 {
            return Ok(());
        }
        let seconds = (ahead + 999) / 1000;
        let message = format!(
            "too many one-time passwords from this address were not known: try again in {seconds} seconds; others are not held up"
        );
        Err(Error::Refused { status: 429, message })
    }

    /// Counts a wrong one.
    pub(crate) fn wrong(&self, address: Option<IpAddr>, now_ms: i64) {
        let mut known = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let mut who = client(address);
        if known.len() >= REMEMBERED && !known.contains_key(&who) {
            known.retain(|_, forgotten| *forgotten > now_ms);
            if known.len() >= REMEMBERED {
                who = None;
            }
        }
        let forgotten = known.entry(who).or_default();
        *forgotten = (*forgotten).max(now_ms) + REFILL_MS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_address_guesses_a_burst_and_then_slowly() {
        let guesses = Guesses::default();
        for guess in 0..BURST {
            assert!(guesses.check(at("10.0.0.1"), 0).is_ok(), "{guess}");
            guesses.wrong(at("10.0.0.1"), 0);
        }
        let refusal = guesses.check(at("10.0.0.1"), 0).unwrap_err();
        assert!(refusal.status() == 429 && refusal.to_string().contains("in 1 seconds"), "{refusal}");
        assert!(guesses.check(at("10.0.0.2"), 0).is_ok(), "another client is not held up");
        assert!(guesses.check(at("10.0.0.1"), REFILL_MS).is_ok());
        guesses.wrong(at("10.0.0.1"), REFILL_MS);
        assert!(guesses.check(at("10.0.0.1"), REFILL_MS).is_err(), "one more came back, not a burst");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_memory_is_bounded() {
        let guesses = Guesses::default();
        for guess in 0..BURST {
            guesses.wrong(at(&format!("2001:db8::{guess:x}")), 0);
        }
        assert!(guesses.check(at("2001:db8::ffff"), 0).is_err());
        for number in 0..u32::try_from(REMEMBERED).unwrap() + 500 {
            guesses.wrong(Some(std::net::Ipv4Addr::from(number).into()), 0);
        }
        assert!(guesses.by_address.lock().unwrap().len() <= REMEMBERED + 1);
        assert!(guesses.check(at("192.0.2.1"), 0).is_err(), "whoever is not remembered shares an allowance");
        assert!(guesses.check(at("192.0.2.1"), BURST * REFILL_MS * 10).is_ok());
    }
}
