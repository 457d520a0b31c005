//! Late samples leave the head: after each cut of the head they become blocks of aligned ranges of their own.
//!
//! Such a block overlaps the one of the same range that was cut in order, and is merged with it by the next compaction.

use std::borrow::Cow;

use tracing::{info, warn};
use wf_model::TimeRange;

use super::HINT_OUT_OF_ORDER;
use super::life::Life;
use super::rewrite::{Density, Input, Rewriter};
use super::write::{BlockInput, CompactError, Visit};
use crate::block::{Compaction, MetaDraft, ParentBlock};
use crate::chunk::{ChunkError, EncodedChunk, Encoding, Sample, Writer};
use crate::head::ranked::Ranked;
use crate::head::{Chain, Head, LateCut, LateCutError, TooManySymbols};

/// Samples of a chunk, as in order.
const SAMPLES_MAX: u16 = 120;

/// Why late samples did not become blocks. They stay where they are.
#[derive(Debug, thiserror::Error)]
enum LateBlockError {
    #[error(transparent)]
    Head(#[from] LateCutError),
    #[error(transparent)]
    Symbols(#[from] TooManySymbols),
    #[error(transparent)]
    Block(#[from] CompactError),
}

impl Life {
    /// Writes all late samples to blocks. Returns whether that is done; an error is logged and counted.
    pub(super) fn cut_late(&self, now_ms: i64) -> bool {
        match self.try_cut_late(now_ms) {
            Ok(0) => true,
            Ok(n_blocks) => {
                info!(n_blocks, "late samples cut to blocks");
                true
            }
            Err(LateBlockError::Block(CompactError::Stopped)) => false,
            Err(error) => {
                self.blocks.counters.compactions_failed.add(1);
                warn!(error = %Chain(&error), "cannot cut late samples to blocks; trying again in a minute");
                false
            }
        }
    }

    fn try_cut_late(&self, now_ms: i64) -> Result<usize, LateBlockError> {
        let Some(cut) = self.head.begin_late_cut()? else { return Ok(0) };
        let ids: Vec<u32> = cut.ids().collect();
        let ranked = self.head.rank(ids.clone())?;
        let mut n_blocks = 0;
        let length = self.head.options().chunk_range_ms;
        let mut start_ms = cut.range.start_ms.div_euclid(length).saturating_mul(length);
        while start_ms <= cut.range.end_ms {
            let range = TimeRange { start_ms, end_ms: start_ms.saturating_add(length - 1) };
            let mut input = LateInput { head: &self.head, cut: &cut, ids: &ids, ranked: &ranked, range };
            let draft = MetaDraft {
                min_time: start_ms,
                max_time: start_ms.saturating_add(length),
                compaction: Compaction {
                    hints: vec![HINT_OUT_OF_ORDER.to_owned()],
                    parents: vec![ParentBlock::default()],
                    ..Compaction::default()
                },
            };
            let mut rewriter = Rewriter::new(Density::Copied, range);
            n_blocks += usize::from(self.add_block(now_ms, draft, &mut rewriter, &mut input)?.is_some());
            start_ms = start_ms.saturating_add(length);
        }
        self.blocks.counters.compactions.add(n_blocks as u64);
        self.head.finish_late_cut(cut)?;
        Ok(n_blocks)
    }
}

/// The late samples inside one range.
struct LateInput<'a> {
    head: &'a Head,
    cut: &'a LateCut,
    /// Series of the cut, ascending.
    ids: &'a [u32],
    ranked: &'a Ranked,
    range: TimeRange,
}

impl BlockInput for LateInput<'_> {
    fn symbols(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.ranked.symbols())
    }

    fn visit(&mut self, visit: &mut Visit<'_>) -> Result<(), CompactError> {
        let mut labels = Vec::new();
        for id in &self.ranked.ids {
            let Ok(at) = self.ids.binary_search(id) else { continue };
            let samples = self.head.read_late(self.cut, at, self.range);
            if samples.is_empty() {
                continue;
            }
            self.head.ranked_labels(self.ranked, *id, &mut labels);
            visit(&labels, encode(&samples).map_err(CompactError::read)?)?;
        }
        Ok(())
    }
}

/// Writes samples as chunks that lose nothing of them.
fn encode(samples: &[Sample]) -> Result<Vec<Input<'static>>, ChunkError> {
    let has_starts = samples.iter().any(|sample| sample.start_time_ms != 0);
    let mut writer = Writer::new(SAMPLES_MAX, if has_starts { Encoding::Xor2 } else { Encoding::Xor });
    let mut chunks = Vec::new();
    for sample in samples {
        chunks.extend(writer.push(sample)?.map(input));
    }
    chunks.extend(writer.finish().map(input));
    Ok(chunks)
}

fn input(chunk: EncodedChunk) -> Input<'static> {
    let EncodedChunk { encoding, min_time_ms: start_ms, max_time_ms: end_ms, bytes, .. } = chunk;
    Input { span: TimeRange { start_ms, end_ms }, encoding, data: Cow::Owned(bytes), deleted: &[] }
}
