//! `bench/instructions.toml`: what a unit of each path may cost.

use std::fmt;

use anyhow::{Context, Result};

/// What a unit of one path costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// Such as `scrape/repeat`.
    pub name: String,
    /// Such as `sample`.
    pub unit: String,
    /// Instructions.
    pub per_unit: f64,
}

/// Counts and the compiler that made the code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Such as `rustc 1.95.0`: another one makes other code.
    pub compiler: String,
    /// Sorted by name.
    pub counts: Vec<Count>,
}

/// One path, compared with the table.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Grew by this share (negative: it shrank), which is allowed.
    Fine(f64),
    /// Grew by more than allowed.
    Regression {
        /// The path.
        name: String,
        /// What the table says.
        was: f64,
        /// What was counted.
        is: f64,
    },
    /// The table does not know the path.
    New(String),
    /// The table has a path that is no more.
    Gone(String),
}

impl Verdict {
    /// Returns the share by which the count grew, for paths on both sides.
    pub fn growth(&self) -> Option<f64> {
        match self {
            Self::Fine(growth) => Some(*growth),
            Self::Regression { was, is, .. } => Some(is / was - 1.0),
            Self::New(_) | Self::Gone(_) => None,
        }
    }

    /// Returns whether the path costs more than allowed.
    pub fn is_regression(&self) -> bool {
        matches!(self, Self::Regression { .. })
    }

    /// Returns the change as people read it.
    pub fn change(&self) -> String {
        self.growth().map_or_else(|| "new".to_owned(), |growth| format!("{:+.1} %", growth * 100.0))
    }

    /// Returns what is wrong, if anything.
    pub fn complaint(&self) -> Option<String> {
        match self {
            Self::Fine(_) => None,
            Self::Regression { name, was, is } => {
                let growth = (is / was - 1.0) * 100.0;
                Some(format!("{name}: {was:.1} -> {is:.1} instructions ({growth:+.1} %)"))
            }
            Self::New(name) => Some(format!("{name} is not in the table: cargo xtask instructions --update")),
            Self::Gone(name) => Some(format!("{name} is no more: cargo xtask instructions --update")),
        }
    }
}

impl Table {
    /// Reads the table; an empty text is an empty table.
    /// # Errors
    /// When a line is neither a comment nor an entry as `Table` prints them.
    pub fn parse(text: &str) -> Result<Self> {
        let mut table = Self::default();
        for (idx, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let broken = || format!("bench/instructions.toml line {}: {line}", idx + 1);
            let (key, value) = line.split_once(" = ").with_context(broken)?;
            if key == "compiler" {
                value.trim_matches('"').clone_into(&mut table.compiler);
                continue;
            }
            let (number, unit) = value.split_once(" # per ").with_context(broken)?;
            let per_unit = number.trim().parse().with_context(broken)?;
            table.counts.push(Count {
                name: key.trim_matches('"').to_owned(),
                unit: unit.to_owned(),
                per_unit,
            });
        }
        Ok(table)
    }

    /// Returns whether `count` is not above its line by more than `tolerance`; a path without a line is allowed all.
    pub fn allows(&self, count: &Count, tolerance: f64) -> bool {
        self.find(&count.name).is_none_or(|line| count.per_unit <= line.per_unit * (1.0 + tolerance))
    }

    fn find(&self, name: &str) -> Option<&Count> {
        self.counts.iter().find(|count| count.name == name)
    }

    /// Compares each of these counts with `committed`, in order; after them come the paths that are gone.
    pub fn compared_with(&self, committed: &Self, tolerance: f64) -> Vec<Verdict> {
        let compare = |count: &Count| match committed.find(&count.name) {
            None => Verdict::New(count.name.clone()),
            Some(was) if count.per_unit > was.per_unit * (1.0 + tolerance) => {
                Verdict::Regression { name: count.name.clone(), was: was.per_unit, is: count.per_unit }
            }
            Some(was) => Verdict::Fine(count.per_unit / was.per_unit - 1.0),
        };
        let gone = committed.counts.iter().filter(|count| self.find(&count.name).is_none());
        self.counts.iter().map(compare).chain(gone.map(|count| Verdict::Gone(count.name.clone()))).collect()
    }

    /// Returns the paths of `here`, each with the lower of both counts.
    #[must_use]
    pub fn lowered_to(&self, here: &Self) -> Self {
        let mut next = here.clone();
        for count in &mut next.counts {
            if let Some(was) = self.find(&count.name) {
                count.per_unit = count.per_unit.min(was.per_unit);
            }
        }
        next
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Instructions of one unit of each path of bench/: a count may exceed its line by 3 %."
        )?;
        writeln!(
            f,
            "# `cargo xtask instructions --update` lowers lines; raising one is a decision with a reason."
        )?;
        writeln!(f, "compiler = \"{}\"", self.compiler)?;
        for Count { name, unit, per_unit } in &self.counts {
            writeln!(f, "\"{name}\" = {per_unit:.1} # per {unit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(counts: &[(&str, f64)]) -> Table {
        let count = |(name, per_unit): &(&str, f64)| Count {
            name: (*name).into(),
            unit: "x".into(),
            per_unit: *per_unit,
        };
        Table { compiler: "rustc 1".into(), counts: counts.iter().map(count).collect() }
    }

    #[test]
    fn a_table_written_reads_back() {
        let written = table(&[("a/b", 12.5), ("c", 3.0)]);
        assert_eq!(Table::parse(&written.to_string()).unwrap(), written);
        assert!(Table::parse("a = b").is_err());
    }

    #[test]
    fn growth_beyond_the_tolerance_is_a_regression() {
        let check = |was, is| table(&[("a", is)]).compared_with(&table(&[("a", was)]), 0.02);
        assert!(!check(100.0, 102.0)[0].is_regression());
        assert!(check(100.0, 102.1)[0].is_regression());
        assert_eq!(check(100.0, 50.0), [Verdict::Fine(-0.5)]);
    }

    #[test]
    fn paths_on_one_side_only_are_complained_about() {
        let verdicts = table(&[("new", 1.0)]).compared_with(&table(&[("gone", 1.0)]), 0.02);
        assert_eq!(verdicts, [Verdict::New("new".into()), Verdict::Gone("gone".into())]);
        assert!(verdicts.iter().all(|verdict| verdict.complaint().is_some()));
    }

    #[test]
    fn an_update_only_lowers() {
        let next = table(&[("a", 1.0), ("b", 5.0)]).lowered_to(&table(&[("a", 2.0), ("b", 4.0), ("c", 9.0)]));
        assert_eq!(next, table(&[("a", 1.0), ("b", 4.0), ("c", 9.0)]));
    }
}
