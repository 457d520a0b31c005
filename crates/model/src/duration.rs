//! Durations as Prometheus writes them: `1h30m`, `54s321ms`.
//!
//! # Source
//! `spec/prometheus-query.md` §1.1: units `y w d h m s ms` in this order, each at most once; a bare `0` is zero.

use std::time::Duration;

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Why a text is not a duration. The wording is Prometheus's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing was given.
    #[error("empty duration string")]
    Empty,
    /// Not of the form `1h30m`.
    #[error("not a valid duration string: {}", crate::quote::GoQuoted(.0))]
    Invalid(String),
    /// More than 2^63 nanoseconds, about 292 years.
    #[error("duration out of range")]
    OutOfRange,
}

/// Parses a Prometheus duration.
/// # Errors
/// See [`DurationError`].
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    match text {
        "" => return Err(DurationError::Empty),
        "0" => return Ok(Duration::ZERO),
        _ => {}
    }
    let invalid = || DurationError::Invalid(text.to_owned());
    let (mut rest, mut units, mut total_ms) = (text, UNITS.as_slice(), 0_u64);
    while !rest.is_empty() {
        let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, tail) = rest.split_at(n_digits);
        let n_letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(n_letters);
        let position = units.iter().position(|(name, _)| *name == unit).ok_or_else(invalid)?;
        if n_digits == 0 {
            return Err(invalid());
        }
        let count: u64 = digits.parse().map_err(|_| DurationError::OutOfRange)?;
        let part_ms = count.checked_mul(units[position].1).ok_or(DurationError::OutOfRange)?;
        total_ms = total_ms.checked_add(part_ms).ok_or(DurationError::OutOfRange)?;
        units = &units[position + 1..];
        rest = tail;
    }
    if total_ms > i64::MAX as u64 / 1_000_000 {
        return Err(DurationError::OutOfRange);
    }
    Ok(Duration::from_millis(total_ms))
}

/// Formats as Prometheus does: the largest units that divide evenly, `0s` for zero. Parts below 1 ms are cut off.
pub fn format(duration: Duration) -> String {
    let mut rest_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest_ms == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, unit_ms) in UNITS {
        // Years and weeks appear only when nothing is left over: 8d is not 1w1d.
        let is_exact_only = matches!(unit, "y" | "w");
        if is_exact_only && rest_ms % unit_ms != 0 || rest_ms < unit_ms {
            continue;
        }
        text.push_str(&format!("{}{unit}", rest_ms / unit_ms));
        rest_ms %= unit_ms;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        let check = |text: &str, ms: u64, printed: &str| {
            let duration = parse(text).unwrap();
            assert_eq!((duration, format(duration).as_str()), (Duration::from_millis(ms), printed), "{text}");
        };
        check("0", 0, "0s");
        check("15s", 15_000, "15s");
        check("1h30m", 5_400_000, "1h30m");
        check("54s321ms", 54_321, "54s321ms");
        check("8d", 8 * 86_400_000, "8d");
        check("14d", 14 * 86_400_000, "2w");
        check("365d", 365 * 86_400_000, "1y");
    }

    #[test]
    fn refuses_what_prometheus_refuses() {
        for text in ["1", "1.5h", "-1s", "1s1h", "1s1s", "h", "1 s", "1H", "10µs"] {
            assert!(matches!(parse(text), Err(DurationError::Invalid(_))), "{text}");
        }
        assert_eq!(parse(""), Err(DurationError::Empty));
        assert_eq!(parse("300y"), Err(DurationError::OutOfRange));
        assert_eq!(parse("99999999999999999999s"), Err(DurationError::OutOfRange));
    }
}
