//! One file of metrics as families, and names that fit a pattern.

use std::borrow::Cow;
use std::collections::BTreeMap;

use wf_exposition::{Bucket, Metric, MetricFamily, MetricValue};
use wf_model::MetricType;

use super::lines::{self, Line, Sample};

/// Names and values.
pub(super) type Labels = Vec<(Cow<'static, str>, String)>;

/// A family while its lines are read: histograms and summaries are put together from several.
#[derive(Default)]
struct Open {
    help: Option<String>,
    /// Known from its line, or from the first sample on.
    kind: Option<MetricType>,
    metrics: Vec<Metric>,
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
    let mut open = BTreeMap::<String, Open>::new();
    let mut lines = text.split(|byte| *byte == b'\n').peekable();
    let mut number = 0;
    while let Some(line) = lines.next() {
        number += 1;
        let failed = |why: &str| format!("line {number}: {why}");
        if lines.peek().is_none() {
            return if line.is_empty() { Ok(close_all(open)) } else { Err(failed("it does not end")) };
        }
        match lines::read(line).map_err(failed)? {
            Line::Nothing => {}
            Line::Help(name, help) => {
                let known = &mut start(&mut open, &name).help;
                if known.replace(help).is_some() {
                    return Err(failed(&format!("second HELP line for {name}")));
                }
            }
            Line::Type(name, kind) => {
                let known = &mut start(&mut open, &name).kind;
                if known.replace(kind).is_some() {
                    return Err(failed(&format!("TYPE of {name} comes twice, or after its samples")));
                }
            }
            Line::Sample(sample) if sample.has_timestamp => {
                return Err(failed("a timestamp would be wrong at the next scrape"));
            }
            Line::Sample(sample) => add(&mut open, sample).map_err(|why| failed(&why))?,
        }
    }
    Ok(close_all(open))
}

fn close_all(open: BTreeMap<String, Open>) -> Vec<MetricFamily> {
    open.into_iter()
        .map(|(name, open)| close(name, open))
        .filter(|family| !family.metrics.is_empty())
        .collect()
}

/// Returns the family that `name` belongs to: parts of histograms and summaries have names of their own.
fn owner<'a>(open: &BTreeMap<String, Open>, name: &'a str) -> (&'a str, &'static str) {
    if open.contains_key(name) {
        return (name, "");
    }
    let kind = |base: &str| open.get(base).and_then(|open| open.kind);
    let part = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| {
        let base = name.strip_suffix(suffix)?;
        let owns = match kind(base)? {
            MetricType::Histogram => true,
            MetricType::Summary => suffix != "_bucket",
            _ => false,
        };
        owns.then_some((base, suffix))
    });
    part.unwrap_or((name, ""))
}

fn start<'a>(open: &'a mut BTreeMap<String, Open>, name: &str) -> &'a mut Open {
    let (base, _) = owner(open, name);
    open.entry(base.to_owned()).or_default()
}

fn add(open: &mut BTreeMap<String, Open>, sample: Sample) -> Result<(), String> {
    let Sample { name, mut labels, value, .. } = sample;
    let (base, suffix) = owner(open, &name);
    let family = open.entry(base.to_owned()).or_default();
    let kind = *family.kind.get_or_insert(MetricType::Unknown);
    let step_label = match kind {
        MetricType::Histogram => "le",
        MetricType::Summary => "quantile",
        _ => {
            labels.sort();
            let metric =
                Metric { labels: labels.into(), value: MetricValue::Number(value), timestamp_ms: None };
            family.metrics.push(metric);
            return Ok(());
        }
    };
    let step = labels.iter().position(|(name, _)| name == step_label).map(|idx| labels.remove(idx).1);
    let bound = step.map(|step| wf_model::float::parse_go(step.as_bytes())).transpose();
    let bound =
        bound.map_err(|_| format!("expected a float as value of the label {step_label} of {name}"))?;
    labels.sort();
    let idx = family.parts.iter().position(|(have, _)| *have == labels);
    let idx = idx.unwrap_or_else(|| {
        family.parts.push((labels, Part::default()));
        family.parts.len() - 1
    });
    let Some((_, part)) = family.parts.get_mut(idx) else { return Ok(()) };
    let is_step = suffix == "_bucket" || suffix.is_empty() && kind == MetricType::Summary;
    match (bound, suffix) {
        (_, "_sum") => part.sum = value,
        (_, "_count") => part.count = whole(value),
        (Some(bound), _) if is_step && !bound.is_nan() => part.steps.push((bound, value)),
        // A value that is no part of one says nothing.
        _ => {}
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

fn close(name: String, open: Open) -> MetricFamily {
    let Open { help, kind, metrics, parts } = open;
    let kind = kind.unwrap_or(MetricType::Unknown);
    let mut family = MetricFamily::new(name, help.unwrap_or_default(), kind);
    family.metrics = metrics;
    for (labels, mut part) in parts {
        part.steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        let value = if kind == MetricType::Summary {
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
        assert!(parse(b"a 1").unwrap_err().contains("line 1: it does not end"));
        assert!(parse(b"# HELP a x\n# HELP a x\na 1\n").is_err());
        assert!(parse(b"# TYPE a gauge\n# TYPE a gauge\na 1\n").is_err());
        assert!(parse(b"a 1\n# TYPE a gauge\n").is_err());
        assert_eq!(parse(b"a 1\nb 2\n").unwrap().len(), 2);
    }

    #[test]
    fn values_that_are_no_part_of_a_histogram_say_nothing() {
        let page = b"# TYPE h histogram\nh 1\nh_bucket 2\nh_sum 4\nh_count 3\nh_sum_total 1\n";
        let families = parse(page).unwrap();
        let want = MetricValue::Histogram { buckets: Vec::new(), sum: 4.0, count: 3 };
        assert_eq!(families.iter().map(|family| &*family.name).collect::<Vec<_>>(), ["h", "h_sum_total"]);
        assert_eq!(families[0].metrics[0].value, want);
        assert!(parse(b"# TYPE s summary\ns{quantile=\"x\"} 1\n").is_err());
    }

    #[test]
    fn an_empty_page_has_no_families() {
        assert_eq!(parse(b"# HELP a b\n# TYPE a counter\n"), Ok(Vec::new()));
    }
}
