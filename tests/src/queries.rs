//! Grammar-directed generation of PromQL in the subset that 2.42 and 3.14 share.
//!
//! Two implementations may differ in the last bits of `avg` or `rate`, and a comparison, `floor` or `count_values`
//! would make a whole sample of that. So every expression carries how exactly its value is known, and what is not
//! continuous is only applied to values that are the same bit by bit.

mod choices;

use crate::dice::Dice;
use choices::{
    COMPARISONS, CONTINUOUS, EXACT_OVER_TIME, GAUGES, GROUPINGS, LABELS, MATCHERS, METRICS, OVER_TIME,
    STEPPED, TIMES, UNRATED, VALUES,
};

/// How exactly a value is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    /// Within rounding.
    Close,
    /// Bit by bit.
    Exact,
    /// Bit by bit, and so are sums in any order.
    Dyadic,
}

use Precision::{Close, Dyadic, Exact};

/// Where in time queries may look.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// First sample, ms.
    pub start_ms: i64,
    /// Last sample, ms.
    pub end_ms: i64,
    /// All durations are multiples of it, ms.
    pub unit_ms: i64,
    /// What evaluation times leave modulo the unit: no sample does, so none lies on an edge of a window. None leaves 0 either:
    /// subqueries look at multiples of their step.
    pub residue_ms: i64,
}

/// Where a query is evaluated.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// At one time, ms.
    Instant(i64),
    /// From, to, step, ms.
    Range(i64, i64, i64),
}

/// A query.
#[derive(Clone, Debug)]
pub struct Query {
    /// What is asked.
    pub expr: String,
    /// Where it is evaluated.
    pub when: When,
}

struct Vector {
    text: String,
    precision: Precision,
}

/// The argument of a range function.
struct Range {
    text: String,
    precision: Precision,
    /// Whether `rate` of it is told alike by both versions.
    is_rateable: bool,
}

/// Makes queries.
#[derive(Clone, Debug)]
pub struct Generator {
    dice: Dice,
    span: Span,
    inside_subquery: bool,
}

impl Generator {
    /// Makes a generator that looks into `span`.
    pub fn new(seed: u64, span: Span) -> Self {
        Self { dice: Dice::new(seed), span, inside_subquery: false }
    }

    /// Makes the next query.
    pub fn query(&mut self) -> Query {
        let depth = 1 + self.dice.below(4);
        let expr = match self.dice.below(20) {
            0 => self.scalar(depth).text,
            1 | 2 => self.ranked(depth),
            _ => self.vector(depth).text,
        };
        let from_ms = self.time_ms();
        let when = if self.dice.chance(60) {
            When::Instant(from_ms)
        } else {
            let step_ms = self.span.unit_ms * self.dice.between(1, 12);
            When::Range(from_ms, from_ms + step_ms * self.dice.between(0, 30), step_ms)
        };
        Query { expr, when }
    }

    fn time_ms(&mut self) -> i64 {
        let n_units = (self.span.end_ms - self.span.start_ms) / self.span.unit_ms;
        let first = self.span.start_ms / self.span.unit_ms * self.span.unit_ms;
        first + self.dice.between(-4, n_units + 12) * self.span.unit_ms + self.span.residue_ms
    }

    /// A duration of `low..=high` units.
    fn duration(&mut self, low: i64, high: i64) -> String {
        format!("{}ms", self.dice.between(low, high) * self.span.unit_ms)
    }

    /// The best few: only at the top, where the one thing that may differ, who wins a tie, can be told.
    fn ranked(&mut self, depth: u64) -> String {
        let of = self.exact(depth - 1);
        let grouping = self.grouping();
        let name = self.dice.pick(&["topk", "bottomk"]);
        format!("{name}{grouping}({}, {of})", self.dice.between(-1, 5))
    }

    fn exact(&mut self, depth: u64) -> String {
        for _ in 0..4 {
            let vector = self.vector(depth);
            if vector.precision >= Exact {
                return vector.text;
            }
        }
        self.selector()
    }

    fn scalar(&mut self, depth: u64) -> Vector {
        let with = |text: String, precision| Vector { text, precision };
        match self.dice.below(if depth == 0 { 6 } else { 10 }) {
            0..=3 => with((self.dice.pick(&VALUES)).to_owned(), Dyadic),
            4 => with("time()".to_owned(), Exact),
            5 => with("pi()".to_owned(), Exact),
            6 | 7 => {
                let of = self.vector(depth - 1);
                with(format!("scalar({})", of.text), of.precision)
            }
            _ => {
                let (left, right) = (self.scalar(depth - 1), self.scalar(depth - 1));
                let (op, precision) = self.operator(left.precision.min(right.precision));
                let bool = if COMPARISONS.contains(&op) { " bool" } else { "" };
                with(format!("({} {op}{bool} {})", left.text, right.text), precision)
            }
        }
    }

