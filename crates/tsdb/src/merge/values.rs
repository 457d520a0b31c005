//! Sorted values of several sources as one sorted list without duplicates.

use std::iter::Peekable;

use wf_series::{LabelValues, SelectError};

/// Merges ascending lists; after an error there is no more.
pub(crate) fn merge_values(mut sources: Vec<LabelValues>) -> LabelValues {
    if sources.len() == 1
        && let Some(only) = sources.pop()
    {
        return only;
    }
    Box::new(MergedValues { sources: sources.into_iter().map(Iterator::peekable).collect() })
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
            let merged = merge_values(lists.iter().map(|values| list(values)).collect());
            assert_eq!(merged.collect::<Result<Vec<_>, _>>().unwrap(), want);
        };
        check(&[], &[]);
        check(&[&["a", "b"]], &["a", "b"]);
        check(&[&["a", "c", "d"], &["a", "b", "d", "e"], &[], &["d"]], &["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn an_error_ends_the_list() {
        let broken: LabelValues = Box::new([Err(SelectError::Limit("x".into()))].into_iter());
        let merged: Vec<_> = merge_values(vec![list(&["a"]), broken]).collect();
        assert!(matches!(merged.as_slice(), [Err(SelectError::Limit(_))]));
    }
}
