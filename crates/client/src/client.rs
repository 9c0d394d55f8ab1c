mod stream;

use std::error::Error as _;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Proxy, Url};
use serde_json::Value;
use tokio::sync::OnceCell;

pub use stream::Stream;

use crate::rate::Bucket;
use crate::{ApiError, Config, Error, Method, Request, Response, Token, tls};

/// Answers above this size are refused; the server itself takes no larger bodies than 32 MiB.
const MAX_ANSWER: usize = 64 << 20;

/// A client bound to one address, token and namespace.
#[derive(Debug)]
pub struct Client {
    config: Config,
    base: Url,
    socket: Option<String>,
    bucket: Option<Bucket>,
    /// Host and port of the service record, once it was asked for; `None` where there is no such record.
    service: OnceCell<Option<(String, u16)>>,
    plain: OnceCell<reqwest::Client>,
    secure: OnceCell<reqwest::Client>,
}

impl Client {
    /// Checks the address; TLS files are read before the first https request.
    ///
    /// # Errors
    /// [`Error::Address`] when the address is no http, https or unix URL.
    pub fn new(config: Config) -> Result<Self, Error> {
        let socket = config.address.strip_prefix("unix://").map(str::to_owned);
        let text = if socket.is_some() { "http://localhost" } else { config.address.as_str() };
        let bad = |reason: &str| Error::Address { address: config.address.clone(), reason: reason.to_owned() };
        let base = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(bad("expected http://host:port, https://host:port or unix:///path"));
        }
        let bucket = config.rate_limit.map(Bucket::new);
        Ok(Self {
            config,
            base,
            socket,
            bucket,
            service: OnceCell::new(),
            plain: OnceCell::new(),
            secure: OnceCell::new(),
        })
    }

    /// The settings the client was built with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The full URL a request goes to.
    #[must_use]
    pub fn url(&self, request: &Request) -> String {
        self.build_url(request).to_string()
    }

    /// Sends `method path?query` with an optional JSON body.
    ///
    /// # Errors
    /// See [`Client::send`].
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Response, Error> {
        let mut request = Request::new(method, path);
        for (key, value) in query {
            request = request.query(key, value);
        }
        request.body = body;
        self.send(request).await
    }

    /// Sends a request, retrying and following one redirect as configured.
    ///
    /// # Errors
    /// [`Error::Api`] for a status of 400 or more, the other variants when there was no answer.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let method = request.method;
        let mut url = self.locate(self.build_url(&request)).await?;
        let headers = self.headers(&request)?;
        let body = match (request.bytes, &request.body) {
            (Some(bytes), _) => Some(bytes),
            (None, Some(value)) => Some(serde_json::to_vec(value).map_err(|error| Error::Decode {
                method,
                url: url.to_string(),
                reason: error.to_string(),
            })?),
            (None, None) => None,
        };
        let mut redirected = false;
        loop {
            let (status, location, bytes) = self.attempts(method, &url, &headers, body.as_deref()).await?;
            if (300..400).contains(&status)
                && status != 304
                && self.config.follow_redirects
                && let (Some(location), false) = (location, redirected)
            {
                url = next_hop(&url, &location)?;
                redirected = true;
                continue;
            }
            if status >= 400 {
                let namespace = self.namespace().unwrap_or_default();
                let error = ApiError::new(method, url.to_string(), namespace, status, &bytes);
                return Err(Error::Api(Box::new(error)));
            }
            return Ok(Response::new(method, url.to_string(), status, bytes));
        }
    }

    async fn attempts(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Result<(u16, Option<String>, Vec<u8>), Error> {
        let mut attempt: u32 = 0;
        loop {
            if let Some(bucket) = &self.bucket {
                bucket.take().await;
            }
            let outcome = self.attempt(method, url, headers, body).await;
            let again = match &outcome {
                Ok((status, ..)) => *status == 412 || (*status >= 500 && *status != 501),
                Err(Error::Transport { timeout, .. }) => !timeout,
                Err(_) => false,
            };
            if !again || attempt >= self.config.max_retries {
                return outcome;
            }
            attempt += 1;
            tokio::time::sleep(self.pause(attempt)).await;
        }
    }

    fn pause(&self, attempt: u32) -> Duration {
        let (least, most) = self.config.retry_wait;
        let spread = most.saturating_sub(least).mul_f64(rand::random::<f64>());
        (least + spread) * attempt
    }

    async fn attempt(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Result<(u16, Option<String>, Vec<u8>), Error> {
        let failed = |error: &reqwest::Error| Error::Transport {
            method,
            url: url.to_string(),
            reason: causes(error),
            timeout: error.is_timeout(),
        };
        let http = self.http(url).await?;
        let (target, host) = self.server_name_target(url)?;
        let mut builder = http.request(method.http(), target).headers(headers.clone());
        if let Some(host) = host {
            builder = builder.header(HOST, host);
        }
        if let Some(body) = body {
            builder = builder.body(body.to_vec());
        }
        let mut answer = builder.send().await.map_err(|error| failed(&error))?;
        let status = answer.status().as_u16();
        let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| failed(&error))? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(Error::Transport {
                    method,
                    url: url.to_string(),
                    reason: format!("answer is larger than {MAX_ANSWER} bytes"),
                    timeout: false,
                });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((status, location, bytes))
    }

    fn build_url(&self, request: &Request) -> Url {
        let mut url = self.base.clone();
        let prefix = self.base.path().trim_end_matches('/');
        // The URL type escapes what must be escaped except '%', which is a plain character in a path name here.
        url.set_path(&format!("{prefix}/v1/{}", request.path.replace('%', "%25")));
        if !request.query.is_empty() {
            // By name, as the field's clients send them; what is given twice keeps its order.
            let mut query = request.query.clone();
            query.sort_by(|(a, _), (b, _)| a.cmp(b));
            url.query_pairs_mut().extend_pairs(&query);
        }
        url
    }

    /// Where the service record of the address points, if it is to be asked for: only where no port is given, once.
    async fn locate(&self, mut url: Url) -> Result<Url, Error> {
        let (Some(lookup), None, None) = (&self.config.srv_lookup, self.base.port(), &self.socket) else {
            return Ok(url);
        };
        let service = self.service.get_or_try_init(|| lookup.service(url.host_str().unwrap_or_default())).await?;
        if let Some((host, port)) = service {
            let bad = || Error::Address { address: format!("{host}:{port}"), reason: "no host and port".to_owned() };
            url.set_host(Some(host)).map_err(|_| bad())?;
            url.set_port(Some(*port)).map_err(|()| bad())?;
        }
        Ok(url)
    }

    fn namespace(&self) -> Option<String> {
        let name = self.config.namespace.as_deref()?.trim_matches('/');
        (!name.is_empty()).then(|| format!("{name}/"))
    }

    fn headers(&self, request: &Request) -> Result<HeaderMap, Error> {
        let mut map = HeaderMap::new();
        let mut put = |name: &str, value: &str, secret: bool| -> Result<(), Error> {
            let bad = |reason: String| Error::Header { name: name.to_owned(), reason };
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|e| bad(e.to_string()))?;
            let mut value = HeaderValue::from_str(value).map_err(|e| bad(e.to_string()))?;
            value.set_sensitive(secret);
            map.append(key, value);
            Ok(())
        };
        put("X-Vault-Request", "true", false)?;
        let token: Option<&Token> = request.token.as_ref().or(self.config.token.as_ref());
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            put("X-Vault-Token", token.expose(), true)?;
        }
        if let Some(namespace) = self.namespace() {
            put("X-Vault-Namespace", &namespace, false)?;
        }
        if let (Some(ttl), true) = (&self.config.wrap_ttl, request.wrap) {
            put("X-Vault-Wrap-TTL", ttl, false)?;
        }
        for mfa in &self.config.mfa {
            put("X-Vault-MFA", mfa, true)?;
        }
        if self.config.policy_override {
            put("X-Vault-Policy-Override", "true", false)?;
        }
        for (name, value) in &self.config.headers {
            put(name, value, true)?;
        }
        if request.method == Method::Patch {
            put(CONTENT_TYPE.as_str(), "application/merge-patch+json", false)?;
        } else if request.body.is_some() {
            put(CONTENT_TYPE.as_str(), "application/json", false)?;
        }
        Ok(map)
    }

    async fn http(&self, url: &Url) -> Result<&reqwest::Client, Error> {
        if url.scheme() == "https" {
            self.secure.get_or_try_init(|| self.build_http(Some(url))).await
        } else {
            self.plain.get_or_try_init(|| self.build_http(None)).await
        }
    }

    async fn build_http(&self, secure: Option<&Url>) -> Result<reqwest::Client, Error> {
        let tls = match secure {
            Some(_) => tls::client_config(&self.config.tls)?,
            None => tls::unused_config()?,
        };
        let mut builder = reqwest::Client::builder()
            .use_preconfigured_tls(tls)
            .http1_only()
            .redirect(Policy::none())
            .timeout(self.config.timeout);
        if let Some(socket) = &self.socket {
            builder = builder.unix_socket(std::path::PathBuf::from(socket));
        }
        if let Some(proxy) = &self.config.proxy {
            builder = builder.proxy(
                Proxy::all(proxy).map_err(|error| Error::Address { address: proxy.clone(), reason: causes(&error) })?,
            );
        }
        if let (Some(url), Some(name)) = (secure, &self.config.tls.server_name) {
            builder = builder.no_proxy().resolve_to_addrs(name, &addresses(url).await?);
        }
        builder.build().map_err(|error| Error::Tls(causes(&error)))
    }

    /// With a server name override the URL names that host (so it is sent as SNI and checked) and
    /// the resolver is told the real address; the Host header keeps the address as typed.
    fn server_name_target(&self, url: &Url) -> Result<(Url, Option<String>), Error> {
        let Some(name) = self.config.tls.server_name.as_ref().filter(|_| url.scheme() == "https") else {
            return Ok((url.clone(), None));
        };
        let mut target = url.clone();
        target.set_host(Some(name)).map_err(|error| Error::Tls(format!("{name}: {error}")))?;
        let host = url.host_str().unwrap_or_default();
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok((target, Some(host)))
    }
}

async fn addresses(url: &Url) -> Result<Vec<SocketAddr>, Error> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let found = tokio::net::lookup_host((host.as_str(), port))
        .await
        .map_err(|error| Error::Address { address: url.to_string(), reason: error.to_string() })?;
    Ok(found.collect())
}

fn next_hop(from: &Url, location: &str) -> Result<Url, Error> {
    let to = from
        .join(location)
        .map_err(|error| Error::Address { address: location.to_owned(), reason: error.to_string() })?;
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(Error::Downgrade { from: from.to_string(), to: to.to_string() });
    }
    Ok(to)
}

/// The chain of causes without the URL, which the caller's message already has.
fn causes(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = cause.source();
    }
    if parts.is_empty() {
        return if error.is_timeout() { "request timed out".to_owned() } else { error.to_string() };
    }
    parts.join(": ")
}
