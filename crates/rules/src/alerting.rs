//! The life of alerts: pending, firing, resolved. Pure: results and the time come in, what changed goes out.
//!
//! ```text
//!            condition        held for `for`              gone (after keep_firing_for)        15 min
//! (nothing) ──────────▶ pending ─────────────▶ firing ─────────────────────────────▶ resolved ─────▶ forgotten
//!                          └── gone: forgotten
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use wf_model::{Labels, METRIC_NAME};

/// How long a resolved alert is remembered, so that its end is told again to whoever missed it, ms.
const RESOLVED_RETENTION_MS: i64 = 15 * 60_000;
/// Series of an alert that is pending or firing: 1.
pub(crate) const ALERTS: &str = "ALERTS";
/// Series that tells since when, in seconds: a restart reads it back.
pub(crate) const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";

/// Label with the name of the rule that an alert is of.
pub(crate) const ALERT_NAME: &str = "alertname";

/// How far an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertState {
    /// Its condition does not hold any more.
    Inactive,
    /// Its condition holds, not yet long enough.
    Pending,
    /// It is told to people.
    Firing,
}

impl AlertState {
    /// Returns the word that the API and the series use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// One alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Identity, `alertname` among it.
    pub labels: Labels,
    /// Texts for people.
    pub annotations: BTreeMap<String, String>,
    /// Value of its condition at the last evaluation.
    pub value: f64,
    /// How far it is.
    pub state: AlertState,
    /// Since when its condition holds, ms.
    pub active_at_ms: i64,
    /// Since when it fires, ms.
    pub fired_at_ms: Option<i64>,
    /// When it was resolved, ms.
    pub resolved_at_ms: Option<i64>,
    /// Since when it fires on without its condition, ms.
    pub keep_firing_since_ms: Option<i64>,
    /// When it was sent last, ms.
    pub last_sent_ms: Option<i64>,
}

/// What an evaluation found: an alert's condition that holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Identity of the alert.
    pub labels: Labels,
    /// Texts, expanded.
    pub annotations: BTreeMap<String, String>,
    /// Value of the condition.
    pub value: f64,
}

/// Why an evaluation does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlertError {
    /// Two results are one alert.
    #[error("vector contains metrics with the same labelset after applying alert labels")]
    Duplicate,
    /// There are more than the group allows: all are forgotten.
    #[error("exceeded limit of {limit} with {n_alerts} alerts")]
    Limit {
        /// What the group allows.
        limit: usize,
        /// How many there are.
        n_alerts: usize,
    },
}

/// The alerts of one rule.
#[derive(Clone, Debug)]
pub struct AlertSet {
    hold_for_ms: i64,
    keep_firing_for_ms: i64,
    alerts: BTreeMap<Labels, Alert>,
}

