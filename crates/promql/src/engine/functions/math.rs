//! Functions of one number: a column in, a column out. Histograms are skipped.

use wf_model::Labels;
use wf_series::LabelColumn;

use super::CallSite;
use crate::engine::column::Column;
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::names::drop_names;
use crate::engine::operator::{BoxVector, VectorOp};
use crate::engine::scalar::Scalar;
use crate::functions::FunctionId;

/// Builds `abs`, `round`, `clamp` and their kin; `None` for any other function.
pub(crate) fn build(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<Option<BoxVector>, QueryError> {
    let mapped: BoxVector = match at.id {
        FunctionId::Round => {
            let to = if at.args.len() > 1 { at.scalar(1, cx)? } else { Scalar::Const(1.0) };
            // The inverse is exact for the usual 0.1, 0.01, …, which themselves are not.
            let inverse = to.map(|to| 1.0 / to);
            map_steps(at, cx, move |value, step| {
                let inverse = inverse.at(step);
                Some((value * inverse + 0.5).floor() / inverse)
            })?
        }
        FunctionId::Clamp => {
            let (low, high) = (at.scalar(1, cx)?, at.scalar(2, cx)?);
            map_steps(at, cx, move |value, step| {
                let (low, high) = (low.at(step), high.at(step));
                (low.partial_cmp(&high) != Some(std::cmp::Ordering::Greater))
                    .then(|| max(low, min(high, value)))
            })?
        }
        FunctionId::ClampMax => {
            let high = at.scalar(1, cx)?;
            map_steps(at, cx, move |value, step| Some(min(high.at(step), value)))?
        }
        FunctionId::ClampMin => {
            let low = at.scalar(1, cx)?;
            map_steps(at, cx, move |value, step| Some(max(low.at(step), value)))?
        }
        id => match function_of(id) {
            Some(f) => Box::new(Map { op: at.vector(0, cx)?, f }),
            None => return Ok(None),
        },
    };
    drop_names(mapped, cx).map(Some)
}

fn function_of(id: FunctionId) -> Option<fn(f64) -> f64> {
    Some(match id {
        FunctionId::Abs => f64::abs,
        FunctionId::Ceil => f64::ceil,
        FunctionId::Floor => f64::floor,
        FunctionId::Exp => f64::exp,
        FunctionId::Sqrt => f64::sqrt,
        FunctionId::Ln => f64::ln,
        FunctionId::Log2 => f64::log2,
        FunctionId::Log10 => f64::log10,
        FunctionId::Sgn => sign,
        FunctionId::Deg => |value| value * 180.0 / std::f64::consts::PI,
        FunctionId::Rad => |value| value * std::f64::consts::PI / 180.0,
        FunctionId::Sin => f64::sin,
        FunctionId::Cos => f64::cos,
        FunctionId::Tan => f64::tan,
        FunctionId::Asin => f64::asin,
        FunctionId::Acos => f64::acos,
        FunctionId::Atan => f64::atan,
        FunctionId::Sinh => f64::sinh,
        FunctionId::Cosh => f64::cosh,
        FunctionId::Tanh => f64::tanh,
        FunctionId::Asinh => f64::asinh,
        FunctionId::Acosh => f64::acosh,
        FunctionId::Atanh => f64::atanh,
        _ => return None,
    })
}

/// −1, 0 or 1; zeros keep their sign and NaN stays NaN.
fn sign(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}

/// The greater of two numbers as Go has it: plus infinity beats NaN, NaN beats the rest, and 0 is above −0.
pub(crate) fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == b {
        if a.is_sign_negative() { b } else { a }
    } else {
        a.max(b)
    }
}

/// The smaller of two numbers as Go has it: minus infinity beats NaN, NaN beats the rest, and −0 is below 0.
pub(crate) fn min(a: f64, b: f64) -> f64 {
    -max(-a, -b)
}

fn map_steps(
    at: &CallSite<'_>,
    cx: &mut Cx<'_>,
    f: impl Fn(f64, usize) -> Option<f64> + Send + Sync + 'static,
) -> Result<BoxVector, QueryError> {
    Ok(Box::new(MapSteps { op: at.vector(0, cx)?, f }))
}

/// A function of the value alone.
struct Map {
    op: BoxVector,
    f: fn(f64) -> f64,
}

impl VectorOp for Map {
    fn len(&self) -> usize {
        self.op.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.op.labels(idx)
    }

    fn drops_name(&self, idx: usize) -> bool {
        self.op.drops_name(idx)
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        self.op.label_column(name)
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        self.op.read(idx, out, cx)?;
        out.map_floats(self.f);
        Ok(())
    }
}

/// A function of value and step; `None` leaves a gap.
pub(crate) struct MapSteps<F> {
    pub(crate) op: BoxVector,
    pub(crate) f: F,
}

impl<F: Fn(f64, usize) -> Option<f64> + Send + Sync> VectorOp for MapSteps<F> {
    fn len(&self) -> usize {
        self.op.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.op.labels(idx)
    }

    fn drops_name(&self, idx: usize) -> bool {
        self.op.drops_name(idx)
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        self.op.label_column(name)
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        self.op.read(idx, out, cx)?;
        out.histograms.clear();
        for step in 0..out.n_steps() {
            if !out.floats.contains(step) {
                continue;
            }
            match (self.f)(out.values[step], step) {
                Some(value) => out.values[step] = value,
                None => out.floats.remove(step),
            }
        }
        Ok(())
    }
}

/// A number wherever there is a sample of any type.
pub(crate) struct MapAny<F> {
    pub(crate) op: BoxVector,
    pub(crate) f: F,
}

impl<F: Fn(usize) -> f64 + Send + Sync> VectorOp for MapAny<F> {
    fn len(&self) -> usize {
        self.op.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.op.labels(idx)
    }

    fn drops_name(&self, idx: usize) -> bool {
        self.op.drops_name(idx)
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        self.op.label_column(name)
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        self.op.read(idx, out, cx)?;
        let steps = out.steps();
        out.histograms.clear();
        for step in steps.iter() {
            out.set_float(step, (self.f)(step));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinity_beats_nan_and_zeros_have_an_order() {
        assert_eq!(max(f64::NAN, f64::INFINITY), f64::INFINITY);
        assert_eq!(min(f64::NEG_INFINITY, f64::NAN), f64::NEG_INFINITY);
        assert!(max(f64::NAN, f64::NEG_INFINITY).is_nan() && min(1.0, f64::NAN).is_nan());
        assert!(max(-0.0, 0.0).is_sign_positive() && min(0.0, -0.0).is_sign_negative());
        assert_eq!((max(1.0, 2.0), min(1.0, 2.0)), (2.0, 1.0));
    }
}
