//! Why requests fail, by what their sender could do about it.

use std::error::Error;
use std::io;

use hyper_util::client::legacy::Error as PoolError;
use url::Url;

use super::REDIRECTS_MAX;
use super::names::ResolveFailure;

/// What a connection, the pool or the TLS library says.
pub(super) type Cause = Box<dyn Error + Send + Sync>;

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
        source: Cause,
    },
    /// The TLS handshake failed: certificate, name, version.
    #[error("tls handshake with {url}")]
    Tls {
        /// The URL that was asked.
        url: Url,
        /// What the TLS library said.
        source: Cause,
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
        source: Cause,
    },
    /// The connection broke inside the body.
    #[error("read body of {url}")]
    Body {
        /// The URL that was asked.
        url: Url,
        /// What the connection said.
        source: Cause,
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

impl ClientError {
    /// Sorts why no connection to the host of `url` came about, by what its user could do about it.
    pub(super) fn of_connecting(url: &Url, error: Cause) -> Self {
        let url = url.clone();
        match cause_of(&*error) {
            Some(KnownCause::Resolve(source)) => Self::Resolve { url, source },
            Some(KnownCause::Tls) => Self::Tls { url, source: error },
            None => Self::Connect { url, source: error },
        }
    }

    /// Sorts what the pool says, by what its user could do about it.
    pub(super) fn of_pool(url: &Url, error: PoolError) -> Self {
        if error.is_connect() || cause_of(&error).is_some() {
            Self::of_connecting(url, error.into())
        } else {
            Self::Exchange { url: url.clone(), source: error.into() }
        }
    }
}

/// What is to be told from other errors.
enum KnownCause {
    Resolve(io::Error),
    Tls,
}

fn cause_of(error: &(dyn Error + 'static)) -> Option<KnownCause> {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(failure) = inner.downcast_ref::<ResolveFailure>() {
            return Some(KnownCause::Resolve(io::Error::new(failure.kind, failure.to_string())));
        }
        if is_tls(inner) {
            return Some(KnownCause::Tls);
        }
        cause = inner.source();
    }
    None
}

/// Returns whether an error of the TLS library is inside; I/O errors hide what they wrap from their sources.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inside.is_some_and(|inside| is_tls(inside))
}
