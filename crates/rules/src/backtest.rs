//! When an alert would have fired: a rule's life over the history of its expression.

use std::collections::BTreeMap;

use wf_model::{Labels, LabelsBuilder, METRIC_NAME};

use crate::alerting::{AlertError, AlertSet, AlertState, Finding};
use crate::file::{Rule, RuleKind};
use crate::template::{AlertText, RuleFunctions, Subject};

/// The history of one series of a rule's expression: times in ms, ascending, and values.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Identity of the series.
    pub labels: Labels,
    /// Its samples.
    pub samples: Vec<(i64, f64)>,
}

/// The evaluations that are gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First, ms.
    pub start_ms: i64,
    /// None after, ms.
    pub end_ms: i64,
    /// Time between two, ms; greater than zero.
    pub step_ms: i64,
}

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// It began to fire.
    Fired,
    /// Its condition ended.
    Resolved,
}

/// A moment in the life of an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, ms.
    pub at_ms: i64,
    /// What.
    pub kind: EventKind,
    /// Identity of the alert.
    pub labels: Labels,
    /// Value of its condition then, or at last.
    pub value: f64,
    /// Since when its condition held (of a start), or it fired (of an end), ms.
    pub since_ms: i64,
}

/// Goes through `span` and returns what would have happened, in order. Functions of templates that query find nothing.
/// # Errors
/// When two series are one alert.
pub fn run(rule: &Rule, history: &[History], span: Span) -> Result<Vec<Event>, AlertError> {
    let RuleKind::Alert { hold_for, keep_firing_for, .. } = &rule.kind else { return Ok(Vec::new()) };
    let texts: Vec<(&String, AlertText)> =
        rule.labels.iter().map(|(name, text)| (name, AlertText::new(&rule.name, text))).collect();
    let mut alerts = AlertSet::new(*hold_for, *keep_firing_for);
    let mut firing: BTreeMap<Labels, (i64, f64)> = BTreeMap::new();
    let mut next = vec![0; history.len()];
    let mut events = Vec::new();
    let mut at_ms = span.start_ms;
    while at_ms <= span.end_ms {
        let mut findings = Vec::new();
        for (series, next) in history.iter().zip(&mut next) {
            while series.samples.get(*next).is_some_and(|(time_ms, _)| *time_ms < at_ms) {
                *next += 1;
            }
            let Some((_, value)) = series.samples.get(*next).filter(|(time_ms, _)| *time_ms == at_ms) else {
                continue;
            };
            findings.push(finding(rule, &texts, &series.labels, *value, at_ms));
        }
        alerts.update(at_ms, findings, 0)?;
        note(&alerts, at_ms, &mut firing, &mut events);
        at_ms = at_ms.saturating_add(span.step_ms.max(1));
    }
    Ok(events)
}

fn finding(rule: &Rule, texts: &[(&String, AlertText)], labels: &Labels, value: f64, now_ms: i64) -> Finding {
    let functions = RuleFunctions { query: &|_| Ok(Vec::new()), external_url: "", now_ms };
    let subject = Subject { labels, value, histogram: None, external_labels: &[] };
    let mut builder = LabelsBuilder::from_labels(labels);
    builder.remove(METRIC_NAME);
    for (name, text) in texts {
        let text = text.expand(subject, &functions);
        builder.set(name, &text.unwrap_or_else(|error| format!("<error expanding template: {error}>")));
    }
    builder.set("alertname", &rule.name);
    Finding { labels: builder.build(), annotations: BTreeMap::new(), value }
}

/// Compares what fires now with what fired before.
fn note(alerts: &AlertSet, at_ms: i64, firing: &mut BTreeMap<Labels, (i64, f64)>, events: &mut Vec<Event>) {
    let mut still = BTreeMap::new();
    for alert in alerts.alerts().filter(|alert| alert.state == AlertState::Firing) {
        let since_ms = alert.fired_at_ms.unwrap_or(at_ms);
        still.insert(alert.labels.clone(), (since_ms, alert.value));
        if !firing.contains_key(&alert.labels) {
            let (labels, since_ms) = (alert.labels.clone(), alert.active_at_ms);
            events.push(Event { at_ms, kind: EventKind::Fired, labels, value: alert.value, since_ms });
        }
    }
    for (labels, (since_ms, value)) in std::mem::replace(firing, still) {
        if !firing.contains_key(&labels) {
            events.push(Event { at_ms, kind: EventKind::Resolved, labels, value, since_ms });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::file::{Acceptance, load};

    const MINUTE: i64 = 60_000;

    #[test]
    fn an_alert_fires_and_ends_when_it_would_have() {
        let text =
            "groups: [{name: g, rules: [{alert: A, expr: x, for: 2m, labels: {s: '{{ $labels.i }}'}}]}]";
        let rule = load(text, Path::new("r.yml"), Acceptance::default()).unwrap().remove(0).rules.remove(0);
        let samples = |minutes: &[i64]| minutes.iter().map(|minute| (minute * MINUTE, 7.0)).collect();
        let of = |i, minutes: &[i64]| History {
            labels: Labels::from_pairs([("i", i)]),
            samples: samples(minutes),
        };
        let history = [of("long", &[1, 2, 3, 4, 5]), of("short", &[2, 3, 5, 6])];
        let events =
            run(&rule, &history, Span { start_ms: 0, end_ms: 10 * MINUTE, step_ms: MINUTE }).unwrap();
        let seen: Vec<_> =
            events.iter().map(|event| (event.at_ms / MINUTE, event.kind, event.since_ms / MINUTE)).collect();
        assert_eq!(seen, [(3, EventKind::Fired, 1), (6, EventKind::Resolved, 3)]);
        assert_eq!(events[0].labels.to_string(), r#"{alertname="A", i="long", s="long"}"#);
    }
}
