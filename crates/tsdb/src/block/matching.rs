//! From matchers to series ids of one block.
//!
//! A matcher splits the values of its label into those it accepts (A) and those it rejects (R). What it keeps follows
//! from whether it accepts the absent label, too: if not, candidates ∧ postings(A); if so, candidates − postings(R).
//!
//! Single lists are intersected first, shortest first, galloping over the mapped bytes; then small sets, then sets to
//! subtract, then matchers whose values must be looked at one by one. When that would read far more than there are
//! candidates left, the candidates' own labels are looked at instead, with one verdict for each distinct value.

use roaring::RoaringBitmap;
use wf_model::{MatchOp, Matcher};

use super::BlockError;
use super::index_reader::{IndexReader, NameTable, PostingsTable};
use super::postings::Postings;
use super::series_entry::SeriesEntry;
use crate::FastMap;

/// A union of lists this many times longer than the candidates is not made: each list is searched for them.
const GALLOP_RATIO: usize = 16;

/// Looking at one candidate costs about as much as looking at so many values or ids of lists.
const CANDIDATE_COST: usize = 8;

/// One matcher, looked up.
struct Step<'a> {
    matcher: &'a Matcher,
    name: &'a NameTable,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// Keep what is in the union of these lists.
    Keep(Vec<Postings<'a>>),
    /// Keep what is in none of these lists.
    Drop(Vec<Postings<'a>>),
    /// Look at the values that begin with this; keep the series of those accepted.
    KeepScan(String),
    /// Look at the values that begin with this (all others are accepted); drop the series of those rejected.
    DropScan(String),
}

/// Returns the ids of all series that satisfy every matcher, ascending.
pub(crate) fn select_ids(index: &IndexReader, matchers: &[Matcher]) -> Result<Vec<u32>, BlockError> {
    let (table, bytes) = index.postings_table()?;
    let mut steps = Vec::with_capacity(matchers.len());
    for matcher in matchers {
        match table.name(bytes, matcher.name()) {
            Some(name) => steps.extend(look_up(index, table, bytes, matcher, name)?),
            None if matcher.matches_empty() => {}
            None => return Ok(Vec::new()),
        }
    }
    steps.sort_by_key(Step::cost);
    let mut candidates: Option<Vec<u32>> = None;
    for step in &steps {
        let kept = step.apply(index, table, bytes, candidates)?;
        if kept.is_empty() {
            return Ok(kept);
        }
        candidates = Some(kept);
    }
    candidates.map_or_else(|| Ok(index.all_series()?.iter().collect()), Ok)
}

/// Finds out what a matcher needs; `None` when it accepts everything.
fn look_up<'a>(
    index: &'a IndexReader,
    table: &'a PostingsTable,
    bytes: &'a [u8],
    matcher: &'a Matcher,
    name: &'a NameTable,
) -> Result<Option<Step<'a>>, BlockError> {
    let literal;
    let known: Option<&[String]> = match (matcher.op(), matcher.regex()) {
        (MatchOp::Regex | MatchOp::NotRegex, Some(regex)) => regex.set_matches(),
        _ => {
            literal = [matcher.value().to_owned()];
            Some(&literal)
        }
    };
    let is_positive = matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex);
    let accepts_absent = matcher.matches_empty();
    let kind = match known {
        // The accepted ones are listed and absence is not among them, or the rejected ones are and it is not either.
        Some(values) if is_positive != accepts_absent => {
            let mut lists = Vec::new();
            for value in values.iter().filter(|value| !value.is_empty()) {
                if let Some(offset) = table.find(bytes, name, value) {
                    lists.push(index.postings(offset)?);
                }
            }
            if is_positive { Kind::Keep(lists) } else { Kind::Drop(lists) }
        }
        // `=""`, `=~"a|"`: everything but what is listed goes. `!=""`: everything but what is listed stays.
        Some(_) if accepts_absent => Kind::DropScan(String::new()),
        Some(_) => Kind::KeepScan(String::new()),
        None if accepts_absent && matcher.value() == ".*" => return Ok(None),
        None => {
            let prefix = matcher.regex().and_then(|regex| regex.prefix()).unwrap_or("").to_owned();
            match (is_positive, accepts_absent) {
                (true, false) => Kind::KeepScan(prefix),
                (false, true) => Kind::DropScan(prefix),
                // What does not begin with the prefix is on the other side here: look at all.
                (true, true) => Kind::DropScan(String::new()),
                (false, false) => Kind::KeepScan(String::new()),
            }
        }
    };
    Ok(Some(Step { matcher, name, kind }))
}

