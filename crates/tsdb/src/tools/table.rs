//! Tables and numbers as the original prints them.

use std::fmt::Write;
use std::io;

/// Least width of a column.
const WIDTH_MIN: usize = 13;

/// Blanks between columns.
const PADDING: usize = 2;

/// Writes rows with columns of equal width; the last column is as wide as it is.
pub(super) fn write_table(out: &mut dyn io::Write, rows: &[Vec<String>]) -> io::Result<()> {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let longest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        (longest.unwrap_or(0) + PADDING).max(WIDTH_MIN)
    };
    let widths: Vec<usize> = (0..n_columns.saturating_sub(1)).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            match widths.get(column) {
                Some(width) => _ = write!(line, "{cell:<width$}"),
                None => line.push_str(cell),
            }
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Writes a span of time as Go does: `2h0m0s`, `3m20.001s`, `15ms`.
pub(super) fn go_duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    if ms == 0 {
        return "0s".to_owned();
    }
    if ms < 1000 {
        return format!("{sign}{ms}ms");
    }
    let (hours, minutes, seconds, rest) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
    let mut text = sign.to_owned();
    if hours > 0 {
        _ = write!(text, "{hours}h");
    }
    if ms >= 60_000 {
        _ = write!(text, "{minutes}m");
    }
    _ = write!(text, "{seconds}");
    if rest > 0 {
        _ = write!(text, ".{}", format!("{rest:03}").trim_end_matches('0'));
    }
    text.push('s');
    text
}

/// Writes bytes as the original does for people: `1MiB20KiB3B`.
pub(super) fn base_2_bytes(bytes: u64) -> String {
    if bytes == 0 {
        return "0B".to_owned();
    }
    let units = ["EiB", "PiB", "TiB", "GiB", "MiB", "KiB", "B"];
    let mut text = String::new();
    for (unit, shift) in units.iter().zip((0..=60).rev().step_by(10)) {
        let count = (bytes >> shift) & 1023;
        if count > 0 {
            _ = write!(text, "{count}{unit}");
        }
    }
    text
}

/// Writes a time as the original does for people: `2019-08-06 23:21:53 +0000 UTC`.
pub(super) fn utc_time(ms: i64) -> String {
    let seconds = ms.div_euclid(1000) + i64::from(ms < 0 && ms % 1000 != 0);
    let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 1 March of year 0; years of 400 repeat.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} +0000 UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_those_of_go() {
        let check = |ms, want| assert_eq!(go_duration(ms), want);
        check(0, "0s");
        check(1, "1ms");
        check(200_001, "3m20.001s");
        check(7_200_000, "2h0m0s");
        check(1_500, "1.5s");
        check(-61_000, "-1m1s");
        assert_eq!(base_2_bytes(906), "906B");
        assert_eq!(base_2_bytes((5 << 20) + (12 << 10) + 3), "5MiB12KiB3B");
        assert_eq!(base_2_bytes(1024), "1KiB");
        assert_eq!(base_2_bytes(u64::MAX), "15EiB1023PiB1023TiB1023GiB1023MiB1023KiB1023B");
        assert_eq!(utc_time(1_565_133_713_999), "2019-08-06 23:21:53 +0000 UTC");
        assert_eq!(utc_time(951_782_400_000), "2000-02-29 00:00:00 +0000 UTC");
        assert_eq!(utc_time(-1_000), "1969-12-31 23:59:59 +0000 UTC");
    }
}