    fn vector(&mut self, depth: u64) -> Vector {
        if depth == 0 {
            return Vector { text: self.selector(), precision: Dyadic };
        }
        match self.dice.below(33) {
            30 | 31 => self.chain(),
            32 => self.counted_best(depth),
            0..=2 => Vector { text: self.selector(), precision: Dyadic },
            3..=10 => self.over_time(depth),
            11..=15 => self.aggregation(depth),
            16..=20 => self.binary(depth),
            21..=25 => self.function(depth),
            26 => self.histogram_quantile(depth),
            27 => self.relabelled(depth),
            28 => {
                let of = self.vector(depth - 1);
                Vector { text: format!("-({})", of.text), precision: of.precision }
            }
            _ => {
                let of = self.scalar(depth - 1);
                Vector { text: format!("vector({})", of.text), precision: of.precision }
            }
        }
    }

    /// Operators without parentheses: precedence says what belongs together.
    fn chain(&mut self) -> Vector {
        const OPERATORS: [&str; 13] = [
            "+",
            "-",
            "*",
            "/",
            "%",
            "and",
            "or",
            "unless",
            "==",
            ">",
            "<= bool",
            "+ on (node)",
            "* ignoring (code)",
        ];
        let mut text = self.selector();
        for _ in 0..1 + self.dice.below(3) {
            let op = self.dice.pick(&OPERATORS);
            let sign = if self.dice.chance(20) { "-" } else { "" };
            text.push_str(&format!(" {op} {sign}{}", self.selector()));
        }
        Vector { text: format!("({text})"), precision: Exact }
    }

    /// What does not depend on who wins a tie may be asked of the best few anywhere.
    fn counted_best(&mut self, depth: u64) -> Vector {
        let of = self.exact(depth - 1);
        let grouping = self.grouping();
        let (outer, inner) = (self.dice.pick(&["count", "min", "max"]), self.dice.pick(&["topk", "bottomk"]));
        let k = self.dice.pick(&["0", "1", "2", "(1 + 2)", "100"]);
        Vector { text: format!("{outer}({inner}{grouping}({k}, {of}))"), precision: Exact }
    }

    fn selector(&mut self) -> String {
        format!("{}{}", self.matching_series(), self.modifiers())
    }

    fn matching_series(&mut self) -> String {
        let metric = self.dice.pick(&METRICS);
        let n_matchers = self.dice.below(5).saturating_sub(2);
        if n_matchers == 0 {
            return metric.to_owned();
        }
        let matchers: Vec<&str> = (0..n_matchers).map(|_| self.dice.pick(&MATCHERS)).collect();
        format!("{metric}{{{}}}", matchers.join(","))
    }

    fn modifiers(&mut self) -> String {
        let mut text = String::new();
        if self.dice.chance(10) {
            match self.dice.below(4) {
                0 => text.push_str(" @ start()"),
                1 => text.push_str(" @ end()"),
                _ => text.push_str(&format!(" @ {}", seconds(self.time_ms()))),
            }
        }
        if self.dice.chance(15) {
            text.push_str(&format!(" offset {}", self.duration(1, 24)));
        } else if self.dice.chance(4) {
            text.push_str(&format!(" offset -{}", self.duration(1, 8)));
        }
        text
    }

    fn range(&mut self, depth: u64) -> Range {
        let range = self.duration(1, 60);
        if self.inside_subquery || self.dice.chance(75) {
            let series = self.matching_series();
            // Gauges come near zero: see below.
            let is_rateable = !GAUGES.iter().any(|gauge| series.starts_with(gauge));
            let text = format!("{series}[{range}]{}", self.modifiers());
            return Range { text, precision: Dyadic, is_rateable };
        }
        // The two versions find the zero of a counter in different order: a counter far from zero has none.
        let is_rateable = self.dice.chance(30);
        self.inside_subquery = true;
        let of = if is_rateable {
            Vector { text: "requests_total".to_owned(), precision: Dyadic }
        } else {
            self.vector(depth.min(2))
        };
        self.inside_subquery = false;
        let step = if self.dice.chance(5) { String::new() } else { self.duration(1, 8) };
        let text = format!("({})[{range}:{step}]{}", of.text, self.modifiers());
        Range { text, precision: of.precision, is_rateable }
    }

