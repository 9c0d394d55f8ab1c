//! The path of a request, as core may see it.
use lessor_core::response::Response;
use percent_encoding::percent_decode_str;

/// What becomes of a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// Behind `/v1/`, decoded.
    Path(String),
    /// Where the clean form is.
    Elsewhere(String),
}

/// Checks and decodes a raw path.
///
/// # Errors
/// The answer to a path that is none of the API's, or that could be read in two ways.
pub fn clean(raw: &str) -> Result<Cleaned, Response> {
    if let Some(path) = ocsp(raw) {
        return Ok(Cleaned::Path(path));
    }
    if let Some(clean) = redirection(raw) {
        return Ok(Cleaned::Elsewhere(clean));
    }
    let path = raw.strip_prefix("/v1/").ok_or_else(Response::missing)?;
    let decoded = percent_decode_str(path).decode_utf8();
    let decoded = decoded.map_err(|_| Response { status: 400, ..Response::empty() })?;
    if decoded.chars().any(char::is_control) {
        return Err(Response { status: 400, ..Response::empty() });
    }
    if decoded.split('/').any(|segment| segment == "..") {
        return Err(Response::error(400, "relative paths not supported"));
    }
    // Only an encoded slash can leave an empty segment behind here.
    if decoded.contains("//") || decoded.starts_with('/') {
        return Err(Response::error(400, "the path has empty segments: use single slashes"));
    }
    Ok(Cleaned::Path(decoded.into_owned()))
}

/// A question in OCSP by GET (RFC 6960, A.1): base64, in which slashes may follow each other and mean what they are.
fn ocsp(raw: &str) -> Option<String> {
    let (mount, question) = raw.strip_prefix("/v1/")?.split_once("/ocsp/")?;
    let question = percent_decode_str(question).decode_utf8().ok()?;
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_');
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let plain = mount.chars().all(is_name) && mount.split('/').all(|name| !matches!(name, "" | "." | ".."));
    // The shortest question has some sixty bytes.
    let is_question = question.len() > 60 && question.chars().all(base64);
    (plain && is_question && question.contains("//")).then(|| format!("{mount}/ocsp/{question}"))
}

/// The path without empty, `.` and `..` segments, if it has any.
fn redirection(raw: &str) -> Option<String> {
    let inner = raw.strip_prefix('/').unwrap_or(raw);
    let (folder, names) = match inner.strip_suffix('/') {
        Some(names) => ("/", names),
        None => ("", inner),
    };
    if !names.split('/').any(|name| matches!(name, "" | "." | "..")) || inner.is_empty() {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    for name in names.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    Some(format!("/{}{}", kept.join("/"), if kept.is_empty() { "" } else { folder }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_be_read_in_two_ways_are_never_served() {
        let at = |path: &str| clean(path).map_err(|answer| answer.status);
        assert_eq!(at("/v1/secret/data/a%20b"), Ok(Cleaned::Path("secret/data/a b".into())));
        assert_eq!(at("/v1/secret/"), Ok(Cleaned::Path("secret/".into())));
        assert_eq!(at("/v1//secret/a"), Ok(Cleaned::Elsewhere("/v1/secret/a".into())));
        assert_eq!(at("/v1/a/../secret//b/"), Ok(Cleaned::Elsewhere("/v1/secret/b/".into())));
        assert_eq!(at("/v1/../../etc"), Ok(Cleaned::Elsewhere("/etc".into())));
        assert_eq!(at("//"), Ok(Cleaned::Elsewhere("/".into())));
        for (path, status) in [("/v1/a/%2e%2e/b", 400), ("/v1/a%00", 400), ("/v1/%ff", 400), ("/v1/a%2f/b", 400)] {
            assert_eq!(at(path), Err(status), "{path}");
        }
        let question = format!("MG//{}", "a+b=".repeat(20));
        for written in [question.clone(), question.replace('/', "%2F")] {
            assert_eq!(at(&format!("/v1/a/pki/ocsp/{written}")), Ok(Cleaned::Path(format!("a/pki/ocsp/{question}"))));
            assert!(!matches!(at(&format!("/v1/a/%2e%2e/ocsp/{written}")), Ok(Cleaned::Path(_))));
        }
        for path in ["/", "/v1", "/v2/sys/health", "/anything"] {
            assert_eq!(at(path), Err(404), "{path}");
        }
    }
}
