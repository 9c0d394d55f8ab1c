//! What an answer of the server means for the caller, and for everybody else who waits for the same server.
use lessor_engine::Error;
use std::error::Error as _;
use tokio_postgres::error::SqlState;

/// Shorter values are not looked for in error texts: replacing them would mangle every word.
const SHORTEST_REDACTED: usize = 4;

/// The role is not there.
pub fn is_missing(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::UNDEFINED_OBJECT)
}

/// An object of that name is already there.
pub fn is_duplicate(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::DUPLICATE_OBJECT)
}

/// Two transactions changed the privileges of one object at once; the loser only has to try again.
pub fn is_collision(error: &tokio_postgres::Error) -> bool {
    let collided = |message: &str| message.contains("tuple concurrently");
    match error.code() {
        Some(code) if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED => true,
        Some(code) if *code == SqlState::INTERNAL_ERROR => error.as_db_error().is_some_and(|e| collided(e.message())),
        _ => false,
    }
}

/// The connection is no more, whatever became of what was sent on it.
pub fn is_broken(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => is_absence(code),
        None => {
            error.is_closed() || error.source().is_some_and(<dyn std::error::Error + 'static>::is::<std::io::Error>)
        }
    }
}

/// The server is going down, coming up, or full.
fn is_absence(code: &SqlState) -> bool {
    code.code().starts_with("08")
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
        ]
        .contains(code)
}

/// Takes secrets out of a text.
pub fn redact(mut text: String, secrets: &[&str]) -> String {
    for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST_REDACTED) {
        text = text.replace(secret, "[password]");
    }
    text
}

/// The error of an engine; `doing` begins the sentence.
pub fn map(doing: &str, error: &tokio_postgres::Error, secrets: &[&str]) -> Error {
    if let Some(db) = error.as_db_error() {
        let mut text = format!("{doing}: {}: {} (SQLSTATE {})", db.severity(), db.message(), db.code().code());
        for (word, more) in [("detail", db.detail()), ("hint", db.hint())] {
            if let Some(more) = more {
                text.push_str(&format!("; {word}: {more}"));
            }
        }
        let message = redact(text, secrets);
        if is_absence(db.code()) {
            return Error::Unavailable(message);
        }
        return Error::Refused { status: 500, message };
    }
    // The driver's own word ("db error", "error connecting to server") says little without its cause.
    let mut text = format!("{doing}: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    Error::Unavailable(redact(text, secrets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_do_not_mangle_texts() {
        assert_eq!(redact("a secret word".to_owned(), &["a", "secret"]), "a [password] word");
    }
}
