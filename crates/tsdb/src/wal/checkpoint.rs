//! Checkpoints: what is still needed of the oldest segments, so that these can go.
//!
//! `checkpoint.N` is a log of its own that stands for the segments up to `N` and the checkpoint before. It is written
//! as `checkpoint.N.tmp`, forced to the disk, then renamed: it exists completely or not at all.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use wf_model::Metadata;

use super::compress::Compressor;
use super::frame::{payload_room, push_record};
use super::reader::{ReadError, Reader};
use super::segment::{Segments, checkpoint_path, segment_path};
use super::{WalIoError, WalOptions};
use crate::disk::{Disk, DiskFile, remove_dir_if_present};
use crate::record::{
    ExemplarsWriter, HistogramEntry, Histograms, HistogramsWriter, MetadataWriter, Record, RecordError,
    RecordType, SampleEntry, SamplesWriter, SeriesWriter, StartedSamplesWriter, TombstonesWriter, decode,
};

/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 20;

/// Why a checkpoint was not made. Nothing of the log was removed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// What it is made from cannot be read.
    #[error("read the log for a checkpoint")]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error("write a checkpoint")]
    Write(#[from] WalIoError),
    /// The current segment could not be closed first.
    #[error("close the current segment for a checkpoint")]
    Cut(#[from] super::WalError),
}

/// What a checkpoint took over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckpointStats {
    /// Its number: the last segment it covers.
    pub number: u64,
    /// Series kept, and all it read.
    pub series: Kept,
    /// Samples kept, and all it read.
    pub samples: Kept,
    /// Bytes written.
    pub bytes: u64,
    /// Damaged places that were passed over.
    pub damaged: u64,
}

/// How many of all were kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Taken over.
    pub kept: u64,
    /// Read.
    pub all: u64,
}

impl Kept {
    fn count(&mut self, is_kept: bool) -> bool {
        self.all += 1;
        self.kept += u64::from(is_kept);
        is_kept
    }
}

