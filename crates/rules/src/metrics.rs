//! Numbers about rules, under the original's names.
//!
//! # Source
//! `spec/prometheus-query.md` §5.2.

use std::time::Duration;

use wf_httpkit::metrics::{Counter, CounterVec, GaugeVec, Histogram, Objective, Registry, Summary};

const OBJECTIVES: [Objective; 3] = [Objective(0.5), Objective(0.9), Objective(0.99)];
const GROUP_OBJECTIVES: [Objective; 5] =
    [Objective(0.01), Objective(0.05), Objective(0.5), Objective(0.9), Objective(0.99)];
const EXPANSIONS: (&str, &str) =
    ("prometheus_template_text_expansions_total", "The total number of template text expansions.");
const EXPANSION_FAILURES: (&str, &str) = (
    "prometheus_template_text_expansion_failures_total",
    "The total number of template text expansion failures.",
);
/// Bounds of the histograms, s.
const BOUNDS_S: [f64; 6] = [0.001, 0.01, 0.1, 1.0, 10.0, 60.0];

/// See the module. Clones share the numbers.
#[derive(Clone, Debug)]
pub struct RuleMetrics {
    pub(crate) evaluations: CounterVec<1>,
    pub(crate) failures: CounterVec<1>,
    duration: Summary,
    duration_histogram: Histogram,
    group_duration: Summary,
    group_duration_histogram: Histogram,
    pub(crate) iterations: CounterVec<1>,
    pub(crate) missed: CounterVec<1>,
    pub(crate) interval: GaugeVec<1>,
    pub(crate) last_evaluation: GaugeVec<1>,
    pub(crate) last_duration: GaugeVec<1>,
    pub(crate) last_rule_duration_sum: GaugeVec<1>,
    pub(crate) last_restore_duration: GaugeVec<1>,
    pub(crate) rules: GaugeVec<1>,
    pub(crate) last_samples: GaugeVec<1>,
    pub(crate) expansions: Counter,
    pub(crate) expansion_failures: Counter,
}

impl RuleMetrics {
    /// Registers all of them.
    pub fn new(registry: &Registry) -> Self {
        let counter = |name, help| registry.counter_vec(name, help, ["rule_group"]);
        let gauge = |name, help| registry.gauge_vec(name, help, ["rule_group"]);
        Self {
            evaluations: counter(
                "prometheus_rule_evaluations_total",
                "The total number of rule evaluations.",
            ),
            failures: counter(
                "prometheus_rule_evaluation_failures_total",
                "The total number of rule evaluation failures.",
            ),
            duration: registry.summary(
                "prometheus_rule_evaluation_duration_seconds",
                "The duration for a rule to execute.",
                &OBJECTIVES,
            ),
            duration_histogram: registry.histogram(
                "prometheus_rule_evaluation_duration_histogram_seconds",
                "The duration for a rule to execute.",
                &BOUNDS_S,
            ),
            group_duration: registry.summary(
                "prometheus_rule_group_duration_seconds",
                "The duration of rule group evaluations.",
                &GROUP_OBJECTIVES,
            ),
            group_duration_histogram: registry.histogram(
                "prometheus_rule_group_duration_histogram_seconds",
                "The duration of rule group evaluations.",
                &BOUNDS_S,
            ),
            iterations: counter(
                "prometheus_rule_group_iterations_total",
                "The total number of scheduled rule group evaluations, whether executed or missed.",
            ),
            missed: counter(
                "prometheus_rule_group_iterations_missed_total",
                "The total number of rule group evaluations missed due to slow rule group evaluation.",
            ),
            interval: gauge("prometheus_rule_group_interval_seconds", "The interval of a rule group."),
            last_evaluation: gauge(
                "prometheus_rule_group_last_evaluation_timestamp_seconds",
                "The timestamp of the last rule group evaluation in seconds.",
            ),
            last_duration: gauge(
                "prometheus_rule_group_last_duration_seconds",
                "The duration of the last rule group evaluation.",
            ),
            last_rule_duration_sum: gauge(
                "prometheus_rule_group_last_rule_duration_sum_seconds",
                "The sum of the durations of the rules in the last evaluation of a group.",
            ),
            last_restore_duration: gauge(
                "prometheus_rule_group_last_restore_duration_seconds",
                "The duration of the last alert state restoration of a group.",
            ),
            rules: gauge("prometheus_rule_group_rules", "The number of rules."),
            last_samples: gauge(
                "prometheus_rule_group_last_evaluation_samples",
                "The number of samples returned during the last rule group evaluation.",
            ),
            expansions: registry.counter(EXPANSIONS.0, EXPANSIONS.1),
            expansion_failures: registry.counter(EXPANSION_FAILURES.0, EXPANSION_FAILURES.1),
        }
    }

    pub(crate) fn on_rule(&self, duration: Duration) {
        self.duration.observe(duration.as_secs_f64());
        self.duration_histogram.observe(duration.as_secs_f64());
    }

    pub(crate) fn on_group(&self, duration: Duration) {
        self.group_duration.observe(duration.as_secs_f64());
        self.group_duration_histogram.observe(duration.as_secs_f64());
    }

    /// Forgets the numbers of a group that is gone.
    pub(crate) fn remove(&self, group: &str) {
        for counters in [&self.evaluations, &self.failures, &self.iterations, &self.missed] {
            counters.remove(&[group]);
        }
        let gauges = [
            &self.interval,
            &self.last_evaluation,
            &self.last_duration,
            &self.last_rule_duration_sum,
            &self.last_restore_duration,
            &self.rules,
            &self.last_samples,
        ];
        for gauge in gauges {
            gauge.remove(&[group]);
        }
    }
}
