//! Every question is put to both servers, and the answers are compared once everything that has to be random is taken
//! out.
use super::peer::{Answer, Both};
use super::questions::{Question, questions};
use lessor_client::{Method, Request};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Captured texts of one server, by the names questions give them.
type Kept = HashMap<&'static str, String>;

fn filled(value: &Value, kept: &Kept) -> Value {
    match value {
        Value::String(text) => {
            json!(kept.iter().fold(text.clone(), |text, (name, value)| { text.replace(&format!("<{name}>"), value) }))
        }
        Value::Array(items) => items.iter().map(|item| filled(item, kept)).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(key, item)| (key.clone(), filled(item, kept))).collect()),
        other => other.clone(),
    }
}

fn request(question: &Question, kept: &Kept) -> Request {
    let (path, query) = question.path.split_once('?').unwrap_or((&question.path, ""));
    let mut request = Request::new(question.method, path);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap();
        request = request.query(name, value);
    }
    if question.method == Method::Put { request.body(filled(&question.body, kept)) } else { request }
}

/// Version and length of what stands behind `vault:vN:`, or only the version where lengths vary.
fn tagged(text: &str, with_length: bool) -> String {
    let Some((version, rest)) = text.strip_prefix("vault:").and_then(|rest| rest.split_once(':')) else {
        return text.to_owned();
    };
    if with_length { format!("vault:{version}:{} characters", rest.len()) } else { format!("vault:{version}:…") }
}

fn comparable(name: &str, value: &Value) -> Value {
    match (name, value) {
        ("ciphertext" | "hmac", Value::String(text)) => json!(tagged(text, true)),
        ("signature", Value::String(text)) => json!(tagged(text, false)),
        ("random_bytes" | "publickey", Value::String(text)) => json!(text.len()),
        // Data keys are longer than what the questions encrypt, which has to come back as it was.
        ("plaintext", Value::String(text)) if text.len() > 20 => json!(text.len()),
        ("backup" | "barcode", Value::String(_)) => json!("a long text"),
        ("csr" | "public_key" | "certificate_chain", Value::String(text)) => json!(text.lines().next().map(str::len)),
        ("creation_time" | "time" | "generated" | "expire_time", _) => json!("a time"),
        ("code", Value::String(text)) => json!(text.len()),
        ("url", Value::String(text)) => json!(text.split("secret=").next()),
        ("keys", Value::Object(versions)) => {
            let versions = versions.iter().map(|(number, version)| {
                let version = match version {
                    Value::Object(_) => comparable("version", version),
                    Value::Number(_) => json!("a time"),
                    Value::String(text) => json!(text.lines().next().filter(|line| line.starts_with("-----"))),
                    other => other.clone(),
                };
                (number.clone(), version)
            });
            Value::Object(versions.collect())
        }
        (_, Value::Array(items)) => items.iter().map(|item| comparable("", item)).collect(),
        (_, Value::Object(map)) => {
            let sorted: std::collections::BTreeMap<_, _> = map.iter().collect();
            let fields = sorted.into_iter().map(|(name, value)| (name.clone(), comparable(name, value)));
            Value::Object(fields.collect())
        }
        (_, other) => other.clone(),
    }
}

/// What both have to agree on. Where the peer calls a wrong input its own failure (500), Lessor calls it wrong (400).
fn normal(answer: &Answer) -> Value {
    let mut kept = Map::new();
    let status = if answer.status == 500 { 400 } else { answer.status };
    kept.insert("status".to_owned(), json!(status));
    for part in ["data", "errors", "warnings"] {
        if let Some(value) = answer.body.get(part).filter(|value| !value.is_null()) {
            kept.insert(part.to_owned(), comparable(part, value));
        }
    }
    // Go's multi-error format around a single error.
    if let Some(Value::Array(errors)) = kept.get_mut("errors") {
        for error in errors {
            let text = error.as_str().unwrap_or_default();
            *error = json!(text.trim_start_matches("1 error occurred:\n\t* ").trim_end());
        }
    }
    Value::Object(kept)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_requests_get_the_same_answers() {
    let both = Both::start().await;
    let (mut ours, mut theirs) = (Kept::new(), Kept::new());
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for question in questions() {
        let lessor = both.lessor.ask(request(&question, &ours)).await;
        let peer = both.peer.ask(request(&question, &theirs)).await;
        asked += 1;
        if let Some((name, pointer)) = question.keep {
            for (kept, answer) in [(&mut ours, &lessor), (&mut theirs, &peer)] {
                let value = answer.body.pointer(pointer).and_then(Value::as_str);
                kept.insert(name, value.unwrap_or("nothing").to_owned());
            }
        }
        let same = normal(&lessor) == normal(&peer);
        if same == question.accepted.is_some() {
            let why = question.accepted.unwrap_or("they have to be the same");
            wrong.push(format!(
                "{} {} {}\n  {why}\n  lessor: {} {}\n  peer:   {} {}",
                question.method.as_str(),
                question.path,
                question.body,
                lessor.status,
                normal(&lessor),
                peer.status,
                normal(&peer)
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked >= 80, "only {asked} questions");
}
