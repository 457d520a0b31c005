//! `watchfire server`: the metrics server with Prometheus's flags.

mod rules;
mod storage;
mod web;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wf_httpkit::component::Group;
use wf_httpkit::process::BuildInfo;
use wf_httpkit::server::{
    GuardOptions, HttpMetrics, Listener, ServerOptions as HttpOptions, WebPolicy, serve,
};
use wf_httpkit::{Registry, process};
use wf_promql::engine::{EngineOptions, Features, ThreadHook};
use wf_server::{Clock, Config, ConfigSource, ControlHandle, Facts, Server};
use wf_tsdb::{Budget, TsdbOptions, WalCompression};

use crate::logging::LogOptions;

/// How long parts may take to stop, flushing included.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Options of the server, in the original's spelling.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServerOptions {
    /// Configuration file
    #[arg(long = "config.file", default_value = "prometheus.yml")]
    pub(crate) config_file: PathBuf,
    /// Reload when the configuration, or a file that it names, has changed
    #[arg(long = "config.auto-reload", overrides_with = "no_auto_reload")]
    pub(crate) auto_reload: bool,
    #[arg(long = "no-config.auto-reload", hide = true)]
    pub(crate) no_auto_reload: bool,
    /// How often the configuration's files are looked at
    #[arg(long = "config.auto-reload-interval", default_value = "30s", value_parser = duration)]
    pub(crate) auto_reload_interval: Duration,
    /// Let ${env:NAME} and ${file:PATH} in secrets of the configuration stand for what they name
    #[arg(long = "config.expand-secrets")]
    pub(crate) expand_secrets: bool,
    /// Address to listen on; may be repeated
    #[arg(long = "web.listen-address", default_value = "0.0.0.0:9090")]
    pub(crate) listen: Vec<String>,
    /// URL under which this server is reached from outside
    #[arg(long = "web.external-url", default_value = "", value_parser = external_url)]
    pub(crate) external_url: String,
    /// Path under which everything is served; default: the path of the external URL
    #[arg(long = "web.route-prefix", value_parser = route_prefix)]
    pub(crate) route_prefix: Option<String>,
    /// File with TLS, users and headers of the listeners; read again when it changes
    #[arg(long = "web.config.file", default_value = "", value_parser = path_or_none)]
    pub(crate) web_config_file: PathBuf,
    /// How long a client may take to send a request, and a connection may be idle
    #[arg(long = "web.read-timeout", default_value = "5m", value_parser = duration)]
    pub(crate) read_timeout: Duration,
    /// Most connections at a time
    #[arg(long = "web.max-connections", default_value = "512", value_parser = at_least_one)]
    pub(crate) max_connections: usize,
    /// Allow reload and shutdown over HTTP
    #[arg(long = "web.enable-lifecycle", overrides_with = "no_lifecycle")]
    pub(crate) lifecycle: bool,
    #[arg(long = "no-web.enable-lifecycle", hide = true)]
    pub(crate) no_lifecycle: bool,
    /// Allow deleting series, cleaning tombstones and snapshots over HTTP
    #[arg(long = "web.enable-admin-api", overrides_with = "no_admin_api")]
    pub(crate) admin_api: bool,
    #[arg(long = "no-web.enable-admin-api", hide = true)]
    pub(crate) no_admin_api: bool,
    /// Anchored expression of origins whose pages may read answers
    #[arg(long = "web.cors.origin", default_value = ".*")]
    pub(crate) cors_origin: String,
    /// Data directory
    #[arg(long = "storage.tsdb.path", default_value = "data/")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) storage: storage::StorageOptions,
    #[command(flatten)]
    pub(crate) rules: rules::RuleFlags,
    #[command(flatten)]
    pub(crate) pages: web::WebFlags,
    /// Most series in memory; new ones are refused beyond it
    #[arg(long = "storage.head.series-max", default_value_t = TsdbOptions::default().series_max)]
    pub(crate) series_max: u64,
    /// Most memory for series, bytes; new ones are refused beyond it [default: 45 % of the machine's or cgroup's]
    #[arg(long = "storage.head.memory-max")]
    pub(crate) memory_max: Option<u64>,
    /// Share of time spent waiting for memory, in percent, from which on kept results are forgotten, compaction waits and
    /// then queries run one at a time; 0: never
    #[arg(long = "memory.pressure-max", default_value_t = crate::memory::PRESSURE_PERCENT, value_parser = storage::percentage)]
    pub(crate) memory_pressure: f64,
    /// Compression of the write-ahead log: snappy, zstd or none
    #[arg(long = "storage.tsdb.wal-compression-type", default_value = "snappy", value_parser = wal_compression)]
    pub(crate) wal_compression: WalCompression,
    /// How far back an instant selector looks
    #[arg(long = "query.lookback-delta", default_value = "5m", value_parser = duration)]
    pub(crate) lookback_delta: Duration,
    /// How long a query may run
    #[arg(long = "query.timeout", default_value = "2m", value_parser = duration)]
    pub(crate) query_timeout: Duration,
    /// Most queries at a time
    #[arg(long = "query.max-concurrency", default_value = "20", value_parser = at_least_one)]
    pub(crate) max_concurrency: usize,
    /// Most samples a query may hold in memory
    #[arg(long = "query.max-samples", default_value_t = 50_000_000)]
    pub(crate) max_samples: u64,
    /// Comma-separated feature names; may be repeated
    #[arg(long = "enable-feature", value_delimiter = ',')]
    pub(crate) features: Vec<String>,
    #[command(flatten)]
    pub(crate) log: LogOptions,
}

