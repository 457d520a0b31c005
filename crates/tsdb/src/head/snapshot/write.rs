//! Writing a snapshot.

use std::path::{Path, PathBuf};

use super::{
    Binding, KIND_BINDING, KIND_END, KIND_RECORDS, KIND_SERIES, MAGIC, NAME, SnapshotError, UNFINISHED,
    remove_unfinished,
};
use crate::disk::{Disk, DiskFile};
use crate::encoding::{put_u64, put_uvarint, put_uvarint_str};
use crate::head::Head;
use crate::head::shard::shard_of;
use crate::record::{ExemplarsWriter, MetadataWriter, SeriesWriter};
use crate::wal::CommitSeq;

/// Series that are copied at once: a batch waits for so many at most.
const SLICE: usize = 512;
/// Frames of series are written when they are this large.
const FRAME_BYTES: usize = 1 << 20;
/// What was written is forced to the disk in steps, so that the log never waits for all of it.
const SYNC_BYTES: u64 = 8 << 20;

/// Entries of a record.
const RECORD_ENTRIES: usize = 1000;

/// Not written yet.
const NO_STRING: u32 = u32::MAX;

impl Head {
    /// Writes a snapshot of a head that goes on. Call it from upkeep: no series may leave meanwhile.
    pub(in crate::head) fn save_snapshot(&self, dir: &Path) -> Result<(), SnapshotError> {
        let next_segment = self.log().cut_segment()?;
        // Who created a series before the cut may not have put it into the index yet.
        drop(self.commit.lock());
        let output = self.write_snapshot(dir, next_segment)?;
        // A batch that was copied half-way has to come from the log: it must be there before the snapshot is.
        drop(self.commit.lock());
        self.log().wait_written(CommitSeq::MAX)?;
        self.chunk_files.sync().map_err(SnapshotError::Chunks)?;
        output.publish(dir)
    }

    /// Writes the snapshot of a head whose log and chunk files are closed.
    pub(in crate::head) fn save_last_snapshot(&self, dir: &Path) -> Result<(), SnapshotError> {
        self.write_snapshot(dir, self.log().stats().segment + 1)?.publish(dir)
    }

    fn write_snapshot(&self, dir: &Path, next_segment: u64) -> Result<Output<'_>, SnapshotError> {
        let mut out = Output::create(self.chunk_files.disk(), dir)?;
        let mut body = Vec::new();
        Binding::of(out.disk, &dir.join("wal"), next_segment)?.save(&mut body);
        out.push(KIND_BINDING, &body)?;
        let ids: Vec<u32> = self.index.read().postings.all().iter().collect();
        let mut frame = SeriesFrame::default();
        let mut n_series = 0;
        for ids in ids.chunks(SLICE) {
            n_series += self.copy_slice(ids, &mut frame);
            if frame.series.len() >= FRAME_BYTES {
                frame.finish(&mut body);
                out.push(KIND_SERIES, &body)?;
            }
        }
        frame.finish(&mut body);
        out.push(KIND_SERIES, &body)?;
        body.clear();
        self.side_records(&mut |record| {
            put_uvarint(&mut body, record.len() as u64);
            body.extend_from_slice(record);
            if body.len() >= FRAME_BYTES {
                out.push(KIND_RECORDS, &body)?;
                body.clear();
            }
            Ok(())
        })?;
        out.push(KIND_RECORDS, &body)?;
        body.clear();
        put_u64(&mut body, self.commit.lock().next_ref);
        put_u64(&mut body, n_series);
        let end = self.chunk_files.end();
        put_u64(&mut body, end.map_or(0, |end| u64::from(end.file)));
        put_u64(&mut body, end.map_or(0, |end| end.len));
        out.push(KIND_END, &body)?;
        Ok(out)
    }

    /// What the head holds besides series, their chunks and what other files keep, as records of the log. Whoever adds
    /// such a thing (deletions, metadata, exemplars) adds it here: a start from a snapshot does not read the log before.
    fn side_records(
        &self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), SnapshotError>,
    ) -> Result<(), SnapshotError> {
        self.alias_records().iter().try_for_each(|record| take(record))?;
        self.deletion_records().iter().try_for_each(|record| take(record))?;
        let mut record = Vec::new();
        for entries in self.metadata.all().chunks(RECORD_ENTRIES) {
            record.clear();
            let mut writer = MetadataWriter::new(&mut record);
            entries.iter().for_each(|(series, metadata)| writer.push(*series, metadata));
            take(&record)?;
        }
        for entries in self.exemplars.all().chunks(RECORD_ENTRIES) {
            record.clear();
            let mut writer = ExemplarsWriter::new(&mut record);
            for (series, exemplar) in entries {
                writer.push(*series, exemplar.time_ms, exemplar.value, exemplar.labels.iter());
            }
            take(&record)?;
        }
        Ok(())
    }

    /// Returns the series that have more than one reference once more, under those that the index does not know.
    fn alias_records(&self) -> Vec<Vec<u8>> {
        let commit = self.commit.lock();
        let index = self.index.read();
        let aliases = commit.refs.iter().filter(|(series_ref, id)| index.series_ref(*id) != *series_ref);
        let record = |(series_ref, id)| {
            let mut record = Vec::new();
            SeriesWriter::new(&mut record).push(series_ref, index.labels(id).iter());
            record
        };
        aliases.map(record).collect()
    }

    fn copy_slice(&self, ids: &[u32], frame: &mut SeriesFrame) -> u64 {
        let index = self.index.read();
        let mut n_copied = 0;
        for id in ids {
            let series_ref = index.series_ref(*id);
            if series_ref == 0 {
                continue;
            }
            n_copied += 1;
            frame.begin(series_ref);
            let pairs = index.label_sets.pairs(index.label_set(*id));
            frame.labels(pairs, |symbol| index.symbols.get(symbol));
            self.shards[shard_of(*id)].read().save(*id, &mut frame.state);
            frame.end();
        }
        n_copied
    }
}

