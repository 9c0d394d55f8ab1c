//! What the server tells of a mount: every path is asked once, whatever number of checks look at it.
use std::collections::HashMap;

use lessor_client::{Error, Request};
use serde_json::{Map, Value};

use super::Finding;
use crate::command::clean;
use crate::commands::pki::authority::local;
use crate::commands::pki::certificate::Certificate;
use crate::context::Ctx;
use crate::failure::Failure;

/// What was found at a path.
#[derive(Clone, Debug)]
pub enum Told {
    Data(Map<String, Value>),
    Nothing,
    /// The token may not look there.
    Forbidden,
    /// The server has no such endpoint.
    Unknown,
}

impl Told {
    /// The data, or what is to be said in its place; nothing where there is nothing.
    pub fn data(self, endpoint: &str) -> Result<Map<String, Value>, Vec<Finding>> {
        match self {
            Self::Data(data) => Ok(data),
            Self::Nothing => Err(Vec::new()),
            Self::Forbidden => Err(vec![Finding::forbidden(endpoint)]),
            Self::Unknown => Err(vec![Finding::unknown(endpoint)]),
        }
    }
}

/// One mount.
pub struct Server<'a> {
    ctx: &'a mut Ctx,
    pub mount: String,
    asked: HashMap<(String, bool), Told>,
}

/// Texts of a list, however the server writes an empty one.
pub fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl<'a> Server<'a> {
    /// # Errors
    /// When the mount is of another kind, or nobody can tell.
    pub async fn of(ctx: &'a mut Ctx, mount: String) -> Result<Self, Failure> {
        if mount.starts_with("auth/") {
            return Err(Failure::local("refusing to run a pki health check on an auth method"));
        }
        for path in [format!("sys/mounts/{mount}"), format!("sys/internal/ui/mounts/{mount}")] {
            let answer = ctx.send(Request::get(&path)).await?.ok().and_then(|answer| answer.json);
            if let Some(kind) = answer.as_ref().and_then(|answer| answer["data"]["type"].as_str()) {
                return match kind {
                    "pki" => Ok(Self { ctx, mount, asked: HashMap::new() }),
                    other => Err(Failure::local(format!("refusing to run pki health-check on mount of type {other}"))),
                };
            }
        }
        // A token without rights still sees what everybody sees.
        let what = format!("{mount} could not be told to be a pki mount");
        let found = ctx.find(&what, Request::get(&format!("{mount}/cert/ca"))).await.map_err(local)?;
        match found {
            Some(answer) if answer["data"]["certificate"].is_string() => Ok(Self { ctx, mount, asked: HashMap::new() }),
            _ => Err(Failure::local(format!("refusing to run pki health-check: {mount} is no pki mount"))),
        }
    }

    /// A path of the mount, as findings name it.
    pub fn endpoint(&self, path: &str) -> String {
        format!("/{}/{path}", self.mount)
    }

    pub async fn read(&mut self, path: &str) -> Result<Told, Failure> {
        self.ask(&self.endpoint(path), false).await
    }

    pub async fn list(&mut self, path: &str) -> Result<Told, Failure> {
        self.ask(&self.endpoint(path), true).await
    }

    /// How the mount is tuned, with the endpoint.
    pub async fn tune(&mut self) -> Result<(String, Told), Failure> {
        let endpoint = format!("/sys/mounts/{}/tune", self.mount);
        let told = self.ask(&endpoint, false).await?;
        Ok((endpoint, told))
    }

    async fn ask(&mut self, endpoint: &str, lists: bool) -> Result<Told, Failure> {
        let key = (endpoint.to_owned(), lists);
        if let Some(told) = self.asked.get(&key) {
            return Ok(told.clone());
        }
        let path = clean(endpoint);
        let request = if lists { Request::list(&path) } else { Request::get(&path) };
        let told = match self.ctx.send(request).await? {
            Ok(answer) => match answer.json.and_then(|mut json| json.get_mut("data").map(Value::take)) {
                Some(Value::Object(data)) => Told::Data(data),
                _ => Told::Nothing,
            },
            Err(Error::Api(api)) if api.mentions("unsupported path") => Told::Unknown,
            Err(Error::Api(api)) if api.status == 403 => Told::Forbidden,
            Err(Error::Api(api)) if api.status == 404 || api.mentions("unable to find") => Told::Nothing,
            Err(error) => return Err(local(self.ctx.failure("", &error).await)),
        };
        self.asked.insert(key, told.clone());
        Ok(told)
    }

    /// Ids of the mount's issuers, or what there is to say without them.
    ///
    /// # Errors
    /// When there are none: most checks are about them.
    pub async fn issuers(&mut self) -> Result<Result<Vec<String>, Vec<Finding>>, Failure> {
        match self.list("issuers").await? {
            Told::Nothing => Err(Failure::local("the mount has no issuers yet")),
            told => Ok(told.data(&self.endpoint("issuers")).map(|data| texts(data.get("keys")))),
        }
    }

    /// The certificate at a path that everybody may read.
    pub async fn certificate(&mut self, path: &str) -> Result<Option<Certificate>, Failure> {
        let Told::Data(data) = self.read(path).await? else { return Ok(None) };
        let text = data.get("certificate").and_then(Value::as_str).unwrap_or_default();
        let read = Certificate::from_pem(text);
        read.map(Some).map_err(|why| Failure::local(format!("{}: {why}", self.endpoint(path))))
    }

    /// Ids and certificates of all issuers that can be read.
    pub async fn authorities(&mut self) -> Result<Result<Vec<(String, Certificate)>, Vec<Finding>>, Failure> {
        let ids = match self.issuers().await? {
            Ok(ids) => ids,
            Err(said) => return Ok(Err(said)),
        };
        let mut found = Vec::new();
        for id in ids {
            if let Some(certificate) = self.certificate(&format!("issuer/{id}/json")).await? {
                found.push((id, certificate));
            }
        }
        Ok(Ok(found))
    }

    /// Asks for the ACME directory below a URL that may be another server's name.
    pub async fn directory_at(&self, url: &str) -> Result<(), String> {
        let Some((address, path)) = url.split_once("/v1/") else {
            return Err(format!("path {url:?} is not that of a mount, such as https://host:8200/v1/pki"));
        };
        if !address.starts_with("https://") {
            return Err(format!("path {url:?} is not https"));
        }
        let mut config = self.ctx.config().clone();
        config.address = address.to_owned();
        config.token = Some(lessor_client::Token::new(""));
        config.namespace = None;
        // The question is whether a directory is there; clients check whose it is.
        config.tls.skip_verify = true;
        let client = lessor_client::Client::new(config).map_err(|error| error.to_string())?;
        let directory = format!("{}/acme/directory", path.trim_matches('/'));
        let answer = client.send(Request::get(&directory)).await.map_err(|error| error.to_string())?;
        match answer.json {
            Some(json) if json["newOrder"].is_string() => Ok(()),
            _ => Err(format!("there is no ACME directory at {url}/acme/directory")),
        }
    }
}
