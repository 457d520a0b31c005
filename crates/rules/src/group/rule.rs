//! One rule: evaluated, written, its alerts told.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{debug, warn};
use wf_model::{Labels, METRIC_NAME};
use wf_promql::engine::{PreparedQuery, QueryOptions, QueryValue, SampleValue};
use wf_series::{SeriesRef, SeriesSource};

use super::output::{SameLabels, Written};
use super::{Health, Moment, Past, RuleStatus, millis, restore};
use crate::alerting::{ALERT_NAME, ALERTS, ALERTS_FOR_STATE, Alert, AlertSet, AlertState, Finding};
use crate::environment::{Environment, OutgoingAlert};
use crate::file::{Rule, RuleKind};
use crate::template::{AlertText, RuleFunctions, Subject, url_query};

/// Alerts count as firing for so many intervals or resend delays without being told again.
const VALID_FOR: i64 = 4;

/// The original's words for two results of a recording rule that are one series.
const SAME_LABELS: &str = "vector contains metrics with the same labelset after applying rule labels";

/// A rule that can be evaluated.
pub(super) struct RuleRun {
    rule: Rule,
    query: PreparedQuery,
    /// Path of the page about its expression.
    graph_path: String,
    /// Templates of labels and annotations, by name; only for alerts.
    labels: Vec<(String, AlertText)>,
    annotations: Vec<(String, AlertText)>,
    /// A lock over a few lines each: nothing is evaluated under it.
    state: Mutex<State>,
}

struct State {
    status: RuleStatus,
    alerts: AlertSet,
    is_restored: bool,
    written: Written,
}

impl RuleRun {
    pub(super) fn new(rule: Rule, past: Past) -> Self {
        let texts = |texts: &BTreeMap<String, String>| {
            let text = |(name, text): (&String, &String)| (name.clone(), AlertText::new(&rule.name, text));
            texts.iter().map(text).collect::<Vec<_>>()
        };
        let (alerts, labels, annotations) = match &rule.kind {
            RuleKind::Record => (AlertSet::new(Duration::ZERO, Duration::ZERO), Vec::new(), Vec::new()),
            RuleKind::Alert { hold_for, keep_firing_for, annotations } => {
                (AlertSet::new(*hold_for, *keep_firing_for), texts(&rule.labels), texts(annotations))
            }
        };
        let state = State {
            status: RuleStatus::default(),
            alerts,
            is_restored: past == Past::None,
            written: Written::default(),
        };
        Self {
            query: PreparedQuery { text: rule.text.clone(), expr: rule.expr.clone() },
            graph_path: format!("/graph?g0.expr={}&g0.tab=1", url_query(&rule.expr.to_string())),
            rule,
            labels,
            annotations,
            state: Mutex::new(state),
        }
    }

    pub(super) fn rule(&self) -> &Rule {
        &self.rule
    }

    pub(super) fn is_heir_of(&self, old: &Self) -> bool {
        let kind = |rule: &Rule| matches!(rule.kind, RuleKind::Record);
        let (new, old) = (&self.rule, &old.rule);
        new.name == old.name && new.labels == old.labels && kind(new) == kind(old)
    }

    pub(super) fn adopt(&self, old: &Self) {
        let mut theirs = old.state.lock();
        let mut mine = self.state.lock();
        mine.written = std::mem::take(&mut theirs.written);
        mine.alerts.adopt(theirs.alerts.clone());
        mine.status = theirs.status.clone();
        mine.is_restored = theirs.is_restored;
    }

    pub(super) fn take_written(&self) -> HashMap<Labels, SeriesRef> {
        self.state.lock().written.take()
    }

    pub(super) fn duration(&self) -> Duration {
        self.state.lock().status.duration
    }

    pub(super) fn status(&self) -> RuleStatus {
        let state = self.state.lock();
        let active = state.alerts.alerts().filter(|alert| alert.state != AlertState::Inactive);
        RuleStatus {
            alerts: active.cloned().collect(),
            state: state.status.evaluated_ms.map(|_| state.alerts.state()),
            ..state.status.clone()
        }
    }

    pub(super) fn shift(&self, step_ms: i64) {
        self.state.lock().alerts.shift(step_ms);
    }

