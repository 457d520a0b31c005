//! RE2 syntax, as Go's `regexp/syntax` reads it, to the tree that the engine compiles.
//!
//! The engine's own parser reads another language: there `\d` is Unicode, `[a&&b]` an intersection, `a{,2}` a repetition,
//! `x**` legal; and its errors have other words.
//!
//! # Source
//! <https://github.com/google/re2/wiki/Syntax>

mod class;
mod escape;
mod group;

use regex_syntax::hir::{Capture, Class, ClassUnicode, Dot, Hir, Look, Repetition};

use super::RegexError;

/// Deepest nesting of groups: compilation recurses.
const DEPTH_MAX: usize = 250;

/// Greatest repetition count, nested ones multiplied.
const REPEAT_MAX: u32 = 1000;

/// A parsed pattern.
pub(super) struct Parsed {
    pub(super) hir: Hir,
    /// Number and name of every named group, in order of numbers.
    pub(super) names: Vec<(u32, String)>,
}

/// Parses `pattern`; the dot matches newlines from the start.
pub(super) fn parse(pattern: &str) -> Result<Parsed, RegexError> {
    let mut parser = Parser {
        pattern,
        at: 0,
        flags: Flags { is_dot_all: true, ..Flags::default() },
        open: Vec::new(),
        level: Level::default(),
        n_captures: 0,
        names: Vec::new(),
    };
    let hir = parser.run()?;
    Ok(Parsed { hir, names: parser.names })
}

/// The flags of `(?imsU)`.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    is_case_folded: bool,
    is_multi_line: bool,
    is_dot_all: bool,
    is_swapped_greed: bool,
}

/// What stands between two parentheses so far.
#[derive(Default)]
struct Level {
    /// Finished alternatives.
    alternatives: Vec<Hir>,
    /// Items of the current alternative, each with the largest repetition count inside.
    items: Vec<(Hir, u32)>,
    /// Largest repetition count of the finished alternatives.
    repeats: u32,
}

/// A group whose end has not come yet.
struct Open {
    level: Level,
    flags: Flags,
    /// Number, if the group captures.
    capture: Option<u32>,
}

struct Parser<'a> {
    pattern: &'a str,
    at: usize,
    flags: Flags,
    open: Vec<Open>,
    level: Level,
    n_captures: u32,
    names: Vec<(u32, String)>,
}

