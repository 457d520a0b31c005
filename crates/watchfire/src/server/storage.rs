//! Flags about how long data is kept and how large blocks get, in the original's spelling.

use std::time::Duration;

use wf_tsdb::{Retention, TsdbOptions};

/// How long data is kept when nobody says.
pub(super) const RETENTION: Duration = Duration::from_secs(15 * 24 * 3600);

/// Options of the storage.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct StorageOptions {
    /// How long data is kept; 15d when neither this nor a size is given. Deprecated, as is the size: use
    /// storage.tsdb.retention of the configuration, which replaces both
    #[arg(long = "storage.tsdb.retention.time", value_parser = super::duration)]
    pub(crate) retention_time: Option<Duration>,
    /// Most bytes of data kept, such as 512MB; units B, KB, MB, GB, TB, PB, EB, each 1024 of the one before
    #[arg(long = "storage.tsdb.retention.size", value_parser = bytes)]
    pub(crate) retention_size: Option<u64>,
    /// Most of the file system that data may take, percent
    #[arg(long = "storage.tsdb.retention.percentage", value_parser = percentage)]
    pub(crate) retention_percentage: Option<f64>,
    /// Range of the blocks cut from memory
    #[arg(long = "storage.tsdb.min-block-duration", default_value = "2h", value_parser = super::duration, hide = true)]
    pub(crate) min_block_duration: Duration,
    /// Longest block that compaction makes [default: a tenth of the retention time, at most 31d]
    #[arg(long = "storage.tsdb.max-block-duration", value_parser = super::duration, hide = true)]
    pub(crate) max_block_duration: Option<Duration>,
}

impl StorageOptions {
    /// Puts what was asked for into the options of the database.
    pub(crate) fn apply(&self, options: &mut TsdbOptions) {
        options.chunk_range_ms = ms(self.min_block_duration);
        options.block_range_max_ms = self.max_block_duration.map(ms);
        options.retention = Retention {
            time_ms: self.retention().map(ms),
            bytes: self.retention_size,
            percentage: self.retention_percentage,
        };
    }

    /// Returns how long data is kept; `None` when only its size counts.
    fn retention(&self) -> Option<Duration> {
        let by_size = self.retention_size.is_some() || self.retention_percentage.is_some();
        self.retention_time.or(if by_size { None } else { Some(RETENTION) })
    }

    /// Returns the limits as `/api/v1/status/runtimeinfo` tells them.
    pub(crate) fn described(&self) -> String {
        let time = self.retention().map(wf_model::duration::format);
        let size = self.retention_size.map(|bytes| format!("{bytes}B"));
        let percentage = self.retention_percentage.map(|percentage| format!("{percentage}%"));
        [time, size, percentage].into_iter().flatten().collect::<Vec<_>>().join(" or ")
    }

    /// Returns the flags with their values, for `/api/v1/status/flags`.
    pub(crate) fn flags(&self) -> Vec<(&'static str, String)> {
        let time = |duration: Option<Duration>| duration.map_or_else(String::new, wf_model::duration::format);
        vec![
            ("storage.tsdb.retention.time", time(self.retention_time)),
            ("storage.tsdb.retention.size", format!("{}B", self.retention_size.unwrap_or(0))),
            ("storage.tsdb.min-block-duration", time(Some(self.min_block_duration))),
            ("storage.tsdb.max-block-duration", time(self.max_block_duration)),
        ]
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Reads a size such as `512MB`; units are powers of 1024, as in the original.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|ch: char| !ch.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let number: u64 = number.parse().map_err(|_| format!("{text:?} does not begin with a number"))?;
    let power = match unit {
        "B" => 0,
        "" if number == 0 => 0,
        "KB" | "KiB" | "K" => 1,
        "MB" | "MiB" | "M" => 2,
        "GB" | "GiB" | "G" => 3,
        "TB" | "TiB" | "T" => 4,
        "PB" | "PiB" | "P" => 5,
        "EB" | "EiB" | "E" => 6,
        _ => return Err(format!("{unit:?} is no unit: use B, KB, MB, GB, TB, PB or EB")),
    };
    number.checked_mul(1 << (10 * power)).ok_or_else(|| format!("{text} is more than can be counted"))
}

pub(super) fn percentage(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.0..=100.0).contains(&number) {
        Ok(number)
    } else {
        Err("use a number between 0 and 100".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_in_powers_of_1024() {
        assert_eq!(bytes("512MB"), Ok(512 << 20));
        assert_eq!(
            (bytes("1B"), bytes("0"), bytes("2KB"), bytes("1EB")),
            (Ok(1), Ok(0), Ok(2048), Ok(1 << 60))
        );
        for text in ["", "MB", "5", "5XB", "-1B", "1.5GB", "99EB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fifteen_days_are_kept_unless_something_else_is_said() {
        let options = |time, size| StorageOptions {
            retention_time: time,
            retention_size: size,
            min_block_duration: Duration::from_secs(7200),
            ..StorageOptions::default()
        };
        let retention = |time, size| {
            let mut applied = TsdbOptions::default();
            options(time, size).apply(&mut applied);
            applied.retention
        };
        assert_eq!(retention(None, None).time_ms, Some(15 * 86_400_000));
        assert_eq!((retention(None, Some(5)).time_ms, retention(None, Some(5)).bytes), (None, Some(5)));
        assert_eq!(retention(Some(Duration::from_secs(1)), Some(5)).time_ms, Some(1000));
        assert_eq!(options(None, Some(5)).described(), "5B");
        assert_eq!(options(None, None).described(), "15d");
    }
}
