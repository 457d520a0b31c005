//! Which rules of a group may run at the same time: those that do not read what others write.
//!
//! # Source
//! `spec/prometheus-query.md` §5.2.

use wf_model::{METRIC_NAME, MatchOp, Matcher};
use wf_promql::ast::VectorSelector;

use crate::alerting::{ALERT_NAME, ALERTS, ALERTS_FOR_STATE};
use crate::file::{Rule, RuleKind};

/// Rules by their position that may run at the same time, in the order of the batches.
pub(crate) type Batches = Vec<Vec<usize>>;

/// Splits rules into batches: first those that read nothing of the group, then one by one those in the middle of a
/// chain, then those that nobody reads. All one by one when it cannot be told what a rule reads.
pub(crate) fn batches(rules: &[Rule]) -> Batches {
    let one_by_one = || (0..rules.len()).map(|idx| vec![idx]).collect();
    let mut reads = vec![false; rules.len()];
    let mut is_read = vec![false; rules.len()];
    for (reader_idx, reader) in rules.iter().enumerate() {
        for (selector, _) in reader.expr.selectors() {
            let Some(metric) = metric_of(selector) else { return one_by_one() };
            for (idx, rule) in rules.iter().enumerate() {
                if !writes(rule, metric, selector) {
                    continue;
                }
                // A rule that reads its own last result waits for nobody; one that reads a later rule reads its
                // result of the last evaluation, so the later one must not overtake it.
                if idx != reader_idx {
                    reads[reader_idx] = true;
                    is_read[idx] = true;
                    if idx > reader_idx {
                        return one_by_one();
                    }
                }
            }
        }
    }
    let which = |wanted: fn(bool, bool) -> bool| {
        (0..rules.len()).filter(|idx| wanted(reads[*idx], is_read[*idx])).collect::<Vec<_>>()
    };
    let mut batches = vec![which(|reads, _| !reads)];
    batches.extend(which(|reads, is_read| reads && is_read).into_iter().map(|idx| vec![idx]));
    batches.push(which(|reads, is_read| reads && !is_read));
    batches.retain(|batch| !batch.is_empty());
    batches
}

fn metric_of(selector: &VectorSelector) -> Option<&str> {
    let is_exact = |matcher: &&Matcher| matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal;
    selector.name.as_deref().or_else(|| selector.matchers.iter().find(is_exact).map(Matcher::value))
}

fn writes(rule: &Rule, metric: &str, selector: &VectorSelector) -> bool {
    match rule.kind {
        RuleKind::Record => rule.name == metric,
        RuleKind::Alert { .. } => {
            let of_name = selector.matchers.iter().filter(|matcher| matcher.name() == ALERT_NAME);
            matches!(metric, ALERTS | ALERTS_FOR_STATE)
                && of_name.into_iter().all(|matcher| matcher.matches(&rule.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::file::{Acceptance, load};

    fn check(rules: &[&str], want: &[&[usize]]) {
        let text = format!("groups: [{{name: g, rules: [{}]}}]", rules.join(", "));
        let groups = load(&text, Path::new("r.yml"), Acceptance::default()).unwrap();
        assert_eq!(batches(&groups[0].rules), want, "{rules:?}");
    }

    #[test]
    fn rules_that_share_nothing_run_together() {
        check(&["{record: a, expr: x}", "{record: b, expr: y}", "{alert: c, expr: z}"], &[&[0, 1, 2]]);
    }

    #[test]
    fn a_chain_runs_in_order() {
        check(
            &["{record: a, expr: x}", "{record: b, expr: a}", "{record: c, expr: b}", "{record: d, expr: y}"],
            &[&[0, 3], &[1], &[2]],
        );
    }

    #[test]
    fn alerts_are_known_by_their_name() {
        let reader = "{record: b, expr: 'ALERTS{alertname=\"A\"}'}";
        check(&["{alert: A, expr: x}", reader], &[&[0], &[1]]);
        check(&["{alert: B, expr: x}", reader], &[&[0, 1]]);
    }

    #[test]
    fn what_cannot_be_told_runs_one_by_one() {
        check(&["{record: a, expr: x}", "{record: b, expr: '{job=\"x\"}'}"], &[&[0], &[1]]);
        check(&["{record: a, expr: b}", "{record: b, expr: x}"], &[&[0], &[1]]);
    }
}
