//! Groups under a driven clock: what they write, and what they tell.

mod keep_up;
mod sharing;

use std::path::Path;

use parking_lot::Mutex as PlMutex;
use wf_httpkit::Registry;
use wf_model::{METRIC_NAME, MatchOp, Matcher, TimeRange, is_stale_nan};
use wf_promql::engine::{Engine, EngineOptions};
use wf_series::memory::MemoryStorage;
use wf_series::{Acknowledge, SampleColumns, SampleSink, SelectRequest, WriteBatch};

use super::*;
use crate::environment::{AlertReceiver, AlertTimes, OutgoingAlert};
use crate::file::{Acceptance, load};
use crate::metrics::RuleMetrics;
use crate::sandbox::Sandbox;
use crate::schedule::{Now, Schedule};
use crate::shared::SharedMemory;

pub(crate) const MINUTE: i64 = 60_000;
const START: i64 = 1_000 * MINUTE;

/// Keeps what it was told.
#[derive(Default)]
pub(crate) struct Listener(pub(crate) PlMutex<Vec<OutgoingAlert>>);

impl AlertReceiver for Listener {
    fn receive(&self, alerts: Vec<OutgoingAlert>) {
        self.0.lock().extend(alerts);
    }
}

/// A storage, and somebody who listens.
pub(crate) struct Bench {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) listener: Arc<Listener>,
    pub(crate) env: Environment,
}

impl Default for Bench {
    fn default() -> Self {
        Self::with_receiver(|listener| listener)
    }
}

impl Bench {
    pub(crate) fn with_receiver(
        receiver: impl FnOnce(Arc<dyn AlertReceiver>) -> Arc<dyn AlertReceiver>,
    ) -> Self {
        let sandbox = Arc::new(Sandbox::new(MemoryStorage::new()));
        let listener = Arc::new(Listener::default());
        let env = Environment {
            engine: Engine::new(EngineOptions { threads: 0, ..EngineOptions::default() }),
            source: Arc::clone(&sandbox) as _,
            sink: Arc::clone(&sandbox) as _,
            receiver: receiver(Arc::clone(&listener) as _),
            external_url: "http://here:9090/".into(),
            external_labels: Arc::new([]),
            times: AlertTimes::default(),
            n_concurrent: 1,
            shared: SharedMemory::default(),
            clock: Arc::new(|| Duration::ZERO),
            metrics: RuleMetrics::new(&Registry::new()),
        };
        Self { sandbox, listener, env }
    }

    pub(crate) fn write(&self, name: &str, instance: &str, time_ms: i64, value: f64) {
        let series = self.sandbox.resolve(&labels(name, &[("instance", instance)])).unwrap();
        let mut batch = WriteBatch::default();
        batch.push(series, time_ms, value);
        self.sandbox.append(&batch, Acknowledge::Queued).unwrap();
    }

    /// Samples of a series as `value@minute`, `x` for its end.
    fn samples(&self, labels: &Labels) -> String {
        let Some(samples) = self.sandbox.storage().get(labels) else { return String::new() };
        let sample = |(time_ms, value): (&i64, &f64)| match is_stale_nan(*value) {
            true => format!("x@{}", (time_ms - START) / MINUTE),
            false => format!("{value}@{}", (time_ms - START) / MINUTE),
        };
        samples.times_ms.iter().zip(&samples.values).map(sample).collect::<Vec<_>>().join(" ")
    }
}

pub(crate) fn labels(name: &str, others: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(others.iter().copied().chain([(METRIC_NAME, name)]))
}

pub(crate) fn spec(rules: &str) -> GroupSpec {
    let text = format!("groups: [{{name: g, rules: [{rules}]}}]");
    let group = load(&text, Path::new("r.yml"), Acceptance::default()).unwrap().remove(0);
    GroupSpec {
        file: "r.yml".into(),
        query_offset: group.query_offset.unwrap_or_default(),
        group,
        interval: Duration::from_secs(60),
    }
}

fn group(rules: &str) -> RuleGroup {
    RuleGroup::new(spec(rules), Past::None)
}

fn at(minute: i64) -> i64 {
    START + minute * MINUTE
}

/// The only alert of the only rule.
fn state(group: &RuleGroup) -> Option<AlertState> {
    group.rules().next().and_then(|(_, status)| status.alerts.first().map(|alert| alert.state))
}

#[test]
fn later_rules_see_what_earlier_ones_wrote_and_vanished_series_end() {
    let bench = Bench::default();
    let group = group("{record: a, expr: up * 2, labels: {team: x}}, {record: b, expr: sum(a)}");
    for n_concurrent in [1, 4] {
        let env = Environment { n_concurrent, ..bench.env.clone() };
        let minute = i64::try_from(n_concurrent).unwrap();
        bench.write("up", "one", at(minute), 1.0);
        assert_eq!(group.evaluate(at(minute), &env), 2);
    }
    bench.write("up", "one", at(5), wf_model::STALE_NAN);
    group.evaluate(at(5), &bench.env);
    group.evaluate(at(6), &bench.env);
    assert_eq!(bench.samples(&labels("a", &[("instance", "one"), ("team", "x")])), "2@1 2@4 x@5");
    assert_eq!(bench.samples(&labels("b", &[])), "2@1 2@4 x@5");
}

