//! Functions of range vectors: which kernel computes which function.

use super::CallSite;
use crate::ast::RangeMode;
use crate::engine::build::build_range;
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::extended::{ExtendedRate, ExtendedTransition};
use crate::engine::names::drop_names_strictly;
use crate::engine::operator::BoxVector;
use crate::engine::range_functions::changes::Transition;
use crate::engine::range_functions::instant_rate::InstantRate;
use crate::engine::range_functions::over_time::{AnySample, Total};
use crate::engine::range_functions::rate::Rate;
use crate::engine::range_functions::regression::{Deriv, DoubleExponentialSmoothing, PredictLinear};
use crate::engine::range_functions::statistics::{QuantileOverTime, Statistic};
use crate::engine::range_functions::{Kernel, RangeFunction};
use crate::engine::scalar::Scalar;
use crate::functions::FunctionId;

/// Builds a function of a range vector; `None` for any other function.
pub(crate) fn build(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<Option<BoxVector>, QueryError> {
    let range_idx = usize::from(at.id == FunctionId::QuantileOverTime);
    let Some(kernel) = kernel(at, cx)? else { return Ok(None) };
    let argument = build_range(at.arg(range_idx)?, at.site, cx)?;
    let name = function_name(at.id);
    check_mode(argument.mode, name)?;
    let kernel = match argument.mode {
        RangeMode::Plain => kernel,
        mode => extended_kernel(at.id, mode == RangeMode::Smoothed).unwrap_or(kernel),
    };
    let applied: BoxVector = Box::new(RangeFunction::new(argument, kernel));
    let keeps_name = matches!(at.id, FunctionId::LastOverTime | FunctionId::FirstOverTime);
    if keeps_name { Ok(Some(applied)) } else { drop_names_strictly(applied, cx).map(Some) }
}

fn kernel(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<Option<Box<dyn Kernel>>, QueryError> {
    Ok(Some(match at.id {
        FunctionId::Rate => Box::new(Rate { is_counter: true, is_rate: true }),
        FunctionId::Increase => Box::new(Rate { is_counter: true, is_rate: false }),
        FunctionId::Delta => Box::new(Rate { is_counter: false, is_rate: false }),
        FunctionId::Irate => Box::new(InstantRate { is_rate: true }),
        FunctionId::Idelta => Box::new(InstantRate { is_rate: false }),
        FunctionId::Resets => Box::new(Transition::Reset),
        FunctionId::Changes => Box::new(Transition::Change),
        FunctionId::Deriv => Box::new(Deriv),
        FunctionId::PredictLinear => Box::new(PredictLinear { ahead: at.scalar(1, cx)?, grid: at.site.grid }),
        FunctionId::DoubleExponentialSmoothing => {
            let (smoothing, trend) = (at.scalar(1, cx)?, at.scalar(2, cx)?);
            check_factor(&smoothing, at, "smoothing")?;
            check_factor(&trend, at, "trend")?;
            Box::new(DoubleExponentialSmoothing { smoothing, trend })
        }
        FunctionId::SumOverTime => Box::new(Total::Sum),
        FunctionId::AvgOverTime => Box::new(Total::Average),
        FunctionId::CountOverTime => Box::new(AnySample::Count),
        FunctionId::PresentOverTime => Box::new(AnySample::Present),
        FunctionId::FirstOverTime => Box::new(AnySample::First),
        FunctionId::LastOverTime => Box::new(AnySample::Last),
        FunctionId::TsOfFirstOverTime => Box::new(AnySample::FirstTime),
        FunctionId::TsOfLastOverTime => Box::new(AnySample::LastTime),
        FunctionId::MinOverTime => Box::new(Statistic::Min),
        FunctionId::MaxOverTime => Box::new(Statistic::Max),
        FunctionId::TsOfMinOverTime => Box::new(Statistic::MinTime),
        FunctionId::TsOfMaxOverTime => Box::new(Statistic::MaxTime),
        FunctionId::StddevOverTime => Box::new(Statistic::Stddev),
        FunctionId::StdvarOverTime => Box::new(Statistic::Stdvar),
        FunctionId::MadOverTime => Box::new(Statistic::Mad),
        FunctionId::QuantileOverTime => {
            Box::new(QuantileOverTime { quantile: at.scalar(0, cx)?, quantile_pos: at.arg_pos(0) })
        }
        _ => return Ok(None),
    }))
}

fn extended_kernel(id: FunctionId, is_smoothed: bool) -> Option<Box<dyn Kernel>> {
    let rate = |is_counter, is_rate| -> Option<Box<dyn Kernel>> {
        Some(Box::new(ExtendedRate { is_counter, is_rate, is_smoothed }))
    };
    match id {
        FunctionId::Rate => rate(true, true),
        FunctionId::Increase => rate(true, false),
        FunctionId::Delta => rate(false, false),
        FunctionId::Resets => Some(Box::new(ExtendedTransition(Transition::Reset))),
        FunctionId::Changes => Some(Box::new(ExtendedTransition(Transition::Change))),
        _ => None,
    }
}

/// Refuses `anchored` and `smoothed` for functions that have no meaning for them.
pub(crate) fn check_mode(mode: RangeMode, name: &str) -> Result<(), QueryError> {
    let (modifier, allowed): (&str, &[&str]) = match mode {
        RangeMode::Plain => return Ok(()),
        RangeMode::Anchored => ("anchored", &["changes", "delta", "increase", "rate", "resets"]),
        RangeMode::Smoothed => ("smoothed", &["delta", "increase", "rate"]),
    };
    if allowed.contains(&name) {
        return Ok(());
    }
    let list = allowed.join(", ");
    Err(QueryError::Execution(format!("{modifier} modifier can only be used with: {list} - not with {name}")))
}

fn check_factor(factor: &Scalar, at: &CallSite<'_>, noun: &str) -> Result<(), QueryError> {
    for step in 0..at.site.grid.n_steps {
        let value = factor.at(step);
        if value <= 0.0 || value >= 1.0 {
            let value = wf_model::float::format_f(value);
            let text = format!("invalid {noun} factor. Expected: 0 < {noun} factor < 1, got: {value}");
            return Err(QueryError::Execution(text));
        }
    }
    Ok(())
}

fn function_name(id: FunctionId) -> &'static str {
    let known = crate::functions::FUNCTIONS.iter().find(|function| function.id == id);
    known.map_or("", |function| function.name)
}
