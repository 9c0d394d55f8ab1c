//! Where a browser may be sent back to.
use url::{Host, Url};

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// One of the allowed addresses to the letter; on the person's own machine with any port, since a program there takes
/// the port it gets (RFC 8252, section 7.3).
pub(super) fn allowed(wanted: &str, allowed: &[String]) -> bool {
    if allowed.iter().any(|one| one == wanted) {
        return true;
    }
    let Ok(mut wanted) = Url::parse(wanted) else { return false };
    if !is_loopback(&wanted) || wanted.set_port(None).is_err() {
        return false;
    }
    allowed.iter().any(|one| {
        let Ok(mut one) = Url::parse(one) else { return false };
        is_loopback(&one) && one.set_port(None).is_ok() && one == wanted
    })
}

#[cfg(test)]
mod tests {
    use super::allowed as check;

    fn allowed(wanted: &str) -> bool {
        check(wanted, &["https://a.example/cb".to_owned(), "http://localhost:8250/oidc/callback".to_owned()])
    }

    #[test]
    fn addresses_fit_to_the_letter_and_only_the_own_machine_has_any_port() {
        assert!(allowed("https://a.example/cb") && allowed("http://localhost:9999/oidc/callback"));
        for wrong in [
            "https://a.example/cb?x",
            "https://a.example/cb/",
            "https://a.example:444/cb",
            "http://localhost:8250/other",
            "https://localhost:8250/oidc/callback",
            "http://localhost.evil.example:8250/oidc/callback",
            "http://127.0.0.1:8250/oidc/callback",
            "http://user@localhost:8250/oidc/callback",
            "nonsense",
            "",
        ] {
            assert!(!allowed(wrong), "{wrong}");
        }
    }
}
