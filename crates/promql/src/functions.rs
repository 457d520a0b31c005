//! The table of functions: names, argument types, whether they are experimental.
//!
//! # Source
//! `spec/prometheus-query.md` §2.4.

use crate::ast::ValueType;

/// Signature of a function; its evaluation is found by `name`'s [`FunctionId`].
#[derive(Debug, PartialEq)]
pub struct Function {
    /// As written, case sensitive.
    pub name: &'static str,
    /// What it computes.
    pub id: FunctionId,
    /// Types of the arguments.
    pub args: &'static [ValueType],
    /// How many of the last arguments may be missing; for [`Variadic::Unbounded`] the last may repeat.
    pub variadic: Variadic,
    /// Type of the result.
    pub return_type: ValueType,
    /// Needs `promql-experimental-functions`.
    pub experimental: bool,
}

/// How the number of arguments may vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variadic {
    /// Exactly as many as `args`.
    Fixed,
    /// The last `n` may be missing.
    Optional(usize),
    /// The last may repeat, or be missing.
    Unbounded,
}

/// Names what a function computes, one variant a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionId {
    /// `abs`
    Abs,
}
