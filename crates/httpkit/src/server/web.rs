//! Who may talk to a listener, and how: TLS, basic auth, response headers and a rate limit, as `web.config.file` says.
//!
//! [`WebOptions`] is what was typed, [`WebPolicy`] what holds now: the file is looked at again with each request, and the
//! certificates with each handshake, so that both change without a restart. What cannot be read any more leaves what was
//! good in force, and is logged once.
//!
//! # Invariants
//! - A broken file never opens a listener and never locks its users out.
//! - Whether a listener speaks TLS is settled when it starts.
//! # Reading order: this file, `tls`, `auth`, `rate`.
//! # Not here: the YAML (`wf_config::web`).
//! # Source: `spec/exporters-linux.md` §A2.

mod auth;
mod rate;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;

use crate::Secret;

pub(super) use tls::has_allowed_name;
pub use tls::server_config as tls_server_config;

/// PEM text, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// In the configuration itself.
    Inline(Secret<String>),
    /// In this file, read again when it changes.
    File(PathBuf),
}

/// What is asked of a client's certificate; names as in Go's crypto/tls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// None is asked for.
    #[default]
    NoClientCert,
    /// Asked for, not required, not verified.
    RequestClientCert,
    /// Required, not verified.
    RequireAnyClientCert,
    /// Verified if there is one.
    VerifyClientCertIfGiven,
    /// Required and verified.
    RequireAndVerifyClientCert,
}

/// How a listener speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsServerOptions {
    /// The certificate chain.
    pub cert: Pem,
    /// Its private key.
    pub key: Pem,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// Who signs clients' certificates.
    pub client_ca: Option<Pem>,
    /// Names, of which a client's certificate must have one; empty allows all.
    pub client_allowed_sans: Vec<String>,
    /// Whether TLS 1.2 is spoken.
    pub has_tls12: bool,
    /// Whether TLS 1.3 is spoken.
    pub has_tls13: bool,
    /// Suites of TLS 1.2 by their registered names; empty for all that are safe.
    pub cipher_suites: Vec<String>,
    /// Key exchange groups by Go's names, by preference; empty for all.
    pub curve_preferences: Vec<String>,
}

/// So many requests, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// One request becomes available this often.
    pub interval: Duration,
    /// So many may come at once.
    pub burst: u32,
}

/// What a `web.config.file` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOptions {
    /// TLS, if it is on.
    pub tls: Option<TlsServerOptions>,
    /// Whether HTTP/2 is offered over TLS.
    pub http2: bool,
    /// Set on every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Bcrypt hashes by user; empty lets everybody in.
    pub users: BTreeMap<String, Secret<String>>,
    /// Limits requests of all clients together.
    pub rate_limit: Option<RateLimit>,
}

impl Default for WebOptions {
    fn default() -> Self {
        Self { tls: None, http2: true, headers: Vec::new(), users: BTreeMap::new(), rate_limit: None }
    }
}

/// Why a `web.config.file` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// A file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Its text is wrong.
    #[error("{0}")]
    Invalid(String),
    /// TLS cannot be set up from it.
    #[error("tls_server_config: {what}: {why}")]
    Tls {
        /// The field.
        what: String,
        /// What is wrong, and how to mend it.
        why: String,
    },
}

/// Reads options out of the text of the file at a path.
pub type ReadWebOptions = fn(&str, &Path) -> Result<WebOptions, String>;

/// What tells one content of a file from another: its length and times, not its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp(Option<(u64, SystemTime)>);

impl Stamp {
    fn of(path: &Path) -> Self {
        let of = |metadata: fs::Metadata| Some((metadata.len(), metadata.modified().ok()?));
        Self(fs::metadata(path).ok().and_then(of))
    }
}

/// The options in force for a listener, looked up again as files change.
#[derive(Debug)]
pub struct WebPolicy {
    path: PathBuf,
    read: ReadWebOptions,
    is_tls: bool,
    current: Mutex<Current>,
    tls: Mutex<tls::Loaded>,
    auth: auth::Verifier,
    rate: rate::Bucket,
}

