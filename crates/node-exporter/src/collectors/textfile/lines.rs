//! Lines of the text format 0.0.4, read as strictly as the original reads files.
//!
//! A scraper forgives more than that. Who writes a file by hand or by script is told of a mistake at once, by
//! `node_textfile_scrape_error`, and gets the same answer from either exporter.
//!
//! # Source
//! Prometheus, "Exposition formats", text format details; what its Go parser refuses beside that was found out by
//! asking Debian's exporter.

use wf_model::{MetricType, float};

use super::page::Labels;

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// A blank line or a remark.
    Nothing,
    Help(String, String),
    Type(String, MetricType),
    Sample(Sample),
}

/// A value.
#[derive(Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    /// In the line's order, no name twice.
    pub(super) labels: Labels,
    pub(super) value: f64,
    pub(super) has_timestamp: bool,
}

type Failed = &'static str;

/// Reads a line without its end.
pub(super) fn read(line: &[u8]) -> Result<Line, Failed> {
    let mut rest = Rest(line);
    rest.skip_blanks();
    match rest.0 {
        [] => Ok(Line::Nothing),
        [b'#', after @ ..] => read_remark(Rest(after)),
        _ => read_sample(rest).map(Line::Sample),
    }
}

/// What is left of a line.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn skip_blanks(&mut self) {
        self.take_while(is_blank);
    }

    fn take_while(&mut self, is_it: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.0.iter().position(|byte| !is_it(*byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn take_byte(&mut self, wanted: u8) -> bool {
        match self.0 {
            [first, rest @ ..] if *first == wanted => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes a name: empty when there is none. Only names of metrics may hold colons.
    fn take_name(&mut self, may_have_colons: bool) -> String {
        let is_first =
            |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || may_have_colons && byte == b':';
        if !self.0.first().is_some_and(|byte| is_first(*byte)) {
            return String::new();
        }
        let name = self.take_while(|byte| is_first(byte) || byte.is_ascii_digit());
        name.iter().map(|byte| char::from(*byte)).collect()
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Whatever is neither `HELP name text` nor `TYPE name type` is a remark.
fn read_remark(mut rest: Rest<'_>) -> Result<Line, Failed> {
    rest.skip_blanks();
    let keyword = rest.take_while(|byte| !is_blank(byte));
    let is_help = keyword == b"HELP";
    if !is_help && keyword != b"TYPE" {
        return Ok(Line::Nothing);
    }
    rest.skip_blanks();
    if rest.0.is_empty() {
        return Ok(Line::Nothing);
    }
    let name = rest.take_name(true);
    if rest.0.is_empty() {
        return Ok(Line::Nothing);
    }
    if name.is_empty() || !rest.0.first().is_some_and(|byte| is_blank(*byte)) {
        return Err("invalid metric name in a comment");
    }
    rest.skip_blanks();
    if rest.0.is_empty() {
        return Ok(Line::Nothing);
    }
    if is_help {
        let text = unescape(rest.0, false)?;
        return Ok(Line::Help(name, String::from_utf8_lossy(&text).into_owned()));
    }
    let kind = match rest.0.to_ascii_lowercase().as_slice() {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"summary" => MetricType::Summary,
        b"untyped" => MetricType::Unknown,
        _ => return Err("unknown metric type"),
    };
    Ok(Line::Type(name, kind))
}

fn read_sample(mut rest: Rest<'_>) -> Result<Sample, Failed> {
    let name = rest.take_name(true);
    if name.is_empty() {
        return Err("invalid metric name");
    }
    rest.skip_blanks();
    let labels = if rest.take_byte(b'{') { read_labels(&mut rest)? } else { Labels::new() };
    rest.skip_blanks();
    let value = rest.take_while(|byte| !is_blank(byte));
    // Go's newer spellings of numbers are not the format's.
    if value.iter().any(|byte| matches!(byte, b'p' | b'P' | b'_')) {
        return Err("expected a float as value");
    }
    let value = float::parse_go(value).map_err(|_| "expected a float as value")?;
    let has_timestamp = !rest.0.is_empty();
    if has_timestamp {
        rest.skip_blanks();
        let timestamp = rest.take_while(|byte| !is_blank(byte));
        let is_whole = str::from_utf8(timestamp).is_ok_and(|text| text.parse::<i64>().is_ok());
        if !is_whole {
            return Err("expected an integer as timestamp");
        }
        if !rest.0.is_empty() {
            return Err("spurious text after the timestamp");
        }
    }
    // Minus zero is written as zero.
    Ok(Sample { name, labels, value: value + 0.0, has_timestamp })
}

/// Reads labels behind the brace; a comma may come last.
fn read_labels(rest: &mut Rest<'_>) -> Result<Labels, Failed> {
    let mut labels = Labels::new();
    loop {
        rest.skip_blanks();
        if rest.take_byte(b'}') {
            return Ok(labels);
        }
        let name = rest.take_name(false);
        if name.is_empty() || name == "__name__" {
            return Err("invalid label name");
        }
        rest.skip_blanks();
        if !rest.take_byte(b'=') {
            return Err("expected '=' after a label name");
        }
        rest.skip_blanks();
        if !rest.take_byte(b'"') {
            return Err("expected '\"' at the start of a label value");
        }
        let value = String::from_utf8(take_value(rest)?).map_err(|_| "a label value is not UTF-8")?;
        if labels.iter().any(|(known, _)| *known == name) {
            return Err("duplicate label name");
        }
        labels.push((name.into(), value));
        rest.skip_blanks();
        if !rest.take_byte(b',') && !rest.0.starts_with(b"}") {
            return Err("unexpected end of a label value");
        }
    }
}

/// Takes a label's value up to its closing quote.
fn take_value(rest: &mut Rest<'_>) -> Result<Vec<u8>, Failed> {
    let mut is_escaped = false;
    let end = rest.0.iter().position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    let (value, after) = rest.0.split_at(end.ok_or("a label value does not end")?);
    rest.0 = after.get(1..).unwrap_or_default();
    unescape(value, true)
}

/// `\\` and `\n`, in labels also `\"`; there are no others.
fn unescape(text: &[u8], is_label: bool) -> Result<Vec<u8>, Failed> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'\\') => b'\\',
                Some(b'n') => b'\n',
                Some(b'"') if is_label => b'"',
                _ => return Err("invalid escape sequence"),
            },
            byte => byte,
        });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(line: &str) -> Sample {
        match read(line.as_bytes()) {
            Ok(Line::Sample(sample)) => sample,
            other => panic!("{line} is {other:?}"),
        }
    }

    #[test]
    fn samples_have_names_labels_and_a_value() {
        let read = sample("  a:b   { x = \"1\" , y=\"q\\\"\\\\\\n\" , } \t -1e3");
        assert_eq!((read.name.as_str(), read.value, read.has_timestamp), ("a:b", -1000.0, false));
        assert_eq!(read.labels, [("x".into(), "1".to_owned()), ("y".into(), "q\"\\\n".to_owned())]);
        assert!(sample("a{}1").value.to_bits() == 1.0_f64.to_bits() && sample("a NaN").value.is_nan());
        assert_eq!(sample("a -0").value.to_bits(), 0);
        assert!(sample("a 1 -5").has_timestamp);
    }

    #[test]
    fn mistakes_are_refused() {
        for line in [
            "1a 1",
            "a.b 1",
            "a",
            "a x",
            "a 1 ",
            "a 1 1.5",
            "a 1 2 3",
            "a 0x1p4",
            "a 1_000",
            "a{x=\"1\" 1",
            "a{x=\"\\q\"} 1",
            "a{x=\"1\",x=\"2\"} 1",
            "a{__name__=\"b\"} 1",
            "a{x:y=\"b\"} 1",
            "a{1x=\"b\"} 1",
            "a{\"x.y\"=\"b\"} 1",
            "{\"a.b\"} 1",
            "a{x=\"b",
            "# TYPE a foo",
            "# TYPE a counter extra",
            "# TYPE a unknown",
            "# HELP a \\\"",
            "# HELP a.b c",
            "a 1 # {x=\"y\"} 2",
            "a 1\r",
        ] {
            assert!(read(line.as_bytes()).is_err(), "{line}");
        }
        assert!(read(b"a{x=\"\xff\"} 1").is_err());
    }

    #[test]
    fn remarks_are_passed_over() {
        for line in ["", " \t", "#", "# just text", "# HELP", "# HELP a", "# TYPE a ", "# EOF", "# UNIT a b"]
        {
            assert_eq!(read(line.as_bytes()), Ok(Line::Nothing), "{line}");
        }
        assert_eq!(read(b"#HELP a x\\ny"), Ok(Line::Help("a".to_owned(), "x\ny".to_owned())));
        assert_eq!(read(b" # TYPE a Gauge"), Ok(Line::Type("a".to_owned(), MetricType::Gauge)));
    }
}
