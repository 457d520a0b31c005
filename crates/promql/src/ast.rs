//! The syntax tree of a PromQL expression.
//!
//! Every node knows where it stands in the text ([`Pos`]), because annotations and errors name positions. The parser
//! resolves function names, checks types and leaves a tree that evaluation can trust.
//!
//! # Source
//! `spec/prometheus-query.md` §1.

use std::time::Duration;

use wf_model::Matcher;

use crate::functions::Function;

/// A byte range of the query text, end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pos {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// What an expression yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// A number without labels.
    Scalar,
    /// A text.
    String,
    /// At most one sample per series and step: "instant vector".
    Vector,
    /// Samples of a window per series: "range vector".
    Matrix,
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Where it stands.
    pub pos: Pos,
    /// What it is.
    pub kind: ExprKind,
}

/// The kinds of expression.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// `1.5`, `5m`
    Number(NumberLiteral),
    /// `"text"`
    String(String),
    /// `name{a="b"} @ 1 offset 5m`
    Selector(VectorSelector),
    /// `name[5m]`
    Range(RangeSelector),
    /// `expr[1h:5m]`
    Subquery(Box<Subquery>),
    /// `(expr)`
    Paren(Box<Expr>),
    /// `-expr`, `+expr`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`
    Binary(Box<BinaryExpr>),
    /// `sum by (a) (expr)`
    Aggregate(Box<AggregateExpr>),
    /// `rate(m[5m])`
    Call(Call),
}

/// A number; durations are numbers of seconds that print as durations.
#[derive(Clone, Copy, Debug)]
pub struct NumberLiteral {
    /// The value, seconds for a duration.
    pub value: f64,
    /// Whether it was written as a duration.
    pub is_duration: bool,
}

/// `+` or `-` before an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `+`
    Plus,
    /// `-`
    Minus,
}

/// Where `@` pins the time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AtModifier {
    /// `@ 1.5`, ms.
    Time(i64),
    /// `@ start()`
    Start,
    /// `@ end()`
    End,
}

/// A duration in a range, step or offset: fixed, or computed when the query is built.
#[derive(Clone, Debug)]
pub enum DurationSpec {
    /// Written as a literal, or already computed. Milliseconds; negative only in offsets.
    Fixed(i64),
    /// `1m * 2`, `step()`: resolved before evaluation.
    Expr(Box<DurationExpr>),
}

impl DurationSpec {
    /// Returns the milliseconds of a resolved duration; `None` while it is an expression.
    pub fn fixed_ms(&self) -> Option<i64> {
        match self {
            Self::Fixed(ms) => Some(*ms),
            Self::Expr(_) => None,
        }
    }
}

/// An arithmetic expression over durations.
#[derive(Clone, Debug)]
pub struct DurationExpr {
    /// Where it stands.
    pub pos: Pos,
    /// What it is.
    pub kind: DurationExprKind,
}

/// The kinds of duration expression.
#[derive(Clone, Debug)]
pub enum DurationExprKind {
    /// A number of seconds or a duration literal.
    Number(NumberLiteral),
    /// `step()`
    Step,
    /// `range()`
    Range,
    /// `-d`, `+d`
    Unary(UnaryOp, Box<DurationExpr>),
    /// `a + b` and the other arithmetic operators.
    Binary(BinaryOp, Box<DurationExpr>, Box<DurationExpr>),
    /// `min_of(a, b)`
    MinOf(Box<DurationExpr>, Box<DurationExpr>),
    /// `max_of(a, b)`
    MaxOf(Box<DurationExpr>, Box<DurationExpr>),
    /// `(d)`
    Paren(Box<DurationExpr>),
}

/// Extended range semantics of a selector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RangeMode {
    /// The usual left-open window.
    #[default]
    Plain,
    /// `anchored`
    Anchored,
    /// `smoothed`
    Smoothed,
}

/// An instant vector selector.
#[derive(Clone, Debug)]
pub struct VectorSelector {
    /// The metric name written outside or as a lone string inside the braces, if any; also in `matchers`.
    pub name: Option<String>,
    /// All conditions, the name's included.
    pub matchers: Vec<Matcher>,
    /// `offset`
    pub offset: DurationSpec,
    /// `@`
    pub at: Option<AtModifier>,
    /// `anchored`, `smoothed`
    pub mode: RangeMode,
}

/// A range vector selector; its `offset` and `@` are those of the inner selector.
#[derive(Clone, Debug)]
pub struct RangeSelector {
    /// What is selected.
    pub selector: VectorSelector,
    /// Where the selector without its range stands.
    pub selector_pos: Pos,
    /// Length of the window.
    pub range: DurationSpec,
}

/// A subquery.
#[derive(Clone, Debug)]
pub struct Subquery {
    /// Evaluated at each inner step.
    pub expr: Expr,
    /// Length of the window.
    pub range: DurationSpec,
    /// Inner step; `None` means the default.
    pub step: Option<DurationSpec>,
    /// `offset`
    pub offset: DurationSpec,
    /// `@`
    pub at: Option<AtModifier>,
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
    /// `atan2`
    Atan2,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `<`
    Less,
    /// `>=`
    GreaterEqual,
    /// `<=`
    LessEqual,
    /// `</`: keep the part of a native histogram below a value.
    TrimUpper,
    /// `>/`: keep the part of a native histogram above a value.
    TrimLower,
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
}

