//! `histogram_quantile`, `histogram_quantiles`, `histogram_fraction`: buckets grouped by labels without `le`.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use wf_model::float::format_g;
use wf_model::quote::GoQuoted;
use wf_model::{FloatHistogram, Labels, LabelsBuilder};

use super::CallSite;
use super::bucket_quantile::{self, ClassicBucket};
use super::native_quantile::{self, NanEffect};
use crate::ast::Pos;
use crate::engine::build::build_vector;
use crate::engine::column::Column;
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::grid::Grid;
use crate::engine::names::drop_names;
use crate::engine::operator::{BoxVector, Materialized, Series, VectorOp};
use crate::engine::quantile::remark_on_quantile;
use crate::engine::remarks::{Detail as RemarkDetail, Monotonicity, Remarks, Severity};
use crate::engine::scalar::Scalar;
use crate::engine::selector::Detail;
use crate::functions::FunctionId;

/// What is asked of each histogram.
enum Question {
    Quantile(Scalar),
    Fraction(Scalar, Scalar),
}

/// Builds the call.
pub(crate) fn build(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let site = at.site.with_detail(Detail::Full);
    let steps = 0..site.grid.n_steps;
    let (vector_idx, questions) = match at.id {
        FunctionId::HistogramFraction => {
            (2, vec![(Question::Fraction(at.scalar(0, cx)?, at.scalar(1, cx)?), None)])
        }
        FunctionId::HistogramQuantiles => {
            let mut questions = Vec::new();
            for idx in 2..at.args.len() {
                let q = at.scalar(idx, cx)?;
                steps
                    .clone()
                    .for_each(|step| remark_on_quantile(q.at(step), at.arg_pos(idx), &mut cx.remarks));
                let text = quantile_text(q.at(0));
                questions.push((Question::Quantile(q), Some(text)));
            }
            (0, questions)
        }
        _ => {
            let q = at.scalar(0, cx)?;
            steps.for_each(|step| remark_on_quantile(q.at(step), at.arg_pos(0), &mut cx.remarks));
            (1, vec![(Question::Quantile(q), None)])
        }
    };
    let pos = at.arg_pos(vector_idx);
    let op = build_vector(at.arg(vector_idx)?, site, cx)?;
    let input = Input::collect(&*op, site.grid, pos, cx)?;
    let mut answers = Vec::new();
    for (question, text) in &questions {
        for (group, labels) in input.labels.iter().enumerate() {
            let labels = match text {
                Some(text) => {
                    let mut builder = LabelsBuilder::from_labels(labels);
                    builder.set(at.text(1)?, text);
                    builder.build()
                }
                None => labels.clone(),
            };
            let column = input.answer(question, group, cx)?;
            answers.push(Series { labels, drops_name: false, column });
        }
    }
    answers.retain(|series| !series.column.is_empty());
    drop_names(Box::new(Materialized::new(answers, cx)?), cx)
}

/// The shortest form with a fraction, as OpenMetrics writes label values.
fn quantile_text(q: f64) -> String {
    let text = format_g(q);
    if q.is_finite() && !text.contains(['.', 'e']) { format!("{text}.0") } else { text }
}

/// Histograms by their labels without `le`.
struct Input {
    labels: Vec<Labels>,
    /// Classic buckets by group: bound and counts.
    classic: Vec<Vec<(f64, usize)>>,
    /// Series that may hold native histograms, by group.
    native: Vec<Vec<usize>>,
    series: Materialized,
    grid: Grid,
    pos: Pos,
}

impl Input {
    fn collect(op: &dyn VectorOp, grid: Grid, pos: Pos, cx: &mut Cx<'_>) -> Result<Self, QueryError> {
        let series = Materialized::collect(op, cx)?;
        let mut input =
            Self { labels: Vec::new(), classic: Vec::new(), native: Vec::new(), series, grid, pos };
        let mut group_of: HashMap<Labels, usize, FixedState> = HashMap::default();
        for idx in 0..input.series.series.len() {
            let Series { labels, column, .. } = &input.series.series[idx];
            let bound = labels.get("le").and_then(parse_bound);
            if !column.floats.is_empty() && bound.is_none() {
                let le = GoQuoted(labels.get("le").unwrap_or("")).to_string();
                let name = for_metric(labels.metric_name());
                let text = format!("bucket label \"le\" is missing or has a malformed value of {le}{name}");
                cx.remarks.warn(pos, text);
            }
            let has_histograms = !column.histograms.is_empty();
            let classic_key = labels.without(|name| name == "le");
            let native_key = if has_histograms { labels.clone() } else { classic_key.clone() };
            if let Some(bound) = bound.filter(|_| !column.floats.is_empty()) {
                let group = input.group(classic_key, &mut group_of);
                input.classic[group].push((bound, idx));
            }
            if has_histograms {
                let group = input.group(native_key, &mut group_of);
                input.native[group].push(idx);
            }
        }
        // In order once per query, not once per step.
        input.classic.iter_mut().for_each(|buckets| buckets.sort_by(|a, b| a.0.total_cmp(&b.0)));
        Ok(input)
    }

