//! What is odd about a page of metrics: names, units, suffixes and help, by the conventions of the original's linter.

use std::collections::BTreeMap;

use wf_model::MetricType;

use crate::parse::{Entry, Format, ParseError, Parser};

/// A remark about a metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Name of the metric.
    pub metric: String,
    /// What is odd.
    pub text: String,
}

/// A page, by metric.
#[derive(Clone, Debug, Default)]
pub struct Page {
    families: BTreeMap<String, Family>,
}

#[derive(Clone, Debug)]
struct Family {
    kind: MetricType,
    help: String,
    n_series: usize,
    /// Names of labels, each as often as a series has it.
    labels: Vec<String>,
}

impl Default for Family {
    fn default() -> Self {
        Self { kind: MetricType::Unknown, help: String::new(), n_series: 0, labels: Vec::new() }
    }
}

/// Base units, and what else is counted in them.
const UNITS: [(&str, &str); 27] = [
    ("amperes", "amperes"),
    ("bytes", "bytes"),
    ("celsius", "celsius"),
    ("grams", "grams"),
    ("joules", "joules"),
    ("kelvin", "kelvin"),
    ("meters", "meters"),
    ("metres", "metres"),
    ("seconds", "seconds"),
    ("volts", "volts"),
    ("minutes", "seconds"),
    ("hours", "seconds"),
    ("days", "seconds"),
    ("weeks", "seconds"),
    ("kelvins", "kelvin"),
    ("fahrenheit", "celsius"),
    ("rankine", "celsius"),
    ("inches", "meters"),
    ("yards", "meters"),
    ("miles", "meters"),
    ("bits", "bytes"),
    ("calories", "joules"),
    ("pounds", "grams"),
    ("ounces", "grams"),
    ("feet", "meters"),
    ("tonnes", "grams"),
    ("ampere", "amperes"),
];

const PREFIXES: [&str; 18] = [
    "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega", "mibi",
    "giga", "gibi", "tera", "tebi", "peta", "pebi",
];

const ABBREVIATIONS: [&str; 14] =
    ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"];

const TYPES: [&str; 5] = ["counter", "gauge", "summary", "histogram", "gauge_histogram"];

/// Reads a page in the text format.
/// # Errors
/// The first place where it leaves its grammar.
pub fn read(page: &[u8]) -> Result<Page, ParseError> {
    let mut this = Page::default();
    let mut parser = Parser::new(Format::Text, page);
    loop {
        match parser.next_entry()? {
            Entry::Eof => break,
            Entry::Help(name, help) => this.family(&name).help = help.into_owned(),
            Entry::Type(name, kind) => this.family(&name).kind = kind,
            Entry::Sample(sample) => {
                let labels: Vec<(String, String)> = sample
                    .series
                    .labels()
                    .map(|(name, value)| (name.to_string(), value.to_string()))
                    .collect();
                this.add(&labels);
            }
            Entry::Unit(..) | Entry::Comment => {}
        }
    }
    this.families.retain(|_, family| family.n_series > 0);
    Ok(this)
}

impl Page {
    fn family(&mut self, name: &str) -> &mut Family {
        self.families.entry(name.to_owned()).or_default()
    }

    fn add(&mut self, labels: &[(String, String)]) {
        let name =
            labels.iter().find(|(name, _)| name == wf_model::METRIC_NAME).map_or("", |(_, value)| value);
        let owner = self.owner(name).to_owned();
        let family = self.family(&owner);
        family.n_series += 1;
        let inner: &[&str] = match family.kind {
            MetricType::Histogram => &["le"],
            MetricType::Summary => &["quantile"],
            _ => &[],
        };
        let names = labels.iter().map(|(name, _)| name);
        let names = names.filter(|name| *name != wf_model::METRIC_NAME && !inner.contains(&name.as_str()));
        family.labels.extend(names.cloned());
    }

    /// Returns the family that a series of this name belongs to.
    fn owner<'a>(&self, name: &'a str) -> &'a str {
        if self.families.contains_key(name) {
            return name;
        }
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let holds = |base: &&str| {
            let kind = self.families.get(*base).map(|family| family.kind);
            matches!(kind, Some(MetricType::Histogram | MetricType::Summary))
        };
        base.filter(holds).unwrap_or(name)
    }

    /// Returns how many series each metric has, by name.
    pub fn series_counts(&self) -> Vec<(String, usize)> {
        self.families.iter().map(|(name, family)| (name.clone(), family.n_series)).collect()
    }

    /// Returns what is odd, by metric and text.
    pub fn lint(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, family) in &self.families {
            let texts = family_findings(name, family).into_iter();
            findings.extend(texts.map(|text| Finding { metric: name.clone(), text }));
        }
        findings.sort();
        findings
    }
}