    fn over_time(&mut self, depth: u64) -> Vector {
        let range = self.range(depth - 1);
        let close = |text: String| Vector { text, precision: Close };
        let of = range.text;
        let close_names: &[&str] = if range.is_rateable { &OVER_TIME } else { &UNRATED };
        match self.dice.below(20) {
            0 => {
                let q = self.dice.pick(&["0.5", "0", "1", "0.9", "-1", "2", "0.25", "NaN"]);
                close(format!("quantile_over_time({q}, {of})"))
            }
            1 => close(format!("predict_linear({of}, {})", self.dice.between(-60, 3600))),
            2 if range.precision >= Exact => {
                let (sf, tf) =
                    (self.dice.pick(&["0.1", "0.5", "0.9"]), self.dice.pick(&["0.1", "0.5", "0.9"]));
                close(format!("double_exponential_smoothing({of}, {sf}, {tf})"))
            }
            3 if range.precision == Dyadic => {
                Vector { text: format!("sum_over_time({of})"), precision: Dyadic }
            }
            4..=10 => close(format!("{}({of})", self.dice.pick(close_names))),
            _ => {
                // What these answer about noise is noise: they look at exact values only.
                let names: &[&str] = if range.precision >= Exact { &EXACT_OVER_TIME } else { close_names };
                let precision = if range.precision >= Exact { Exact } else { Close };
                Vector { text: format!("{}({of})", self.dice.pick(names)), precision }
            }
        }
    }

    fn grouping(&mut self) -> String {
        match self.dice.below(3) {
            0 => String::new(),
            1 => format!(" by ({}) ", self.dice.pick(&GROUPINGS)),
            _ => format!(" without ({}) ", self.dice.pick(&GROUPINGS)),
        }
    }

    fn aggregation(&mut self, depth: u64) -> Vector {
        let of = self.vector(depth - 1);
        let grouping = self.grouping();
        let with =
            |name: &str, precision| Vector { text: format!("{name}{grouping}({})", of.text), precision };
        match self.dice.below(12) {
            0..=3 => with("sum", if of.precision == Dyadic { Dyadic } else { Close }),
            4 => with("avg", Close),
            5 => with("min", of.precision),
            6 => with("max", of.precision),
            7 => with("count", Dyadic),
            8 => with("group", Dyadic),
            9 if of.precision >= Exact => {
                Vector { text: format!("count_values{grouping}(\"value\", {})", of.text), precision: Dyadic }
            }
            9 | 10 => {
                let q = self.dice.pick(&["0.5", "0", "1", "0.9", "-1", "2", "NaN", "0.3"]);
                Vector { text: format!("quantile{grouping}({q}, {})", of.text), precision: Close }
            }
            _ => with(self.dice.pick(&["stddev", "stdvar"]), Close),
        }
    }

    fn operator(&mut self, precision: Precision) -> (&'static str, Precision) {
        match self.dice.below(12) {
            0 | 1 => ("+", precision),
            2 | 3 => ("-", precision),
            4 | 5 => ("*", precision.min(Exact)),
            6 | 7 => ("/", precision.min(Exact)),
            8 => ("^", Close),
            9 => ("atan2", Close),
            _ if precision == Close => ("*", Close),
            10 => ("%", Exact),
            _ => (self.dice.pick(&COMPARISONS), precision),
        }
    }

    fn binary(&mut self, depth: u64) -> Vector {
        let left = self.vector(depth - 1);
        if self.dice.chance(35) {
            let right = self.scalar(depth - 1);
            let (op, precision) = self.operator(left.precision.min(right.precision));
            let bool = if COMPARISONS.contains(&op) && self.dice.chance(40) { " bool" } else { "" };
            let (a, b) = if self.dice.chance(30) { (right.text, left.text) } else { (left.text, right.text) };
            return Vector { text: format!("({a} {op}{bool} {b})"), precision };
        }
        // Related operands meet more often than strangers.
        let right = if self.dice.chance(50) { self.vector(depth - 1) } else { self.sibling(&left, depth) };
        let least = left.precision.min(right.precision);
        let on = match self.dice.below(3) {
            0 => String::new(),
            1 => format!(" on ({})", self.dice.pick(&GROUPINGS)),
            _ => format!(" ignoring ({})", self.dice.pick(&GROUPINGS)),
        };
        if self.dice.chance(30) {
            let op = self.dice.pick(&["and", "or", "unless"]);
            return Vector { text: format!("({} {op}{on} {})", left.text, right.text), precision: least };
        }
        let (op, precision) = self.operator(least);
        let bool = if COMPARISONS.contains(&op) && self.dice.chance(40) { " bool" } else { "" };
        let group = match self.dice.below(4) {
            0 if !on.is_empty() => {
                format!(" {} ({})", self.dice.pick(&["group_left", "group_right"]), self.included())
            }
            _ => String::new(),
        };
        Vector { text: format!("({} {op}{bool}{on}{group} {})", left.text, right.text), precision }
    }

