//! Asks STS, and reads what it says.
use crate::config::Config;
use crate::request::Signed;
use aws_smithy_xml::decode::{Document, ScopedDecoder, try_data};
use lessor_engine::{Error, Result};
use lessor_platform_http::{Ask, Http};

/// Who signed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) arn: String,
    pub(crate) account: String,
    /// With the session behind a colon.
    pub(crate) user_id: String,
}

fn read(result: &mut ScopedDecoder<'_, '_>, caller: &mut Caller) {
    while let Some(mut tag) = result.next_tag() {
        let place = match tag.start_el().local() {
            "Arn" => &mut caller.arn,
            "Account" => &mut caller.account,
            "UserId" => &mut caller.user_id,
            _ => continue,
        };
        *place = try_data(&mut tag).unwrap_or_default().trim().to_owned();
    }
}

/// `None` when it is no answer to this question.
fn parse(text: &str) -> Option<Caller> {
    let mut document = Document::new(text);
    let mut root = document.root_element().ok()?;
    if root.start_el().local() != "GetCallerIdentityResponse" {
        return None;
    }
    let mut caller = Caller::default();
    while let Some(mut tag) = root.next_tag() {
        if tag.start_el().local() == "GetCallerIdentityResult" {
            read(&mut tag, &mut caller);
        }
    }
    let complete = ![&caller.arn, &caller.account, &caller.user_id].iter().any(|text| text.is_empty());
    complete.then_some(caller)
}

/// Who signed the request.
///
/// # Errors
/// When STS does not believe the signature ([`Error::Invalid`]) or does not answer ([`Error::Unavailable`]).
pub(crate) async fn ask(http: &Http, config: &Config, signed: Signed) -> Result<Caller> {
    let failed = |error: &dyn std::fmt::Display| Error::Unavailable(format!("error making upstream request: {error}"));
    let url = format!("{}{}", config.sts_address(&signed.region), signed.path);
    let mut ask = if signed.is_get { Ask::get(&url) } else { Ask::post(&url, "", signed.body) };
    ask.headers = signed.headers;
    let answer = http.send(ask).await.map_err(|error| failed(&error))?;
    let text = String::from_utf8_lossy(&answer.body);
    match answer.status {
        200 => parse(&text).ok_or_else(|| failed(&"STS answers with something else")),
        status @ 400..500 => {
            Err(Error::invalid(format!("error making upstream request: received error code {status} from STS")))
        }
        status => Err(failed(&format!("received error code {status} from STS"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_read_and_nothing_else_is() {
        let text = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
                    <Arn>arn:aws:iam::1:user/bob</Arn><UserId>AIDA</UserId><Account>1</Account></GetCallerIdentityResult>\
                    <ResponseMetadata><RequestId>x</RequestId></ResponseMetadata></GetCallerIdentityResponse>";
        let caller = parse(text).unwrap();
        assert_eq!(
            (caller.arn.as_str(), caller.account.as_str(), caller.user_id.as_str()),
            ("arn:aws:iam::1:user/bob", "1", "AIDA")
        );
        assert!(parse(&text.replace("GetCallerIdentityResponse", "Other")).is_none());
        assert!(parse(&text.replace("<Account>1</Account>", "")).is_none());
        assert!(parse("<html>").is_none() && parse("{}").is_none());
    }
}
