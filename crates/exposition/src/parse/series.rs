//! The text that names a series on a page: `name{label="value"}`.
//!
//! [`scan`] checks it once; [`SeriesText::labels`] walks text that was checked.

use std::borrow::Cow;

use wf_model::float::parse_go;
use wf_model::{METRIC_NAME, MetricType};

use super::error::{Fault, Problem};
use super::scan::{self, Colon};
use super::{Format, skip_blanks};

/// Name and labels of a sample as exposed, well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesText<'a> {
    bytes: &'a [u8],
    kind: MetricType,
}

impl<'a> SeriesText<'a> {
    pub(super) fn new(bytes: &'a [u8], kind: MetricType) -> Self {
        Self { bytes, kind }
    }

    /// Takes up a series text again that was read from a page before, under the type declared there.
    pub fn from_known(bytes: &'a [u8], kind: MetricType) -> Self {
        Self::new(bytes, kind)
    }

    /// Returns the raw text.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the type under which the series is exposed.
    pub fn kind(&self) -> MetricType {
        self.kind
    }

    /// Iterates over the labels in the order exposed, the name first where it stands first; empty values and
    /// repeated names are shown as they are.
    pub fn labels(&self) -> LabelIter<'a> {
        let name_end = scan_metric_name(self.bytes, 0);
        LabelIter { text: self.bytes, position: 0, name_end, kind: self.kind }
    }
}

/// Walks the labels of a [`SeriesText`].
#[derive(Clone, Debug)]
pub struct LabelIter<'a> {
    text: &'a [u8],
    position: usize,
    /// End of a plain metric name that still has to be given out, or 0.
    name_end: usize,
    kind: MetricType,
}

impl<'a> Iterator for LabelIter<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.name_end > 0 {
            let name = self.text.get(..self.name_end)?;
            self.position = std::mem::take(&mut self.name_end);
            return Some((Cow::Borrowed(METRIC_NAME), unescape(name)?));
        }
        // Braces, commas and blanks carry no meaning once the text is known to be well-formed.
        while matches!(self.text.get(self.position), Some(b'{' | b',' | b' ' | b'\t')) {
            self.position += 1;
        }
        let name = self.token()?;
        self.position = skip_blanks(self.text, self.position);
        if self.text.get(self.position) != Some(&b'=') {
            return Some((Cow::Borrowed(METRIC_NAME), name));
        }
        self.position = skip_blanks(self.text, self.position + 1);
        let value = self.token()?;
        let value = normalise(self.kind, &name, value);
        Some((name, value))
    }
}

impl<'a> LabelIter<'a> {
    fn token(&mut self) -> Option<Cow<'a, str>> {
        let start = self.position;
        if self.text.get(start) == Some(&b'"') {
            self.position = scan_quoted(self.text, start, Newline::Allowed).ok()?;
            return unescape(self.text.get(start + 1..self.position - 1)?);
        }
        self.position = scan_label_name(self.text, start);
        if self.position == start {
            return None;
        }
        unescape(self.text.get(start..self.position)?)
    }
}

/// Bounds of histogram buckets and quantiles of summaries are spelled one way, whatever the client library writes.
fn normalise<'a>(kind: MetricType, name: &str, value: Cow<'a, str>) -> Cow<'a, str> {
    let is_number = matches!((kind, name), (MetricType::Histogram, "le") | (MetricType::Summary, "quantile"));
    if !is_number {
        return value;
    }
    let Ok(number) = parse_go(value.as_bytes()) else { return value };
    let text = crate::protobuf::format_bound(number);
    if text == *value { value } else { Cow::Owned(text) }
}

/// Whether a quoted text may run over a line end.
#[derive(Clone, Copy)]
pub(super) enum Newline {
    Allowed,
    Refused,
}

/// Checks the series text at `start` and returns its end.
pub(super) fn scan(page: &[u8], start: usize, format: Format) -> Result<usize, Fault> {
    let name_end = scan_metric_name(page, start);
    let has_name = name_end > start;
    let brace = match format {
        Format::Text => skip_blanks(page, name_end),
        Format::OpenMetrics => name_end,
    };
    match page.get(brace) {
        Some(b'{') => scan_labels(page, brace, format, has_name),
        _ if has_name => Ok(name_end),
        _ => Err(Fault::expected(page, start, "a metric name")),
    }
}

/// Checks `{…}` of a series, with the brace at `start`; returns the position behind it.
fn scan_labels(page: &[u8], start: usize, format: Format, has_name: bool) -> Result<usize, Fault> {
    let (end, n_names) = walk_pairs(page, start, format)?;
    match usize::from(has_name) + n_names {
        0 => Err(Fault { at: start, problem: Problem::NoName }),
        1 => Ok(end),
        _ => Err(Fault { at: start, problem: Problem::SecondName }),
    }
}

/// Checks `{…}` of an exemplar, which has no name.
pub(super) fn scan_exemplar_labels(page: &[u8], start: usize) -> Result<usize, Fault> {
    let (end, n_names) = walk_pairs(page, start, Format::OpenMetrics)?;
    if n_names > 0 { Err(Fault { at: start, problem: Problem::SecondName }) } else { Ok(end) }
}