    /// Evaluates the rule, and returns how many samples it gave.
    pub(super) fn evaluate(&self, moment: &Moment<'_>, env: &Environment) -> usize {
        let started = (env.clock)();
        env.metrics.evaluations.with(&[moment.group]).inc();
        let outcome = self.try_evaluate(moment, env);
        let duration = (env.clock)().saturating_sub(started);
        env.metrics.on_rule(duration);
        let (n_samples, error) = match outcome {
            Ok(n_samples) => (n_samples, None),
            Err(error) => (0, Some(error)),
        };
        let mut state = self.state.lock();
        if let Some(error) = &error {
            env.metrics.failures.with(&[moment.group]).inc();
            let is_new = state.status.last_error.as_ref() != Some(error);
            // Repeats are in the counter and on the page of rules.
            if is_new {
                warn!(rule_group = moment.group, rule = self.rule.name, %error, "evaluating a rule failed");
            } else {
                debug!(rule_group = moment.group, rule = self.rule.name, %error, "evaluating a rule failed");
            }
        }
        state.status.health = if error.is_none() { Health::Good } else { Health::Bad };
        state.status.last_error = error;
        state.status.evaluated_ms = Some(moment.at_ms);
        state.status.duration = duration;
        n_samples
    }

    fn try_evaluate(&self, moment: &Moment<'_>, env: &Environment) -> Result<usize, String> {
        let options = QueryOptions { clock: Some(Arc::clone(&env.clock)), ..QueryOptions::default() };
        let result = env.engine.instant_prepared(moment.source(), &self.query, moment.query_ms, &options);
        let found = match result.map_err(|error| error.to_string())?.value {
            QueryValue::Vector(samples) => {
                samples.into_iter().map(|sample| (sample.labels, sample.value)).collect()
            }
            QueryValue::Scalar { value, .. } => vec![(Labels::empty(), SampleValue::Float(value))],
            QueryValue::String { .. } | QueryValue::Matrix(_) => {
                return Err("rule result is not a vector or scalar".to_owned());
            }
        };
        let samples = match self.rule.kind {
            RuleKind::Record => self.recorded(found),
            RuleKind::Alert { .. } => self.alerted(&found, moment, env)?,
        };
        let n_samples = samples.len();
        let metrics: &[&str] = match self.rule.kind {
            RuleKind::Record => &[&self.rule.name],
            RuleKind::Alert { .. } => &[ALERTS, ALERTS_FOR_STATE],
        };
        // Taken out while writing: storage may wait, and nobody else writes for this rule.
        let mut written = std::mem::take(&mut self.state.lock().written);
        let outcome = self.write(&samples, &mut written, moment, env);
        self.state.lock().written = written;
        metrics.iter().for_each(|metric| moment.source.forget(metric));
        outcome.map(|()| n_samples)
    }

    fn write(
        &self,
        samples: &[(Labels, SampleValue)],
        written: &mut Written,
        moment: &Moment<'_>,
        env: &Environment,
    ) -> Result<(), String> {
        let recalled = written.recall(samples).map_err(|SameLabels| SAME_LABELS.to_owned())?;
        // Alerts have their limit where they live.
        let is_limited = matches!(self.rule.kind, RuleKind::Record) && moment.limit > 0;
        if is_limited && samples.len() > moment.limit {
            return Err(format!("exceeded limit of {} with {} series", moment.limit, samples.len()));
        }
        written.write(recalled, moment.query_ms, env)
    }

    fn recorded(&self, found: Vec<(Labels, SampleValue)>) -> Vec<(Labels, SampleValue)> {
        let mut changes: Vec<(&str, &str)> =
            self.rule.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        changes.push((METRIC_NAME, &self.rule.name));
        changes.sort_unstable();
        found.into_iter().map(|(labels, value)| (labels.with(&changes), value)).collect()
    }

