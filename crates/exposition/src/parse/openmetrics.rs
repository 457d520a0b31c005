//! OpenMetrics 0.0.1 and 1.0.0, the reading side.
//!
//! Tokens are one space apart, every line ends, the page ends in `# EOF`; timestamps are seconds.
//!
//! # Source
//! `spec/prometheus-core.md` §2, "OpenMetrics rules".

use std::borrow::Cow;

use wf_model::{FloatError, MetricType};

use super::error::{Fault, Problem, quoted};
use super::scan::{self, Blank};
use super::series::{self, SeriesText};
use super::{Entry, Exemplar, Format, Sample, Tail, line_end, read_family_name, read_value};

/// Reads the entry at `position`; returns it and where the next line starts.
pub(super) fn read_entry(
    page: &[u8],
    position: usize,
    kind: MetricType,
) -> Result<(Entry<'_>, usize), Fault> {
    match page.get(position) {
        None => return Err(Fault { at: position, problem: Problem::NoEof }),
        Some(b'#') => return read_hash_line(page, position),
        Some(_) => {}
    }
    let end = series::scan(page, position, Format::OpenMetrics)?;
    let (Tail { value, timestamp_ms, exemplar }, next) = read_tail(page, end)?;
    let series = SeriesText::new(page.get(position..end).unwrap_or_default(), kind);
    Ok((Entry::Sample(Sample { series, value, timestamp_ms, exemplar }), next))
}

/// Reads value, timestamp and exemplar behind the series text that ends at `position`.
pub(super) fn read_tail(page: &[u8], position: usize) -> Result<(Tail<'_>, usize), Fault> {
    let (value, end) = read_number(page, position, "value")?;
    let (timestamp_ms, end) = read_optional_timestamp(page, end)?;
    if !page.get(end..).unwrap_or_default().starts_with(b" # {") {
        return Ok((Tail { value, timestamp_ms, exemplar: None }, read_line_end(page, end)?));
    }
    let start = end + 3;
    let end = series::scan_exemplar_labels(page, start)?;
    let labels = SeriesText::new(page.get(start..end).unwrap_or_default(), MetricType::Unknown);
    let (exemplar_value, end) = read_number(page, end, "exemplar value")?;
    let (exemplar_timestamp_ms, end) = read_optional_timestamp(page, end)?;
    let exemplar = Exemplar { labels, value: exemplar_value, timestamp_ms: exemplar_timestamp_ms };
    Ok((Tail { value, timestamp_ms, exemplar: Some(exemplar) }, read_line_end(page, end)?))
}

/// Reads a space and a number.
fn read_number(page: &[u8], position: usize, what: &'static str) -> Result<(f64, usize), Fault> {
    let start = position + 1;
    let end = token_end(page, start);
    let token = page.get(start..end).unwrap_or_default();
    if page.get(position) != Some(&b' ') || token.is_empty() {
        let what = if what == "value" { "one space and a value" } else { "one space and an exemplar value" };
        return Err(Fault::expected(page, position, what));
    }
    let value = read_value(token).map_err(|source| Fault::number(start, what, token, source))?;
    Ok((value, end))
}

/// Reads a space and a time in seconds, unless the line ends or an exemplar follows; returns ms, truncated.
#[expect(
    clippy::cast_possible_truncation,
    reason = "float to integer saturates, and truncation is the format's rule"
)]
fn read_optional_timestamp(page: &[u8], position: usize) -> Result<(Option<i64>, usize), Fault> {
    let is_absent = matches!(page.get(position), None | Some(b'\n'))
        || page.get(position..).unwrap_or_default().starts_with(b" # ");
    if is_absent {
        return Ok((None, position));
    }
    let (seconds, end) = read_number(page, position, "timestamp")?;
    if !seconds.is_finite() {
        let token = page.get(position + 1..end).unwrap_or_default();
        return Err(Fault::number(position + 1, "timestamp", token, FloatError::Range));
    }
    Ok((Some((seconds * 1000.0) as i64), end))
}

fn read_line_end(page: &[u8], position: usize) -> Result<usize, Fault> {
    match page.get(position) {
        Some(b'\n') => Ok(position + 1),
        None => Err(Fault { at: position, problem: Problem::NoEof }),
        Some(_) => Err(Fault::expected(page, position, "the end of the line")),
    }
}

fn token_end(page: &[u8], start: usize) -> usize {
    start + scan::number_len(page.get(start..).unwrap_or_default(), Blank::Space)
}

/// Reads `# HELP`, `# TYPE`, `# UNIT` or `# EOF`: there are no free comments.
fn read_hash_line(page: &[u8], start: usize) -> Result<(Entry<'_>, usize), Fault> {
    let line = page.get(start..line_end(page, start)).unwrap_or_default();
    if line == b"# EOF" {
        let end = (start + line.len() + 1).min(page.len());
        return match page.get(end) {
            None => Ok((Entry::Eof, end)),
            Some(_) => Err(Fault { at: end, problem: Problem::AfterEof }),
        };
    }
    match line.get(..7) {
        Some(b"# HELP ") => read_help(page, start + 7),
        Some(b"# TYPE ") => read_type(page, start + 7),
        Some(b"# UNIT ") => read_unit(page, start + 7),
        _ => Err(Fault::expected(page, start, "`# HELP`, `# TYPE`, `# UNIT` or `# EOF`")),
    }
}

fn read_help(page: &[u8], start: usize) -> Result<(Entry<'_>, usize), Fault> {
    let (name, text, next) = read_declaration(page, start)?;
    match series::unescape(text) {
        Some(help) => Ok((Entry::Help(name, help), next)),
        None => Err(Fault { at: start, problem: Problem::NotUtf8 { what: "help text" } }),
    }
}

fn read_type(page: &[u8], start: usize) -> Result<(Entry<'_>, usize), Fault> {
    let (name, text, next) = read_declaration(page, start)?;
    let kind = match text {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"gaugehistogram" => MetricType::GaugeHistogram,
        b"summary" => MetricType::Summary,
        b"info" => MetricType::Info,
        b"stateset" => MetricType::StateSet,
        b"unknown" => MetricType::Unknown,
        other => {
            return Err(Fault { at: next - 1 - text.len(), problem: Problem::UnknownType(quoted(other)) });
        }
    };
    Ok((Entry::Type(name, kind), next))
}

fn read_unit(page: &[u8], start: usize) -> Result<(Entry<'_>, usize), Fault> {
    let (name, text, next) = read_declaration(page, start)?;
    let at = next - 1 - text.len();
    let unit =
        std::str::from_utf8(text).map_err(|_| Fault { at, problem: Problem::NotUtf8 { what: "unit" } })?;
    let is_suffix = name.strip_suffix(unit).is_some_and(|family| family.ends_with('_'));
    if !unit.is_empty() && !is_suffix {
        let (unit, name) = (quoted(text), quoted(name.as_bytes()));
        return Err(Fault { at, problem: Problem::UnitNotSuffix { unit, name } });
    }
    Ok((Entry::Unit(name, unit), next))
}

/// Splits `name text` up to the line end into name, text and the start of the next line.
fn read_declaration(page: &[u8], start: usize) -> Result<(Cow<'_, str>, &[u8], usize), Fault> {
    let (name, name_end) = read_family_name(page, start)?;
    if page.get(name_end) != Some(&b' ') {
        return Err(Fault::expected(page, name_end, "one space and a text"));
    }
    let end = line_end(page, name_end);
    if end == page.len() {
        return Err(Fault { at: end, problem: Problem::NoEof });
    }
    Ok((name, page.get(name_end + 1..end).unwrap_or_default(), end + 1))
}
