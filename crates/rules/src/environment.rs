//! What rules are evaluated with: engine, storage, and who is told.

use std::fmt;
use std::sync::Arc;

use wf_model::Labels;
use wf_promql::engine::{Clock, Engine};
use wf_series::{SampleSink, SeriesSource};

use crate::metrics::RuleMetrics;
use crate::shared::SharedMemory;

/// An alert as it goes out to Alertmanagers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingAlert {
    /// Identity.
    pub labels: Labels,
    /// Texts for people, by name.
    pub annotations: Arc<[(String, String)]>,
    /// Since when it fires, ms.
    pub starts_at_ms: i64,
    /// When it ended, or until when it counts as firing unless told again, ms.
    pub ends_at_ms: i64,
    /// Address of its condition, for people.
    pub generator_url: Arc<str>,
}

/// Who is told of alerts. Must not block: it is called between evaluations.
pub trait AlertReceiver: Send + Sync {
    /// Takes alerts that fire or were resolved.
    fn receive(&self, alerts: Vec<OutgoingAlert>);
}

/// Durations that decide about alerts, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertTimes {
    /// How far back the state of alerts is looked for after a restart. Default 1 h.
    pub outage_tolerance_ms: i64,
    /// What is restored fires no sooner than after this time; shorter `for`s are not restored. Default 10 min.
    pub grace_ms: i64,
    /// Time between two notifications of one alert. Default 1 min.
    pub resend_delay_ms: i64,
}

impl Default for AlertTimes {
    fn default() -> Self {
        Self { outage_tolerance_ms: 3_600_000, grace_ms: 600_000, resend_delay_ms: 60_000 }
    }
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Environment {
    /// Evaluates.
    pub engine: Engine,
    /// What is read.
    pub source: Arc<dyn SeriesSource>,
    /// Where results go.
    pub sink: Arc<dyn SampleSink>,
    /// Who is told of alerts.
    pub receiver: Arc<dyn AlertReceiver>,
    /// Address under which others reach this server.
    pub external_url: Arc<str>,
    /// Labels of this server, for templates.
    pub external_labels: Arc<[(String, String)]>,
    /// Durations that decide about alerts.
    pub times: AlertTimes,
    /// Rules of one group that run at the same time, at most; up to one runs them in file order.
    pub n_concurrent: usize,
    /// What groups may keep decoded while they are evaluated, all together.
    pub shared: SharedMemory,
    /// Measures evaluations.
    pub clock: Clock,
    /// Numbers about rules.
    pub metrics: RuleMetrics,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("times", &self.times).finish_non_exhaustive()
    }
}
