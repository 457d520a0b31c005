//! From a configuration file to everything that is built from it, and taking it over while running.

use std::collections::BTreeMap;
use std::sync::Arc;

use md5::Digest;
use tokio_util::sync::CancellationToken;
use wf_exposition::{Metric, MetricFamily, MetricLabels, MetricValue};
use wf_model::MetricType;

use super::{Alertmanager, AlertmanagerError, Loaded, Options};
use crate::alert::Alert;
use crate::config::AlertmanagerConfig;
use crate::dispatch::Dispatcher;
use crate::inhibit::Inhibitor;
use crate::route::Routes;
use crate::template::Templates;
use crate::{notify, pipeline};

/// Does everything that can fail, but routes and rules, which [`parts`] compiles.
pub(super) fn load(options: &Options) -> Result<Loaded, AlertmanagerError> {
    let config = AlertmanagerConfig::load_file(&options.config_file, options.mode)
        .map_err(|source| AlertmanagerError::Config { path: options.config_file.clone(), source })?;
    let templates = Templates::load(&config.file.templates, &config.directory, &options.external_url)
        .map_err(|error| AlertmanagerError::Build(chain(&error)))?;
    let routes = Routes::compile(&config).map_err(AlertmanagerError::Build)?;
    let mut receivers = BTreeMap::new();
    for receiver in &config.file.receivers {
        // Receivers that no route names are checked, not built.
        if routes.nodes.iter().any(|node| node.receiver == receiver.name) {
            let integrations = notify::build(receiver).map_err(AlertmanagerError::Build)?;
            receivers.insert(receiver.name.clone(), Arc::new(integrations));
        }
    }
    for (section, consequence) in config.idle_sections() {
        tracing::warn!(section, consequence, "a section of the configuration is read and not acted upon");
    }
    for node in &routes.nodes {
        if node.repeat_interval > options.retention {
            tracing::warn!(route = %node.id, "repeat_interval is longer than the data is kept: it repeats earlier");
        }
        if node.repeat_interval < node.group_interval {
            tracing::warn!(route = %node.id, "repeat_interval is shorter than group_interval, which then decides");
        }
    }
    let intervals = pipeline::intervals(&config);
    Ok(Loaded { config, templates, receivers, intervals, cancel: CancellationToken::new() })
}

/// Displays an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Compiles the parts that live in the state.
pub(super) fn parts(
    loaded: &Loaded,
    options: &Options,
    started_at: jiff::Timestamp,
) -> Result<(Inhibitor, Dispatcher), AlertmanagerError> {
    let routes = Routes::compile(&loaded.config).map_err(AlertmanagerError::Build)?;
    let inhibitor = Inhibitor::compile(&loaded.config).map_err(AlertmanagerError::Build)?;
    let starts_at = crate::instant::after(started_at, options.dispatch_start_delay);
    Ok((inhibitor, Dispatcher::new(Arc::new(routes), starts_at)))
}

impl Alertmanager {
    /// Reads the configuration file again. On failure everything stays as it is.
    /// # Errors
    /// See [`AlertmanagerError`].
    pub fn reload(&self) -> Result<(), AlertmanagerError> {
        let _one_at_a_time = self.shared.reloading.lock();
        let file = self.shared.options.config_file.display().to_string();
        match self.try_reload() {
            Ok(()) => {
                tracing::info!(file, "completed loading of configuration file");
                Ok(())
            }
            Err(error) => {
                tracing::error!(
                    file,
                    error = chain(&error),
                    "loading configuration file failed: the old one stays"
                );
                self.shared.metrics.reload_success.set(0.0);
                Err(error)
            }
        }
    }

