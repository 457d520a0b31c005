//! Sorted values of several sources as one sorted list without duplicates.

use wf_series::{LabelValues, SelectError};

use super::merge_names;

/// Values of a source that are held at a time.
const VALUES_HELD: usize = 512;

/// Merges ascending lists; after an error there is no more.
/// # Errors
/// When the first values of one of several lists cannot be read.
pub(crate) fn merge_values(mut sources: Vec<LabelValues>) -> Result<LabelValues, SelectError> {
    if sources.len() == 1
        && let Some(only) = sources.pop()
    {
        return Ok(only);
    }
    let sources = sources.into_iter().map(Source::new).collect();
    let mut merged = MergedValues { sources, ready: Vec::new().into_iter() };
    merged.make_ready()?;
    Ok(Box::new(merged))
}

/// Values are merged by the piece and list by list: comparing the first values of thirty blocks for every value costs more
/// than going through them one after the other, and pieces of blocks are often equal.
struct MergedValues {
    sources: Vec<Source>,
    ready: std::vec::IntoIter<String>,
}

struct Source {
    /// Read and not merged yet.
    piece: std::vec::IntoIter<String>,
    rest: LabelValues,
    is_over: bool,
}

impl Source {
    fn new(rest: LabelValues) -> Self {
        Self { piece: Vec::new().into_iter(), rest, is_over: false }
    }

    fn read(&mut self) -> Result<(), SelectError> {
        if self.piece.len() == 0 && !self.is_over {
            let piece: Vec<String> = self.rest.by_ref().take(VALUES_HELD).collect::<Result<_, _>>()?;
            self.is_over = piece.len() < VALUES_HELD;
            self.piece = piece.into_iter();
        }
        Ok(())
    }

    /// The greatest value up to which nothing is missing, `None` when all was read.
    fn read_up_to(&self) -> Option<&String> {
        if self.is_over { None } else { self.piece.as_slice().last() }
    }

    fn take_up_to(&mut self, bound: Option<&String>) -> Vec<String> {
        let held = self.piece.as_slice();
        let n_within = bound.map_or(held.len(), |bound| held.partition_point(|value| value <= bound));
        self.piece.by_ref().take(n_within).collect()
    }
}

impl MergedValues {
    fn make_ready(&mut self) -> Result<(), SelectError> {
        self.sources.iter_mut().try_for_each(Source::read)?;
        let bound = self.sources.iter().filter_map(Source::read_up_to).min().cloned();
        let pieces = self.sources.iter_mut().map(|source| source.take_up_to(bound.as_ref()));
        self.ready = pieces.fold(Vec::new(), merge_names).into_iter();
        Ok(())
    }
}

impl Iterator for MergedValues {
    type Item = Result<String, SelectError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.len() == 0
            && let Err(error) = self.make_ready()
        {
            self.sources.clear();
            return Some(Err(error));
        }
        self.ready.next().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[&str]) -> LabelValues {
        let values: Vec<_> = values.iter().map(|value| Ok((*value).to_owned())).collect();
        Box::new(values.into_iter())
    }

    #[test]
    fn values_of_several_sources_come_once_and_in_order() {
        let check = |lists: &[&[&str]], want: &[&str]| {
            let merged = merge_values(lists.iter().map(|values| list(values)).collect()).unwrap();
            assert_eq!(merged.collect::<Result<Vec<_>, _>>().unwrap(), want);
        };
        check(&[], &[]);
        check(&[&["a", "b"]], &["a", "b"]);
        check(&[&["a", "c", "d"], &["a", "b", "d", "e"], &[], &["d"]], &["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn long_and_short_lists_merge() {
        let numbers = |range: std::ops::Range<usize>, step: usize| -> Vec<String> {
            range.step_by(step).map(|number| format!("{number:05}")).collect()
        };
        let lists =
            [numbers(0..3_000, 2), numbers(100..110, 1), numbers(1_000..2_000, 1), numbers(5_000..5_001, 1)];
        let as_source = |values: &Vec<String>| list(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let merged = merge_values(lists.iter().map(as_source).collect()).unwrap();
        let want: std::collections::BTreeSet<String> = lists.iter().flatten().cloned().collect();
        assert!(merged.map(Result::unwrap).eq(want));
    }

    #[test]
    fn an_error_ends_the_list() {
        let broken = |n_before: usize| -> LabelValues {
            let values = (0..n_before).map(|number| Ok(format!("{number:05}")));
            Box::new(values.chain([Err(SelectError::Limit("x".into()))]))
        };
        assert!(matches!(merge_values(vec![list(&["a"]), broken(1)]), Err(SelectError::Limit(_))));
        let merged: Vec<_> = merge_values(vec![list(&["a"]), broken(600)]).unwrap().collect();
        // Those read together with the error are lost.
        assert_eq!(merged.len(), VALUES_HELD + 1);
        assert!(merged.last().is_some_and(Result::is_err));
    }
}
