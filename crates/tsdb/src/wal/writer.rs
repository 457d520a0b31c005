//! The writer thread: takes a group, frames it, writes it, publishes its sequence.
//!
//! What it does is a series of steps, each of which can fail and be tried again: framed bytes stay until they are
//! written, and are always written at the same offset, so that a torn attempt is overwritten by the next.
//!
//! A failed fsync is not believed to be mended by one that succeeds: the kernel has marked clean what it could not write.
//! All that was not synced before is read back, verified, written again and synced again. Until that succeeds the log
//! refuses records; when the bytes cannot be read back any more it refuses them until the next start.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::WalOptions;
use super::compress::Compressor;
use super::frame::{payload_room, push_record};
use super::queue::{Group, Queue};
use super::reader::{Damage, RecordReader};
use super::segment::segment_path;
use crate::disk::{Disk, DiskFile};
use crate::options::FsyncPolicy;

/// Bytes that are written again at once.
const COPY_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Writer {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    options: WalOptions,
    queue: Arc<Queue>,
    compressor: Compressor,
    segment: Segment,
    /// Framed records of the current segment that are not written (or, under `Always`, not synced) yet.
    framed: Vec<u8>,
    group: Group,
    /// Where the first record of the group that is not framed yet starts.
    group_at: usize,
    counters: Counters,
}

#[derive(Debug)]
struct Segment {
    file: Box<dyn DiskFile>,
    number: u64,
    /// Bytes written: everything before is good.
    len: u64,
    /// Bytes that an fsync covers.
    synced_len: u64,
    /// An fsync failed: what it should have covered is not on its way to the disk any more.
    is_doubtful: bool,
    /// Since when there are bytes that no fsync covers.
    dirty_since: Option<Instant>,
}

/// What happened since the last publication.
#[derive(Debug, Default)]
struct Counters {
    records: u64,
    bytes: u64,
    writes: u64,
    bytes_saved: u64,
    fsyncs: u64,
    fsync_time: Duration,
    write_errors: u64,
    fsync_errors: u64,
}

impl Segment {
    fn create(disk: &dyn Disk, dir: &Path, number: u64) -> io::Result<Self> {
        let path = segment_path(dir, number);
        let file = match disk.create_new(&path) {
            // An earlier attempt came as far as creating it; nothing was written yet.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let file = disk.open(&path)?;
                file.set_len(0)?;
                file
            }
            other => other?,
        };
        disk.sync_dir(dir)?;
        Ok(Self { file, number, len: 0, synced_len: 0, is_doubtful: false, dirty_since: None })
    }
}

