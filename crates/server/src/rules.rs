//! Rules and the notifier of a server: from configuration to groups that run, and alerts that are told.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wf_config::Config;
use wf_httpkit::Registry;
use wf_httpkit::client::OptionsError;
use wf_model::NameScheme;
use wf_promql::engine::Engine;
use wf_promql::parser::ParseOptions;
use wf_rules::file::{self, Acceptance};
use wf_rules::{
    AlertTimes, Environment, GroupSpec, Notifier, NotifierOptions, Now, NowFn, RuleFileError, RuleManager,
    RuleMetrics, SharedMemory,
};
use wf_series::{SampleSink, SeriesSource};

/// Settings of rules and notifications.
#[derive(Clone, Debug, Default)]
pub struct RuleOptions {
    /// Durations that decide about alerts.
    pub times: AlertTimes,
    /// Rules of one group that run at the same time, at most.
    pub n_concurrent: usize,
    /// Settings of the queues.
    pub notifier: NotifierOptions,
    /// Address under which people reach this server from a notification.
    pub external_url: String,
}

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// A rule file is wrong.
    #[error(transparent)]
    File(#[from] RuleFileError),
    /// A directory of rule files cannot be read.
    #[error("find rule files {pattern}")]
    Glob {
        /// The pattern of the configuration.
        pattern: String,
        /// Why not.
        source: std::io::Error,
    },
    /// An Alertmanager cannot be reached as the configuration says.
    #[error("alerting")]
    Alerting(#[from] OptionsError),
}

/// Reads all rule files of `config`.
/// # Errors
/// See [`RulesError`].
pub fn load(config: &Config, expressions: ParseOptions) -> Result<Vec<GroupSpec>, RulesError> {
    let scheme = if config.global.format.legacy_names { NameScheme::Legacy } else { NameScheme::Utf8 };
    let acceptance = Acceptance { scheme, expressions, ..Acceptance::default() };
    let mut specs: Vec<GroupSpec> = Vec::new();
    for pattern in &config.rule_files {
        let failed = |source| RulesError::Glob { pattern: pattern.display().to_string(), source };
        for path in wf_rules::glob(pattern).map_err(failed)? {
            let file: Arc<str> = path.to_string_lossy().into();
            // Two patterns may find the same file.
            if specs.iter().any(|spec| spec.file == file) {
                continue;
            }
            specs.extend(file::load_file(&path, acceptance)?.into_iter().map(|group| GroupSpec {
                file: Arc::clone(&file),
                interval: group.interval.unwrap_or(config.global.evaluation_interval),
                query_offset: group.query_offset.unwrap_or(config.global.rule_query_offset),
                group,
            }));
        }
    }
    Ok(specs)
}

/// Evaluates and tells.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) manager: RuleManager,
    pub(crate) notifier: Arc<Notifier>,
}

/// What rules are evaluated with.
pub(crate) struct Parts<'a> {
    pub(crate) options: &'a RuleOptions,
    pub(crate) engine: Engine,
    pub(crate) source: Arc<dyn SeriesSource>,
    pub(crate) sink: Arc<dyn SampleSink>,
    pub(crate) registry: &'a Registry,
}

impl Rules {
    pub(crate) fn new(parts: Parts<'_>) -> Self {
        let Parts { options, engine, source, sink, registry } = parts;
        let notifier = Arc::new(Notifier::new(options.notifier, registry));
        let started = Instant::now();
        let env = Environment {
            engine,
            source,
            sink,
            receiver: Arc::clone(&notifier) as _,
            external_url: options.external_url.as_str().into(),
            external_labels: Arc::new([]),
            times: options.times,
            n_concurrent: options.n_concurrent,
            shared: SharedMemory::default(),
            clock: Arc::new(move || started.elapsed()),
            metrics: RuleMetrics::new(registry),
        };
        Self { manager: RuleManager::new(env, system_clocks()), notifier }
    }

    /// Takes over rules that were loaded, and who is told.
    /// # Errors
    /// When an Alertmanager cannot be used; nothing has changed then.
    pub(crate) fn reload(
        &self,
        config: &Config,
        specs: Vec<GroupSpec>,
        engine: &Engine,
    ) -> Result<(), OptionsError> {
        let external = &config.global.external_labels;
        self.notifier.reload(&config.alerting, external)?;
        let labels: Arc<[_]> =
            external.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.manager.reload(specs, |env| {
            env.engine = engine.clone();
            env.external_labels = Arc::clone(&labels);
        });
        Ok(())
    }

    /// Ends evaluations first, so that their last alerts are told.
    pub(crate) async fn stop(&self) {
        self.manager.stop().await;
        self.notifier.stop().await;
    }
}

/// The clocks of the machine: the monotonic one decides when, the other names the time.
fn system_clocks() -> NowFn {
    let started = Instant::now();
    Arc::new(move || {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Now { wall_ms: millis(since_epoch), mono_ms: millis(started.elapsed()) }
    })
}
