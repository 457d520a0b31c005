//! Replay: the records of a directory in order, newest checkpoint first, then the segments it does not cover.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compress::unpack;
use super::frame::{Item, PAGE_BYTES, Packing, Part, read_item};
use super::segment::Segments;
use crate::disk::{Disk, os_disk};

/// Where a record starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Number of the checkpoint, when it is in one.
    pub checkpoint: Option<u64>,
    /// Number of the segment.
    pub segment: u64,
    /// Bytes from the start of the segment.
    pub offset: u64,
}

/// Why replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file or directory cannot be read.
    #[error("read {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A record is torn or damaged; everything before it was returned, and reading on returns what follows it and is
    /// whole. [`super::repair`] mends the file.
    #[error("{} is damaged at offset {}: {reason}", path.display(), position.offset)]
    Corrupt {
        /// The segment file.
        path: PathBuf,
        /// Where the damaged record starts.
        position: Position,
        /// What is wrong.
        reason: &'static str,
    },
    /// A segment is missing between others: replay would have a gap.
    #[error("{} lacks segment {missing:08}: restore it, or move the later segments away to lose what they hold", dir.display())]
    Gap {
        /// The directory.
        dir: PathBuf,
        /// Number of the segment.
        missing: u64,
        /// The first segment that is there after it.
        next: u64,
    },
}

type FileReader = RecordReader<Box<dyn Read + Send>>;

/// Reads a log directory, record after record.
pub struct Reader {
    disk: Arc<dyn Disk>,
    /// Files still to be read, last first.
    files: Vec<(PathBuf, Position)>,
    current: Option<(PathBuf, Position, FileReader)>,
    record: Vec<u8>,
    first_segment: u64,
    last_segment: u64,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Reader {
    /// Lists `dir`; an absent or empty one has no records.
    /// # Errors
    /// [`ReadError::Io`], [`ReadError::Gap`].
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        Self::open_on(os_disk(), dir)
    }

    /// As [`Reader::open`], on another file layer.
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, ReadError> {
        Self::open_between(disk, dir, None, u64::MAX)
    }

    /// As [`Reader::open`], but reads nothing before segment `first`.
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_from(disk: Arc<dyn Disk>, dir: &Path, first: u64) -> Result<Self, ReadError> {
        Self::open_between(disk, dir, Some(first), u64::MAX)
    }

    /// Reads from segment `first`, or else from the newest checkpoint, to segment `last`.
    pub(super) fn open_between(
        disk: Arc<dyn Disk>,
        dir: &Path,
        first: Option<u64>,
        last: u64,
    ) -> Result<Self, ReadError> {
        let io_error = |path: &Path| {
            let path = path.to_owned();
            move |source| ReadError::Io { path, source }
        };
        let segments = Segments::list(&*disk, dir).map_err(io_error(dir))?;
        let mut files = Vec::new();
        let covered = first.map_or_else(|| segments.newest_checkpoint(), |first| first.checked_sub(1));
        if let (Some(number), None) = (covered, first) {
            let checkpoint_dir = segments.checkpoint_path(number);
            let inside = Segments::list(&*disk, &checkpoint_dir).map_err(io_error(&checkpoint_dir))?;
            for segment in gapless(&checkpoint_dir, inside.numbers(), None)? {
                let position = Position { checkpoint: Some(number), segment, offset: 0 };
                files.push((inside.path(segment), position));
            }
        }
        let after = segments.numbers().filter(|number| covered.is_none_or(|covered| *number > covered));
        let after = gapless(dir, after.filter(|number| *number <= last), covered.map(|covered| covered + 1))?;
        for segment in &after {
            files
                .push((segments.path(*segment), Position { checkpoint: None, segment: *segment, offset: 0 }));
        }
        let first_segment = after.first().copied().unwrap_or(0);
        let last_segment = after.last().copied().unwrap_or(0);
        files.reverse();
        Ok(Self { disk, files, current: None, record: Vec::new(), first_segment, last_segment })
    }

    /// Returns the first segment to be read outside of the checkpoint; 0 when there is none.
    pub fn first_segment(&self) -> u64 {
        self.first_segment
    }

    /// Returns the last segment to be read; 0 when there is none.
    pub fn last_segment(&self) -> u64 {
        self.last_segment
    }

    /// Returns the next record and where it starts; `None` at the end.
    /// # Errors
    /// [`ReadError::Io`], after which there is no next record; [`ReadError::Corrupt`], after which there may be.
    pub fn next_record(&mut self) -> Result<Option<(Position, &[u8])>, ReadError> {
        loop {
            let Some((path, start, records)) = &mut self.current else {
                if !self.open_next()? {
                    return Ok(None);
                }
                continue;
            };
            match records.next_record(&mut self.record) {
                Ok(Some(offset)) => {
                    let position = Position { offset, ..*start };
                    return Ok(Some((position, &self.record)));
                }
                Ok(None) => self.current = None,
                Err(Damage::Bytes { offset, reason }) => {
                    let position = Position { offset, ..*start };
                    return Err(ReadError::Corrupt { path: path.clone(), position, reason });
                }
                Err(Damage::Io(source)) => {
                    let path = path.clone();
                    self.files.clear();
                    self.current = None;
                    return Err(ReadError::Io { path, source });
                }
            }
        }
    }

    fn open_next(&mut self) -> Result<bool, ReadError> {
        let Some((path, position)) = self.files.pop() else { return Ok(false) };
        let file = self.disk.reader(&path).map_err(|source| ReadError::Io { path: path.clone(), source })?;
        self.current = Some((path, position, RecordReader::new(file)));
        Ok(true)
    }
}

