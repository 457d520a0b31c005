//! Alerts under a driven clock.

use super::*;

const MINUTE: i64 = 60_000;

fn finding(instance: &str, value: f64) -> Finding {
    let labels = Labels::from_pairs([("alertname", "Down"), ("instance", instance)]);
    Finding { labels, annotations: BTreeMap::new(), value }
}

fn set(hold_min: u64, keep_min: u64) -> AlertSet {
    AlertSet::new(Duration::from_secs(60 * hold_min), Duration::from_secs(60 * keep_min))
}

/// Evaluates at `minute` and returns the state of the alert of `a`.
fn step(set: &mut AlertSet, minute: i64, is_down: bool) -> Option<AlertState> {
    let findings = is_down.then(|| finding("a", 1.0)).into_iter().collect();
    set.update(minute * MINUTE, findings, 0).unwrap();
    set.alerts().next().map(|alert| alert.state)
}

use AlertState::{Firing, Inactive, Pending};

#[test]
fn an_alert_fires_once_its_condition_held_long_enough() {
    let mut set = set(2, 0);
    let states: Vec<_> = (0..4).map(|minute| step(&mut set, minute, true)).collect();
    assert_eq!(states, [Some(Pending), Some(Pending), Some(Firing), Some(Firing)]);
    assert_eq!(set.alerts().next().unwrap().fired_at_ms, Some(2 * MINUTE));
}

#[test]
fn without_for_it_fires_at_once() {
    assert_eq!(step(&mut set(0, 0), 0, true), Some(Firing));
}

#[test]
fn a_pending_alert_whose_condition_ends_is_forgotten() {
    let mut set = set(5, 0);
    step(&mut set, 0, true);
    assert_eq!(step(&mut set, 1, false), None);
}

#[test]
fn a_resolved_alert_is_remembered_for_a_quarter_of_an_hour_and_begins_anew_when_it_comes_back() {
    let mut set = set(0, 0);
    step(&mut set, 0, true);
    assert_eq!(step(&mut set, 1, false), Some(Inactive));
    assert_eq!(step(&mut set, 16, false), Some(Inactive));
    assert_eq!(step(&mut set, 17, false), None);
    step(&mut set, 18, true);
    step(&mut set, 19, false);
    assert_eq!(step(&mut set, 20, true), Some(Firing));
    let alert = set.alerts().next().unwrap();
    assert_eq!((alert.active_at_ms, alert.resolved_at_ms, alert.last_sent_ms), (20 * MINUTE, None, None));
}

#[test]
fn an_alert_keeps_firing_through_a_gap() {
    let mut set = set(0, 3);
    step(&mut set, 0, true);
    let states: Vec<_> = [false, false, true, false, false, false, false]
        .into_iter()
        .zip(1..)
        .map(|(is_down, minute)| step(&mut set, minute, is_down).unwrap())
        .collect();
    assert_eq!(states, [Firing, Firing, Firing, Firing, Firing, Firing, Inactive]);
}

#[test]
fn a_rule_whose_for_grew_takes_firing_alerts_back() {
    let mut old = set(1, 0);
    step(&mut old, 0, true);
    assert_eq!(step(&mut old, 1, true), Some(Firing));
    let mut new = set(10, 0);
    new.adopt(old);
    assert_eq!(step(&mut new, 2, true), Some(Pending));
    assert_eq!(step(&mut new, 10, true), Some(Firing));
}

#[test]
fn two_results_with_the_labels_of_one_alert_are_an_error() {
    let outcome = set(0, 0).update(0, vec![finding("a", 1.0), finding("a", 2.0)], 0);
    assert_eq!(outcome, Err(AlertError::Duplicate));
}

#[test]
fn beyond_the_limit_all_alerts_are_forgotten() {
    let mut set = set(0, 0);
    set.update(0, vec![finding("a", 1.0)], 1).unwrap();
    let outcome = set.update(MINUTE, vec![finding("a", 1.0), finding("b", 1.0)], 1);
    assert_eq!(outcome, Err(AlertError::Limit { limit: 1, n_alerts: 2 }));
    assert_eq!(set.alerts().count(), 0);
}

#[test]
fn active_alerts_have_series() {
    let mut set = set(1, 0);
    set.update(7_500, vec![finding("a", 3.0)], 0).unwrap();
    let series: Vec<(String, f64)> =
        set.series().into_iter().map(|(labels, value)| (labels.to_string(), value)).collect();
    assert_eq!(
        series,
        [
            (r#"{__name__="ALERTS", alertname="Down", alertstate="pending", instance="a"}"#.to_owned(), 1.0),
            (r#"{__name__="ALERTS_FOR_STATE", alertname="Down", instance="a"}"#.to_owned(), 7.0),
        ]
    );
}

#[test]
fn firing_alerts_are_sent_again_after_the_delay_and_resolved_ones_at_once() {
    let mut set = set(0, 0);
    step(&mut set, 0, true);
    let sent = |set: &mut AlertSet, minute: i64| set.due(minute * MINUTE, MINUTE).len();
    assert_eq!([sent(&mut set, 0), sent(&mut set, 1), sent(&mut set, 2)], [1, 0, 1]);
    step(&mut set, 2, false);
    set.alerts.values_mut().for_each(|alert| alert.resolved_at_ms = Some(2 * MINUTE + 1));
    assert_eq!(set.due(2 * MINUTE + 2, MINUTE).len(), 1);
    assert_eq!(set.due(2 * MINUTE + 3, MINUTE).len(), 0);
}

#[test]
fn pending_alerts_are_not_sent() {
    let mut set = set(5, 0);
    step(&mut set, 0, true);
    assert!(set.due(0, 0).is_empty());
}

#[test]
fn a_restart_does_not_begin_the_wait_anew() {
    let labels = finding("a", 1.0).labels;
    let restored = |active_at: i64, down_at: i64| {
        let mut set = set(30, 0);
        step(&mut set, 100, true);
        set.restore(&labels, active_at * MINUTE, down_at * MINUTE, 100 * MINUTE, 10 * MINUTE);
        set.alerts().next().unwrap().active_at_ms / MINUTE
    };
    assert_eq!(restored(50, 90), 50, "it was firing before");
    assert_eq!(restored(65, 90), 80, "five minutes were left: ten of grace");
    assert_eq!(restored(85, 90), 95, "the ten minutes in between do not count");
}
