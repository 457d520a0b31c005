//! Matchers as people write them: the UTF-8 grammar, the classic one, and the mode that tries both.
//!
//! # Reading order: this file, `utf8`, `classic`.
//! Source: `spec/alertmanager-pushgateway.md` §A2.

mod classic;
mod utf8;

use std::fmt;

use wf_model::matcher::{MatchOp, Matcher};
use wf_model::quote::GoQuoted;
use wf_model::{Labels, labels};

/// Which grammars are understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Both; where they disagree the classic one is right.
    #[default]
    Fallback,
    /// The UTF-8 grammar alone.
    Utf8,
    /// The classic grammar alone, and label names of its characters.
    Classic,
}

impl Mode {
    /// Returns whether `name` may name a label.
    pub fn is_label_name(self, name: &str) -> bool {
        match self {
            Self::Fallback | Self::Utf8 => !name.is_empty(),
            Self::Classic => labels::is_legacy_label_name(name),
        }
    }

    /// Parses a list of matchers such as `{a="b",c=~"d"}`.
    /// # Errors
    /// Why it is none; with both grammars, why the classic one refuses it.
    pub fn parse(self, input: &str) -> Result<Vec<Matcher>, String> {
        match self {
            Self::Utf8 => utf8::parse(input),
            Self::Classic => classic::parse(input),
            Self::Fallback => match (utf8::parse(input), classic::parse(input)) {
                (Ok(modern), Ok(classic)) if same(&modern, &classic) => Ok(modern),
                (Ok(_), Ok(classic)) => {
                    tracing::warn!(
                        input,
                        "matchers mean different things to the two grammars: the classic one is used; quote the values"
                    );
                    Ok(classic)
                }
                (Ok(modern), Err(_)) => Ok(modern),
                (Err(error), Ok(classic)) => {
                    let suggestion = set_text(&classic);
                    tracing::warn!(input, %error, suggestion, "matchers are only understood by the classic grammar, which will go away");
                    Ok(classic)
                }
                (Err(_), Err(error)) => Err(error),
            },
        }
    }

    /// Parses exactly one matcher, without braces.
    /// # Errors
    /// Why it is none.
    pub fn parse_one(self, input: &str) -> Result<Matcher, String> {
        if self != Self::Classic && (input.starts_with('{') || input.ends_with('}')) {
            return Err(format!("unexpected open or close brace: {input}"));
        }
        let mut matchers = self.parse(input)?;
        match (matchers.pop(), matchers.len()) {
            (Some(matcher), 0) => Ok(matcher),
            (None, _) => Err(format!("bad matcher format: {input}")),
            (Some(_), n) => Err(format!("expected 1 matcher, found {}", n + 1)),
        }
    }
}

fn same(a: &[Matcher], b: &[Matcher]) -> bool {
    let key = |matchers: &[Matcher]| {
        let mut sorted = matchers.to_vec();
        sort(&mut sorted);
        sorted
    };
    key(a) == key(b)
}

/// Sorts by name, value, operator.
pub(crate) fn sort(matchers: &mut [Matcher]) {
    matchers.sort_by(|a, b| (a.name(), a.value(), a.op()).cmp(&(b.name(), b.value(), b.op())));
}

/// Returns whether the label set satisfies every matcher.
pub(crate) fn matches_all(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or("")))
}

/// Displays one matcher canonically.
pub(crate) struct Shown<'a>(pub(crate) &'a Matcher);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, op, value) = (self.0.name(), self.0.op().as_str(), self.0.value());
        if name.chars().any(is_reserved) {
            return write!(f, "{}{op}{}", GoQuoted(name), GoQuoted(value));
        }
        write!(f, "{name}{op}\"")?;
        for ch in value.chars() {
            match ch {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' => f.write_str("\\\"")?,
                ch => fmt::Write::write_char(f, ch)?,
            }
        }
        f.write_str("\"")
    }
}

/// Writes matchers in braces in the order given.
pub(crate) fn set_text(matchers: &[Matcher]) -> String {
    let texts: Vec<String> = matchers.iter().map(|matcher| Shown(matcher).to_string()).collect();
    format!("{{{}}}", texts.join(","))
}

/// Whether a character cannot stand in a word without quotes.
fn is_reserved(ch: char) -> bool {
    ch.is_whitespace() || matches!(ch, '{' | '}' | '!' | '=' | '~' | ',' | '\\' | '"' | '\'' | '`')
}

/// Builds a matcher with the error in the words of the API.
fn build(op: MatchOp, name: &str, value: &str) -> Result<Matcher, String> {
    Matcher::new(op, name, value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mode: Mode, input: &str, want: &str) {
        let text = mode.parse(input).map(|matchers| set_text(&matchers));
        assert_eq!(text.as_deref(), Ok(want), "{mode:?} {input}");
    }

    #[test]
    fn both_grammars_read_what_is_common() {
        for mode in [Mode::Fallback, Mode::Utf8, Mode::Classic] {
            check(mode, "{a=\"b\",c=~\"d|e\"}", "{a=\"b\",c=~\"d|e\"}");
            check(mode, "a!=b , c!~d,", "{a!=\"b\",c!~\"d\"}");
        }
        check(Mode::Fallback, "{}", "{}");
    }

    #[test]
    fn only_the_modern_grammar_reads_utf8_names() {
        check(Mode::Fallback, "\"my label\"=\"x\\ty\"", "{\"my label\"=\"x\\ty\"}");
        check(Mode::Utf8, "온도=높음", "{온도=\"높음\"}");
        assert!(Mode::Classic.parse("온도=높음").is_err());
    }

    #[test]
    fn only_the_classic_grammar_reads_loose_values() {
        check(Mode::Fallback, "a=b c", "{a=\"b c\"}");
        check(Mode::Fallback, "a=", "{a=\"\"}");
        check(Mode::Fallback, "a=b'c", "{a=\"b'c\"}");
        assert!(Mode::Utf8.parse("a=").is_err());
        assert_eq!(Mode::Fallback.parse("a"), Err("bad matcher format: a".to_owned()));
        assert!(Mode::Fallback.parse(",a=b").is_err() && Mode::Fallback.parse("a=b,,c=d").is_err());
        assert!(Mode::Utf8.parse("{a=b").is_err());
    }

    #[test]
    fn a_single_matcher_has_no_braces() {
        assert_eq!(
            Mode::Fallback.parse_one("{a=b}"),
            Err("unexpected open or close brace: {a=b}".to_owned())
        );
        assert!(Mode::Fallback.parse_one("a=b,c=d").is_err());
        assert_eq!(Shown(&Mode::Fallback.parse_one("a=\"x\\\\y\"").unwrap()).to_string(), "a=\"x\\\\y\"");
    }
}
