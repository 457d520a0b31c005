//! Whatever rules of a group share, they give what each gives alone.

use proptest::prelude::*;
use wf_model::{FloatHistogram, STALE_NAN};
use wf_series::HistogramValue;

use super::*;

const METRICS: [&str; 4] = ["counter", "gauge", "hist", "ended"];
const FUNCTIONS: [&str; 6] =
    ["rate", "increase", "avg_over_time", "max_over_time", "count_over_time", "last_over_time"];
const WINDOWS: [&str; 5] = ["1m", "3m", "5m", "10m", "30m"];
const OFFSETS: [&str; 2] = ["", " offset 2m"];
const SECONDS_APART: i64 = 20;

/// A random expression; `number` is that of its rule, so that it can read an earlier one.
fn expression() -> impl Strategy<Value = (usize, usize, usize, usize, usize, usize)> {
    (0..8_usize, 0..METRICS.len(), 0..FUNCTIONS.len(), 0..WINDOWS.len(), 0..WINDOWS.len(), 0..OFFSETS.len())
}

fn text(number: usize, chosen: (usize, usize, usize, usize, usize, usize)) -> String {
    let (form, metric, function, window, other, offset) = chosen;
    let (metric, function, offset) = (METRICS[metric], FUNCTIONS[function], OFFSETS[offset]);
    let (window, other) = (WINDOWS[window], WINDOWS[other]);
    let plain = format!("{function}({metric}[{window}]{offset})");
    match form {
        0 => plain,
        1 => format!("sum by (instance) ({plain})"),
        2 => format!("{plain} / {function}({metric}[{other}])"),
        3 => metric.to_owned(),
        4 => format!("absent_over_time({metric}[{window}])"),
        5 => format!("{plain} unless r{}", number.saturating_sub(1)),
        6 => format!("max_over_time({function}({metric}[{window}])[5m:1m])"),
        _ => format!("count({{__name__=~\"{metric}|r{}\"}})", number.saturating_sub(1)),
    }
}

/// An hour of samples: counters, gauges with gaps and ends, native histograms, and what ended half an hour ago.
fn fill(bench: &Bench, seed: u64) {
    let dice = |n: i64| (seed.wrapping_add(n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as i64;
    for (series, instance) in ["a", "b", "c"].into_iter().enumerate() {
        let histogram = bench.sandbox.resolve(&labels("hist", &[("instance", instance)])).unwrap();
        let mut counted = 0;
        for step in 0..180 {
            let time_ms = START + step * SECONDS_APART * 1_000;
            let dice = dice(step * 3 + series as i64);
            if dice % 17 == 0 {
                continue;
            }
            counted = if dice % 41 == 0 { 0 } else { counted + dice % 9 };
            bench.write("counter", instance, time_ms, counted as f64);
            let value = if dice % 23 == 0 { STALE_NAN } else { (dice % 100) as f64 };
            bench.write("gauge", instance, time_ms, value);
            if step < 90 {
                bench.write("ended", instance, time_ms, counted as f64);
            }
            let value = counted as f64;
            let value =
                FloatHistogram { count: value, sum: value, zero_count: value, ..FloatHistogram::default() };
            let mut batch = WriteBatch::default();
            batch.push_histogram(histogram, time_ms, HistogramValue::Float(Arc::new(value)));
            bench.sandbox.append(&batch, Acknowledge::Queued).unwrap();
        }
    }
}

/// All that rules wrote, as text.
fn written(bench: &Bench) -> Vec<String> {
    let everything = Matcher::new(MatchOp::Regex, METRIC_NAME, "r[0-9]+").unwrap();
    let range = TimeRange { start_ms: 0, end_ms: i64::MAX };
    let selection = bench.sandbox.select(&SelectRequest { matchers: &[everything], range }).unwrap();
    let mut samples = SampleColumns::default();
    let mut lines: Vec<String> = (0..selection.len())
        .map(|idx| {
            selection.read(idx, range, &mut samples).unwrap();
            let values: Vec<u64> = samples.values.iter().map(|value| value.to_bits()).collect();
            format!("{} {:?} {values:?} {:?}", selection.labels(idx), samples.times_ms, samples.histograms)
        })
        .collect();
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_group_gives_what_its_rules_give_one_by_one(
        chosen in proptest::collection::vec(expression(), 2..8),
        seed in any::<u64>(),
        memory in prop_oneof![Just(0_usize), Just(3_000), Just(1 << 20)],
    ) {
        let rule = |(number, chosen)| format!("{{record: r{number}, expr: '{}'}}", text(number, chosen));
        let rules: Vec<String> = chosen.into_iter().enumerate().map(rule).collect();
        let (together, alone) = (Bench::default(), Bench::default());
        let env = Environment { shared: SharedMemory::new(memory), ..together.env.clone() };
        let group_of_all = group(&rules.join(", "));
        let groups: Vec<RuleGroup> = rules.iter().map(|rule| group(rule)).collect();
        for bench in [&together, &alone] {
            fill(bench, seed);
        }
        for minute in [58, 59, 61] {
            group_of_all.evaluate(at(minute), &env);
            for group in &groups {
                group.evaluate(at(minute), &alone.env);
            }
        }
        prop_assert_eq!(written(&together), written(&alone), "{:#?}", rules);
        let states = |status: RuleStatus| (status.health, status.last_error);
        let ours: Vec<_> = group_of_all.rules().map(|(_, status)| states(status)).collect();
        let theirs: Vec<_> =
            groups.iter().flat_map(RuleGroup::rules).map(|(_, status)| states(status)).collect();
        prop_assert_eq!(ours, theirs);
    }
}
