//! `storage`: settings of the database that a reload can change, as typed, as meant, and as printed.

use std::time::Duration;

use crate::file::{ExemplarsFile, StorageFile, TsdbFile};
use crate::print::tree::{Fields, Tree};
use crate::yaml::Position;
use crate::yaml::reader::{At, Reader};

/// Exemplars kept when nobody says.
const EXEMPLARS_MAX: usize = 100_000;

/// Settings of the database that a reload can change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StorageConfig {
    /// How far behind the newest sample an out-of-order one may be; zero: none is taken.
    pub out_of_order_window: Duration,
    /// How long data is kept; `None` leaves that to the flags, anything else replaces them.
    pub retention: Option<RetentionConfig>,
    /// Share of stale series from which on they leave memory early, 0 to 1; 0 is off.
    pub stale_share_max: f64,
    /// How floats are encoded; `None` leaves that to the features that are on.
    pub float_encoding: Option<FloatEncoding>,
    /// Exemplars kept at most, if the feature is on; 0 keeps none.
    pub exemplars_max: usize,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            out_of_order_window: Duration::ZERO,
            retention: None,
            stale_share_max: 0.0,
            float_encoding: None,
            exemplars_max: EXEMPLARS_MAX,
        }
    }
}

/// How long data is kept; what is `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RetentionConfig {
    /// Longest time.
    pub time: Option<Duration>,
    /// Most bytes.
    pub bytes: Option<u64>,
    /// Most of the file system, percent.
    pub percentage: Option<f64>,
}

/// An encoding of floats in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatEncoding {
    /// The one that every version reads.
    Xor,
    /// Its successor, which can hold start timestamps.
    Xor2,
}

pub(crate) fn resolve(file: &StorageFile, reader: &mut Reader) -> StorageConfig {
    let TsdbFile { out_of_order_time_window, retention, stale_series_compaction_threshold, chunk_encoding } =
        &file.tsdb;
    let retention = retention.as_ref().map(|retention| RetentionConfig {
        time: retention.time.filter(|time| !time.is_zero()),
        bytes: retention.size.map(|size| size.0).filter(|bytes| *bytes > 0),
        percentage: in_range(retention.percentage.as_ref(), 100.0, "retention.percentage", reader),
    });
    let stale = stale_series_compaction_threshold.as_ref();
    StorageConfig {
        out_of_order_window: out_of_order_time_window.unwrap_or_default(),
        retention,
        stale_share_max: in_range(stale, 1.0, "stale_series_compaction_threshold", reader).unwrap_or(0.0),
        float_encoding: chunk_encoding.floats.as_ref().and_then(|floats| float_encoding(floats, reader)),
        exemplars_max: exemplars_max(&file.exemplars),
    }
}

fn exemplars_max(file: &ExemplarsFile) -> usize {
    // Below zero there are none, as in the original.
    file.max_exemplars.map_or(EXEMPLARS_MAX, |max| usize::try_from(max).unwrap_or(0))
}

/// Zero is unset.
fn in_range(at: Option<&At<f64>>, max: f64, name: &str, reader: &mut Reader) -> Option<f64> {
    let At { value, position } = at?;
    if !(0.0..=max).contains(value) {
        report(reader, *position, format!("'storage.tsdb.{name}' must be in the range [0, {max}]"));
    }
    Some(*value).filter(|value| *value > 0.0 && *value <= max)
}

fn float_encoding(at: &At<String>, reader: &mut Reader) -> Option<FloatEncoding> {
    match at.value.as_str() {
        "xor" => return Some(FloatEncoding::Xor),
        "xor2" => return Some(FloatEncoding::Xor2),
        other => {
            let message = format!(
                "'storage.tsdb.chunk_encoding.floats' must be 'xor' or 'xor2', or the field must be omitted \
                 entirely, got {}",
                wf_model::quote::GoQuoted(other)
            );
            report(reader, at.position, message);
        }
    }
    None
}

fn report(reader: &mut Reader, position: Position, message: String) {
    reader.inside(".storage.tsdb".to_owned(), |reader| reader.report(position, message));
}

