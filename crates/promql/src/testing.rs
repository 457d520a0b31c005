//! Queries for tests: grammar-directed, seeded, of the whole language.
//!
//! The table of functions and the enums of operators are what it draws from, so whatever is added to the language is
//! generated from that day on. Every query parses; most select something of the [`Vocabulary`].

mod dice;
mod fuzz;

pub use dice::Dice;
pub use fuzz::fuzz_evaluate;

use crate::ast::{AggregateOp, ValueType};
use crate::functions::{FUNCTIONS, Function, FunctionId, Variadic};

/// What queries are about.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary {
    /// Names of metrics; those that are no identifiers are quoted.
    pub metrics: &'static [&'static str],
    /// Matchers as written inside braces.
    pub matchers: &'static [&'static str],
    /// Names of labels, as written in `by`.
    pub labels: &'static [&'static str],
    /// Values of `@`, seconds.
    pub times: &'static [&'static str],
}

/// Which parts of the language are used.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of what a test can compare")]
pub struct Scope {
    /// Functions and aggregations behind their flag.
    pub experiments: bool,
    /// `anchored`, `smoothed`, `fill`.
    pub modifiers: bool,
    /// `start()`, `end()`, `step()`, `range()`: the answer depends on the query's times.
    pub query_times: bool,
    /// Odd spacing, case and comments.
    pub odd_spelling: bool,
    /// Functions that are never generated.
    pub without: &'static [FunctionId],
}

impl Scope {
    /// Everything.
    pub const ALL: Self =
        Self { experiments: true, modifiers: true, query_times: true, odd_spelling: true, without: &[] };
}

/// Makes queries.
#[derive(Clone, Debug)]
pub struct Generator {
    /// The source of all choices.
    pub dice: Dice,
    vocabulary: Vocabulary,
    scope: Scope,
}

const AGGREGATIONS: [AggregateOp; 14] = [
    AggregateOp::Sum,
    AggregateOp::Avg,
    AggregateOp::Count,
    AggregateOp::Min,
    AggregateOp::Max,
    AggregateOp::Group,
    AggregateOp::Stddev,
    AggregateOp::Stdvar,
    AggregateOp::Topk,
    AggregateOp::Bottomk,
    AggregateOp::Quantile,
    AggregateOp::CountValues,
    AggregateOp::Limitk,
    AggregateOp::LimitRatio,
];
const ARITHMETIC: [&str; 7] = ["+", "-", "*", "/", "%", "^", "atan2"];
const COMPARISONS: [&str; 6] = ["==", "!=", ">", "<", ">=", "<="];
const SETS: [&str; 3] = ["and", "or", "unless"];
const NUMBERS: [&str; 18] = [
    "0", "1", "2", "-1", "0.5", "1e3", "0x1F", "1_000", ".25", "NaN", "Inf", "-Inf", "5m", "1h30m", "0.9",
    "-0.1", "017", "1e-3",
];
const DURATIONS: [&str; 8] = ["1m", "5m", "90s", "300", "1h", "10m", "2m30s", "0.5"];

impl Generator {
    /// Makes a generator: the same seed makes the same queries.
    pub fn new(seed: u64, vocabulary: Vocabulary, scope: Scope) -> Self {
        Self { dice: Dice::new(seed), vocabulary, scope }
    }

    /// Makes a query that yields an instant vector or a scalar.
    pub fn query(&mut self) -> String {
        let depth = 1 + self.dice.below(4);
        let text = if self.dice.chance(8) { self.scalar(depth) } else { self.vector(depth) };
        if self.scope.odd_spelling { self.respelled(&text) } else { text }
    }

    /// Makes an expression of a type.
    pub fn expression(&mut self, value_type: ValueType, depth: u64) -> String {
        match value_type {
            ValueType::Scalar => self.scalar(depth),
            ValueType::String => self.string(),
            ValueType::Vector => self.vector(depth),
            ValueType::Matrix => self.matrix(depth),
        }
    }

    fn string(&mut self) -> String {
        self.dice.pick(&["\"a\"", "'$1'", "`b`", "\"\"", "\"new\"", "\"(.*)\"", "\"\\u00e9\\n\""]).to_owned()
    }

