//! The physical plan: what a query will do, node by node, with what that is expected to cost and what it cost.
//!
//! ```text
//! Expr ── rules (pure rewrites) ──> Expr ── make ──> Plan ── execute ──> Plan with actual costs
//! ```
//! A plan owns its rewritten expression and gives every node of it an id. Operators are built from the expression; what
//! was decided about a node (evaluated once, shared scan, flattened union) is looked up here.
//!
//! # Invariants
//! - Ids are positions in [`Plan::nodes`], parents before children: readers walk without recursion.
//! - The expression lives in one allocation that does not move: nodes are known by their address in it.
//! # Reading order: here (the tree), `rules` (rewrites), `make` (expression to nodes), `estimate`, `trace` (actual costs).
//! # Source: `spec/performance-design.md` §9.

mod estimate;
pub(crate) mod make;
pub(crate) mod rules;
pub(crate) mod trace;

use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use wf_model::{Matcher, TimeRange};

use crate::ast::{Expr, Pos, ValueType};

pub use rules::{OptimizerRules, Rule};

/// Position of a node in [`Plan::nodes`].
pub type NodeId = usize;

/// What a query does, and what it costs.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// All nodes; the root is the first, parents stand before their children.
    pub nodes: Vec<PlanNode>,
    /// What is read from storage; several nodes may share one.
    pub scans: Vec<PlanScan>,
    /// How often each rule changed the plan; rules that changed nothing are absent.
    pub applied: Vec<(Rule, u64)>,
}

/// One operator.
#[derive(Clone, Debug)]
pub struct PlanNode {
    /// Its position in [`Plan::nodes`].
    pub id: NodeId,
    /// The node that consumes it; `None` for the root.
    pub parent: Option<NodeId>,
    /// What it consumes.
    pub children: Vec<NodeId>,
    /// What it does.
    pub operator: Operator,
    /// The part of the query it computes; after rewriting, as canonical text.
    pub text: String,
    /// Where in the query that part stands.
    pub pos: Pos,
    /// What it yields.
    pub value_type: ValueType,
    /// Steps it is evaluated at.
    pub steps: Steps,
    /// It yields the same at every step and is therefore evaluated once.
    pub is_step_invariant: bool,
    /// The scan it reads: position in [`Plan::scans`].
    pub scan: Option<usize>,
    /// Labels that its consumers look at.
    pub labels: LabelsNeeded,
    /// Expected cost.
    pub estimate: Estimate,
    /// Cost, when the query ran with tracing on.
    pub actual: Option<Actual>,
}

/// What a node does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// A number or a text.
    Constant,
    /// `name{…}`
    InstantSelector,
    /// `name{…}[range]`
    RangeSelector,
    /// `expr[range:step]`
    Subquery,
    /// Sign of a value.
    Negate,
    /// Operator between numbers.
    ScalarArithmetic(&'static str),
    /// Operator between a vector and a number.
    Elementwise(&'static str),
    /// Operator between two vectors: a hash join.
    Join(&'static str),
    /// `and`, `or`, `unless`
    SetOperation(&'static str),
    /// A chain of `or` in one operator.
    Union,
    /// An aggregation.
    Aggregate(&'static str),
    /// A function.
    Call(&'static str),
}

/// Evenly spaced instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The first, ms.
    pub start_ms: i64,
    /// Distance of two, ms.
    pub step_ms: i64,
    /// How many.
    pub n_steps: usize,
}

/// Which labels of a node's series are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LabelsNeeded {
    /// All: they are part of the result, or decide about it.
    #[default]
    All,
    /// These, sorted; compared as dictionary codes.
    Only(Vec<String>),
}

/// A selection in storage.
#[derive(Clone, Debug)]
pub struct PlanScan {
    /// All must hold.
    pub matchers: Vec<Matcher>,
    /// Times of all samples that any reader looks at.
    pub range: TimeRange,
    /// How many nodes read it.
    pub n_readers: usize,
    /// Series selected.
    pub n_series: usize,
}

/// What a node is expected to cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Series it yields.
    pub series: u64,
    /// Stored samples it reads itself, at one sample per evaluation interval.
    pub samples: u64,
    /// Values it yields, one per series and step.
    pub rows: u64,
    /// Bytes it holds at once.
    pub memory_bytes: u64,
}

/// What a node cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actual {
    /// Series it yields, empty ones included.
    pub series: u64,
    /// Series that were computed; more than `series` when consumers read twice.
    pub series_read: u64,
    /// Stored samples that it and its inputs decoded.
    pub samples: u64,
    /// Values it yielded.
    pub rows: u64,
    /// Time in it and its inputs, summed over threads; zero without a clock.
    pub time: Duration,
    /// Most bytes that it and its inputs held once it was built.
    pub memory_bytes: u64,
}

impl Plan {
    /// Returns the root; `None` for a plan of nothing.
    pub fn root(&self) -> Option<&PlanNode> {
        self.nodes.first()
    }

    /// Returns the time spent in the node itself, without its inputs; zero without tracing.
    pub fn self_time(&self, id: NodeId) -> Duration {
        let time = |id: NodeId| {
            self.nodes.get(id).and_then(|node| node.actual).map_or(Duration::ZERO, |actual| actual.time)
        };
        let inputs = self.nodes.get(id).map_or(&[][..], |node| &node.children);
        time(id).saturating_sub(inputs.iter().map(|child| time(*child)).sum())
    }

    /// Returns the bytes all nodes together are expected to hold.
    pub fn memory_estimate_bytes(&self) -> u64 {
        self.nodes.iter().fold(0, |sum, node| sum.saturating_add(node.estimate.memory_bytes))
    }

    /// Returns how often a rule changed the plan.
    pub fn times_applied(&self, rule: Rule) -> u64 {
        self.applied.iter().find(|(applied, _)| *applied == rule).map_or(0, |(_, times)| *times)
    }
}

/// A plan that can be executed: the expression it was made from stays with it.
#[derive(Debug)]
pub(crate) struct BoundPlan {
    pub(crate) plan: Plan,
    /// Never moved: `ids` holds addresses inside.
    expr: Arc<Expr>,
    ids: HashMap<usize, NodeId, FixedState>,
}

impl BoundPlan {
    pub(crate) fn expr(&self) -> &Arc<Expr> {
        &self.expr
    }

    /// Returns the node of a part of the plan's own expression.
    pub(crate) fn id(&self, expr: &Expr) -> Option<NodeId> {
        self.ids.get(&address(expr)).copied()
    }

    pub(crate) fn node(&self, expr: &Expr) -> Option<&PlanNode> {
        self.plan.nodes.get(self.id(expr)?)
    }
}

/// Identity of a node of an expression that stays where it is.
fn address(expr: &Expr) -> usize {
    std::ptr::from_ref(expr).addr()
}
