//! The server as a component: built from a configuration, run until told to stop.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use wf_discovery::Debounce;
use wf_httpkit::Registry;
use wf_httpkit::assets::{Asset, AssetsError};
use wf_promql::engine::{Engine, EngineOptions};
use wf_rules::GroupSpec;
use wf_scrape::{Lanes, ScrapeFeatures, ScrapeManager, ScrapeOptions, WallClock};
use wf_series::SampleSink;
use wf_tsdb::{OpenError, Tsdb, TsdbOptions};

use crate::active_queries::ActiveQueries;
use crate::api_v1;
use crate::chores::Chores;
use crate::control::{Command, ControlHandle};
use crate::cors::AllowedOrigins;
use crate::discovery::{ApplyError, Discovered};
use crate::metrics::{self, Metrics};
use crate::notifications;
use crate::pressure::{MemoryPressure, PressureWatch};
use crate::query_log::QueryLog;
use crate::query_pool::QueryPool;
use crate::range_results::{RangeQueries, WatchedSink};
use crate::router;
use crate::rules::{self, RuleOptions, Rules, RulesError};
use crate::state::{Clock, Facts, Parts, Phase, ServerState};
use crate::storage::StorageFlags;

/// Updates of discovery that are held back longer are counted.
const NOTED_DELAY: Duration = Duration::from_secs(1);

/// Where the configuration comes from, now and at each reload.
#[derive(Clone, Debug)]
pub enum ConfigSource {
    /// A file, and how it is read.
    File(PathBuf, wf_config::LoadOptions),
    /// Made by the program: a reload applies it again.
    Fixed(Box<wf_config::Config>),
}

impl ConfigSource {
    /// Reads the configuration.
    /// # Errors
    /// See [`wf_config::ConfigError`].
    pub fn load(&self) -> Result<wf_config::Config, wf_config::ConfigError> {
        match self {
            Self::File(path, options) => wf_config::load_file_with(path, *options),
            Self::Fixed(config) => Ok(config.as_ref().clone()),
        }
    }
}