/// Series on their way to a frame.
#[derive(Debug, Default)]
struct SeriesFrame {
    /// Number in the file of each symbol of the index.
    numbers: Vec<u32>,
    n_strings: u32,
    new_strings: Vec<u8>,
    n_new: u64,
    series: Vec<u8>,
    n_series: u64,
    /// Of the series being added.
    labels: Vec<u32>,
    state: Vec<u8>,
}

impl SeriesFrame {
    fn begin(&mut self, series_ref: u64) {
        put_u64(&mut self.series, series_ref);
        self.labels.clear();
        self.state.clear();
    }

    fn labels<'a>(&mut self, pairs: impl Iterator<Item = (u32, u32)>, text: impl Fn(u32) -> &'a str) {
        for symbol in pairs.flat_map(|(name, value)| [name, value]) {
            let at = symbol as usize;
            if at >= self.numbers.len() {
                self.numbers.resize(at + 1, NO_STRING);
            }
            if self.numbers[at] == NO_STRING {
                self.numbers[at] = self.n_strings;
                self.n_strings += 1;
                self.n_new += 1;
                put_uvarint_str(&mut self.new_strings, text(symbol));
            }
            self.labels.push(self.numbers[at]);
        }
    }

    fn end(&mut self) {
        put_uvarint(&mut self.series, self.labels.len() as u64 / 2);
        self.labels.iter().for_each(|number| put_uvarint(&mut self.series, u64::from(*number)));
        put_uvarint(&mut self.series, self.state.len() as u64);
        self.series.extend_from_slice(&self.state);
        self.n_series += 1;
    }

    /// Moves what came together to `body`.
    fn finish(&mut self, body: &mut Vec<u8>) {
        body.clear();
        put_uvarint(body, self.n_new);
        body.append(&mut self.new_strings);
        put_uvarint(body, self.n_series);
        body.append(&mut self.series);
        (self.n_new, self.n_series) = (0, 0);
    }
}

/// The file being written.
struct Output<'a> {
    disk: &'a dyn Disk,
    tmp: PathBuf,
    file: Box<dyn DiskFile>,
    len: u64,
    synced_len: u64,
    framed: Vec<u8>,
}

impl<'a> Output<'a> {
    fn create(disk: &'a dyn Disk, dir: &Path) -> Result<Self, SnapshotError> {
        remove_unfinished(disk, dir);
        let tmp = dir.join(UNFINISHED);
        let file = disk.create_new(&tmp).map_err(SnapshotError::io("create", &tmp))?;
        Ok(Self { disk, tmp, file, len: 0, synced_len: 0, framed: MAGIC.to_vec() })
    }

    fn push(&mut self, kind: u8, body: &[u8]) -> Result<(), SnapshotError> {
        let crc = crc32c::crc32c_append(crc32c::crc32c(&[kind]), body);
        let len = u32::try_from(body.len()).map_err(|_| SnapshotError::Damaged("a frame is too large"))?;
        self.framed.extend_from_slice(&len.to_be_bytes());
        self.framed.extend_from_slice(&crc.to_be_bytes());
        self.framed.push(kind);
        self.framed.extend_from_slice(body);
        self.file.write_all_at(&self.framed, self.len).map_err(SnapshotError::io("write", &self.tmp))?;
        self.len += self.framed.len() as u64;
        self.framed.clear();
        if self.len - self.synced_len >= SYNC_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), SnapshotError> {
        self.file.sync().map_err(SnapshotError::io("sync", &self.tmp))?;
        self.synced_len = self.len;
        Ok(())
    }

    /// Gives the snapshot its name.
    fn publish(mut self, dir: &Path) -> Result<(), SnapshotError> {
        self.sync()?;
        self.disk.rename(&self.tmp, &dir.join(NAME)).map_err(SnapshotError::io("rename", &self.tmp))?;
        self.disk.sync_dir(dir).map_err(SnapshotError::io("sync", dir))
    }
}
