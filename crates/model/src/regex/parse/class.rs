//! Character classes: `[a-z]`, `[[:alpha:]]`, `\d`, `\p{Greek}`.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

use super::{Parser, fault};
use crate::regex::RegexError;

const DIGIT: &[(char, char)] = &[('0', '9')];
const SPACE: &[(char, char)] = &[('\t', '\n'), ('\u{c}', '\r'), (' ', ' ')];
const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// The classes of `[[:name:]]`.
const POSIX: &[(&str, &[(char, char)])] = &[
    ("alnum", &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha", &[('A', 'Z'), ('a', 'z')]),
    ("ascii", &[('\0', '\u{7f}')]),
    ("blank", &[('\t', '\t'), (' ', ' ')]),
    ("cntrl", &[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')]),
    ("digit", DIGIT),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[('\t', '\r'), (' ', ' ')]),
    ("upper", &[('A', 'Z')]),
    ("word", WORD),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];

impl Parser<'_> {
    /// Reads `[…]`.
    pub(super) fn bracket_class(&mut self) -> Result<ClassUnicode, RegexError> {
        let start = self.at;
        self.at += 1;
        let is_negated = self.peek() == Some('^');
        if is_negated {
            self.at += 1;
        }
        let mut class = ClassUnicode::empty();
        let mut is_first = true;
        loop {
            match self.peek() {
                None => return Err(fault("missing closing ]", self.slice(start, self.pattern.len()))),
                // A bracket that closes nothing yet is a character.
                Some(']') if !is_first => break,
                _ => self.class_item(&mut class)?,
            }
            is_first = false;
        }
        self.at += 1;
        if is_negated {
            class.negate();
        }
        Ok(class)
    }

    fn class_item(&mut self, class: &mut ClassUnicode) -> Result<(), RegexError> {
        if let Some(named) = self.posix_class()? {
            class.union(&named);
            return Ok(());
        }
        if self.peek() == Some('\\')
            && let Some(escaped) = self.escaped_class()?
        {
            class.union(&escaped);
            return Ok(());
        }
        let start = self.at;
        let low = self.class_char()?;
        let mut high = low;
        let rest = self.rest();
        if rest.starts_with('-') && rest.len() > 1 && !rest.starts_with("-]") {
            self.at += 1;
            high = self.class_char()?;
            if high < low {
                return Err(fault("invalid character class range", self.slice(start, self.at)));
            }
        }
        let mut range = ClassUnicode::new([ClassUnicodeRange::new(low, high)]);
        if self.flags.is_case_folded {
            fold(&mut range);
        }
        class.union(&range);
        Ok(())
    }

    fn class_char(&mut self) -> Result<char, RegexError> {
        match self.peek() {
            None => Err(fault("missing closing ]", self.pattern)),
            Some('\\') => self.escaped_char(),
            Some(ch) => {
                self.at += ch.len_utf8();
                Ok(ch)
            }
        }
    }

    /// Reads `[:name:]` or `[:^name:]`.
    fn posix_class(&mut self) -> Result<Option<ClassUnicode>, RegexError> {
        let Some(body) = self.rest().strip_prefix("[:") else { return Ok(None) };
        let Some((name, _)) = body.split_once(":]") else { return Ok(None) };
        let length = name.len() + 4;
        let (bare, is_negated) = match name.strip_prefix('^') {
            Some(bare) => (bare, true),
            None => (name, false),
        };
        let Some((_, ranges)) = POSIX.iter().find(|(known, _)| *known == bare) else {
            return Err(fault("invalid character class range", self.slice(self.at, self.at + length)));
        };
        self.at += length;
        Ok(Some(self.class_of(ranges, is_negated)))
    }

    /// Reads `\d`, `\pL`, `\p{Greek}` and their like; `None` for an escape that is no class.
    pub(super) fn escaped_class(&mut self) -> Result<Option<ClassUnicode>, RegexError> {
        let ranges = match self.rest().as_bytes().get(1) {
            Some(b'd' | b'D') => DIGIT,
            Some(b's' | b'S') => SPACE,
            Some(b'w' | b'W') => WORD,
            Some(b'p' | b'P') => return self.unicode_class().map(Some),
            _ => return Ok(None),
        };
        let is_negated = matches!(self.rest().as_bytes().get(1), Some(b'D' | b'S' | b'W'));
        self.at += 2;
        Ok(Some(self.class_of(ranges, is_negated)))
    }

    fn class_of(&self, ranges: &[(char, char)], is_negated: bool) -> ClassUnicode {
        let mut class =
            ClassUnicode::new(ranges.iter().map(|(low, high)| ClassUnicodeRange::new(*low, *high)));
        if self.flags.is_case_folded {
            fold(&mut class);
        }
        if is_negated {
            class.negate();
        }
        class
    }

    fn unicode_class(&mut self) -> Result<ClassUnicode, RegexError> {
        let rest = self.rest();
        let mut is_negated = rest.starts_with(r"\P");
        let body = rest.get(2..).unwrap_or("");
        let (name, length) = match body.strip_prefix('{') {
            Some(inner) => match inner.split_once('}') {
                Some((name, _)) => (name, name.len() + 4),
                None => return Err(fault("invalid character class range", rest)),
            },
            None => {
                let length = body.chars().next().map_or(0, char::len_utf8);
                (body.get(..length).unwrap_or(""), length + 2)
            }
        };
        let bare = name.strip_prefix('^').inspect(|_| is_negated = !is_negated).unwrap_or(name);
        let known = bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !bare.is_empty();
        let class = if known { lookup(bare) } else { None };
        let Some(mut class) = class else {
            return Err(fault("invalid character class range", rest.get(..length).unwrap_or("")));
        };
        self.at += length;
        if self.flags.is_case_folded {
            fold(&mut class);
        }
        if is_negated {
            class.negate();
        }
        Ok(class)
    }
}

/// Returns the characters of a general category or script.
fn lookup(name: &str) -> Option<ClassUnicode> {
    let hir = regex_syntax::parse(&format!(r"\p{{{name}}}")).ok()?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        _ => None,
    }
}

/// Adds what differs only in case.
pub(super) fn fold(class: &mut ClassUnicode) {
    class.try_case_fold_simple().expect("the tables of case folding are compiled in");
}
