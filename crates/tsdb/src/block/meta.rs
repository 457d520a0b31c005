//! `meta.json`: what a block is.
//!
//! Keys that we do not know are kept, wherever Prometheus has an object of its own: Thanos and others add theirs.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{BlockError, Ulid};
use crate::disk::{self, Disk};

/// Name of the file in a block's directory.
pub const FILE_NAME: &str = "meta.json";

/// A larger file is not read: real ones have some hundred bytes, and 38 a source block.
const BYTES_MAX: u64 = 16 << 20;

/// What is in a block and where it came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlockMeta {
    /// Its name, also that of its directory.
    pub ulid: Ulid,
    /// No sample is older, ms.
    pub min_time: i64,
    /// All samples are older, ms.
    pub max_time: i64,
    /// How much is in it.
    pub stats: BlockStats,
    /// Where it came from.
    pub compaction: Compaction,
    /// Version of the file's format: 1; 2 on blocks that need [`super::repair_index_version`].
    pub version: u64,
    unknown: Unknown,
}

/// What others wrote beside the keys of ours.
#[derive(Clone, Debug, Default, PartialEq)]
struct Unknown {
    top: Map<String, Value>,
    stats: Map<String, Value>,
    compaction: Map<String, Value>,
}

/// Counts of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockStats {
    /// Samples of all kinds.
    pub n_samples: u64,
    /// Floats among them.
    pub n_float_samples: u64,
    /// Native histograms among them.
    pub n_histogram_samples: u64,
    /// Series.
    pub n_series: u64,
    /// Chunks.
    pub n_chunks: u64,
    /// Deleted intervals, over all series.
    pub n_tombstones: u64,
}

/// The history of a block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compaction {
    /// 1 for a block cut from a head, one more for each compaction since.
    pub level: u32,
    /// The level-1 blocks whose samples it holds.
    pub sources: Vec<Ulid>,
    /// The blocks it was compacted from: they are deleted once this one opens.
    pub parents: Vec<ParentBlock>,
    /// All its samples were deleted: it may go.
    pub deletable: bool,
    /// A compaction of it failed: leave it alone.
    pub failed: bool,
    /// `from-out-of-order`, `from-stale-series`, `from-selected-series`.
    pub hints: Vec<String>,
}

/// A block that was compacted away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParentBlock {
    /// Its name.
    pub ulid: Ulid,
    /// No sample of it is older, ms.
    pub min_time: i64,
    /// All its samples are older, ms.
    pub max_time: i64,
}

/// What the writer of a block knows about it; counts are the writer's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetaDraft {
    /// No sample is older, ms.
    pub min_time: i64,
    /// All samples are older, ms.
    pub max_time: i64,
    /// Where it came from. Level 0 stands for 1, no sources for the block itself.
    pub compaction: Compaction,
}

impl BlockMeta {
    /// Builds the description of a new block.
    pub fn from_draft(ulid: Ulid, draft: MetaDraft, stats: BlockStats) -> Self {
        let MetaDraft { min_time, max_time, mut compaction } = draft;
        compaction.level = compaction.level.max(1);
        if compaction.sources.is_empty() {
            compaction.sources.push(ulid);
        }
        Self { ulid, min_time, max_time, stats, compaction, version: 1, unknown: Unknown::default() }
    }

