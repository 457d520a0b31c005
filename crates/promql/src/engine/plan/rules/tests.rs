//! For each rule: the plan changes, switching it off costs work, and answers are the same.

use proptest::prelude::*;
use wf_model::Labels;
use wf_series::SampleColumns;
use wf_series::memory::MemoryStorage;

use super::*;
use crate::engine::{
    Engine, EngineOptions, Features, Plan, QueryOptions, QueryResult, QueryValue, RangeSpan, When, Work,
};

const MINUTE: i64 = 60_000;
const SPAN: RangeSpan = RangeSpan { start_ms: 10 * MINUTE, end_ms: 20 * MINUTE, step_ms: MINUTE };

fn storage() -> MemoryStorage {
    let storage = MemoryStorage::new();
    for (name, slope) in [("a_total", 1.0), ("b_total", 2.0), ("c_total", 3.0)] {
        for (job, instance) in [("api", "0"), ("api", "1"), ("db", "0"), ("db", "2")] {
            let mut samples = SampleColumns::default();
            for minute in 0..=20 {
                samples.push(minute * MINUTE, slope * (minute % 7) as f64 + f64::from(job == "db"));
            }
            let labels = [("__name__", name), ("job", job), ("instance", instance)];
            storage.insert(Labels::from_pairs(labels), samples);
        }
    }
    storage
}

fn engine(rules: OptimizerRules) -> Engine {
    Engine::new(EngineOptions { features: Features::SCRIPT_SUITE, rules, ..EngineOptions::default() })
}

fn run(query: &str, rules: OptimizerRules) -> QueryResult {
    let options = QueryOptions { trace: true, ..QueryOptions::default() };
    engine(rules).range(&storage(), query, SPAN, &options).unwrap_or_else(|error| panic!("{query}: {error}"))
}

fn answer(result: &QueryResult) -> Vec<String> {
    let QueryValue::Matrix(series) = &result.value else { panic!("a range query yields a matrix") };
    series
        .iter()
        .map(|series| format!("{} {:?} {:?}", series.labels, series.times_ms, series.values))
        .collect()
}

/// Checks that `rule` applies to `query`, that `cost` grows without it, and that the answer stays.
fn check(rule: Rule, query: &str, cost: impl Fn(&Work) -> u64) {
    let (on, off) =
        (run(query, OptimizerRules::default()), run(query, OptimizerRules::default().without(rule)));
    let plan = |result: &QueryResult| -> Plan { (**result.stats.plan.as_ref().unwrap()).clone() };
    assert!(plan(&on).times_applied(rule) > 0, "{} does not apply to {query}", rule.as_str());
    assert_eq!(plan(&off).times_applied(rule), 0, "{} is off", rule.as_str());
    let (cheap, dear) = (cost(&on.stats.work), cost(&off.stats.work));
    assert!(cheap < dear, "{} of {query}: {cheap} with, {dear} without", rule.as_str());
    assert_eq!(answer(&on), answer(&off), "{query}");
}

#[test]
fn constants_are_folded_before_anything_runs() {
    check(Rule::ConstantFolding, "a_total * (1 + 2 * -3)", |work| work.nodes);
    check(Rule::ConstantFolding, "topk(1 + 1, a_total)", |work| work.nodes);
}

#[test]
fn what_never_changes_is_evaluated_once() {
    check(Rule::StepInvariant, "a_total - (a_total @ 600)", |work| work.steps);
}

#[test]
fn equal_selectors_are_selected_once() {
    check(Rule::SharedSelectors, "rate(a_total[5m]) / rate(a_total[10m] offset 5m)", |work| work.selects);
}

#[test]
fn selectors_read_only_the_times_they_look_at() {
    check(Rule::TimePushdown, "a_total + b_total offset 8m", |work| work.samples_decoded);
}

#[test]
fn groups_are_found_without_label_sets() {
    check(Rule::Projection, "sum by (job) (a_total)", |work| work.label_sets);
}

#[test]
fn conditions_reach_the_other_side_of_a_join() {
    let cost = |work: &Work| work.series_decoded;
    let rule = Rule::MatcherPropagation;
    check(rule, "a_total * on (job, instance) b_total{job='api'}", cost);
    check(rule, "a_total and on (job) b_total{job='api'}", cost);
    check(rule, "a_total{instance='0'} unless ignoring (job) b_total", cost);
    check(rule, "a_total{job='db'} / on (job) group_left sum by (job) (rate(b_total[5m]))", cost);
    check(rule, "sum by (job) (a_total{job='db'}) / on (job) sum by (job) (b_total > 2)", cost);
}

