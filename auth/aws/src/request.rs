//! A signed `sts:GetCallerIdentity`: only this question is passed on, and only with headers that belong to it.
use crate::config::Config;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lessor_engine::{Error, Result, Secret};
use serde_json::{Map, Value};
use url::Url;

/// Binds a signature to one server.
const SERVER_ID: &str = "x-vault-aws-iam-server-id";
/// Headers that AWS's clients sign or need.
const KNOWN: [&str; 10] = [
    "authorization",
    "content-type",
    "host",
    "user-agent",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-user-agent",
    "accept",
    SERVER_ID,
];

/// The question, ready to be asked.
#[derive(Debug)]
pub(crate) struct Signed {
    /// GET instead of POST.
    pub(crate) is_get: bool,
    /// Behind the endpoint, with the query.
    pub(crate) path: String,
    /// Lower-case names; `host` is the one that was signed.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The region it was signed for.
    pub(crate) region: String,
}

fn decoded(name: &str, text: &str) -> Result<Vec<u8>> {
    if text.is_empty() {
        return Err(Error::invalid(format!("missing {name}")));
    }
    STANDARD.decode(text.trim()).map_err(|_| Error::invalid(format!("failed to base64 decode {name}")))
}

/// Names and values, out of an object whose values are texts or lists.
fn headers(sent: &Value) -> Result<Vec<(String, String)>> {
    let wrong = || Error::invalid("iam_request_headers is an object of headers, or one in JSON and base64");
    let object: Map<String, Value> = match sent {
        Value::Object(object) => object.clone(),
        Value::String(text) => {
            let text = decoded("iam_request_headers", text)?;
            serde_json::from_slice(&text).map_err(|_| wrong())?
        }
        Value::Null => return Err(Error::invalid("missing iam_request_headers")),
        _ => return Err(wrong()),
    };
    let mut headers = Vec::new();
    for (name, value) in object {
        let values = value.as_array().map_or(std::slice::from_ref(&value), Vec::as_slice);
        let [Value::String(text)] = values else { return Err(wrong()) };
        headers.push((name.to_lowercase(), text.clone()));
    }
    Ok(headers)
}

/// Whether a form asks who the caller is, and nothing else.
fn asks_only_who(form: &[u8]) -> bool {
    let mut asks = false;
    for (name, value) in form_urlencoded::parse(form) {
        match name.as_ref() {
            "Action" if !asks && value == "GetCallerIdentity" => asks = true,
            "Version" => {}
            _ => return false,
        }
    }
    asks
}

/// Headers the signature covers, and the region it is good for (Signature Version 4).
fn scope(authorization: &str) -> Option<(Vec<String>, String)> {
    let field = |name: &str| authorization.split([' ', ',']).find_map(|part| part.strip_prefix(name));
    let signed = field("SignedHeaders=")?.split(';').map(str::to_lowercase).collect();
    let region = field("Credential=")?.split('/').nth(2)?;
    let plain = region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (plain && !region.is_empty()).then(|| (signed, region.to_owned()))
}

fn check_headers(config: &Config, headers: &[(String, String)], signed: &[String]) -> Result<()> {
    for (name, _) in headers {
        let allowed = KNOWN.contains(&name.as_str()) || name == "content-length";
        if !allowed && !config.allowed_headers.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(Error::invalid(format!("invalid request header: {name}")));
        }
    }
    if config.server_id.is_empty() {
        return Ok(());
    }
    let value = headers.iter().find(|(name, _)| name == SERVER_ID).map(|(_, value)| value);
    let error = match value {
        None => "missing header \"X-Vault-AWS-IAM-Server-ID\"",
        Some(value) if *value != config.server_id => "header \"X-Vault-AWS-IAM-Server-ID\" names another server",
        Some(_) if !signed.iter().any(|name| name == SERVER_ID) => "header \"X-Vault-AWS-IAM-Server-ID\" is not signed",
        Some(_) => return Ok(()),
    };
    Err(Error::invalid(format!("error validating {error}")))
}