    /// Reads the file of the block in `dir`.
    /// # Errors
    /// When it cannot be read or is not what it should be.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, BlockError> {
        let path = dir.join(FILE_NAME);
        let info = disk.info(&path).map_err(BlockError::io("read", &path))?;
        if info.len > BYTES_MAX {
            return Err(BlockError::Meta {
                path,
                reason: format!("{} bytes are more than it can have", info.len),
            });
        }
        let bytes = disk.read(&path).map_err(BlockError::io("read", &path))?;
        Self::parse(&bytes).map_err(|reason| BlockError::Meta { path, reason })
    }

    /// Replaces the file of the block in `dir`: after a crash the old or the new one is there.
    /// # Errors
    /// Those of the operating system.
    pub fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), BlockError> {
        let path = dir.join(FILE_NAME);
        disk::replace(disk, &path, self.to_json().as_bytes()).map_err(BlockError::io("write", &path))
    }

    /// Reads the text of the file.
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut top: Map<String, Value> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let version = number(&mut top, "version")?;
        if !matches!(version, 1 | 2) {
            return Err(format!("unexpected meta file version {version}"));
        }
        let ulid = ulid(top.shift_remove("ulid").as_ref(), "ulid")?;
        let min_time = time(&mut top, "minTime")?;
        let max_time = time(&mut top, "maxTime")?;
        let mut raw_stats = object(&mut top, "stats")?;
        let stats = BlockStats {
            n_samples: number(&mut raw_stats, "numSamples")?,
            n_float_samples: number(&mut raw_stats, "numFloatSamples")?,
            n_histogram_samples: number(&mut raw_stats, "numHistogramSamples")?,
            n_series: number(&mut raw_stats, "numSeries")?,
            n_chunks: number(&mut raw_stats, "numChunks")?,
            n_tombstones: number(&mut raw_stats, "numTombstones")?,
        };
        let mut raw_compaction = object(&mut top, "compaction")?;
        let compaction = parse_compaction(&mut raw_compaction)?;
        let unknown = Unknown { top, stats: raw_stats, compaction: raw_compaction };
        Ok(Self { ulid, min_time, max_time, stats, compaction, version, unknown })
    }

    /// Returns the text of the file: indented by tabs, zeros and empty lists left out, no newline at the end.
    pub fn to_json(&self) -> String {
        let mut stats = Map::new();
        let BlockStats { n_samples, n_float_samples, n_histogram_samples, n_series, n_chunks, n_tombstones } =
            self.stats;
        let counts = [
            ("numSamples", n_samples),
            ("numFloatSamples", n_float_samples),
            ("numHistogramSamples", n_histogram_samples),
            ("numSeries", n_series),
            ("numChunks", n_chunks),
            ("numTombstones", n_tombstones),
        ];
        stats.extend(
            counts.iter().filter(|(_, n)| *n > 0).map(|(key, n)| ((*key).to_owned(), Value::from(*n))),
        );
        stats.extend(self.unknown.stats.clone());

        let mut top = Map::new();
        top.insert("ulid".to_owned(), self.ulid.to_string().into());
        top.insert("minTime".to_owned(), self.min_time.into());
        top.insert("maxTime".to_owned(), self.max_time.into());
        top.insert("stats".to_owned(), stats.into());
        top.insert("compaction".to_owned(), self.compaction_json().into());
        top.insert("version".to_owned(), self.version.into());
        top.extend(self.unknown.top.clone());

        let mut out = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
        serde::Serialize::serialize(&top, &mut serializer)
            .expect("a map of strings and numbers goes into memory");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    fn compaction_json(&self) -> Map<String, Value> {
        let Compaction { level, sources, parents, deletable, failed, hints } = &self.compaction;
        let mut map = Map::new();
        map.insert("level".to_owned(), (*level).into());
        if !sources.is_empty() {
            map.insert("sources".to_owned(), sources.iter().map(ToString::to_string).collect());
        }
        if *deletable {
            map.insert("deletable".to_owned(), true.into());
        }
        if !parents.is_empty() {
            let parent_json = |parent: &ParentBlock| {
                let mut map = Map::new();
                map.insert("ulid".to_owned(), parent.ulid.to_string().into());
                map.insert("minTime".to_owned(), parent.min_time.into());
                map.insert("maxTime".to_owned(), parent.max_time.into());
                Value::Object(map)
            };
            map.insert("parents".to_owned(), parents.iter().map(parent_json).collect());
        }
        if *failed {
            map.insert("failed".to_owned(), true.into());
        }
        if !hints.is_empty() {
            map.insert("hints".to_owned(), hints.iter().map(String::as_str).collect());
        }
        map.extend(self.unknown.compaction.clone());
        map
    }

    /// Returns the path of the directory of this block below `parent`.
    pub fn dir_in(&self, parent: &Path) -> PathBuf {
        parent.join(self.ulid.to_string())
    }

    /// Returns whether the block was made of out-of-order, stale or selected series, and so says nothing about how far
    /// the head was cut.
    pub fn has_origin_hint(&self) -> bool {
        self.compaction.hints.iter().any(|hint| hint.starts_with("from-"))
    }
}

fn parse_compaction(raw: &mut Map<String, Value>) -> Result<Compaction, String> {
    let level = number(raw, "level")?;
    let sources =
        list(raw, "sources")?.iter().map(|source| ulid(Some(source), "sources")).collect::<Result<_, _>>()?;
    let parents = list(raw, "parents")?.into_iter().map(parse_parent).collect::<Result<_, _>>()?;
    let hints = list(raw, "hints")?;
    let hint = |value: Value| {
        value.as_str().map(str::to_owned).ok_or("hints holds something else than text".to_owned())
    };
    Ok(Compaction {
        level: u32::try_from(level).map_err(|_| format!("compaction level {level} is impossible"))?,
        sources,
        parents,
        deletable: flag(raw, "deletable")?,
        failed: flag(raw, "failed")?,
        hints: hints.into_iter().map(hint).collect::<Result<_, _>>()?,
    })
}

