//! Expression to plan: one node per operator, with its steps, the labels its consumers want and the scan it reads.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use wf_model::{METRIC_NAME, TimeRange};

use super::rules::union::union_parts;
use super::{
    BoundPlan, Estimate, LabelsNeeded, NodeId, Operator, OptimizerRules, Plan, PlanNode, PlanScan, Rule,
    Steps, address, rules,
};
use crate::ast::{
    AggregateExpr, AggregateOp, BinaryExpr, Call, Cardinality, Expr, ExprKind, UnaryOp, ValueType,
    VectorMatching, VectorSelector,
};
use crate::engine::grid::Grid;
use crate::engine::times::{is_step_invariant, range_window, selector_window, subquery_grid};
use crate::functions::FunctionId;

/// What planning needs to know of the query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanContext {
    pub(crate) grid: Grid,
    pub(crate) lookback_ms: i64,
    pub(crate) default_subquery_step_ms: i64,
    pub(crate) rules: OptimizerRules,
    /// Whether somebody will read the plan: the text of every node is made for people only.
    pub(crate) is_for_reading: bool,
}

/// Rewrites a resolved expression and makes its plan. Nothing is selected yet.
pub(crate) fn make(mut expr: Expr, context: PlanContext) -> BoundPlan {
    let applied = rules::rewrite(&mut expr, context.rules);
    let mut maker = Maker { context, plan: Plan { applied, ..Plan::default() }, ids: HashMap::default() };
    let expr = Arc::new(expr);
    let place = Place { parent: None, grid: context.grid, labels: LabelsNeeded::All };
    maker.visit(&expr, &place);
    maker.finish_scans();
    let Maker { plan, ids, .. } = maker;
    BoundPlan { plan, expr, ids }
}

/// Where a node is wanted.
#[derive(Clone)]
struct Place {
    parent: Option<NodeId>,
    grid: Grid,
    labels: LabelsNeeded,
}

struct Maker {
    context: PlanContext,
    plan: Plan,
    ids: HashMap<usize, NodeId, FixedState>,
}

impl Maker {
    fn note(&mut self, rule: Rule) {
        match self.plan.applied.iter_mut().find(|(applied, _)| *applied == rule) {
            Some((_, times)) => *times += 1,
            None => self.plan.applied.push((rule, 1)),
        }
    }