impl Signed {
    /// Reads the parameters of a login.
    ///
    /// # Errors
    /// What is missing, or makes it another question than `GetCallerIdentity`.
    pub(crate) fn parse(config: &Config, method: &str, url: &str, body: &Secret, sent: &Value) -> Result<Self> {
        let is_get = match method {
            "" => return Err(Error::invalid("missing iam_http_request_method")),
            "GET" => true,
            "POST" => false,
            _ => {
                return Err(Error::invalid(
                    "invalid iam_http_request_method; currently only 'POST' and 'GET' are supported",
                ));
            }
        };
        let url = decoded("iam_request_url", url)?;
        let url = String::from_utf8(url).ok().and_then(|url| Url::parse(&url).ok());
        let url = url.ok_or_else(|| Error::invalid("error parsing iam_request_url"))?;
        let body = if is_get { Vec::new() } else { decoded("iam_request_body", body.expose())? };
        let query = url.query().unwrap_or_default();
        let who = if is_get { asks_only_who(query.as_bytes()) } else { query.is_empty() && asks_only_who(&body) };
        if url.path() != "/" || !who {
            return Err(Error::invalid("the signed request asks for something else than GetCallerIdentity"));
        }
        let mut headers = headers(sent)?;
        let authorization = headers.iter().find(|(name, _)| name == "authorization").map_or("", |(_, value)| value);
        let scope = scope(authorization);
        let (signed, region) =
            scope.ok_or_else(|| Error::invalid("the header Authorization holds no AWS4 signature"))?;
        check_headers(config, &headers, &signed)?;
        // The connection's own business; the host is part of what was signed.
        headers.retain(|(name, _)| name != "content-length" && name != "host");
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        headers.push(("host".to_owned(), format!("{}{port}", url.host_str().unwrap_or_default())));
        let path = if query.is_empty() { "/".to_owned() } else { format!("/?{query}") };
        Ok(Self { is_get, path, headers, body, region })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIA/20261125/us-east-1/sts/aws4_request, \
                                 SignedHeaders=host;x-amz-date;x-vault-aws-iam-server-id, Signature=00";

    fn parse(config: &Config, url: &str, body: &str, more: &Value) -> Result<Signed> {
        let mut headers = json!({ "Authorization": AUTHORIZATION, "X-Amz-Date": ["20261125T000000Z"] });
        for (name, value) in more.as_object().unwrap() {
            headers[name] = value.clone();
        }
        Signed::parse(config, "POST", &STANDARD.encode(url), &Secret::new(STANDARD.encode(body)), &headers)
    }

    #[test]
    fn only_one_question_is_passed_on() {
        let (config, url) = (Config::default(), "https://sts.amazonaws.com/");
        let good = "Action=GetCallerIdentity&Version=2011-06-15";
        let signed = parse(&config, url, good, &json!({})).unwrap();
        assert_eq!((signed.region.as_str(), signed.path.as_str()), ("us-east-1", "/"));
        assert!(signed.headers.contains(&("host".to_owned(), "sts.amazonaws.com".to_owned())));
        for body in [
            "Action=AssumeRole",
            "Action=GetCallerIdentity&Action=AssumeRole",
            "Version=1",
            "Action=GetCallerIdentity&X=1",
        ] {
            assert!(parse(&config, url, body, &json!({})).is_err(), "{body}");
        }
        for url in ["https://sts.amazonaws.com/x", "https://sts.amazonaws.com/?Action=AssumeRole", "nonsense"] {
            assert!(parse(&config, url, good, &json!({})).is_err(), "{url}");
        }
        assert!(parse(&config, url, good, &json!({ "X-Forwarded-Host": "x" })).is_err());
    }

    #[test]
    fn a_request_that_was_signed_for_another_server_is_refused() {
        let config = Config { server_id: "ours".to_owned(), ..Config::default() };
        let ask = |more: Value| parse(&config, "https://a/", "Action=GetCallerIdentity", &more);
        assert!(ask(json!({ "X-Vault-AWS-IAM-Server-ID": "ours" })).is_ok());
        assert!(ask(json!({})).is_err());
        assert!(ask(json!({ "X-Vault-AWS-IAM-Server-ID": "theirs" })).is_err());
        let unsigned = AUTHORIZATION.replace(";x-vault-aws-iam-server-id", "");
        assert!(ask(json!({ "X-Vault-AWS-IAM-Server-ID": "ours", "Authorization": unsigned })).is_err());
    }
}