/// Checks pairs in braces; returns the position behind the closing brace and how many names of the metric stood inside.
fn walk_pairs(page: &[u8], start: usize, format: Format) -> Result<(usize, usize), Fault> {
    let (blanks, newline): (fn(&[u8], usize) -> usize, _) = match format {
        Format::Text => (skip_blanks, Newline::Allowed),
        Format::OpenMetrics => (|_, position| position, Newline::Refused),
    };
    let mut n_names = 0;
    let mut position = blanks(page, start + 1);
    loop {
        if page.get(position) == Some(&b'}') {
            return Ok((position + 1, n_names));
        }
        let (name_end, is_quoted) = scan_pair_name(page, position)?;
        let name = page.get(position..name_end).unwrap_or_default();
        position = blanks(page, name_end);
        match page.get(position) {
            Some(b'=') => {
                n_names += usize::from(matches!(name, b"__name__" | b"\"__name__\""));
                position = scan_value(page, blanks(page, position + 1), newline)?;
            }
            Some(b',' | b'}') if is_quoted => n_names += 1,
            _ => return Err(Fault::expected(page, position, "`=` after the label name")),
        }
        position = blanks(page, position);
        match (page.get(position), format) {
            (Some(b','), _) => position = blanks(page, position + 1),
            // Upstream reads pairs without a comma between them in the text format; so pages with them exist.
            (Some(b'}'), _) | (Some(_), Format::Text) => {}
            _ => return Err(Fault::expected(page, position, "`,` or `}` after the label value")),
        }
    }
}

/// Checks a label name, or a quoted metric name; returns its end and whether it is quoted.
fn scan_pair_name(page: &[u8], position: usize) -> Result<(usize, bool), Fault> {
    if page.get(position) != Some(&b'"') {
        let end = scan_label_name(page, position);
        return if end > position {
            Ok((end, false))
        } else {
            Err(Fault::expected(page, position, "a label name or `}`"))
        };
    }
    let end = scan_quoted(page, position, Newline::Refused)?;
    match unescape(page.get(position + 1..end - 1).unwrap_or_default()) {
        None => Err(Fault { at: position, problem: Problem::NotUtf8 { what: "name" } }),
        Some(name) if name.is_empty() => Err(Fault::expected(page, position, "a name that is not empty")),
        Some(_) => Ok((end, true)),
    }
}

fn scan_value(page: &[u8], position: usize, newline: Newline) -> Result<usize, Fault> {
    if page.get(position) != Some(&b'"') {
        return Err(Fault::expected(page, position, "a label value in double quotes"));
    }
    let end = scan_quoted(page, position, newline)?;
    match std::str::from_utf8(page.get(position..end).unwrap_or_default()) {
        Ok(_) => Ok(end),
        Err(_) => Err(Fault { at: position, problem: Problem::NotUtf8 { what: "label value" } }),
    }
}

/// Finds the end of the text in double quotes that starts at `start`; returns the position behind the closing quote.
pub(super) fn scan_quoted(page: &[u8], start: usize, newline: Newline) -> Result<usize, Fault> {
    let mut position = start + 1;
    loop {
        let rest = page.get(position..).unwrap_or_default();
        let stop = match newline {
            Newline::Allowed => memchr::memchr2(b'"', b'\\', rest),
            Newline::Refused => memchr::memchr3(b'"', b'\\', b'\n', rest),
        };
        let unterminated = || Fault::expected(page, start, "a text that ends in a double quote");
        let stop = position + stop.ok_or_else(unterminated)?;
        match (page.get(stop), page.get(stop + 1)) {
            (Some(b'"'), _) => return Ok(stop + 1),
            (Some(b'\\'), Some(escaped)) if *escaped != b'\n' => position = stop + 2,
            _ => return Err(unterminated()),
        }
    }
}

/// Returns the end of the plain metric name at `start`; `start` itself when there is none.
#[inline]
pub(super) fn scan_metric_name(page: &[u8], start: usize) -> usize {
    scan_identifier(page, start, Colon::Allowed)
}

#[inline]
fn scan_label_name(page: &[u8], start: usize) -> usize {
    scan_identifier(page, start, Colon::Refused)
}

#[inline]
fn scan_identifier(page: &[u8], start: usize, colon: Colon) -> usize {
    let text = page.get(start..).unwrap_or_default();
    match text.first() {
        Some(first) if !first.is_ascii_digit() => start + scan::identifier_len(text, colon),
        _ => start,
    }
}

/// Resolves `\\`, `\"` and `\n`; other escapes stay as they are. `None` when the text is not UTF-8.
pub(super) fn unescape(text: &[u8]) -> Option<Cow<'_, str>> {
    unescape_with(text, |escaped| matches!(escaped, b'\\' | b'"' | b'n'))
}

/// Resolves the escapes for which `is_escape` holds.
pub(super) fn unescape_with(text: &[u8], is_escape: impl Fn(u8) -> bool) -> Option<Cow<'_, str>> {
    let plain = std::str::from_utf8(text).ok()?;
    if memchr::memchr(b'\\', text).is_none() {
        return Some(Cow::Borrowed(plain));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'\\', Some(escaped)) if is_escape(*escaped) => {
                out.push(if *escaped == b'n' { b'\n' } else { *escaped });
                bytes.next();
            }
            _ => out.push(byte),
        }
    }
    // Only ASCII was replaced by ASCII, so this cannot fail.
    String::from_utf8(out).ok().map(Cow::Owned)
}
