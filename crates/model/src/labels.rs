//! Label sets: the identity of a series.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

/// Name of the label that holds the metric name.
pub const METRIC_NAME: &str = "__name__";

/// What most label sets stay below.
const LABELS_USUAL: usize = 24;
const TEXT_BYTES_USUAL: usize = 512;

/// An immutable label set: sorted by name (byte order), names unique, no empty value. Clones share memory.
///
/// A label with an empty value is the same as no label, so building drops it.
///
/// # Source
/// Prometheus data model; `spec/prometheus-core.md` §1.1.
#[derive(Clone)]
pub struct Labels {
    inner: Arc<Inner>,
}

/// All names and values in one string, `name value name value …`, and where each of them ends.
struct Inner {
    text: Box<str>,
    ends: Box<[u32]>,
}

impl Labels {
    /// Returns the empty label set, without allocating.
    pub fn empty() -> Self {
        static EMPTY: LazyLock<Labels> = LazyLock::new(|| Labels::from_sorted(std::iter::empty()));
        EMPTY.clone()
    }

    /// Builds from pairs in any order; pairs with an empty value are dropped and of two pairs with one name the
    /// later wins. Input from outside that must not repeat a name is checked where it is parsed.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// Builds from pairs that are already sorted by name, unique and free of empty values.
    pub fn from_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        // Room for most sets, then exactly what is needed: growing step by step cost more than all else here.
        let mut text = String::with_capacity(TEXT_BYTES_USUAL);
        let mut ends = Vec::with_capacity(2 * LABELS_USUAL);
        for (name, value) in pairs {
            text.push_str(name);
            ends.push(end_of(&text));
            text.push_str(value);
            ends.push(end_of(&text));
        }
        let (text, ends) = (Box::from(text.as_str()), Box::from(ends.as_slice()));
        let labels = Self { inner: Arc::new(Inner { text, ends }) };
        debug_assert!(labels.iter().zip(labels.iter().skip(1)).all(|(a, b)| a.0 < b.0), "unsorted: {labels}");
        labels
    }

    /// Returns the number of labels.
    pub fn len(&self) -> usize {
        self.inner.ends.len() / 2
    }

    /// Returns whether there are no labels at all.
    pub fn is_empty(&self) -> bool {
        self.inner.ends.is_empty()
    }

    /// Iterates over `(name, value)` in name order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + '_ {
        (0..self.len()).map(|idx| self.pair(idx))
    }

    /// Returns the value of label `name`, if present.
    pub fn get(&self, name: &str) -> Option<&str> {
        // Sets are short (5–15 labels) and mostly asked for early names: a scan beats a binary search.
        self.iter().take_while(|(n, _)| *n <= name).find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Returns the value of `__name__`, or `""`.
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or("")
    }

    /// Returns the set without the labels for which `drop(name)` holds.
    pub fn without(&self, mut drop: impl FnMut(&str) -> bool) -> Self {
        Self::from_sorted(self.iter().filter(|(name, _)| !drop(name)))
    }

    /// Returns the set with `changes`, which are sorted by name and unique: a label is set, or dropped when its value is empty.
    pub fn with(&self, changes: &[(&str, &str)]) -> Self {
        let (mut mine, mut theirs) = (self.iter().peekable(), changes.iter().copied().peekable());
        Self::from_sorted(std::iter::from_fn(|| {
            loop {
                let change = match (mine.peek(), theirs.peek()) {
                    (Some((name, _)), Some((other, _))) if name < other => return mine.next(),
                    (Some((name, _)), Some((other, _))) => {
                        if name == other {
                            mine.next();
                        }
                        theirs.next()
                    }
                    (_, None) => return mine.next(),
                    (None, _) => theirs.next(),
                };
                if let Some((name, value)) = change.filter(|(_, value)| !value.is_empty()) {
                    return Some((name, value));
                }
            }
        }))
    }

    fn pair(&self, idx: usize) -> (&str, &str) {
        let start = if idx == 0 { 0 } else { self.end(2 * idx - 1) };
        let middle = self.end(2 * idx);
        (self.slice(start, middle), self.slice(middle, self.end(2 * idx + 1)))
    }

    fn end(&self, position: usize) -> usize {
        self.inner.ends.get(position).copied().unwrap_or(0) as usize
    }

    fn slice(&self, start: usize, end: usize) -> &str {
        self.inner.text.get(start..end).unwrap_or("")
    }
}