/// Reads a path that may be empty, which the parser for paths refuses.
pub(crate) fn path_or_none(text: &str) -> Result<PathBuf, std::convert::Infallible> {
    Ok(PathBuf::from(text))
}

fn duration(text: &str) -> Result<Duration, String> {
    wf_model::duration::parse(text).map_err(|error| error.to_string())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads a path as routes take it: with a slash before it and none after, empty for the root.
fn route_prefix(text: &str) -> Result<String, String> {
    let path = text.trim_matches('/');
    match path.chars().find(|ch| ch.is_whitespace() || ch.is_control() || "{}*?#%\"<>\\".contains(*ch)) {
        Some(ch) => Err(format!("{ch:?} cannot be part of the path")),
        None if path.is_empty() => Ok(String::new()),
        None => Ok(format!("/{path}")),
    }
}

fn external_url(text: &str) -> Result<String, String> {
    route_prefix(path_of(text)).map(|_| text.to_owned())
}

/// Returns the path of a URL, without the slash before it.
fn path_of(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.split_once('/').map_or("", |(_, path)| path)
}

fn wal_compression(text: &str) -> Result<WalCompression, String> {
    match text {
        "snappy" => Ok(WalCompression::Snappy),
        "zstd" => Ok(WalCompression::Zstd),
        "none" => Ok(WalCompression::None),
        _ => Err("use snappy, zstd or none".to_owned()),
    }
}

pub(crate) fn main(options: &ServerOptions) -> ExitCode {
    crate::logging::start(options.log);
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::fail(&error),
    }
}

fn run(options: &ServerOptions) -> Result<()> {
    prepare();
    runtime()?.block_on(serve_forever(options))
}

/// What every role does before it starts.
pub(crate) fn prepare() {
    // Fails only when one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    crate::limits::raise_open_files();
}

/// Builds the runtime: two threads for the network; queries and storage have their own.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(64)
        .thread_name("watchfire")
        .enable_all()
        .build()
        .context("start the runtime")
}

async fn serve_forever(options: &ServerOptions) -> Result<()> {
    crate::limits::warn_of_network_file_system(&options.data);
    let registry = self_metrics();
    let server = Server::new(config(options), registry.clone(), system_clock())?;
    let stop = CancellationToken::new();
    let mut group = Group::new(stop.clone());
    let web = web_policy(&options.web_config_file)?;
    let http = HttpOptions { web: web.clone(), ..http_options(options, &registry) };
    for address in &options.listen {
        let listener = Listener::bind(address).await?;
        announce(&listener, web.as_deref());
        let (router, http) = (server.router(), http.clone());
        group.spawn("http", |stop| serve(listener, router, stop, http));
    }
    let control = server.control();
    if options.reloads_itself() {
        let (control, file) = (server.control(), options.config_file.clone());
        let interval = options.auto_reload_interval.max(Duration::from_secs(1));
        group.spawn("auto-reload", move |stop| wf_server::auto_reload(control, file, interval, stop));
    }
    let quit = stop.clone();
    let phase = server.phase();
    group.spawn("init-system", |stop| crate::init_system::tell(phase, stop));
    group.spawn("server", |stop| server.run(stop, quit));
    group.spawn("signals", |ended| signals(stop.clone(), ended, Some(control)));
    group.wait(STOP_WITHIN).await?;
    info!("see you next time");
    Ok(())
}