impl<'a> Parser<'a> {
    fn run(&mut self) -> Result<Hir, RegexError> {
        // Where the repetition operator before ended, if one is just behind us.
        let mut repeated: Option<(usize, usize)> = None;
        while let Some(ch) = self.peek() {
            let start = self.at;
            let mut now_repeated = None;
            match ch {
                '(' => self.open_group()?,
                ')' => self.close_group()?,
                '|' => {
                    self.at += 1;
                    self.level.end_alternative();
                }
                '*' | '+' | '?' => {
                    self.at += 1;
                    let (min, max) = match ch {
                        '*' => (0, None),
                        '+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    now_repeated = Some(self.repeat(start, min, max, repeated)?);
                }
                '{' => match self.counts()? {
                    Some((min, max)) => now_repeated = Some(self.repeat(start, min, max, repeated)?),
                    None => {
                        self.at += 1;
                        self.push_char('{');
                    }
                },
                '[' => {
                    let class = self.bracket_class()?;
                    self.push(Hir::class(Class::Unicode(class)));
                }
                '\\' => self.escape()?,
                _ => {
                    self.at += ch.len_utf8();
                    self.plain(ch);
                }
            }
            repeated = now_repeated;
        }
        if !self.open.is_empty() {
            return Err(fault("missing closing )", self.pattern));
        }
        Ok(std::mem::take(&mut self.level).finish().0)
    }

    fn plain(&mut self, ch: char) {
        let Flags { is_multi_line, is_dot_all, .. } = self.flags;
        let item = match ch {
            '^' if is_multi_line => Hir::look(Look::StartLF),
            '^' => Hir::look(Look::Start),
            '$' if is_multi_line => Hir::look(Look::EndLF),
            '$' => Hir::look(Look::End),
            '.' if is_dot_all => Hir::dot(Dot::AnyChar),
            '.' => Hir::dot(Dot::AnyCharExceptLF),
            ch => return self.push_char(ch),
        };
        self.push(item);
    }

    fn push(&mut self, item: Hir) {
        self.level.items.push((item, 1));
    }

    fn push_char(&mut self, ch: char) {
        let item = if self.flags.is_case_folded {
            let mut class = ClassUnicode::new([regex_syntax::hir::ClassUnicodeRange::new(ch, ch)]);
            class::fold(&mut class);
            Hir::class(Class::Unicode(class))
        } else {
            Hir::literal(ch.encode_utf8(&mut [0; 4]).as_bytes())
        };
        self.push(item);
    }

    /// Applies a repetition operator that began at `start`, and a `?` behind it, to the item before. Returns its place.
    fn repeat(
        &mut self,
        start: usize,
        min: u32,
        max: Option<u32>,
        repeated: Option<(usize, usize)>,
    ) -> Result<(usize, usize), RegexError> {
        let operator_end = self.at;
        let is_lazy = self.peek() == Some('?');
        if is_lazy {
            self.at += 1;
        }
        if let Some((before, _)) = repeated {
            return Err(fault("invalid nested repetition operator", self.slice(before, self.at)));
        }
        let Some((sub, inner)) = self.level.items.pop() else {
            let operator = self.slice(start, operator_end);
            return Err(fault("missing argument to repetition operator", operator));
        };
        let factor = max.unwrap_or(min).max(1);
        let is_counted = self.slice(start, start + 1) == "{";
        let repeats = if is_counted { inner.saturating_mul(factor) } else { inner };
        if repeats > REPEAT_MAX {
            return Err(fault("invalid repeat count", self.slice(start, self.at)));
        }
        let greedy = is_lazy == self.flags.is_swapped_greed;
        let repetition = Hir::repetition(Repetition { min, max, greedy, sub: Box::new(sub) });
        self.level.items.push((repetition, repeats));
        Ok((start, self.at))
    }

    /// Reads `{2}`, `{2,}` or `{2,3}`; anything else is a brace like any character.
    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>, RegexError> {
        let rest = self.rest();
        let Some(end) = rest.find('}') else { return Ok(None) };
        let body = rest.get(1..end).unwrap_or("");
        let (min, max) = match body.split_once(',') {
            None => (body, Some(body)),
            Some((min, "")) => (min, None),
            Some((min, max)) => (min, Some(max)),
        };
        let is_number = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && (text.len() == 1 || !text.starts_with('0'))
        };
        if !is_number(min) || max.is_some_and(|max| !is_number(max)) {
            return Ok(None);
        }
        let bad = || fault("invalid repeat count", rest.get(..=end).unwrap_or(""));
        let count = |text: &str| text.parse().ok().filter(|count| *count <= REPEAT_MAX).ok_or_else(bad);
        let min = count(min)?;
        let max = max.map(count).transpose()?;
        if max.is_some_and(|max| max < min) {
            return Err(bad());
        }
        self.at += end + 1;
        Ok(Some((min, max)))
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        self.pattern.get(self.at..).unwrap_or("")
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.pattern.get(start..end).unwrap_or("")
    }
}

impl Level {
    fn end_alternative(&mut self) {
        let items = std::mem::take(&mut self.items);
        self.repeats = items.iter().map(|(_, repeats)| *repeats).fold(self.repeats, u32::max);
        self.alternatives.push(Hir::concat(items.into_iter().map(|(item, _)| item).collect()));
    }

    /// Returns the whole and the largest repetition count inside.
    fn finish(mut self) -> (Hir, u32) {
        self.end_alternative();
        (Hir::alternation(self.alternatives), self.repeats.max(1))
    }
}

impl Open {
    fn finish(self, inner: Hir) -> Hir {
        match self.capture {
            Some(index) => Hir::capture(Capture { index, name: None, sub: Box::new(inner) }),
            None => inner,
        }
    }
}

/// Builds an error in Go's words.
fn fault(code: &str, place: &str) -> RegexError {
    RegexError { message: format!("{code}: `{place}`") }
}
