//! What the handlers of one server share.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use wf_discovery::DiscoveryManager;
use wf_httpkit::process::BuildInfo;
use wf_promql::engine::Engine;
use wf_scrape::ScrapeManager;
use wf_series::SeriesSource;
use wf_tsdb::{ReplayProgress, Tsdb};

use crate::active_queries::{ActiveQueries, ActiveQuery};
use crate::api_v1::error::{ApiError, ErrorKind};
use crate::control::ControlHandle;
use crate::metrics::Metrics;
use crate::notifications::{self, Notifications};
use crate::query_log::QueryLog;
use crate::query_pool::QueryPool;
use crate::range_results::RangeQueries;
use crate::rules::Rules;

/// Tells the time of day, ms.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What is true of a server as long as it runs.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What was built.
    pub build: BuildInfo,
    /// Flags by name, with their values, as `/status/flags` shows them.
    pub flags: BTreeMap<String, String>,
    /// Directory the process was started in.
    pub working_directory: String,
    /// Name of the machine.
    pub hostname: String,
    /// How long data is kept by the flags, for people.
    pub retention: String,
    /// Whether `/-/reload` and `/-/quit` work.
    pub is_lifecycle_enabled: bool,
    /// Whether `/api/v1/admin/tsdb/…` works.
    pub is_admin_enabled: bool,
    /// Address under which others reach this server, such as `http://127.0.0.1:9090/`.
    pub external_url: String,
    /// Path under which everything is served: empty, or like `/prometheus`.
    pub route_prefix: String,
    /// Whether `/api/v1/search/…` works.
    pub is_search_enabled: bool,
    /// Most results of a search.
    pub search_limit_max: usize,
    /// Most clients that listen to notifications.
    pub n_notification_listeners_max: usize,
    /// Directory of the templates of consoles; empty for none.
    pub console_templates: PathBuf,
    /// Directory of what those templates share; empty for none.
    pub console_libraries: PathBuf,
    /// Directory of files served below `/user/`; empty for none.
    pub user_assets: PathBuf,
    /// Title of the pages of the UI; none leaves their own.
    pub page_title: Option<String>,
}

/// How far a server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The data directory is being read.
    #[default]
    Starting,
    /// Requests are answered.
    Ready,
    /// Everything is being flushed.
    Stopping,
}

/// A configuration and when it was loaded.
#[derive(Debug)]
pub(crate) struct LoadedConfig {
    pub(crate) config: wf_config::Config,
    pub(crate) loaded_ms: i64,
}

/// Shared by all handlers.
pub(crate) struct ServerState {
    engine: ArcSwap<Engine>,
    range_queries: Arc<RangeQueries>,
    query_pool: QueryPool,
    query_log: QueryLog,
    active_queries: OnceLock<ActiveQueries>,
    tsdb: OnceLock<Arc<Tsdb>>,
    scrape: OnceLock<Arc<ScrapeManager>>,
    discovery: OnceLock<Arc<DiscoveryManager>>,
    rules: OnceLock<Arc<Rules>>,
    replay: Arc<ReplayProgress>,
    config: ArcSwap<LoadedConfig>,
    is_last_reload_successful: AtomicBool,
    is_stopping: AtomicBool,
    metrics: Metrics,
    facts: Facts,
    notifications: Notifications,
    phase: watch::Sender<Phase>,
    started_ms: i64,
    clock: Clock,
    control: ControlHandle,
}

/// What a [`ServerState`] is made of.
pub(crate) struct Parts {
    pub(crate) engine: Engine,
    pub(crate) range_queries: Arc<RangeQueries>,
    pub(crate) query_pool: QueryPool,
    pub(crate) config: wf_config::Config,
    pub(crate) metrics: Metrics,
    pub(crate) facts: Facts,
    pub(crate) clock: Clock,
    pub(crate) control: ControlHandle,
}

impl ServerState {
    pub(crate) fn new(parts: Parts) -> Self {
        let started_ms = (parts.clock)();
        Self {
            engine: ArcSwap::from_pointee(parts.engine),
            range_queries: parts.range_queries,
            query_pool: parts.query_pool,
            query_log: QueryLog::default(),
            active_queries: OnceLock::new(),
            tsdb: OnceLock::new(),
            scrape: OnceLock::new(),
            discovery: OnceLock::new(),
            rules: OnceLock::new(),
            replay: Arc::new(ReplayProgress::default()),
            config: ArcSwap::from_pointee(LoadedConfig { config: parts.config, loaded_ms: started_ms }),
            is_last_reload_successful: AtomicBool::new(true),
            is_stopping: AtomicBool::new(false),
            metrics: parts.metrics,
            notifications: Notifications::new(parts.facts.n_notification_listeners_max),
            facts: parts.facts,
            phase: watch::Sender::default(),
            started_ms,
            clock: parts.clock,
            control: parts.control,
        }
    }

    pub(crate) fn engine(&self) -> Arc<Engine> {
        self.engine.load_full()
    }