#[derive(Debug)]
struct Current {
    stamp: Stamp,
    options: Arc<WebOptions>,
}

impl WebPolicy {
    /// Reads the file at `path`, and the certificates that it names.
    /// # Errors
    /// When one of them cannot be read or used.
    pub fn load(path: &Path, read: ReadWebOptions) -> Result<Arc<Self>, WebError> {
        let stamp = Stamp::of(path);
        let options = Arc::new(read_options(path, read)?);
        let tls = tls::Loaded::load(&options)?;
        Ok(Arc::new(Self {
            path: path.to_owned(),
            read,
            is_tls: options.tls.is_some(),
            current: Mutex::new(Current { stamp, options }),
            tls: Mutex::new(tls),
            auth: auth::Verifier::new(),
            rate: rate::Bucket::default(),
        }))
    }

    /// Returns whether the listener speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Returns whether clients must say who they are, by password or certificate.
    pub fn is_guarded(&self) -> bool {
        let options = self.options();
        let certified = options.tls.as_ref().is_some_and(|tls| {
            matches!(
                tls.client_auth,
                ClientAuth::RequireAnyClientCert | ClientAuth::RequireAndVerifyClientCert
            )
        });
        certified || !options.users.is_empty()
    }

    /// Returns the options as the file has them now.
    fn options(&self) -> Arc<WebOptions> {
        let stamp = Stamp::of(&self.path);
        let mut current = self.current.lock();
        if current.stamp == stamp {
            return Arc::clone(&current.options);
        }
        current.stamp = stamp;
        match read_options(&self.path, self.read) {
            Ok(options) => {
                tracing::info!(path = %self.path.display(), "web configuration read again");
                current.options = Arc::new(options);
            }
            Err(error) => self.keep("web configuration", &error),
        }
        Arc::clone(&current.options)
    }

    /// Returns how to speak TLS now; `None` for plain HTTP.
    pub(super) fn tls(&self) -> Option<(Arc<rustls::ServerConfig>, Vec<String>)> {
        if !self.is_tls {
            return None;
        }
        let options = self.options();
        let mut loaded = self.tls.lock();
        if let Err(error) = loaded.refresh(&options) {
            self.keep("certificates", &error);
        }
        let names = options.tls.as_ref().map(|tls| tls.client_allowed_sans.clone()).unwrap_or_default();
        loaded.config().map(|config| (config, names))
    }

    fn keep(&self, what: &str, error: &WebError) {
        let why = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        tracing::error!(path = %self.path.display(), "the new {what} cannot be used, the old stays in force: {error}{why}");
    }

    /// Returns the answer to a request with these headers that does not get in.
    pub(super) async fn refuse(&self, headers: &HeaderMap) -> Option<Response> {
        let options = self.options();
        if options.rate_limit.is_some_and(|limit| !self.rate.take(limit)) {
            return Some((StatusCode::TOO_MANY_REQUESTS, "too many requests\n").into_response());
        }
        if options.users.is_empty() || self.auth.verify(&options.users, headers).await {
            return None;
        }
        let challenge = [(header::WWW_AUTHENTICATE, "Basic")];
        Some((StatusCode::UNAUTHORIZED, challenge, "Unauthorized\n").into_response())
    }

    /// Sets the headers that every answer gets.
    pub(super) fn decorate(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.options().headers {
            headers.insert(name.clone(), value.clone());
        }
    }
}

fn read_options(path: &Path, read: ReadWebOptions) -> Result<WebOptions, WebError> {
    let text = fs::read_to_string(path).map_err(|source| WebError::Read { path: path.to_owned(), source })?;
    let options = read(&text, path).map_err(WebError::Invalid)?;
    auth::check(&options.users).map_err(WebError::Invalid)?;
    Ok(options)
}
