//! Log in with an AWS identity: a `sts:GetCallerIdentity` request is signed here and sent to the
//! server, which sends it to STS and believes what STS answers. The secret key stays here.

use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lessor_client::Request;
use serde_json::{Map, Value, json};

use super::methods::Login;
use crate::context::Ctx;
use crate::failure::Failure;

const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const DEFAULT_REGION: &str = "us-east-1";
/// Longest search for credentials; the instance metadata service is asked last.
const LIMIT: Duration = Duration::from_secs(15);

pub fn login(ctx: &mut Ctx, mount: String, data: Map<String, Value>) -> Login<'_> {
    Box::pin(run(ctx, mount, data))
}

fn failed(why: impl std::fmt::Display) -> Failure {
    Failure::remote(format!("Error authenticating: {why}"))
}

async fn run(ctx: &mut Ctx, mount: String, data: Map<String, Value>) -> Result<Value, Failure> {
    let text = |key: &str| data.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let given = match (text("aws_access_key_id"), text("aws_secret_access_key")) {
        (Some(id), Some(key)) => {
            Some(Credentials::new(id, key, text("aws_security_token").map(str::to_owned), None, "command line"))
        }
        (None, None) => None,
        _ => return Err(failed("aws_access_key_id and aws_secret_access_key belong together")),
    };
    let (credentials, region) = surroundings(given, text("region")).await?;
    let mut body = signed(&credentials, &region, text("header_value"), SystemTime::now()).map_err(failed)?;
    body.insert("role".to_owned(), json!(text("role").unwrap_or_default()));
    ctx.expect("Error authenticating", Request::put(&format!("auth/{mount}/login"), Value::Object(body))).await
}

/// Fills in what was not given from the environment, the profile files or the machine's role.
async fn surroundings(given: Option<Credentials>, region: Option<&str>) -> Result<(Credentials, String), Failure> {
    let https = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    let limits = TimeoutConfig::builder().operation_timeout(LIMIT).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(https).timeout_config(limits);
    if let Some(region) = region {
        loader = loader.region(aws_config::Region::new(region.to_owned()));
    }
    if let Some(credentials) = given {
        loader = loader.credentials_provider(credentials);
    }
    let config = tokio::time::timeout(LIMIT, loader.load()).await.map_err(|_| failed("no AWS settings in time"))?;
    let provider = config.credentials_provider().ok_or_else(|| failed("no AWS credentials found"))?;
    let found = tokio::time::timeout(LIMIT, provider.provide_credentials()).await;
    let credentials = found
        .map_err(|_| failed("no AWS credentials found in time"))?
        .map_err(|error| failed(format!("no AWS credentials found: {error}")))?;
    let region = config.region().map_or(DEFAULT_REGION, |region| region.as_ref()).to_owned();
    Ok((credentials, region))
}

/// The `iam_*` fields of a login.
fn signed(
    credentials: &Credentials,
    region: &str,
    server_id: Option<&str>,
    now: SystemTime,
) -> Result<Map<String, Value>, String> {
    let host = if region == DEFAULT_REGION {
        "sts.amazonaws.com".to_owned()
    } else if region.starts_with("cn-") {
        format!("sts.{region}.amazonaws.com.cn")
    } else {
        format!("sts.{region}.amazonaws.com")
    };
    let url = format!("https://{host}/");
    let length = BODY.len().to_string();
    let mut headers: Vec<(&str, &str)> = vec![
        ("content-length", length.as_str()),
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("host", host.as_str()),
    ];
    if let Some(id) = server_id {
        headers.push(("x-vault-aws-iam-server-id", id));
    }
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let request = SignableRequest::new("POST", &url, headers.iter().copied(), SignableBody::Bytes(BODY.as_bytes()))
        .map_err(|error| error.to_string())?;
    let (instructions, _) = sign(request, &params).map_err(|error| error.to_string())?.into_parts();
    let (added, _) = instructions.into_parts();
    let mut all = Map::new();
    for (name, value) in headers {
        all.insert(canonical(name), json!([value]));
    }
    for header in &added {
        all.insert(canonical(header.name()), json!([header.value()]));
    }
    let mut fields = Map::new();
    fields.insert("iam_http_request_method".to_owned(), json!("POST"));
    fields.insert("iam_request_url".to_owned(), json!(STANDARD.encode(&url)));
    fields.insert("iam_request_body".to_owned(), json!(STANDARD.encode(BODY)));
    fields.insert("iam_request_headers".to_owned(), json!(STANDARD.encode(Value::Object(all).to_string())));
    Ok(fields)
}

/// `x-amz-date` as `X-Amz-Date`, the form servers look headers up by.
fn canonical(name: &str) -> String {
    let parts = name.split('-').map(|part| {
        let (first, rest) = part.split_at_checked(1).unwrap_or((part, ""));
        format!("{}{rest}", first.to_uppercase())
    });
    parts.collect::<Vec<_>>().join("-").replace("Aws-Iam-Server-Id", "AWS-IAM-Server-ID")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(fields: &Map<String, Value>, key: &str) -> String {
        String::from_utf8(STANDARD.decode(fields[key].as_str().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn the_signed_request_names_the_server_and_hides_the_secret_key() {
        let credentials = Credentials::new("AKIDEXAMPLE", "very-secret", Some("session".into()), None, "test");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let fields = signed(&credentials, "eu-central-1", Some("lessor.example"), now).unwrap();
        assert_eq!(decoded(&fields, "iam_request_url"), "https://sts.eu-central-1.amazonaws.com/");
        assert_eq!(decoded(&fields, "iam_request_body"), BODY);
        let headers: Value = serde_json::from_str(&decoded(&fields, "iam_request_headers")).unwrap();
        assert_eq!(headers["X-Vault-AWS-IAM-Server-ID"], json!(["lessor.example"]));
        assert_eq!(headers["X-Amz-Security-Token"], json!(["session"]));
        assert_eq!(headers["X-Amz-Date"], json!(["20150830T123600Z"]));
        let authorization = headers["Authorization"][0].as_str().unwrap();
        assert!(
            authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-central-1/sts/aws4_request")
        );
        assert!(authorization.contains("x-vault-aws-iam-server-id"), "the header is signed: {authorization}");
        assert!(!Value::Object(fields).to_string().contains("very-secret"));
    }

    #[test]
    fn the_default_region_uses_the_global_endpoint() {
        let credentials = Credentials::new("a", "b", None, None, "test");
        let fields = signed(&credentials, DEFAULT_REGION, None, SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(decoded(&fields, "iam_request_url"), "https://sts.amazonaws.com/");
    }
}
