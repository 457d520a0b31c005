//! One file of metrics as families, and names that fit a pattern.

use std::borrow::Cow;
use std::collections::BTreeMap;

use wf_exposition::parse::{Entry, Format, Parser};
use wf_exposition::{Bucket, Metric, MetricFamily, MetricValue};
use wf_model::MetricType;

type Labels = Vec<(Cow<'static, str>, String)>;

/// A family while its lines are read: histograms and summaries are put together from several.
struct Open {
    family: MetricFamily,
    /// Parts of histograms and summaries by the labels that they share, in order of appearance.
    parts: Vec<(Labels, Part)>,
}

#[derive(Default)]
struct Part {
    steps: Vec<(f64, f64)>,
    sum: f64,
    count: u64,
}

/// Reads a page. One bad line or one timestamp, and nothing of it counts.
pub(super) fn parse(text: &[u8]) -> Result<Vec<MetricFamily>, String> {
    let mut parser = Parser::new(Format::Text, text);
    let mut open = BTreeMap::<String, Open>::new();
    loop {
        match parser.next_entry().map_err(|error| error.to_string())? {
            Entry::Eof => break,
            Entry::Help(name, help) => start(&mut open, &name)?.family.help = help.into_owned().into(),
            Entry::Type(name, kind) => start(&mut open, &name)?.family.kind = kind,
            Entry::Unit(..) | Entry::Comment => {}
            Entry::Sample(sample) => {
                if sample.timestamp_ms.is_some() {
                    return Err("it holds timestamps, which would be wrong at the next scrape".to_owned());
                }
                let mut name = String::new();
                let mut labels = Labels::new();
                for (key, value) in sample.series.labels() {
                    match &*key {
                        "__name__" => name = value.into_owned(),
                        key => labels.push((key.to_owned().into(), value.into_owned())),
                    }
                }
                labels.sort();
                add(&mut open, &name, labels, sample.value)?;
            }
        }
    }
    Ok(open.into_values().map(close).filter(|family| !family.metrics.is_empty()).collect())
}

fn start<'a>(open: &'a mut BTreeMap<String, Open>, name: &str) -> Result<&'a mut Open, String> {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    let is_name = name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit());
    if !is_name {
        return Err(format!("{name:?} is no name of a metric"));
    }
    Ok(open.entry(name.to_owned()).or_insert_with(|| Open {
        family: MetricFamily::new(name.to_owned(), "", MetricType::Unknown),
        parts: Vec::new(),
    }))
}

fn add(open: &mut BTreeMap<String, Open>, name: &str, mut labels: Labels, value: f64) -> Result<(), String> {
    let kind = |name: &str| open.get(name).map(|open| open.family.kind);
    let owner = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| {
        let base = name.strip_suffix(suffix)?;
        let owns = match kind(base)? {
            MetricType::Histogram => true,
            MetricType::Summary => suffix != "_bucket",
            _ => false,
        };
        owns.then_some((base, suffix))
    });
    let (base, suffix) = owner.unwrap_or((name, ""));
    let family = start(open, base)?;
    let step_label = match (family.family.kind, suffix) {
        (MetricType::Histogram, "_bucket") => Some("le"),
        (MetricType::Summary, "") => Some("quantile"),
        (MetricType::Histogram, "") => {
            return Err(format!("{name} is a histogram and has no value of its own"));
        }
        (_, "") => {
            let metric =
                Metric { labels: labels.into(), value: MetricValue::Number(value), timestamp_ms: None };
            family.family.metrics.push(metric);
            return Ok(());
        }
        _ => None,
    };
    let step = step_label.and_then(|label| labels.iter().position(|(name, _)| name == label));
    let step = match (step_label, step) {
        (Some(label), None) => return Err(format!("{name} lacks the label {label}")),
        (_, step) => step.map(|idx| labels.remove(idx).1),
    };
    let idx = family.parts.iter().position(|(have, _)| *have == labels);
    let idx = idx.unwrap_or_else(|| {
        family.parts.push((labels, Part::default()));
        family.parts.len() - 1
    });
    let Some((_, part)) = family.parts.get_mut(idx) else { return Ok(()) };
    match (step, suffix) {
        (Some(bound), _) => {
            let bound = wf_model::float::parse_go(bound.as_bytes());
            part.steps.push((bound.map_err(|_| format!("a bound of {name} is no number"))?, value));
        }
        (None, "_sum") => part.sum = value,
        (None, _) => part.count = whole(value),
    }
    Ok(())
}

/// Counts are whole; what is not is cut, what is negative is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what is meant"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

fn close(open: Open) -> MetricFamily {
    let Open { mut family, parts } = open;
    for (labels, mut part) in parts {
        part.steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        let value = if family.kind == MetricType::Summary {
            MetricValue::Summary { quantiles: part.steps, sum: part.sum, count: part.count }
        } else {
            let finite = part.steps.iter().filter(|(bound, _)| bound.is_finite());
            let bucket =
                |(bound, count): &(f64, f64)| Bucket { upper_bound: *bound, cumulative_count: whole(*count) };
            MetricValue::Histogram { buckets: finite.map(bucket).collect(), sum: part.sum, count: part.count }
        };
        family.metrics.push(Metric { labels: labels.into(), value, timestamp_ms: None });
    }
    family
}

/// Whether `name` fits `pattern` with `*`, `?` and `[a-z]`.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    fits_chars(&pattern, &name)
}

fn fits_chars(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            fits_chars(rest, name) || name.split_first().is_some_and(|(_, tail)| fits_chars(pattern, tail))
        }
        (['?', rest @ ..], [_, tail @ ..]) => fits_chars(rest, tail),
        (['[', rest @ ..], [c, tail @ ..]) => {
            let Some(end) = rest.iter().position(|c| *c == ']') else { return false };
            let (set, after) = rest.split_at(end);
            fits_set(set, *c) && fits_chars(after.get(1..).unwrap_or_default(), tail)
        }
        ([p, rest @ ..], [c, tail @ ..]) => p == c && fits_chars(rest, tail),
        _ => false,
    }
}

fn fits_set(set: &[char], c: char) -> bool {
    let (is_negated, mut set) = match set {
        ['^', rest @ ..] => (true, rest),
        set => (false, set),
    };
    let mut is_in = false;
    loop {
        set = match set {
            [] => return is_in != is_negated,
            [low, '-', high, rest @ ..] => {
                is_in |= (*low..=*high).contains(&c);
                rest
            }
            [one, rest @ ..] => {
                is_in |= *one == c;
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names() {
        assert!(fits("*_extra_?", "a_b_extra_1") && fits("a[b-d]c", "acc") && fits("[^a]", "b"));
        assert!(!fits("a*b", "ac") && !fits("a[b-d]c", "aec") && !fits("?", "") && !fits("[a", "a"));
    }

    #[test]
    fn a_bad_line_or_a_timestamp_spoils_the_page() {
        assert!(parse(b"a 1 1700000000000\n").is_err());
        assert!(parse(b"a 1\nb x\n").is_err());
        assert!(parse(b"a.b 1\n").is_err());
        assert_eq!(parse(b"a 1\nb 2\n").unwrap().len(), 2);
    }

    #[test]
    fn an_empty_page_has_no_families() {
        assert_eq!(parse(b"# HELP a b\n# TYPE a counter\n"), Ok(Vec::new()));
    }
}
