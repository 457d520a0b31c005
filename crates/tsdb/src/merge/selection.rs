//! What several sources selected, as one selection.

use std::sync::Arc;

use parking_lot::Mutex;
use wf_model::{Labels, TimeRange};
use wf_series::{LabelColumn, SampleColumns, SelectError, Selection};

use super::dictionary::{Dictionary, Translation};
use super::{Part, merge_columns};
use crate::FastMap;

/// A series in one of the parts.
#[derive(Clone, Copy, Debug)]
struct Member {
    part: u32,
    idx: u32,
}

/// Series of several parts; one with the same labels in several of them comes once.
pub(super) struct Merged {
    parts: Vec<Part>,
    /// Members of all series, those of one together, in the order of the parts.
    members: Vec<Member>,
    /// Per series, where its members end.
    ends: Vec<u32>,
    /// Buffers for the samples of further members; reads come from several threads.
    spare: Mutex<Vec<SampleColumns>>,
}

impl Merged {
    pub(super) fn new(parts: Vec<Part>) -> Self {
        let mut found: Vec<(u32, Member)> = Vec::new();
        let mut dictionary = Dictionary::default();
        let mut n_series = 0;
        for (part, source) in (0..).zip(&parts) {
            let mut translation = Translation::default();
            let mut idx = 0;
            source.selection.visit_labels(&mut |labels, symbols| {
                let (series, is_new) = dictionary.set(&mut translation, labels, symbols);
                n_series += u32::from(is_new);
                found.push((series, Member { part, idx }));
                idx += 1;
            });
        }
        let (members, ends) = group(&found, n_series);
        Self { parts, members, ends, spare: Mutex::default() }
    }

    fn members(&self, idx: usize) -> &[Member] {
        let Some(end) = self.ends.get(idx) else { return &[] };
        let start = idx.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.members.get(start as usize..*end as usize).unwrap_or_default()
    }

    fn part(&self, member: Member) -> Option<&Part> {
        self.parts.get(member.part as usize)
    }
}

/// Brings the members of each series together (counting sort); they stay in the order of the parts.
fn group(found: &[(u32, Member)], n_series: u32) -> (Vec<Member>, Vec<u32>) {
    let mut ends = vec![0_u32; n_series as usize];
    found.iter().for_each(|(series, _)| ends[*series as usize] += 1);
    let mut n_before = 0;
    for end in &mut ends {
        n_before += std::mem::replace(end, n_before);
    }
    let mut members = vec![Member { part: 0, idx: 0 }; found.len()];
    for (series, member) in found {
        let slot = &mut ends[*series as usize];
        members[*slot as usize] = *member;
        *slot += 1;
    }
    (members, ends)
}

fn overlaps(a: TimeRange, b: TimeRange) -> bool {
    a.start_ms <= b.end_ms && b.start_ms <= a.end_ms
}

impl Selection for Merged {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        let first = self.members(idx).first().and_then(|member| Some((self.part(*member)?, member.idx)));
        first.map_or_else(Labels::empty, |(part, idx)| part.selection.labels(idx as usize))
    }

    fn read(&self, idx: usize, range: TimeRange, out: &mut SampleColumns) -> Result<(), SelectError> {
        out.clear();
        let mut is_first = true;
        for member in self.members(idx) {
            let Some(part) = self.part(*member).filter(|part| overlaps(part.range, range)) else { continue };
            if is_first {
                part.selection.read(member.idx as usize, range, out)?;
                is_first = false;
                continue;
            }
            // Mostly one part follows the other, and nothing need be copied.
            let is_behind = out.times_ms.last().is_none_or(|last| *last < part.range.start_ms);
            if is_behind && part.selection.read_behind(member.idx as usize, range, out)? {
                continue;
            }
            let mut spare = self.spare.lock().pop().unwrap_or_default();
            let result = part.selection.read(member.idx as usize, range, &mut spare);
            merge_columns(out, &spare);
            self.spare.lock().push(spare);
            result?;
        }
        Ok(())
    }

    /// Codes of the parts are translated, once per distinct value; a series takes the code of its first member.
    fn label_column(&self, name: &str) -> LabelColumn {
        let mut merged = LabelColumn::default();
        let mut code_of: FastMap<Arc<str>, u32> = FastMap::default();
        let mut columns = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let LabelColumn { codes, values } = part.selection.label_column(name);
            let translated: Vec<u32> = values
                .into_iter()
                .map(|value| {
                    let next = u32::try_from(merged.values.len()).unwrap_or(u32::MAX);
                    *code_of.entry(value).or_insert_with_key(|value| {
                        merged.values.push(Arc::clone(value));
                        next
                    })
                })
                .collect();
            columns.push((codes, translated));
        }
        let code = |member: &Member| {
            let (codes, translated) = columns.get(member.part as usize)?;
            translated.get(*codes.get(member.idx as usize)? as usize).copied()
        };
        let first_codes = (0..self.len()).map(|idx| self.members(idx).first().and_then(code).unwrap_or(0));
        merged.codes = first_codes.collect();
        merged
    }
}
