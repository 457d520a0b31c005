//! Reading ahead: a thread that reads and decompresses the log while others take in what it found.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::wal::{Position, ReadError, Reader};

/// Decompressed records are handed over in blocks of about this many bytes.
const BLOCK_BYTES: usize = 256 << 10;
/// Blocks that are full and wait. With the one being filled and the one being read they bound what is read ahead.
const BLOCKS: usize = 4;

/// Some records, and what was wrong between them.
#[derive(Debug, Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    events: Vec<Event>,
}

#[derive(Debug)]
enum Event {
    /// A record that ends here in the bytes of the block.
    Record(Position, usize),
    Failed(ReadError),
}

impl Block {
    /// Reads until the block is full; `false` at the end of the log.
    fn fill(&mut self, reader: &mut Reader) -> bool {
        self.bytes.clear();
        self.events.clear();
        while self.bytes.len() < BLOCK_BYTES {
            let event = match reader.next_record() {
                Ok(None) => return false,
                Ok(Some((position, record))) => {
                    self.bytes.extend_from_slice(record);
                    Event::Record(position, self.bytes.len())
                }
                Err(error) => Event::Failed(error),
            };
            self.events.push(event);
        }
        true
    }

    /// Returns the bytes of all its records.
    pub(super) fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Calls `record` and `failed` in the order of the log.
    pub(super) fn drain(
        &mut self,
        mut record: impl FnMut(Position, &[u8]),
        mut failed: impl FnMut(ReadError),
    ) {
        let mut start = 0;
        for event in self.events.drain(..) {
            match event {
                Event::Record(position, end) => {
                    record(position, self.bytes.get(start..end).unwrap_or_default());
                    start = end;
                }
                Event::Failed(error) => failed(error),
            }
        }
    }
}

/// The end of the reading thread.
pub(super) struct Filler {
    full: SyncSender<Block>,
    empty: Receiver<Block>,
}

/// The other end.
pub(super) struct Feed {
    full: Receiver<Block>,
    empty: SyncSender<Block>,
}

/// Returns both ends of a feed.
pub(super) fn feed() -> (Filler, Feed) {
    let (full_in, full_out) = sync_channel(BLOCKS);
    let (empty_in, empty_out) = sync_channel(BLOCKS + 2);
    (Filler { full: full_in, empty: empty_out }, Feed { full: full_out, empty: empty_in })
}

impl Filler {
    /// Reads the log to its end, or until nobody wants it any more.
    pub(super) fn run(self, mut reader: Reader) {
        loop {
            let mut block = self.empty.try_recv().unwrap_or_default();
            let is_end = !block.fill(&mut reader);
            if self.full.send(block).is_err() || is_end {
                return;
            }
        }
    }
}

impl Feed {
    /// Waits for the next block; `None` at the end.
    pub(super) fn next(&self) -> Option<Block> {
        self.full.recv().ok()
    }

    /// Gives a block back, so that its memory is used again.
    pub(super) fn recycle(&self, block: Block) {
        // There is room for all blocks there are; and one that is lost is merely freed.
        let _ = self.empty.try_send(block);
    }
}