fn family_findings(name: &str, family: &Family) -> Vec<String> {
    let mut texts = Vec::new();
    if family.help.is_empty() {
        texts.push("no help text".to_owned());
    }
    if let Some((unit, base)) = odd_unit(name) {
        texts.push(format!("use base unit \"{base}\" instead of \"{unit}\""));
    }
    if family.kind != MetricType::Unknown {
        texts.extend(suffix_findings(name, family));
    }
    let lower = name.to_ascii_lowercase();
    let has_part = |part: &str| lower.contains(&format!("_{part}_")) || lower.ends_with(&format!("_{part}"));
    for kind in TYPES.iter().filter(|kind| has_part(kind)) {
        texts.push(format!("metric name should not include type '{kind}'"));
    }
    if name.contains(':') {
        texts.push("metric names should not contain ':'".to_owned());
    }
    if is_camel_case(name) {
        texts.push("metric names should be written in 'snake_case' not 'camelCase'".to_owned());
    }
    for _ in family.labels.iter().filter(|label| is_camel_case(label)) {
        texts.push("label names should be written in 'snake_case' not 'camelCase'".to_owned());
    }
    if ABBREVIATIONS.iter().any(|unit| has_part(unit)) {
        texts.push("metric names should not contain abbreviated units".to_owned());
    }
    texts
}

fn suffix_findings(name: &str, family: &Family) -> Vec<String> {
    let mut texts = Vec::new();
    let is_histogram = family.kind == MetricType::Histogram;
    let is_summary = family.kind == MetricType::Summary;
    match (family.kind == MetricType::Counter, name.ends_with("_total")) {
        (true, false) => texts.push("counter metrics should have \"_total\" suffix".to_owned()),
        (false, true) => texts.push("non-counter metrics should not have \"_total\" suffix".to_owned()),
        _ => {}
    }
    if !is_histogram && name.ends_with("_bucket") {
        texts.push("non-histogram metrics should not have \"_bucket\" suffix".to_owned());
    }
    for suffix in ["_count", "_sum"] {
        if !is_histogram && !is_summary && name.ends_with(suffix) {
            texts.push(format!("non-histogram and non-summary metrics should not have \"{suffix}\" suffix"));
        }
    }
    for label in &family.labels {
        match label.as_str() {
            "le" if !is_histogram => {
                texts.push("non-histogram metrics should not have \"le\" label".to_owned());
            }
            "quantile" if !is_summary => {
                texts.push("non-summary metrics should not have \"quantile\" label".to_owned());
            }
            _ => {}
        }
    }
    texts
}

/// Returns the first part of a name that is a unit but no base unit, and what to use instead.
fn odd_unit(name: &str) -> Option<(&str, &'static str)> {
    let of = |word: &str| UNITS.iter().find(|(unit, _)| *unit == word).map(|(_, base)| *base);
    name.split('_').find_map(|part| {
        let with_prefix = || PREFIXES.iter().filter_map(|prefix| part.strip_prefix(prefix)).find_map(of);
        let base = of(part).or_else(with_prefix)?;
        (base != part).then_some((part, base))
    })
}

fn is_camel_case(name: &str) -> bool {
    name.as_bytes().windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden lines: what promtool 2.42 says about these pages.
    #[test]
    fn findings_are_those_of_the_original() {
        let page = "# TYPE bad gauge\nbad_count 2\n# HELP camelCase y\n# TYPE camelCase gauge\ncamelCase 1\n\
            # HELP foo_milliseconds y\n# TYPE foo_milliseconds gauge\nfoo_milliseconds 1\n# HELP c y\n# TYPE c counter\nc 1\n\
            # HELP g_total y\n# TYPE g_total gauge\ng_total 1\n# HELP h_bucket y\n# TYPE h_bucket gauge\nh_bucket{le=\"1\"} 1\n\
            # HELP metric_x_gauge y\n# TYPE metric_x_gauge gauge\nmetric_x_gauge{instance=\"a\",le=\"5\",quantile=\"1\"} 1\n\
            # HELP bytes_in_kilobytes  z\n# TYPE bytes_in_kilobytes gauge\nbytes_in_kilobytes 1\nnoinfo 3\n";
        let found = read(page.as_bytes()).unwrap().lint();
        let found: Vec<String> =
            found.iter().map(|finding| format!("{} {}", finding.metric, finding.text)).collect();
        let want = [
            "bad_count no help text",
            "bytes_in_kilobytes use base unit \"bytes\" instead of \"kilobytes\"",
            "c counter metrics should have \"_total\" suffix",
            "camelCase metric names should be written in 'snake_case' not 'camelCase'",
            "foo_milliseconds use base unit \"seconds\" instead of \"milliseconds\"",
            "g_total non-counter metrics should not have \"_total\" suffix",
            "h_bucket non-histogram metrics should not have \"_bucket\" suffix",
            "h_bucket non-histogram metrics should not have \"le\" label",
            "metric_x_gauge metric name should not include type 'gauge'",
            "metric_x_gauge non-histogram metrics should not have \"le\" label",
            "metric_x_gauge non-summary metrics should not have \"quantile\" label",
            "noinfo no help text",
        ];
        assert_eq!(found, want);
    }

    #[test]
    fn series_of_a_histogram_count_for_it() {
        let page = "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n";
        let read = read(page.as_bytes()).unwrap();
        assert_eq!((read.series_counts(), read.lint()), (vec![("h".to_owned(), 4)], Vec::new()));
    }
}
