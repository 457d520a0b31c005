//! From matchers to series ids.
//!
//! Every matcher is about a set P of values: those that `=` or `=~` accept. What it keeps of the candidates follows
//! from its sign and from whether it accepts the absent label:
//!
//! | | rejects absent | accepts absent |
//! |---|---|---|
//! | `=` `=~` | candidates ∧ postings(P) | candidates − (has − postings(P)) |
//! | `!=` `!~` | (candidates ∧ has) − postings(P) | candidates − postings(P) |
//!
//! Cheap matchers go first; the search stops at the first empty set. An expression that would have to be run on more
//! values than there are candidates left runs on the candidates' values instead, once per distinct value.

use roaring::RoaringBitmap;
use wf_model::{MatchOp, Matcher};

use super::Index;
use super::postings::NameIndex;
use super::symbols::EMPTY;
use crate::FastMap;

/// The values that the comparison accepts, as far as it is known without running an expression.
enum Accepted {
    /// These and no others; absent ones are left out.
    Values(Vec<u32>),
    /// Every value.
    All,
    /// Those with this prefix that the expression matches.
    Expression { prefix: String },
}

/// One matcher, looked up.
struct Step<'a> {
    matcher: &'a Matcher,
    name: u32,
    name_index: &'a NameIndex,
    accepted: Accepted,
    is_positive: bool,
    accepts_absent: bool,
}

/// Returns the ids of all series that satisfy every matcher.
pub(crate) fn select_ids(index: &Index, matchers: &[Matcher]) -> RoaringBitmap {
    let mut steps = Vec::with_capacity(matchers.len());
    for matcher in matchers {
        let name = index.symbols.find(matcher.name());
        let found = name.and_then(|name| index.postings.name(name).map(|name_index| (name, name_index)));
        match found {
            Some((name, name_index)) => steps.push(look_up(index, matcher, name, name_index)),
            None if matcher.matches_empty() => {}
            None => return RoaringBitmap::new(),
        }
    }
    steps.sort_by_cached_key(Step::cost);
    let mut candidates: Option<RoaringBitmap> = None;
    for step in &steps {
        let kept = step.apply(index, candidates);
        if kept.is_empty() {
            return kept;
        }
        candidates = Some(kept);
    }
    candidates.unwrap_or_else(|| index.postings.all().clone())
}

fn look_up<'a>(index: &Index, matcher: &'a Matcher, name: u32, name_index: &'a NameIndex) -> Step<'a> {
    let find =
        |value: &str| index.symbols.find(value).filter(|id| *id != EMPTY && name_index.get(*id).is_some());
    let accepted = match matcher.op() {
        MatchOp::Equal | MatchOp::NotEqual => Accepted::Values(find(matcher.value()).into_iter().collect()),
        MatchOp::Regex | MatchOp::NotRegex => match literals(matcher.value()) {
            Some(values) => {
                let mut found: Vec<u32> = values.into_iter().filter_map(find).collect();
                found.sort_unstable();
                found.dedup();
                Accepted::Values(found)
            }
            None if matches!(matcher.value(), ".*" | ".+") => Accepted::All,
            None => Accepted::Expression { prefix: literal_prefix(matcher.value()).to_owned() },
        },
    };
    Step {
        matcher,
        name,
        name_index,
        accepted,
        is_positive: matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex),
        accepts_absent: matcher.matches_empty(),
    }
}

