//! Patterns that are looked for anywhere in a text: templates use them. Dot does not match a newline here.

use regex_automata::meta;

use super::{NFA_BYTES_MAX, RegexError, parse, push_expanded};

/// A compiled pattern that may match any part of a subject.
#[derive(Clone, Debug)]
pub struct SearchRegex {
    engine: meta::Regex,
    names: Vec<(u32, String)>,
}

impl SearchRegex {
    /// Compiles `pattern`.
    /// # Errors
    /// When `pattern` is not RE2 syntax or compiles too large.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        // By itself first: a pattern such as `)(` must not be completed by what is put around it.
        parse::parse(pattern)?;
        let parse::Parsed { hir, names } = parse::parse(&format!("(?-s:{pattern})"))?;
        let config = meta::Config::new().nfa_size_limit(Some(NFA_BYTES_MAX));
        let built = meta::Builder::new().configure(config).build_from_hir(&hir);
        let too_large = |_| RegexError { message: format!("expression too large: `{pattern}`") };
        Ok(Self { engine: built.map_err(too_large)?, names })
    }

    /// Returns whether any part of `subject` matches.
    pub fn is_match(&self, subject: &str) -> bool {
        self.engine.is_match(subject)
    }

    /// Returns `subject` with every match replaced by `template`, in which `$1`, `${1}`, `$name` and `${name}` stand
    /// for groups.
    pub fn replace_all(&self, subject: &str, template: &str) -> String {
        let mut out = String::new();
        let mut copied = 0;
        for captures in self.engine.captures_iter(subject) {
            let Some(whole) = captures.get_match() else { continue };
            out.push_str(subject.get(copied..whole.start()).unwrap_or_default());
            copied = whole.end();
            let group = |idx: usize| captures.get_group(idx).and_then(|span| subject.get(span.range()));
            let named = |name: &str| {
                let mut groups = self.names.iter().filter(|(_, known)| known == name);
                groups.find_map(|(idx, _)| group(usize::try_from(*idx).ok()?))
            };
            push_expanded(&mut out, template, group, named);
        }
        out.push_str(subject.get(copied..).unwrap_or_default());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_matches_are_replaced_with_what_groups_held() {
        let replaced = |pattern: &str, subject: &str, template: &str| {
            SearchRegex::new(pattern).unwrap().replace_all(subject, template)
        };
        assert_eq!(replaced("(a)b", "ab-ab-b", "${1}x"), "ax-ax-b");
        assert_eq!(replaced("(a)b", "ab", "$1x"), "");
        assert_eq!(replaced("(?P<n>[0-9]+)", "v12", "<$n>"), "v<12>");
        assert_eq!(replaced("a*", "baac", "-"), "-b-c-");
    }

    #[test]
    fn a_dot_stops_at_a_newline() {
        assert!(!SearchRegex::new("a.b").unwrap().is_match("a\nb"));
        assert!(SearchRegex::new("(?s)a.b").unwrap().is_match("xa\nbx"));
        assert!(SearchRegex::new(")(").is_err());
    }
}
