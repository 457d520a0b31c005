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
        let codes = in_order(self.value_codes(&index, name, query), |code| index.symbols.get(code));
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

/// Returns the codes in the order of their texts. Values of a label mostly begin alike and differ soon after: eight bytes behind
/// what all of them share decide nearly always, without a look at the texts.
fn in_order<'a>(codes: Vec<u32>, text: impl Fn(u32) -> &'a str) -> Vec<u32> {
    let bytes = |code: u32| text(code).as_bytes();
    let Some(first) = codes.first().map(|code| bytes(*code)) else { return codes };
    let shared_with = |other: &[u8]| first.iter().zip(other).take_while(|(a, b)| a == b).count();
    let n_shared = codes.iter().map(|code| shared_with(bytes(*code))).min().unwrap_or(0);
    let key = |code: u32| {
        let mut key = [0; 8];
        let behind = bytes(code).get(n_shared..).unwrap_or_default();
        key.iter_mut().zip(behind).for_each(|(to, from)| *to = *from);
        (u64::from_be_bytes(key), code)
    };
    let mut keyed: Vec<(u64, u32)> = codes.into_iter().map(key).collect();
    keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| text(a.1).cmp(text(b.1))));
    keyed.into_iter().map(|(_, code)| code).collect()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn codes_come_in_the_order_of_their_texts(
            texts in proptest::collection::hash_set("(app-|app-0000000)?[a-c\\x00é]{0,10}", 0..50),
        ) {
            let texts: Vec<String> = texts.into_iter().collect();
            let codes = (0..u32::try_from(texts.len()).unwrap()).collect();
            let got: Vec<&String> =
                in_order(codes, |code| &texts[code as usize]).into_iter().map(|code| &texts[code as usize]).collect();
            let mut want: Vec<&String> = texts.iter().collect();
            want.sort();
            prop_assert_eq!(got, want);
        }
    }
}
