//! Numbers for people: `humanize` and its kin, the same in alerts and in notifications.
//!
//! Source: `spec/prometheus-query.md` §5.5.

use crate::duration::GoDuration;
use crate::format::printf;
use crate::value::Value;

/// Returns the number in a value: floats, integers, durations (in seconds), and texts that read as one.
/// # Errors
/// When it is none.
pub fn number(value: &Value) -> Result<f64, String> {
    #[expect(clippy::cast_precision_loss, reason = "as the original converts")]
    Ok(match value {
        Value::Float(value) => *value,
        Value::Int(value) => *value as f64,
        Value::Uint(value) => *value as f64,
        value => match (duration_in(value), value.as_text()) {
            (Some(duration), _) => duration.0 as f64 / 1e9,
            (None, Some(text)) => wf_model::float::parse_go(text.as_bytes()).map_err(|_| {
                format!("strconv.ParseFloat: parsing {}: invalid syntax", wf_model::quote::GoQuoted(text))
            })?,
            (None, None) => return Err(format!("can't convert {} to float", value.type_name())),
        },
    })
}

fn duration_in(value: &Value) -> Option<GoDuration> {
    match value {
        Value::Object(object) => object.as_any().downcast_ref().copied(),
        _ => None,
    }
}

/// `%.4g`: four significant digits.
pub fn four_digits(value: f64) -> String {
    printf("%.4g", &[Value::Float(value)])
}

/// `1.235M`, `120m`: powers of 1000.
pub fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return four_digits(value);
    }
    let (mut value, mut prefix) = (value, "");
    if value.abs() >= 1.0 {
        for next in ["k", "M", "G", "T", "P", "E", "Z", "Y"] {
            if value.abs() < 1000.0 {
                break;
            }
            (value, prefix) = (value / 1000.0, next);
        }
    } else {
        for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
            if value.abs() >= 1.0 {
                break;
            }
            (value, prefix) = (value * 1000.0, next);
        }
    }
    four_digits(value) + prefix
}

/// `1.5Mi`: powers of 1024.
pub fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return four_digits(value);
    }
    let (mut value, mut prefix) = (value, "");
    for next in ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"] {
        if value.abs() < 1024.0 {
            break;
        }
        (value, prefix) = (value / 1024.0, next);
    }
    four_digits(value) + prefix
}

/// `1h 0m 5s`, `1.234s`, `120ms`.
pub fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return four_digits(value);
    }
    if value == 0.0 {
        return "0s".to_owned();
    }
    if value.abs() >= 1.0 {
        return from_seconds(value);
    }
    let (mut value, mut prefix) = (value, "");
    for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        (value, prefix) = (value * 1000.0, next);
    }
    format!("{}{prefix}s", four_digits(value))
}

fn from_seconds(value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    let value = value.abs();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive; absurdly long durations saturate"
    )]
    let whole = value as u64;
    let (seconds, minutes) = (whole % 60, whole / 60 % 60);
    let (hours, days) = (whole / 3600 % 24, whole / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", four_digits(value)),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, _, _) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_all_that_looks_like_one() {
        for value in [
            Value::Float(90.0),
            Value::Int(90),
            Value::Uint(90),
            Value::text("9e1"),
            Value::object(GoDuration(90_000_000_000)),
        ] {
            assert_eq!(number(&value).unwrap(), 90.0, "{value:?}");
        }
        assert_eq!(
            number(&Value::text("x")).unwrap_err(),
            "strconv.ParseFloat: parsing \"x\": invalid syntax"
        );
        assert_eq!(number(&Value::Bool(true)).unwrap_err(), "can't convert bool to float");
    }

    #[test]
    fn numbers_are_shortened_as_in_the_original() {
        for (value, want) in [
            (0.0, "0"),
            (1.0, "1"),
            (1_234_567.0, "1.235M"),
            (0.12, "120m"),
            (-1500.0, "-1.5k"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(humanize(value), want);
        }
        for (value, want) in [(0.0, "0"), (1.0, "1"), (1_048_576.0, "1Mi"), (0.12, "0.12"), (1536.0, "1.5ki")]
        {
            assert_eq!(humanize_1024(value), want);
        }
    }

    #[test]
    fn durations_are_told_from_their_largest_unit_down() {
        for (value, want) in [
            (0.0, "0s"),
            (1.0, "1s"),
            (1.234_567, "1.235s"),
            (60.0, "1m 0s"),
            (3600.0, "1h 0m 0s"),
            (86_400.0, "1d 0h 0m 0s"),
            (899.99, "14m 59s"),
            (-3661.0, "-1h 1m 1s"),
            (0.1, "100ms"),
            (0.0001, "100us"),
            (0.1235, "123.5ms"),
        ] {
            assert_eq!(humanize_duration(value), want);
        }
    }
}
