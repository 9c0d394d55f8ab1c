//! Errors and times of the SDK as this engine knows them.
use crate::call::CallError;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use lessor_engine::Timestamp;
use std::error::Error as _;

const SLOW_DOWN: [&str; 5] =
    ["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"];

/// The whole chain of causes: the SDK's first line only says that something failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

/// Why the role's credentials were not had, where that is what went wrong.
fn of_federation<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a CallError> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

/// Sorts an error by who can mend it.
pub(super) fn failed<E>(error: &SdkError<E, Response>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let SdkError::ServiceError(context) = error else {
        if let Some(cause) = of_federation(error) {
            return cause.clone();
        }
        let text = match error.source() {
            Some(cause) => format!("AWS could not be reached: {}", chain(cause)),
            None => format!("AWS could not be reached: {error}"),
        };
        return CallError::Unavailable(text);
    };
    let status = context.raw().status().as_u16();
    let code = context.err().code().unwrap_or_default().to_owned();
    let message = match context.err().message() {
        Some(message) => message.to_owned(),
        None => format!("status {status}: {}", body(context.raw())),
    };
    if status == 429 || SLOW_DOWN.contains(&code.as_str()) {
        return CallError::Throttled(format!("{code}: {message}"));
    }
    if status >= 500 {
        return CallError::Unavailable(format!("AWS answered {status}: {code}: {message}"));
    }
    CallError::Refused { code, message }
}

fn body(response: &Response) -> String {
    let bytes = response.body().bytes().unwrap_or_default();
    String::from_utf8_lossy(bytes).chars().take(200).collect()
}

pub(super) fn time(at: &DateTime) -> Timestamp {
    let nanos = i32::try_from(at.subsec_nanos()).unwrap_or_default();
    Timestamp::new(at.secs(), nanos).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// An answer without a field that the contract promises.
pub(super) fn incomplete(what: &str) -> CallError {
    CallError::Unavailable(format!("AWS answered without {what}"))
}
