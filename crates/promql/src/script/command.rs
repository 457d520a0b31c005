//! What a script says.

use std::sync::Arc;

use regex_automata::meta::Regex;
use wf_model::{FloatHistogram, Labels};

/// A command with its line.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) line: usize,
    pub(super) kind: CommandKind,
}

/// The kinds of command.
#[derive(Debug)]
pub(super) enum CommandKind {
    /// Forget all series.
    Clear,
    /// Add series.
    Load(Load),
    /// Evaluate and compare.
    Eval(Box<Eval>),
}

/// `load 1m`
#[derive(Debug)]
pub(super) struct Load {
    pub(super) step_ms: i64,
    /// Also store classic histograms as native ones with custom buckets.
    pub(super) with_nhcb: bool,
    pub(super) series: Vec<SeriesLine>,
}

/// A series with one value, or none, per step.
#[derive(Clone, Debug)]
pub(super) struct SeriesLine {
    pub(super) line: usize,
    pub(super) labels: Labels,
    pub(super) values: Vec<Value>,
    /// Start timestamps as offsets from each sample's time, ms; `None` where unknown.
    pub(super) start_offsets_ms: Vec<Option<i64>>,
}

/// A value of a series line.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// `_`
    Gap,
    /// A number or `stale`.
    Float(f64),
    /// `{{…}}`, and whether it names its counter reset hint.
    Histogram(Arc<FloatHistogram>, HintGiven),
}

/// Whether a histogram text names its counter reset hint: only then it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HintGiven {
    Yes,
    No,
}

/// `eval …` with what is expected.
#[derive(Debug)]
pub(super) struct Eval {
    pub(super) when: When,
    pub(super) query: String,
    pub(super) expected: Expected,
    pub(super) expects: Expectations,
}

/// When a query is evaluated, ms.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    Instant { at_ms: i64 },
    Range { start_ms: i64, end_ms: i64, step_ms: i64 },
}

/// The result lines.
#[derive(Debug)]
pub(super) enum Expected {
    /// A single number.
    Scalar(f64),
    /// A string literal.
    String(String),
    /// Series lines; none for an empty result.
    Series(Vec<SeriesLine>),
}

/// The `expect` lines.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    pub(super) fail: Option<Pattern>,
    pub(super) warn: Vec<Pattern>,
    pub(super) info: Vec<Pattern>,
    pub(super) no_warn: bool,
    pub(super) no_info: bool,
    pub(super) ordered: bool,
    /// `eval_warn`, `eval_info`: at least one, and nothing else is checked.
    pub(super) some_warn: bool,
    pub(super) some_info: bool,
    /// `expect range vector from … to … step …`
    pub(super) range_vector: Option<RangeVector>,
}

/// Where the points of an expected range vector lie, ms.
#[derive(Clone, Copy, Debug)]
pub(super) struct RangeVector {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) step_ms: i64,
}

/// What a message must look like.
#[derive(Debug)]
pub(super) enum Pattern {
    /// Anything.
    Any,
    /// Exactly this text.
    Text(String),
    /// A search.
    Regex(Regex),
}

impl Pattern {
    pub(super) fn matches(&self, message: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Text(text) => message == text,
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}