impl AlertSet {
    /// Returns no alerts yet.
    pub fn new(hold_for: Duration, keep_firing_for: Duration) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self {
            hold_for_ms: millis(hold_for),
            keep_firing_for_ms: millis(keep_firing_for),
            alerts: BTreeMap::new(),
        }
    }

    /// Takes over the alerts of the same rule before a reload.
    pub fn adopt(&mut self, other: Self) {
        self.alerts = other.alerts;
    }

    /// Moves all times by `step_ms`: the clock they were read from was set.
    pub fn shift(&mut self, step_ms: i64) {
        let move_by = |time_ms: &mut i64| *time_ms = time_ms.saturating_add(step_ms);
        for alert in self.alerts.values_mut() {
            move_by(&mut alert.active_at_ms);
            let others = [
                &mut alert.fired_at_ms,
                &mut alert.resolved_at_ms,
                &mut alert.keep_firing_since_ms,
                &mut alert.last_sent_ms,
            ];
            others.into_iter().flatten().for_each(move_by);
        }
    }

    /// Returns all alerts, resolved ones among them, in order of their labels.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values()
    }

    /// Returns the state of the rule: that of its worst alert.
    pub fn state(&self) -> AlertState {
        self.alerts.values().map(|alert| alert.state).max().unwrap_or(AlertState::Inactive)
    }

    /// Takes the findings of an evaluation at `now_ms`. `limit` is the most active alerts, 0 for any number.
    /// # Errors
    /// See [`AlertError`].
    pub fn update(&mut self, now_ms: i64, findings: Vec<Finding>, limit: usize) -> Result<(), AlertError> {
        let mut found = BTreeMap::new();
        for finding in findings {
            if found.insert(finding.labels.clone(), finding).is_some() {
                return Err(AlertError::Duplicate);
            }
        }
        self.alerts.retain(|labels, alert| {
            found.contains_key(labels) || end(alert, now_ms, self.keep_firing_for_ms)
        });
        for (labels, finding) in found {
            match self.alerts.get_mut(&labels).filter(|alert| alert.state != AlertState::Inactive) {
                Some(alert) => {
                    (alert.value, alert.annotations) = (finding.value, finding.annotations);
                    alert.keep_firing_since_ms = None;
                }
                None => {
                    self.alerts.insert(labels, begun(finding, now_ms));
                }
            }
        }
        self.alerts.values_mut().for_each(|alert| ripen(alert, now_ms, self.hold_for_ms));
        let n_alerts = self.alerts.values().filter(|alert| alert.state != AlertState::Inactive).count();
        if limit > 0 && n_alerts > limit {
            self.alerts.clear();
            return Err(AlertError::Limit { limit, n_alerts });
        }
        Ok(())
    }

    /// Returns the series that say which alerts are active, with their values.
    pub fn series(&self) -> Vec<(Labels, f64)> {
        let active = self.alerts.values().filter(|alert| alert.state != AlertState::Inactive);
        active
            .flat_map(|alert| {
                let state = alert.labels.with(&[(METRIC_NAME, ALERTS), ("alertstate", alert.state.as_str())]);
                let since_s = alert.active_at_ms.div_euclid(1000);
                #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
                let since = (alert.labels.with(&[(METRIC_NAME, ALERTS_FOR_STATE)]), since_s as f64);
                [(state, 1.0), since]
            })
            .collect()
    }

    /// Returns the alerts to send at `now_ms`, and remembers that they were: those that fire or were resolved, once per
    /// `resend_delay_ms`, and at once when resolved since.
    pub fn due(&mut self, now_ms: i64, resend_delay_ms: i64) -> Vec<Alert> {
        let is_due = |alert: &&mut Alert| {
            let resolved_since =
                alert.resolved_at_ms.is_some_and(|at| alert.last_sent_ms.is_none_or(|sent| at > sent));
            let is_told = alert.state != AlertState::Pending;
            let is_old = alert.last_sent_ms.is_none_or(|sent| sent.saturating_add(resend_delay_ms) < now_ms);
            is_told && (resolved_since || is_old)
        };
        let due = self.alerts.values_mut().filter(is_due);
        due.map(|alert| {
            alert.last_sent_ms = Some(now_ms);
            alert.clone()
        })
        .collect()
    }

    /// Gives a pending alert the time that a run before the restart had noted. `down_at_ms` is when that run last
    /// noted it; an alert that had little left waits at least `grace_ms` more, so that a flood is not told at once.
    pub fn restore(
        &mut self,
        labels: &Labels,
        active_at_ms: i64,
        down_at_ms: i64,
        now_ms: i64,
        grace_ms: i64,
    ) {
        let hold_for_ms = self.hold_for_ms;
        let Some(alert) = self.alerts.get_mut(labels).filter(|alert| alert.state != AlertState::Inactive)
        else {
            return;
        };
        let remaining_ms = hold_for_ms - (down_at_ms - active_at_ms);
        alert.active_at_ms = if remaining_ms <= 0 {
            active_at_ms
        } else if remaining_ms < grace_ms {
            now_ms + grace_ms - hold_for_ms
        } else {
            active_at_ms + (now_ms - down_at_ms)
        };
    }
}

fn begun(finding: Finding, now_ms: i64) -> Alert {
    Alert {
        labels: finding.labels,
        annotations: finding.annotations,
        value: finding.value,
        state: AlertState::Pending,
        active_at_ms: now_ms,
        fired_at_ms: None,
        resolved_at_ms: None,
        keep_firing_since_ms: None,
        last_sent_ms: None,
    }
}

/// An alert's condition does not hold now. Returns whether the alert is still remembered.
fn end(alert: &mut Alert, now_ms: i64, keep_firing_for_ms: i64) -> bool {
    match alert.state {
        AlertState::Pending => false,
        AlertState::Inactive => {
            alert.resolved_at_ms.is_some_and(|at| now_ms.saturating_sub(at) <= RESOLVED_RETENTION_MS)
        }
        AlertState::Firing => {
            let since = *alert.keep_firing_since_ms.get_or_insert(now_ms);
            if now_ms.saturating_sub(since) >= keep_firing_for_ms {
                alert.state = AlertState::Inactive;
                alert.resolved_at_ms = Some(now_ms);
                alert.keep_firing_since_ms = None;
            }
            true
        }
    }
}

/// Moves an active alert between pending and firing by its age. A rule whose `for` grew takes alerts back.
fn ripen(alert: &mut Alert, now_ms: i64, hold_for_ms: i64) {
    let is_ripe = now_ms.saturating_sub(alert.active_at_ms) >= hold_for_ms;
    match alert.state {
        AlertState::Pending if is_ripe => {
            alert.state = AlertState::Firing;
            alert.fired_at_ms = Some(now_ms);
        }
        AlertState::Firing if !is_ripe && alert.keep_firing_since_ms.is_none() => {
            alert.state = AlertState::Pending;
            alert.fired_at_ms = None;
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