    /// Queries that begin from now on run under the options of `engine`.
    pub(crate) fn set_engine(&self, engine: Engine, config: &wf_config::Config) {
        self.range_queries.reload(engine.clone(), config);
        self.engine.store(Arc::new(engine));
    }

    pub(crate) fn range_queries(&self) -> &Arc<RangeQueries> {
        &self.range_queries
    }

    pub(crate) fn query_pool(&self) -> &QueryPool {
        &self.query_pool
    }

    pub(crate) fn query_log(&self) -> &QueryLog {
        &self.query_log
    }

    /// Notes running queries here from now on.
    pub(crate) fn track_queries(&self, active: ActiveQueries) {
        // Called once, by the one task that runs the server.
        let is_first = self.active_queries.set(active).is_ok();
        debug_assert!(is_first, "queries were tracked twice");
    }

    /// Notes a query as running until the guard is dropped.
    pub(crate) fn begin_query(&self, query: &str) -> Option<ActiveQuery> {
        self.active_queries.get()?.begin(query, self.now_ms())
    }

    /// Returns the database once it is open.
    pub(crate) fn tsdb(&self) -> Result<&Arc<Tsdb>, ApiError> {
        self.tsdb.get().ok_or_else(|| ApiError::new(ErrorKind::Unavailable, "TSDB not ready"))
    }

    /// Returns what queries read.
    pub(crate) fn source(&self) -> Result<&dyn SeriesSource, ApiError> {
        self.tsdb().map(|tsdb| tsdb.as_ref() as &dyn SeriesSource)
    }

    /// Returns what scrapes, once storage is open.
    pub(crate) fn scrape(&self) -> Result<&Arc<ScrapeManager>, ApiError> {
        self.scrape.get().ok_or_else(|| ApiError::new(ErrorKind::Unavailable, "scraping has not begun"))
    }

    /// Returns what finds targets, once storage is open.
    pub(crate) fn discovery(&self) -> Result<&Arc<DiscoveryManager>, ApiError> {
        self.discovery.get().ok_or_else(|| ApiError::new(ErrorKind::Unavailable, "discovery has not begun"))
    }

    /// Shows requests what finds targets; called once, before [`ServerState::open`].
    pub(crate) fn show_discovery(&self, discovery: Arc<DiscoveryManager>) {
        let is_first = self.discovery.set(discovery).is_ok();
        debug_assert!(is_first, "discovery was shown twice");
    }

    /// Returns what evaluates rules, once storage is open.
    pub(crate) fn rules(&self) -> Result<&Arc<Rules>, ApiError> {
        self.rules.get().ok_or_else(|| ApiError::new(ErrorKind::Unavailable, "rules are not evaluated yet"))
    }

    /// Opens the doors: requests find all of them from now on.
    pub(crate) fn open(&self, tsdb: Arc<Tsdb>, scrape: Arc<ScrapeManager>, rules: Arc<Rules>) {
        // Called once, by the one task that runs the server; storage last, as it is what makes the server ready.
        let is_first =
            self.rules.set(rules).is_ok() && self.scrape.set(scrape).is_ok() && self.tsdb.set(tsdb).is_ok();
        debug_assert!(is_first, "the server was opened twice");
        self.notifications.end(notifications::STARTING);
        self.phase.send_replace(Phase::Ready);
    }

    pub(crate) fn replay(&self) -> &Arc<ReplayProgress> {
        &self.replay
    }

    pub(crate) fn loaded_config(&self) -> Arc<LoadedConfig> {
        self.config.load_full()
    }

    /// Takes over a configuration that everybody accepted.
    pub(crate) fn set_config(&self, config: wf_config::Config) {
        self.config.store(Arc::new(LoadedConfig { config, loaded_ms: self.now_ms() }));
    }

    pub(crate) fn set_reload_outcome(&self, is_successful: bool) {
        self.is_last_reload_successful.store(is_successful, Ordering::Relaxed);
        if is_successful {
            self.notifications.end(notifications::RELOAD_FAILED);
        } else {
            self.notifications.begin(notifications::RELOAD_FAILED, self.now_ms());
        }
    }

    pub(crate) fn is_last_reload_successful(&self) -> bool {
        self.is_last_reload_successful.load(Ordering::Relaxed)
    }

    /// Returns whether requests are answered: storage is open, and nobody asked to stop.
    pub(crate) fn is_ready(&self) -> bool {
        self.tsdb.get().is_some() && !self.is_stopping()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_stopping(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.notifications.begin(notifications::STOPPING, self.now_ms());
        self.phase.send_replace(Phase::Stopping);
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Lets somebody watch how far we are.
    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(crate) fn notifications(&self) -> &Notifications {
        &self.notifications
    }

    pub(crate) fn control(&self) -> &ControlHandle {
        &self.control
    }

    pub(crate) fn started_ms(&self) -> i64 {
        self.started_ms
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.clock)()
    }
}

impl fmt::Debug for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerState").field("is_ready", &self.is_ready()).finish_non_exhaustive()
    }
}
