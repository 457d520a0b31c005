//! The values of a label in the head: numbers of texts, spelled as somebody takes them.

use std::sync::Arc;

use roaring::RoaringBitmap;
use wf_series::{LabelQuery, SelectError};

use super::Head;
use super::pins::Pin;
use crate::index::Index;
use crate::merge::{Texts, VALUES_HELD, ValueSource};

/// The values of a label, ascending.
pub(crate) struct HeadValues {
    head: Arc<Head>,
    /// Keeps the texts from being removed.
    pin: Arc<Pin>,
    codes: std::vec::IntoIter<u32>,
}

impl Head {
    pub(crate) fn label_values(self: &Arc<Self>, name: &str, query: &LabelQuery<'_>) -> HeadValues {
        let pin = self.pins.pin();
        let index = self.index.read();
        let mut codes = self.value_codes(&index, name, query);
        codes.sort_unstable_by(|a, b| index.symbols.get(*a).cmp(index.symbols.get(*b)));
        drop(index);
        HeadValues { head: Arc::clone(self), pin, codes: codes.into_iter() }
    }

    fn value_codes(&self, index: &Index, name: &str, query: &LabelQuery<'_>) -> Vec<u32> {
        let Some(name) = index.symbols.find(name) else { return Vec::new() };
        let Some(name_index) = index.postings.name(name) else { return Vec::new() };
        let Some(ids) = self.queried_ids(index, query) else {
            return name_index.values().map(|(value, _)| value).collect();
        };
        let value_of = |id| {
            let set = index.label_set(id);
            index.label_sets.value_at(set, index.label_sets.place(set, name))
        };
        let values: RoaringBitmap = (ids & name_index.has()).into_iter().map(value_of).collect();
        values.into_iter().collect()
    }
}

impl ValueSource for HeadValues {
    fn read(&mut self, into: &mut Texts) -> Result<(), SelectError> {
        let index = self.head.index.read();
        if self.codes.len() > 0 && !self.head.pins.is_readable(&self.pin) {
            let reason =
                "the values were taken more slowly than old series are kept for it; repeat the request";
            return Err(SelectError::Storage(reason.to_owned()));
        }
        let codes = self.codes.by_ref().take(VALUES_HELD);
        codes.for_each(|code| into.push(index.symbols.get(code)));
        Ok(())
    }
}
