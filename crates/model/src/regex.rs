//! Regular expressions as Prometheus reads them: RE2 syntax, fully anchored, dot matches newline.

use std::fmt;
use std::sync::Arc;

use regex_automata::meta;

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {message}")]
pub struct RegexError {
    /// What is wrong, in the words of Go's `regexp/syntax` where it has any.
    pub message: String,
}

/// A compiled pattern that must match the whole subject. Clones share the automaton.
#[derive(Clone)]
pub struct AnchoredRegex {
    inner: Arc<Inner>,
}

struct Inner {
    pattern: String,
    engine: meta::Regex,
}

impl AnchoredRegex {
    /// Compiles `pattern`.
    /// # Errors
    /// When `pattern` is not RE2 syntax or compiles too large.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        let engine = meta::Regex::new(&format!("^(?s:{pattern})$"))
            .map_err(|error| RegexError { message: error.to_string() })?;
        Ok(Self { inner: Arc::new(Inner { pattern: pattern.to_owned(), engine }) })
    }

    /// Returns the pattern as written.
    pub fn pattern(&self) -> &str {
        &self.inner.pattern
    }

    /// Returns whether the whole of `subject` matches.
    pub fn is_match(&self, subject: &str) -> bool {
        self.inner.engine.is_match(subject)
    }
}

impl fmt::Debug for AnchoredRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.inner.pattern)
    }
}
