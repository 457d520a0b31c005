//! Requests of receivers, and what answers mean.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method};
use serde_json::Value as Json;
use url::Url;
use wf_httpkit::client::{ClientError, ClientOptions, OptionsError};
use wf_httpkit::{HttpClient, Secret};

use super::{Context, FailReason, NotifyError};

/// Most of an answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Most of an answer that is shown in an error.
const SHOWN_BYTES_MAX: usize = 512;

/// Services whose address is not a setting.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    pub(super) pushover: String,
    pub(super) pagerduty_v1: String,
    pub(super) slack_update: String,
}

impl Default for Fixed {
    fn default() -> Self {
        Self {
            pushover: "https://api.pushover.net/1/messages.json".to_owned(),
            pagerduty_v1: "https://events.pagerduty.com/generic/2010-04-15/create_event.json".to_owned(),
            slack_update: "https://slack.com/api/chat.update".to_owned(),
        }
    }
}

/// A client of one integration.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: HttpClient,
    pub(super) fixed: Fixed,
    /// WeChat's token and when it was fetched.
    pub(super) token: std::sync::Arc<parking_lot::Mutex<Option<(String, std::time::Instant)>>>,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: Method,
    url: Secret<String>,
    headers: Vec<(&'static str, Secret<String>)>,
    body: Bytes,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: String,
}

impl Request {
    /// Posts JSON as Go's encoder writes it.
    pub(super) fn json(url: impl Into<String>, body: &Json) -> Self {
        Self::new(Method::POST, url).with_json(body)
    }

    pub(super) fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: Secret::new(url.into()), headers: Vec::new(), body: Bytes::new() }
    }

    pub(super) fn with_json(self, body: &Json) -> Self {
        self.header("content-type", "application/json").with_body(crate::json::to_line(body))
    }

    pub(super) fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, Secret::new(value.into())));
        self
    }

    /// Authorises with a token.
    pub(super) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }
}

impl Http {
    pub(super) fn new(options: &ClientOptions) -> Result<Self, OptionsError> {
        Ok(Self {
            client: HttpClient::new(options)?,
            fixed: Fixed::default(),
            token: std::sync::Arc::default(),
        })
    }

    /// Sends a request; any answer is one.
    /// # Errors
    /// When there is none. URLs hold secrets and are not told.
    pub(super) async fn send(&self, request: Request, ctx: &Context<'_>) -> Result<Answer, NotifyError> {
        let url = Url::parse(request.url.reveal())
            .map_err(|error| NotifyError::permanent(format!("the receiver's url is none: {error}")))?;
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Alertmanager/", "0.34.0")));
        for (name, value) in &request.headers {
            let value = HeaderValue::from_str(value.reveal())
                .map_err(|_| NotifyError::permanent(format!("header {name} holds what cannot be sent")))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let sent = self.client.request(request.method, &url, &headers, request.body, ctx.deadline).await;
        let response = sent.map_err(|error| unreachable(&error, &url))?;
        let status = response.status().as_u16();
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
            .to_owned();
        let mut body = Vec::new();
        let read = response.into_body().read_into(&mut body, ANSWER_BYTES_MAX).await;
        if let Err(error) =
            read.as_ref().or_else(|error| if is_success(status) { Err(error) } else { Ok(&()) })
        {
            return Err(unreachable(error, &url));
        }
        Ok(Answer { status, content_type, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// Sends a request and wants success; `retried` are codes beyond 5xx that may pass.
    pub(super) async fn deliver(
        &self,
        request: Request,
        ctx: &Context<'_>,
        retried: &[u16],
    ) -> Result<Answer, NotifyError> {
        let answer = self.send(request, ctx).await?;
        answer.wants_success(retried)?;
        Ok(answer)
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

fn unreachable(error: &ClientError, url: &Url) -> NotifyError {
    let mut message = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(inner) = cause {
        if !message.is_empty() {
            message.push_str(": ");
        }
        message.push_str(&inner.to_string());
        cause = inner.source();
    }
    let origin = url.origin().ascii_serialization();
    let message = message.replace(url.as_str(), &format!("{origin}/<redacted>"));
    match error {
        ClientError::Timeout { .. } => {
            NotifyError { retries: true, reason: FailReason::DeadlineExceeded, message }
        }
        ClientError::BadUrl { .. } | ClientError::Credential { .. } | ClientError::BadHeader { .. } => {
            NotifyError::permanent(message)
        }
        _ => NotifyError::transient(message),
    }
}

impl Answer {
    /// # Errors
    /// Unless the status is 2xx.
    pub(super) fn wants_success(&self, retried: &[u16]) -> Result<(), NotifyError> {
        if is_success(self.status) {
            return Ok(());
        }
        Err(self.failure(self.status >= 500 || retried.contains(&self.status)))
    }

    /// Returns the failure that the answer is.
    pub(super) fn failure(&self, retries: bool) -> NotifyError {
        let reason = match self.status {
            401 | 403 => FailReason::AuthError,
            429 => FailReason::RateLimited,
            400..500 => FailReason::ClientError,
            500..600 => FailReason::ServerError,
            _ => FailReason::Other,
        };
        let (shown, _) = super::cut_bytes(self.body.trim(), SHOWN_BYTES_MAX);
        let details = if shown.is_empty() { String::new() } else { format!(": {shown}") };
        NotifyError { retries, reason, message: format!("unexpected status code {}{details}", self.status) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_classed() {
        let check = |status: u16, retried: &[u16], retries: bool, reason: FailReason| {
            let answer = Answer { status, content_type: String::new(), body: "why".to_owned() };
            let error = answer.wants_success(retried).unwrap_err();
            assert_eq!((error.retries, error.reason), (retries, reason), "{status}");
            assert_eq!(error.message, format!("unexpected status code {status}: why"));
        };
        check(500, &[], true, FailReason::ServerError);
        check(429, &[], false, FailReason::RateLimited);
        check(429, &[429], true, FailReason::RateLimited);
        check(403, &[], false, FailReason::AuthError);
        check(404, &[], false, FailReason::ClientError);
        check(302, &[], false, FailReason::Other);
    }
}