/// What differs from the defaults, or everything.
pub(crate) fn tree(storage: StorageConfig, shows_defaults: bool) -> Tree {
    let StorageConfig { out_of_order_window, retention, stale_share_max, float_encoding, exemplars_max } =
        storage;
    let mut tsdb = Fields::new(shows_defaults);
    let no_window = out_of_order_window.is_zero();
    tsdb.unless(no_window, "out_of_order_time_window", Tree::time(out_of_order_window));
    let is_off = stale_share_max <= 0.0;
    tsdb.unless(is_off, "stale_series_compaction_threshold", Tree::plain(stale_share_max));
    if let Some(RetentionConfig { time, bytes, percentage }) = retention {
        let mut fields = Fields::new(shows_defaults);
        fields.put("time", Tree::time(time.unwrap_or_default()));
        fields.unless(bytes.is_none(), "size", Tree::plain(format_args!("{}B", bytes.unwrap_or(0))));
        fields.unless(percentage.is_none(), "percentage", Tree::plain(percentage.unwrap_or(0.0)));
        tsdb.put("retention", fields.build());
    }
    if let Some(encoding) = float_encoding {
        let name = match encoding {
            FloatEncoding::Xor => "xor",
            FloatEncoding::Xor2 => "xor2",
        };
        tsdb.put("chunk_encoding", Tree::pairs([("floats", name)]));
    }
    let mut fields = Fields::new(shows_defaults);
    fields.filled("tsdb", tsdb.build());
    if shows_defaults || exemplars_max != EXEMPLARS_MAX {
        let max = ("max_exemplars".to_owned(), Tree::plain(exemplars_max));
        fields.put("exemplars", Tree::Map(vec![max]));
    }
    fields.build()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::load;

    fn storage(text: &str) -> StorageConfig {
        let config = load(text, Path::new("p.yml")).unwrap();
        let printed = crate::print::to_yaml(&config);
        assert_eq!(load(&printed, Path::new("p.yml")).unwrap(), config, "{printed}");
        config.storage
    }

    #[test]
    fn every_key_is_taken_and_prints_so_that_it_reads_back() {
        let text = "storage:\n  tsdb:\n    out_of_order_time_window: 30m\n    stale_series_compaction_threshold: 0.25\n    retention: {time: 30d, size: 2GB, percentage: 80.5}\n    chunk_encoding: {floats: xor2}\n  exemplars: {max_exemplars: 7}\n";
        let want = StorageConfig {
            out_of_order_window: Duration::from_secs(1800),
            retention: Some(RetentionConfig {
                time: Some(Duration::from_secs(30 * 86_400)),
                bytes: Some(2 << 30),
                percentage: Some(80.5),
            }),
            stale_share_max: 0.25,
            float_encoding: Some(FloatEncoding::Xor2),
            exemplars_max: 7,
        };
        assert_eq!(storage(text), want);
    }

    #[test]
    fn an_empty_retention_is_no_limit_and_an_absent_one_leaves_it_to_the_flags() {
        assert_eq!(storage("storage: {tsdb: {retention: {}}}").retention, Some(RetentionConfig::default()));
        assert_eq!(
            storage("storage: {tsdb: {retention: {time: 0s, size: 0, percentage: 0}}}").retention,
            Some(RetentionConfig::default())
        );
        assert_eq!(storage("storage: {tsdb: {out_of_order_time_window: 1m}}").retention, None);
        assert_eq!(storage("storage: {exemplars: {max_exemplars: -1}}").exemplars_max, 0);
        assert_eq!(storage(""), StorageConfig::default());
    }

    #[test]
    fn what_is_out_of_range_is_refused_with_its_place() {
        let check = |tsdb: &str, want: &str| {
            let text = format!("storage:\n  tsdb:\n    {tsdb}\n");
            let error = load(&text, Path::new("p.yml")).unwrap_err().to_string();
            assert!(error.contains(want) && error.contains("(p.yml:3:"), "{error}");
        };
        check(
            "retention: {percentage: 101}",
            "'storage.tsdb.retention.percentage' must be in the range [0, 100]",
        );
        check("retention: {percentage: .nan}", "'storage.tsdb.retention.percentage' must be in the range");
        check("retention: {percentage: much}", "cannot unmarshal !!str `much` into float64");
        check("retention: {size: 5XB}", "units: unknown unit XB");
        check("stale_series_compaction_threshold: -0.1", "must be in the range [0, 1]");
        check(
            "chunk_encoding: {floats: XOR}",
            "must be 'xor' or 'xor2', or the field must be omitted entirely, got \"XOR\"",
        );
    }
}