#[test]
fn conditions_stay_where_they_could_hide_something() {
    let applied = |query: &str| {
        let engine = engine(OptimizerRules::default());
        let prepared = engine.prepare(query).unwrap();
        let plan = engine.plan(&storage(), &prepared, When::Range(SPAN), &QueryOptions::default()).unwrap();
        plan.times_applied(Rule::MatcherPropagation)
    };
    assert_eq!(applied("a_total{job='api'} or b_total"), 0);
    assert_eq!(applied("a_total{job='api'} * on (instance) group_left sum by (instance) (b_total)"), 0);
    assert_eq!(applied("a_total{job='api'} * on (job) group_left b_total"), 0, "b_total need not be unique");
    assert_eq!(applied("a_total{job='api'} and on (job) absent(b_total)"), 0);
    assert_eq!(applied("a_total{job='api'} + fill(0) b_total"), 0);
    let of_two_names = "rate({__name__=~'a_total|c_total'}[5m])";
    assert_eq!(applied(&format!("{of_two_names} * on (job, instance) b_total{{job='api'}}")), 0);
}

/// The plan empties the left side; the right side has two series per job, which is an error wherever the left has any.
#[test]
fn an_ambiguous_side_is_an_error_even_if_narrowing_leaves_it_no_partner() {
    let error = |query: &str, rules| {
        let outcome = engine(rules).range(&storage(), query, SPAN, &QueryOptions::default());
        outcome.map(|result| answer(&result)).map_err(|error| error.to_string())
    };
    for (query, is_ambiguous) in [
        ("a_total{instance='1'} * on (job) b_total{job='db'}", true),
        ("b_total{job='db'} * on (job) group_right a_total{instance='1'}", true),
        ("a_total{job='none'} * on (job) b_total{job='db'}", false),
    ] {
        let found = error(query, OptimizerRules::default());
        assert_eq!(found, error(query, OptimizerRules::NONE), "{query}");
        assert_eq!(found.is_err_and(|text| text.contains("found duplicate series")), is_ambiguous, "{query}");
    }
}

#[test]
fn a_chain_of_unions_is_one_operator() {
    check(Rule::UnionFlattening, "a_total or b_total or c_total", |work| work.series_held);
    check(Rule::UnionFlattening, "a_total{job='api'} or on (job) b_total or on (job) c_total", |work| {
        work.nodes
    });
}

#[test]
fn costs_are_expected_and_counted_per_node() {
    let result = run("sum by (job) (rate(a_total[5m]))", OptimizerRules::default());
    let plan = result.stats.plan.unwrap();
    let texts: Vec<&str> = plan.nodes.iter().map(|node| node.text.as_str()).collect();
    assert_eq!(texts, ["sum by (job) (rate(a_total[5m]))", "rate(a_total[5m])", "a_total[5m]"]);
    let actual: Vec<_> = plan.nodes.iter().map(|node| node.actual.unwrap()).collect();
    assert_eq!(actual.iter().map(|actual| actual.series).collect::<Vec<_>>(), [2, 4, 4]);
    assert_eq!(actual.iter().map(|actual| actual.rows).collect::<Vec<_>>(), [22, 44, 60]);
    assert_eq!(actual.iter().map(|actual| actual.samples).collect::<Vec<_>>(), [60, 60, 60]);
    assert_eq!(plan.nodes[2].estimate.samples, 60);
    assert_eq!(plan.nodes[1].estimate.rows, 44);
}

proptest! {
    /// Whatever is asked, rules on or off: the answer is the same.
    #[test]
    fn no_rule_changes_an_answer(
        left in 0..6_usize, op in 0..6_usize, right in 0..6_usize, rule in 0..Rule::ALL.len(),
    ) {
        let operands = [
            "a_total{job='api'}", "sum by (job, instance) (b_total)", "rate(b_total[4m])", "-a_total * (2 + 1)",
            "max by (instance, job) (a_total @ 700) or b_total or c_total", "sum without (x) (a_total offset 2m)",
        ];
        let operators =
            ["+ on (job, instance)", "and", "unless on (job)", "> bool ignoring (x)", "or", "* on (instance, job)"];
        let query = format!("({}) {} ({})", operands[left], operators[op], operands[right]);
        let outcome = |rules| {
            let done = engine(rules).range(&storage(), &query, SPAN, &QueryOptions::default());
            done.map(|result| answer(&result)).map_err(|error| error.to_string())
        };
        let with_all = outcome(OptimizerRules::default());
        prop_assert_eq!(&with_all, &outcome(OptimizerRules::NONE));
        prop_assert_eq!(&with_all, &outcome(OptimizerRules::default().without(Rule::ALL[rule])));
    }
}
