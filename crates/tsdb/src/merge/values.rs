//! Sorted values of several sources as one sorted list without duplicates.

use std::iter::Peekable;

use wf_series::{LabelValues, SelectError};

use super::merge_names;

/// Values of a source that are held at a time.
const VALUES_HELD: usize = 512;

/// Merges ascending lists; after an error there is no more. Short ones, which most are, become one list at once: comparing
/// the first values of thirty blocks for every value costs more than going through them one after the other.
/// # Errors
/// When the first values of a list cannot be read.
pub(crate) fn merge_values(sources: Vec<LabelValues>) -> Result<LabelValues, SelectError> {
    let (mut short, mut long) = (Vec::new(), Vec::<LabelValues>::new());
    for mut source in sources {
        let first: Vec<String> = source.by_ref().take(VALUES_HELD).collect::<Result<_, _>>()?;
        if first.len() < VALUES_HELD {
            short = merge_names(short, first);
        } else {
            long.push(Box::new(first.into_iter().map(Ok).chain(source)));
        }
    }
    let short: LabelValues = Box::new(short.into_iter().map(Ok));
    if long.is_empty() {
        return Ok(short);
    }
    long.push(short);
    Ok(Box::new(MergedValues { sources: long.into_iter().map(Iterator::peekable).collect() }))
}

struct MergedValues {
    sources: Vec<Peekable<LabelValues>>,
}

impl Iterator for MergedValues {
    type Item = Result<String, SelectError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut least: Option<(usize, &str)> = None;
        let mut failed = None;
        for (idx, source) in self.sources.iter_mut().enumerate() {
            match source.peek() {
                Some(Ok(value)) if least.is_none_or(|(_, least)| value.as_str() < least) => {
                    least = Some((idx, value));
                }
                Some(Ok(_)) | None => {}
                Some(Err(error)) => failed = Some(error.clone()),
            }
        }
        if let Some(error) = failed {
            self.sources.clear();
            return Some(Err(error));
        }
        let (first, _) = least?;
        let value = self.sources.get_mut(first)?.next()?;
        if let Ok(value) = &value {
            for source in self.sources.iter_mut().skip(first + 1) {
                source.next_if(|other| other.as_ref().is_ok_and(|other| other == value));
            }
        }
        Some(value)
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
        assert_eq!(merged.len(), 601);
        assert!(merged.last().is_some_and(Result::is_err));
    }
}