impl Writer {
    /// Creates segment `number` in `dir`; `bytes` is the size of what is there already.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: &WalOptions,
        queue: Arc<Queue>,
        number: u64,
        bytes: u64,
    ) -> io::Result<Self> {
        let segment = Segment::create(&*disk, dir, number)?;
        queue.update_stats(|stats| {
            stats.segment = number;
            stats.bytes = bytes;
        });
        Ok(Self {
            dir: dir.to_owned(),
            disk,
            options: options.clone(),
            queue,
            compressor: Compressor::new(options.compression),
            segment,
            framed: Vec::new(),
            group: Group::default(),
            group_at: 0,
            counters: Counters::default(),
        })
    }

    /// Runs until the queue is closed.
    pub(super) fn run(mut self) {
        let gone = Gone { queue: Arc::clone(&self.queue), is_orderly: false };
        loop {
            let sync_due = self.sync_due();
            let work = self.queue.take(&mut self.group, sync_due);
            self.group_at = 0;
            if !self.retry(Self::write_group) || (work.cut && !self.retry(Self::cut)) {
                break;
            }
            if self.sync_due().is_some_and(|due| due <= Instant::now()) && !self.retry(Self::sync) {
                break;
            }
            if work.close && !self.retry(Self::sync) {
                break;
            }
            self.publish(work.cut);
            if work.close {
                break;
            }
        }
        gone.orderly();
    }

    /// Tries a step until it succeeds; `false` when the log was closed before it did.
    fn retry(&mut self, step: impl Fn(&mut Self) -> io::Result<()>) -> bool {
        let mut is_last_try = false;
        loop {
            let Err(error) = step(self) else { return true };
            if is_last_try {
                // Best effort: without the torn bytes the next start has nothing to repair.
                let _ = self.segment.file.set_len(self.segment.len);
                return false;
            }
            let path = segment_path(&self.dir, self.segment.number);
            let message = format!("{}: {error}", path.display());
            let counters = std::mem::take(&mut self.counters);
            is_last_try = self.queue.fail(message, self.options.retry_delay, |stats| counters.add_to(stats));
        }
    }

    /// Writes all of the group, over as many segments as it takes.
    fn write_group(&mut self) -> io::Result<()> {
        loop {
            self.flush()?;
            let Some((record, next)) = self.group.record_at(self.group_at) else { return Ok(()) };
            let (packing, payload) = self.compressor.pack(record);
            if payload.len() as u64 > payload_room(self.segment.len, self.options.segment_bytes) {
                self.cut()?;
                continue;
            }
            push_record(&mut self.framed, self.segment.len, packing, payload);
            self.counters.records += 1;
            self.counters.bytes_saved += (record.len() - payload.len()) as u64;
            self.group_at = next;
            self.frame_what_fits();
        }
    }

    /// Frames further records of the group while the segment has room.
    fn frame_what_fits(&mut self) {
        while let Some((record, next)) = self.group.record_at(self.group_at) {
            let (packing, payload) = self.compressor.pack(record);
            let offset = self.segment.len + self.framed.len() as u64;
            if payload.len() as u64 > payload_room(offset, self.options.segment_bytes) {
                return;
            }
            push_record(&mut self.framed, self.segment.len, packing, payload);
            self.counters.records += 1;
            self.group_at = next;
        }
    }

    /// Writes what is framed.
    fn flush(&mut self) -> io::Result<()> {
        if self.framed.is_empty() {
            return Ok(());
        }
        let written = self.segment.file.write_all_at(&self.framed, self.segment.len);
        written.inspect_err(|_| self.counters.write_errors += 1)?;
        self.counters.writes += 1;
        self.segment.dirty_since.get_or_insert_with(Instant::now);
        if self.options.fsync == FsyncPolicy::Always {
            // On failure the bytes are written again: the kernel may have dropped the pages it could not write.
            self.sync()?;
        }
        self.segment.len += self.framed.len() as u64;
        if self.options.fsync == FsyncPolicy::Always {
            self.segment.synced_len = self.segment.len;
        }
        self.counters.bytes += self.framed.len() as u64;
        self.framed.clear();
        self.framed.shrink_to(2 * self.options.queue_bytes_max);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.segment.dirty_since.is_none() {
            return Ok(());
        }
        if self.segment.is_doubtful {
            self.write_again()?;
        }
        let started = Instant::now();
        let synced = self.segment.file.sync();
        self.counters.fsyncs += 1;
        self.counters.fsync_time += started.elapsed();
        self.segment.is_doubtful = synced.is_err();
        synced.inspect_err(|_| self.counters.fsync_errors += 1)?;
        self.segment.dirty_since = None;
        self.segment.synced_len = self.segment.len;
        Ok(())
    }

    /// Writes the bytes of the segment that no fsync covers once more, after one failed.
    fn write_again(&self) -> io::Result<()> {
        let path = segment_path(&self.dir, self.segment.number);
        let Segment { file, len, synced_len, .. } = &self.segment;
        self.verify(&path, *len)?;
        let mut source = self.disk.reader(&path)?;
        let mut buffer = vec![0; COPY_BYTES];
        let mut at = 0;
        while at < *len {
            let room = usize::try_from(len - at).unwrap_or(COPY_BYTES).min(COPY_BYTES);
            let n_read = source.read(buffer.get_mut(..room).unwrap_or_default())?;
            let bytes =
                buffer.get(..n_read).filter(|bytes| !bytes.is_empty()).ok_or(io::ErrorKind::UnexpectedEof)?;
            let n_synced = usize::try_from(synced_len.saturating_sub(at)).unwrap_or(usize::MAX).min(n_read);
            let unsynced = bytes.get(n_synced..).unwrap_or_default();
            file.write_all_at(unsynced, at + n_synced as u64)?;
            at += n_read as u64;
        }
        Ok(())
    }

    /// Checks that the first `len` bytes of the segment read as they were written.
    fn verify(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut reader = RecordReader::new(self.disk.reader(path)?.take(len));
        let mut record = Vec::new();
        loop {
            match reader.next_record(&mut record) {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(Damage::Io(error)) => return Err(error),
                Err(Damage::Bytes { .. }) => {
                    return Err(io::Error::other(
                        "what a failed fsync left unwritten cannot be read back; restart",
                    ));
                }
            }
        }
    }

    /// Closes the segment and opens the next.
    fn cut(&mut self) -> io::Result<()> {
        self.sync()?;
        let next = Segment::create(&*self.disk, &self.dir, self.segment.number + 1);
        self.segment = next.inspect_err(|_| self.counters.write_errors += 1)?;
        Ok(())
    }

    /// Returns when the current segment has to be synced, under the policy that says so.
    fn sync_due(&self) -> Option<Instant> {
        match self.options.fsync {
            FsyncPolicy::IntervalMs(ms) => {
                self.segment.dirty_since.map(|since| since + Duration::from_millis(ms))
            }
            FsyncPolicy::Segment | FsyncPolicy::Always => None,
        }
    }

    fn publish(&mut self, did_cut: bool) {
        let counters = std::mem::take(&mut self.counters);
        let number = self.segment.number;
        self.queue.publish(self.group.last_seq, did_cut, |stats| {
            counters.add_to(stats);
            stats.segment = number;
        });
    }
}

impl Counters {
    fn add_to(&self, stats: &mut super::WalStats) {
        stats.records_written += self.records;
        stats.bytes += self.bytes;
        stats.bytes_written += self.bytes;
        stats.bytes_saved += self.bytes_saved;
        stats.writes += self.writes;
        stats.fsyncs += self.fsyncs;
        stats.fsync_seconds += self.fsync_time.as_secs_f64();
        stats.write_errors += self.write_errors;
        stats.fsync_errors += self.fsync_errors;
    }
}

/// Tells the queue that the thread ends, even when it panics: nobody must wait for it for ever.
#[derive(Debug)]
struct Gone {
    queue: Arc<Queue>,
    is_orderly: bool,
}

impl Gone {
    fn orderly(mut self) {
        self.is_orderly = true;
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.queue.closed((!self.is_orderly).then(|| "the writer thread panicked".to_owned()));
    }
}
