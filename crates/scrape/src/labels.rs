//! From the labels on a page to the labels of a series.
//!
//! # Source
//! `spec/prometheus-core.md` §6, `honor_labels` and the label limits.

use std::borrow::Cow;

use wf_exposition::SeriesText;
use wf_model::labels::{is_legacy_label_name, is_legacy_metric_name};
use wf_model::relabel::{self, Rule, Verdict};
use wf_model::{Labels, LabelsBuilder, METRIC_NAME};

use crate::config::{JobSettings, NameValidation, ScrapeLimits};
use crate::ingest::declared::{Declared, TYPE_LABEL, UNIT_LABEL};
use crate::slots::TEXT_BYTES_MAX;

/// Why a series cannot be accepted; fails its scrape.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LabelProblem {
    #[error("label name \"{name}\" is not unique in {series}")]
    NotUnique { name: String, series: String },
    #[error("the series text is longer than {TEXT_BYTES_MAX} bytes")]
    LongText,
    #[error("the series has no metric name: {0}")]
    NoName(Labels),
    #[error("invalid metric name or label names: {0}")]
    InvalidName(Labels),
    #[error("label_limit exceeded (metric: {metric:.50}, number of labels: {n_labels}, limit: {limit})")]
    TooMany { metric: String, n_labels: u64, limit: u64 },
    #[error(
        "{limit_name} exceeded (metric: {metric:.50}, label name: {name:.50}, length: {length}, limit: {limit})"
    )]
    TooLong { limit_name: &'static str, metric: String, name: String, length: u64, limit: u64 },
}

impl LabelProblem {
    /// Whether a limit of the user's was hit, rather than a rule of the format.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(self, Self::TooMany { .. } | Self::TooLong { .. })
    }
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Returns the labels under which an exposed series is stored; `None` when relabeling drops it.
/// # Complexity
/// O(n log n) in the number of labels: a hostile page has as many as fit.
pub(crate) fn series_labels(
    text: &SeriesText<'_>,
    declared: &Declared,
    target: &Labels,
    settings: &JobSettings,
) -> Result<Option<Labels>, LabelProblem> {
    let mut exposed: Vec<Pair<'_>> = text.labels().collect();
    if settings.type_and_unit_labels {
        exposed.retain(|(name, _)| !matches!(&**name, TYPE_LABEL | UNIT_LABEL));
        let added = declared.labels().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
        exposed.extend(added);
    }
    exposed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    if let Some((pair, _)) = exposed.iter().zip(exposed.iter().skip(1)).find(|(a, b)| a.0 == b.0) {
        let shown = text.bytes().get(..SHOWN_BYTES).unwrap_or(text.bytes());
        let series = String::from_utf8_lossy(shown).into_owned();
        return Err(LabelProblem::NotUnique { name: pair.0.to_string(), series });
    }
    let mut added = if settings.honor_labels {
        let is_missing = |name: &str| position(&exposed, name).is_none();
        let missing = target.iter().filter(|(name, _)| is_missing(name));
        missing.map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value))).collect()
    } else {
        put_target_first(&mut exposed, target)
    };
    exposed.append(&mut added);
    exposed.retain(|(_, value)| !value.is_empty());
    exposed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let merged = Labels::from_sorted(exposed.iter().map(|(name, value)| (&**name, &**value)));
    let Some(labels) = relabeled(merged, &settings.metric_relabel) else { return Ok(None) };
    check_names(&labels, settings.name_validation)?;
    check_limits(&labels, &settings.limits)?;
    Ok(Some(labels))
}

/// A set that rules leave empty is dropped too.
fn relabeled(labels: Labels, rules: &[Rule]) -> Option<Labels> {
    if rules.is_empty() {
        return Some(labels);
    }
    let mut builder = LabelsBuilder::from_labels(&labels);
    match relabel::apply(rules, &mut builder) {
        Verdict::Keep => Some(builder.build()).filter(|labels| !labels.is_empty()),
        Verdict::Drop => None,
    }
}

/// Longest part of a series text that an error shows.
const SHOWN_BYTES: usize = 200;

fn position(sorted: &[Pair<'_>], name: &str) -> Option<usize> {
    sorted.binary_search_by(|(known, _)| (**known).cmp(name)).ok()
}

/// The target's labels win; returns them. Exposed ones that stand in their way are renamed, shortest names first.
fn put_target_first<'a>(exposed: &mut Vec<Pair<'a>>, target: &'a Labels) -> Vec<Pair<'a>> {
    let mut added: Vec<Pair<'a>> =
        target.iter().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value))).collect();
    let mut displaced = Vec::new();
    for (name, _) in target.iter() {
        if let Some(idx) = position(exposed, name) {
            displaced.push(exposed.remove(idx));
        }
    }
    displaced.retain(|(_, value)| !value.is_empty());
    displaced.sort_by_key(|(name, _)| name.len());
    for (name, value) in displaced {
        let mut free = format!("exported_{name}");
        // What is displaced itself leaves its name to the target, so all taken names are in these two. An exposed
        // label without a value is no label: its name is free.
        while position(exposed, &free)
            .is_some_and(|idx| exposed.get(idx).is_some_and(|pair| !pair.1.is_empty()))
            || added.iter().any(|(known, _)| *known == free)
        {
            free.insert_str(0, "exported_");
        }
        added.push((Cow::Owned(free), value));
    }
    added
}

