//! Aggregations that look at all values of a group at once: `quantile`, `count_values`.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use wf_model::float::format_f;
use wf_model::{Labels, LabelsBuilder};

use super::Inputs;
use crate::ast::Pos;
use crate::engine::column::{Column, Point};
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::functions::label::{invalid_label_name, is_label_name};
use crate::engine::operator::{BoxVector, Materialized, Series};
use crate::engine::parallel::for_each_series;
use crate::engine::quantile::{quantile_of, remark_on_quantile};
use crate::engine::scalar::Scalar;

/// `quantile`
pub(crate) fn quantile(
    inputs: Inputs,
    quantile: &Scalar,
    quantile_pos: Pos,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let Inputs { op, groups, n_steps, pos } = inputs;
    for step in 0..n_steps {
        remark_on_quantile(quantile.at(step), quantile_pos, &mut cx.remarks);
    }
    let mut held = cx.hold((groups.len() * n_steps) as u64)?;
    let mut n_members = vec![0; groups.len()];
    groups.of.iter().for_each(|group| n_members[*group as usize] += 1);
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); groups.len() * n_steps];
    for_each_series(&*op, cx, |idx, column, cx| {
        held.grow(column.weight())?;
        let group = groups.of[idx] as usize;
        for step in column.floats.iter() {
            let cell = &mut values[group * n_steps + step];
            if cell.capacity() == 0 {
                cell.reserve_exact(n_members[group]);
            }
            cell.push(column.values[step]);
        }
        if !column.histograms.is_empty() {
            cx.remarks.info(pos, "ignored histogram in quantile aggregation");
        }
        Ok(())
    })?;
    let mut series = Vec::with_capacity(groups.len());
    for group in 0..groups.len() {
        let mut column = Column::new(n_steps);
        for step in 0..n_steps {
            let values = &mut values[group * n_steps + step];
            if !values.is_empty() {
                column.set_float(step, quantile_of(quantile.at(step), values));
            }
        }
        if !column.is_empty() {
            let labels = groups.labels[group].clone();
            series.push(Series { labels, drops_name: groups.drops_name[group], column });
        }
    }
    drop(held);
    Ok(Box::new(Materialized::new(series, cx)?))
}

/// `count_values`: one series per group and distinct value, counting its occurrences.
pub(crate) fn count_values(inputs: &Inputs, label: &str, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    if !is_label_name(label) {
        return Err(invalid_label_name(label));
    }
    let n_steps = inputs.n_steps;
    let mut counted: HashMap<(u32, Counted), Column, FixedState> = HashMap::default();
    for_each_series(&*inputs.op, cx, |idx, column, _| {
        for step in column.steps().iter() {
            let what = match column.get(step) {
                Some(Point::Float(value)) => Counted::Float(value.to_bits()),
                Some(Point::Histogram(histogram)) => Counted::Histogram(histogram.to_string()),
                None => continue,
            };
            let counts = counted.entry((inputs.groups.of[idx], what)).or_insert_with(|| Column::new(n_steps));
            let before = if counts.floats.contains(step) { counts.values[step] } else { 0.0 };
            counts.set_float(step, before + 1.0);
        }
        Ok(())
    })?;
    let texts = counted.into_iter().map(|((group, what), counts)| (group, what.text(), counts));
    let mut counted: Vec<(u32, String, Column)> = texts.collect();
    counted.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    // Overwriting a label that distinguished two groups can make their series equal: their counts add up.
    let mut by_labels: HashMap<Labels, usize, FixedState> = HashMap::default();
    let mut series: Vec<Series> = Vec::new();
    for (group, text, counts) in counted {
        let mut builder = LabelsBuilder::from_labels(&inputs.groups.labels[group as usize]);
        builder.set(label, &text);
        let labels = builder.build();
        match by_labels.get(&labels) {
            Some(&known) => add_counts(&mut series[known].column, &counts),
            None => {
                by_labels.insert(labels.clone(), series.len());
                let drops_name = false;
                series.push(Series { labels, drops_name, column: counts });
            }
        }
    }
    Ok(Box::new(Materialized::new(series, cx)?))
}

/// A value that is counted; its text is made once, not for every sample.
#[derive(PartialEq, Eq, Hash)]
enum Counted {
    /// By its bits: there are several kinds of NaN, whose counts add up in the end.
    Float(u64),
    Histogram(String),
}

impl Counted {
    fn text(self) -> String {
        match self {
            Self::Float(bits) => format_f(f64::from_bits(bits)),
            Self::Histogram(text) => text,
        }
    }
}

fn add_counts(to: &mut Column, counts: &Column) {
    for step in counts.floats.iter() {
        let before = if to.floats.contains(step) { to.values[step] } else { 0.0 };
        to.set_float(step, before + counts.values[step]);
    }
}