/// Registers what every process tells about itself.
pub(crate) fn self_metrics() -> Registry {
    let registry = Registry::new();
    process::register(&registry);
    let info = BuildInfo { version: wf_server::PROMETHEUS_VERSION.to_owned(), ..build_info() };
    process::register_build_info(&registry, "prometheus", &info);
    process::register_build_info(&registry, "watchfire", &build_info());
    registry
}

/// What was built; the revision comes from the build environment.
pub(crate) fn build_info() -> BuildInfo {
    BuildInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: option_env!("WATCHFIRE_REVISION").unwrap_or("unknown").to_owned(),
        branch: "main".to_owned(),
    }
}

/// Reads a `web.config.file`; an empty path is none.
pub(crate) fn web_policy(path: &Path) -> Result<Option<Arc<WebPolicy>>> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    WebPolicy::load(path, wf_config::read_web).map(Some).context("--web.config.file")
}

/// Says where we listen, and warns when that is more than this machine and open to all.
pub(crate) fn announce(listener: &Listener, web: Option<&WebPolicy>) {
    let address = listener.local_addr();
    if address.ip().is_loopback() || web.is_some_and(WebPolicy::is_guarded) {
        info!(%address, tls = web.is_some_and(WebPolicy::is_tls), "listening");
    } else {
        warn!(%address, "listening beyond this machine without authentication: whoever reaches the port may read");
    }
}

