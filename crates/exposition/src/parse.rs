//! Pages that targets expose, read entry by entry, in place.
//!
//! [`Parser`] borrows the page and allocates nothing: a sample carries the raw text of its series, and
//! [`SeriesText::labels`] takes labels out of it when somebody needs them. Whoever has met a series text before may say
//! so ([`Parser::known_sample`]) and pays for the number alone.
//!
//! # Source
//! `spec/prometheus-core.md` §2. Protobuf has a parser of its own: [`crate::protobuf`].

pub mod error;
pub mod openmetrics;
mod scan;
pub mod series;
pub mod text;

use std::borrow::Cow;

use wf_model::{FloatError, MetricType, float};

pub use error::{ParseError, Problem};
pub use series::{LabelIter, SeriesText};

use error::Fault;
use scan::Blank;

/// Grammar of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text 0.0.4 and 1.0.0, which read identically.
    Text,
    /// OpenMetrics 0.0.1 and 1.0.0.
    OpenMetrics,
}

/// What a page says in one place.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<'a> {
    /// A value of a series.
    Sample(Sample<'a>),
    /// `# HELP`: family name and unescaped text.
    Help(Cow<'a, str>, Cow<'a, str>),
    /// `# TYPE`: family name and type.
    Type(Cow<'a, str>, MetricType),
    /// `# UNIT` (OpenMetrics): family name and unit.
    Unit(Cow<'a, str>, &'a str),
    /// Any other `#` line (text format only).
    Comment,
    /// The page is over, and complete.
    Eof,
}

/// One value of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Name and labels as exposed.
    pub series: SeriesText<'a>,
    /// The value; any NaN is the canonical one.
    pub value: f64,
    /// Explicit time in ms since the epoch, if exposed.
    pub timestamp_ms: Option<i64>,
    /// Exemplar, if exposed (OpenMetrics).
    pub exemplar: Option<Exemplar<'a>>,
}

/// An example behind a number, usually a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar<'a> {
    /// Its labels, `{…}` as exposed; without a name.
    pub labels: SeriesText<'a>,
    /// Its value.
    pub value: f64,
    /// Explicit time in ms since the epoch, if exposed.
    pub timestamp_ms: Option<i64>,
}

/// Reads a page from front to back. After an error it stays where it is: the rest of a broken page means nothing.
#[derive(Clone, Debug)]
pub struct Parser<'a> {
    format: Format,
    page: &'a [u8],
    /// Start of the next line.
    position: usize,
    /// Type of the family whose `# TYPE` was read last; decides how `le` and `quantile` are normalised.
    kind: MetricType,
    is_over: bool,
}

impl<'a> Parser<'a> {
    /// Starts at the front of `page`.
    pub fn new(format: Format, page: &'a [u8]) -> Self {
        Self { format, page, position: 0, kind: MetricType::Unknown, is_over: false }
    }

