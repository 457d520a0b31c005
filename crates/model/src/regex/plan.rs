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

/// Most shapes that a pattern is taken apart into.
const SHAPES_MAX: usize = 32;

/// A way to match.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    /// `a|b`, `ab?`, `a[12]`: exactly these values, sorted.
    Set(Vec<String>),
    /// `.+`
    NonEmpty,
    /// `pre.*mid.+suf`, `a[12].*|b|c.+`: any of these shapes.
    Shapes(Vec<Shape>),
    /// Everything else.
    Engine,
}

/// Literals in a row with anything between; an empty prefix or suffix leaves that end open.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    prefix: String,
    /// Behind at least so many characters, each of these.
    middle: Vec<(u32, Finder<'static>)>,
    /// What is between the last of them and the suffix: so many characters at least, or nothing at all.
    last_gap: Option<u32>,
    suffix: String,
}

/// A part of a shape.
#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    /// Anything of at least so many characters.
    Gap(u32),
}

impl Plan {
    pub(super) fn of(hir: &Hir) -> Self {
        if let Some(mut values) = values(hir) {
            values.sort_unstable();
            values.dedup();
            return Self::Set(values);
        }
        if any(hir) == Some(1) {
            return Self::NonEmpty;
        }
        let shapes = shapes(hir).and_then(|shapes| shapes.into_iter().map(Shape::of).collect());
        shapes.map_or(Self::Engine, Self::Shapes)
    }

    /// Returns whether all of `subject` matches; `None` when only the engine can tell.
    pub(super) fn is_match(&self, subject: &str) -> Option<bool> {
        match self {
            Self::Set(values) => Some(values.binary_search_by(|value| value.as_str().cmp(subject)).is_ok()),
            Self::NonEmpty => Some(!subject.is_empty()),
            Self::Shapes(shapes) => Some(shapes.iter().any(|shape| shape.is_match(subject))),
            Self::Engine => None,
        }
    }
}

impl Shape {
    /// Joins parts; `None` when the gaps add up to more than anybody counts.
    fn of(parts: Vec<Part>) -> Option<Self> {
        let mut literals = vec![String::new()];
        let mut gaps: Vec<u32> = Vec::new();
        for part in parts {
            match part {
                Part::Literal(text) => literals.last_mut()?.push_str(&text),
                // Two gaps in a row are one.
                Part::Gap(min) => match (gaps.last_mut(), literals.last()) {
                    (Some(gap), Some(literal)) if literal.is_empty() => *gap = gap.checked_add(min)?,
                    _ => {
                        gaps.push(min);
                        literals.push(String::new());
                    }
                },
            }
        }
        let last_gap = gaps.pop();
        let suffix = if last_gap.is_some() { literals.pop()? } else { String::new() };
        let mut literals = literals.into_iter();
        let prefix = literals.next()?;
        let finder = |literal: String| Finder::new(literal.as_bytes()).into_owned();
        let middle = gaps.into_iter().zip(literals.map(finder)).collect();
        Some(Self { prefix, middle, last_gap, suffix })
    }

    fn is_match(&self, subject: &str) -> bool {
        let Some(last_gap) = self.last_gap else { return subject == self.prefix };
        let inner = subject.strip_prefix(self.prefix.as_str());
        let Some(mut rest) = inner.and_then(|rest| rest.strip_suffix(self.suffix.as_str())) else {
            return false;
        };
        for (gap, finder) in &self.middle {
            let Some(behind) = skip_chars(rest, *gap) else { return false };
            let Some(at) = finder.find(behind.as_bytes()) else { return false };
            rest = behind.get(at + finder.needle().len()..).unwrap_or_default();
        }
        skip_chars(rest, last_gap).is_some()
    }
}

/// Returns what is behind the first `n` characters, if there are so many.
fn skip_chars(text: &str, n: u32) -> Option<&str> {
    let mut chars = text.chars();
    (0..n).try_for_each(|_| chars.next().map(|_| ()))?;
    Some(chars.as_str())
}

/// Takes a pattern apart into rows of literals and gaps, if they are few.
fn shapes(hir: &Hir) -> Option<Vec<Vec<Part>>> {
    if let Some(min) = any(hir) {
        return Some(vec![vec![Part::Gap(min)]]);
    }
    if let Some(values) = values(hir).filter(|values| values.len() <= SHAPES_MAX) {
        return Some(values.into_iter().map(|value| vec![Part::Literal(value)]).collect());
    }
    let all = match hir.kind() {
        HirKind::Capture(capture) => shapes(&capture.sub)?,
        HirKind::Alternation(alternatives) => {
            let each = alternatives.iter().map(shapes).collect::<Option<Vec<_>>>()?;
            each.into_iter().flatten().collect()
        }
        HirKind::Concat(parts) => {
            let mut all = vec![Vec::new()];
            for part in parts {
                let tails = shapes(part)?;
                if all.len() * tails.len() > SHAPES_MAX {
                    return None;
                }
                let heads = all;
                let joined =
                    heads.iter().flat_map(|head| tails.iter().map(move |tail| [&**head, tail].concat()));
                all = joined.collect();
            }
            all
        }
        HirKind::Empty
        | HirKind::Literal(_)
        | HirKind::Class(_)
        | HirKind::Look(_)
        | HirKind::Repetition(_) => return None,
    };
    (all.len() <= SHAPES_MAX).then_some(all)
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

/// Returns how many characters at least any text has that `hir` matches: `.*`, `.+` with a dot that matches newlines.
fn any(hir: &Hir) -> Option<u32> {
    let HirKind::Repetition(repetition) = uncaptured(hir).kind() else { return None };
    let HirKind::Class(Class::Unicode(class)) = repetition.sub.kind() else { return None };
    let is_full = matches!(class.ranges(), [range] if range.start() == '\0' && range.end() == char::MAX);
    (is_full && repetition.max.is_none()).then_some(repetition.min)
}

/// Returns roughly how large a pattern is compiled, in states.
pub(super) fn weight(hir: &Hir) -> u64 {
    let of_all = |parts: &[Hir]| parts.iter().fold(1_u64, |sum, part| sum.saturating_add(weight(part)));
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        // A range of characters is up to four sequences of four ranges of bytes.
        HirKind::Class(Class::Unicode(class)) => 16 * class.ranges().len() as u64,
        HirKind::Class(Class::Bytes(_)) => 1,
        HirKind::Capture(capture) => weight(&capture.sub).saturating_add(2),
        HirKind::Alternation(parts) | HirKind::Concat(parts) => of_all(parts),
        HirKind::Repetition(repetition) => {
            let n_copies = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            weight(&repetition.sub).saturating_add(1).saturating_mul(u64::from(n_copies))
        }
    }
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
