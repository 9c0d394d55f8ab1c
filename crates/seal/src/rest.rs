//! A key service that is asked over HTTP with an access token.
use crate::SettingError;
use lessor_core::seal::SealError;
use lessor_engine::Secret;
use lessor_platform_http::{Ask, Http};
use serde_json::Value;
use url::Url;

/// One service at one address.
pub(crate) struct Rest {
    kind: &'static str,
    base: Url,
    pub(crate) http: Http,
}

/// What came back.
pub(crate) enum Answered {
    Json(Value),
    /// The service does not know the access token.
    Unknown(SealError),
}

impl Rest {
    pub(crate) fn new(kind: &'static str, address: &str) -> Result<Self, SettingError> {
        let wrong = || SettingError(format!("{kind}: {address:?} is no http:// or https:// address"));
        let fits = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let base = Url::parse(address).ok().filter(fits).ok_or_else(wrong)?;
        let http = Http::new("").map_err(|error| SettingError(format!("{kind}: {error}")))?;
        Ok(Self { kind, base, http })
    }
    /// The address with these segments behind it, each of them escaped.
    pub(crate) fn url(&self, segments: &[&str]) -> Result<Url, SealError> {
        let mut url = self.base.clone();
        let broken = |()| SealError::Refused(format!("{}: the address cannot be used", self.kind));
        url.path_segments_mut().map_err(broken)?.clear().extend(segments);
        Ok(url)
    }
    pub(crate) fn no_token(&self, error: &lessor_cloud_access::Error) -> SealError {
        let text = format!("{}: {error}", self.kind);
        match error {
            lessor_cloud_access::Error::Refused(_) => SealError::Refused(text),
            _ => SealError::Unavailable(text),
        }
    }
    pub(crate) fn nothing(&self, what: &str) -> SealError {
        SealError::Unavailable(format!("{}: the answer holds no {what}", self.kind))
    }
    pub(crate) fn not_ours(&self) -> SealError {
        SealError::Refused(format!("{0}: what is to be decrypted was not encrypted by {0}", self.kind))
    }
    /// A service that cannot be reached, is overloaded or in trouble may come back; one that answers and says no has
    /// decided.
    pub(crate) async fn send(&self, ask: Ask<'_>, token: &Secret) -> Result<Answered, SealError> {
        let away = |error: lessor_platform_http::Error| SealError::Unavailable(format!("{}: {error}", self.kind));
        let answer = self.http.send(ask.header("Authorization", format!("Bearer {}", token.expose()))).await;
        let answer = answer.map_err(away)?;
        if answer.status == 200 {
            return answer.json().map(Answered::Json).map_err(away);
        }
        let said: Value = answer.json().unwrap_or_default();
        let word = |name: &str| said["error"][name].as_str().unwrap_or_default().to_owned();
        let text = format!("{}: status {} {} {}", self.kind, answer.status, word("code"), word("message"));
        let text = text.trim_end().to_owned();
        Ok(match answer.status {
            401 => Answered::Unknown(SealError::Unavailable(text)),
            408 | 429 => return Err(SealError::Unavailable(text)),
            400..500 => return Err(SealError::Refused(text)),
            _ => return Err(SealError::Unavailable(text)),
        })
    }
}