/// Writes `checkpoint.{last}` from the newest checkpoint and the segments up to `last`: series for which `keep` holds,
/// their samples and exemplars at or after `min_time_ms`, their tombstones that reach past it, and their newest
/// metadata. Removes nothing.
/// # Errors
/// See [`CheckpointError`].
pub fn create(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    last: u64,
    min_time_ms: i64,
    options: &WalOptions,
    keep: &mut dyn FnMut(u64) -> bool,
) -> Result<CheckpointStats, CheckpointError> {
    let unfinished = checkpoint_path(dir, last).with_extension(format!("{last:08}.tmp"));
    let write_error = |action| WalIoError::new(action, &unfinished);
    remove_dir_if_present(&**disk, &unfinished).map_err(write_error("clean"))?;
    disk.create_dir_all(&unfinished).map_err(write_error("create directory"))?;

    let mut filter =
        Filter { min_time_ms, keep, stats: CheckpointStats::default(), metadata: BTreeMap::new() };
    let mut out = Output::create(&**disk, &unfinished, options).map_err(write_error("write"))?;
    let mut reader = Reader::open_between(Arc::clone(disk), dir, None, last)?;
    let mut kept = Vec::new();
    loop {
        kept.clear();
        let taken = match reader.next_record() {
            Ok(None) => break,
            Ok(Some((_, record))) => filter.take_over(record, &mut kept).is_ok(),
            // A start from a snapshot does not read what is here: it is found now, and the rest is kept all the same.
            Err(ReadError::Corrupt { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        if taken {
            out.push(&kept).map_err(write_error("write"))?;
        } else {
            filter.stats.damaged += 1;
        }
    }
    for chunk in filter.metadata_records() {
        out.push(&chunk).map_err(write_error("write"))?;
    }
    let bytes = out.finish().map_err(write_error("write"))?;
    let finished = checkpoint_path(dir, last);
    disk.sync_dir(&unfinished)
        .and_then(|()| disk.rename(&unfinished, &finished))
        .and_then(|()| disk.sync_dir(dir))
        .map_err(write_error("rename"))?;
    Ok(CheckpointStats { number: last, bytes, ..filter.stats })
}

/// Removes segments before `number`, oldest first, then all checkpoints but the newest.
pub(super) fn remove_before(disk: &dyn Disk, dir: &Path, number: u64) -> Result<usize, WalIoError> {
    let segments = Segments::list(disk, dir).map_err(WalIoError::new("list directory", dir))?;
    let mut n_removed = 0;
    for old in segments.numbers().filter(|old| *old < number) {
        let path = segment_path(dir, old);
        disk.remove_file(&path).map_err(WalIoError::new("remove", &path))?;
        n_removed += 1;
    }
    for old in segments.checkpoint_numbers().rev().skip(1) {
        let path = checkpoint_path(dir, old);
        remove_dir_if_present(disk, &path).map_err(WalIoError::new("remove", &path))?;
    }
    Ok(n_removed)
}

/// Decides what is taken over.
struct Filter<'a> {
    min_time_ms: i64,
    keep: &'a mut dyn FnMut(u64) -> bool,
    stats: CheckpointStats,
    /// Newest metadata of kept series. Ordered, so that equal logs make equal checkpoints.
    metadata: BTreeMap<u64, Metadata>,
}

impl Filter<'_> {
    /// Appends what is kept of `record` to `out`: a record, or nothing.
    fn take_over(&mut self, record: &[u8], out: &mut Vec<u8>) -> Result<(), RecordError> {
        let Self { min_time_ms, keep, stats, metadata } = self;
        let mut n_kept = 0_usize;
        match decode(record)? {
            Record::Series(entries) => {
                let mut writer = SeriesWriter::new(out);
                for entry in entries {
                    let entry = entry?;
                    if stats.series.count(keep(entry.series)) {
                        writer.push(entry.series, entry.labels);
                        n_kept += 1;
                    }
                }
            }
            Record::Samples(entries) => {
                let is_started = record.first() == Some(&RecordType::SamplesV2.number());
                let mut writer = SamplesCopy::new(out, is_started);
                for entry in entries {
                    let entry = entry?;
                    if stats.samples.count(entry.time_ms >= *min_time_ms && keep(entry.series)) {
                        writer.push(&entry);
                        n_kept += 1;
                    }
                }
            }
            Record::Histograms(entries) => {
                n_kept = copy_histograms(entries, out, |entry| {
                    stats.samples.count(entry.time_ms >= *min_time_ms && keep(entry.series))
                })?;
            }
            Record::Tombstones(entries) => {
                let mut writer = TombstonesWriter::new(out);
                for entry in entries {
                    let entry = entry?;
                    if entry.max_time_ms >= *min_time_ms && keep(entry.series) {
                        writer.push(entry.series, entry.min_time_ms, entry.max_time_ms);
                        n_kept += 1;
                    }
                }
            }
            Record::Exemplars(entries) => {
                let mut writer = ExemplarsWriter::new(out);
                for entry in entries {
                    let entry = entry?;
                    if entry.time_ms >= *min_time_ms && keep(entry.series) {
                        writer.push(entry.series, entry.time_ms, entry.value, entry.labels);
                        n_kept += 1;
                    }
                }
            }
            Record::Metadata(entries) => {
                for entry in entries {
                    let entry = entry?;
                    if keep(entry.series) {
                        let (help, unit) = (entry.help.to_owned(), entry.unit.to_owned());
                        metadata.insert(entry.series, Metadata { kind: entry.kind, help, unit });
                    }
                }
            }
            // Markers belong to the out-of-order log; unknown types are skipped by every reader.
            Record::MmapMarkers(_) | Record::Unknown(_) => {}
        }
        if n_kept == 0 {
            out.clear();
        }
        Ok(())
    }

    /// Returns the metadata as records of moderate size.
    fn metadata_records(&self) -> Vec<Vec<u8>> {
        let entries: Vec<_> = self.metadata.iter().collect();
        let records = entries.chunks(1_000).map(|chunk| {
            let mut out = Vec::new();
            let mut writer = MetadataWriter::new(&mut out);
            for (series, metadata) in chunk {
                writer.push(**series, metadata);
            }
            out
        });
        records.collect()
    }
}

/// Copies the entries wanted in the type of record that they came in; returns how many.
fn copy_histograms(
    entries: Histograms<'_>,
    out: &mut Vec<u8>,
    mut is_wanted: impl FnMut(&HistogramEntry) -> bool,
) -> Result<usize, RecordError> {
    let mut writer = HistogramsWriter::new(out, entries.record_type());
    let mut n_kept = 0;
    for entry in entries {
        let entry = entry?;
        if is_wanted(&entry) {
            writer.push(entry.series, entry.time_ms, entry.start_time_ms, &entry.value);
            n_kept += 1;
        }
    }
    Ok(n_kept)
}

/// Writes samples in the version of record that they came in: start timestamps have no place in the first.
enum SamplesCopy<'a> {
    Plain(SamplesWriter<'a>),
    Started(StartedSamplesWriter<'a>),
}

impl<'a> SamplesCopy<'a> {
    fn new(out: &'a mut Vec<u8>, is_started: bool) -> Self {
        if is_started {
            Self::Started(StartedSamplesWriter::new(out))
        } else {
            Self::Plain(SamplesWriter::new(out))
        }
    }

    fn push(&mut self, entry: &SampleEntry) {
        match self {
            Self::Plain(writer) => writer.push(entry.series, entry.time_ms, entry.value),
            Self::Started(writer) => {
                writer.push(entry.series, entry.time_ms, entry.start_time_ms, entry.value);
            }
        }
    }
}

/// Writes records to the segments of a checkpoint.
struct Output<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    segment_bytes: u64,
    compressor: Compressor,
    file: Box<dyn DiskFile>,
    number: u64,
    len: u64,
    framed: Vec<u8>,
    total: u64,
}

impl<'a> Output<'a> {
    fn create(disk: &'a dyn Disk, dir: &'a Path, options: &WalOptions) -> io::Result<Self> {
        let file = disk.create_new(&segment_path(dir, 0))?;
        let compressor = Compressor::new(options.compression);
        let segment_bytes = options.segment_bytes;
        Ok(Self {
            disk,
            dir,
            segment_bytes,
            compressor,
            file,
            number: 0,
            len: 0,
            framed: Vec::new(),
            total: 0,
        })
    }

    fn push(&mut self, record: &[u8]) -> io::Result<()> {
        if record.is_empty() {
            return Ok(());
        }
        let (packing, payload) = self.compressor.pack(record);
        let offset = self.len + self.framed.len() as u64;
        if payload.len() as u64 <= payload_room(offset, self.segment_bytes) {
            push_record(&mut self.framed, self.len, packing, payload);
        } else {
            let (packing, payload) = (packing, payload.to_vec());
            self.flush()?;
            self.file.sync()?;
            self.number += 1;
            self.len = 0;
            self.file = self.disk.create_new(&segment_path(self.dir, self.number))?;
            push_record(&mut self.framed, 0, packing, &payload);
        }
        if self.framed.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.framed, self.len)?;
        self.len += self.framed.len() as u64;
        self.total += self.framed.len() as u64;
        self.framed.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        self.file.sync()?;
        Ok(self.total)
    }
}
