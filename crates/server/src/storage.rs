//! From the configuration file's words about storage to those of the database.

use std::time::Duration;

use tracing::warn;
use wf_config::{FloatEncoding, RetentionConfig, StorageConfig};
use wf_tsdb::{Retention, Tsdb, TsdbOptions};

/// What flags say about storage, for everything the configuration file leaves open.
#[derive(Clone, Debug)]
pub(crate) struct StorageFlags {
    pub(crate) options: TsdbOptions,
    /// Whether exemplars are kept at all.
    pub(crate) keeps_exemplars: bool,
}

impl StorageFlags {
    /// Returns the options to open the database with.
    pub(crate) fn with_config(&self, config: &StorageConfig) -> TsdbOptions {
        TsdbOptions {
            retention: self.retention(config),
            out_of_order_window_ms: ms(config.out_of_order_window),
            stale_share_max: Some(config.stale_share_max).filter(|share| *share > 0.0),
            xor2: config.float_encoding.map_or(self.options.xor2, |encoding| encoding == FloatEncoding::Xor2),
            exemplars_max: self.exemplars_max(config),
            ..self.options.clone()
        }
    }

    /// Changes an open database to `new`; what can only be chosen at its opening is warned of.
    /// # Errors
    /// Why it cannot be changed, for people.
    pub(crate) fn reload(&self, tsdb: &Tsdb, old: &StorageConfig, new: &StorageConfig) -> Result<(), String> {
        tsdb.set_out_of_order_window(ms(new.out_of_order_window)).map_err(|error| error.to_string())?;
        tsdb.set_retention(self.retention(new));
        if self.exemplars_max(old) != self.exemplars_max(new) {
            tsdb.resize_exemplars(self.exemplars_max(new));
        }
        let (old, new) = (self.with_config(old), self.with_config(new));
        if old.xor2 != new.xor2 {
            warn!("storage.tsdb.chunk_encoding was changed: the new value holds from the next start on");
        }
        if old.stale_share_max != new.stale_share_max {
            warn!(
                "storage.tsdb.stale_series_compaction_threshold was changed: the new value holds from the next start on"
            );
        }
        Ok(())
    }

    /// The section of the file replaces the flags as a whole: what it leaves out is no limit.
    fn retention(&self, config: &StorageConfig) -> Retention {
        config.retention.map_or(self.options.retention, |RetentionConfig { time, bytes, percentage }| {
            Retention { time_ms: time.map(ms), bytes, percentage }
        })
    }

    fn exemplars_max(&self, config: &StorageConfig) -> usize {
        if self.keeps_exemplars { config.exemplars_max } else { 0 }
    }
}

/// Returns the limits for people; `flags` are those that hold without a section in the file.
pub(crate) fn described(config: &StorageConfig, flags: &str) -> String {
    let Some(RetentionConfig { time, bytes, percentage }) = config.retention else {
        return flags.to_owned();
    };
    let time = time.map(wf_model::duration::format);
    let bytes = bytes.map(|bytes| format!("{bytes}B"));
    let percentage = percentage.map(|percentage| format!("{percentage}%"));
    [time, bytes, percentage].into_iter().flatten().collect::<Vec<_>>().join(" or ")
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> StorageFlags {
        let retention = Retention { time_ms: Some(5), bytes: Some(6), percentage: None };
        StorageFlags { options: TsdbOptions { retention, ..TsdbOptions::default() }, keeps_exemplars: true }
    }

    #[test]
    fn retention_in_the_file_replaces_all_flags() {
        let by = |retention| flags().with_config(&StorageConfig { retention, ..StorageConfig::default() });
        assert_eq!(by(None).retention, flags().options.retention);
        assert_eq!(by(Some(RetentionConfig::default())).retention, Retention::default());
        let size = RetentionConfig { bytes: Some(7), ..RetentionConfig::default() };
        assert_eq!(by(Some(size)).retention, Retention { bytes: Some(7), ..Retention::default() });
        let config = StorageConfig { retention: Some(size), ..StorageConfig::default() };
        assert_eq!(described(&config, "15d"), "7B");
        assert_eq!(described(&StorageConfig::default(), "15d"), "15d");
    }

    #[test]
    fn exemplars_are_kept_only_with_their_feature() {
        let config = StorageConfig::default();
        assert_eq!(flags().with_config(&config).exemplars_max, 100_000);
        let off = StorageFlags { keeps_exemplars: false, ..flags() };
        assert_eq!(off.with_config(&config).exemplars_max, 0);
    }

    #[test]
    fn the_file_chooses_the_encoding_and_the_features_where_it_is_silent() {
        let mut flags = flags();
        flags.options.xor2 = true;
        let by = |float_encoding| {
            flags.with_config(&StorageConfig { float_encoding, ..StorageConfig::default() }).xor2
        };
        assert_eq!(
            (by(None), by(Some(FloatEncoding::Xor)), by(Some(FloatEncoding::Xor2))),
            (true, false, true)
        );
    }
}
