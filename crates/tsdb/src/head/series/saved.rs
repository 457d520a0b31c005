//! A series in a head snapshot: its newest sample and its open chunk. Full chunks are in files, or saved by the shard.

use wf_model::TimeRange;
use wf_series::SampleColumns;

use super::{NO_TIME, SampleKind, Series};
use crate::chunk::Encoding;
use crate::encoding::{Cursor, DecodeError, put_u64, put_varint};
use crate::head::open_chunk::OpenChunk;

/// What [`Series::save`] wrote.
#[derive(Debug)]
pub(crate) struct SavedSeries {
    max_time: i64,
    last_value: u64,
    open_start: i64,
    next_cut: i64,
    kind: SampleKind,
    chunk: SavedChunk,
}

/// An open chunk that was saved.
#[derive(Debug)]
pub(crate) enum SavedChunk {
    /// It goes on.
    Open(OpenChunk),
    /// Of a sort whose encoder is not saved: it ends here, the next sample begins another.
    Closed(Encoding, Vec<u8>),
}

impl Series {
    /// Appends the series.
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        put_varint(out, self.max_time);
        if self.max_time == NO_TIME {
            return;
        }
        put_u64(out, self.last_value);
        put_varint(out, self.max_time.wrapping_sub(self.open_start));
        put_varint(out, self.next_cut.wrapping_sub(self.max_time));
        out.push(match self.open.newest_kind() {
            SampleKind::Float => 0,
            SampleKind::Histogram => 1,
            SampleKind::FloatHistogram => 2,
        });
        self.open.save(out);
    }

    /// Takes over a saved series whose closed chunks are there already. When these reach into the saved open chunk, it
    /// was closed since, perhaps in another form: returned is what of it they lack, to be appended.
    pub(crate) fn restore_saved(&mut self, saved: SavedSeries) -> SampleColumns {
        let SavedSeries { max_time, last_value, open_start, next_cut, kind, chunk } = saved;
        let mut missing = SampleColumns::default();
        if max_time < self.max_time {
            return missing;
        }
        let newest_in_files = self.max_time;
        if max_time == newest_in_files {
            self.last_value = last_value;
            self.open = OpenChunk::Empty(kind);
            return missing;
        }
        let open = match chunk {
            SavedChunk::Open(open) => open,
            SavedChunk::Closed(..) => OpenChunk::Empty(kind),
        };
        if newest_in_files != NO_TIME && newest_in_files >= open_start && open.n_samples() > 0 {
            let range = TimeRange { start_ms: newest_in_files.saturating_add(1), end_ms: max_time };
            // Our own encoder wrote it, and its checksum holds; a chunk that cannot be read has no samples to offer.
            let _ = open.view(open_start, last_value).decode(range, &mut missing);
            return missing;
        }
        let full = std::mem::take(&mut self.full);
        let max_time_before = max_time;
        *self =
            Self { max_time, max_time_before, commit_seq: 0, last_value, open_start, next_cut, open, full };
        missing
    }
}

impl SavedSeries {
    /// Reads a series; `None` when it has no samples.
    /// # Errors
    /// When that is not what it reads.
    pub(crate) fn load(cursor: &mut Cursor<'_>) -> Result<Option<Self>, DecodeError> {
        let max_time = cursor.varint()?;
        if max_time == NO_TIME {
            return Ok(None);
        }
        let last_value = cursor.u64()?;
        let open_start = max_time.wrapping_sub(cursor.varint()?);
        let next_cut = max_time.wrapping_add(cursor.varint()?);
        let kind = match cursor.u8()? {
            0 => SampleKind::Float,
            1 => SampleKind::Histogram,
            2 => SampleKind::FloatHistogram,
            _ => return Err(DecodeError::OutOfRange),
        };
        let chunk = OpenChunk::load(cursor, kind, max_time, last_value)?;
        Ok(Some(Self { max_time, last_value, open_start, next_cut, kind, chunk }))
    }

    /// Returns the newest sample's time, ms.
    pub(crate) fn max_time(&self) -> i64 {
        self.max_time
    }

    /// Returns the start of the open chunk, ms; without one it means nothing.
    pub(crate) fn open_start(&self) -> i64 {
        self.open_start
    }

    pub(crate) fn chunk(&self) -> &SavedChunk {
        &self.chunk
    }
}
