//! Who meets whom: series of both sides in one list of match groups.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use wf_model::Labels;
use wf_series::LabelColumn;

use crate::ast::VectorMatching;
use crate::engine::aggregate::Groups;
use crate::engine::column::Column;
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::operator::VectorOp;

/// Match groups of several vectors.
#[derive(Debug)]
pub(crate) struct MatchGroups {
    /// By vector: the group of each of its series.
    pub(crate) of: Vec<Vec<u32>>,
    /// The labels that the members of a group share.
    pub(crate) labels: Vec<Labels>,
}

impl MatchGroups {
    /// Groups by the labels of `matching`: one hash per series, once per query.
    pub(crate) fn new(vectors: &[&dyn VectorOp], matching: &VectorMatching, cx: &mut Cx<'_>) -> Self {
        let chain = Chain { vectors };
        let groups = Groups::new(&chain, &matching.labels, !matching.on, cx);
        let mut of = Vec::with_capacity(vectors.len());
        let mut rest = groups.of.as_slice();
        for vector in vectors {
            let (own, later) = rest.split_at(vector.len().min(rest.len()));
            of.push(own.to_vec());
            rest = later;
        }
        Self { of, labels: groups.labels }
    }

    /// Returns the group of each series of the first vector.
    pub(crate) fn many(&self) -> &[u32] {
        self.of.first().map_or(&[], Vec::as_slice)
    }

    /// Returns the group of each series of the second vector.
    pub(crate) fn one(&self) -> &[u32] {
        self.of.get(1).map_or(&[], Vec::as_slice)
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

/// Vectors one after the other, for grouping only.
struct Chain<'a> {
    vectors: &'a [&'a dyn VectorOp],
}

impl Chain<'_> {
    /// Returns the vector that series `idx` belongs to, and its place there.
    fn find(&self, mut idx: usize) -> Option<(&dyn VectorOp, usize)> {
        for vector in self.vectors {
            if idx < vector.len() {
                return Some((*vector, idx));
            }
            idx -= vector.len();
        }
        None
    }
}

impl VectorOp for Chain<'_> {
    fn len(&self) -> usize {
        self.vectors.iter().map(|vector| vector.len()).sum()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.find(idx).map_or_else(Labels::empty, |(vector, idx)| vector.labels(idx))
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        let mut column = LabelColumn::default();
        let mut code_of: HashMap<Arc<str>, u32, FixedState> = HashMap::default();
        for vector in self.vectors {
            let own = vector.label_column(name);
            let translate: Vec<u32> = own
                .values
                .iter()
                .map(|value| {
                    *code_of.entry(Arc::clone(value)).or_insert_with(|| {
                        column.values.push(Arc::clone(value));
                        u32::try_from(column.values.len() - 1).unwrap_or(u32::MAX)
                    })
                })
                .collect();
            let codes = own.codes.iter().map(|code| translate.get(*code as usize).copied().unwrap_or(0));
            column.codes.extend(codes);
        }
        column
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        match self.find(idx) {
            Some((vector, idx)) => vector.read(idx, out, cx),
            None => Err(QueryError::Execution(format!("there is no series {idx}"))),
        }
    }
}
