//! Reloads under a driven clock: tokio's, which stands still while a group is evaluated.

use std::collections::BTreeSet;
use std::path::Path;

use wf_model::{Labels, is_stale_nan};
use wf_series::SampleColumns;

use super::*;
use crate::alerting::AlertState;
use crate::file::{Acceptance, RuleFileError, load};
use crate::group::tests::{Bench, MINUTE, labels};

const START: i64 = 1_000 * MINUTE;

fn specs(file: &str, rules: &str) -> Result<Vec<GroupSpec>, RuleFileError> {
    let text = format!("groups: [{{name: g, rules: [{rules}]}}]");
    let groups = load(&text, Path::new(file), Acceptance::default())?;
    let spec = |group| GroupSpec {
        file: file.into(),
        group,
        interval: Duration::from_secs(60),
        query_offset: Duration::ZERO,
    };
    Ok(groups.into_iter().map(spec).collect())
}

fn manager(bench: &Bench) -> RuleManager {
    let started = tokio::time::Instant::now();
    let now = move || {
        let mono_ms = i64::try_from(started.elapsed().as_millis()).unwrap();
        Now { wall_ms: START + mono_ms, mono_ms }
    };
    RuleManager::new(bench.env.clone(), Arc::new(now))
}

async fn minutes(n: u64) {
    tokio::time::sleep(Duration::from_secs(60 * n)).await;
}

/// Takes what was told: how often, and since when alerts fire, in minutes.
fn told(bench: &Bench) -> (usize, BTreeSet<i64>) {
    let alerts = std::mem::take(&mut *bench.listener.0.lock());
    let since = alerts.iter().map(|alert| (alert.starts_at_ms - START) / MINUTE).collect();
    (alerts.len(), since)
}

fn samples(bench: &Bench, labels: &Labels) -> SampleColumns {
    bench.sandbox.storage().get(labels).map(|samples| (*samples).clone()).unwrap_or_default()
}

fn n_ends(samples: &SampleColumns) -> usize {
    samples.values.iter().filter(|value| is_stale_nan(**value)).count()
}

fn state(manager: &RuleManager) -> Option<AlertState> {
    manager.groups().first()?.rules().next()?.1.alerts.first().map(|alert| alert.state)
}

#[tokio::test(start_paused = true)]
async fn rule_files_that_break_change_or_vanish_neither_lose_nor_repeat_alerts() {
    let bench = Bench::default();
    let manager = manager(&bench);
    let rules = "{alert: A, expr: vector(0) == 0, for: 5m}, {record: a, expr: vector(1)}";
    manager.reload(specs("r.yml", rules).unwrap(), |_| {});
    minutes(12).await;
    let (n, since) = told(&bench);
    assert!(n > 1 && since.len() == 1, "one alert, told again and again: {n} {since:?}");
    // A file that broke is not taken: the groups in force go on.
    assert!(specs("r.yml", "{alert: A, expr: 'rate('}").is_err());
    minutes(4).await;
    assert_eq!(told(&bench), (2, since.clone()));
    // A file that changed hands over the state of what stays.
    manager.reload(specs("r.yml", &format!("{rules}, {{record: b, expr: vector(2)}}")).unwrap(), |_| {});
    minutes(4).await;
    assert_eq!(told(&bench), (2, since.clone()));
    // A file that is gone tells nothing any more, and its series end, once.
    manager.reload(Vec::new(), |_| {});
    minutes(5).await;
    assert_eq!((told(&bench).0, manager.groups().len()), (0, 0));
    let firing = labels("ALERTS", &[("alertname", "A"), ("alertstate", "firing")]);
    for labels in [&firing, &labels("a", &[]), &labels("b", &[])] {
        let samples = samples(&bench, labels);
        assert!(n_ends(&samples) == 1 && is_stale_nan(*samples.values.last().unwrap()), "{labels}");
    }
    // A file that is back begins anew: what it had told was taken back by its silence.
    manager.reload(specs("r.yml", rules).unwrap(), |_| {});
    minutes(3).await;
    assert_eq!((told(&bench).0, state(&manager)), (0, Some(AlertState::Pending)));
    minutes(5).await;
    let (n, later) = told(&bench);
    assert!(n > 0 && later.len() == 1 && later.first() > since.first(), "{n} {later:?}");
    manager.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_moves_to_another_file_keeps_its_series_and_the_age_of_its_alerts() {
    let bench = Bench::default();
    let manager = manager(&bench);
    let rules = "{alert: A, expr: vector(0) == 0, for: 30m}, {record: a, expr: vector(1)}";
    manager.reload(specs("old.yml", rules).unwrap(), |_| {});
    minutes(15).await;
    manager.reload(specs("new.yml", rules).unwrap(), |_| {});
    minutes(14).await;
    assert_eq!((told(&bench).0, state(&manager)), (0, Some(AlertState::Pending)));
    minutes(5).await;
    assert_eq!(told(&bench).1.len(), 1, "it fires half an hour after it began, and not later for the move");
    let recorded = samples(&bench, &labels("a", &[]));
    assert!(recorded.len() > 30 && n_ends(&recorded) <= 1, "{:?}", recorded.values);
    assert!(!is_stale_nan(*recorded.values.last().unwrap()));
    manager.stop().await;
}
