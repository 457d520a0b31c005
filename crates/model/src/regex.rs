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

    /// Returns `template` with `$1`, `${1}`, `$name` and `${name}` replaced by what the groups matched and `$$` by a
    /// dollar sign; `None` when `subject` does not match. An unknown group is empty, as in Go's `Regexp.Expand`.
    pub fn expand(&self, subject: &str, template: &str) -> Option<String> {
        let mut captures = self.inner.engine.create_captures();
        self.inner.engine.captures(subject, &mut captures);
        if !captures.is_match() {
            return None;
        }
        let mut expanded = String::new();
        captures.interpolate_string_into(subject, &go_template(template), &mut expanded);
        Some(expanded)
    }
}

/// Escapes what the regex engine would expand and Go would not: a `$` that does not begin a group reference.
fn go_template(template: &str) -> String {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once('$') {
        out.push_str(literal);
        let (is_reference, length) = match after.as_bytes() {
            [b'$', ..] => (true, 1),
            [b'{', name @ ..] => {
                let length = name.iter().take_while(|byte| is_name(byte)).count();
                (length > 0 && name.get(length) == Some(&b'}'), length + 2)
            }
            name => {
                let length = name.iter().take_while(|byte| is_name(byte)).count();
                (length > 0, length)
            }
        };
        let length = if is_reference { length } else { 0 };
        let (reference, tail) = after.split_at(length);
        out.push_str(if is_reference { "$" } else { "$$" });
        out.push_str(reference);
        rest = tail;
    }
    out.push_str(rest);
    out
}

impl fmt::Debug for AnchoredRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.inner.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_expand_as_in_go() {
        let check = |pattern: &str, subject: &str, template: &str, want: Option<&str>| {
            let regex = AnchoredRegex::new(pattern).unwrap();
            assert_eq!(regex.expand(subject, template).as_deref(), want, "{pattern} {subject} {template}");
        };
        check("a(.*)c", "abc", "<$1>", Some("<b>"));
        check("a(.*)c", "abc", "<${1}x>", Some("<bx>"));
        check("a(.*)c", "abc", "<$1x>", Some("<>"));
        check("a(?P<rest>.*)", "abc", "$rest$$", Some("bc$"));
        check("a", "a", "$ ${ ${} $-", Some("$ ${ ${} $-"));
        check("a", "b", "x", None);
        check("b", "abc", "x", None);
    }
}
