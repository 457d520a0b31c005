//! Arithmetic and comparison between two vectors: a hash join built once, pairs computed series by series.
//!
//! The "one" side is held in memory; the "many" side streams, unless a group is irregular (several series on the one
//! side, fill values, or several on the many side of a one-to-one match): then pairs are computed at once, because
//! only their samples tell whether they collide.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use wf_model::{Labels, LabelsBuilder};

use super::arithmetic::{floats, samples};
use super::matching::{MatchGroups, members};
use crate::ast::{BinaryExpr, BinaryOp, Cardinality, Pos, VectorMatching};
use crate::engine::column::{Column, Point, StepSet};
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::operator::{BoxVector, Materialized, Series, VectorOp, without_metadata};
use crate::engine::result::SampleValue;

/// The operator and how it matches.
#[derive(Clone, Debug)]
struct Rule {
    op: BinaryOp,
    return_bool: bool,
    matching: VectorMatching,
    pos: Pos,
    n_steps: usize,
    is_name_removal_delayed: bool,
}

impl Rule {
    fn many_is_right(&self) -> bool {
        self.matching.cardinality == Cardinality::OneToMany
    }

    /// Returns the values as left and right one.
    #[inline]
    fn sides(&self, many: f64, one: f64) -> (f64, f64) {
        if self.many_is_right() { (one, many) } else { (many, one) }
    }

    fn is_one_to_one(&self) -> bool {
        self.matching.cardinality == Cardinality::OneToOne
    }

    /// Stands in for a missing series of the many side. Upstream swaps the two values under `group_right`, so the
    /// left value belongs to the many side throughout.
    fn fill_many(&self) -> Option<f64> {
        self.matching.fill_left
    }

    fn fill_one(&self) -> Option<f64> {
        self.matching.fill_right
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let is_arithmetic =
            !self.op.is_comparison() && !matches!(self.op, BinaryOp::TrimUpper | BinaryOp::TrimLower);
        let drops_now = is_arithmetic || self.return_bool && !self.is_name_removal_delayed;
        let base = if drops_now { without_metadata(many) } else { many.clone() };
        let is_matched = |name: &str| self.matching.labels.iter().any(|label| label == name);
        match self.matching.cardinality {
            Cardinality::OneToOne | Cardinality::ManyToMany => {
                base.without(|name| is_matched(name) != self.matching.on)
            }
            Cardinality::ManyToOne | Cardinality::OneToMany if self.matching.include.is_empty() => base,
            Cardinality::ManyToOne | Cardinality::OneToMany => {
                let mut builder = LabelsBuilder::from_labels(&base);
                for name in &self.matching.include {
                    builder.set(name, one.get(name).unwrap_or(""));
                }
                builder.build()
            }
        }
    }

    fn collision(&self) -> QueryError {
        QueryError::Execution(
            if self.is_one_to_one() {
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            } else {
                "multiple matches for labels: grouping labels must ensure unique matches"
            }
            .into(),
        )
    }
}

/// Builds the join of two vectors.
pub(crate) fn build(
    binary: &BinaryExpr,
    pos: Pos,
    left: BoxVector,
    right: BoxVector,
    n_steps: usize,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let rule = Rule {
        op: binary.op,
        return_bool: binary.return_bool,
        matching: binary.matching.clone().unwrap_or_default(),
        pos,
        n_steps,
        is_name_removal_delayed: cx.env.features.delayed_name_removal,
    };
    let (many, one) = if rule.many_is_right() { (right, left) } else { (left, right) };
    let one = Materialized::collect(&*one, cx)?;
    let groups = MatchGroups::new(&[&*many, &one], &rule.matching, cx);
    if is_regular(&rule, &groups) {
        return stream(rule, many, one, &groups, cx);
    }
    let many = Materialized::collect(&*many, cx)?;
    let groups = MatchGroups::new(&[&many, &one], &rule.matching, cx);
    compute(&rule, &many, &one, &groups, cx)
}

/// Returns whether every series of the many side has at most one partner and no collision is possible.
fn is_regular(rule: &Rule, groups: &MatchGroups) -> bool {
    let has_fill = rule.fill_many().is_some() || rule.fill_one().is_some();
    let count = |of: &[u32]| {
        let mut counts = vec![0_u32; groups.len()];
        of.iter().for_each(|group| counts[*group as usize] += 1);
        counts
    };
    let (n_many, n_one) = (count(groups.many()), count(groups.one()));
    let is_unique = |many: &u32, one: &u32| *one <= 1 && (*many <= 1 || *one == 0 || !rule.is_one_to_one());
    !has_fill && n_many.iter().zip(&n_one).all(|(many, one)| is_unique(many, one))
}

