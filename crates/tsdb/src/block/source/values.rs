//! The values of a label in a block: read from the file as somebody takes them.

use std::collections::BTreeSet;
use std::sync::Arc;

use wf_series::{LabelQuery, SelectError};

use super::{BlockSource, storage_error};
use crate::block::series_entry::SeriesEntry;
use crate::block::{Block, BlockError};
use crate::merge::{Texts, VALUES_HELD, ValueSource};

/// The values of a label, ascending.
pub(crate) struct BlockValues {
    block: Arc<Block>,
    rest: Rest,
}

/// What was not read yet.
enum Rest {
    /// Of all values of this label, those behind the last one read.
    Behind { name: String, last: Option<String> },
    /// Values by their number among the block's texts.
    Codes(std::collections::btree_set::IntoIter<u32>),
}

impl BlockSource {
    /// Returns the values of label `name`, ascending.
    /// # Errors
    /// When the block cannot be read or is damaged.
    pub(crate) fn values(&self, name: &str, query: &LabelQuery<'_>) -> Result<BlockValues, SelectError> {
        let rest = || match self.queried_ids(query)? {
            None => Ok(Rest::Behind { name: name.to_owned(), last: None }),
            Some(ids) => Ok(Rest::Codes(self.value_codes(name, &ids)?.into_iter())),
        };
        let rest = rest().map_err(|error: BlockError| storage_error(&error))?;
        Ok(BlockValues { block: Arc::clone(&self.0), rest })
    }

    fn value_codes(&self, name: &str, ids: &[u32]) -> Result<BTreeSet<u32>, BlockError> {
        let (index, mut values) = (self.0.index(), BTreeSet::new());
        let symbols = index.symbols()?;
        let Some(name) = symbols.find(name) else { return Ok(values) };
        let mut entry = SeriesEntry::default();
        for id in ids {
            index.read_series_with(&symbols, u64::from(*id), &mut entry)?;
            values.extend(entry.value_of(name));
        }
        Ok(values)
    }
}

impl BlockValues {
    fn read_more(&mut self, into: &mut Texts) -> Result<(), BlockError> {
        let index = self.block.index();
        match &mut self.rest {
            Rest::Behind { name, last } => {
                let (table, bytes) = index.postings_table()?;
                let Some(name) = table.name(bytes, name) else { return Ok(()) };
                let from = table.values_from(bytes, name, last.as_deref().unwrap_or(""));
                let new = from.filter(|entry| last.as_deref() != Some(entry.value)).take(VALUES_HELD);
                new.for_each(|entry| into.push(entry.value));
                *last = into.last().map(str::to_owned).or(last.take());
            }
            Rest::Codes(codes) => {
                let symbols = index.symbols()?;
                // Numbers ascend as the texts do.
                for code in codes.take(VALUES_HELD) {
                    into.push(symbols.get(code)?);
                }
            }
        }
        Ok(())
    }
}

impl ValueSource for BlockValues {
    fn read(&mut self, into: &mut Texts) -> Result<(), SelectError> {
        self.read_more(into).map_err(|error| storage_error(&error))
    }
}
