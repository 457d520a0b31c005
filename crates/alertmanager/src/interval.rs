//! Times of day, week, month and year at which routes are muted or active.
//!
//! Source: `spec/alertmanager-pushgateway.md` §A1.5.

mod parse;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use crate::config::section::Blank;

/// Fields that all must hold; each is a list of which one must hold, empty for any.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct IntervalSpec {
    /// Minutes of the day, the end excluded.
    times: Vec<(i32, i32)>,
    /// 0 is Sunday.
    weekdays: Vec<(i32, i32)>,
    /// From 1; negative ones count from the end of the month.
    days_of_month: Vec<(i32, i32)>,
    months: Vec<(i32, i32)>,
    years: Vec<(i32, i32)>,
    /// UTC without one.
    zone: Option<TimeZone>,
    /// As it was written, for printing.
    written: serde_json::Value,
}

impl Serialize for IntervalSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written.serialize(serializer)
    }
}

impl Blank for IntervalSpec {
    fn is_blank(&self) -> bool {
        false
    }
}

impl IntervalSpec {
    /// Returns whether `at` lies in it.
    pub(crate) fn contains(&self, at: Timestamp) -> bool {
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        let clock: DateTime = at.to_zoned(zone).datetime();
        let minute = i32::from(clock.hour()) * 60 + i32::from(clock.minute());
        let weekday = i32::from(clock.weekday().to_sunday_zero_offset());
        let within = |ranges: &[(i32, i32)], value: i32| {
            ranges.is_empty() || ranges.iter().any(|(first, last)| (*first..=*last).contains(&value))
        };
        let is_time =
            self.times.is_empty() || self.times.iter().any(|(from, to)| (*from..*to).contains(&minute));
        is_time
            && within(&self.weekdays, weekday)
            && self.is_day_of_month(i32::from(clock.day()), i32::from(clock.days_in_month()))
            && within(&self.months, i32::from(clock.month()))
            && within(&self.years, i32::from(clock.year()))
    }

    fn is_day_of_month(&self, day: i32, n_days: i32) -> bool {
        let from_start = |day: i32| if day < 0 { n_days + day + 1 } else { day };
        self.days_of_month.is_empty()
            || self.days_of_month.iter().any(|(begin, end)| {
                let (begin, end) = (from_start(*begin), from_start(*end));
                // A range that begins behind the month's end is skipped; one that ends there is cut.
                begin <= n_days && (begin.max(1)..=end.min(n_days)).contains(&day)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<IntervalSpec, String> {
        let node = wf_config::yaml::parse(text).unwrap().unwrap();
        let mut reader = wf_config::yaml::reader::Reader::default();
        let spec = reader.read(&node);
        reader.into_problems().first().map_or(Ok(spec), |problem| Err(problem.to_string()))
    }

    fn check(spec: &str, at: &str, want: bool) {
        assert_eq!(read(spec).unwrap().contains(at.parse().unwrap()), want, "{spec} {at}");
    }

    #[test]
    fn all_fields_must_hold_and_any_of_their_ranges() {
        let spec = "{times: [{start_time: '09:00', end_time: '17:00'}], weekdays: ['Monday:Friday']}";
        check(spec, "2026-11-20T09:00:00Z", true);
        check(spec, "2026-11-20T17:00:00Z", false);
        check(spec, "2026-11-21T12:00:00Z", false);
        check("{}", "2026-11-21T12:00:00Z", true);
        check("{months: ['november', '1:2'], years: ['2026:2027']}", "2026-11-21T12:00:00Z", true);
        check("{months: [march], years: [2026]}", "2026-11-21T12:00:00Z", false);
    }

    #[test]
    fn zones_shift_the_clock_also_across_daylight_saving() {
        let spec = "{times: [{start_time: '09:00', end_time: '10:00'}], location: Europe/Berlin}";
        check(spec, "2026-07-01T07:30:00Z", true);
        check(spec, "2026-12-01T08:30:00Z", true);
        check(spec, "2026-12-01T07:30:00Z", false);
        assert!(read("{location: Nowhere/Town}").is_err());
    }

    #[test]
    fn days_count_from_either_end_of_the_month() {
        check("{days_of_month: ['-1']}", "2026-02-28T12:00:00Z", true);
        check("{days_of_month: ['-3:-1']}", "2026-11-28T12:00:00Z", true);
        check("{days_of_month: ['27:-1']}", "2026-02-28T12:00:00Z", true);
        check("{days_of_month: ['31']}", "2026-11-30T12:00:00Z", false);
        check("{days_of_month: ['29:31']}", "2026-11-30T12:00:00Z", true);
        for bad in ["'28:-1'", "'0'", "'32'", "'-1:5'", "'5:4'"] {
            assert!(read(&format!("{{days_of_month: [{bad}]}}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_and_names_are_checked() {
        for bad in [
            "{times: [{start_time: '9:00', end_time: '17:00'}]}",
            "{times: [{start_time: '17:00', end_time: '09:00'}]}",
            "{times: [{start_time: '17:00'}]}",
            "{times: [{start_time: '17:00', end_time: '24:01'}]}",
            "{weekdays: ['friday:monday']}",
            "{weekdays: ['fri']}",
            "{months: ['march:january']}",
            "{years: ['2027:2026']}",
            "{hours: ['1']}",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        check("{times: [{start_time: '00:00', end_time: '24:00'}]}", "2026-11-21T23:59:00Z", true);
    }
}
