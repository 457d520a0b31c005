//! What is left of a group when inhibition, intervals and silences have had their say. The order is a contract.
//!
//! Source: `spec/alertmanager-pushgateway.md` §A6.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::config::AlertmanagerConfig;
use crate::dispatch::Flush;
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
    /// How many went, and why.
    pub(crate) suppressed: Vec<(Suppression, usize)>,
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
    inhibitor: &Inhibitor,
    intervals: &Intervals,
    silences: &mut Silences,
    now: Timestamp,
) -> Filtered {
    let mut filtered = Filtered { alerts: flush.alerts.clone(), suppressed: Vec::new() };
    filtered
        .keep(Suppression::Inhibition, |alert| inhibitor.inhibited_by(&alert.alert.labels, now).is_none());
    if let (_, Some(why)) = muted_by(route, intervals, flush.tick) {
        filtered.keep(why, |_| false);
    }
    filtered.keep(Suppression::Silence, |noted| {
        silences.covering(noted.alert.fingerprint, &noted.alert.labels, now).is_empty()
    });
    filtered
}

impl Filtered {
    fn keep(&mut self, why: Suppression, keep: impl FnMut(&NotedAlert) -> bool) {
        let n_before = self.alerts.len();
        self.alerts.retain(keep);
        let n_gone = n_before - self.alerts.len();
        if n_gone > 0 {
            self.suppressed.push((why, n_gone));
        }
    }
}
