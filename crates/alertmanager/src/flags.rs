//! Durations of flags, and of those settings that use Go's form.

use std::time::Duration;

/// Reads a duration as Go does: `1h30m`, `1.5s`, `0`; no days.
/// # Errors
/// Why it is none.
pub fn go_duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration {text:?}; write it like 15s, 1m30s or 120h");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let length = rest.find(|ch: char| !ch.is_ascii_digit() && ch != '.').ok_or_else(invalid)?;
        let (number, tail) = rest.split_at(length);
        let length = tail.find(|ch: char| ch.is_ascii_digit() || ch == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(length);
        let unit_s = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(format!("time: unknown unit {unit:?} in duration {text:?}; use h, m, s or ms")),
        };
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let part = Duration::try_from_secs_f64(number * unit_s).map_err(|_| invalid())?;
        total = total.checked_add(part).ok_or_else(invalid)?;
        rest = tail;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        let check =
            |text: &str, ms: u64| assert_eq!(go_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        check("0", 0);
        check("1m30s", 90_000);
        check("1.5h", 5_400_000);
        check("120h", 432_000_000);
        check("500ms", 500);
        for text in ["", "5d", "5", "-1s", "s", "1..5s"] {
            assert!(go_duration(text).is_err(), "{text}");
        }
    }
}