/// The regular case: one output per series of the many side that has a partner.
fn stream(
    rule: Rule,
    many: BoxVector,
    one: Materialized,
    groups: &MatchGroups,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let one_of = members(groups.one(), groups.len());
    let mut pairs = Vec::new();
    let mut labels = Vec::new();
    let mut unique: HashMap<Labels, (), FixedState> = HashMap::default();
    let mut are_unique = true;
    let mut scratch = cx.take_column();
    for (many_idx, group) in groups.many().iter().enumerate() {
        let Some(one_idx) = one_of[*group as usize].first() else {
            // Nobody will ask for it, but its errors and remarks belong to the query.
            many.read(many_idx, &mut scratch, cx)?;
            continue;
        };
        let result = rule.result_labels(&many.labels(many_idx), &one.series[*one_idx].labels);
        are_unique &= unique.insert(result.clone(), ()).is_none();
        labels.push(result);
        pairs.push((many_idx, *one_idx));
    }
    cx.give_column(scratch);
    let join = Join { rule, many, one, pairs, labels };
    if are_unique { Ok(Box::new(join)) } else { join.merge(cx) }
}

struct Join {
    rule: Rule,
    many: BoxVector,
    one: Materialized,
    pairs: Vec<(usize, usize)>,
    labels: Vec<Labels>,
}

impl Join {
    /// Merges results of equal labels; they must not meet at a step, filtered or not.
    fn merge(self, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
        let many = Materialized::collect(&*self.many, cx)?;
        let groups = MatchGroups::new(&[&many, &self.one], &self.rule.matching, cx);
        compute(&self.rule, &many, &self.one, &groups, cx)
    }
}

impl VectorOp for Join {
    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.labels[idx].clone()
    }

    fn drops_name(&self, _idx: usize) -> bool {
        self.rule.return_bool && self.rule.is_name_removal_delayed
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        cx.check()?;
        let (many_idx, one_idx) = self.pairs[idx];
        self.many.read(many_idx, out, cx)?;
        let one = &self.one.series[one_idx].column;
        if out.histograms.is_empty() && one.histograms.is_empty() {
            combine_floats(&self.rule, out, one);
            return Ok(());
        }
        let mut many = cx.take_column();
        std::mem::swap(&mut many, out);
        out.reset(self.rule.n_steps);
        for step in many.steps().iter() {
            if let (Some(many), Some(one)) = (many.get(step), one.get(step)) {
                let _ = combine(&self.rule, step, many, one, out, cx);
            }
        }
        cx.give_column(many);
        Ok(())
    }
}

/// Both sides are plain floats.
fn combine_floats(rule: &Rule, many: &mut Column, one: &Column) {
    let is_trim = matches!(rule.op, BinaryOp::TrimUpper | BinaryOp::TrimLower);
    if is_trim {
        return many.floats.reset(rule.n_steps);
    }
    many.floats.keep_only(&one.floats);
    if rule.op.is_comparison() && !rule.return_bool {
        many.retain_floats(|step, value| {
            let (left, right) = rule.sides(*value, one.values[step]);
            *value = left;
            floats(rule.op, left, right) != 0.0
        });
        return;
    }
    // Gaps are computed too: a branch per step costs more than the arithmetic.
    for (value, one) in many.values.iter_mut().zip(&one.values) {
        let (left, right) = rule.sides(*value, *one);
        *value = floats(rule.op, left, right);
    }
}

/// Adds the result for a pair of samples to `out`; returns whether their types fit.
fn combine(
    rule: &Rule,
    step: usize,
    many: Point<'_>,
    one: Point<'_>,
    out: &mut Column,
    cx: &mut Cx<'_>,
) -> bool {
    let (left, right) = if rule.many_is_right() { (one, many) } else { (many, one) };
    let Some(outcome) = samples(rule.op, left, right, rule.pos, &mut cx.remarks) else { return false };
    if rule.op.is_comparison() && rule.return_bool {
        out.push(step, SampleValue::Float(f64::from(outcome.keep)));
    } else if outcome.keep {
        out.push(step, outcome.value);
    }
    true
}

/// The irregular case: all pairs of every group, merged by result labels, with every collision found.
fn compute(
    rule: &Rule,
    many: &Materialized,
    one: &Materialized,
    groups: &MatchGroups,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let many_of = members(groups.many(), groups.len());
    let one_of = members(groups.one(), groups.len());
    let any_many = presence(many, None, rule.n_steps);
    let mut series: Vec<Series> = Vec::new();
    for group in 0..groups.len() {
        cx.check()?;
        let sides = Sides {
            many,
            one,
            many_of: &many_of[group],
            one_of: &one_of[group],
            labels: &groups.labels[group],
        };
        sides.check_one_side(rule, &any_many, cx)?;
        sides.join(rule, &mut series, cx)?;
    }
    let drops_name = rule.return_bool && rule.is_name_removal_delayed;
    series.iter_mut().for_each(|series| series.drops_name = drops_name);
    series.retain(|series| !series.column.is_empty());
    let mut joined = Materialized::new(series, cx)?;
    joined.merge_same_labels()?;
    Ok(Box::new(joined))
}

/// Returns the steps at which any of the series (all: `None`) has a sample.
fn presence(vector: &Materialized, members: Option<&[usize]>, n_steps: usize) -> StepSet {
    let mut steps = StepSet::default();
    steps.reset(n_steps);
    let mut add = |column: &Column| column.steps().iter().for_each(|step| steps.insert(step));
    match members {
        Some(members) => members.iter().for_each(|idx| add(&vector.series[*idx].column)),
        None => vector.series.iter().for_each(|series| add(&series.column)),
    }
    steps
}

