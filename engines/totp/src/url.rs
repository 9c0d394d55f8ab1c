//! `otpauth://totp/…` (the key URI format of authenticator apps).
use crate::record::Key;
use lessor_engine::{Error, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &UNRESERVED.remove(b'@').remove(b'+').remove(b'$');
const QUERY: &AsciiSet = &UNRESERVED.remove(b'@').remove(b':');

/// What a URL says about a key; what it leaves out is `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) secret: String,
    pub(crate) issuer: Option<String>,
    pub(crate) account_name: String,
    pub(crate) period: Option<i64>,
    pub(crate) digits: Option<i64>,
    pub(crate) algorithm: Option<String>,
}

/// Reads a URL.
///
/// # Errors
/// When it is no such URL, or a number in it is none.
pub(crate) fn parse(url: &str) -> Result<Parsed> {
    let form =
        || Error::invalid("an error occurred while parsing url string: use otpauth://totp/Issuer:account?secret=…");
    let rest = url.trim().strip_prefix("otpauth://totp/").ok_or_else(form)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = percent_decode_str(path).decode_utf8().map_err(|_| form())?;
    let (issuer, account) = path.split_once(':').map_or((None, &*path), |(issuer, account)| (Some(issuer), account));
    let mut parsed =
        Parsed { issuer: issuer.map(str::to_owned), account_name: account.to_owned(), ..Parsed::default() };
    let number = |name: &str, value: &str| {
        let refuse = |_| Error::Invalid(format!("an error occurred while parsing {name} value in url"));
        value.parse::<i64>().map(Some).map_err(refuse)
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
        match &*name {
            "secret" => parsed.secret = value.into_owned(),
            "issuer" => parsed.issuer = Some(value.into_owned()),
            "algorithm" => parsed.algorithm = Some(value.into_owned()),
            "period" => parsed.period = number("period", &value)?,
            "digits" => parsed.digits = number("digits", &value)?,
            _ => {}
        }
    }
    Ok(parsed)
}

/// The URL of a key, its secret included.
pub(crate) fn write(key: &Key) -> String {
    format!(
        "otpauth://totp/{}:{}?algorithm={}&digits={}&issuer={}&period={}&secret={}",
        utf8_percent_encode(&key.issuer, PATH),
        utf8_percent_encode(&key.account_name, PATH),
        key.algorithm.name(),
        key.digits,
        utf8_percent_encode(&key.issuer, QUERY),
        key.period.0,
        key.secret.expose(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;
    use lessor_engine::{Seconds, Secret};

    #[test]
    fn what_is_written_is_read_back() {
        let key = Key {
            secret: Secret::new("GEZDGNBV"),
            issuer: "Big & Co: x".to_owned(),
            account_name: "a+b@example.com".to_owned(),
            period: Seconds(60),
            algorithm: Algorithm::Sha256,
            digits: 8,
            skew: 1,
        };
        let url = write(&key);
        assert_eq!(
            url,
            "otpauth://totp/Big%20%26%20Co%3A%20x:a+b@example.com?algorithm=SHA256&digits=8&issuer=Big%20%26%20Co:%20x&period=60&secret=GEZDGNBV"
        );
        let parsed = parse(&url).unwrap();
        assert_eq!(parsed.secret, "GEZDGNBV");
        assert_eq!(parsed.issuer.as_deref(), Some("Big & Co: x"));
        assert_eq!((parsed.period, parsed.digits, parsed.algorithm.as_deref()), (Some(60), Some(8), Some("SHA256")));
    }

    #[test]
    fn a_short_url_leaves_the_rest_open() {
        let parsed = parse("otpauth://totp/Vault:test@test.com?secret=Y64VEVMBTSXCYIWRSHRNDZW62MPGVU2G").unwrap();
        assert_eq!(parsed.issuer.as_deref(), Some("Vault"));
        assert_eq!(parsed.account_name, "test@test.com");
        assert_eq!((parsed.period, parsed.digits), (None, None));
        assert_eq!(parse("otpauth://totp/alone?secret=A").unwrap().issuer, None);
        for bad in ["http://x", "otpauth://hotp/x?secret=A", "otpauth://totp/x?secret=A&period=soon"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
