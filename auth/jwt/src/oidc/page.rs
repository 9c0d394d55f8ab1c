//! What a browser is shown that comes back to this server. No script, no picture, in nobody's frame.
use super::state::Pending;
use lessor_engine::Reply;

const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

fn escaped(text: &str) -> String {
    let one = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        other => other.to_string(),
    };
    text.chars().map(one).collect()
}

fn page(status: u16, title: &str, body: &str) -> Reply {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <body style=\"font-family:system-ui,sans-serif;margin:3em auto;max-width:34em\"><h1>{title}</h1>{body}"
    );
    Reply::raw("text/html; charset=utf-8", html.into_bytes())
        .status(status)
        .header("content-security-policy", POLICY)
        .header("x-frame-options", "DENY")
        .header("referrer-policy", "no-referrer")
}

/// Was it you?
pub(super) fn confirm(pending: &Pending, state: &str, code: &str) -> Reply {
    let (from, role) = (escaped(&pending.requester), escaped(&pending.role));
    // What was posted lies here already, and need not stand in an address.
    let code = if pending.posted.is_some() { "" } else { code };
    let (state, code) = (escaped(state), escaped(code));
    let body = format!(
        "<p>Somebody at <b>{from}</b> asks to be let in as you, with the role <b>{role}</b>.</p>\
         <p>If you did not begin this login yourself, close this window.</p>\
         <form method=\"get\"><input type=\"hidden\" name=\"state\" value=\"{state}\">\
         <input type=\"hidden\" name=\"code\" value=\"{code}\">\
         <button name=\"confirmation\" value=\"yes\">It was me: sign in</button></form>"
    );
    page(200, "Confirm the login", &body)
}

/// It is done.
pub(super) fn done() -> Reply {
    page(200, "Signed in", "<p>You can close this window and go back to where you began.</p>")
}

/// It is not.
pub(super) fn failed(why: &str) -> Reply {
    page(400, "The login failed", &format!("<p>{}</p>", escaped(why)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lessor_engine::{Outcome, Secret};

    #[test]
    fn what_others_wrote_is_text_and_nothing_else() {
        let role = "<script>\"'&".to_owned();
        let pending = Pending::new(role, String::new(), Secret::default());
        let reply = confirm(&pending, "a\"><b>", "c");
        let Outcome::Raw(raw) = reply.outcome else { panic!("a page") };
        let text = String::from_utf8(raw.bytes).unwrap();
        assert!(
            text.contains("&lt;script&gt;&quot;&#39;&amp;") && text.contains("value=\"a&quot;&gt;&lt;b&gt;\""),
            "{text}"
        );
        assert!(!text.contains("<script"));
        assert!(reply.headers.iter().any(|(name, value)| *name == "x-frame-options" && value == "DENY"));
    }
}
