//! Names that are no identifiers, in the spellings that a reader may ask for with `escaping=`.
//!
//! # Source
//! `spec/prometheus-core.md` §2, "Escaping schemes".

use std::borrow::Cow;
use std::fmt::Write;

use wf_model::labels::{is_legacy_label_name, is_legacy_metric_name};

/// How names outside of `[a-zA-Z_:][a-zA-Z0-9_:]*` are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escaping {
    /// As they are, in quotes.
    AllowUtf8,
    /// `_` for every character that is not allowed; what old readers get.
    Underscores,
    /// `_dot_` for a dot, `__` for an underscore and for anything else that is not allowed.
    Dots,
    /// `U__` in front, then each such character as `_HEX_`.
    Values,
}

impl Escaping {
    /// Reads the value of `escaping=`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "allow-utf-8" => Self::AllowUtf8,
            "underscores" => Self::Underscores,
            "dots" => Self::Dots,
            "values" => Self::Values,
            _ => return None,
        })
    }

    /// Returns the value of `escaping=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// Spells the name of a metric.
    pub fn metric_name(self, name: &str) -> Cow<'_, str> {
        self.escape(name, is_legacy_metric_name(name), true)
    }

    /// Spells the name of a label.
    pub fn label_name(self, name: &str) -> Cow<'_, str> {
        self.escape(name, is_legacy_label_name(name), false)
    }

    fn escape(self, name: &str, is_legacy: bool, has_colons: bool) -> Cow<'_, str> {
        if self == Self::AllowUtf8 || is_legacy && self != Self::Dots || name.is_empty() {
            return Cow::Borrowed(name);
        }
        let mut out = String::with_capacity(name.len() + 8);
        if self == Self::Values {
            out.push_str("U__");
        }
        for (idx, ch) in name.char_indices() {
            let is_allowed = ch.is_ascii_alphabetic()
                || ch == '_'
                || ch == ':' && has_colons
                || ch.is_ascii_digit() && idx > 0;
            match self {
                Self::Dots | Self::Values if ch == '_' => out.push_str("__"),
                _ if is_allowed => out.push(ch),
                Self::Dots if ch == '.' => out.push_str("_dot_"),
                Self::Dots => out.push_str("__"),
                Self::Values => {
                    write!(out, "_{:x}_", u32::from(ch)).expect("writing to a string cannot fail");
                }
                Self::Underscores | Self::AllowUtf8 => out.push('_'),
            }
        }
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_spells_as_the_format_says() {
        for (name, underscores, dots, values) in [
            ("http_requests", "http_requests", "http__requests", "http_requests"),
            ("http.requests", "http_requests", "http_dot_requests", "U__http_2e_requests"),
            ("a_b.c", "a_b_c", "a__b_dot_c", "U__a__b_2e_c"),
            ("1st", "_st", "__st", "U___31_st"),
            ("온도", "__", "____", "U___c628__b3c4_"),
            ("a:b", "a:b", "a:b", "a:b"),
        ] {
            assert_eq!(Escaping::Underscores.metric_name(name), underscores);
            assert_eq!(Escaping::Dots.metric_name(name), dots);
            assert_eq!(Escaping::Values.metric_name(name), values);
            assert_eq!(Escaping::AllowUtf8.metric_name(name), name);
        }
        assert_eq!(Escaping::Underscores.label_name("a:b"), "a_b");
    }

    #[test]
    fn names_of_schemes_read_back() {
        for scheme in [Escaping::AllowUtf8, Escaping::Underscores, Escaping::Dots, Escaping::Values] {
            assert_eq!(Escaping::from_name(scheme.name()), Some(scheme));
        }
        assert_eq!(Escaping::from_name("none"), None);
    }
}