/// Both sides of one match group.
struct Sides<'a> {
    many: &'a Materialized,
    one: &'a Materialized,
    many_of: &'a [usize],
    one_of: &'a [usize],
    labels: &'a Labels,
}

impl Sides<'_> {
    /// Returns an error if two series of the one side meet at a step where the many side has any; where it has none, they
    /// are noted.
    fn check_one_side(&self, rule: &Rule, any_many: &StepSet, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        let mut seen: HashMap<usize, usize, FixedState> = HashMap::default();
        for idx in self.one_of {
            for step in self.one.series[*idx].column.steps().iter() {
                let Some(before) = seen.insert(step, *idx) else { continue };
                if any_many.contains(step) || rule.fill_many().is_some() {
                    return Err(self.duplicate(rule, before, *idx));
                }
                // Where the many side is empty altogether nothing is matched, so nothing can be ambiguous; unless it
                // is empty because the plan narrowed it.
                cx.has_unmatched_duplicates = true;
            }
        }
        Ok(())
    }

    fn duplicate(&self, rule: &Rule, a: usize, b: usize) -> QueryError {
        let mut texts = [&self.one.series[a].labels, &self.one.series[b].labels].map(ToString::to_string);
        texts.sort();
        let side = if rule.many_is_right() { "left" } else { "right" };
        QueryError::Execution(format!(
            "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}, {}];\
             many-to-many matching not allowed: matching labels must be unique on one side",
            self.labels, texts[0], texts[1]
        ))
    }

    /// Adds the results of the group to `series`, one entry per distinct result labels.
    fn join(&self, rule: &Rule, series: &mut Vec<Series>, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        let one_present = presence(self.one, Some(self.one_of), rule.n_steps);
        let many_present = presence(self.many, Some(self.many_of), rule.n_steps);
        let mut results = Results { rule, by_labels: HashMap::default(), results: Vec::new() };
        for many_idx in self.many_of {
            let many = &self.many.series[*many_idx];
            for one_idx in self.one_of {
                let one = &self.one.series[*one_idx];
                let labels = rule.result_labels(&many.labels, &one.labels);
                results.add(labels, |step| Some((many.column.get(step)?, one.column.get(step)?)), cx)?;
            }
            if let Some(fill) = rule.fill_one() {
                let labels = rule.result_labels(&many.labels, self.labels);
                let is_alone = |step| !one_present.contains(step);
                results.add(
                    labels,
                    |step| Some((many.column.get(step)?, filled(fill, is_alone(step))?)),
                    cx,
                )?;
            }
        }
        if let Some(fill) = rule.fill_many() {
            for one_idx in self.one_of {
                let one = &self.one.series[*one_idx];
                let labels = rule.result_labels(self.labels, &one.labels);
                let is_alone = |step| !many_present.contains(step);
                results.add(
                    labels,
                    |step| Some((filled(fill, is_alone(step))?, one.column.get(step)?)),
                    cx,
                )?;
            }
        }
        let finished = results.results.into_iter();
        series.extend(finished.map(|result| Series {
            labels: result.labels,
            drops_name: false,
            column: result.column,
        }));
        Ok(())
    }
}

fn filled(value: f64, is_needed: bool) -> Option<Point<'static>> {
    is_needed.then_some(Point::Float(value))
}

/// Results of one match group so far.
struct Results<'a> {
    rule: &'a Rule,
    by_labels: HashMap<Labels, usize, FixedState>,
    results: Vec<GroupResult>,
}

struct GroupResult {
    labels: Labels,
    /// Steps at which a pair was matched, whether or not a filter let it pass.
    matched: StepSet,
    column: Column,
}

impl Results<'_> {
    /// Computes a pair of series; `pair` returns their samples at a step, if both are there.
    fn add<'p>(
        &mut self,
        labels: Labels,
        pair: impl Fn(usize) -> Option<(Point<'p>, Point<'p>)>,
        cx: &mut Cx<'_>,
    ) -> Result<(), QueryError> {
        let rule = self.rule;
        let idx = *self.by_labels.entry(labels.clone()).or_insert(self.results.len());
        if idx == self.results.len() {
            let mut matched = StepSet::default();
            matched.reset(rule.n_steps);
            self.results.push(GroupResult { labels, matched, column: Column::new(rule.n_steps) });
        }
        let mut column = cx.take_column();
        column.reset(rule.n_steps);
        for step in 0..rule.n_steps {
            let Some((many, one)) = pair(step) else { continue };
            if !combine(rule, step, many, one, &mut column, cx) {
                continue;
            }
            // One to one, a group has one result at a step, whatever its labels.
            let collides = if rule.is_one_to_one() {
                self.results.iter().any(|result| result.matched.contains(step))
            } else {
                self.results[idx].matched.contains(step)
            };
            if collides {
                return Err(rule.collision());
            }
            self.results[idx].matched.insert(step);
        }
        let merged = self.results[idx].column.merge(&column);
        debug_assert!(merged.is_ok(), "matched steps are disjoint");
        cx.give_column(column);
        Ok(())
    }
}
