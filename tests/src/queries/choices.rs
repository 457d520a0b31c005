//! What generated queries are made of; metrics and labels are those of the simulated target.

pub(super) const METRICS: [&str; 13] = [
    "requests_total",
    "requests_total",
    "requests_total",
    "restarts_total",
    "flaky_total",
    "temperature",
    "temperature",
    "odd",
    "short_lived",
    "constant",
    "latency_seconds_bucket",
    "node_info",
    "up",
];

pub(super) const LABELS: [&str; 8] = ["node", "code", "room", "kind", "le", "version", "new", "job"];

pub(super) const GROUPINGS: [&str; 10] =
    ["node", "code", "node, code", "room", "kind", "", "le", "node, room", "instance, job", "node, kind, le"];

pub(super) const MATCHERS: [&str; 18] = [
    "node=\"n1\"",
    "node!=\"n1\"",
    "node=~\"n[12]\"",
    "node!~\"n1|n2\"",
    "code=~\"2..\"",
    "code=\"500\"",
    "code=\"\"",
    "code!=\"\"",
    "room=\"온도\"",
    "room=~\".*[ü온].*\"",
    "room!~\"k.*\"",
    "kind=~\"(?i:NAN|.*inf)\"",
    "kind!=\"nan\"",
    "le=\"+Inf\"",
    "le!~\"0.*\"",
    "job=~\".+\"",
    "node=~\"n.*|\"",
    "absent_label!~\".+\"",
];

pub(super) const VALUES: [&str; 14] =
    ["0", "1", "2", "-1", "0.5", "10", "100", "-0.25", "NaN", "Inf", "-Inf", "1000", "3", "64"];

pub(super) const COMPARISONS: [&str; 6] = ["==", "!=", ">", "<", ">=", "<="];

pub(super) const OVER_TIME: [&str; 14] = [
    "rate",
    "rate",
    "rate",
    "increase",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "avg_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "rate",
    "avg_over_time",
];

/// Range functions that do not look for the zero of a counter.
pub(super) const UNRATED: [&str; 7] =
    ["delta", "irate", "idelta", "deriv", "avg_over_time", "stddev_over_time", "stdvar_over_time"];

pub(super) const EXACT_OVER_TIME: [&str; 8] = [
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "last_over_time",
    "present_over_time",
    "absent_over_time",
    "changes",
    "resets",
];

pub(super) const CONTINUOUS: [&str; 19] = [
    "exp", "sqrt", "ln", "log2", "log10", "deg", "rad", "sin", "cos", "asin", "acos", "atan", "sinh", "cosh",
    "tanh", "asinh", "acosh", "atanh", "tan",
];

pub(super) const STEPPED: [&str; 3] = ["ceil", "floor", "sgn"];

pub(super) const TIMES: [&str; 8] =
    ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"];

/// Metrics whose values come near zero, where both versions extrapolate differently.
pub(super) const GAUGES: [&str; 4] = ["temperature", "odd", "short_lived", "node_info"];