impl Step<'_> {
    /// Orders steps: small positive sets, then sets to subtract, then expressions.
    fn cost(&self) -> (u8, u64) {
        let n_series =
            |values: &[u32]| values.iter().filter_map(|v| self.name_index.get(*v)).map(|ids| ids.len()).sum();
        match &self.accepted {
            Accepted::Values(values) if self.is_positive && !self.accepts_absent => (0, n_series(values)),
            Accepted::Values(values) => (2, n_series(values)),
            Accepted::All => (1, self.name_index.has().len()),
            Accepted::Expression { .. } => (3, self.name_index.n_values() as u64),
        }
    }

    /// Returns what remains of the candidates; `None` stands for all series.
    fn apply(&self, index: &Index, candidates: Option<RoaringBitmap>) -> RoaringBitmap {
        let values = match &self.accepted {
            Accepted::All => return self.keep(index, candidates, self.name_index.has()),
            Accepted::Values(values) if self.is_positive && !self.accepts_absent => {
                return self.intersect(candidates, values);
            }
            Accepted::Values(values) => values.clone(),
            Accepted::Expression { prefix } => {
                let values = if prefix.is_empty() {
                    self.name_index.values().map(|(value, _)| value).collect()
                } else {
                    self.name_index.values_with_prefix(prefix, &index.symbols)
                };
                match candidates {
                    Some(few) if few.len() < values.len() as u64 => return self.filter_each(index, few),
                    _ => self.run_expression(index, values),
                }
            }
        };
        let mut union = RoaringBitmap::new();
        values.iter().filter_map(|value| self.name_index.get(*value)).for_each(|ids| ids.add_to(&mut union));
        self.keep(index, candidates, &union)
    }

    fn intersect(&self, candidates: Option<RoaringBitmap>, values: &[u32]) -> RoaringBitmap {
        match (candidates, values) {
            (_, []) => RoaringBitmap::new(),
            (None, [value]) => self.name_index.get(*value).map(|ids| ids.to_bitmap()).unwrap_or_default(),
            (Some(mut candidates), [value]) => {
                if let Some(ids) = self.name_index.get(*value) {
                    ids.intersect_into(&mut candidates);
                }
                candidates
            }
            (candidates, values) => {
                let mut union = RoaringBitmap::new();
                values
                    .iter()
                    .filter_map(|value| self.name_index.get(*value))
                    .for_each(|ids| ids.add_to(&mut union));
                match candidates {
                    Some(candidates) => candidates & union,
                    None => union,
                }
            }
        }
    }

    /// The table at the top of the file.
    fn keep(
        &self,
        index: &Index,
        candidates: Option<RoaringBitmap>,
        accepted: &RoaringBitmap,
    ) -> RoaringBitmap {
        let has = self.name_index.has();
        let candidates_or_all =
            |candidates: Option<RoaringBitmap>| candidates.unwrap_or_else(|| index.postings.all().clone());
        match (self.is_positive, self.accepts_absent) {
            (true, false) => match candidates {
                Some(candidates) => candidates & accepted,
                None => accepted.clone(),
            },
            (true, true) => candidates_or_all(candidates) - (has - accepted),
            (false, false) => match candidates {
                Some(candidates) => (candidates & has) - accepted,
                None => has - accepted,
            },
            (false, true) => candidates_or_all(candidates) - accepted,
        }
    }

    fn run_expression(&self, index: &Index, values: Vec<u32>) -> Vec<u32> {
        let Some(regex) = self.matcher.regex() else { return values };
        values.into_iter().filter(|value| regex.is_match(index.symbols.get(*value))).collect()
    }

    /// Runs the matcher on the candidates' own values, once per distinct one.
    fn filter_each(&self, index: &Index, candidates: RoaringBitmap) -> RoaringBitmap {
        let mut verdicts: FastMap<u32, bool> = FastMap::default();
        let is_kept = |id: &u32| {
            let set = index.label_set(*id);
            let value = index.label_sets.value_at(set, index.label_sets.place(set, self.name));
            *verdicts.entry(value).or_insert_with(|| self.matcher.matches(index.symbols.get(value)))
        };
        candidates.into_iter().filter(is_kept).collect()
    }
}

const META: &[char] = &['\\', '.', '+', '*', '?', '(', ')', '[', ']', '{', '}', '^', '$', '|'];

/// Returns the alternatives of an expression that is nothing but literals and `|`.
fn literals(pattern: &str) -> Option<Vec<&str>> {
    let has_meta = pattern.chars().any(|c| c != '|' && META.contains(&c));
    (!has_meta).then(|| pattern.split('|').collect())
}

