//! Sorted values of several sources as one sorted list without duplicates.
//!
//! Values are merged by the piece and list by list: comparing the first values of thirty blocks for every value costs more
//! than going through them one after the other. Blocks often have the same values: then a piece is compared, and that is all.

use std::cmp::Ordering;

use wf_series::{LabelValues, SelectError};

use super::Texts;

/// Values of a source that are held at a time.
pub(crate) const VALUES_HELD: usize = 512;

/// Values that are read as somebody takes them.
pub(crate) trait ValueSource: Send {
    /// Appends the next values, ascending: [`VALUES_HELD`] of them, or fewer at the end.
    /// # Errors
    /// When they cannot be read; then there are no more.
    fn read(&mut self, into: &mut Texts) -> Result<(), SelectError>;
}

/// Merges ascending lists; after an error there is no more.
/// # Errors
/// When the first values of a list cannot be read.
pub(crate) fn merge_values(sources: Vec<Box<dyn ValueSource>>) -> Result<LabelValues, SelectError> {
    let piece = |rest| Piece { texts: Texts::default(), n_taken: 0, rest, is_over: false };
    let mut merged = MergedValues {
        pieces: sources.into_iter().map(piece).collect(),
        ready: Texts::default(),
        n_given: 0,
        spare: Texts::default(),
    };
    merged.make_ready()?;
    Ok(Box::new(merged))
}

struct MergedValues {
    pieces: Vec<Piece>,
    ready: Texts,
    /// How many of those that are ready were given away.
    n_given: usize,
    spare: Texts,
}

/// What was read of a source, and the source.
struct Piece {
    texts: Texts,
    /// How many of them were merged.
    n_taken: usize,
    rest: Box<dyn ValueSource>,
    is_over: bool,
}

impl Piece {
    fn read(&mut self) -> Result<(), SelectError> {
        if self.n_taken == self.texts.len() && !self.is_over {
            self.texts.clear();
            self.n_taken = 0;
            self.rest.read(&mut self.texts)?;
            self.is_over = self.texts.len() < VALUES_HELD;
        }
        Ok(())
    }

    /// The greatest value up to which nothing is missing, `None` when all was read.
    fn read_up_to(&self) -> Option<&str> {
        if self.is_over { None } else { self.texts.last() }
    }
}

impl MergedValues {
    fn make_ready(&mut self) -> Result<(), SelectError> {
        self.ready.clear();
        self.n_given = 0;
        self.pieces.iter_mut().try_for_each(Piece::read)?;
        let bound = self.pieces.iter().filter_map(Piece::read_up_to).min().map(str::to_owned);
        for piece in &mut self.pieces {
            let n_within = bound.as_ref().map_or(piece.texts.len(), |bound| piece.texts.n_up_to(bound));
            let is_whole = piece.n_taken == 0 && n_within == piece.texts.len();
            if is_whole && self.ready.len() == 0 {
                std::mem::swap(&mut self.ready, &mut piece.texts);
                continue;
            }
            if !(is_whole && self.ready == piece.texts) {
                merge_pair(&self.ready, &piece.texts, piece.n_taken..n_within, &mut self.spare);
                std::mem::swap(&mut self.ready, &mut self.spare);
            }
            piece.n_taken = n_within;
        }
        Ok(())
    }
}

/// Merges `a` and some of `b`; texts that both have come once.
fn merge_pair(a: &Texts, b: &Texts, of_b: std::ops::Range<usize>, out: &mut Texts) {
    out.clear();
    let (mut a, mut b) = (a.iter().peekable(), of_b.filter_map(|idx| b.get(idx)).peekable());
    while let (Some(left), Some(right)) = (a.peek(), b.peek()) {
        let order = left.cmp(right);
        out.push(if order == Ordering::Greater { right } else { left });
        if order != Ordering::Greater {
            a.next();
        }
        if order != Ordering::Less {
            b.next();
        }
    }
    a.chain(b).for_each(|text| out.push(text));
}

impl Iterator for MergedValues {
    type Item = Result<String, SelectError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.n_given == self.ready.len()
            && let Err(error) = self.make_ready()
        {
            self.pieces.clear();
            return Some(Err(error));
        }
        let value = self.ready.get(self.n_given)?.to_owned();
        self.n_given += 1;
        Some(Ok(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its values, then fails if told so.
    struct List {
        values: std::vec::IntoIter<String>,
        fails: bool,
    }

    impl ValueSource for List {
        fn read(&mut self, into: &mut Texts) -> Result<(), SelectError> {
            let n_before = into.len();
            self.values.by_ref().take(VALUES_HELD).for_each(|value| into.push(&value));
            let is_cut_short = self.fails && into.len() - n_before < VALUES_HELD;
            if is_cut_short { Err(SelectError::Limit("x".into())) } else { Ok(()) }
        }
    }

    fn list(values: &[&str]) -> Box<dyn ValueSource> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        Box::new(List { values: values.into_iter(), fails: false })
    }

    #[test]
    fn values_of_several_sources_come_once_and_in_order() {
        let check = |lists: &[&[&str]], want: &[&str]| {
            let merged = merge_values(lists.iter().map(|values| list(values)).collect()).unwrap();
            assert_eq!(merged.collect::<Result<Vec<_>, _>>().unwrap(), want);
        };
        check(&[], &[]);
        check(&[&["a", "b"]], &["a", "b"]);
        check(&[&["a", "b"], &["a", "b"]], &["a", "b"]);
        check(&[&["ab", "c"], &["a", "bc"]], &["a", "ab", "bc", "c"]);
        check(&[&["a", "c", "d"], &["a", "b", "d", "e"], &[], &["d"]], &["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn long_and_short_lists_merge() {
        let numbers = |range: std::ops::Range<usize>, step: usize| -> Vec<String> {
            range.step_by(step).map(|number| format!("{number:05}")).collect()
        };
        let lists = [
            numbers(0..3_000, 2),
            numbers(100..110, 1),
            numbers(1_000..2_000, 1),
            numbers(0..3_000, 2),
            numbers(5_000..5_001, 1),
        ];
        let as_source = |values: &Vec<String>| list(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let merged = merge_values(lists.iter().map(as_source).collect()).unwrap();
        let want: std::collections::BTreeSet<String> = lists.iter().flatten().cloned().collect();
        assert!(merged.map(Result::unwrap).eq(want));
    }

    #[test]
    fn an_error_ends_the_list() {
        let broken = |n_before: usize| -> Box<dyn ValueSource> {
            let values: Vec<String> = (0..n_before).map(|number| format!("{number:05}")).collect();
            Box::new(List { values: values.into_iter(), fails: true })
        };
        assert!(matches!(merge_values(vec![list(&["a"]), broken(1)]), Err(SelectError::Limit(_))));
        let merged: Vec<_> = merge_values(vec![list(&["a"]), broken(600)]).unwrap().collect();
        // Those read together with the error are lost.
        assert_eq!(merged.len(), VALUES_HELD + 1);
        assert!(merged.last().is_some_and(Result::is_err));
    }
}
