//! Parts of a date, UTC.

use super::CallSite;
use super::math::MapSteps;
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::names::drop_names;
use crate::engine::operator::BoxVector;
use crate::engine::scalar::Scalar;
use crate::functions::FunctionId;

const SECONDS_PER_DAY: i64 = 86_400;

/// Builds `year`, `month`, …; `None` for any other function.
pub(crate) fn build(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<Option<BoxVector>, QueryError> {
    let Some(part) = part_of(at.id) else { return Ok(None) };
    let grid = at.site.grid;
    if at.args.is_empty() {
        let now = (0..grid.n_steps).map(|step| part(grid.time_ms(step).div_euclid(1000)));
        return super::constant_vector(&Scalar::Steps(now.collect()), at, cx).map(Some);
    }
    let dated = MapSteps { op: at.vector(0, cx)?, f: move |value, _| Some(part(whole_seconds(value))) };
    drop_names(Box::new(dated), cx).map(Some)
}

/// Cuts a time to whole seconds. What no 64-bit time can be, NaN included, is the end of time: dashboards know these
/// dates from Go on x86-64, where all of it becomes 2^63 s.
#[expect(clippy::cast_possible_truncation, reason = "checked against the range of i64")]
fn whole_seconds(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if value > -LIMIT && value < LIMIT { value as i64 } else { i64::MAX }
}

fn part_of(id: FunctionId) -> Option<fn(i64) -> f64> {
    Some(match id {
        FunctionId::Minute => |seconds| (seconds.rem_euclid(3600) / 60) as f64,
        FunctionId::Hour => |seconds| (seconds.rem_euclid(SECONDS_PER_DAY) / 3600) as f64,
        // 1970-01-01 was a Thursday, day 4 of a week that begins with Sunday.
        FunctionId::DayOfWeek => |seconds| ((days(seconds) + 4).rem_euclid(7)) as f64,
        FunctionId::DayOfMonth => |seconds| civil(days(seconds)).day as f64,
        FunctionId::DayOfYear => |seconds| {
            let date = civil(days(seconds));
            (days(seconds) - days_from_civil(date.year, 1, 1) + 1) as f64
        },
        FunctionId::DaysInMonth => |seconds| {
            let date = civil(days(seconds));
            let (year, month) =
                if date.month == 12 { (date.year + 1, 1) } else { (date.year, date.month + 1) };
            (days_from_civil(year, month, 1) - days_from_civil(date.year, date.month, 1)) as f64
        },
        FunctionId::Month => |seconds| civil(days(seconds)).month as f64,
        FunctionId::Year => |seconds| civil(days(seconds)).year as f64,
        _ => return None,
    })
}

fn days(seconds: i64) -> i64 {
    seconds.div_euclid(SECONDS_PER_DAY)
}

struct Civil {
    year: i64,
    month: i64,
    day: i64,
}

const DAYS_PER_ERA: i64 = 146_097;

/// Returns the Gregorian date of a day counted from 1970-01-01. Eras of 400 years begin on 1 March, so that the leap
/// day is the last of its year; month lengths from March on follow (153 m + 2) / 5.
fn civil(days: i64) -> Civil {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(DAYS_PER_ERA), shifted.rem_euclid(DAYS_PER_ERA));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil { year, month, day: day_of_year - (153 * march_month + 2) / 5 + 1 }
}

/// Returns the day of a Gregorian date, counted from 1970-01-01: the inverse of [`civil`].
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let march_year = year - i64::from(month <= 2);
    let (era, year_of_era) = (march_year.div_euclid(400), march_year.rem_euclid(400));
    let march_month = (month + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_is_the_end_of_time() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            let date = civil(days(whole_seconds(value)));
            assert_eq!((date.year, date.month, date.day), (292_277_026_596, 12, 4), "{value}");
        }
        assert_eq!((whole_seconds(-1.5), whole_seconds(1.5)), (-1, 1));
    }

    #[test]
    fn every_day_of_a_millennium_survives_the_round_trip() {
        for day in -365_250..365_250 {
            let date = civil(day);
            assert_eq!(days_from_civil(date.year, date.month, date.day), day);
        }
        let date = civil(days(1_136_239_445));
        assert_eq!((date.year, date.month, date.day), (2006, 1, 2));
    }
}