pub(crate) fn system_clock() -> Clock {
    Arc::new(|| {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Ends the program on SIGTERM and SIGINT, reloads on SIGHUP.
pub(crate) async fn signals(
    stop: CancellationToken,
    ended: CancellationToken,
    control: Option<ControlHandle>,
) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        let name = tokio::select! {
            () = ended.cancelled() => return Ok(()),
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hangup.recv() => "SIGHUP",
        };
        match &control {
            Some(control) if name == "SIGHUP" => {
                // The outcome is in the log; nobody waits for it here.
                let _ = control.reload().await;
            }
            _ => {
                info!(signal = name, "received a signal, exiting gracefully");
                stop.cancel();
                ended.cancelled().await;
                return Ok(());
            }
        }
    }
}

fn config(options: &ServerOptions) -> Config {
    let base_path = options.base_path();
    Config {
        source: ConfigSource::File(options.config_file.clone(), options.load_options()),
        data: options.data.clone(),
        tsdb: tsdb_options(options),
        keeps_exemplars: options.has_feature("exemplar-storage"),
        scrape_features: wf_server::ScrapeFeatures {
            start_times: wf_server::StartTimes {
                inject_zero: options.has_feature("created-timestamp-zero-ingestion"),
                store: options.has_feature("st-storage"),
                synthesise: options.has_feature("st-synthesis"),
            },
            keeps_metadata: options.has_feature("metadata-wal-records"),
            type_and_unit_labels: options.has_feature("type-and-unit-labels"),
        },
        engine: EngineOptions {
            max_samples: options.max_samples,
            timeout: options.query_timeout,
            lookback_delta_ms: i64::try_from(options.lookback_delta.as_millis()).unwrap_or(i64::MAX),
            features: features(&options.features),
            ..engine_options()
        },
        rules: options.rules.options(options.has_feature("concurrent-rule-eval"), options.public_url()),
        range_cache_bytes: range_cache_bytes(),
        n_query_slots: options.max_concurrency,
        memory_pressure: crate::memory::pressure(options.memory_pressure),
        cors_origin: options.cors_origin.clone(),
        route_prefix: options.route_prefix.clone().unwrap_or_else(|| base_path.clone()),
        base_path: format!("{base_path}/"),
        ui: crate::ui::embedded(),
        facts: options.pages.apply(
            Facts {
                is_admin_enabled: options.admin_api && !options.no_admin_api,
                retention: options.storage.described(),
                ..facts(flags(options), options.lifecycle && !options.no_lifecycle, &options.external_url)
            },
            options.has_feature("search-api"),
        ),
    }
}

fn tsdb_options(options: &ServerOptions) -> TsdbOptions {
    let mut tsdb = TsdbOptions {
        series_max: options.series_max,
        memory_bytes_max: options.head_memory(),
        wal_compression: options.wal_compression,
        // Only that encoding holds start timestamps; the configuration may still name another.
        xor2: options.has_feature("st-storage") || options.has_feature("xor2-encoding"),
        start_timestamps: options.has_feature("st-storage"),
        ..TsdbOptions::default()
    };
    options.storage.apply(&mut tsdb);
    tsdb
}

impl ServerOptions {
    fn has_feature(&self, name: &str) -> bool {
        self.features.iter().any(|feature| feature.trim() == name)
    }

    fn reloads_itself(&self) -> bool {
        (self.auto_reload && !self.no_auto_reload) || self.has_feature("auto-reload-config")
    }

    /// Most memory for series, bytes.
    fn head_memory(&self) -> u64 {
        self.memory_max.unwrap_or_else(|| self.pages.share_of(default_memory_max()))
    }

    fn load_options(&self) -> wf_config::LoadOptions {
        wf_config::LoadOptions {
            expands_secrets: self.expand_secrets,
            extra_scrape_metrics: self.has_feature("extra-scrape-metrics"),
        }
    }

    /// Address that notifications name: the external URL, or this machine and its port.
    fn public_url(&self) -> String {
        if !self.external_url.is_empty() {
            return self.external_url.clone();
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let port =
            self.listen.first().and_then(|address| address.rsplit_once(':')).map_or("9090", |(_, port)| port);
        format!("http://{host}:{port}/")
    }

    /// Path of the external URL, without a slash at its end.
    fn base_path(&self) -> String {
        let path = path_of(&self.external_url).trim_matches('/');
        if path.is_empty() { String::new() } else { format!("/{path}") }
    }
}

/// Facts about this process.
pub(crate) fn facts(
    flags: BTreeMap<String, String>,
    is_lifecycle_enabled: bool,
    external_url: &str,
) -> Facts {
    let working_directory = std::env::current_dir().map(|path| path.display().to_string());
    Facts {
        build: build_info(),
        flags,
        working_directory: working_directory.unwrap_or_default(),
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        retention: wf_model::duration::format(storage::RETENTION),
        is_lifecycle_enabled,
        is_admin_enabled: false,
        external_url: external_url.to_owned(),
        n_notification_listeners_max: 16,
        ..Facts::default()
    }
}

/// Memory for series where nobody chose: a share of what this process may have, or, where the operating system does not
/// say how much that is, the database's own default.
pub(crate) fn default_memory_max() -> u64 {
    crate::memory::budget().map_or(TsdbOptions::default().memory_bytes_max, Budget::head_bytes)
}

/// What the machine decides about queries: how much memory one may use, and that their threads come after those that
/// scrape and store.
pub(crate) fn engine_options() -> EngineOptions {
    EngineOptions {
        memory_bytes_max: crate::memory::budget().map_or(u64::MAX, Budget::query_bytes),
        on_thread_start: ThreadHook::new(lower_priority),
        ..EngineOptions::default()
    }
}

/// Memory for results of range queries: half of what the budget leaves for caches, at most 128 MiB.
pub(crate) fn range_cache_bytes() -> usize {
    const MOST: u64 = 128 << 20;
    let share = crate::memory::budget().map_or(0, |budget| budget.caches_bytes() / 2);
    usize::try_from(share.min(MOST)).unwrap_or(0)
}

/// How much nicer than the rest the threads of queries are.
const QUERY_NICENESS: i32 = 5;

/// Lowers the priority of the calling thread: to Linux a thread is a process of its own here.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Ok(niceness) = rustix::process::getpriority_process(None) {
        // A sandbox may forbid it; queries then run as everybody else does.
        let _ = rustix::process::setpriority_process(None, niceness.max(QUERY_NICENESS));
    }
}

/// HTTP settings of the server's listeners.
pub(crate) fn http_options(options: &ServerOptions, registry: &Registry) -> HttpOptions {
    let host = options.external_url.split_once("://").map(|(_, rest)| rest);
    let host = host.and_then(|rest| rest.split(['/', ':']).next()).filter(|host| !host.is_empty());
    HttpOptions {
        read_timeout: options.read_timeout,
        connections_max: options.max_connections,
        guard: GuardOptions {
            allowed_hosts: host.map(str::to_owned).into_iter().collect(),
            read_only_posts: wf_server::READ_ONLY_POSTS.to_vec(),
            ..GuardOptions::default()
        },
        metrics: Some(HttpMetrics::new(registry, "prometheus")),
        route_prefix: options.route_prefix.clone().unwrap_or_else(|| options.base_path()),
        ..HttpOptions::default()
    }
}