    fn group(&mut self, labels: Labels, group_of: &mut HashMap<Labels, usize, FixedState>) -> usize {
        let next = self.labels.len();
        let group = *group_of.entry(labels).or_insert_with_key(|labels| {
            self.labels.push(labels.clone());
            next
        });
        if group == next {
            self.classic.push(Vec::new());
            self.native.push(Vec::new());
        }
        group
    }

    fn answer(&self, question: &Question, group: usize, cx: &mut Cx<'_>) -> Result<Column, QueryError> {
        cx.check()?;
        let mut out = Column::new(self.grid.n_steps);
        let mut buckets = Vec::new();
        let name = for_metric(self.labels[group].metric_name());
        for step in 0..self.grid.n_steps {
            buckets.clear();
            let column = |idx: usize| &self.series.series[idx].column;
            buckets.extend(self.classic[group].iter().filter_map(|(upper, idx)| {
                let counts = column(*idx);
                counts
                    .floats
                    .contains(step)
                    .then(|| ClassicBucket { upper: *upper, count: counts.values[step] })
            }));
            let native = self.native[group].iter().find_map(|idx| column(*idx).histogram(step));
            let value = match native {
                Some(_) if !buckets.is_empty() => {
                    cx.remarks.warn(
                        self.pos,
                        format!("vector contains a mix of classic and native histograms{name}"),
                    );
                    continue;
                }
                Some(histogram) => self.ask_native(question, histogram, step, &name, &mut cx.remarks),
                None if buckets.is_empty() => continue,
                None => self.ask_classic(question, &mut buckets, step, &name, &mut cx.remarks),
            };
            out.set_float(step, value);
        }
        Ok(out)
    }

    fn ask_classic(
        &self,
        question: &Question,
        buckets: &mut Vec<ClassicBucket>,
        step: usize,
        name: &str,
        remarks: &mut Remarks,
    ) -> f64 {
        let q = match question {
            Question::Quantile(q) => q.at(step),
            Question::Fraction(lower, upper) => {
                return bucket_quantile::fraction(lower.at(step), upper.at(step), buckets);
            }
        };
        let (value, raised) = bucket_quantile::quantile(q, buckets);
        if let Some(raised) = raised {
            let text = format!(
                "input to histogram_quantile needed to be fixed for monotonicity (see \
                 https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){name}"
            );
            let time_ms = self.grid.time_ms(step);
            let detail = RemarkDetail::Monotonicity(Monotonicity {
                min_bucket: raised.min_bucket,
                max_bucket: raised.max_bucket,
                max_diff: raised.max_diff,
                n_samples: 1,
                first_ms: time_ms,
                last_ms: time_ms,
            });
            remarks.add(Severity::Info, self.pos, text, detail);
        }
        value
    }

    fn ask_native(
        &self,
        question: &Question,
        histogram: &FloatHistogram,
        step: usize,
        name: &str,
        remarks: &mut Remarks,
    ) -> f64 {
        match question {
            Question::Quantile(q) => {
                let (value, effect) = native_quantile::quantile(q.at(step), histogram);
                let consequence = match effect {
                    NanEffect::None => return value,
                    NanEffect::Result => "result is NaN",
                    NanEffect::Skew => "result is skewed higher",
                };
                let text = format!("input to histogram_quantile has NaN observations, {consequence}{name}");
                remarks.info(self.pos, text);
                value
            }
            Question::Fraction(lower, upper) => {
                let (value, effect) = native_quantile::fraction(lower.at(step), upper.at(step), histogram);
                if effect != NanEffect::None {
                    let text = format!(
                        "input to histogram_fraction has NaN observations, which are excluded from all fractions{name}"
                    );
                    remarks.info(self.pos, text);
                }
                value
            }
        }
    }
}

/// Returns the part of a remark that names the metric, empty when no name is visible.
fn for_metric(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" for metric name {}", GoQuoted(name)) }
}

/// Parses a bound as Go's `strconv.ParseFloat` would for the forms that bounds take.
fn parse_bound(text: &str) -> Option<f64> {
    let is_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    match text.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str() {
        "inf" | "infinity" | "nan" => text.parse().ok(),
        _ if text.bytes().all(is_number) => text.parse().ok(),
        _ => None,
    }
}