#[test]
fn a_rule_that_fails_says_why_and_ends_no_series() {
    let bench = Bench::default();
    let group = group("{record: a, expr: 'up or on() vector(1)'}");
    let mut limited = spec("{record: a, expr: up}");
    limited.group.limit = 1;
    bench.write("up", "one", at(0), 1.0);
    group.evaluate(at(0), &bench.env);
    let limited = RuleGroup::new(limited, Past::None);
    limited.adopt(&group);
    bench.write("up", "two", at(1), 1.0);
    limited.evaluate(at(1), &bench.env);
    let (_, status) = limited.rules().next().unwrap();
    assert_eq!(status.health, Health::Bad);
    assert_eq!(status.last_error.as_deref(), Some("exceeded limit of 1 with 2 series"));
    assert_eq!(bench.samples(&labels("a", &[("instance", "one")])), "1@0");
    let twice = RuleGroup::new(spec("{record: a, expr: up, labels: {instance: same}}"), Past::None);
    twice.evaluate(at(2), &bench.env);
    let (_, status) = twice.rules().next().unwrap();
    let want = "vector contains metrics with the same labelset after applying rule labels";
    assert_eq!(status.last_error.as_deref(), Some(want));
}

#[test]
fn queries_look_back_by_the_offset_and_results_carry_that_time() {
    let bench = Bench::default();
    let mut spec = spec("{record: a, expr: up}");
    spec.query_offset = Duration::from_secs(60);
    let group = RuleGroup::new(spec, Past::None);
    bench.write("up", "one", at(0), 7.0);
    bench.write("up", "one", at(1), 8.0);
    group.evaluate(at(1), &bench.env);
    assert_eq!(bench.samples(&labels("a", &[("instance", "one")])), "7@0");
}

#[test]
fn a_group_that_is_gone_ends_its_series_where_it_stopped() {
    let bench = Bench::default();
    let group = group("{record: a, expr: up}");
    bench.write("up", "one", at(0), 1.0);
    group.evaluate(at(0), &bench.env);
    group.end(at(1), &bench.env);
    assert_eq!(bench.samples(&labels("a", &[("instance", "one")])), "1@0 x@1");
}

#[test]
fn a_reload_keeps_alerts_of_rules_that_stay_and_ends_series_of_those_that_go() {
    let bench = Bench::default();
    let old = group("{alert: A, expr: up == 0, for: 5m}, {record: gone, expr: up}");
    bench.write("up", "one", at(0), 0.0);
    old.evaluate(at(0), &bench.env);
    let new = group("{alert: A, expr: up < 1, for: 5m}, {record: other, expr: up}");
    new.adopt(&old);
    bench.write("up", "one", at(5), 0.0);
    new.evaluate(at(5), &bench.env);
    assert_eq!(state(&new), Some(AlertState::Firing), "it was pending since minute 0");
    assert_eq!(bench.samples(&labels("gone", &[("instance", "one")])), "0@0 x@5");
}

#[test]
fn alerts_are_written_and_told_with_expanded_texts() {
    let bench = Bench::default();
    let group = group(
        "{alert: A, expr: up == 0, labels: {severity: '{{ $value }}'}, annotations: {s: '{{ $labels.instance }} {{ nope }}', t: '{{ query \"up\" | first | label \"instance\" }}', u: '{{ first (query \"none\") }}'}}"
            .replace(" {{ nope }}", "").as_str(),
    );
    bench.write("up", "one", at(0), 0.0);
    group.evaluate(at(0), &bench.env);
    let told = bench.listener.0.lock().remove(0);
    assert_eq!(told.labels.to_string(), r#"{alertname="A", instance="one", severity="0"}"#);
    let texts: Vec<&str> = told.annotations.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts[..2], ["one", "one"]);
    assert!(
        texts[2].starts_with("<error expanding template: error executing template __alert_A: "),
        "{texts:?}"
    );
    assert_eq!((told.starts_at_ms, told.ends_at_ms), (at(0), at(4)));
    assert_eq!(&*told.generator_url, "http://here:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1");
    let all = [("alertname", "A"), ("instance", "one"), ("severity", "0")];
    let firing: Vec<_> = all.into_iter().chain([("alertstate", "firing")]).collect();
    assert_eq!(bench.samples(&labels("ALERTS", &firing)), "1@0");
    assert_eq!(bench.samples(&labels("ALERTS_FOR_STATE", &all)), "60000@0");
}

