//! The table of functions: names, argument types, whether they are experimental.
//!
//! # Source
//! `spec/prometheus-query.md` §2.4.

use Variadic::{Fixed, Optional, Unbounded};

use crate::ast::ValueType::{self, Matrix, Scalar, String, Vector};

/// Signature of a function; evaluation dispatches on `id`.
#[derive(Debug, PartialEq)]
pub struct Function {
    /// As written, case sensitive.
    pub name: &'static str,
    /// What it computes.
    pub id: FunctionId,
    /// Types of the arguments.
    pub args: &'static [ValueType],
    /// How the number of arguments may vary.
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

/// Returns the function called `name`, if there is one.
pub fn lookup(name: &str) -> Option<&'static Function> {
    let position = FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok()?;
    FUNCTIONS.get(position)
}

const STABLE: bool = false;
const EXPERIMENTAL: bool = true;

const fn row(
    name: &'static str,
    id: FunctionId,
    args: &'static [ValueType],
    variadic: Variadic,
    return_type: ValueType,
    experimental: bool,
) -> Function {
    Function { name, id, args, variadic, return_type, experimental }
}

/// All functions, sorted by name.
pub static FUNCTIONS: &[Function] = &[
    row("abs", FunctionId::Abs, &[Vector], Fixed, Vector, STABLE),
    row("absent", FunctionId::Absent, &[Vector], Fixed, Vector, STABLE),
    row("absent_over_time", FunctionId::AbsentOverTime, &[Matrix], Fixed, Vector, STABLE),
    row("acos", FunctionId::Acos, &[Vector], Fixed, Vector, STABLE),
    row("acosh", FunctionId::Acosh, &[Vector], Fixed, Vector, STABLE),
    row("asin", FunctionId::Asin, &[Vector], Fixed, Vector, STABLE),
    row("asinh", FunctionId::Asinh, &[Vector], Fixed, Vector, STABLE),
    row("atan", FunctionId::Atan, &[Vector], Fixed, Vector, STABLE),
    row("atanh", FunctionId::Atanh, &[Vector], Fixed, Vector, STABLE),
    row("avg_over_time", FunctionId::AvgOverTime, &[Matrix], Fixed, Vector, STABLE),
    row("ceil", FunctionId::Ceil, &[Vector], Fixed, Vector, STABLE),
    row("changes", FunctionId::Changes, &[Matrix], Fixed, Vector, STABLE),
    row("clamp", FunctionId::Clamp, &[Vector, Scalar, Scalar], Fixed, Vector, STABLE),
    row("clamp_max", FunctionId::ClampMax, &[Vector, Scalar], Fixed, Vector, STABLE),
    row("clamp_min", FunctionId::ClampMin, &[Vector, Scalar], Fixed, Vector, STABLE),
    row("cos", FunctionId::Cos, &[Vector], Fixed, Vector, STABLE),
    row("cosh", FunctionId::Cosh, &[Vector], Fixed, Vector, STABLE),
    row("count_over_time", FunctionId::CountOverTime, &[Matrix], Fixed, Vector, STABLE),
    row("day_of_month", FunctionId::DayOfMonth, &[Vector], Optional(1), Vector, STABLE),
    row("day_of_week", FunctionId::DayOfWeek, &[Vector], Optional(1), Vector, STABLE),
    row("day_of_year", FunctionId::DayOfYear, &[Vector], Optional(1), Vector, STABLE),
    row("days_in_month", FunctionId::DaysInMonth, &[Vector], Optional(1), Vector, STABLE),
    row("deg", FunctionId::Deg, &[Vector], Fixed, Vector, STABLE),
    row("delta", FunctionId::Delta, &[Matrix], Fixed, Vector, STABLE),
    row("deriv", FunctionId::Deriv, &[Matrix], Fixed, Vector, STABLE),
    row(
        "double_exponential_smoothing",
        FunctionId::DoubleExponentialSmoothing,
        &[Matrix, Scalar, Scalar],
        Fixed,
        Vector,
        EXPERIMENTAL,
    ),
    row("end", FunctionId::End, &[], Fixed, Scalar, EXPERIMENTAL),
    row("exp", FunctionId::Exp, &[Vector], Fixed, Vector, STABLE),
    row("first_over_time", FunctionId::FirstOverTime, &[Matrix], Fixed, Vector, STABLE),
    row("floor", FunctionId::Floor, &[Vector], Fixed, Vector, STABLE),
    row("histogram_avg", FunctionId::HistogramAvg, &[Vector], Fixed, Vector, STABLE),
    row("histogram_count", FunctionId::HistogramCount, &[Vector], Fixed, Vector, STABLE),
    row(
        "histogram_fraction",
        FunctionId::HistogramFraction,
        &[Scalar, Scalar, Vector],
        Fixed,
        Vector,
        STABLE,
    ),
    row("histogram_quantile", FunctionId::HistogramQuantile, &[Scalar, Vector], Fixed, Vector, STABLE),
    row(
        "histogram_quantiles",
        FunctionId::HistogramQuantiles,
        &[Vector, String, Scalar],
        Unbounded,
        Vector,
        EXPERIMENTAL,
    ),
    row("histogram_stddev", FunctionId::HistogramStddev, &[Vector], Fixed, Vector, STABLE),
    row("histogram_stdvar", FunctionId::HistogramStdvar, &[Vector], Fixed, Vector, STABLE),
    row("histogram_sum", FunctionId::HistogramSum, &[Vector], Fixed, Vector, STABLE),
    row("hour", FunctionId::Hour, &[Vector], Optional(1), Vector, STABLE),
    row("idelta", FunctionId::Idelta, &[Matrix], Fixed, Vector, STABLE),
    row("increase", FunctionId::Increase, &[Matrix], Fixed, Vector, STABLE),
    row("info", FunctionId::Info, &[Vector, Vector], Optional(1), Vector, EXPERIMENTAL),
    row("irate", FunctionId::Irate, &[Matrix], Fixed, Vector, STABLE),
    row("label_join", FunctionId::LabelJoin, &[Vector, String, String, String], Unbounded, Vector, STABLE),
    row(
        "label_replace",
        FunctionId::LabelReplace,
        &[Vector, String, String, String, String],
        Fixed,
        Vector,
        STABLE,
    ),
    row("last_over_time", FunctionId::LastOverTime, &[Matrix], Fixed, Vector, STABLE),
    row("ln", FunctionId::Ln, &[Vector], Fixed, Vector, STABLE),
    row("log10", FunctionId::Log10, &[Vector], Fixed, Vector, STABLE),
    row("log2", FunctionId::Log2, &[Vector], Fixed, Vector, STABLE),
    row("mad_over_time", FunctionId::MadOverTime, &[Matrix], Fixed, Vector, EXPERIMENTAL),
    row("max_of", FunctionId::MaxOf, &[Scalar, Scalar], Fixed, Scalar, EXPERIMENTAL),
    row("max_over_time", FunctionId::MaxOverTime, &[Matrix], Fixed, Vector, STABLE),
    row("min_of", FunctionId::MinOf, &[Scalar, Scalar], Fixed, Scalar, EXPERIMENTAL),
    row("min_over_time", FunctionId::MinOverTime, &[Matrix], Fixed, Vector, STABLE),
    row("minute", FunctionId::Minute, &[Vector], Optional(1), Vector, STABLE),
    row("month", FunctionId::Month, &[Vector], Optional(1), Vector, STABLE),
    row("pi", FunctionId::Pi, &[], Fixed, Scalar, STABLE),
    row("predict_linear", FunctionId::PredictLinear, &[Matrix, Scalar], Fixed, Vector, STABLE),
    row("present_over_time", FunctionId::PresentOverTime, &[Matrix], Fixed, Vector, STABLE),
    row("quantile_over_time", FunctionId::QuantileOverTime, &[Scalar, Matrix], Fixed, Vector, STABLE),
    row("rad", FunctionId::Rad, &[Vector], Fixed, Vector, STABLE),
    row("range", FunctionId::Range, &[], Fixed, Scalar, EXPERIMENTAL),
    row("rate", FunctionId::Rate, &[Matrix], Fixed, Vector, STABLE),
    row("resets", FunctionId::Resets, &[Matrix], Fixed, Vector, STABLE),
    row("round", FunctionId::Round, &[Vector, Scalar], Optional(1), Vector, STABLE),
    row("scalar", FunctionId::Scalar, &[Vector], Fixed, Scalar, STABLE),
    row("sgn", FunctionId::Sgn, &[Vector], Fixed, Vector, STABLE),
    row("sin", FunctionId::Sin, &[Vector], Fixed, Vector, STABLE),
    row("sinh", FunctionId::Sinh, &[Vector], Fixed, Vector, STABLE),
    row("sort", FunctionId::Sort, &[Vector], Fixed, Vector, STABLE),
    row("sort_by_label", FunctionId::SortByLabel, &[Vector, String], Unbounded, Vector, EXPERIMENTAL),
    row(
        "sort_by_label_desc",
        FunctionId::SortByLabelDesc,
        &[Vector, String],
        Unbounded,
        Vector,
        EXPERIMENTAL,
    ),
    row("sort_desc", FunctionId::SortDesc, &[Vector], Fixed, Vector, STABLE),
    row("sqrt", FunctionId::Sqrt, &[Vector], Fixed, Vector, STABLE),
    row("start", FunctionId::Start, &[], Fixed, Scalar, EXPERIMENTAL),
    row("start_timestamp", FunctionId::StartTimestamp, &[Vector], Fixed, Vector, EXPERIMENTAL),
    row("stddev_over_time", FunctionId::StddevOverTime, &[Matrix], Fixed, Vector, STABLE),
    row("stdvar_over_time", FunctionId::StdvarOverTime, &[Matrix], Fixed, Vector, STABLE),
    row("step", FunctionId::Step, &[], Fixed, Scalar, EXPERIMENTAL),
    row("sum_over_time", FunctionId::SumOverTime, &[Matrix], Fixed, Vector, STABLE),
    row("tan", FunctionId::Tan, &[Vector], Fixed, Vector, STABLE),
    row("tanh", FunctionId::Tanh, &[Vector], Fixed, Vector, STABLE),
    row("time", FunctionId::Time, &[], Fixed, Scalar, STABLE),
    row("timestamp", FunctionId::Timestamp, &[Vector], Fixed, Vector, STABLE),
    row("ts_of_first_over_time", FunctionId::TsOfFirstOverTime, &[Matrix], Fixed, Vector, EXPERIMENTAL),
    row("ts_of_last_over_time", FunctionId::TsOfLastOverTime, &[Matrix], Fixed, Vector, EXPERIMENTAL),
    row("ts_of_max_over_time", FunctionId::TsOfMaxOverTime, &[Matrix], Fixed, Vector, EXPERIMENTAL),
    row("ts_of_min_over_time", FunctionId::TsOfMinOverTime, &[Matrix], Fixed, Vector, EXPERIMENTAL),
    row("vector", FunctionId::Vector, &[Scalar], Fixed, Vector, STABLE),
    row("year", FunctionId::Year, &[Vector], Optional(1), Vector, STABLE),
];

