//! Answers that are read piece by piece, because they are large or never end.

use std::time::Duration;

use reqwest::header::{HOST, LOCATION};

use super::{Client, MAX_ANSWER, causes, next_hop};
use crate::{ApiError, Error, Method, Request};

/// Longest life of an answer that is read piece by piece.
const STREAM_LIMIT: Duration = Duration::from_secs(24 * 3600);

impl Client {
    /// Sends a request without a body and hands its answer over piece by piece, for answers that are
    /// large or never end. The configured time limit holds until the answer begins.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn open(&self, request: Request) -> Result<Stream, Error> {
        let method = request.method;
        let mut url = self.locate(self.build_url(&request)).await?;
        let headers = self.headers(&request)?;
        let mut redirected = false;
        loop {
            let http = self.http(&url).await?;
            let (target, host) = self.server_name_target(&url)?;
            let mut builder = http.request(method.http(), target).headers(headers.clone()).timeout(STREAM_LIMIT);
            if let Some(host) = host {
                builder = builder.header(HOST, host);
            }
            let broken =
                |reason: String, timeout: bool| Error::Transport { method, url: url.to_string(), reason, timeout };
            let answer = tokio::time::timeout(self.config.timeout, builder.send())
                .await
                .map_err(|_| broken("request timed out".to_owned(), true))?
                .map_err(|error| broken(causes(&error), error.is_timeout()))?;
            let status = answer.status().as_u16();
            let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
            if let (300..400, Some(location), true, false) =
                (status, location, self.config.follow_redirects, redirected)
            {
                url = next_hop(&url, &location)?;
                redirected = true;
                continue;
            }
            let mut stream = Stream { answer, method, url: url.to_string() };
            if status >= 400 {
                let bytes = stream.all().await?;
                let namespace = self.namespace().unwrap_or_default();
                return Err(Error::Api(Box::new(ApiError::new(method, url.to_string(), namespace, status, &bytes))));
            }
            return Ok(stream);
        }
    }
}

/// An answer that is read piece by piece.
#[derive(Debug)]
pub struct Stream {
    answer: reqwest::Response,
    method: Method,
    url: String,
}

impl Stream {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Transport`] when the connection breaks before the end.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let piece = self.answer.chunk().await.map_err(|error| Error::Transport {
            method: self.method,
            url: self.url.clone(),
            reason: causes(&error),
            timeout: error.is_timeout(),
        })?;
        Ok(piece.map(|bytes| bytes.to_vec()))
    }

    async fn all(&mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.chunk().await? {
            if bytes.len() + piece.len() > MAX_ANSWER {
                break;
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}
