//! Reading a snapshot, frame by frame.

use std::io::{self, Read};
use std::path::Path;

use super::{
    Binding, FRAME_BYTES_MAX, KIND_BINDING, KIND_END, KIND_RECORDS, KIND_SERIES, MAGIC, NAME, SnapshotError,
};
use crate::disk::Disk;
use crate::encoding::{Cursor, DecodeError};
use crate::head_chunks::FilesEnd;

/// A snapshot, its binding read already.
pub(crate) struct SnapshotReader {
    source: Box<dyn Read + Send>,
    pub(crate) binding: Binding,
}

/// A verified frame; its bytes are in the buffer that was passed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// See [`SeriesIter`].
    Series,
    /// See [`records`].
    Records,
    /// The last: the next reference, the number of series, where the head chunks end.
    End { next_ref: u64, n_series: u64, chunks_end: FilesEnd },
}

impl SnapshotReader {
    /// Opens the snapshot in `dir`; `None` when there is none.
    pub(crate) fn open(disk: &dyn Disk, dir: &Path) -> Result<Option<Self>, SnapshotError> {
        let path = dir.join(NAME);
        let mut source = match disk.reader(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(SnapshotError::io("open", &path))?,
        };
        let mut magic = [0; MAGIC.len()];
        source.read_exact(&mut magic).map_err(|_| SnapshotError::Damaged("it is cut off"))?;
        if magic != *MAGIC {
            return Err(SnapshotError::Damaged("it is of another version"));
        }
        let mut body = Vec::new();
        let kind = read_frame(&mut source, &mut body)?;
        if kind != KIND_BINDING {
            return Err(SnapshotError::Damaged("its binding is missing"));
        }
        let binding = Binding::load(&mut Cursor::new(&body))?;
        Ok(Some(Self { source, binding }))
    }

    /// Reads the next frame into `body`.
    pub(crate) fn next_frame(&mut self, body: &mut Vec<u8>) -> Result<Frame, SnapshotError> {
        match read_frame(&mut self.source, body)? {
            KIND_SERIES => Ok(Frame::Series),
            KIND_RECORDS => Ok(Frame::Records),
            KIND_END => {
                let mut cursor = Cursor::new(body);
                let (next_ref, n_series) = (cursor.u64()?, cursor.u64()?);
                let file = u32::try_from(cursor.u64()?).map_err(|_| DecodeError::OutOfRange)?;
                let chunks_end = FilesEnd { file, len: cursor.u64()? };
                Ok(Frame::End { next_ref, n_series, chunks_end })
            }
            _ => Err(SnapshotError::Damaged("a frame is of an unknown kind")),
        }
    }
}

fn read_frame(source: &mut dyn Read, body: &mut Vec<u8>) -> Result<u8, SnapshotError> {
    let cut_off = |_| SnapshotError::Damaged("it is cut off");
    let mut head = [0; 9];
    source.read_exact(&mut head).map_err(cut_off)?;
    let mut cursor = Cursor::new(&head);
    let len = usize::try_from(cursor.u32()?).unwrap_or(usize::MAX);
    let crc = cursor.u32()?;
    let kind = cursor.u8()?;
    if len > FRAME_BYTES_MAX {
        return Err(SnapshotError::Damaged("a frame is too large"));
    }
    body.clear();
    body.resize(len, 0);
    source.read_exact(body).map_err(cut_off)?;
    if crc32c::crc32c_append(crc32c::crc32c(&[kind]), body) != crc {
        return Err(SnapshotError::Damaged("checksum mismatch"));
    }
    Ok(kind)
}

/// The series of a frame.
#[derive(Debug)]
pub(crate) struct SeriesIter<'a> {
    cursor: Cursor<'a>,
    n_left: u64,
}

/// One saved series.
#[derive(Debug)]
pub(crate) struct SavedEntry<'a> {
    pub(crate) series_ref: u64,
    /// What `Shard::save` wrote.
    pub(crate) state: &'a [u8],
}

impl<'a> SeriesIter<'a> {
    /// Begins a frame: appends its new strings to `strings`.
    pub(crate) fn new(body: &'a [u8], mut string: impl FnMut(&'a str)) -> Result<Self, SnapshotError> {
        let mut cursor = Cursor::new(body);
        for _ in 0..cursor.uvarint()? {
            string(cursor.uvarint_str()?);
        }
        let n_left = cursor.uvarint()?;
        Ok(Self { cursor, n_left })
    }

    /// Returns the next series; its labels, as numbers of strings, replace those in `pairs`.
    pub(crate) fn next(
        &mut self,
        pairs: &mut Vec<(usize, usize)>,
    ) -> Result<Option<SavedEntry<'a>>, SnapshotError> {
        let Some(n_left) = self.n_left.checked_sub(1) else { return Ok(None) };
        self.n_left = n_left;
        let cursor = &mut self.cursor;
        let series_ref = cursor.u64()?;
        pairs.clear();
        let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
        for _ in 0..cursor.uvarint()? {
            pairs.push((number(cursor.uvarint()?), number(cursor.uvarint()?)));
        }
        Ok(Some(SavedEntry { series_ref, state: cursor.uvarint_bytes()? }))
    }
}

/// Calls `take` with each record of a frame.
pub(crate) fn records(body: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), SnapshotError> {
    let mut cursor = Cursor::new(body);
    while !cursor.is_empty() {
        take(cursor.uvarint_bytes()?);
    }
    Ok(())
}
