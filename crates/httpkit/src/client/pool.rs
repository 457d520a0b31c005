//! The pool of connections of a client, built anew when a certificate file changes.
//!
//! Connections that are in use end as they began; the next request gets one under the new certificates.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use super::dial::Dialer;
use super::names::NameCache;
use super::options::{ClientOptions, OptionsError, TlsOptions};
use super::proxy::Proxies;
use super::tls;

/// Idle connections are closed after this time; it outlives all usual scrape intervals.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Files are looked at this often at most.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) type Connections = Client<HttpsConnector<Dialer>, Full<Bytes>>;

/// The pool as of now, or why there is none.
type State = Result<Connections, Arc<str>>;

#[derive(Debug)]
pub(super) struct Pool {
    state: ArcSwap<State>,
    recipe: Recipe,
    files: Vec<PathBuf>,
    seen: Mutex<Seen>,
}

/// What a pool is built from.
#[derive(Clone, Debug)]
struct Recipe {
    options: Arc<ClientOptions>,
    names: NameCache,
    proxies: Arc<Proxies>,
}

/// The files when they were looked at last.
#[derive(Debug)]
struct Seen {
    checked: Instant,
    stamps: Vec<Option<Stamp>>,
}

/// What changes with a file's contents; a Kubernetes secret changes its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    inode: u64,
}

impl Pool {
    /// Builds the pool; reads certificate files now.
    pub(super) fn new(
        options: Arc<ClientOptions>,
        names: NameCache,
        proxies: Arc<Proxies>,
    ) -> Result<Self, OptionsError> {
        let files = files_of(&options.tls_config);
        let stamps = stamps_of(&files);
        let recipe = Recipe { options, names, proxies };
        let state = match tls::unspoken(&recipe.options.tls_config) {
            Some(why) => Err(why.into()),
            None => Ok(recipe.build()?),
        };
        let seen = Mutex::new(Seen { checked: Instant::now(), stamps });
        Ok(Self { state: ArcSwap::from_pointee(state), recipe, files, seen })
    }

    /// Whether the pool stays as it is now, and can be used.
    pub(super) fn is_settled(&self) -> bool {
        self.files.is_empty() && self.state.load().is_ok()
    }

    /// Returns the connections to use, under the certificates as they are now.
    pub(super) async fn get(&self) -> State {
        if self.is_check_due() {
            let files = self.files.clone();
            let stamps = tokio::task::spawn_blocking(move || stamps_of(&files)).await;
            if let Some(stamps) = stamps.ok().filter(|stamps| self.seen.lock().stamps != *stamps) {
                self.rebuild(stamps).await;
            }
        }
        State::clone(&self.state.load())
    }

    fn is_check_due(&self) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let now = Instant::now();
        let mut seen = self.seen.lock();
        let is_due = now.duration_since(seen.checked) >= CHECK_INTERVAL;
        if is_due {
            seen.checked = now;
        }
        is_due
    }

    /// A file that cannot be used fails the requests until it can; the old certificate may be revoked.
    async fn rebuild(&self, stamps: Vec<Option<Stamp>>) {
        let recipe = self.recipe.clone();
        let built = tokio::task::spawn_blocking(move || recipe.build()).await;
        let state = match built {
            Ok(Ok(connections)) => {
                info!(files = ?self.files, "TLS files changed: new connections use them");
                Ok(connections)
            }
            Ok(Err(error)) => {
                warn!(files = ?self.files, %error, "TLS files changed and cannot be used");
                Err(error.to_string().into())
            }
            Err(error) => Err(error.to_string().into()),
        };
        self.state.store(Arc::new(state));
        self.seen.lock().stamps = stamps;
    }
}

impl Recipe {
    fn build(&self) -> Result<Connections, OptionsError> {
        let options = &self.options;
        let tls = tls::client_config(&options.tls_config)?;
        let dialer = Dialer::new(self.names.clone(), Arc::clone(&self.proxies), tls.clone());
        let mut builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        if let Some(resolver) = tls::server_name_resolver(&options.tls_config)? {
            builder = builder.with_server_name_resolver(resolver);
        }
        let connector = if options.enable_http2 {
            builder.enable_http1().enable_http2().wrap_connector(dialer)
        } else {
            builder.enable_http1().wrap_connector(dialer)
        };
        Ok(Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector))
    }
}

fn files_of(tls: &TlsOptions) -> Vec<PathBuf> {
    let files = [&tls.ca_file, &tls.cert_file, &tls.key_file].into_iter().flatten();
    files.filter(|path| !path.as_os_str().is_empty()).cloned().collect()
}

fn stamps_of(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    use std::os::unix::fs::MetadataExt;
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Stamp { modified: metadata.modified().ok(), len: metadata.len(), inode: metadata.ino() })
    };
    files.iter().map(stamp).collect()
}