    fn sibling(&mut self, left: &Vector, depth: u64) -> Vector {
        match self.dice.below(3) {
            0 => Vector { text: left.text.clone(), precision: left.precision },
            1 => Vector { text: self.selector(), precision: Dyadic },
            _ => self.aggregation(depth),
        }
    }

    /// Labels that a one-to-many match copies; never one that may also be in `on`.
    fn included(&mut self) -> &'static str {
        self.dice.pick(&["", "", "version", "version, kind"])
    }

    fn function(&mut self, depth: u64) -> Vector {
        let of = self.vector(depth - 1);
        match self.dice.below(14) {
            0..=3 => {
                let precision = if of.precision >= Exact { Exact } else { Close };
                Vector { text: format!("abs({})", of.text), precision }
            }
            4 | 5 => {
                Vector { text: format!("{}({})", self.dice.pick(&CONTINUOUS), of.text), precision: Close }
            }
            6 | 7 if of.precision >= Exact => {
                Vector { text: format!("{}({})", self.dice.pick(&STEPPED), of.text), precision: of.precision }
            }
            8 if of.precision >= Exact => {
                let to = self.dice.pick(&["0.5", "10", "0.1", "1"]);
                Vector { text: format!("round({}, {to})", of.text), precision: Exact }
            }
            9 if of.precision >= Exact => {
                Vector { text: format!("{}({})", self.dice.pick(&TIMES), of.text), precision: Exact }
            }
            10 => {
                let (low, high) = (self.dice.pick(&VALUES), self.dice.pick(&VALUES));
                let text = match self.dice.below(3) {
                    0 => format!("clamp({}, {low}, {high})", of.text),
                    1 => format!("clamp_min({}, {low})", of.text),
                    _ => format!("clamp_max({}, {high})", of.text),
                };
                Vector { text, precision: of.precision }
            }
            11 => Vector { text: format!("absent({})", of.text), precision: Dyadic },
            12 if self.dice.chance(20) => {
                Vector { text: format!("{}()", self.dice.pick(&TIMES)), precision: Exact }
            }
            12 if self.dice.chance(20) => {
                Vector { text: format!("timestamp(abs({}))", of.text), precision: Exact }
            }
            12 => Vector { text: format!("timestamp({})", self.selector()), precision: Exact },
            _ => Vector {
                text: format!("{}({})", self.dice.pick(&["sort", "sort_desc"]), of.text),
                precision: of.precision,
            },
        }
    }

    fn histogram_quantile(&mut self, depth: u64) -> Vector {
        let q = self.dice.pick(&["0.5", "0.9", "0.99", "0", "1", "-1", "2", "NaN"]);
        let buckets = match self.dice.below(4) {
            0 => format!("latency_seconds_bucket{}", self.modifiers()),
            1 => format!("sum by (le) (rate(latency_seconds_bucket[{}]))", self.duration(4, 40)),
            2 => format!("rate(latency_seconds_bucket[{}])", self.duration(4, 40)),
            _ => self.vector(depth - 1).text,
        };
        Vector { text: format!("histogram_quantile({q}, {buckets})"), precision: Close }
    }

    fn relabelled(&mut self, depth: u64) -> Vector {
        let of = self.vector(depth - 1);
        let (to, from) = (self.dice.pick(&LABELS), self.dice.pick(&LABELS));
        let text = if self.dice.chance(50) {
            let replacement = self.dice.pick(&["$1", "x$1", "", "$2-$1", "온$1"]);
            let pattern = self.dice.pick(&["(.*)", "(.)(.*)", "g.*", "", "([a-z]+)-?(.*)"]);
            format!("label_replace({}, \"{to}\", \"{replacement}\", \"{from}\", \"{pattern}\")", of.text)
        } else {
            let other = self.dice.pick(&LABELS);
            format!("label_join({}, \"{to}\", \"-\", \"{from}\", \"{other}\")", of.text)
        };
        Vector { text, precision: of.precision }
    }
}

/// Prints a time as the API wants it: seconds with three decimals.
pub fn seconds(time_ms: i64) -> String {
    format!("{}.{:03}", time_ms.div_euclid(1000), time_ms.rem_euclid(1000))
}