impl Step<'_> {
    /// Orders steps: short lists first, scans last.
    fn cost(&self) -> (u8, usize) {
        let n_ids = |lists: &[Postings<'_>]| lists.iter().map(Postings::len).sum();
        match &self.kind {
            Kind::Keep(lists) if lists.len() <= 1 => (0, n_ids(lists)),
            Kind::Keep(lists) => (1, n_ids(lists)),
            Kind::Drop(lists) => (2, n_ids(lists)),
            Kind::KeepScan(_) | Kind::DropScan(_) => (3, self.name.n_values() as usize),
        }
    }

    fn apply(
        &self,
        index: &IndexReader,
        table: &PostingsTable,
        bytes: &[u8],
        candidates: Option<Vec<u32>>,
    ) -> Result<Vec<u32>, BlockError> {
        match &self.kind {
            Kind::Keep(lists) => Ok(keep(lists, candidates)),
            Kind::Drop(lists) => Ok(subtract(lists, all_unless(index, candidates)?)),
            Kind::KeepScan(prefix) | Kind::DropScan(prefix) => {
                let is_keep = matches!(self.kind, Kind::KeepScan(_));
                if let Some(few) = &candidates
                    && self.is_cheaper_by_candidate(index, few.len())?
                {
                    return self.filter_each(index, few);
                }
                let mut lists = Vec::new();
                for entry in table.values_from(bytes, self.name, prefix) {
                    if !entry.value.starts_with(prefix.as_str()) {
                        break;
                    }
                    if self.matcher.matches(entry.value) == is_keep {
                        lists.push(index.postings(entry.offset)?);
                    }
                }
                if is_keep {
                    Ok(keep(&lists, candidates))
                } else {
                    Ok(subtract(&lists, all_unless(index, candidates)?))
                }
            }
        }
    }

    /// Estimates whether to look at the candidates instead of the values and their lists, which may have all series.
    fn is_cheaper_by_candidate(&self, index: &IndexReader, n_candidates: usize) -> Result<bool, BlockError> {
        let n_read = self.name.n_values() as usize + index.all_series()?.len() / 4;
        Ok(n_candidates.saturating_mul(CANDIDATE_COST) < n_read)
    }

    /// Runs the matcher on the candidates' own values, once per distinct one.
    fn filter_each(&self, index: &IndexReader, candidates: &[u32]) -> Result<Vec<u32>, BlockError> {
        let symbols = index.symbols()?;
        let name = symbols.find(self.matcher.name());
        let accepts_absent = self.matcher.matches_empty();
        let mut verdicts: FastMap<u32, bool> = FastMap::default();
        let mut entry = SeriesEntry::default();
        let mut kept = Vec::new();
        for id in candidates {
            index.read_series_with(&symbols, u64::from(*id), &mut entry)?;
            let is_kept = match name.and_then(|name| entry.value_of(name)) {
                None => accepts_absent,
                Some(value) => match verdicts.get(&value) {
                    Some(verdict) => *verdict,
                    None => {
                        let verdict = self.matcher.matches(symbols.get(value)?);
                        verdicts.insert(value, verdict);
                        verdict
                    }
                },
            };
            if is_kept {
                kept.push(*id);
            }
        }
        Ok(kept)
    }
}

fn all_unless(index: &IndexReader, candidates: Option<Vec<u32>>) -> Result<Vec<u32>, BlockError> {
    candidates.map_or_else(|| Ok(index.all_series()?.iter().collect()), Ok)
}

fn union(lists: &[Postings<'_>]) -> RoaringBitmap {
    let mut union = RoaringBitmap::new();
    lists.iter().for_each(|list| list.add_to(&mut union));
    union
}

/// Returns the candidates that are in any of the lists; all that are, without candidates.
fn keep(lists: &[Postings<'_>], candidates: Option<Vec<u32>>) -> Vec<u32> {
    let n_ids: usize = lists.iter().map(Postings::len).sum();
    match (lists, candidates) {
        ([], _) => Vec::new(),
        ([one], None) => one.iter().collect(),
        ([one], Some(mut candidates)) => {
            one.intersect(&mut candidates);
            candidates
        }
        (_, None) => union(lists).iter().collect(),
        (_, Some(candidates)) if candidates.len().saturating_mul(GALLOP_RATIO) < n_ids / lists.len() => {
            let mut found = RoaringBitmap::new();
            for list in lists {
                let mut inside = candidates.clone();
                list.intersect(&mut inside);
                found.extend(inside);
            }
            found.iter().collect()
        }
        (_, Some(mut candidates)) => {
            let union = union(lists);
            candidates.retain(|id| union.contains(*id));
            candidates
        }
    }
}

/// Returns the candidates that are in none of the lists.
fn subtract(lists: &[Postings<'_>], mut candidates: Vec<u32>) -> Vec<u32> {
    let n_ids: usize = lists.iter().map(Postings::len).sum();
    if lists.len() == 1 || candidates.len().saturating_mul(GALLOP_RATIO) < n_ids / lists.len().max(1) {
        lists.iter().for_each(|list| list.subtract(&mut candidates));
    } else if !lists.is_empty() {
        let union = union(lists);
        candidates.retain(|id| !union.contains(*id));
    }
    candidates
}