    fn try_reload(&self) -> Result<(), AlertmanagerError> {
        let loaded = load(&self.shared.options)?;
        let (inhibitor, mut dispatcher) = parts(&loaded, &self.shared.options, self.shared.started_at)?;
        let now = self.now();
        self.with_state(|state| {
            // What is being sent under the old configuration ends here.
            self.shared.loaded.load().cancel.cancel();
            let mut known: BTreeMap<u64, Arc<Alert>> =
                state.alerts.iter().map(|alert| (alert.fingerprint, Arc::clone(alert))).collect();
            // Resolved alerts that wait for their last notification are only in groups.
            for (_, group) in state.dispatcher.groups() {
                for (fingerprint, alert) in group.alerts.iter().collect::<BTreeMap<_, _>>() {
                    known.entry(*fingerprint).or_insert_with(|| Arc::clone(alert));
                }
            }
            dispatcher.era = state.dispatcher.era + 1;
            (state.inhibitor, state.dispatcher) = (inhibitor, dispatcher);
            known.values().for_each(|alert| state.inhibitor.observe(alert));
            known.values().for_each(|alert| state.dispatcher.insert(alert, now));
            self.shared.loaded.store(Arc::new(loaded));
        });
        self.count_config();
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Sets the numbers that follow from the configuration.
    pub(super) fn count_config(&self) {
        let loaded = self.shared.loaded.load();
        let metrics = &self.shared.metrics;
        let digest = md5::Md5::digest(loaded.config.text.as_bytes());
        // Six bytes: what a float holds exactly.
        let hash = digest.iter().take(6).rev().fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
        #[expect(clippy::cast_precision_loss, reason = "48 bits fit; counts are small")]
        {
            metrics.config_hash.set(hash as f64);
            metrics.receivers.set(loaded.config.file.receivers.len() as f64);
            let n_integrations: usize =
                loaded.receivers.values().map(|integrations| integrations.len()).sum();
            metrics.integrations.set(n_integrations as f64);
            metrics.inhibition_rules.set(self.with_state(|state| state.inhibitor.n_rules()) as f64);
        }
        metrics.reload_success.set(1.0);
        metrics.reload_success_time.set_to_now();
    }

    /// Registers the numbers that are read when somebody asks.
    pub(super) fn register_numbers(&self) {
        // A weak reference: the registry lives in what it would keep alive.
        let weak = Arc::downgrade(&self.shared);
        self.shared.registry.collect(move |families| {
            let Some(shared) = weak.upgrade() else { return };
            Alertmanager { shared }.collect(families);
        });
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of things in memory are far below 2^53")]
    fn collect(&self, families: &mut Vec<MetricFamily>) {
        let now = self.now();
        let gauge = |name: &'static str, help: &'static str, metrics: Vec<Metric>| {
            let mut family = MetricFamily::new(name, help, MetricType::Gauge);
            family.metrics = metrics;
            family
        };
        let one = |value: f64| {
            vec![Metric {
                labels: MetricLabels::default(),
                value: MetricValue::Number(value),
                timestamp_ms: None,
            }]
        };
        let by_state = |counts: Vec<(&'static str, usize)>| -> Vec<Metric> {
            let metric = |(state, count): (&'static str, usize)| Metric {
                labels: vec![("state".into(), state.into())].into(),
                value: MetricValue::Number(count as f64),
                timestamp_ms: None,
            };
            counts.into_iter().map(metric).collect()
        };
        self.with_state(|state| {
            let (mut active, mut suppressed) = (0, 0);
            for alert in state.alerts.iter().filter(|alert| !alert.is_resolved(now)) {
                let is_silenced = !state.silences.covering(alert.fingerprint, &alert.labels, now).is_empty();
                match is_silenced || state.inhibitor.inhibited_by(&alert.labels, &state.alerts, now).is_some()
                {
                    true => suppressed += 1,
                    false => active += 1,
                }
            }
            let alerts = vec![("active", active), ("suppressed", suppressed), ("unprocessed", 0)];
            families.push(gauge("alertmanager_alerts", "Alerts by state.", by_state(alerts)));
            let mut silences = [("active", 0), ("expired", 0), ("pending", 0)];
            for silence in state.silences.iter() {
                let name = silence.state(now).as_str();
                silences.iter_mut().filter(|(state, _)| *state == name).for_each(|(_, count)| *count += 1);
            }
            families.push(gauge("alertmanager_silences", "Silences by state.", by_state(silences.to_vec())));
            let n_groups = state.dispatcher.n_groups() as f64;
            families.push(gauge(
                "alertmanager_dispatcher_aggregation_groups",
                "Groups of alerts.",
                one(n_groups),
            ));
            let limit = self.shared.options.alerts_per_name_max as f64;
            families.push(gauge(
                "alertmanager_alerts_per_alert_limit",
                "Limit of alerts of one name.",
                one(limit),
            ));
            let n_silences = state.silences.len() as f64;
            families.push(gauge(
                "alertmanager_silences_state_size",
                "Silences that are known.",
                one(n_silences),
            ));
            let n_entries = state.log.len() as f64;
            families.push(gauge(
                "alertmanager_nflog_state_size",
                "Entries of the notification log.",
                one(n_entries),
            ));
        });
    }
}
