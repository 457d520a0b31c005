//! `humanizeDuration`: the same output as in rules.

use wf_gotemplate::{Value, printf};

use super::time::GoDuration;

/// Returns the seconds in a value: numbers, durations, and texts that read as one.
fn seconds(value: &Value) -> Result<f64, String> {
    #[expect(clippy::cast_precision_loss, reason = "as the original converts")]
    Ok(match value {
        Value::Float(value) => *value,
        Value::Int(value) => *value as f64,
        Value::Uint(value) => *value as f64,
        Value::Object(object) => match object.as_any().downcast_ref::<GoDuration>() {
            Some(duration) => duration.0 as f64 / 1e9,
            None => return Err(format!("can't convert {} to float", object.type_name())),
        },
        value => match value.as_text() {
            Some(text) => wf_model::float::parse_go(text.as_bytes()).map_err(|_| {
                format!("strconv.ParseFloat: parsing {}: invalid syntax", wf_model::quote::GoQuoted(text))
            })?,
            None => return Err(format!("can't convert {} to float", value.type_name())),
        },
    })
}

fn four_digits(value: f64) -> String {
    printf("%.4g", &[Value::Float(value)])
}

/// `1h 0m 5s`, `1.234s`, `120ms`.
pub(super) fn humanize_duration(value: &Value) -> Result<String, String> {
    let value = seconds(value)?;
    if !value.is_finite() {
        return Ok(four_digits(value));
    }
    if value == 0.0 {
        return Ok("0s".to_owned());
    }
    if value.abs() >= 1.0 {
        return Ok(from_seconds(value));
    }
    let (mut value, mut prefix) = (value, "");
    for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        (value, prefix) = (value * 1000.0, next);
    }
    Ok(format!("{}{prefix}s", four_digits(value)))
}

fn from_seconds(value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    let value = value.abs();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive; absurd lengths saturate"
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
