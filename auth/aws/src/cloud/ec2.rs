//! EC2's one question (API version 2016-11-15): what is this instance?
use super::error::{Answer, CallError, incomplete};
use super::instance::{self, Instance};
use super::session::Session;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use lessor_engine::Timestamp;
use lessor_platform_http::{Ask, Http, Patience};
use std::time::{Duration, SystemTime};

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// Retries where the configuration leaves it to the SDK, which does as many.
const RETRIES: u32 = 2;

fn broken(error: &dyn std::fmt::Display) -> CallError {
    CallError::Unavailable(format!("EC2 cannot be asked: {error}"))
}

fn question(id: &str) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([("Action", "DescribeInstances"), ("Version", "2016-11-15"), ("InstanceId.1", id)]);
    form.finish()
}

impl Session {
    /// An instance in the session's region; an error when there is none of this id.
    pub(crate) async fn instance(&self, http: &Http, id: &str, now: Timestamp) -> Answer<Instance> {
        let (body, url) = (question(id), format!("{}/", self.config.ec2_address(&self.region)));
        let mut ask = Ask::post(&url, FORM, body.clone().into_bytes());
        ask.headers.extend(self.signature(&url, &body, now).await?);
        let retries = u32::try_from(self.config.max_retries).unwrap_or(RETRIES);
        let patience = Patience { retries, delay: Duration::from_millis(100), longest: Duration::from_secs(2) };
        let answer = http.patient(patience).send(ask).await;
        let answer = answer.map_err(|error| CallError::Unavailable(format!("AWS could not be reached: {error}")))?;
        let text = String::from_utf8_lossy(&answer.body);
        if answer.status != 200 {
            let (code, message) = instance::refusal(&text);
            return Err(CallError::answered(answer.status, &code, &message));
        }
        let found = instance::parse(&text).ok_or_else(|| incomplete("an instance"))?;
        if found.id == id { Ok(found) } else { Err(incomplete("the instance that was asked for")) }
    }

    /// The headers that sign a request.
    async fn signature(&self, url: &str, body: &str, now: Timestamp) -> Answer<Vec<(String, String)>> {
        let credentials = self.clients().await.credentials.get().await?;
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ec2")
            .time(SystemTime::from(now))
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| broken(&error))?
            .into();
        let headers = [("content-type", FORM)].into_iter();
        let request = SignableRequest::new("POST", url, headers, SignableBody::Bytes(body.as_bytes()));
        let signed = sign(request.map_err(|error| broken(&error))?, &params).map_err(|error| broken(&error))?;
        let (added, _) = signed.into_parts().0.into_parts();
        Ok(added.iter().map(|header| (header.name().to_owned(), header.value().to_owned())).collect())
    }
}
