//! Times of alerts: an instant and the UTC offset it was written with, which the original keeps.

use std::fmt;

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// An instant with the offset in which it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant {
    pub(crate) at: Timestamp,
    pub(crate) offset: Offset,
}

impl Instant {
    /// Returns `at` in the zone of this machine, as times that the server assigns are shown.
    pub(crate) fn local(at: Timestamp) -> Self {
        Self { at, offset: TimeZone::system().to_offset(at) }
    }

    /// Returns `at` in UTC.
    pub(crate) fn utc(at: Timestamp) -> Self {
        Self { at, offset: Offset::UTC }
    }

    /// Parses RFC 3339 and its common abbreviations: a space for `T`, no zone, no seconds' fraction, a date alone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // What programs send: UTC, in full.
        if text.ends_with('Z')
            && let Ok(at) = text.parse::<Timestamp>()
        {
            return Some(Self::utc(at));
        }
        let (clock, offset) = split_offset(text)?;
        let clock =
            if clock.len() == "2006-01-02".len() { format!("{clock}T00:00:00") } else { clock.to_owned() };
        let datetime: jiff::civil::DateTime = clock.parse().ok()?;
        let at = offset.to_timestamp(datetime).ok()?;
        Some(Self { at, offset })
    }

    /// Writes RFC 3339 with up to nine decimals, without zeros at their end.
    pub(crate) fn nanos(self) -> String {
        let nanos = self.at.subsec_nanosecond();
        let fraction = if nanos == 0 { String::new() } else { format!(".{nanos:09}") };
        self.text(fraction.trim_end_matches('0'))
    }

    /// Returns RFC 3339 with three decimals.
    pub(crate) fn millis(self) -> String {
        let mut out = String::with_capacity("2006-01-02T15:04:05.000+00:00".len());
        self.write_millis(&mut out);
        out
    }

    /// Writes RFC 3339 with three decimals. By hand: lists of alerts have three of them each.
    pub(crate) fn write_millis(self, out: &mut String) {
        let clock = self.offset.to_datetime(self.at);
        let part = |value: i16, n_digits: u32| (u32::from(value.unsigned_abs()), n_digits);
        let millis = i16::try_from(clock.subsec_nanosecond() / 1_000_000).unwrap_or(0);
        let parts = [
            (part(clock.year(), 4), "-"),
            (part(clock.month().into(), 2), "-"),
            (part(clock.day().into(), 2), "T"),
            (part(clock.hour().into(), 2), ":"),
            (part(clock.minute().into(), 2), ":"),
            (part(clock.second().into(), 2), "."),
            (part(millis, 3), ""),
        ];
        for ((value, n_digits), behind) in parts {
            for place in (0..n_digits).rev() {
                let digit = value / 10_u32.pow(place) % 10;
                out.push(char::from_digit(digit, 10).unwrap_or('0'));
            }
            out.push_str(behind);
        }
        match self.offset.seconds() {
            0 => out.push('Z'),
            // Writing to a string cannot fail.
            _ => drop(std::fmt::Write::write_fmt(out, format_args!("{}", OffsetText(self.offset)))),
        }
    }

    fn text(self, fraction: &str) -> String {
        let clock = self.offset.to_datetime(self.at).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        format!("{clock}{fraction}{}", OffsetText(self.offset))
    }
}

/// `Z`, `+02:00`.
struct OffsetText(Offset);

impl fmt::Display for OffsetText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.seconds();
        if seconds == 0 {
            return f.write_str("Z");
        }
        let sign = if seconds < 0 { '-' } else { '+' };
        let minutes = seconds.unsigned_abs() / 60;
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

fn split_offset(text: &str) -> Option<(&str, Offset)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, Offset::UTC));
    }
    // The date has dashes of its own: the zone is behind the time's colon.
    let Some(colon) = text.find(':') else { return Some((text, Offset::UTC)) };
    let Some(sign) = text.get(colon..)?.find(['+', '-']).map(|at| at + colon) else {
        return Some((text, Offset::UTC));
    };
    let digits: String = text.get(sign + 1..)?.chars().filter(|ch| *ch != ':').collect();
    let (hours, minutes) = (digits.get(..2)?.parse::<i32>().ok()?, digits.get(2..4)?.parse::<i32>().ok()?);
    let seconds = (hours * 60 + minutes) * 60;
    let seconds = if text.get(sign..)?.starts_with('-') { -seconds } else { seconds };
    Some((text.get(..sign)?, Offset::from_seconds(seconds).ok()?))
}

/// Adds, staying within what a timestamp can be.
pub(crate) fn after(at: Timestamp, duration: std::time::Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    at.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

/// Subtracts, staying within what a timestamp can be.
pub(crate) fn before(at: Timestamp, duration: std::time::Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    at.saturating_sub(duration).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_the_offset_they_came_with() {
        let check = |text: &str, nanos: &str, millis: &str| {
            let instant = Instant::parse(text).unwrap();
            assert_eq!((instant.nanos().as_str(), instant.millis().as_str()), (nanos, millis), "{text}");
        };
        check("2026-01-02T03:04:05.120Z", "2026-01-02T03:04:05.12Z", "2026-01-02T03:04:05.120Z");
        check("2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05.000+02:00");
        check("2026-01-02 03:04:05-0130", "2026-01-02T03:04:05-01:30", "2026-01-02T03:04:05.000-01:30");
        check("2026-01-02", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00.000Z");
        assert!(Instant::parse("yesterday").is_none() && Instant::parse("2026-13-02T00:00:00Z").is_none());
    }
}
