//! Texts one after the other in one buffer.

/// A list of texts that costs no allocation for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    bytes: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Texts {
    pub(crate) fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, idx: usize) -> Option<&str> {
        let end = *self.ends.get(idx)?;
        let start = idx.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.bytes.get(start..end)
    }

    pub(crate) fn last(&self) -> Option<&str> {
        self.get(self.len().checked_sub(1)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|idx| self.get(idx))
    }

    /// Returns how many texts of an ascending list are not behind `bound`.
    pub(crate) fn n_up_to(&self, bound: &str) -> usize {
        let mut starts = 0..self.len();
        while let Some(middle) = (!starts.is_empty()).then(|| starts.start + starts.len() / 2) {
            if self.get(middle).is_some_and(|text| text <= bound) {
                starts.start = middle + 1;
            } else {
                starts.end = middle;
            }
        }
        starts.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_are_found() {
        let mut texts = Texts::default();
        assert_eq!((texts.len(), texts.last(), texts.n_up_to("x")), (0, None, 0));
        ["", "a", "b", "bb", "d"].into_iter().for_each(|text| texts.push(text));
        assert_eq!(texts.iter().collect::<Vec<_>>(), ["", "a", "b", "bb", "d"]);
        assert_eq!((texts.get(3), texts.get(5), texts.last()), (Some("bb"), None, Some("d")));
        for (bound, want) in [("", 1), ("a", 2), ("bb", 4), ("c", 4), ("d", 5), ("e", 5)] {
            assert_eq!(texts.n_up_to(bound), want, "{bound}");
        }
        texts.clear();
        assert_eq!(texts, Texts::default());
    }
}
