//! Taking in a head snapshot: strings and series go to the index, chunks to the workers.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use super::{Replay, is_ref};
use crate::head::snapshot::{Frame, SeriesIter, SnapshotError, SnapshotReader, records};
use crate::index::Bulk;

/// Frames that wait, of a megabyte each.
const FRAMES: usize = 4;

type Loaded = Result<(Frame, Vec<u8>), SnapshotError>;

/// Reads frames ahead until the last or the first that is damaged.
fn read_ahead(mut reader: SnapshotReader, full: &SyncSender<Loaded>, empty: &Receiver<Vec<u8>>) {
    loop {
        let mut body = empty.try_recv().unwrap_or_default();
        let frame = reader.next_frame(&mut body);
        let is_last = !matches!(frame, Ok(Frame::Series | Frame::Records));
        if full.send(frame.map(|frame| (frame, body))).is_err() || is_last {
            return;
        }
    }
}

impl Replay<'_, '_> {
    /// Takes in all of a snapshot.
    /// # Errors
    /// When it is damaged: the head is of no use then.
    pub(super) fn load<'scope, 'env>(
        &mut self,
        scope: &'scope Scope<'scope, 'env>,
        reader: SnapshotReader,
    ) -> Result<(), SnapshotError> {
        let (full, frames) = sync_channel(FRAMES);
        let (recycle, empty) = sync_channel(FRAMES + 2);
        let read = std::thread::Builder::new()
            .name("snapshot-reader".to_owned())
            .spawn_scoped(scope, move || read_ahead(reader, &full, &empty));
        read.map_err(|source| SnapshotError::Io {
            action: "start a thread for",
            path: "snapshot".into(),
            source,
        })?;
        // Before chunks are added.
        let chunks_end = self.head.chunk_files.end();
        let (mut symbols, mut bulk) = (Vec::new(), Some(Bulk::default()));
        let mut n_loaded = 0;
        loop {
            let (frame, body) = frames.recv().map_err(|_| SnapshotError::Damaged("it is cut off"))??;
            if frame != Frame::Series
                && let Some(bulk) = bulk.take()
            {
                self.head.index.write().finish_bulk(bulk);
            }
            match frame {
                Frame::Series => {
                    let bulk = bulk.as_mut().ok_or(SnapshotError::Damaged("series come after records"))?;
                    n_loaded += self.load_series(&body, &mut symbols, bulk)?;
                }
                Frame::Records => {
                    let mut is_damaged = false;
                    records(&body, |record| is_damaged |= self.record(record).is_err())?;
                    if is_damaged {
                        return Err(SnapshotError::Damaged("a record makes no sense"));
                    }
                }
                Frame::End { chunks_end: want, .. } if want.file > 0 && chunks_end < Some(want) => {
                    return Err(SnapshotError::Damaged("head chunks that it counts on are gone"));
                }
                Frame::End { next_ref, n_series, .. } if n_series == n_loaded && is_ref(next_ref) => {
                    self.max_ref = self.max_ref.max(next_ref - 1);
                    self.head.counters.snapshot_series.set(n_series);
                    return Ok(());
                }
                Frame::End { .. } => return Err(SnapshotError::Damaged("series are missing")),
            }
            // A buffer that is lost is merely freed.
            let _ = recycle.try_send(body);
        }
    }

    /// Takes in the series of a frame; returns how many.
    fn load_series(
        &mut self,
        body: &[u8],
        symbols: &mut Vec<u32>,
        bulk: &mut Bulk,
    ) -> Result<u64, SnapshotError> {
        let mut loaded = Vec::new();
        {
            let mut commit = self.head.commit.lock();
            let mut index = self.head.index.write();
            let mut series = SeriesIter::new(body, |text| symbols.push(index.symbols.intern(text)))?;
            let (mut numbers, mut pairs) = (Vec::new(), Vec::new());
            while let Some(entry) = series.next(&mut numbers)? {
                pairs.clear();
                for (name, value) in &numbers {
                    let (Some(name), Some(value)) = (symbols.get(*name), symbols.get(*value)) else {
                        return Err(SnapshotError::Damaged("a string is missing"));
                    };
                    pairs.push((*name, *value));
                }
                if !is_ref(entry.series_ref) || pairs.is_empty() {
                    return Err(SnapshotError::Damaged("a series without name or reference"));
                }
                let id = index.insert_bulk(bulk, &pairs, entry.series_ref);
                commit.refs.insert(entry.series_ref, id);
                loaded.push((id, entry));
            }
        }
        // The workers need the index when they write full chunks: nothing is held while they are waited for.
        for (id, entry) in &loaded {
            self.max_ref = self.max_ref.max(entry.series_ref);
            let newest = self.found.take_newest_kind(entry.series_ref);
            self.workers.push_saved(*id, newest, entry.state, |out| self.found.take(entry.series_ref, out));
            self.late(*id, entry.series_ref);
        }
        Ok(loaded.len() as u64)
    }
}