    fn alerted(
        &self,
        found: &[(Labels, SampleValue)],
        moment: &Moment<'_>,
        env: &Environment,
    ) -> Result<Vec<(Labels, SampleValue)>, String> {
        let findings = found.iter().map(|(labels, value)| self.finding(labels, value, moment, env)).collect();
        let (series, due) = {
            let mut state = self.state.lock();
            state.alerts.update(moment.at_ms, findings, moment.limit).map_err(|error| error.to_string())?;
            let series = if state.is_restored { state.alerts.series() } else { Vec::new() };
            (series, state.alerts.due(moment.at_ms, env.times.resend_delay_ms))
        };
        if !due.is_empty() {
            let valid_ms = moment.interval_ms.max(env.times.resend_delay_ms).saturating_mul(VALID_FOR);
            let url: Arc<str> =
                format!("{}{}", env.external_url.trim_end_matches('/'), self.graph_path).into();
            let outgoing = |alert: Alert| OutgoingAlert {
                starts_at_ms: alert.fired_at_ms.unwrap_or(alert.active_at_ms),
                ends_at_ms: alert.resolved_at_ms.unwrap_or(moment.at_ms.saturating_add(valid_ms)),
                annotations: alert.annotations.into_iter().collect(),
                labels: alert.labels,
                generator_url: Arc::clone(&url),
            };
            env.receiver.receive(due.into_iter().map(outgoing).collect());
        }
        Ok(series.into_iter().map(|(labels, value)| (labels, SampleValue::Float(value))).collect())
    }

    /// Makes an alert of a sample: labels and annotations are expanded, whatever goes wrong with them.
    fn finding(
        &self,
        labels: &Labels,
        value: &SampleValue,
        moment: &Moment<'_>,
        env: &Environment,
    ) -> Finding {
        let (value, histogram) = match value {
            SampleValue::Float(value) => (*value, None),
            SampleValue::Histogram(histogram) => (0.0, Some(histogram.as_ref())),
        };
        let subject = Subject { labels, value, histogram, external_labels: &env.external_labels };
        let query = |text: &str| query(text, moment.source(), moment.query_ms, env);
        let functions =
            RuleFunctions { query: &query, external_url: &env.external_url, now_ms: moment.at_ms };
        let expand = |(name, text): &(String, AlertText)| {
            env.metrics.expansions.inc();
            let expanded = text.expand(subject, &functions).unwrap_or_else(|error| {
                env.metrics.expansion_failures.inc();
                debug!(rule = self.rule.name, %error, "expanding a template of an alert failed");
                format!("<error expanding template: {error}>")
            });
            (name.clone(), expanded)
        };
        let mut own: BTreeMap<String, String> = self.labels.iter().map(expand).collect();
        own.insert(METRIC_NAME.to_owned(), String::new());
        own.insert(ALERT_NAME.to_owned(), self.rule.name.clone());
        let changes: Vec<(&str, &str)> =
            own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let annotations = self.annotations.iter().map(expand).collect();
        Finding { labels: labels.with(&changes), annotations, value }
    }

    pub(super) fn restore(&self, at_ms: i64, env: &Environment) {
        let RuleKind::Alert { hold_for, .. } = &self.rule.kind else { return };
        if millis(*hold_for) >= env.times.grace_ms {
            match restore::remembered(&self.rule.name, at_ms, env) {
                Ok(found) => {
                    let mut state = self.state.lock();
                    for alert in found {
                        let (since_ms, noted_ms) = (alert.active_at_ms, alert.noted_ms);
                        state.alerts.restore(&alert.labels, since_ms, noted_ms, at_ms, env.times.grace_ms);
                    }
                }
                Err(error) => {
                    warn!(rule = self.rule.name, %error, "the state of alerts could not be restored");
                }
            }
        }
        self.state.lock().is_restored = true;
    }
}

/// Evaluates a query of a template.
fn query(
    text: &str,
    source: &dyn SeriesSource,
    time_ms: i64,
    env: &Environment,
) -> Result<Vec<(Labels, f64)>, String> {
    let options = QueryOptions { clock: Some(Arc::clone(&env.clock)), ..QueryOptions::default() };
    let result = env.engine.instant(source, text, time_ms, &options).map_err(|error| error.to_string())?;
    let float = |value: &SampleValue| match value {
        SampleValue::Float(value) => *value,
        SampleValue::Histogram(_) => 0.0,
    };
    match result.value {
        QueryValue::Vector(samples) => {
            Ok(samples.into_iter().map(|sample| (sample.labels, float(&sample.value))).collect())
        }
        QueryValue::Scalar { value, .. } => Ok(vec![(Labels::empty(), value)]),
        QueryValue::String { .. } | QueryValue::Matrix(_) => {
            Err("query result is not a vector or scalar".to_owned())
        }
    }
}