    fn scalar(&mut self, depth: u64) -> String {
        if depth == 0 || self.dice.chance(45) {
            return self.dice.pick(&NUMBERS).to_owned();
        }
        match self.dice.below(6) {
            0 => format!("({})", self.scalar(depth - 1)),
            1 => format!("{}{}", self.dice.pick(&["-", "+"]), self.scalar(depth - 1)),
            2 | 3 => {
                let op = self.dice.pick(&ARITHMETIC);
                format!("{} {op} {}", self.scalar(depth - 1), self.scalar(depth - 1))
            }
            4 => {
                let op = self.dice.pick(&COMPARISONS);
                format!("({} {op} bool {})", self.scalar(depth - 1), self.scalar(depth - 1))
            }
            _ => self.call_of(ValueType::Scalar, depth),
        }
    }

    fn vector(&mut self, depth: u64) -> String {
        if depth == 0 {
            return self.instant_selector();
        }
        match self.dice.below(20) {
            0..=2 => self.instant_selector(),
            3..=9 => self.call_of(ValueType::Vector, depth),
            10..=13 => self.aggregation(depth),
            14..=17 => self.binary(depth),
            18 => format!("({})", self.vector(depth - 1)),
            _ => format!("-{}", self.vector(depth - 1)),
        }
    }

    fn matrix(&mut self, depth: u64) -> String {
        if depth == 0 || self.dice.chance(75) {
            let mode = match self.scope.modifiers && self.dice.chance(8) {
                true => self.dice.pick(&[" anchored", " smoothed"]),
                false => "",
            };
            return format!("{}[{}]{mode}{}", self.selected(), self.duration(), self.time_modifiers());
        }
        let step = if self.dice.chance(30) { String::new() } else { self.duration() };
        format!("({})[{}:{step}]{}", self.vector(depth - 1), self.duration(), self.time_modifiers())
    }

    fn duration(&mut self) -> String {
        let literal = self.dice.pick(&DURATIONS).to_owned();
        if !self.scope.odd_spelling || self.dice.chance(85) {
            return literal;
        }
        match self.dice.below(4) {
            0 => format!("{literal} * 2 + 1s"),
            1 => format!("max_of({literal}, 1m)"),
            2 if self.scope.query_times => format!("(step() + {literal})"),
            _ => format!("({literal} / 2 ^ 1)"),
        }
    }

    fn instant_selector(&mut self) -> String {
        let mode = if self.scope.modifiers && self.dice.chance(4) { " smoothed" } else { "" };
        format!("{}{mode}{}", self.selected(), self.time_modifiers())
    }

    fn selected(&mut self) -> String {
        let metric = self.dice.pick(self.vocabulary.metrics);
        let n_matchers = self.dice.below(5).saturating_sub(2);
        let mut matchers: Vec<String> =
            (0..n_matchers).map(|_| self.dice.pick(self.vocabulary.matchers).to_owned()).collect();
        if !wf_model::labels::is_legacy_metric_name(metric) {
            matchers.insert(0, format!("\"{metric}\""));
            return format!("{{{}}}", matchers.join(", "));
        }
        match (matchers.is_empty(), self.dice.chance(5)) {
            (true, false) => metric.to_owned(),
            (_, true) => {
                matchers.push(format!("__name__=\"{metric}\""));
                format!("{{{}}}", matchers.join(","))
            }
            (false, false) => format!("{metric}{{{}}}", matchers.join(",")),
        }
    }

    fn time_modifiers(&mut self) -> String {
        let mut text = String::new();
        if self.dice.chance(12) {
            text = match self.dice.below(if self.scope.query_times { 4 } else { 2 }) {
                0 | 1 => format!(" @ {}", self.dice.pick(self.vocabulary.times)),
                2 => " @ start()".to_owned(),
                _ => " @ end()".to_owned(),
            };
        }
        if self.dice.chance(15) {
            let sign = if self.dice.chance(25) { "-" } else { "" };
            text.push_str(&format!(" offset {sign}{}", self.dice.pick(&DURATIONS)));
        }
        text
    }

