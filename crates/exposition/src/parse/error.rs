//! What is wrong with a page, and where.

use wf_model::FloatError;
use wf_model::quote::GoQuoted;

/// Where and why a page leaves its grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct ParseError {
    /// Line, counted from 1.
    pub line: usize,
    /// Byte in the line, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong at one place of a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Something else should stand here.
    #[error("expected {what}, found {found}")]
    Expected {
        /// What the grammar wants.
        what: &'static str,
        /// The first bytes that stand there instead, quoted.
        found: String,
    },
    /// A value or timestamp that is no number.
    #[error("{what} {text}: {source}")]
    Number {
        /// Which number.
        what: &'static str,
        /// Its text, quoted.
        text: String,
        /// Why it is none.
        source: FloatError,
    },
    /// Bytes that are not UTF-8.
    #[error("{what} is not valid UTF-8")]
    NotUtf8 {
        /// Which text.
        what: &'static str,
    },
    /// A second metric name.
    #[error("metric name already set: a quoted name without `=` names the metric, once")]
    SecondName,
    /// No metric name.
    #[error("the series has no metric name")]
    NoName,
    /// A type that the format does not know.
    #[error("invalid metric type {0}")]
    UnknownType(String),
    /// A unit that the family's name does not end in.
    #[error("unit {unit} is not a suffix of metric {name}")]
    UnitNotSuffix {
        /// The unit, quoted.
        unit: String,
        /// The family, quoted.
        name: String,
    },
    /// An OpenMetrics page was cut off.
    #[error("data does not end with # EOF")]
    NoEof,
    /// Something follows the end.
    #[error("unexpected data after # EOF")]
    AfterEof,
}

/// A problem before its line is counted; counting waits until somebody is told.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) problem: Problem,
}

impl Fault {
    #[cold]
    pub(super) fn expected(page: &[u8], at: usize, what: &'static str) -> Self {
        let rest = page.get(at..).unwrap_or_default();
        let found = match rest.first() {
            None => "the end of the page".to_owned(),
            Some(b'\n') => "the end of the line".to_owned(),
            Some(_) => quoted(rest),
        };
        Self { at, problem: Problem::Expected { what, found } }
    }

    #[cold]
    pub(super) fn number(at: usize, what: &'static str, text: &[u8], source: FloatError) -> Self {
        Self { at, problem: Problem::Number { what, text: quoted(text), source } }
    }
}

impl ParseError {
    #[cold]
    pub(super) fn locate(page: &[u8], fault: Fault) -> Self {
        let before = page.get(..fault.at).unwrap_or(page);
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        Self { line, column: before.len() - line_start + 1, problem: fault.problem }
    }
}

/// Quotes the first bytes of `text` up to the end of its line.
pub(super) fn quoted(text: &[u8]) -> String {
    const SHOWN_BYTES: usize = 40;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let shown = line.get(..SHOWN_BYTES).unwrap_or(line);
    let dots = if shown.len() < line.len() { "…" } else { "" };
    format!("{}{dots}", GoQuoted(&String::from_utf8_lossy(shown)))
}