    /// Adds the node of `expr` and of everything below it.
    fn visit(&mut self, expr: &Expr, place: &Place) {
        if let ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Plus, inner) = &expr.kind {
            self.visit(inner, place);
            // What goes for the inside goes for the whole.
            if let Some(id) = self.ids.get(&address(inner)).copied() {
                self.ids.insert(address(expr), id);
            }
            return;
        }
        let is_constant = matches!(expr.kind, ExprKind::Number(_) | ExprKind::String(_));
        let is_invariant = self.context.rules.has(Rule::StepInvariant)
            && place.grid.n_steps > 1
            && !is_constant
            && is_step_invariant(expr);
        let grid = if is_invariant { Grid::instant(place.grid.start_ms) } else { place.grid };
        if is_invariant {
            self.note(Rule::StepInvariant);
        }
        let id = self.plan.nodes.len();
        self.ids.insert(address(expr), id);
        if let Some(parent) = place.parent {
            self.plan.nodes[parent].children.push(id);
        }
        self.plan.nodes.push(PlanNode {
            id,
            parent: place.parent,
            children: Vec::new(),
            operator: operator(expr),
            text: if self.context.is_for_reading { expr.to_string() } else { String::new() },
            pos: expr.pos,
            value_type: expr.value_type(),
            steps: Steps { start_ms: grid.start_ms, step_ms: grid.step_ms, n_steps: grid.n_steps },
            is_step_invariant: is_invariant,
            scan: None,
            labels: place.labels.clone(),
            estimate: Estimate::default(),
            actual: None,
        });
        self.visit_inputs(expr, id, &Place { parent: Some(id), grid, labels: place.labels.clone() });
    }

    fn visit_inputs(&mut self, expr: &Expr, id: NodeId, place: &Place) {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::String(_) => {}
            ExprKind::Selector(selector) => {
                let window = selector_window(selector, place.grid, self.context.lookback_ms);
                self.add_scan(id, selector, window.sample_range());
            }
            ExprKind::Range(range) => {
                let window = range_window(range, place.grid, self.context.lookback_ms);
                self.add_scan(id, &range.selector, window.sample_range());
            }
            ExprKind::Subquery(subquery) => {
                let grid = subquery_grid(subquery, place.grid, self.context.default_subquery_step_ms);
                self.visit(&subquery.expr, &Place { grid, ..place.clone() });
            }
            ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => self.visit(inner, place),
            ExprKind::Binary(binary) => self.visit_binary(expr, binary, id, place),
            ExprKind::Aggregate(aggregate) => self.visit_aggregate(aggregate, place),
            ExprKind::Call(call) => self.visit_call(call, place),
        }
    }

    fn visit_binary(&mut self, expr: &Expr, binary: &BinaryExpr, id: NodeId, place: &Place) {
        if self.context.rules.has(Rule::UnionFlattening)
            && let Some(parts) = union_parts(expr)
        {
            self.note(Rule::UnionFlattening);
            self.plan.nodes[id].operator = Operator::Union;
            for part in parts {
                self.visit(part, &Place { labels: LabelsNeeded::All, ..place.clone() });
            }
            return;
        }
        let (left, right) = match &binary.matching {
            None => (place.labels.clone(), place.labels.clone()),
            Some(matching) => self.join_labels(binary, matching, &place.labels),
        };
        self.visit(&binary.lhs, &Place { labels: left, ..place.clone() });
        self.visit(&binary.rhs, &Place { labels: right, ..place.clone() });
    }

    /// Returns what a join looks at on its left and on its right side.
    fn join_labels(
        &self,
        binary: &BinaryExpr,
        matching: &VectorMatching,
        wanted: &LabelsNeeded,
    ) -> (LabelsNeeded, LabelsNeeded) {
        if !matching.on {
            return (LabelsNeeded::All, LabelsNeeded::All);
        }
        let partner = LabelsNeeded::of(matching.labels.iter().chain(&matching.include));
        let kept = if binary.op.is_set() || matching.cardinality != Cardinality::OneToOne {
            wanted.with(&matching.labels)
        } else {
            LabelsNeeded::of(&matching.labels)
        };
        match (binary.op, matching.cardinality) {
            (crate::ast::BinaryOp::Or, _) => (LabelsNeeded::All, LabelsNeeded::All),
            (_, Cardinality::OneToMany) => (partner, kept),
            _ => (kept, partner),
        }
    }

    fn visit_aggregate(&mut self, aggregate: &AggregateExpr, place: &Place) {
        let keeps_members = matches!(
            aggregate.op,
            AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk | AggregateOp::LimitRatio
        );
        let labels = if aggregate.without || aggregate.op == AggregateOp::LimitRatio {
            LabelsNeeded::All
        } else if keeps_members {
            place.labels.with(&aggregate.grouping)
        } else {
            LabelsNeeded::of(&aggregate.grouping)
        };
        if self.context.rules.has(Rule::Projection) && labels != LabelsNeeded::All {
            self.note(Rule::Projection);
        }
        self.visit(&aggregate.expr, &Place { labels, ..place.clone() });
        if let Some(param) = &aggregate.param {
            self.visit(param, &Place { labels: LabelsNeeded::All, ..place.clone() });
        }
    }

    fn visit_call(&mut self, call: &Call, place: &Place) {
        let args = match call.function.id {
            // The second argument of `info` is a set of conditions, not a selector of its own.
            FunctionId::Info => call.args.get(..1).unwrap_or_default(),
            _ => &call.args,
        };
        for arg in args {
            let keeps_labels = arg.value_type() == ValueType::Matrix
                && !matches!(call.function.id, FunctionId::AbsentOverTime);
            let labels =
                if keeps_labels { place.labels.with(&[METRIC_NAME.to_owned()]) } else { LabelsNeeded::All };
            self.visit(arg, &Place { labels, ..place.clone() });
        }
    }

    fn add_scan(&mut self, id: NodeId, selector: &VectorSelector, range: TimeRange) {
        let is_shared = self.context.rules.has(Rule::SharedSelectors);
        let known = self.plan.scans.iter().position(|scan| is_shared && scan.matchers == selector.matchers);
        let idx = known.unwrap_or_else(|| {
            let matchers = selector.matchers.clone();
            self.plan.scans.push(PlanScan { matchers, range, n_readers: 0, n_series: 0 });
            self.plan.scans.len() - 1
        });
        let scan = &mut self.plan.scans[idx];
        scan.range.start_ms = scan.range.start_ms.min(range.start_ms);
        scan.range.end_ms = scan.range.end_ms.max(range.end_ms);
        scan.n_readers += 1;
        self.plan.nodes[id].scan = Some(idx);
        if known.is_some() {
            self.note(Rule::SharedSelectors);
        }
    }

    /// Gives every scan the narrowest range, or the range of the whole query when that is switched off.
    fn finish_scans(&mut self) {
        let start_ms = self.plan.scans.iter().map(|scan| scan.range.start_ms).min();
        let end_ms = self.plan.scans.iter().map(|scan| scan.range.end_ms).max();
        let (Some(start_ms), Some(end_ms)) = (start_ms, end_ms) else { return };
        let whole = TimeRange { start_ms, end_ms };
        let n_narrower = self.plan.scans.iter().filter(|scan| scan.range != whole).count();
        if self.context.rules.has(Rule::TimePushdown) {
            (0..n_narrower).for_each(|_| self.note(Rule::TimePushdown));
        } else {
            self.plan.scans.iter_mut().for_each(|scan| scan.range = whole);
        }
    }
}

impl LabelsNeeded {
    fn of<'a>(names: impl IntoIterator<Item = &'a String>) -> Self {
        let mut names: Vec<String> = names.into_iter().cloned().collect();
        names.sort();
        names.dedup();
        Self::Only(names)
    }

    fn with(&self, more: &[String]) -> Self {
        match self {
            Self::All => Self::All,
            Self::Only(names) => Self::of(names.iter().chain(more)),
        }
    }
}

fn operator(expr: &Expr) -> Operator {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => Operator::Constant,
        ExprKind::Selector(_) => Operator::InstantSelector,
        ExprKind::Range(_) => Operator::RangeSelector,
        ExprKind::Subquery(_) => Operator::Subquery,
        ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Plus, inner) => operator(inner),
        ExprKind::Unary(UnaryOp::Minus, _) => Operator::Negate,
        ExprKind::Binary(binary) => {
            let name = binary.op.as_str();
            match (&binary.matching, expr.value_type()) {
                (Some(_), _) if binary.op.is_set() => Operator::SetOperation(name),
                (Some(_), _) => Operator::Join(name),
                (None, ValueType::Scalar) => Operator::ScalarArithmetic(name),
                (None, _) => Operator::Elementwise(name),
            }
        }
        ExprKind::Aggregate(aggregate) => Operator::Aggregate(aggregate.op.as_str()),
        ExprKind::Call(call) => Operator::Call(call.function.name),
    }
}