/// Checks that numbers follow each other, the first being `first` if that is given.
fn gapless(
    dir: &Path,
    numbers: impl Iterator<Item = u64>,
    first: Option<u64>,
) -> Result<Vec<u64>, ReadError> {
    let numbers: Vec<u64> = numbers.collect();
    let mut expected = first;
    for &number in &numbers {
        match expected {
            Some(missing) if missing != number => {
                return Err(ReadError::Gap { dir: dir.to_owned(), missing, next: number });
            }
            _ => expected = Some(number + 1),
        }
    }
    Ok(numbers)
}

/// Why a segment could not be read on.
#[derive(Debug)]
pub(crate) enum Damage {
    Io(io::Error),
    Bytes { offset: u64, reason: &'static str },
}

/// Reads the records of one segment from any source of bytes. After damage it goes on where the next whole record may
/// be: behind the damaged fragment, or on the next page when its length is not to be believed.
#[derive(Debug)]
pub(crate) struct RecordReader<R> {
    source: R,
    page: Box<[u8; PAGE_BYTES]>,
    /// Pages read so far, the current one included.
    n_pages: u64,
    /// Where the next fragment starts in the page; [`PAGE_BYTES`] when a page has to be read.
    at: usize,
    /// The fragments of a record so far, as stored.
    stored: Vec<u8>,
    packing: Packing,
    /// After damage: the rest of the damaged record may follow.
    skips_rest: bool,
    /// The first page of zeros since the last fragment: no writer leaves one in front of another page.
    empty_page: Option<u64>,
}

impl<R: Read> RecordReader<R> {
    pub(crate) fn new(source: R) -> Self {
        let page = Box::new([0; PAGE_BYTES]);
        Self {
            source,
            page,
            n_pages: 0,
            at: PAGE_BYTES,
            stored: Vec::new(),
            packing: Packing::Plain,
            skips_rest: false,
            empty_page: None,
        }
    }

    /// Returns the record that was read last as it is stored.
    pub(super) fn stored(&self) -> (Packing, &[u8]) {
        (self.packing, &self.stored)
    }

    /// Reads the next record into `record` and returns its offset; `None` at the end of the segment.
    pub(crate) fn next_record(&mut self, record: &mut Vec<u8>) -> Result<Option<u64>, Damage> {
        // Offset and packing of the record that is being put together.
        let mut open: Option<(u64, Packing)> = None;
        loop {
            if self.at >= PAGE_BYTES && !self.read_page().map_err(Damage::Io)? {
                return match open {
                    None => Ok(None),
                    Some((offset, _)) => Err(Damage::Bytes { offset, reason: "record is cut off" }),
                };
            }
            let here = (self.n_pages - 1) * PAGE_BYTES as u64 + self.at as u64;
            let begun_at = open.map_or(here, |(start, _)| start);
            let damage = |reason| Damage::Bytes { offset: begun_at, reason };
            let (part, packing, bytes) = match read_item(&self.page, self.at) {
                Ok(Item::Fragment { part, packing, bytes }) => (part, packing, bytes),
                Ok(Item::Padding) => {
                    if self.at == 0 {
                        self.empty_page.get_or_insert(here);
                    }
                    self.at = PAGE_BYTES;
                    continue;
                }
                Err(reason) => {
                    self.at = PAGE_BYTES;
                    self.skips_rest = true;
                    return Err(damage(reason));
                }
            };
            if let Some(offset) = self.empty_page.take() {
                let offset = open.map_or(offset, |(start, _)| start);
                self.skips_rest = true;
                return Err(Damage::Bytes { offset, reason: "a page is missing" });
            }
            let is_first = matches!(part, Part::Full | Part::First);
            let is_expected = match open {
                None => is_first,
                Some((_, first)) => !is_first && first == packing,
            };
            if is_first && open.is_some() {
                // This fragment is the beginning of the next record.
                return Err(damage("record is cut off"));
            }
            let n_bytes = bytes.len();
            if is_first {
                self.stored.clear();
                self.skips_rest = false;
                open = Some((here, packing));
            }
            if is_expected {
                self.stored.extend_from_slice(bytes);
            }
            self.at += super::frame::HEADER_BYTES + n_bytes;
            if !is_expected {
                if std::mem::replace(&mut self.skips_rest, true) {
                    continue;
                }
                return Err(damage("fragment without a beginning"));
            }
            if matches!(part, Part::Middle | Part::First) {
                continue;
            }
            // A type byte followed by zeros is a torn record (or an empty one of another writer): nothing is in it.
            if let Some((offset, packing)) = open.take().filter(|_| !self.stored.is_empty()) {
                self.packing = packing;
                unpack(packing, &self.stored, record).map_err(|reason| Damage::Bytes { offset, reason })?;
                return Ok(Some(offset));
            }
        }
    }

    /// Reads a page, filling up a short last one with zeros; `false` at the end.
    fn read_page(&mut self) -> io::Result<bool> {
        let mut n_read = 0;
        while let Some(room) = self.page.get_mut(n_read..).filter(|room| !room.is_empty()) {
            match self.source.read(room) {
                Ok(0) => break,
                Ok(n) => n_read += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.page.get_mut(n_read..).unwrap_or_default().fill(0);
        if n_read == 0 {
            return Ok(false);
        }
        self.n_pages += 1;
        self.at = 0;
        Ok(true)
    }
}
