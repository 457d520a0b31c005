//! What is left of a group when inhibition, intervals and silences have had their say. The order is a contract.
//!
//! Source: `spec/alertmanager-pushgateway.md` §A6.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::alert::AlertStore;
use crate::config::AlertmanagerConfig;
use crate::dispatch::Flush;
use crate::history::AlertOutcome;
use crate::inhibit::Inhibitor;
use crate::interval::IntervalSpec;
use crate::route::Route;
use crate::silence::Silences;
use crate::template::data::NotedAlert;

/// Intervals by name.
pub(crate) type Intervals = BTreeMap<String, Vec<IntervalSpec>>;

/// Returns the intervals of a configuration.
pub(crate) fn intervals(config: &AlertmanagerConfig) -> Intervals {
    let entries = config.file.mute_time_intervals.iter().chain(&config.file.time_intervals);
    entries.map(|entry| (entry.name.clone(), entry.time_intervals.clone())).collect()
}

/// Why alerts are not told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suppression {
    Inhibition,
    ActiveInterval,
    MuteInterval,
    Silence,
}

impl Suppression {
    /// Value of the metric's label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Inhibition => "inhibition",
            Self::ActiveInterval => "active_time_interval",
            Self::MuteInterval => "mute_time_interval",
            Self::Silence => "silence",
        }
    }
}

/// What became of a group's alerts.
#[derive(Debug, Default)]
pub(crate) struct Filtered {
    pub(crate) alerts: Vec<NotedAlert>,
    /// Those that went, and why.
    pub(crate) suppressed: Vec<(NotedAlert, AlertOutcome)>,
}

impl Filtered {
    /// Returns how many went for which reason.
    pub(crate) fn counts(&self) -> [(Suppression, usize); 4] {
        let all = [
            Suppression::Inhibition,
            Suppression::ActiveInterval,
            Suppression::MuteInterval,
            Suppression::Silence,
        ];
        let why = |outcome: &AlertOutcome| match outcome {
            AlertOutcome::Inhibited { .. } => Some(Suppression::Inhibition),
            AlertOutcome::Silenced(_) => Some(Suppression::Silence),
            AlertOutcome::Muted { is_inactive: true, .. } => Some(Suppression::ActiveInterval),
            AlertOutcome::Muted { is_inactive: false, .. } => Some(Suppression::MuteInterval),
            AlertOutcome::Passed { .. } => None,
        };
        let count =
            |wanted| self.suppressed.iter().filter(|(_, outcome)| why(outcome) == Some(wanted)).count();
        all.map(|wanted| (wanted, count(wanted)))
    }
}

/// Returns the names of the intervals by which a route is muted at `at`; an active interval's absence mutes as well.
pub(crate) fn muted_by(
    route: &Route,
    intervals: &Intervals,
    at: Timestamp,
) -> (Vec<String>, Option<Suppression>) {
    let holds =
        |name: &&String| intervals.get(*name).is_some_and(|specs| specs.iter().any(|spec| spec.contains(at)));
    if !route.active_intervals.is_empty() && !route.active_intervals.iter().any(|name| holds(&name)) {
        return (route.active_intervals.clone(), Some(Suppression::ActiveInterval));
    }
    let muted: Vec<String> = route.mute_intervals.iter().filter(holds).cloned().collect();
    let why = (!muted.is_empty()).then_some(Suppression::MuteInterval);
    (muted, why)
}

/// Runs the stages before sending.
pub(crate) fn filter(
    flush: &Flush,
    route: &Route,
    (inhibitor, alerts): (&Inhibitor, &AlertStore),
    intervals: &Intervals,
    silences: &mut Silences,
    now: Timestamp,
) -> Filtered {
    let mut filtered = Filtered { alerts: flush.alerts.clone(), suppressed: Vec::new() };
    filtered.drop(|noted| {
        let (rule, source) = inhibitor.inhibited_by(&noted.alert.labels, alerts, now)?;
        Some(AlertOutcome::Inhibited { rule, source })
    });
    if let (intervals, Some(why)) = muted_by(route, intervals, flush.tick) {
        let is_inactive = why == Suppression::ActiveInterval;
        filtered.drop(|_| Some(AlertOutcome::Muted { is_inactive, intervals: intervals.clone() }));
    }
    filtered.drop(|noted| {
        let ids = silences.covering(noted.alert.fingerprint, &noted.alert.labels, now);
        (!ids.is_empty()).then_some(AlertOutcome::Silenced(ids))
    });
    filtered
}

impl Filtered {
    /// Drops the alerts for which there is a reason.
    fn drop(&mut self, mut why: impl FnMut(&NotedAlert) -> Option<AlertOutcome>) {
        for noted in std::mem::take(&mut self.alerts) {
            match why(&noted) {
                Some(outcome) => self.suppressed.push((noted, outcome)),
                None => self.alerts.push(noted),
            }
        }
    }
}
