//! Times as Go's templates have them, layouts included.

use std::any::Any;
use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use wf_gotemplate::{GoDuration, Object, Value};

use crate::instant::Instant;

/// A time; none is Go's zero time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GoTime(pub(crate) Option<Instant>);

fn between(late: Timestamp, early: Timestamp) -> GoDuration {
    let nanos = late.as_nanosecond() - early.as_nanosecond();
    GoDuration(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
}

impl GoTime {
    /// Returns the instant; Go's zero time is the first of January of the year 1.
    fn instant(self) -> Instant {
        self.0.unwrap_or_else(|| {
            let zero = jiff::civil::date(1, 1, 1).at(0, 0, 0, 0);
            Instant::utc(Offset::UTC.to_timestamp(zero).unwrap_or(Timestamp::UNIX_EPOCH))
        })
    }

    fn clock(self) -> DateTime {
        let Instant { at, offset } = self.instant();
        offset.to_datetime(at)
    }

    /// Returns the same instant in a zone.
    pub(super) fn within(self, zone: &TimeZone) -> Self {
        let at = self.instant().at;
        Self(Some(Instant { at, offset: zone.to_offset(at) }))
    }

    /// Writes the time by an example of Go's: the second of January 2006 at 15:04:05.
    pub(super) fn format(self, layout: &str) -> String {
        let mut out = String::new();
        let mut rest = layout;
        while !rest.is_empty() {
            let known = LAYOUT.iter().find(|(example, _)| rest.starts_with(example));
            match known {
                Some((example, directive)) => {
                    out.push_str(&self.element(directive));
                    rest = rest.get(example.len()..).unwrap_or_default();
                }
                None => match fraction_of(rest) {
                    Some((length, keeps_zeros)) => {
                        out.push_str(&self.fraction(rest, length, keeps_zeros));
                        rest = rest.get(length..).unwrap_or_default();
                    }
                    None => {
                        let ch = rest.chars().next().unwrap_or(' ');
                        out.push(ch);
                        rest = rest.get(ch.len_utf8()..).unwrap_or_default();
                    }
                },
            }
        }
        out
    }

    fn element(self, directive: &str) -> String {
        let clock = self.clock();
        let offset = self.instant().offset;
        match directive {
            "zone" if offset.seconds() == 0 => "UTC".to_owned(),
            "zone" => offset_text(offset, ""),
            "offset" => offset_text(offset, ""),
            "offset:" => offset_text(offset, ":"),
            "Z" | "Z:" if offset.seconds() == 0 => "Z".to_owned(),
            "Z" => offset_text(offset, ""),
            "Z:" => offset_text(offset, ":"),
            "month" => clock.month().to_string(),
            "day" => clock.day().to_string(),
            "_day" => format!("{:2}", clock.day()),
            "hour12" => ((clock.hour() + 11) % 12 + 1).to_string(),
            "minute" => clock.minute().to_string(),
            "second" => clock.second().to_string(),
            "pm" => if clock.hour() < 12 { "am" } else { "pm" }.to_owned(),
            directive => clock.strftime(directive).to_string(),
        }
    }

    /// `.000` keeps zeros, `.999` cuts them.
    fn fraction(self, rest: &str, length: usize, keeps_zeros: bool) -> String {
        let nanos = format!("{:09}", self.clock().subsec_nanosecond());
        let digits = nanos.get(..(length - 1).min(9)).unwrap_or_default();
        let separator = rest.get(..1).unwrap_or(".");
        match keeps_zeros {
            true => format!("{separator}{digits}"),
            false if digits.trim_end_matches('0').is_empty() => String::new(),
            false => format!("{separator}{}", digits.trim_end_matches('0')),
        }
    }

    /// Reads a time by an example.
    pub(super) fn parse(layout: &str, text: &str) -> Result<Self, String> {
        let mut format = String::new();
        let mut rest = layout;
        while !rest.is_empty() {
            let known = LAYOUT.iter().find(|(example, _)| rest.starts_with(example));
            let length = match (known, fraction_of(rest)) {
                (Some((example, directive)), _) => {
                    format.push_str(match *directive {
                        "zone" => "%Z",
                        "offset" | "Z" => "%z",
                        "offset:" | "Z:" => "%:z",
                        "month" => "%m",
                        "day" | "_day" => "%d",
                        "hour12" => "%I",
                        "minute" => "%M",
                        "second" => "%S",
                        "pm" => "%P",
                        directive => directive,
                    });
                    example.len()
                }
                (None, Some((length, _))) => {
                    format.push_str("%.f");
                    length
                }
                (None, None) => {
                    let ch = rest.chars().next().unwrap_or(' ');
                    if ch == '%' {
                        format.push('%');
                    }
                    format.push(ch);
                    ch.len_utf8()
                }
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        let failed = |error: jiff::Error| format!("parsing time {text:?} as {layout:?}: {error}");
        // The suffix Z stands for an offset.
        let zulu = text.strip_suffix('Z').map(|clock| format!("{clock}+00:00"));
        let parsed = jiff::fmt::strtime::parse(&format, zulu.as_deref().unwrap_or(text)).map_err(failed)?;
        let offset = parsed.offset().unwrap_or(Offset::UTC);
        let clock = parsed
            .to_datetime()
            .or_else(|_| parsed.to_date().map(|date| date.at(0, 0, 0, 0)))
            .map_err(failed)?;
        let at = offset.to_timestamp(clock).map_err(failed)?;
        Ok(Self(Some(Instant { at, offset })))
    }
}

/// Parts of a layout, longest first, and what they stand for: a `strftime` directive or a name of ours.
const LAYOUT: [(&str, &str); 27] = [
    ("January", "%B"),
    ("Monday", "%A"),
    ("Z07:00", "Z:"),
    ("-07:00", "offset:"),
    ("-0700", "offset"),
    ("Z0700", "Z"),
    ("2006", "%Y"),
    ("002", "%j"),
    ("Jan", "%b"),
    ("Mon", "%a"),
    ("MST", "zone"),
    ("-07", "offset"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("_2", "_day"),
    ("PM", "%p"),
    ("pm", "pm"),
    ("1", "month"),
    ("2", "day"),
    ("3", "hour12"),
    ("4", "minute"),
    ("5", "second"),
];

/// Returns the length of a fraction such as `.000`, and whether it keeps zeros.
fn fraction_of(rest: &str) -> Option<(usize, bool)> {
    let body = rest.strip_prefix(['.', ','])?;
    let digit = body.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
    let length = body.chars().take_while(|ch| *ch == digit).count();
    // A digit behind makes it something else.
    let is_over = !body.get(length..)?.starts_with(|ch: char| ch.is_ascii_digit());
    is_over.then_some((length + 1, digit == '0'))
}

fn offset_text(offset: Offset, separator: &str) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60)
}

/// Returns the duration a value is.
fn duration_of(value: &Value) -> Result<GoDuration, String> {
    let object = match value {
        Value::Int(nanos) => return Ok(GoDuration(*nanos)),
        Value::Object(object) => object.as_any().downcast_ref::<GoDuration>(),
        _ => None,
    };
    object
        .copied()
        .ok_or_else(|| format!("wrong type for value; expected time.Duration; got {}", value.type_name()))
}

/// Returns the time a value is.
pub(super) fn time_of(value: &Value) -> Result<GoTime, String> {
    let object = match value {
        Value::Object(object) => object.as_any().downcast_ref::<GoTime>(),
        _ => None,
    };
    object
        .copied()
        .ok_or_else(|| format!("wrong type for value; expected time.Time; got {}", value.type_name()))
}

impl Object for GoTime {
    fn type_name(&self) -> &str {
        "time.Time"
    }

    fn method(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        let at = self.instant().at;
        let clock = self.clock();
        let moved = |duration: GoDuration| {
            let at = at.saturating_add(SignedDuration::from_nanos(duration.0)).unwrap_or(at);
            Value::object(Self(Some(Instant { at, ..self.instant() })))
        };
        let whole = |number: i64| Ok(Value::Int(number));
        Some(match (name, args) {
            ("Format", [layout]) => Ok(Value::text(self.format(&layout.to_string()))),
            ("String", []) => Ok(Value::text(Value::object(*self).to_string())),
            ("Sub", [other]) => time_of(other).map(|other| Value::object(between(at, other.instant().at))),
            ("Add", [duration]) => duration_of(duration).map(moved),
            ("Before", [other]) => time_of(other).map(|other| Value::Bool(at < other.instant().at)),
            ("After", [other]) => time_of(other).map(|other| Value::Bool(at > other.instant().at)),
            ("Equal", [other]) => time_of(other).map(|other| Value::Bool(at == other.instant().at)),
            ("UTC", []) => Ok(Value::object(self.within(&TimeZone::UTC))),
            ("Local", []) => Ok(Value::object(self.within(&TimeZone::system()))),
            ("Unix", []) => whole(at.as_second()),
            ("UnixMilli", []) => whole(at.as_millisecond()),
            ("UnixNano", []) => whole(i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)),
            ("IsZero", []) => Ok(Value::Bool(self.0.is_none())),
            ("Year", []) => whole(i64::from(clock.year())),
            ("Month", []) => Ok(Value::text(self.format("January"))),
            ("Day", []) => whole(i64::from(clock.day())),
            ("Weekday", []) => Ok(Value::text(self.format("Monday"))),
            ("Hour", []) => whole(i64::from(clock.hour())),
            ("Minute", []) => whole(i64::from(clock.minute())),
            ("Second", []) => whole(i64::from(clock.second())),
            ("Nanosecond", []) => whole(i64::from(clock.subsec_nanosecond())),
            ("YearDay", []) => whole(i64::from(clock.date().day_of_year())),
            _ => return None,
        })
    }

    /// `2015-06-23 13:19:44.128 +0000 UTC`.
    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
