//! Reading late samples together with those in order.

use std::sync::Arc;

use wf_model::TimeRange;
use wf_series::{SampleColumns, SelectError};

use super::LateSeries;
use super::columns::merge_all;
use crate::chunk;
use crate::head::Head;
use crate::head::select::storage_error;

impl Head {
    /// Returns whether any series has late samples.
    pub(crate) fn has_late_samples(&self) -> bool {
        self.shards.iter().any(|shard| !shard.read().late.is_empty())
    }

    /// Merges the late samples inside `range` that a reader of batches up to `visible_seq` may see with those in order.
    pub(crate) fn with_late(
        &self,
        in_order: SampleColumns,
        late: &Arc<LateSeries>,
        range: TimeRange,
        visible_seq: u64,
    ) -> Result<SampleColumns, SelectError> {
        // In the order in which they were stored: the first sample of a time stays.
        let mut all = vec![in_order];
        for chunk in late.full_chunks().iter().filter(|chunk| chunk.span.overlaps(range)) {
            let bytes = self.chunk_files.chunk(chunk.chunk).map_err(storage_error)?;
            let mut columns = SampleColumns::default();
            chunk::decode(bytes.encoding, &bytes, range, &mut columns).map_err(storage_error)?;
            all.push(columns);
        }
        let mut open = SampleColumns::default();
        late.read_open(range, visible_seq, &mut open);
        all.push(open);
        Ok(merge_all(all))
    }
}
