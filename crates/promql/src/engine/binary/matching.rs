//! Who meets whom: series of both sides in one list of match groups.

use std::sync::Arc;

use wf_model::Labels;
use wf_series::LabelColumn;

use crate::ast::VectorMatching;
use crate::engine::aggregate::Groups;
use crate::engine::column::Column;
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::operator::VectorOp;

/// Match groups of two vectors.
#[derive(Debug)]
pub(crate) struct MatchGroups {
    /// Group by series of the first vector.
    pub(crate) first: Vec<u32>,
    /// Group by series of the second vector.
    pub(crate) second: Vec<u32>,
    /// The labels that the members of a group share.
    pub(crate) labels: Vec<Labels>,
}

impl MatchGroups {
    /// Groups by the labels of `matching`: one hash per series, once per query.
    pub(crate) fn new(first: &dyn VectorOp, second: &dyn VectorOp, matching: &VectorMatching) -> Self {
        let both = Both { first, second };
        let mut groups = Groups::new(&both, &matching.labels, !matching.on);
        let second = groups.of.split_off(first.len());
        Self { first: groups.of, second, labels: groups.labels }
    }

    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }
}

/// Lists the members of every group.
pub(crate) fn members(of: &[u32], n_groups: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); n_groups];
    for (idx, group) in of.iter().enumerate() {
        members[*group as usize].push(idx);
    }
    members
}

/// Two vectors one after the other, for grouping only.
struct Both<'a> {
    first: &'a dyn VectorOp,
    second: &'a dyn VectorOp,
}

impl VectorOp for Both<'_> {
    fn len(&self) -> usize {
        self.first.len() + self.second.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        match idx.checked_sub(self.first.len()) {
            None => self.first.labels(idx),
            Some(idx) => self.second.labels(idx),
        }
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        let mut column = self.first.label_column(name);
        let second = self.second.label_column(name);
        let mut code_of: hashbrown::HashMap<Arc<str>, u32, foldhash::fast::FixedState> =
            hashbrown::HashMap::default();
        for (code, value) in column.values.iter().enumerate() {
            code_of.insert(Arc::clone(value), u32::try_from(code).unwrap_or(u32::MAX));
        }
        let translate: Vec<u32> = second
            .values
            .iter()
            .map(|value| {
                *code_of.entry(Arc::clone(value)).or_insert_with(|| {
                    column.values.push(Arc::clone(value));
                    u32::try_from(column.values.len() - 1).unwrap_or(u32::MAX)
                })
            })
            .collect();
        column
            .codes
            .extend(second.codes.iter().map(|code| translate.get(*code as usize).copied().unwrap_or(0)));
        column
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        match idx.checked_sub(self.first.len()) {
            None => self.first.read(idx, out, cx),
            Some(idx) => self.second.read(idx, out, cx),
        }
    }
}
