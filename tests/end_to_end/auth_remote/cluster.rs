//! A cluster's API server, as far as token reviews go: it knows the tokens it was told of.
use super::signer::Signer;
use super::stand_in::{Asked, StandIn};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// How the cluster behaves.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    #[default]
    Good,
    /// The account or pod was deleted.
    Unknown,
    AnotherName,
    AnotherUid,
    /// Does not know of audiences.
    NoAudiences,
    /// The reviewer may not review.
    Forbidden,
    Broken,
}

pub struct Cluster {
    pub stand_in: StandIn,
    mood: Arc<Mutex<Mood>>,
}

fn review(mood: Mood, asked: &Asked) -> (u16, Value) {
    let mut body = asked.json();
    assert_eq!(asked.path, "/apis/authentication.k8s.io/v1/tokenreviews");
    assert!(asked.header("authorization").starts_with("Bearer "));
    let claims = Signer::claims(body["spec"]["token"].as_str().unwrap());
    let name = claims["sub"].as_str().unwrap_or_default().to_owned();
    let uid = claims["kubernetes.io"]["serviceaccount"]["uid"].as_str().unwrap_or("u-1").to_owned();
    let mut status = json!({ "authenticated": true, "user": { "username": name, "uid": uid } });
    if body["spec"]["audiences"].is_array() && mood != Mood::NoAudiences {
        status["audiences"] = body["spec"]["audiences"].clone();
    }
    match mood {
        Mood::Unknown => status = json!({ "authenticated": false, "error": "invalid bearer token" }),
        Mood::AnotherName => status["user"]["username"] = json!("jane"),
        Mood::AnotherUid => status["user"]["uid"] = json!("u-2"),
        Mood::Forbidden => return (403, json!({ "kind": "Status", "status": "Failure", "reason": "Forbidden" })),
        Mood::Broken => return (500, json!({})),
        Mood::Good | Mood::NoAudiences => {}
    }
    body["status"] = status;
    (201, body)
}

impl Cluster {
    /// Its namespaces have a label `team` with their own name.
    pub fn start() -> Self {
        let mood = Arc::new(Mutex::new(Mood::default()));
        let now = Arc::clone(&mood);
        let stand_in = StandIn::start(move |asked| match asked.path.strip_prefix("/api/v1/namespaces/") {
            Some(name) => (200, json!({ "metadata": { "name": name, "labels": { "team": name } } })),
            None => review(*now.lock().unwrap(), asked),
        });
        Self { stand_in, mood }
    }
    pub fn mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}
