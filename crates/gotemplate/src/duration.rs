//! Lengths of time as Go prints them.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::value::{Object, Value};

/// A length of time, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoDuration(pub i64);

impl GoDuration {
    /// Returns a duration; beyond what 64 bits hold it is cut.
    pub fn from_std(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }

    /// Returns `seconds` as a duration; beyond what 64 bits hold it is cut.
    pub fn from_seconds(seconds: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "saturates, as documented")]
        Self((seconds * 1e9) as i64)
    }
}

impl fmt::Display for GoDuration {
    /// `1h2m3.5s`, `1.5ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let decimal = |nanos: u64, unit: u64| {
            let width = unit.ilog10() as usize;
            let text = format!("{}.{:0width$}", nanos / unit, nanos % unit);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{sign}{nanos}ns"),
            1_000..1_000_000 => write!(f, "{sign}{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{sign}{}ms", decimal(nanos, 1_000_000)),
            _ => {
                let (hours, minutes) = (nanos / 3_600_000_000_000, nanos / 60_000_000_000 % 60);
                let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
                match (hours, minutes) {
                    (0, 0) => write!(f, "{sign}{seconds}s"),
                    (0, _) => write!(f, "{sign}{minutes}m{seconds}s"),
                    _ => write!(f, "{sign}{hours}h{minutes}m{seconds}s"),
                }
            }
        }
    }
}

impl Object for GoDuration {
    fn type_name(&self) -> &str {
        "time.Duration"
    }

    fn method(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        #[expect(clippy::cast_precision_loss, reason = "as in the original")]
        let nanos = self.0 as f64;
        Some(Ok(match (name, args) {
            ("Seconds", []) => Value::Float(nanos / 1e9),
            ("Minutes", []) => Value::Float(nanos / 6e10),
            ("Hours", []) => Value::Float(nanos / 3.6e12),
            ("Milliseconds", []) => Value::Int(self.0 / 1_000_000),
            ("Microseconds", []) => Value::Int(self.0 / 1_000),
            ("Nanoseconds", []) => Value::Int(self.0),
            ("String", []) => Value::text(self.to_string()),
            _ => return None,
        }))
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_in_the_original() {
        let duration = |seconds: f64| Value::object(GoDuration::from_seconds(seconds)).to_string();
        for (seconds, want) in
            [(0.0, "0s"), (3723.5, "1h2m3.5s"), (60.0, "1m0s"), (0.0015, "1.5ms"), (-2.0, "-2s")]
        {
            assert_eq!(duration(seconds), want);
        }
        assert_eq!(GoDuration::from_std(Duration::MAX).0, i64::MAX);
    }
}