/// The web UI inside the binary.
#[derive(Clone, Copy, Debug)]
pub enum Ui {
    /// Its files.
    Embedded(&'static [Asset]),
    /// The binary was built without it, for this reason.
    Absent(&'static str),
}

/// What a server is built from.
#[derive(Debug)]
pub struct Config {
    /// Where the configuration comes from.
    pub source: ConfigSource,
    /// Data directory.
    pub data: PathBuf,
    /// Settings of the database.
    pub tsdb: TsdbOptions,
    /// Whether exemplars are kept; how many, the configuration says.
    pub keeps_exemplars: bool,
    /// What all scrape jobs do besides the configuration.
    pub scrape_features: ScrapeFeatures,
    /// Settings of the query engine; the default subquery step is taken from the configuration.
    pub engine: EngineOptions,
    /// Settings of rules and notifications.
    pub rules: RuleOptions,
    /// Most bytes of results of range queries kept for the next of their kind.
    pub range_cache_bytes: usize,
    /// Queries at a time; others wait.
    pub n_query_slots: usize,
    /// When memory is scarce; `None` where that is never looked at.
    pub memory_pressure: Option<MemoryPressure>,
    /// Anchored expression of origins whose pages may read answers.
    pub cors_origin: String,
    /// Path under which everything is served: empty, or like `/prometheus`.
    pub route_prefix: String,
    /// Path under which browsers reach this server: `/`, or like `/prometheus/`.
    pub base_path: String,
    /// The web UI.
    pub ui: Ui,
    /// What is true as long as the server runs.
    pub facts: Facts,
}

/// Why a server cannot be built or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] wf_config::ConfigError),
    /// A scrape job or one of its sources cannot be set up.
    #[error("set up scraping: {0}")]
    Scrape(String),
    /// Rules cannot be used.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// `--web.cors.origin` is not an expression.
    #[error("--web.cors.origin")]
    Cors(#[from] wf_model::RegexError),
    /// The embedded UI is damaged.
    #[error("prepare the web UI")]
    Ui(#[from] AssetsError),
    /// The data directory cannot be used.
    #[error("open and lock the data directory")]
    Open(#[from] OpenError),
    /// The data directory could not be closed properly.
    #[error("close the data directory")]
    Close(#[from] wf_tsdb::CloseError),
    /// `query_log_file` cannot be written.
    #[error("open the query log {}: check that its directory exists and is writable", .path.display())]
    QueryLog {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A thread could not be started, or ended in a panic.
    #[error("{0}")]
    Thread(String),
}

/// A server, ready to run.
pub struct Server {
    state: Arc<ServerState>,
    registry: Registry,
    commands: mpsc::Receiver<Command>,
    source: ConfigSource,
    data: PathBuf,
    storage_flags: StorageFlags,
    scrape_features: ScrapeFeatures,
    engine_options: EngineOptions,
    rule_options: RuleOptions,
    /// Read with the configuration, until they are started.
    rule_groups: Vec<GroupSpec>,
    n_query_slots: usize,
    memory_pressure: Option<MemoryPressure>,
    router: Router,
}

impl Server {
    /// Reads the configuration and builds everything that can fail; spawns nothing. `registry` receives the
    /// server's numbers and is what `/metrics` shows.
    /// # Errors
    /// See [`ServerError`].
    pub fn new(config: Config, registry: Registry, clock: Clock) -> Result<Self, ServerError> {
        let loaded = config.source.load()?;
        warn_of_gaps(&loaded);
        let (control, commands) = ControlHandle::channel();
        let metrics = Metrics::new(&registry, config.n_query_slots);
        let engine_options = with_config(&config.engine, &loaded);
        let query_log = open_query_log(&loaded)?;
        let engine = Engine::new(engine_options);
        let rule_groups = rules::load(&loaded, api_v1::parse::options(&engine))?;
        let range_queries = Arc::new(RangeQueries::new(engine.clone(), &loaded, config.range_cache_bytes));
        range_queries.register(&registry);
        let state = Arc::new(ServerState::new(Parts {
            engine,
            range_queries,
            query_pool: QueryPool::new(config.n_query_slots),
            config: loaded,
            metrics,
            facts: Facts { route_prefix: config.route_prefix.clone(), ..config.facts },
            clock,
            control,
        }));
        state.query_log().use_file(query_log);
        state.metrics().set_query_log_enabled(state.query_log().is_enabled());
        state.metrics().on_reload(true, state.now_ms());
        state.notifications().begin(notifications::STARTING, state.now_ms());
        let options = router::Options {
            cors: AllowedOrigins::new(&config.cors_origin)?,
            route_prefix: config.route_prefix,
            base_path: config.base_path,
            page_title: state.facts().page_title.clone(),
            ui: config.ui,
        };
        let router = router::build(&state, &registry, &options)?;
        Ok(Self {
            state,
            registry,
            commands,
            source: config.source,
            data: config.data,
            storage_flags: StorageFlags { options: config.tsdb, keeps_exemplars: config.keeps_exemplars },
            scrape_features: config.scrape_features,
            engine_options: config.engine,
            rule_options: config.rules,
            rule_groups,
            n_query_slots: config.n_query_slots,
            memory_pressure: config.memory_pressure,
            router,
        })
    }

    /// Returns the HTTP face. Until the data directory is read it answers 503.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Lets somebody watch how far the server is.
    pub fn phase(&self) -> tokio::sync::watch::Receiver<Phase> {
        self.state.phase()
    }

    /// Returns a handle for reload and quit.
    pub fn control(&self) -> ControlHandle {
        self.state.control().clone()
    }

    /// Opens the data directory, scrapes and answers until `stop` is cancelled, then flushes. `quit` is cancelled
    /// when a request asks the whole program to stop.
    /// # Errors
    /// When the data directory cannot be opened or closed.
    pub async fn run(mut self, stop: CancellationToken, quit: CancellationToken) -> Result<(), ServerError> {
        let tsdb = self.open().await?;
        metrics::register_tsdb(&self.registry, &tsdb);
        match ActiveQueries::open(&self.data, self.n_query_slots) {
            Ok(active) => self.state.track_queries(active),
            Err(error) => warn!(%error, "running queries are not noted: after a crash nobody will know them"),
        }
        let pressure = PressureWatch::new(self.memory_pressure, &self.registry);
        let chores = Chores::start(Arc::clone(&tsdb), Arc::clone(&self.state), pressure)?;
        let scrape = self.start_scraping(&tsdb)?;
        let rules = self.start_rules(&tsdb)?;
        let keeps_exemplars = self.storage_flags.keeps_exemplars;
        let discovered =
            Discovered::new(Arc::clone(&scrape), Arc::clone(&rules), &self.registry, keeps_exemplars);
        discovered
            .apply(&self.state.loaded_config().config, None)
            .map_err(|error: ApplyError| ServerError::Scrape(error.to_string()))?;
        self.state.show_discovery(Arc::clone(discovered.targets()));
        self.state.open(Arc::clone(&tsdb), Arc::clone(&scrape), Arc::clone(&rules));
        self.state.metrics().set_ready(true);
        info!("server is ready to receive web requests");
        self.obey(&discovered, &stop, &quit).await;
        self.state.begin_stopping();
        self.state.metrics().set_ready(false);
        discovered.stop().await;
        rules.stop().await;
        // Its token is cancelled already: this waits for scrapes that are being stored.
        scrape.run(stop).await;
        blocking_step("close the data directory", move || {
            chores.stop();
            tsdb.close()
        })
        .await??;
        Ok(())
    }

    /// Carries out commands, and takes over what discovery finds, until `stop` is cancelled.
    async fn obey(&mut self, discovered: &Discovered, stop: &CancellationToken, quit: &CancellationToken) {
        let mut debounce = Debounce::default();
        // When the next targets are taken over, if discovery has found other ones.
        let mut due: Option<Instant> = None;
        loop {
            let at = due.unwrap_or_else(Instant::now);
            let command = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                command = self.commands.recv() => command,
                () = tokio::time::sleep_until(at), if due.is_some() => {
                    due = None;
                    self.take_over(discovered);
                    continue;
                }
                () = discovered.targets().changed(), if due.is_none() => {
                    let now = Instant::now();
                    let wait = debounce.wait(now.into_std());
                    if wait > NOTED_DELAY {
                        discovered.targets().note_delay();
                    }
                    due = Some(now + wait);
                    continue;
                }
            };
            match command {
                Some(Command::Reload(reply)) => {
                    // Whoever asked may have gone: the log has the outcome too.
                    let _ = reply.send(self.reload(discovered));
                }
                Some(Command::Quit) => {
                    info!("received termination request via web service, exiting gracefully");
                    quit.cancel();
                }
                None => return,
            }
        }
    }

    /// Scrapes what discovery has found.
    fn take_over(&self, discovered: &Discovered) {
        if let Err(error) = discovered.refresh(&self.state.loaded_config().config) {
            error!(%error, "discovered targets were not taken over");
        }
    }

    async fn open(&self) -> Result<Arc<Tsdb>, ServerError> {
        let data = self.data.clone();
        let options = self.storage_flags.with_config(&self.state.loaded_config().config.storage);
        let (replay, now_ms) = (Arc::clone(self.state.replay()), self.state.now_ms());
        let opened = blocking_step("open the data directory", move || {
            Tsdb::open_observed(&data, options, now_ms, &replay)
        });
        let tsdb = opened.await??;
        let stats = tsdb.stats();
        info!(
            directory = %self.data.display(),
            n_series = stats.n_series,
            replay_s = stats.replay_seconds,
            is_clean = stats.clean_start,
            "data directory is open"
        );
        Ok(tsdb)
    }

    fn start_scraping(&self, tsdb: &Arc<Tsdb>) -> Result<Arc<ScrapeManager>, ServerError> {
        let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
        let lanes = Lanes::start(n_cores)
            .map_err(|error| ServerError::Thread(format!("start the threads that scrape: {error}")))?;
        let options = ScrapeOptions {
            clock: WallClock::system(),
            host_name: self.state.facts().hostname.clone(),
            features: self.scrape_features,
            lanes,
        };
        let queries = Arc::clone(self.state.range_queries());
        let sink: Arc<dyn SampleSink> = Arc::new(WatchedSink { tsdb: Arc::clone(tsdb), queries });
        Ok(Arc::new(ScrapeManager::new(sink, &self.registry, options)))
    }

    fn start_rules(&mut self, tsdb: &Arc<Tsdb>) -> Result<Arc<Rules>, ServerError> {
        let queries = Arc::clone(self.state.range_queries());
        let rules = Rules::new(rules::Parts {
            options: &self.rule_options,
            engine: self.state.engine().as_ref().clone(),
            source: Arc::clone(tsdb) as _,
            sink: Arc::new(WatchedSink { tsdb: Arc::clone(tsdb), queries }),
            registry: &self.registry,
        });
        let groups = std::mem::take(&mut self.rule_groups);
        let loaded = self.state.loaded_config();
        rules.reload(&loaded.config, groups, &self.state.engine()).map_err(RulesError::from)?;
        Ok(Arc::new(rules))
    }

    /// Takes over the configuration as it is now, or keeps the old one and says why.
    fn reload(&self, discovered: &Discovered) -> Result<(), String> {
        let outcome = self.source.load().map_err(|error| error.to_string());
        let outcome = outcome.and_then(|config| {
            warn_of_gaps(&config);
            let engine = Engine::new(with_config(&self.engine_options, &config));
            let groups =
                rules::load(&config, api_v1::parse::options(&engine)).map_err(|error| error.to_string())?;
            let query_log = open_query_log(&config).map_err(|error| error.to_string())?;
            let old = self.state.loaded_config();
            let tsdb = self.state.tsdb().map_err(|error| error.message)?;
            let rules = self.state.rules().map_err(|error| error.message)?;
            discovered.apply(&config, Some(&old.config)).map_err(|error| error.to_string())?;
            let taken =
                self.storage_flags.reload(tsdb, &old.config.storage, &config.storage).and_then(|()| {
                    let told = rules.reload(&discovered.told(&config), groups, &engine);
                    told.map_err(|error| {
                        let back = self.storage_flags.reload(tsdb, &config.storage, &old.config.storage);
                        back.err()
                            .map_or(error.to_string(), |cause| format!("{error}; and going back: {cause}"))
                    })
                });
            if let Err(cause) = taken {
                // All or nothing: the targets that were there are there again.
                let back = discovered.apply(&old.config, Some(&config));
                return Err(back
                    .err()
                    .map_or(cause.clone(), |error| format!("{cause}; and going back: {error}")));
            }
            self.state.query_log().use_file(query_log);
            self.state.metrics().set_query_log_enabled(self.state.query_log().is_enabled());
            self.state.set_engine(engine, &config);
            self.state.set_config(config);
            Ok(())
        });
        self.state.set_reload_outcome(outcome.is_ok());
        self.state.metrics().on_reload(outcome.is_ok(), self.state.now_ms());
        match &outcome {
            Ok(()) => info!("configuration loaded"),
            Err(cause) => error!(%cause, "configuration refused: the old one stays in force"),
        }
        outcome
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("data", &self.data).finish_non_exhaustive()
    }
}

/// Says what the configuration asks for in vain.
fn warn_of_gaps(config: &wf_config::Config) {
    for warning in config.warnings() {
        warn!("configuration: {warning}");
    }
}

fn with_config(options: &EngineOptions, config: &wf_config::Config) -> EngineOptions {
    let step_ms = i64::try_from(config.global.evaluation_interval.as_millis()).unwrap_or(i64::MAX);
    EngineOptions { default_subquery_step_ms: step_ms, ..options.clone() }
}

fn open_query_log(config: &wf_config::Config) -> Result<Option<Arc<File>>, ServerError> {
    let path = config.global.query_log_file.as_deref();
    let failed =
        |source| ServerError::QueryLog { path: path.map(Path::to_owned).unwrap_or_default(), source };
    QueryLog::open(path).map_err(failed)
}

/// Runs `work` on a thread that may block.
async fn blocking_step<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServerError> {
    let panicked = |_| ServerError::Thread(format!("{name}: the thread panicked, see the log"));
    tokio::task::spawn_blocking(work).await.map_err(panicked)
}
