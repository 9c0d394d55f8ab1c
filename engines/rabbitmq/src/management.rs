//! The management plugin's HTTP API (<https://www.rabbitmq.com/docs/management#http-api>).
use crate::broker::{Broker, Brokers, User};
use crate::config::Config;
use crate::roles::{Permissions, TopicPermissions};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lessor_engine::{Error, Result, Secret};
use lessor_platform_http::{Answer, Ask, Http, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

/// Reaches brokers over HTTP. The last client is kept, with its open connections.
#[derive(Default)]
pub(crate) struct Management {
    last: Mutex<Option<(Trust, Http)>>,
}

/// What a client was made of.
#[derive(Clone, PartialEq, Eq)]
struct Trust {
    ca: String,
    certificate: String,
    key: Secret,
}

impl Management {
    fn client(&self, config: &Config) -> Result<Http> {
        let trust = Trust {
            ca: config.ca_cert.clone(),
            certificate: config.client_cert.clone(),
            key: config.client_key.clone(),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, http)) = last.as_ref()
            && *known == trust
        {
            return Ok(http.clone());
        }
        let identity = (!trust.certificate.is_empty()).then(|| (trust.certificate.as_str(), trust.key.expose()));
        let http = Http::with_identity(&trust.ca, identity).map_err(|error| Error::invalid(error.to_string()))?;
        *last = Some((trust, http.clone()));
        Ok(http)
    }
}

impl Brokers for Management {
    fn open(&self, config: &Config, uri: &str) -> Result<Box<dyn Broker>> {
        Ok(Box::new(Api {
            http: self.client(config)?,
            base: format!("{}/api", uri.trim_end_matches('/')),
            authorization: authorization(&config.username, &config.password),
        }))
    }
}

fn authorization(username: &str, password: &Secret) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.expose()))))
}

struct Api {
    http: Http,
    base: String,
    authorization: Secret,
}

/// One part of a path, `/` included.
fn part(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

impl Api {
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        let url = format!("{}/{path}", self.base);
        let mut ask = Ask { method, ..Ask::get(&url) }.header("Authorization", self.authorization.expose());
        if let Some(body) = body {
            ask = Ask { body: serde_json::to_vec(&body)?, ..ask.header("Content-Type", "application/json") };
        }
        let answer = self.http.send(ask).await.map_err(|error| Error::Unavailable(format!("RabbitMQ: {error}")))?;
        if answer.status >= 500 {
            return Err(Error::Unavailable(format!("RabbitMQ: {}", refusal(&answer))));
        }
        Ok(answer)
    }
    async fn put(&self, doing: &str, path: &str, body: Value) -> Result<()> {
        let answer = self.send(Method::PUT, path, Some(body)).await?;
        done(doing, &answer)
    }
}

fn refusal(answer: &Answer) -> String {
    let body: Value = answer.json().unwrap_or_default();
    let reason = [&body["reason"], &body["error"]].into_iter().find_map(Value::as_str);
    match reason {
        Some(reason) => format!("status {}: {reason}", answer.status),
        None => format!("status {}", answer.status),
    }
}

fn done(doing: &str, answer: &Answer) -> Result<()> {
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    Err(Error::Refused { status: 500, message: format!("{doing}: RabbitMQ says {}", refusal(answer)) })
}

fn user_of(value: &Value) -> Option<User> {
    let tags = match &value["tags"] {
        // Brokers before 3.9 join them by commas.
        Value::String(joined) => joined.split(',').map(str::to_owned).collect(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let tags: Vec<String> = tags;
    Some(User {
        name: value["name"].as_str()?.to_owned(),
        tags: tags.into_iter().filter(|tag| !tag.is_empty()).collect(),
    })
}

#[async_trait]
impl Broker for Api {
    async fn is_let_in(&self) -> Result<bool> {
        let answer = self.send(Method::GET, "whoami", None).await?;
        match answer.status {
            200 => Ok(true),
            401 => Ok(false),
            _ => done("failed to validate the connection", &answer).map(|()| true),
        }
    }
    async fn users(&self) -> Result<Vec<User>> {
        let answer = self.send(Method::GET, "users/", None).await?;
        done("cannot list the users", &answer)?;
        let all: Vec<Value> = answer.json().map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(all.iter().filter_map(user_of).collect())
    }
    async fn user(&self, name: &str) -> Result<Option<User>> {
        let answer = self.send(Method::GET, &format!("users/{}", part(name)), None).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        done("cannot read the user", &answer)?;
        let found: Value = answer.json().map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(user_of(&found))
    }
    async fn put_user(&self, user: &User, password: &Secret) -> Result<()> {
        let body = json!({ "name": "", "tags": user.tags.join(","), "password": password.expose() });
        let doing = "failed to create a new user with the generated credentials";
        self.put(doing, &format!("users/{}", part(&user.name)), body).await
    }
    async fn permit(&self, vhost: &str, user: &str, permissions: &Permissions) -> Result<()> {
        let doing = format!("failed to update permissions of the user on vhost {vhost:?}");
        self.put(&doing, &format!("permissions/{}/{}", part(vhost), part(user)), json!(permissions)).await
    }
    async fn permit_topic(
        &self,
        vhost: &str,
        exchange: &str,
        user: &str,
        permissions: &TopicPermissions,
    ) -> Result<()> {
        let doing = format!("failed to update topic permissions of the user on vhost {vhost:?}");
        let body = json!({ "exchange": exchange, "write": permissions.write, "read": permissions.read });
        self.put(&doing, &format!("topic-permissions/{}/{}", part(vhost), part(user)), body).await
    }
    async fn delete_user(&self, name: &str) -> Result<()> {
        let answer = self.send(Method::DELETE, &format!("users/{}", part(name)), None).await?;
        if answer.status == 404 { Ok(()) } else { done("cannot delete the user", &answer) }
    }
}
