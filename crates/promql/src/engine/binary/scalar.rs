//! A vector and a number, element by element.

use wf_model::Labels;
use wf_series::LabelColumn;

use super::arithmetic::{floats, samples};
use crate::ast::{BinaryExpr, BinaryOp, Pos};
use crate::engine::build::Value;
use crate::engine::column::{Column, Point};
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::names::drop_names;
use crate::engine::operator::{BoxVector, VectorOp};
use crate::engine::result::SampleValue;
use crate::engine::scalar::Scalar;

/// Returns `a op b` for two scalars.
pub(crate) fn scalar_comparison(op: BinaryOp, a: f64, b: f64) -> f64 {
    floats(op, a, b)
}

/// Where the number stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The operator between a vector and a number.
pub(crate) struct VectorScalar {
    op: BinaryOp,
    return_bool: bool,
    pos: Pos,
}

impl VectorScalar {
    pub(crate) fn new(binary: &BinaryExpr, pos: Pos) -> Self {
        Self { op: binary.op, return_bool: binary.return_bool, pos }
    }

    /// Applies the operator to every element of `vector`.
    pub(crate) fn build(
        self,
        vector: BoxVector,
        number: Scalar,
        side: Side,
        cx: &mut Cx<'_>,
    ) -> Result<Value, QueryError> {
        let keeps_name = match self.op {
            BinaryOp::TrimUpper | BinaryOp::TrimLower => true,
            op => op.is_comparison() && !self.return_bool,
        };
        let applied = Box::new(Elementwise { vector, number, side, op: self });
        Ok(Value::Vector(if keeps_name { applied } else { drop_names(applied, cx)? }))
    }
}

struct Elementwise {
    vector: BoxVector,
    number: Scalar,
    side: Side,
    op: VectorScalar,
}

impl VectorOp for Elementwise {
    fn len(&self) -> usize {
        self.vector.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.vector.labels(idx)
    }

    fn drops_name(&self, idx: usize) -> bool {
        self.vector.drops_name(idx)
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        self.vector.label_column(name)
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        self.vector.read(idx, out, cx)?;
        let op = self.op.op;
        let is_trim = matches!(op, BinaryOp::TrimUpper | BinaryOp::TrimLower);
        if !out.histograms.is_empty() || is_trim {
            return self.mixed(out, cx);
        }
        let filters = op.is_comparison() && !self.op.return_bool;
        for step in 0..out.n_steps() {
            let (element, number) = (out.values[step], self.number.at(step));
            let result = match self.side {
                Side::Right => floats(op, element, number),
                Side::Left => floats(op, number, element),
            };
            if !filters {
                out.values[step] = result;
            } else if result == 0.0 {
                out.floats.remove(step);
            }
        }
        Ok(())
    }
}

impl Elementwise {
    /// The slow path: some elements are histograms.
    fn mixed(&self, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        let mut input = cx.take_column();
        std::mem::swap(&mut input, out);
        out.reset(input.n_steps());
        let is_comparison = self.op.op.is_comparison();
        for step in input.steps().iter() {
            let Some(element) = input.get(step) else { continue };
            let number = Point::Float(self.number.at(step));
            let (a, b) = if self.side == Side::Right { (element, number) } else { (number, element) };
            let Some(outcome) = samples(self.op.op, a, b, self.op.pos, &mut cx.remarks) else { continue };
            if is_comparison && self.op.return_bool {
                out.push(step, SampleValue::Float(f64::from(outcome.keep)));
            } else if outcome.keep {
                // A filter passes on the element, whichever side it stands on.
                out.push(step, if is_comparison { element.to_value() } else { outcome.value });
            }
        }
        cx.give_column(input);
        Ok(())
    }
}

/// Unary minus.
pub(crate) fn negate(vector: BoxVector) -> BoxVector {
    Box::new(Negated { vector })
}

struct Negated {
    vector: BoxVector,
}

impl VectorOp for Negated {
    fn len(&self) -> usize {
        self.vector.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.vector.labels(idx)
    }

    fn drops_name(&self, idx: usize) -> bool {
        self.vector.drops_name(idx)
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        self.vector.label_column(name)
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        self.vector.read(idx, out, cx)?;
        for value in &mut out.values {
            *value = -*value;
        }
        for (_, histogram) in &mut out.histograms {
            std::sync::Arc::make_mut(histogram).scale(-1.0);
        }
        Ok(())
    }
}