/// Returns text with which every match must begin; may be shorter than it could be.
fn literal_prefix(pattern: &str) -> &str {
    if pattern.contains('|') {
        return "";
    }
    let (literal, rest) = match pattern.find(META) {
        Some(at) => pattern.split_at(at),
        None => (pattern, ""),
    };
    if rest.starts_with(['*', '?', '{']) {
        // The quantifier may drop the character before it.
        let last = literal.chars().next_back().map_or(0, char::len_utf8);
        return literal.get(..literal.len() - last).unwrap_or("");
    }
    literal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wf_model::Labels;
    use wf_series::memory::satisfies;

    use super::*;

    #[test]
    fn prefixes_are_never_too_long() {
        let check = |pattern, want| assert_eq!(literal_prefix(pattern), want, "{pattern}");
        check("node_.*", "node_");
        check("ab*", "a");
        check("ab?c", "a");
        check("ab{0,2}", "a");
        check("ab+", "ab");
        check("a|b.*", "");
        check("(?i)abc", "");
        check(r"a\.b", "a");
        check("ü*x", "");
    }

    #[test]
    fn only_plain_alternatives_are_literals() {
        assert_eq!(literals("a|b||c d"), Some(vec!["a", "b", "", "c d"]));
        assert_eq!(literals("a.b"), None);
    }

    fn any_matcher() -> impl Strategy<Value = Matcher> {
        let op =
            prop::sample::select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]);
        let name = prop::sample::select(vec!["__name__", "a", "b", "c", "nowhere"]);
        let patterns = [
            "", "x", "y", "x1", "x|y", "x|", ".+", ".*", "x.*", "x?", "x1*", "[xy].*", ".*1", "z", "y1.?",
            "(x|y)2", "x.+",
        ];
        (op, name, prop::sample::select(patterns.to_vec()))
            .prop_map(|(op, name, pattern)| Matcher::new(op, name, pattern).unwrap())
    }

    fn any_labels() -> impl Strategy<Value = Labels> {
        let value = prop::sample::select(vec!["", "x", "y", "x1", "x2", "x11", "y1", "z", "xy"]);
        let value =
            (value, 0..40u8).prop_map(|(value, n)| if n < 30 { value.to_owned() } else { format!("x{n}") });
        prop::collection::vec(value, 4)
            .prop_map(|values| Labels::from_pairs(["__name__", "a", "b", "c"].into_iter().zip(values)))
    }

    proptest! {
        /// Whatever the matchers, the index finds what a look at every series finds.
        #[test]
        fn selection_equals_a_scan(
            series in prop::collection::btree_set(any_labels(), 0..200),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
            matchers in prop::collection::vec(any_matcher(), 0..4),
        ) {
            let mut index = Index::new();
            let mut ids: Vec<(u32, &Labels)> = series.iter().map(|l| (index.insert(l, 1), l)).collect();
            let dead: RoaringBitmap = removed.iter().filter(|_| !ids.is_empty()).map(|at| at.get(&ids).0).collect();
            index.remove(&dead);
            let lock = parking_lot::RwLock::new(index);
            crate::index::removal::tidy(&lock);
            let mut index = lock.into_inner();
            // Every other one comes back, under an id that another may have had.
            ids.retain_mut(|(id, labels)| {
                let is_back = dead.contains(*id) && *id % 2 == 0;
                if is_back {
                    *id = index.insert(labels, 2);
                }
                is_back || !dead.contains(*id)
            });
            prop_assert!(ids.iter().all(|(id, labels)| index.labels(*id) == **labels));
            let satisfying = ids.iter().filter(|(_, labels)| satisfies(labels, &matchers));
            let mut want: Vec<u32> = satisfying.map(|(id, _)| *id).collect();
            want.sort_unstable();
            prop_assert_eq!(select_ids(&index, &matchers).iter().collect::<Vec<_>>(), want);
        }
    }
}
