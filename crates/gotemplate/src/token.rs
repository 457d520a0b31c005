//! What a template is made of: text, and inside the delimiters words, literals and signs.

use std::fmt;

use wf_model::quote::{GoQuoted, literal};

/// A piece of a template, the line it begins on, counted from 1, and the byte.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
    pub(crate) at: usize,
}

/// What a [`Token`] is. Actions stand between `Open` and `Close`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Literal text, already trimmed.
    Text(String),
    Open,
    Close,
    /// White space inside an action: it separates arguments.
    Space,
    /// `.a`, without the dot.
    Field(String),
    /// `$` or `$a`, with the sign.
    Variable(String),
    /// A word: keyword, function, `true`, `nil`.
    Word(String),
    Number(Number),
    /// A string constant and how it was written.
    Quoted {
        value: String,
        source: String,
    },
    Dot,
    Pipe,
    OpenParen,
    CloseParen,
    Declare,
    Assign,
    Comma,
    End,
}

impl fmt::Display for Kind {
    /// Writes a token as errors quote it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |f: &mut fmt::Formatter<'_>, text: &str| write!(f, "{}", GoQuoted(text));
        match self {
            Self::Text(text) => quoted(f, text),
            Self::Open => quoted(f, "{{"),
            Self::Close => quoted(f, "}}"),
            Self::Space => quoted(f, " "),
            Self::Field(name) => write!(f, "<.{name}>"),
            Self::Variable(name) => quoted(f, name),
            Self::Word(word) if is_keyword(word) => write!(f, "<{word}>"),
            Self::Word(word) => quoted(f, word),
            Self::Number(number) => quoted(f, &number.text),
            Self::Quoted { source, .. } => quoted(f, source),
            Self::Dot => f.write_str("<.>"),
            Self::Pipe => quoted(f, "|"),
            Self::OpenParen => quoted(f, "("),
            Self::CloseParen => quoted(f, ")"),
            Self::Declare => quoted(f, ":="),
            Self::Assign => quoted(f, "="),
            Self::Comma => quoted(f, ","),
            Self::End => f.write_str("EOF"),
        }
    }
}

/// Returns whether `word` begins or divides a control structure.
pub(crate) fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "block"
            | "break"
            | "continue"
            | "define"
            | "else"
            | "end"
            | "if"
            | "range"
            | "template"
            | "with"
            | "nil"
    )
}

/// A number constant: which types can hold it is decided where it is used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Number {
    pub(crate) text: String,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
}

impl Number {
    /// Reads a Go integer, float or character constant.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.starts_with('\'') {
            let (_, value) = literal::scan(text, '\'').ok()?;
            let mut chars = value.chars();
            let code = u32::from(chars.next().filter(|_| chars.next().is_none())?);
            return Some(Self {
                text: text.to_owned(),
                int: Some(i64::from(code)),
                uint: Some(u64::from(code)),
                float: Some(f64::from(code)),
            });
        }
        let (is_negative, digits) = match text.strip_prefix(['+', '-']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        let magnitude = integer(digits);
        let uint = magnitude.filter(|magnitude| !is_negative || *magnitude == 0);
        let int = magnitude.and_then(|magnitude| match is_negative {
            true => 0_i64.checked_sub_unsigned(magnitude),
            false => i64::try_from(magnitude).ok(),
        });
        let float = match magnitude {
            #[expect(clippy::cast_precision_loss, reason = "as Go converts an untyped constant")]
            Some(magnitude) => Some(if is_negative { -(magnitude as f64) } else { magnitude as f64 }),
            None => decimal(digits).map(|value| if is_negative { -value } else { value }),
        };
        // `1e3` and `3.0` are integers too where one is wanted.
        let whole = float.filter(|value| value.fract() == 0.0 && value.abs() < 9e15);
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        let whole = whole.map(|value| value as i64);
        let is_number = int.is_some() || uint.is_some() || float.is_some();
        is_number.then(|| Self {
            text: text.to_owned(),
            int: int.or(whole),
            uint: uint.or(whole.and_then(|value| u64::try_from(value).ok())),
            float,
        })
    }

    /// Returns whether it was written as a float: `1.0` and `1e3`, not `0x1e3`.
    pub(crate) fn is_written_as_float(&self) -> bool {
        let is_hex = self.text.trim_start_matches(['+', '-']).to_ascii_lowercase().starts_with("0x");
        !self.text.starts_with('\'') && (self.text.contains('.') || !is_hex && self.text.contains(['e', 'E']))
    }
}

/// Reads decimal, `0x`, `0o`, `0b` and `0`-octal integers with `_` between digits.
fn integer(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = match (lower.get(..2), lower.get(2..)) {
        (Some("0x"), Some(rest)) => (16, rest),
        (Some("0o"), Some(rest)) => (8, rest),
        (Some("0b"), Some(rest)) => (2, rest),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    let digits = without_underscores(digits.strip_prefix('_').filter(|_| radix != 10).unwrap_or(digits))?;
    u64::from_str_radix(&digits, radix).ok().filter(|_| !digits.starts_with('+'))
}

fn decimal(text: &str) -> Option<f64> {
    let is_plausible = text.bytes().next()?.is_ascii_digit() || text.starts_with('.');
    let digits = without_underscores(text)?;
    wf_model::float::parse_go(digits.as_bytes()).ok().filter(|_| is_plausible)
}

fn without_underscores(digits: &str) -> Option<String> {
    let is_wrong = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    (!is_wrong && !digits.is_empty()).then(|| digits.replace('_', ""))
}
