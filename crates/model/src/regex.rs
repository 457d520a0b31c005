//! Regular expressions as Prometheus reads them: RE2 syntax, fully anchored, dot matches newline.
//!
//! # Reading order
//! `parse` (RE2 syntax to a tree), `plan` (patterns that need no engine), then the type below.
//! # Source
//! `spec/prometheus-query.md` §1.3, `spec/performance-design.md` §6.

mod parse;
mod plan;
mod search;

use std::fmt;
use std::sync::{Arc, OnceLock};

use regex_automata::meta;
use regex_syntax::hir::{Hir, Look};

use plan::Plan;
pub use search::SearchRegex;

/// Largest compiled pattern in bytes; a pattern beyond is refused.
const NFA_BYTES_MAX: usize = 10 << 20;

/// States of a pattern that is compiled when first asked: some hundred bytes each stay far below the limit.
const LAZY_STATES_MAX: u64 = 10_000;

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
    plan: Plan,
    prefix: String,
    hir: Hir,
    /// Number and name of every named group; several may share a name.
    names: Vec<(u32, String)>,
    /// Compiled at once if it might be too large, else when first asked.
    engine: OnceLock<Option<meta::Regex>>,
}

impl Inner {
    fn engine(&self) -> Option<&meta::Regex> {
        self.engine.get_or_init(|| compile(&self.hir).ok()).as_ref()
    }
}

impl AnchoredRegex {
    /// Compiles `pattern`.
    /// # Errors
    /// When `pattern` is not RE2 syntax or compiles too large.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        let parse::Parsed { hir, names } = parse::parse(pattern)?;
        let plan = Plan::of(&hir);
        let engine = match plan {
            // Whether a small one will ever be asked is not known yet: compiling costs a hundred times what parsing does.
            Plan::Engine if plan::weight(&hir) > LAZY_STATES_MAX => {
                let too_large = |_| RegexError { message: format!("expression too large: `{pattern}`") };
                OnceLock::from(Some(compile(&hir).map_err(too_large)?))
            }
            _ => OnceLock::new(),
        };
        let prefix = plan::prefix(&hir);
        Ok(Self { inner: Arc::new(Inner { pattern: pattern.to_owned(), plan, prefix, hir, names, engine }) })
    }

    /// Returns the pattern as written.
    pub fn pattern(&self) -> &str {
        &self.inner.pattern
    }

    /// Returns whether the whole of `subject` matches.
    pub fn is_match(&self, subject: &str) -> bool {
        match self.inner.plan.is_match(subject) {
            Some(is_match) => is_match,
            None => {
                subject.starts_with(&self.inner.prefix)
                    && self.inner.engine().is_some_and(|engine| engine.is_match(subject))
            }
        }
    }

    /// Returns the only values that match, sorted, if they are few: `a|b`, `a[12]`, `ab?`. Storage looks them up.
    pub fn set_matches(&self) -> Option<&[String]> {
        match &self.inner.plan {
            Plan::Set(values) => Some(values),
            _ => None,
        }
    }

    /// Returns the literal with which every match begins, if there is one. Storage scans only that range.
    pub fn prefix(&self) -> Option<&str> {
        Some(self.inner.prefix.as_str()).filter(|prefix| !prefix.is_empty())
    }

    /// Returns `template` with `$1`, `${1}`, `$name` and `${name}` replaced by what the groups matched and `$$` by a
    /// dollar sign; `None` when `subject` does not match. An unknown group is empty, as in Go's `Regexp.Expand`.
    pub fn expand(&self, subject: &str, template: &str) -> Option<String> {
        let engine = self.inner.engine()?;
        let mut captures = engine.create_captures();
        engine.captures(subject, &mut captures);
        if !captures.is_match() {
            return None;
        }
        let group = |idx: usize| captures.get_group(idx).and_then(|span| subject.get(span.range()));
        let named = |name: &str| {
            let mut groups = self.inner.names.iter().filter(|(_, known)| known == name);
            groups.find_map(|(idx, _)| group(usize::try_from(*idx).ok()?))
        };
        let mut expanded = String::new();
        push_expanded(&mut expanded, template, group, named);
        Some(expanded)
    }
}

/// Appends `template` with its references replaced.
fn push_expanded<'s>(
    out: &mut String,
    template: &str,
    group: impl Fn(usize) -> Option<&'s str>,
    named: impl Fn(&str) -> Option<&'s str>,
) {
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once('$') {
        out.push_str(literal);
        let (part, tail) = reference(after);
        rest = tail;
        out.push_str(match part {
            Reference::Dollar => "$",
            Reference::Number(idx) => group(idx).unwrap_or(""),
            Reference::Name(name) => named(name).unwrap_or(""),
        });
    }
    out.push_str(rest);
}

/// What follows a `$` in a template.
enum Reference<'a> {
    /// A dollar sign: another one, or nothing that is a reference.
    Dollar,
    /// A group by number.
    Number(usize),
    /// The first group of that name which matched.
    Name(&'a str),
}

/// Reads a reference behind its `$`; returns it and the rest of the template.
fn reference(after: &str) -> (Reference<'_>, &str) {
    if let Some(rest) = after.strip_prefix('$') {
        return (Reference::Dollar, rest);
    }
    let is_word = |ch: char| ch.is_alphanumeric() || ch == '_';
    let in_braces = after.strip_prefix('{').and_then(|body| body.split_once('}'));
    let (name, rest) = match in_braces {
        Some((name, rest)) => (name, rest),
        None => after.split_at(after.find(|ch| !is_word(ch)).unwrap_or(after.len())),
    };
    if name.is_empty() || !name.chars().all(is_word) {
        return (Reference::Dollar, after);
    }
    // A number with a leading zero is a name, as in Go.
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    match name.parse() {
        Ok(idx) if is_number => (Reference::Number(idx), rest),
        _ => (Reference::Name(name), rest),
    }
}

fn compile(hir: &Hir) -> Result<meta::Regex, Box<meta::BuildError>> {
    let anchored = Hir::concat(vec![Hir::look(Look::Start), hir.clone(), Hir::look(Look::End)]);
    let config = meta::Config::new().nfa_size_limit(Some(NFA_BYTES_MAX));
    meta::Builder::new().configure(config).build_from_hir(&anchored).map_err(Box::new)
}

impl fmt::Debug for AnchoredRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.inner.pattern)
    }
}

#[cfg(test)]
mod tests;