/// Names what a function computes, one variant a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionId {
    /// `abs`
    Abs,
    /// `absent`
    Absent,
    /// `absent_over_time`
    AbsentOverTime,
    /// `acos`
    Acos,
    /// `acosh`
    Acosh,
    /// `asin`
    Asin,
    /// `asinh`
    Asinh,
    /// `atan`
    Atan,
    /// `atanh`
    Atanh,
    /// `avg_over_time`
    AvgOverTime,
    /// `ceil`
    Ceil,
    /// `changes`
    Changes,
    /// `clamp`
    Clamp,
    /// `clamp_max`
    ClampMax,
    /// `clamp_min`
    ClampMin,
    /// `cos`
    Cos,
    /// `cosh`
    Cosh,
    /// `count_over_time`
    CountOverTime,
    /// `day_of_month`
    DayOfMonth,
    /// `day_of_week`
    DayOfWeek,
    /// `day_of_year`
    DayOfYear,
    /// `days_in_month`
    DaysInMonth,
    /// `deg`
    Deg,
    /// `delta`
    Delta,
    /// `deriv`
    Deriv,
    /// `double_exponential_smoothing`
    DoubleExponentialSmoothing,
    /// `end`
    End,
    /// `exp`
    Exp,
    /// `first_over_time`
    FirstOverTime,
    /// `floor`
    Floor,
    /// `histogram_avg`
    HistogramAvg,
    /// `histogram_count`
    HistogramCount,
    /// `histogram_fraction`
    HistogramFraction,
    /// `histogram_quantile`
    HistogramQuantile,
    /// `histogram_quantiles`
    HistogramQuantiles,
    /// `histogram_stddev`
    HistogramStddev,
    /// `histogram_stdvar`
    HistogramStdvar,
    /// `histogram_sum`
    HistogramSum,
    /// `hour`
    Hour,
    /// `idelta`
    Idelta,
    /// `increase`
    Increase,
    /// `info`
    Info,
    /// `irate`
    Irate,
    /// `label_join`
    LabelJoin,
    /// `label_replace`
    LabelReplace,
    /// `last_over_time`
    LastOverTime,
    /// `ln`
    Ln,
    /// `log10`
    Log10,
    /// `log2`
    Log2,
    /// `mad_over_time`
    MadOverTime,
    /// `max_of`
    MaxOf,
    /// `max_over_time`
    MaxOverTime,
    /// `min_of`
    MinOf,
    /// `min_over_time`
    MinOverTime,
    /// `minute`
    Minute,
    /// `month`
    Month,
    /// `pi`
    Pi,
    /// `predict_linear`
    PredictLinear,
    /// `present_over_time`
    PresentOverTime,
    /// `quantile_over_time`
    QuantileOverTime,
    /// `rad`
    Rad,
    /// `range`
    Range,
    /// `rate`
    Rate,
    /// `resets`
    Resets,
    /// `round`
    Round,
    /// `scalar`
    Scalar,
    /// `sgn`
    Sgn,
    /// `sin`
    Sin,
    /// `sinh`
    Sinh,
    /// `sort`
    Sort,
    /// `sort_by_label`
    SortByLabel,
    /// `sort_by_label_desc`
    SortByLabelDesc,
    /// `sort_desc`
    SortDesc,
    /// `sqrt`
    Sqrt,
    /// `start`
    Start,
    /// `start_timestamp`
    StartTimestamp,
    /// `stddev_over_time`
    StddevOverTime,
    /// `stdvar_over_time`
    StdvarOverTime,
    /// `step`
    Step,
    /// `sum_over_time`
    SumOverTime,
    /// `tan`
    Tan,
    /// `tanh`
    Tanh,
    /// `time`
    Time,
    /// `timestamp`
    Timestamp,
    /// `ts_of_first_over_time`
    TsOfFirstOverTime,
    /// `ts_of_last_over_time`
    TsOfLastOverTime,
    /// `ts_of_max_over_time`
    TsOfMaxOverTime,
    /// `ts_of_min_over_time`
    TsOfMinOverTime,
    /// `vector`
    Vector,
    /// `year`
    Year,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name() {
        for function in FUNCTIONS {
            assert_eq!(lookup(function.name), Some(function));
        }
        assert_eq!(lookup("Rate"), None);
    }
}
