//! How a pattern is matched: most need no regex engine.
//!
//! # Source
//! `spec/performance-design.md` §6.

use memchr::memmem::Finder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Most values that a pattern is spelled out to.
const SET_MAX: usize = 256;

/// Most bytes of those values together.
const SET_BYTES_MAX: usize = 64 << 10;

/// A way to match.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    /// `a|b`, `ab?`, `a[12]`: exactly these values, sorted.
    Set(Vec<String>),
    /// `.+`
    NonEmpty,
    /// `pre.*mid.*suf`: literals in this order with anything between.
    Pieces(Pieces),
    /// Everything else.
    Engine,
}

/// Literals in a row with anything between; an empty prefix or suffix leaves that end open.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    prefix: String,
    middle: Vec<Finder<'static>>,
    suffix: String,
}

impl Plan {
    pub(super) fn of(hir: &Hir) -> Self {
        if let Some(mut values) = values(hir) {
            values.sort_unstable();
            values.dedup();
            return Self::Set(values);
        }
        if is_any(hir, 1) {
            return Self::NonEmpty;
        }
        Pieces::of(hir).map_or(Self::Engine, Self::Pieces)
    }

    /// Returns whether all of `subject` matches; `None` when only the engine can tell.
    pub(super) fn is_match(&self, subject: &str) -> Option<bool> {
        match self {
            Self::Set(values) => Some(values.binary_search_by(|value| value.as_str().cmp(subject)).is_ok()),
            Self::NonEmpty => Some(!subject.is_empty()),
            Self::Pieces(pieces) => Some(pieces.is_match(subject)),
            Self::Engine => None,
        }
    }
}

impl Pieces {
    fn of(hir: &Hir) -> Option<Self> {
        let parts = match hir.kind() {
            HirKind::Concat(parts) => parts.as_slice(),
            _ => std::slice::from_ref(hir),
        };
        let mut pieces = vec![String::new()];
        for part in parts {
            if is_any(part, 0) {
                pieces.push(String::new());
            } else {
                let HirKind::Literal(literal) = uncaptured(part).kind() else { return None };
                pieces.last_mut()?.push_str(std::str::from_utf8(&literal.0).ok()?);
            }
        }
        // A single piece is a set of one value.
        let suffix = (pieces.len() > 1).then(|| pieces.pop()).flatten()?;
        let mut pieces = pieces.into_iter();
        let prefix = pieces.next()?;
        let middle = pieces.filter(|piece| !piece.is_empty());
        let middle = middle.map(|piece| Finder::new(piece.as_bytes()).into_owned()).collect();
        Some(Self { prefix, middle, suffix })
    }

    fn is_match(&self, subject: &str) -> bool {
        let inner = subject.strip_prefix(self.prefix.as_str());
        let Some(inner) = inner.and_then(|rest| rest.strip_suffix(self.suffix.as_str())) else {
            return false;
        };
        let mut rest = inner.as_bytes();
        for finder in &self.middle {
            let Some(at) = finder.find(rest) else { return false };
            rest = rest.get(at + finder.needle().len()..).unwrap_or_default();
        }
        true
    }
}

/// Returns the literal with which every match begins.
pub(super) fn prefix(hir: &Hir) -> String {
    let mut prefix = String::new();
    let parts = match hir.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    for part in parts {
        let HirKind::Literal(literal) = uncaptured(part).kind() else { break };
        prefix.push_str(std::str::from_utf8(&literal.0).unwrap_or(""));
    }
    prefix
}

fn uncaptured(hir: &Hir) -> &Hir {
    let mut inner = hir;
    while let HirKind::Capture(capture) = inner.kind() {
        inner = &capture.sub;
    }
    inner
}

/// Whether `hir` matches any text of at least `min` characters: `.*`, `.+` with a dot that matches newlines.
fn is_any(hir: &Hir, min: u32) -> bool {
    let HirKind::Repetition(repetition) = uncaptured(hir).kind() else { return false };
    let HirKind::Class(Class::Unicode(class)) = repetition.sub.kind() else { return false };
    let is_full = matches!(class.ranges(), [range] if range.start() == '\0' && range.end() == char::MAX);
    is_full && repetition.min == min && repetition.max.is_none()
}

/// Spells out all texts that match, if they are few.
fn values(hir: &Hir) -> Option<Vec<String>> {
    let values = match hir.kind() {
        HirKind::Empty => vec![String::new()],
        HirKind::Literal(literal) => vec![String::from_utf8(literal.0.to_vec()).ok()?],
        HirKind::Class(Class::Unicode(class)) => {
            let n_chars: u64 = class
                .ranges()
                .iter()
                .map(|range| u64::from(range.end()) - u64::from(range.start()) + 1)
                .sum();
            if n_chars > SET_MAX as u64 {
                return None;
            }
            class.iter().flat_map(|range| range.start()..=range.end()).map(String::from).collect()
        }
        HirKind::Class(Class::Bytes(_)) | HirKind::Look(_) => return None,
        HirKind::Capture(capture) => values(&capture.sub)?,
        HirKind::Alternation(alternatives) => {
            let mut all = Vec::new();
            for alternative in alternatives {
                all = bounded(all.into_iter().chain(values(alternative)?))?;
            }
            all
        }
        HirKind::Concat(parts) => {
            let mut all = vec![String::new()];
            for part in parts {
                all = product(&all, &values(part)?)?;
            }
            all
        }
        HirKind::Repetition(repetition) => {
            let max = repetition.max?;
            let once = values(&repetition.sub)?;
            let mut power = vec![String::new()];
            let mut all = Vec::new();
            for n in 0..=max {
                if n >= repetition.min {
                    all = bounded(all.into_iter().chain(power.iter().cloned()))?;
                }
                if n < max {
                    power = product(&power, &once)?;
                }
            }
            all
        }
    };
    bounded(values.into_iter())
}

fn product(heads: &[String], tails: &[String]) -> Option<Vec<String>> {
    bounded(heads.iter().flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}"))))
}

/// Collects unless there are too many.
fn bounded(values: impl Iterator<Item = String>) -> Option<Vec<String>> {
    let (mut kept, mut n_bytes) = (Vec::new(), 0);
    for value in values {
        n_bytes += value.len();
        kept.push(value);
        if kept.len() > SET_MAX || n_bytes > SET_BYTES_MAX {
            return None;
        }
    }
    Some(kept)
}