/// Reads feature names; what we do not know is worth a warning only, as in the original.
fn features(names: &[String]) -> Features {
    let mut features = Features::default();
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        match name {
            "promql-experimental-functions" => features.experimental_functions = true,
            "promql-extended-range-selectors" => features.extended_range_selectors = true,
            "promql-binop-fill-modifiers" => features.binop_fill_modifiers = true,
            "promql-delayed-name-removal" => features.delayed_name_removal = true,
            "use-start-timestamps" => features.use_start_timestamps = true,
            "type-and-unit-labels" => features.type_and_unit_labels = true,
            "promql-per-step-stats" => features.per_step_stats = true,
            "exemplar-storage"
            | "st-storage"
            | "st-synthesis"
            | "auto-reload-config"
            | "concurrent-rule-eval"
            | "created-timestamp-zero-ingestion"
            | "metadata-wal-records"
            | "search-api" => {}
            "extra-scrape-metrics" => {
                warn!(
                    "feature extra-scrape-metrics is deprecated: use extra_scrape_metrics of the configuration"
                );
            }
            "xor2-encoding" => warn!(
                "feature xor2-encoding is deprecated: use storage.tsdb.chunk_encoding.floats of the configuration"
            ),
            // On for good since they left the experimental stage.
            "native-histograms" | "ooo-native-histograms" | "promql-duration-expr" => {}
            _ => warn!(feature = name, "unknown feature: it is ignored"),
        }
    }
    features
}

/// The flags with their values, for `/api/v1/status/flags`.
fn flags(options: &ServerOptions) -> BTreeMap<String, String> {
    let time = wf_model::duration::format;
    let pairs = [
        ("config.auto-reload", options.reloads_itself().to_string()),
        ("config.auto-reload-interval", time(options.auto_reload_interval)),
        ("config.file", options.config_file.display().to_string()),
        ("config.expand-secrets", options.expand_secrets.to_string()),
        ("enable-feature", options.features.join(",")),
        ("log.format", format!("{:?}", options.log.format).to_lowercase()),
        ("log.level", format!("{:?}", options.log.level).to_lowercase()),
        ("memory.pressure-max", options.memory_pressure.to_string()),
        ("query.lookback-delta", time(options.lookback_delta)),
        ("query.max-concurrency", options.max_concurrency.to_string()),
        ("query.max-samples", options.max_samples.to_string()),
        ("query.timeout", time(options.query_timeout)),
        ("storage.head.memory-max", options.head_memory().to_string()),
        ("storage.head.series-max", options.series_max.to_string()),
        ("storage.tsdb.path", options.data.display().to_string()),
        ("storage.tsdb.wal-compression-type", format!("{:?}", options.wal_compression).to_lowercase()),
        ("web.config.file", options.web_config_file.display().to_string()),
        ("web.cors.origin", options.cors_origin.clone()),
        ("web.enable-admin-api", (options.admin_api && !options.no_admin_api).to_string()),
        ("web.enable-lifecycle", (options.lifecycle && !options.no_lifecycle).to_string()),
        ("web.external-url", options.external_url.clone()),
        ("web.listen-address", options.listen.join(",")),
        ("web.max-connections", options.max_connections.to_string()),
        ("web.read-timeout", time(options.read_timeout)),
        ("web.route-prefix", options.route_prefix.clone().unwrap_or_else(|| "/".to_owned())),
    ];
    let pairs = pairs
        .into_iter()
        .chain(options.storage.flags())
        .chain(options.rules.flags())
        .chain(options.pages.flags());
    pairs.map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_prefix_is_one_that_routes_can_take() {
        let check = |text: &str, want: &str| assert_eq!(route_prefix(text).as_deref(), Ok(want), "{text}");
        check("", "");
        check("/", "");
        check("prom", "/prom");
        check("/a/b/", "/a/b");
        for text in ["/{x", "/a b", "/*x", "/a?b"] {
            assert!(route_prefix(text).is_err(), "{text}");
        }
        assert!(external_url("http://h/{a}").is_err());
        assert_eq!(external_url("http://h:1/a/"), Ok("http://h:1/a/".to_owned()));
    }

    #[test]
    fn a_number_of_workers_is_at_least_one() {
        assert_eq!(at_least_one("1"), Ok(1));
        assert!(at_least_one("0").is_err() && at_least_one("-1").is_err() && at_least_one("x").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_thread_that_asks_becomes_nicer() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let inside = std::thread::spawn(move || {
            lower_priority();
            niceness()
        });
        assert_eq!(inside.join().unwrap(), before.max(QUERY_NICENESS));
        assert_eq!(niceness(), before);
    }
}
