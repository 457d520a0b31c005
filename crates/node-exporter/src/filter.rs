//! Include and exclude patterns.

use std::sync::{Mutex, PoisonError};

use foldhash::HashMap;
use regex_automata::meta::Regex;

use crate::config::{FlagError, Patterns};

/// Lets a name through that matches the include pattern, if any, and not the exclude pattern, if any. Patterns are
/// searched anywhere in the name unless they anchor themselves.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    include: Option<Regex>,
    exclude: Option<Regex>,
}

impl Filter {
    /// Compiles patterns; an empty one counts as none. `flag` names them in errors.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(flag: &str, include: &str, exclude: &str) -> Result<Self, FlagError> {
        let compile = |pattern: &str, which: &str| match pattern {
            "" => Ok(None),
            pattern => regex(&format!("{flag}-{which}"), pattern).map(Some),
        };
        Ok(Self { include: compile(include, "include")?, exclude: compile(exclude, "exclude")? })
    }

    /// As [`Filter::new`], from a pair as the configuration holds it.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn of(flag: &str, patterns: &Patterns) -> Result<Self, FlagError> {
        Self::new(flag, &patterns.include, &patterns.exclude)
    }

    /// Returns whether `name` passes.
    pub fn is_wanted(&self, name: &[u8]) -> bool {
        self.include.as_ref().is_none_or(|regex| regex.is_match(name))
            && !self.exclude.as_ref().is_some_and(|regex| regex.is_match(name))
    }
}

/// Chooses fields of kernel tables by a pattern and names their metrics. Decisions are kept: the tables have hundreds
/// of fields that never change, and matching them anew was a tenth of a scrape.
#[derive(Debug)]
pub struct FieldFilter {
    pattern: Regex,
    prefix: &'static str,
    known: Mutex<HashMap<Vec<u8>, Option<String>>>,
}

/// Far more fields than any kernel has.
const FIELDS_MAX: usize = 4096;

impl FieldFilter {
    /// Compiles the pattern of `flag`; metrics are called `prefix` and the field.
    /// # Errors
    /// When the pattern is not a regular expression.
    pub fn new(flag: &str, pattern: &str, prefix: &'static str) -> Result<Self, FlagError> {
        Ok(Self { pattern: regex(flag, pattern)?, prefix, known: Mutex::default() })
    }

    /// Returns the metric's name for a field that is wanted.
    pub fn metric_name(&self, field: &[u8]) -> Option<String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known.get(field) {
            return name.clone();
        }
        let is_wanted = self.pattern.is_match(field);
        let name = is_wanted.then(|| format!("{}{}", self.prefix, String::from_utf8_lossy(field)));
        if known.len() < FIELDS_MAX {
            known.insert(field.to_owned(), name.clone());
        }
        name
    }
}

/// Compiles the pattern of `flag`.
/// # Errors
/// When it is not a regular expression.
pub fn regex(flag: &str, pattern: &str) -> Result<Regex, FlagError> {
    // A bound on the compiled size, since patterns may come from a shared configuration.
    let config = Regex::config().nfa_size_limit(Some(4 << 20));
    let built = Regex::builder().configure(config).build(pattern);
    built.map_err(|error| FlagError::BadRegex { flag: flag.to_owned(), why: error.to_string() })
}
