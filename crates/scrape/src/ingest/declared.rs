//! The family whose samples follow: its type and unit become labels where they are wanted (`type-and-unit-labels`).
//!
//! The type is the one declared last, even if the samples belong to a family that declares none, as in the original. A
//! unit ends with its family.
//!
//! # Source: `spec/prometheus-query.md` §1, `spec/prometheus-core.md` §2.

use wf_model::MetricType;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Ingest;
use crate::metadata::Declaration;

/// Label of the type.
pub(crate) const TYPE_LABEL: &str = "__type__";
/// Label of the unit.
pub(crate) const UNIT_LABEL: &str = "__unit__";

/// What was declared last.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    family: String,
    kind: MetricType,
    unit: String,
}

impl Declared {
    /// Returns the labels to add; what is unknown is no label.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let kind = Some(self.kind).filter(|kind| *kind != MetricType::Unknown).map(MetricType::as_str);
        let unit = Some(self.unit.as_str()).filter(|unit| !unit.is_empty());
        kind.map(|kind| (TYPE_LABEL, kind)).into_iter().chain(unit.map(|unit| (UNIT_LABEL, unit)))
    }

    fn note(&mut self, family: &str, declaration: Declaration<'_>) {
        if self.family != family {
            family.clone_into(&mut self.family);
            self.unit.clear();
        }
        match declaration {
            Declaration::Type(kind) => self.kind = kind,
            Declaration::Unit(unit) => unit.clone_into(&mut self.unit),
            Declaration::Help(_) => {}
        }
    }
}

impl Ingest<'_> {
    /// Notes a declaration. Series texts mean other series from here on, so they are other lines, too.
    pub(super) fn note_declared(&mut self, family: &str, declaration: Declaration<'_>) {
        self.declared.note(family, declaration);
        let Declared { kind, unit, .. } = &self.declared;
        self.memory.slots.set_context(xxh3_64_with_seed(unit.as_bytes(), 1 + *kind as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_ends_with_its_family_and_unknown_types_are_no_labels() {
        let mut declared = Declared::default();
        let mut note = |family: &str, declaration: Declaration<'_>| {
            declared.note(family, declaration);
            declared.labels().map(|(_, value)| value.to_owned()).collect::<Vec<_>>()
        };
        assert!(note("a_seconds", Declaration::Help("x")).is_empty());
        assert_eq!(note("a_seconds", Declaration::Unit("seconds")), ["seconds"]);
        assert_eq!(note("a_seconds", Declaration::Type(MetricType::Counter)), ["counter", "seconds"]);
        assert_eq!(note("b", Declaration::Help("y")), ["counter"]);
        assert!(note("b", Declaration::Type(MetricType::Unknown)).is_empty());
    }
}