fn parse_parent(raw: Value) -> Result<ParentBlock, String> {
    let Value::Object(mut raw) = raw else {
        return Err("parents holds something else than blocks".to_owned());
    };
    Ok(ParentBlock {
        ulid: ulid(raw.get("ulid"), "parents")?,
        min_time: time(&mut raw, "minTime")?,
        max_time: time(&mut raw, "maxTime")?,
    })
}

fn ulid(value: Option<&Value>, key: &str) -> Result<Ulid, String> {
    let text = value.and_then(Value::as_str).ok_or_else(|| format!("{key} holds no ULID"))?;
    text.parse().map_err(|error| format!("{key}: {text:?}: {error}"))
}

fn number(map: &mut Map<String, Value>, key: &str) -> Result<u64, String> {
    match map.shift_remove(key) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => value.as_u64().ok_or_else(|| format!("{key} is not a count: {value}")),
    }
}

fn time(map: &mut Map<String, Value>, key: &str) -> Result<i64, String> {
    match map.shift_remove(key) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => value.as_i64().ok_or_else(|| format!("{key} is not a time in ms: {value}")),
    }
}

fn flag(map: &mut Map<String, Value>, key: &str) -> Result<bool, String> {
    match map.shift_remove(key) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| format!("{key} is neither true nor false: {value}")),
    }
}

fn object(map: &mut Map<String, Value>, key: &str) -> Result<Map<String, Value>, String> {
    match map.shift_remove(key) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(other) => Err(format!("{key} is not an object: {other}")),
    }
}

fn list(map: &mut Map<String, Value>, key: &str) -> Result<Vec<Value>, String> {
    match map.shift_remove(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => Ok(values),
        Some(other) => Err(format!("{key} is not a list: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOLDEN: &str = r#"{
	"ulid": "01DXXFZDYD1MQW6079WK0K6EDQ",
	"minTime": -5,
	"maxTime": 7200000,
	"stats": {
		"numSamples": 102,
		"numFloatSamples": 102,
		"numSeries": 3,
		"numChunks": 4
	},
	"compaction": {
		"level": 2,
		"sources": [
			"01DXXFZDYD1MQW6079WK0K6EDQ"
		],
		"parents": [
			{
				"ulid": "00000000000000000000000000",
				"minTime": 0,
				"maxTime": 0
			}
		],
		"hints": [
			"from-out-of-order"
		]
	},
	"version": 1,
	"thanos": {
		"labels": {
			"z": "1",
			"a": 1.5
		}
	}
}"#;

    #[test]
    fn a_file_is_read_and_written_back_byte_for_byte() {
        let meta = BlockMeta::parse(GOLDEN.as_bytes()).unwrap();
        assert_eq!(meta.to_json(), GOLDEN);
        assert_eq!((meta.min_time, meta.stats.n_chunks, meta.compaction.level), (-5, 4, 2));
        assert!(meta.has_origin_hint());
    }

    #[test]
    fn what_is_zero_or_empty_is_left_out() {
        let draft = MetaDraft { min_time: 1, max_time: 2, ..MetaDraft::default() };
        let meta = BlockMeta::from_draft(Ulid::ZERO, draft, BlockStats::default());
        let want = "{\n\t\"ulid\": \"00000000000000000000000000\",\n\t\"minTime\": 1,\n\t\"maxTime\": 2,\n\t\"stats\": {},\n\t\"compaction\": {\n\t\t\"level\": 1,\n\t\t\"sources\": [\n\t\t\t\"00000000000000000000000000\"\n\t\t]\n\t},\n\t\"version\": 1\n}";
        assert_eq!(meta.to_json(), want);
    }

    #[test]
    fn damage_is_named() {
        let check = |text: &str, want: &str| {
            let error = BlockMeta::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        };
        check("", "EOF");
        check(r#"{"version": 3}"#, "version 3");
        check(r#"{"version": 1}"#, "ulid holds no ULID");
        check(r#"{"version": 1, "ulid": "x"}"#, "not a ULID");
        check(&GOLDEN.replace("102", "-1"), "not a count");
        check(&GOLDEN.replace("7200000", "\"x\""), "maxTime");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = BlockMeta::parse(text.as_bytes());
            let _ = BlockMeta::parse(GOLDEN.replace("102", &text).as_bytes());
        }
    }
}
