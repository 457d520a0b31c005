//! Scalars over the steps of a grid.

/// A number per step.
#[derive(Clone, Debug)]
pub(crate) enum Scalar {
    /// The same at every step.
    Const(f64),
    /// By step.
    Steps(Vec<f64>),
}

impl Scalar {
    /// Returns the value at a step.
    #[inline]
    pub(crate) fn at(&self, step: usize) -> f64 {
        match self {
            Self::Const(value) => *value,
            Self::Steps(values) => values.get(step).copied().unwrap_or(f64::NAN),
        }
    }

    /// Applies `f` at every step.
    pub(crate) fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Const(value) => Self::Const(f(*value)),
            Self::Steps(values) => Self::Steps(values.iter().map(|value| f(*value)).collect()),
        }
    }

    /// Applies `f` to both operands at every step.
    pub(crate) fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let n_steps = match (self, other) {
            (Self::Const(a), Self::Const(b)) => return Self::Const(f(*a, *b)),
            (Self::Steps(values), _) | (_, Self::Steps(values)) => values.len(),
        };
        Self::Steps((0..n_steps).map(|step| f(self.at(step), other.at(step))).collect())
    }
}
