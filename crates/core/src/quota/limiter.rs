//! Counts requests per client, on this node. What is remembered of clients is bounded and forgotten when they are idle.
use std::collections::HashMap;
use std::net::IpAddr;

/// A client that sent nothing for so long is forgotten (milliseconds).
const IDLE: i64 = 3 * 60 * 1000;
/// Clients one quota remembers. Those beyond share one count, so that many addresses are no way around the limit.
const CLIENTS: usize = 65_536;

/// What a rate limit says about one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Whether the request goes on.
    pub admitted: bool,
    /// Requests per interval.
    pub limit: u64,
    /// Requests that are left of them.
    pub remaining: u64,
    /// Whole seconds until the count begins anew.
    pub reset: u64,
    /// Whole seconds until the client is heard again, if it was refused.
    pub retry_after: u64,
    /// Whether the client is being refused for a while whatever it asks.
    pub blocked: bool,
}

/// The terms of one quota; times in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Terms {
    /// Requests per interval.
    pub limit: u64,
    /// Length of an interval.
    pub interval: i64,
    /// For how long a client that went over the limit is refused; 0 for the rest of the interval.
    pub block: i64,
}

#[derive(Clone, Copy)]
struct Count {
    begun: i64,
    left: u64,
    blocked_until: i64,
    seen: i64,
}

/// The clients of one quota.
pub struct Limiter {
    terms: Terms,
    clients: HashMap<Option<IpAddr>, Count>,
    others: Count,
    tidied: i64,
}

impl Limiter {
    /// Nobody asked yet.
    pub fn new(terms: Terms, now: i64) -> Self {
        let others = Count { begun: now, left: terms.limit, blocked_until: 0, seen: now };
        Self { terms, clients: HashMap::new(), others, tidied: now }
    }
    /// What it was made with.
    pub fn terms(&self) -> Terms {
        self.terms
    }
    /// Counts one request; `now` in milliseconds.
    pub fn take(&mut self, client: Option<IpAddr>, now: i64) -> Verdict {
        if now - self.tidied >= IDLE {
            let kept_until = |count: &Count| count.blocked_until.max(count.seen + IDLE);
            self.clients.retain(|_, count| kept_until(count) > now);
            self.tidied = now;
        }
        let fresh = Count { begun: now, left: self.terms.limit, blocked_until: 0, seen: now };
        let room = self.clients.len() < CLIENTS;
        let count = match self.clients.get_mut(&client) {
            Some(count) => count,
            None if room => self.clients.entry(client).or_insert(fresh),
            None => &mut self.others,
        };
        count.take(self.terms, now)
    }
}

impl Count {
    fn take(&mut self, terms: Terms, now: i64) -> Verdict {
        self.seen = now;
        let limit = terms.limit;
        if now < self.blocked_until {
            let retry_after = seconds(self.blocked_until - now);
            return Verdict { admitted: false, limit, remaining: 0, reset: retry_after, retry_after, blocked: true };
        }
        let intervals = (now - self.begun).max(0) / terms.interval;
        if intervals > 0 {
            self.begun += intervals * terms.interval;
            self.left = limit;
        }
        let reset = seconds(self.begun + terms.interval - now);
        if self.left > 0 {
            self.left -= 1;
            let remaining = self.left;
            return Verdict { admitted: true, limit, remaining, reset, retry_after: 0, blocked: false };
        }
        let mut retry_after = reset;
        if terms.block > 0 {
            self.blocked_until = now + terms.block;
            retry_after = seconds(terms.block);
        }
        Verdict { admitted: false, limit, remaining: 0, reset, retry_after, blocked: false }
    }
}

/// Rounded up: a client that waits for so long is not too early.
fn seconds(milliseconds: i64) -> u64 {
    u64::try_from(milliseconds).unwrap_or_default().div_ceil(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn address(number: u32) -> Option<IpAddr> {
        Some(Ipv4Addr::from(number).into())
    }

    #[test]
    fn a_client_gets_its_requests_back_with_the_next_interval() {
        let mut limiter = Limiter::new(Terms { limit: 2, interval: 10_000, block: 0 }, 0);
        assert!(limiter.take(address(1), 0).admitted);
        assert_eq!(limiter.take(address(1), 500).remaining, 0);
        let refused = limiter.take(address(1), 4_500);
        assert_eq!((refused.admitted, refused.retry_after), (false, 6));
        assert!(limiter.take(address(2), 4_500).admitted);
        assert!(limiter.take(address(1), 10_000).admitted);
    }

    #[test]
    fn a_blocked_client_stays_out_over_the_interval() {
        let mut limiter = Limiter::new(Terms { limit: 1, interval: 1_000, block: 20_000 }, 0);
        assert!(limiter.take(None, 0).admitted);
        assert_eq!(limiter.take(None, 100).retry_after, 20);
        let refused = limiter.take(None, 10_100);
        assert_eq!((refused.admitted, refused.blocked, refused.retry_after), (false, true, 10));
        assert!(limiter.take(None, 20_100).admitted);
    }

    #[test]
    fn memory_is_bounded_and_idle_clients_are_forgotten() {
        let mut limiter = Limiter::new(Terms { limit: 1, interval: 1_000, block: 0 }, 0);
        for number in 0..u32::try_from(CLIENTS).unwrap() {
            assert!(limiter.take(address(number), 0).admitted);
        }
        assert!(limiter.take(address(u32::MAX), 0).admitted);
        assert!(!limiter.take(address(u32::MAX - 1), 0).admitted, "those beyond share one count");
        assert_eq!(limiter.clients.len(), CLIENTS);
        limiter.take(address(1), IDLE);
        assert_eq!(limiter.clients.len(), 1);
    }
}
