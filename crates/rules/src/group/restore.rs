//! The state of alerts after a restart: since when they are pending, from the series that says so.
//!
//! # Source
//! `spec/prometheus-query.md` §5.3.

use wf_model::{Labels, METRIC_NAME, Matcher, TimeRange, is_stale_nan};
use wf_series::{SampleColumns, SelectError, SelectRequest};

use crate::alerting::{ALERT_NAME, ALERTS_FOR_STATE};
use crate::environment::Environment;

/// What an earlier run wrote down about one alert.
pub(super) struct Remembered {
    /// Identity of the alert.
    pub(super) labels: Labels,
    /// Since when its condition held, ms.
    pub(super) active_at_ms: i64,
    /// When that was written down last, ms.
    pub(super) noted_ms: i64,
}

/// Reads what is known about the alerts of a rule.
pub(super) fn remembered(alert: &str, at_ms: i64, env: &Environment) -> Result<Vec<Remembered>, SelectError> {
    let start_ms = at_ms.saturating_sub(env.times.outage_tolerance_ms);
    let range = TimeRange { start_ms, end_ms: at_ms };
    let matchers = [Matcher::equal(METRIC_NAME, ALERTS_FOR_STATE), Matcher::equal(ALERT_NAME, alert)];
    let selection = env.source.select(&SelectRequest { matchers: &matchers, range })?;
    let mut samples = SampleColumns::default();
    let mut found = Vec::new();
    for idx in 0..selection.len() {
        selection.read(idx, range, &mut samples)?;
        let last = samples.times_ms.iter().zip(&samples.values).next_back();
        let Some((noted_ms, since_s)) = last.filter(|(_, value)| !is_stale_nan(**value)) else { continue };
        #[expect(clippy::cast_possible_truncation, reason = "a float beyond the range of times saturates")]
        let active_at_ms = (since_s * 1000.0) as i64;
        let labels = selection.labels(idx).without(|name| name == METRIC_NAME);
        found.push(Remembered { labels, active_at_ms, noted_ms: *noted_ms });
    }
    Ok(found)
}