fn check_names(labels: &Labels, validation: NameValidation) -> Result<(), LabelProblem> {
    if labels.metric_name().is_empty() {
        return Err(LabelProblem::NoName(labels.clone()));
    }
    // Under UTF-8 the parser has checked everything, and rules set no name that is none.
    let is_valid = validation == NameValidation::Utf8
        || (is_legacy_metric_name(labels.metric_name())
            && labels.iter().all(|(name, _)| is_legacy_label_name(name)));
    if is_valid { Ok(()) } else { Err(LabelProblem::InvalidName(labels.clone())) }
}

fn check_limits(labels: &Labels, limits: &ScrapeLimits) -> Result<(), LabelProblem> {
    let metric = || labels.get(METRIC_NAME).unwrap_or("").to_owned();
    let n_labels = labels.len() as u64;
    if limits.n_labels_max > 0 && n_labels > limits.n_labels_max {
        return Err(LabelProblem::TooMany { metric: metric(), n_labels, limit: limits.n_labels_max });
    }
    for (name, value) in labels.iter() {
        let lengths = [
            ("label_name_length_limit", name.len(), limits.label_name_bytes_max),
            ("label_value_length_limit", value.len(), limits.label_value_bytes_max),
        ];
        for (limit_name, length, limit) in lengths {
            let length = length as u64;
            if limit > 0 && length > limit {
                return Err(LabelProblem::TooLong {
                    limit_name,
                    metric: metric(),
                    name: name.to_owned(),
                    length,
                    limit,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wf_exposition::{Entry, Format, Parser};

    use super::*;

    fn merge(line: &str, target: &[(&str, &str)], settings: &JobSettings) -> String {
        let mut parser = Parser::new(Format::Text, line.as_bytes());
        let Entry::Sample(sample) = parser.next_entry().unwrap() else { panic!("a sample") };
        let target = Labels::from_pairs(target.iter().copied());
        series_labels(&sample.series, &Declared::default(), &target, settings)
            .map_or_else(|problem| problem.to_string(), |l| l.map_or("dropped".to_owned(), |l| l.to_string()))
    }

    #[test]
    fn target_labels_win_and_conflicting_ones_are_renamed() {
        let check = |line: &str, target: &[(&str, &str)], want: &str| {
            assert_eq!(merge(line, target, &JobSettings::default()), want, "{line}");
        };
        let job = &[("job", "a")];
        check("m 1", job, r#"{__name__="m", job="a"}"#);
        check("m{job=\"b\"} 1", job, r#"{__name__="m", exported_job="b", job="a"}"#);
        check("m{job=\"\"} 1", job, r#"{__name__="m", job="a"}"#);
        check(
            "m{job=\"b\",exported_job=\"c\"} 1",
            job,
            r#"{__name__="m", exported_exported_job="b", exported_job="c", job="a"}"#,
        );
        check(
            "m{a=\"1\",exported_a=\"2\"} 1",
            &[("a", "x"), ("exported_a", "y")],
            r#"{__name__="m", a="x", exported_a="y", exported_exported_a="1", exported_exported_exported_a="2"}"#,
        );
    }

    #[test]
    fn honored_labels_win_even_when_empty() {
        let settings = JobSettings { honor_labels: true, ..JobSettings::default() };
        let target = &[("instance", "i"), ("job", "a")];
        assert_eq!(merge("m{job=\"b\"} 1", target, &settings), r#"{__name__="m", instance="i", job="b"}"#);
        assert_eq!(merge("m{instance=\"\"} 1", target, &settings), r#"{__name__="m", job="a"}"#);
    }

    #[test]
    fn bad_label_sets_are_named() {
        let limits = |n, name, value| JobSettings {
            limits: ScrapeLimits {
                n_labels_max: n,
                label_name_bytes_max: name,
                label_value_bytes_max: value,
                ..ScrapeLimits::default()
            },
            ..JobSettings::default()
        };
        let none = &JobSettings::default();
        assert_eq!(
            merge("m{a=\"1\",a=\"2\"} 1", &[], none),
            "label name \"a\" is not unique in m{a=\"1\",a=\"2\"}"
        );
        assert_eq!(
            merge("m{a=\"1\"} 1", &[], &limits(1, 0, 0)),
            "label_limit exceeded (metric: m, number of labels: 2, limit: 1)"
        );
        assert_eq!(
            merge("m{abcdefghi=\"1\"} 1", &[], &limits(0, 8, 0)),
            "label_name_length_limit exceeded (metric: m, label name: abcdefghi, length: 9, limit: 8)"
        );
        assert_eq!(
            merge("m{a=\"123\"} 1", &[], &limits(0, 0, 2)),
            "label_value_length_limit exceeded (metric: m, label name: a, length: 3, limit: 2)"
        );
        let legacy = JobSettings { name_validation: NameValidation::Legacy, ..JobSettings::default() };
        assert!(merge("{\"m.x\"} 1", &[], &legacy).starts_with("invalid metric name"));
        assert_eq!(merge("{\"m.x\"} 1", &[], none), r#"{__name__="m.x"}"#);
        assert_eq!(merge("{__name__=\"\"} 1", &[], none), "the series has no metric name: {}");
    }
}
