//! Writing a block, whatever its series come from.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wf_model::Labels;

use super::counters::Counters;
use super::rewrite::{Input, Output, Rewriter};
use crate::block::chunk_files::n_samples;
use crate::block::{BlockError, BlockMeta, BlockWriter, MetaDraft, OutChunk, Ulid};
use crate::chunk::ChunkError;
use crate::disk::Disk;

/// Why a block was not written. Nothing else was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompactError {
    #[error("read series for a block")]
    Read(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("a chunk of {labels} is damaged")]
    Chunk { labels: String, source: ChunkError },
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error("the new block cannot be read back")]
    Unreadable,
    /// Not an error: the database is being closed.
    #[error("the database is being closed")]
    Stopped,
}

impl CompactError {
    pub(crate) fn read(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Read(Box::new(error))
    }

    /// Returns whether the bytes that were read are at fault: trying again will not help.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Chunk { .. } => true,
            Self::Block(error) => error.is_damage(),
            Self::Read(_) | Self::Unreadable | Self::Stopped => false,
        }
    }
}

/// Takes the labels of a series, as positions of name and value among the symbols, and its chunks.
pub(crate) type Visit<'a> = dyn FnMut(&[(u32, u32)], Vec<Input<'_>>) -> Result<(), CompactError> + 'a;

/// Where the series of a block come from.
pub(crate) trait BlockInput {
    /// Iterates over all label names and values, ascending by bytes, without duplicates.
    fn symbols(&self) -> Box<dyn Iterator<Item = &str> + '_>;

    /// Calls `visit` for each series in label order.
    /// # Errors
    /// Those of `visit`, and when a series cannot be read.
    fn visit(&mut self, visit: &mut Visit<'_>) -> Result<(), CompactError>;
}

/// Where blocks are written, and who is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    /// The directory that will hold the block's.
    pub(crate) parent: &'a Path,
    pub(crate) counters: &'a Counters,
    /// Ends the work when set.
    pub(crate) stop: &'a AtomicBool,
}

/// Writes a block with the series of `input`, their chunks rewritten by `rewriter`, and makes it durable. Returns what it
/// is, or nothing when no sample was left: then no block was written.
/// # Errors
/// See [`CompactError`]; what was written is removed.
pub(crate) fn write_block(
    target: Target<'_>,
    ulid: Ulid,
    draft: MetaDraft,
    rewriter: &mut Rewriter,
    input: &mut dyn BlockInput,
) -> Result<Option<BlockMeta>, CompactError> {
    let mut writer = BlockWriter::create(target.disk, target.parent, ulid, input.symbols())?;
    let mut damaged = None;
    let written = input.visit(&mut |labels, series| {
        if target.stop.load(Ordering::Relaxed) {
            return Err(CompactError::Stopped);
        }
        let chunks = rewriter.rewrite(series).map_err(|source| {
            damaged = Some(labels.to_vec());
            CompactError::Chunk { labels: String::new(), source }
        })?;
        let out: Vec<OutChunk<'_>> = chunks.iter().map(Output::as_out_chunk).collect();
        count(target.counters, &out);
        Ok(writer.add_series(labels, &out)?)
    });
    match (written, damaged) {
        (Err(CompactError::Chunk { source, .. }), Some(labels)) => {
            Err(CompactError::Chunk { labels: text(input, &labels), source })
        }
        (Err(error), _) => Err(error),
        (Ok(()), _) => Ok(writer.finish(draft)?),
    }
}

/// Spells the labels of a series, for a message.
fn text(input: &dyn BlockInput, labels: &[(u32, u32)]) -> String {
    let symbol = |at: u32| input.symbols().nth(at as usize).unwrap_or("").to_owned();
    Labels::from_pairs(labels.iter().map(|(name, value)| (symbol(*name), symbol(*value)))).to_string()
}

fn count(counters: &Counters, chunks: &[OutChunk<'_>]) {
    counters.chunks.add(chunks.len() as u64);
    for chunk in chunks {
        counters.chunk_samples.add(u64::from(n_samples(chunk.encoding, chunk.data)));
        counters.chunk_bytes.add(chunk.data.len() as u64);
        counters.chunk_range_ms.add(chunk.max_time.abs_diff(chunk.min_time));
    }
}