/// Evaluates a new process's group over `minutes`, the condition true all the time.
fn run(bench: &Bench, group: &RuleGroup, minutes: std::ops::Range<i64>) {
    for minute in minutes {
        bench.write("up", "one", at(minute), 0.0);
        group.on_tick(Tick { at_ms: at(minute), n_missed: 0, step_ms: 0 }, &bench.env);
    }
}

#[test]
fn a_restart_in_the_middle_of_for_goes_on_where_it_was() {
    let bench = Bench::default();
    let rule = "{alert: A, expr: up == 0, for: 30m}";
    run(&bench, &RuleGroup::new(spec(rule), Past::Unknown), 0..12);
    // Down from minute 12 to 15: the alert was active for 11 minutes when last noted, so 19 are left.
    let group = RuleGroup::new(spec(rule), Past::Unknown);
    run(&bench, &group, 15..17);
    let since = |group: &RuleGroup| group.rules().next().unwrap().1.alerts[0].active_at_ms;
    assert_eq!(
        since(&group),
        at(5),
        "minute 0, and the five minutes between the last note and the restoration"
    );
    run(&bench, &group, 17..35);
    assert_eq!(state(&group), Some(AlertState::Pending));
    assert!(bench.listener.0.lock().is_empty());
    run(&bench, &group, 35..36);
    assert_eq!(state(&group), Some(AlertState::Firing));
    assert_eq!(bench.listener.0.lock().len(), 1);
}

#[test]
fn what_fired_before_a_restart_fires_again_and_what_ended_does_not() {
    let bench = Bench::default();
    let rule = "{alert: A, expr: up == 0, for: 10m}";
    run(&bench, &RuleGroup::new(spec(rule), Past::Unknown), 0..15);
    bench.listener.0.lock().clear();
    let group = RuleGroup::new(spec(rule), Past::Unknown);
    run(&bench, &group, 17..20);
    assert_eq!(state(&group), Some(AlertState::Firing));
    assert_eq!(bench.listener.0.lock().len(), 1);
    // An alert whose series ended was resolved: a new one is new.
    let series = labels("ALERTS_FOR_STATE", &[("alertname", "A"), ("instance", "one")]);
    let series = bench.sandbox.resolve(&series).unwrap();
    let mut batch = WriteBatch::default();
    batch.push(series, at(20), wf_model::STALE_NAN);
    bench.sandbox.append(&batch, Acknowledge::Queued).unwrap();
    let group = RuleGroup::new(spec(rule), Past::Unknown);
    run(&bench, &group, 21..25);
    assert_eq!(state(&group), Some(AlertState::Pending));
}

#[test]
fn series_of_alerts_are_written_only_once_their_past_is_known() {
    let bench = Bench::default();
    let group = RuleGroup::new(spec("{alert: A, expr: up == 0}"), Past::Unknown);
    run(&bench, &group, 0..4);
    let firing = labels("ALERTS", &[("alertname", "A"), ("alertstate", "firing"), ("instance", "one")]);
    assert_eq!(bench.samples(&firing), "1@2 1@3");
    assert_eq!(
        bench.listener.0.lock().len(),
        2,
        "told at once all the same, and again after the resend delay"
    );
}

/// Runs a rule for 30 minutes over a clock that is set in the middle, and returns when it began to fire, in minutes of
/// the monotonic clock.
fn fires_at(step_min: i64) -> Vec<i64> {
    let bench = Bench::default();
    let group = group("{alert: A, expr: vector(0) == 0, for: 10m}");
    let now = |mono_min: i64| {
        let step_min = if mono_min >= 5 { step_min } else { 0 };
        Now { wall_ms: at(mono_min + step_min), mono_ms: mono_min * MINUTE }
    };
    let mut schedule = Schedule::new(MINUTE, group.key(), now(0));
    let mut told = Vec::new();
    for mono_min in 0..30 {
        let wait_ms = schedule.wait_ms(now(mono_min));
        let later =
            Now { wall_ms: now(mono_min).wall_ms + wait_ms, mono_ms: now(mono_min).mono_ms + wait_ms };
        if let Some(tick) = schedule.tick(later) {
            group.on_tick(tick, &bench.env);
        }
        let now_told = std::mem::take(&mut *bench.listener.0.lock());
        told.extend(now_told.iter().filter(|_| told.is_empty()).map(|_| mono_min).collect::<Vec<_>>());
        assert!(mono_min < 2 || state(&group).is_some(), "an alert is never lost");
    }
    assert_eq!(state(&group), Some(AlertState::Firing));
    told
}

#[test]
fn a_clock_that_is_set_neither_loses_alerts_nor_makes_them_fire_early() {
    let undisturbed = fires_at(0);
    assert_eq!(undisturbed.len(), 1);
    for step_min in [60, -60, 3 * 24 * 60] {
        let told = fires_at(step_min);
        assert!((told[0] - undisturbed[0]).abs() <= 1, "{step_min}: {told:?} {undisturbed:?}");
    }
}
