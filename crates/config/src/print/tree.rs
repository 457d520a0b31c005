//! YAML to be written: scalars, lists and mappings, and how they look.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use wf_model::duration;

/// Something to write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    /// A scalar, quoted already where it must be.
    Scalar(String),
    /// Scalars in one line.
    Flow(Vec<String>),
    /// Entries in lines of their own.
    List(Vec<Tree>),
    /// Keys and values, in order.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// A text, quoted where it would read as something else.
    pub(crate) fn text(text: impl fmt::Display) -> Self {
        Self::Scalar(quoted(&text.to_string()))
    }

    /// A path.
    pub(crate) fn path(path: &Path) -> Self {
        Self::text(path.display())
    }

    /// A number or a boolean.
    pub(crate) fn plain(value: impl fmt::Display) -> Self {
        Self::Scalar(value.to_string())
    }

    /// A duration.
    pub(crate) fn time(value: Duration) -> Self {
        Self::Scalar(duration::format(value))
    }

    /// Texts in lines of their own.
    pub(crate) fn texts(texts: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    /// Texts by name.
    pub(crate) fn pairs<K: fmt::Display, V: fmt::Display>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Map(pairs.into_iter().map(|(name, value)| (name.to_string(), Self::text(value))).collect())
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Scalar(_) => false,
            Self::Flow(items) => items.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
        }
    }

    /// Writes a mapping as a document.
    pub(crate) fn write_document(&self, out: &mut String) -> fmt::Result {
        match self {
            Self::Map(entries) => entries.iter().try_for_each(|(name, tree)| tree.write_entry(out, 0, name)),
            _ => self.write_after_key(out, 0),
        }
    }

    fn write_entry(&self, out: &mut String, indent: usize, name: &str) -> fmt::Result {
        write!(out, "{:indent$}{}:", "", quoted(name))?;
        self.write_after_key(out, indent)
    }

    /// Writes what follows a key and its colon; `indent` is that of the key.
    fn write_after_key(&self, out: &mut String, indent: usize) -> fmt::Result {
        match self {
            Self::Scalar(text) => writeln!(out, " {text}"),
            Self::Flow(items) => writeln!(out, " [{}]", items.join(", ")),
            Self::List(items) if items.is_empty() => writeln!(out, " []"),
            Self::Map(entries) if entries.is_empty() => writeln!(out, " {{}}"),
            Self::List(items) => {
                writeln!(out)?;
                items.iter().try_for_each(|item| item.write_item(out, indent))
            }
            Self::Map(entries) => {
                writeln!(out)?;
                entries.iter().try_for_each(|(name, tree)| tree.write_entry(out, indent + 2, name))
            }
        }
    }

    /// Writes a list entry; the first key of a mapping follows the dash.
    fn write_item(&self, out: &mut String, indent: usize) -> fmt::Result {
        write!(out, "{:indent$}-", "")?;
        match self {
            Self::Map(entries) if !entries.is_empty() => {
                for (idx, (name, tree)) in entries.iter().enumerate() {
                    if idx == 0 {
                        write!(out, " {}:", quoted(name))?;
                        tree.write_after_key(out, indent + 2)?;
                    } else {
                        tree.write_entry(out, indent + 2, name)?;
                    }
                }
                Ok(())
            }
            _ => self.write_after_key(out, indent + 2),
        }
    }
}

/// Builds a mapping: what has its default is left out, unless everything is wanted.
#[derive(Debug)]
pub(crate) struct Fields {
    entries: Vec<(String, Tree)>,
    /// Whether defaults are written too.
    pub(crate) shows_defaults: bool,
}

impl Fields {
    pub(crate) fn new(shows_defaults: bool) -> Self {
        Self { entries: Vec::new(), shows_defaults }
    }

    /// Adds a field.
    pub(crate) fn put(&mut self, name: &str, tree: Tree) -> &mut Self {
        self.entries.push((name.to_owned(), tree));
        self
    }

    /// Adds a field unless it has its default.
    pub(crate) fn unless(&mut self, is_default: bool, name: &str, tree: Tree) -> &mut Self {
        if !is_default || self.shows_defaults {
            self.put(name, tree);
        }
        self
    }

    /// Adds a list or mapping unless it is empty.
    pub(crate) fn filled(&mut self, name: &str, tree: Tree) -> &mut Self {
        self.unless(tree.is_empty(), name, tree)
    }

    /// Adds a text if there is one; an absent one has the empty default.
    pub(crate) fn option(&mut self, name: &str, text: Option<impl fmt::Display>) -> &mut Self {
        match text {
            Some(text) => self.put(name, Tree::text(text)),
            None => self.unless(true, name, Tree::text("")),
        }
    }

    pub(crate) fn build(self) -> Tree {
        Tree::Map(self.entries)
    }
}

/// Quotes where a plain scalar would read as something else.
pub(crate) fn quoted(text: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_/.-".contains(&byte) || byte == b':';
    let starts_plain =
        text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'/' || byte == b'_');
    let reserved = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    if text == wf_httpkit::secret::REDACTED {
        return text.to_owned();
    }
    let is_plain = starts_plain
        && text.bytes().all(is_word)
        && !text.ends_with(':')
        && !reserved.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { wf_model::quote::GoQuoted(text).to_string() }
}