    fn call_of(&mut self, wanted: ValueType, depth: u64) -> String {
        let fits = |function: &&Function| {
            function.return_type == wanted
                && (self.scope.experiments || !function.experimental)
                && !self.scope.without.contains(&function.id)
                && (self.scope.query_times || !depends_on_query_times(function.id))
        };
        let fitting: Vec<&Function> = FUNCTIONS.iter().filter(fits).collect();
        let function = self.dice.pick(&fitting);
        self.call(function, depth)
    }

    /// Makes a call of `function`.
    pub fn call(&mut self, function: &Function, depth: u64) -> String {
        if let Some(special) = self.special_call(function.id, depth) {
            return special;
        }
        let least = match function.variadic {
            Variadic::Fixed => function.args.len(),
            Variadic::Optional(n) => function.args.len() - n,
            Variadic::Unbounded => function.args.len() - 1,
        };
        let n_args = if self.dice.chance(50) { least } else { function.args.len() };
        let args: Vec<String> = function
            .args
            .iter()
            .take(n_args)
            .map(|arg| self.expression(*arg, depth.saturating_sub(1)))
            .collect();
        format!("{}({})", function.name, args.join(", "))
    }

    /// Functions whose arguments have to be more than of the right type.
    fn special_call(&mut self, id: FunctionId, depth: u64) -> Option<String> {
        let depth = depth.saturating_sub(1);
        Some(match id {
            FunctionId::Info if self.dice.chance(60) => {
                format!("info({}, {{{}}})", self.vector(depth), self.dice.pick(self.vocabulary.matchers))
            }
            FunctionId::Info => format!("info({})", self.vector(depth)),
            FunctionId::HistogramQuantiles => {
                format!("histogram_quantiles({}, \"q\", 0.5, {})", self.vector(depth), self.scalar(depth))
            }
            FunctionId::LabelReplace => {
                let (to, from) = (self.label(), self.label());
                let with = self.dice.pick(&["\"$1\"", "\"x$1\"", "\"\"", "\"a\"", "\"${1}é\""]);
                let pattern = self.dice.pick(&["\"(.*)\"", "\"(.).*\"", "\"\"", "`[a-z]+`", "\"(a|b)?\""]);
                format!("label_replace({}, \"{to}\", {with}, \"{from}\", {pattern})", self.vector(depth))
            }
            FunctionId::LabelJoin => {
                let (to, from) = (self.label(), self.label());
                format!("label_join({}, \"{to}\", \"-\", \"{from}\", \"{to}\")", self.vector(depth))
            }
            FunctionId::SortByLabel | FunctionId::SortByLabelDesc => {
                let name = if id == FunctionId::SortByLabel { "sort_by_label" } else { "sort_by_label_desc" };
                format!("{name}({}, \"{}\")", self.vector(depth), self.label())
            }
            FunctionId::DoubleExponentialSmoothing => {
                format!("double_exponential_smoothing({}, 0.3, 0.7)", self.matrix(depth))
            }
            _ => return None,
        })
    }

