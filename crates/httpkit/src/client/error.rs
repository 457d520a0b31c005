//! Why requests fail, by what their sender could do about it.

use std::io;

use hyper_util::client::legacy::Error as PoolError;
use url::Url;

use super::REDIRECTS_MAX;

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL cannot be asked.
    #[error("ask {url}: {why}")]
    BadUrl {
        /// As given, or as a redirect named it.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The host name has no address.
    #[error("resolve host of {url}")]
    Resolve {
        /// The URL that was asked.
        url: Url,
        /// The resolver's error.
        source: io::Error,
    },
    /// No connection: refused, unreachable.
    #[error("connect to {url}")]
    Connect {
        /// The URL that was asked.
        url: Url,
        /// What the connector said.
        source: Box<PoolError>,
    },
    /// The TLS handshake failed: certificate, name, version.
    #[error("tls handshake with {url}")]
    Tls {
        /// The URL that was asked.
        url: Url,
        /// What the TLS library said.
        source: Box<PoolError>,
    },
    /// The client's TLS options or files cannot be used.
    #[error("{url} cannot be asked: {why}")]
    Unusable {
        /// The URL that was to be asked.
        url: Url,
        /// What is wrong, by the name of the option.
        why: String,
    },
    /// The authorization server gave no token.
    #[error("oauth2: fetch a token from {url}: {message}")]
    Token {
        /// The token URL.
        url: Url,
        /// Why.
        message: String,
    },
    /// The deadline passed before the response, or its body, was complete.
    #[error("{url} did not answer in time: context deadline exceeded")]
    Timeout {
        /// The URL that was asked.
        url: Url,
    },
    /// More than ten redirects.
    #[error("stopped after {max} redirects at {url}", max = REDIRECTS_MAX)]
    TooManyRedirects {
        /// Where it stopped.
        url: Url,
    },
    /// The connection broke or did not speak HTTP.
    #[error("exchange with {url}")]
    Exchange {
        /// The URL that was asked.
        url: Url,
        /// What the connection said.
        source: Box<PoolError>,
    },
    /// The connection broke inside the body.
    #[error("read body of {url}")]
    Body {
        /// The URL that was asked.
        url: Url,
        /// What the connection said.
        source: hyper::Error,
    },
    /// The body is larger than the caller takes.
    #[error("body of {url} exceeds {limit_bytes} bytes")]
    BodyTooLarge {
        /// The URL that was asked.
        url: Url,
        /// The caller's limit.
        limit_bytes: usize,
    },
    /// A file with a credential cannot be read.
    #[error("read {what} from {path}")]
    Credential {
        /// Which credential.
        what: &'static str,
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A header cannot be sent: its value holds a control character.
    #[error("header {name}: value cannot be sent")]
    BadHeader {
        /// The header's name.
        name: String,
    },
}
