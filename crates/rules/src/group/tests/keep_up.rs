//! Ten thousand alerting rules every fifteen seconds, under a clock that is driven by what evaluating them asks of storage.

use std::sync::atomic::{AtomicU64, Ordering};

use wf_series::{LabelQuery, SelectError, SelectRequest, Selection, SeriesSource};

use super::*;

const N_GROUPS: i64 = 20;
const RULES_PER_GROUP: i64 = 500;
const N_METRICS: i64 = 10;
const INTERVAL: i64 = 15_000;
const N_SLOTS: i64 = 3;

/// What a selection counts as on the driven clock, µs: hundreds of times what it takes a head of 200,000 series.
const SELECT_US: u64 = 5_000;

/// Counts selections.
struct Counted(Arc<Sandbox>, AtomicU64);

impl SeriesSource for Counted {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Arc<dyn Selection>, SelectError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.select(request)
    }

    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.0.label_names(query)
    }

    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.0.label_values(name, query)
    }
}

fn groups() -> Vec<RuleGroup> {
    let rule = |idx: i64| {
        format!("{{alert: A{idx}, expr: m{} == {}, for: 15s}}", idx % N_METRICS, idx / N_METRICS % 2)
    };
    let group = |number: i64| {
        let rules: Vec<String> = (0..RULES_PER_GROUP).map(rule).collect();
        let mut spec = spec(&rules.join(", "));
        spec.group.name = format!("g{number}");
        spec.interval = Duration::from_secs(15);
        RuleGroup::new(spec, Past::None)
    };
    (0..N_GROUPS).map(group).collect()
}

#[test]
fn ten_thousand_alerting_rules_every_15_seconds_miss_no_iteration() {
    let bench = Bench::default();
    for metric in 0..N_METRICS {
        bench.write(&format!("m{metric}"), "one", START, 1.0);
    }
    let source = Arc::new(Counted(Arc::clone(&bench.sandbox), AtomicU64::new(0)));
    let env = Environment { source: Arc::clone(&source) as _, ..bench.env.clone() };
    let groups = groups();
    let mut used_ms = 0;
    let now = |idle_ms: i64, used_ms: i64| {
        let mono_ms = idle_ms + used_ms;
        Now { wall_ms: START + mono_ms, mono_ms }
    };
    let mut schedules: Vec<Schedule> =
        groups.iter().map(|group| Schedule::new(INTERVAL, group.key(), now(0, 0))).collect();
    let mut idle_ms = 0;
    let mut n_ticks = 0;
    while n_ticks < N_GROUPS * N_SLOTS {
        // One after another: a machine with more cores is only better off.
        let next = schedules.iter().map(|schedule| schedule.wait_ms(now(idle_ms, used_ms))).min();
        idle_ms += next.unwrap_or(0);
        for (group, schedule) in groups.iter().zip(&mut schedules) {
            let Some(tick) = schedule.tick(now(idle_ms, used_ms)) else { continue };
            let n_before = source.1.load(Ordering::Relaxed);
            group.on_tick(tick, &env);
            let n_selects = source.1.load(Ordering::Relaxed) - n_before;
            assert_eq!(n_selects, N_METRICS as u64, "500 rules over ten metrics select ten times");
            used_ms += i64::try_from(n_selects * SELECT_US / 1_000).unwrap();
            n_ticks += 1;
        }
    }
    for group in &groups {
        assert_eq!(env.metrics.missed.with(&[group.key()]).get(), 0.0);
        assert!(group.rules().all(|(_, status)| status.health == Health::Good));
    }
    let n_firing = groups
        .iter()
        .flat_map(RuleGroup::rules)
        .filter(|(_, status)| status.alerts.first().is_some_and(|alert| alert.state == AlertState::Firing));
    assert_eq!(n_firing.count() as i64, N_GROUPS * RULES_PER_GROUP / 2, "half of them hold");
    assert_eq!(bench.listener.0.lock().len() as i64, N_GROUPS * RULES_PER_GROUP / 2, "each is told once");
}