    fn label(&mut self) -> &'static str {
        self.dice.pick(self.vocabulary.labels).trim_matches('"')
    }

    fn label_list(&mut self) -> String {
        let n_labels = self.dice.below(3);
        let labels: Vec<&str> = (0..n_labels).map(|_| self.dice.pick(self.vocabulary.labels)).collect();
        format!("({})", labels.join(", "))
    }

    /// Makes an aggregation.
    pub fn aggregation(&mut self, depth: u64) -> String {
        let experimental = |op: &AggregateOp| matches!(op, AggregateOp::Limitk | AggregateOp::LimitRatio);
        let mut op = self.dice.pick(&AGGREGATIONS);
        if experimental(&op) && !self.scope.experiments {
            op = AggregateOp::Sum;
        }
        let inner = self.vector(depth - 1);
        let args = match op {
            AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk => {
                format!("({}, {inner})", self.dice.pick(&["1", "2", "3", "0", "10"]))
            }
            AggregateOp::Quantile => {
                format!("({}, {inner})", self.dice.pick(&["0.5", "0", "1", "0.9", "-1", "NaN"]))
            }
            AggregateOp::LimitRatio => format!("({}, {inner})", self.dice.pick(&["0.5", "-0.5", "1", "0.1"])),
            AggregateOp::CountValues => format!("(\"{}\", {inner})", self.dice.pick(&["value", "new"])),
            _ => format!("({inner})"),
        };
        let name = op.as_str();
        let clause = self.dice.pick(&["by", "without"]);
        match self.dice.below(4) {
            0 => format!("{name}{args}"),
            1 => format!("{name}{args} {clause} {}", self.label_list()),
            _ => format!("{name} {clause} {} {args}", self.label_list()),
        }
    }

    fn binary(&mut self, depth: u64) -> String {
        if self.dice.chance(10) {
            return self.chain();
        }
        let left = self.vector(depth - 1);
        if self.dice.chance(35) {
            let right = self.scalar(depth - 1);
            let op = self.operator();
            return if self.dice.chance(30) {
                format!("(({right}) {op} {left})")
            } else {
                format!("({left} {op} {right})")
            };
        }
        let right = if self.dice.chance(40) { left.clone() } else { self.vector(depth - 1) };
        let matching = match self.dice.below(3) {
            0 => String::new(),
            1 => format!(" on {}", self.label_list()),
            _ => format!(" ignoring {}", self.label_list()),
        };
        if self.dice.chance(30) {
            return format!("({left} {}{matching} {right})", self.dice.pick(&SETS));
        }
        let op = self.operator();
        let group = match self.dice.below(5) {
            // A bare group_left would take a parenthesis that follows for its labels.
            0 if !matching.is_empty() && !right.starts_with('(') => " group_left",
            0 if !matching.is_empty() => self.dice.pick(&[" group_left ()", " group_left (copied)"]),
            1 if !matching.is_empty() => self.dice.pick(&[" group_right ()", " group_right (copied)"]),
            _ => "",
        };
        let fill = match self.scope.modifiers && self.dice.chance(12) {
            true => self.dice.pick(&[
                " fill (0)",
                " fill_left (1)",
                " fill_right (-2)",
                " fill_left (1) fill_right (2)",
            ]),
            false => "",
        };
        format!("({left} {op}{matching}{group}{fill} {right})")
    }

    /// Vectors without parentheses: only precedence says what belongs together.
    fn chain(&mut self) -> String {
        let mut text = self.instant_selector();
        for _ in 0..2 + self.dice.below(4) {
            let op = match self.dice.below(3) {
                0 => self.dice.pick(&SETS),
                1 => self.dice.pick(&COMPARISONS),
                _ => self.dice.pick(&ARITHMETIC),
            };
            let sign = if self.dice.chance(20) { "-" } else { "" };
            text.push_str(&format!(" {op} {sign}{}", self.instant_selector()));
        }
        format!("({text})")
    }

    fn operator(&mut self) -> String {
        match self.dice.below(10) {
            0..=5 => self.dice.pick(&ARITHMETIC).to_owned(),
            6 if self.scope.modifiers => self.dice.pick(&["</", ">/"]).to_owned(),
            _ => {
                let bool = if self.dice.chance(40) { " bool" } else { "" };
                format!("{}{bool}", self.dice.pick(&COMPARISONS))
            }
        }
    }

    /// Spells the same query differently: other blanks, comments.
    fn respelled(&mut self, text: &str) -> String {
        if self.dice.chance(70) {
            return text.to_owned();
        }
        let mut quote = None;
        let mut out = String::new();
        for ch in text.chars() {
            match quote {
                Some(open) if ch == open => quote = None,
                None if matches!(ch, '"' | '\'' | '`') => quote = Some(ch),
                _ => {}
            }
            if quote.is_none() && ch == ' ' && self.dice.chance(30) {
                out.push_str(self.dice.pick(&["\n", "\t", "  ", " # } ) \" comment\n", "\r\n"]));
            } else {
                out.push(ch);
            }
        }
        out
    }
}

/// Whether a function's value depends on start, end or step of the query.
fn depends_on_query_times(id: FunctionId) -> bool {
    matches!(id, FunctionId::Start | FunctionId::End | FunctionId::Step | FunctionId::Range)
}
