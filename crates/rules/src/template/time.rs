//! Times as templates print them.

use std::any::Any;
use std::fmt;

use jiff::Timestamp;
use wf_gotemplate::{Object, Value};

/// A time, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GoTime(pub(super) Timestamp);

impl GoTime {
    /// Returns the time `seconds` after 1970, to the millisecond.
    /// # Errors
    /// When it cannot be a time.
    pub(super) fn from_seconds(seconds: f64) -> Result<Self, String> {
        let millis = (seconds * 1000.0).round();
        if !millis.is_finite() {
            return Err("value is NaN or Inf".to_owned());
        }
        // Nanoseconds in 64 bits are what the original has.
        if millis.abs() >= 9.223e15 {
            return Err(format!(
                "{} cannot be represented as a nanoseconds timestamp since it overflows int64",
                Value::Float(seconds)
            ));
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        let time = Timestamp::from_millisecond(millis as i64);
        time.map(Self).map_err(|error| error.to_string())
    }
}

impl fmt::Display for GoTime {
    /// `2015-06-23 13:19:44.128 +0000 UTC`, the fraction without zeros at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let nanos = self.0.subsec_nanosecond();
        let fraction = if nanos == 0 { String::new() } else { format!(".{nanos:09}") };
        write!(f, "{text}{} +0000 UTC", fraction.trim_end_matches('0'))
    }
}

impl Object for GoTime {
    fn type_name(&self) -> &str {
        "time.Time"
    }

    fn method(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        let zoned = self.0.to_zoned(jiff::tz::TimeZone::UTC);
        let value = match (name, args) {
            ("Unix", []) => Value::Int(self.0.as_second()),
            ("UTC" | "Local", []) => Value::object(*self),
            ("Year", []) => Value::Int(i64::from(zoned.year())),
            ("Day", []) => Value::Int(i64::from(zoned.day())),
            ("Hour", []) => Value::Int(i64::from(zoned.hour())),
            ("Minute", []) => Value::Int(i64::from(zoned.minute())),
            ("Second", []) => Value::Int(i64::from(zoned.second())),
            ("YearDay", []) => Value::Int(i64::from(zoned.day_of_year())),
            ("IsZero", []) => Value::Bool(false),
            _ => return None,
        };
        Some(Ok(value))
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_in_the_original() {
        let time = |seconds: f64| GoTime::from_seconds(seconds).unwrap().to_string();
        assert_eq!(time(1_435_065_584.128), "2015-06-23 13:19:44.128 +0000 UTC");
        assert_eq!(time(0.0), "1970-01-01 00:00:00 +0000 UTC");
        assert!(GoTime::from_seconds(1e30).is_err());
    }
}