#[expect(clippy::cast_possible_truncation, reason = "scrape and API limits keep a label set far below 4 GiB")]
fn end_of(text: &str) -> u32 {
    text.len() as u32
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
            || (self.inner.ends == other.inner.ends && self.inner.text == other.inner.text)
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.ends.hash(state);
        self.inner.text.hash(state);
    }
}

/// Orders like Prometheus sorts series: pair by pair, name before value, a prefix first.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Writes `{a="1", b="2"}`, values quoted as Go quotes strings, names that are not identifiers quoted too.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (idx, (name, value)) in self.iter().enumerate() {
            if idx > 0 {
                f.write_str(", ")?;
            }
            if is_legacy_label_name(name) {
                f.write_str(name)?;
            } else {
                write!(f, "{}", crate::quote::GoQuoted(name))?;
            }
            write!(f, "={}", crate::quote::GoQuoted(value))?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Builds a [`Labels`] from pairs that arrive in any order.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// Starts from an existing set.
    pub fn from_labels(base: &Labels) -> Self {
        Self { pairs: base.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }

    /// Sets `name` to `value`; an empty value removes the label.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        if value.is_empty() {
            return self.remove(name);
        }
        match self.pairs.iter_mut().find(|(n, _)| n == name) {
            Some(pair) => value.clone_into(&mut pair.1),
            None => self.pairs.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Removes `name` if present.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.pairs.retain(|(n, _)| n != name);
        self
    }

    /// Returns the current value of `name`, if set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Iterates over the pairs in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Sorts and freezes.
    pub fn build(mut self) -> Labels {
        self.pairs.sort_unstable();
        Labels::from_sorted(self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

/// Which metric and label names are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NameScheme {
    /// Any UTF-8 but nothing.
    #[default]
    Utf8,
    /// Letters, digits, `_`, and `:` in metric names.
    Legacy,
}

impl NameScheme {
    /// Returns whether `name` may name a label.
    pub fn is_label_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => is_legacy_label_name(name),
        }
    }
}

/// Returns whether `name` is a metric name in the legacy scheme: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_legacy_metric_name(name: &str) -> bool {
    is_identifier(name, |byte| byte == b':')
}

/// Returns whether `name` is a label name in the legacy scheme: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_legacy_label_name(name: &str) -> bool {
    is_identifier(name, |_| false)
}

fn is_identifier(name: &str, extra: impl Fn(u8) -> bool) -> bool {
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || extra(byte);
    let mut bytes = name.bytes();
    bytes.next().is_some_and(is_start) && bytes.all(|byte| is_start(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_sorted_unique_and_without_empty_values() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="1", b="3"}"#);
        assert_eq!((labels.get("b"), labels.get("c"), labels.len()), (Some("3"), None, 2));
    }

    #[test]
    fn equal_text_cut_differently_is_a_different_set() {
        assert_ne!(Labels::from_pairs([("a", "bc")]), Labels::from_pairs([("ab", "c")]));
    }

    #[test]
    fn sets_sort_pair_by_pair() {
        let sorted = [
            Labels::empty(),
            Labels::from_pairs([("a", "1")]),
            Labels::from_pairs([("a", "1"), ("b", "1")]),
            Labels::from_pairs([("a", "2")]),
            Labels::from_pairs([("b", "0")]),
        ];
        assert!(sorted.is_sorted());
    }

    #[test]
    fn changes_set_add_and_drop_labels() {
        let labels = Labels::from_pairs([("a", "1"), ("c", "3"), ("e", "5")]);
        for (changes, want) in [
            (&[][..], r#"{a="1", c="3", e="5"}"#),
            (&[("a", ""), ("b", ""), ("e", "")], r#"{c="3"}"#),
            (&[("a", "x"), ("b", "2"), ("f", "6")], r#"{a="x", b="2", c="3", e="5", f="6"}"#),
        ] {
            assert_eq!(labels.with(changes).to_string(), want);
        }
        assert_eq!(Labels::empty().with(&[("a", "1"), ("b", "")]).to_string(), r#"{a="1"}"#);
    }

    #[test]
    fn names_that_are_no_identifiers_are_quoted() {
        assert_eq!(Labels::from_pairs([("my.label", "a\"b")]).to_string(), r#"{"my.label"="a\"b"}"#);
    }
}