    /// Reads the next entry; after the end, `Eof` again and again.
    /// # Errors
    /// The first place where the page leaves its grammar.
    pub fn next_entry(&mut self) -> Result<Entry<'a>, ParseError> {
        if self.is_over {
            return Ok(Entry::Eof);
        }
        let read = match self.format {
            Format::Text => text::read_entry(self.page, self.position, self.kind),
            Format::OpenMetrics => openmetrics::read_entry(self.page, self.position, self.kind),
        };
        let (entry, next) = read.map_err(|fault| ParseError::locate(self.page, fault))?;
        self.position = next.min(self.page.len());
        match &entry {
            Entry::Type(_, kind) => self.kind = *kind,
            Entry::Eof => self.is_over = true,
            _ => {}
        }
        Ok(entry)
    }

    /// Returns what is left to read. It starts at the beginning of a line.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.page.get(self.position..).unwrap_or_default()
    }

    /// Returns the offset of [`Parser::rest`] in the page, in bytes.
    #[inline]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns the type that was declared last.
    #[inline]
    pub fn kind(&self) -> MetricType {
        self.kind
    }

    /// Reads the sample whose series text is the next `series_len` bytes. The caller knows them: they equal the
    /// [`SeriesText`] of a sample read under the same format before. Returns `None`, and stays, when what follows is
    /// more than a value and a timestamp: ask [`Parser::next_entry`].
    #[inline]
    pub fn known_sample(&mut self, series_len: usize) -> Option<Sample<'a>> {
        let rest = self.rest();
        let (series, tail) = rest.split_at_checked(series_len)?;
        let Some((b' ', tail)) = tail.split_first() else { return None };
        let value_len = scan::number_len(tail, Blank::SpaceOrTab);
        let (value_text, tail) = tail.split_at_checked(value_len)?;
        if tail.first() != Some(&b'\n') {
            return self.known_sample_with_time(series_len, value_len);
        }
        let value = read_value(value_text).ok()?;
        self.position += series_len + value_len + 2;
        Some(Sample { series: SeriesText::new(series, self.kind), value, timestamp_ms: None, exemplar: None })
    }

    fn known_sample_with_time(&mut self, series_len: usize, value_len: usize) -> Option<Sample<'a>> {
        let series_end = self.position + series_len;
        // The full grammar wants a series to begin with; from its end on it is the same tail.
        debug_assert!(self.page.len() >= series_end + 1 + value_len, "the caller has seen the value");
        let read = match self.format {
            Format::Text => text::read_tail(self.page, series_end),
            Format::OpenMetrics => openmetrics::read_tail(self.page, series_end),
        };
        let (tail, next) = read.ok()?;
        let series = SeriesText::new(self.page.get(self.position..series_end)?, self.kind);
        self.position = next;
        let Tail { value, timestamp_ms, exemplar } = tail;
        Some(Sample { series, value, timestamp_ms, exemplar })
    }

    /// Passes over a `#` line of `line_len` bytes without its line end, which the caller knows from an earlier page;
    /// `declares` is the type it declares, if it is a `# TYPE`.
    #[inline]
    pub fn skip_known_line(&mut self, line_len: usize, declares: Option<MetricType>) {
        self.position = (self.position + line_len + 1).min(self.page.len());
        self.kind = declares.unwrap_or(self.kind);
    }
}

/// What follows the series text of a sample.
struct Tail<'a> {
    value: f64,
    timestamp_ms: Option<i64>,
    exemplar: Option<Exemplar<'a>>,
}

/// Reads a value: Go's float syntax as it was before hexadecimal floats and digit separators.
#[inline]
fn read_value(text: &[u8]) -> Result<f64, FloatError> {
    let value = float::parse_go(text)?;
    // Hexadecimal is the only accepted form with an x in it.
    if text.len() > 2 && matches!(text.iter().take(3).position(|byte| byte | 0x20 == b'x'), Some(1 | 2)) {
        return Err(FloatError::Syntax);
    }
    Ok(value)
}

/// Returns the position after blanks.
fn skip_blanks(page: &[u8], mut position: usize) -> usize {
    while matches!(page.get(position), Some(b' ' | b'\t')) {
        position += 1;
    }
    position
}

/// Returns the position of the next line end, or of the page's end.
fn line_end(page: &[u8], position: usize) -> usize {
    let rest = page.get(position..).unwrap_or_default();
    position + memchr::memchr(b'\n', rest).unwrap_or(rest.len())
}

/// Reads the name of a `#` line, quoted or plain; returns it and the position behind it.
fn read_family_name<'a>(page: &'a [u8], position: usize) -> Result<(Cow<'a, str>, usize), Fault> {
    let end = match page.get(position) {
        Some(b'"') => series::scan_quoted(page, position, series::Newline::Refused)?,
        _ => series::scan_metric_name(page, position),
    };
    let raw = page.get(position..end).unwrap_or_default();
    let name = match raw {
        [b'"', inner @ .., b'"'] => series::unescape(inner),
        plain => std::str::from_utf8(plain).ok().map(Cow::Borrowed),
    };
    match name {
        Some(name) if !name.is_empty() => Ok((name, end)),
        Some(_) => Err(Fault::expected(page, position, "a metric name")),
        None => Err(Fault { at: position, problem: Problem::NotUtf8 { what: "metric name" } }),
    }
}

#[cfg(test)]
mod tests;