impl BinaryOp {
    /// Returns the operator as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::GreaterEqual => ">=",
            Self::LessEqual => "<=",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    /// Returns whether the operator compares (`bool` may follow it).
    pub fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal | Self::NotEqual | Self::Greater | Self::Less | Self::GreaterEqual | Self::LessEqual
        )
    }

    /// Returns whether the operator works on sets of series.
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

/// A binary expression.
#[derive(Clone, Debug)]
pub struct BinaryExpr {
    /// The operator.
    pub op: BinaryOp,
    /// Left operand.
    pub lhs: Expr,
    /// Right operand.
    pub rhs: Expr,
    /// `bool`: 0 or 1 instead of filtering.
    pub return_bool: bool,
    /// How vectors pair up; `None` unless both operands are vectors.
    pub matching: Option<VectorMatching>,
}

/// How many series on each side of a match group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cardinality {
    /// No group modifier.
    #[default]
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// How the elements of two vectors find each other.
#[derive(Clone, Debug, Default)]
pub struct VectorMatching {
    /// Cardinality by group modifier and operator.
    pub cardinality: Cardinality,
    /// `true`: match on exactly `labels`; `false`: on all but them.
    pub on: bool,
    /// Labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Labels copied from the one side: `group_left (a, b)`.
    pub include: Vec<String>,
    /// Value that stands in for a missing left element.
    pub fill_left: Option<f64>,
    /// Value that stands in for a missing right element.
    pub fill_right: Option<f64>,
}

/// Aggregation operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AggregateOp {
    /// `sum`
    Sum,
    /// `avg`
    Avg,
    /// `count`
    Count,
    /// `min`
    Min,
    /// `max`
    Max,
    /// `group`
    Group,
    /// `stddev`
    Stddev,
    /// `stdvar`
    Stdvar,
    /// `topk`
    Topk,
    /// `bottomk`
    Bottomk,
    /// `quantile`
    Quantile,
    /// `count_values`
    CountValues,
    /// `limitk`
    Limitk,
    /// `limit_ratio`
    LimitRatio,
}

impl AggregateOp {
    /// Returns the operator as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
            Self::Group => "group",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Topk => "topk",
            Self::Bottomk => "bottomk",
            Self::Quantile => "quantile",
            Self::CountValues => "count_values",
            Self::Limitk => "limitk",
            Self::LimitRatio => "limit_ratio",
        }
    }

    /// Returns whether the operator takes a parameter before the expression.
    pub fn has_param(self) -> bool {
        matches!(
            self,
            Self::Topk | Self::Bottomk | Self::Quantile | Self::CountValues | Self::Limitk | Self::LimitRatio
        )
    }
}

/// An aggregation.
#[derive(Clone, Debug)]
pub struct AggregateExpr {
    /// The operator.
    pub op: AggregateOp,
    /// What is aggregated.
    pub expr: Expr,
    /// The parameter of `topk`, `quantile`, `count_values`, ….
    pub param: Option<Expr>,
    /// Labels of `by` or `without`.
    pub grouping: Vec<String>,
    /// `without` instead of `by`.
    pub without: bool,
}

/// A function call, arguments checked.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which function.
    pub function: &'static Function,
    /// Its arguments as written; missing optional ones are absent.
    pub args: Vec<Expr>,
}

/// Returns `duration` in milliseconds, as the tree stores it.
pub fn duration_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Expr {
    /// Returns the expressions directly inside, in the order of evaluation.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Selector(_) | ExprKind::Range(_) => {
                Vec::new()
            }
            ExprKind::Subquery(subquery) => vec![&subquery.expr],
            ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => vec![inner],
            ExprKind::Binary(binary) => vec![&binary.lhs, &binary.rhs],
            ExprKind::Aggregate(aggregate) => aggregate.param.iter().chain([&aggregate.expr]).collect(),
            ExprKind::Call(call) => call.args.iter().collect(),
        }
    }

    /// Returns the expression inside all parentheses around it.
    pub fn unwrapped(&self) -> &Expr {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }

    /// Returns the selectors anywhere inside, with their places.
    pub fn selectors(&self) -> Vec<(&VectorSelector, Pos)> {
        match &self.kind {
            ExprKind::Selector(selector) => vec![(selector, self.pos)],
            ExprKind::Range(range) => vec![(&range.selector, range.selector_pos)],
            _ => self.children().into_iter().flat_map(Expr::selectors).collect(),
        }
    }

    /// Returns what the expression yields.
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number(_) => ValueType::Scalar,
            ExprKind::String(_) => ValueType::String,
            ExprKind::Selector(_) | ExprKind::Aggregate(_) => ValueType::Vector,
            ExprKind::Range(_) | ExprKind::Subquery(_) => ValueType::Matrix,
            ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => inner.value_type(),
            ExprKind::Binary(binary) => match (binary.lhs.value_type(), binary.rhs.value_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::Vector,
            },
            ExprKind::Call(call) => call.function.return_type,
        }
    }
}
