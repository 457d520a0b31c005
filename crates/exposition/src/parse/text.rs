//! Text format 0.0.4 and 1.0.0, the reading side.
//!
//! Blanks are spaces and tabs, anywhere between tokens; the last line may lack its end; timestamps are whole ms.
//!
//! # Source
//! `spec/prometheus-core.md` §2, "Text 0.0.4/1.0.0 rules".

use std::borrow::Cow;

use wf_model::{FloatError, MetricType};

use super::error::{Fault, Problem, quoted};
use super::scan::{self, Blank};
use super::series::{self, SeriesText};
use super::{Entry, Format, Sample, Tail, line_end, read_family_name, read_value, skip_blanks};

/// Reads the entry at `position`; returns it and where the next line starts.
pub(super) fn read_entry(
    page: &[u8],
    position: usize,
    kind: MetricType,
) -> Result<(Entry<'_>, usize), Fault> {
    let mut start = skip_blanks(page, position);
    while page.get(start) == Some(&b'\n') {
        start = skip_blanks(page, start + 1);
    }
    match page.get(start) {
        None => return Ok((Entry::Eof, page.len())),
        Some(b'#') => return read_hash_line(page, start),
        Some(_) => {}
    }
    let end = series::scan(page, start, Format::Text)?;
    let (Tail { value, timestamp_ms, exemplar }, next) = read_tail(page, end)?;
    let series = SeriesText::new(page.get(start..end).unwrap_or_default(), kind);
    Ok((Entry::Sample(Sample { series, value, timestamp_ms, exemplar }), next))
}

/// Reads value and timestamp behind the series text that ends at `position`.
pub(super) fn read_tail(page: &[u8], position: usize) -> Result<(Tail<'_>, usize), Fault> {
    let start = skip_blanks(page, position);
    let end = token_end(page, start);
    let token = page.get(start..end).unwrap_or_default();
    if token.is_empty() {
        return Err(Fault::expected(page, start, "a value after the series"));
    }
    let value = read_value(token).map_err(|source| Fault::number(start, "value", token, source))?;
    let start = skip_blanks(page, end);
    let end = token_end(page, start);
    let timestamp_ms = match page.get(start..end).unwrap_or_default() {
        b"" => None,
        token => Some(read_timestamp(page, start, token)?),
    };
    let end = skip_blanks(page, end);
    let tail = Tail { value, timestamp_ms, exemplar: None };
    match page.get(end) {
        None => Ok((tail, end)),
        Some(b'\n') => Ok((tail, end + 1)),
        Some(_) => Err(Fault::expected(page, end, "the end of the line")),
    }
}

fn read_timestamp(page: &[u8], start: usize, token: &[u8]) -> Result<i64, Fault> {
    if !token.iter().all(u8::is_ascii_digit) {
        return Err(Fault::expected(page, start, "a timestamp in whole milliseconds or the end of the line"));
    }
    std::str::from_utf8(token)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| Fault::number(start, "timestamp", token, FloatError::Range))
}

fn token_end(page: &[u8], start: usize) -> usize {
    start + scan::number_len(page.get(start..).unwrap_or_default(), Blank::SpaceOrTab)
}

/// Reads `# HELP`, `# TYPE` or a comment.
fn read_hash_line(page: &[u8], start: usize) -> Result<(Entry<'_>, usize), Fault> {
    let keyword = skip_blanks(page, start + 1);
    let name = skip_blanks(page, keyword + 4);
    let is_declaration = keyword > start + 1 && name > keyword + 4;
    match page.get(keyword..keyword + 4) {
        Some(b"HELP") if is_declaration => read_help(page, name),
        Some(b"TYPE") if is_declaration => read_type(page, name),
        _ => Ok((Entry::Comment, line_end(page, start) + 1)),
    }
}

fn read_help(page: &[u8], start: usize) -> Result<(Entry<'_>, usize), Fault> {
    let (name, text, next) = read_declaration(page, start)?;
    let help = series::unescape_with(text, |escaped| matches!(escaped, b'\\' | b'n'));
    match help {
        Some(help) => Ok((Entry::Help(name, help), next)),
        None => Err(Fault { at: start, problem: Problem::NotUtf8 { what: "help text" } }),
    }
}

fn read_type(page: &[u8], start: usize) -> Result<(Entry<'_>, usize), Fault> {
    let (name, text, next) = read_declaration(page, start)?;
    let (start, end) = (skip_blanks(text, 0), blanks_start(text));
    // A carriage return is no blank: in the format lines end with a line feed.
    let kind = match text.get(start..end).unwrap_or_default() {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"summary" => MetricType::Summary,
        b"untyped" => MetricType::Unknown,
        other => {
            return Err(Fault {
                at: next.saturating_sub(1 + text.len()),
                problem: Problem::UnknownType(quoted(other)),
            });
        }
    };
    Ok((Entry::Type(name, kind), next))
}

/// Returns where the blanks at the end begin.
fn blanks_start(text: &[u8]) -> usize {
    text.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1)
}

/// Splits a declaration into name, text (without the one byte between them) and the start of the next line.
fn read_declaration(page: &[u8], start: usize) -> Result<(Cow<'_, str>, &[u8], usize), Fault> {
    let (name, name_end) = read_family_name(page, start)?;
    let end = line_end(page, name_end);
    Ok((name, page.get(name_end + 1..end).unwrap_or_default(), end + 1))
}
