//! html/template: what an action prints is escaped for the place it stands in.
//!
//! The original derives places from the templates before it executes them. Here an [`Escaper`] follows the text while it
//! is written, which needs no analysis of templates that call each other: literal text moves it through tags,
//! attributes, scripts and styles, and a value is escaped for where it then is.
//!
//! # Invariants
//! - A value never leaves the place it stands in: no value ends an attribute, a script or a tag.
//! - Comments of the template are not written.
//! # Not here: refusing branches that end in different places; the text that is written is escaped rightly either way.
//! Source: `spec/alertmanager-pushgateway.md` §A10.1, "HTML mode".

mod escape;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;

use crate::value::{Object, Value};

/// A text that its author vouches for.
#[derive(Clone, Debug)]
pub struct Safe {
    /// What it is safe as.
    pub kind: SafeKind,
    /// The text.
    pub text: String,
}

/// What a text is safe as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafeKind {
    /// HTML.
    Html,
    /// A URL.
    Url,
}

impl Object for Safe {
    fn type_name(&self) -> &str {
        match self.kind {
            SafeKind::Html => "template.HTML",
            SafeKind::Url => "template.URL",
        }
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }

    fn as_text(&self) -> Option<&str> {
        Some(&self.text)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What an attribute's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AttrKind {
    Plain,
    Url,
    Script,
    Style,
}

/// How an attribute's value ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delimiter {
    Double,
    Single,
    /// White space or `>`.
    Space,
}

/// How far a URL has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UrlPart {
    Start,
    Path,
    Query,
}

/// Elements whose content is no markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Script,
    Style,
    Textarea,
    Title,
}

/// Where the text stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Text,
    Comment,
    /// Inside `<tag …>`, between attributes.
    Tag,
    /// Inside an attribute's name.
    AttrName(String),
    /// Behind a name, before `=`.
    AfterName(AttrKind),
    /// Behind `=`.
    BeforeValue(AttrKind),
    Value {
        kind: AttrKind,
        delimiter: Delimiter,
        url: UrlPart,
        /// Quote of the script's string that is open.
        quote: Option<char>,
    },
    /// In a script, a style, a title or a text area.
    Raw {
        element: Element,
        quote: Option<char>,
    },
}

/// Follows HTML as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Escaper {
    place: Place,
    /// Of the tag that is being written.
    element: Option<Element>,
}

impl Default for Escaper {
    fn default() -> Self {
        Self { place: Place::Text, element: None }
    }
}

impl Escaper {
    /// Returns where the text ended, unless it is complete.
    pub(crate) fn unfinished(&self) -> Option<String> {
        match &self.place {
            Place::Text => None,
            place => Some(format!("{place:?}")),
        }
    }

    /// Moves through text of the template and returns what is written of it.
    pub(crate) fn literal(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let length = self.step(rest, &mut out).clamp(1, rest.len());
            rest = rest.get(length..).unwrap_or_default();
        }
        out
    }

    /// Moves through the beginning of `rest`, at least one character; returns how many bytes were taken.
    fn step(&mut self, rest: &str, out: &mut String) -> usize {
        let first = rest.chars().next().unwrap_or(' ');
        let (next, length) = match &self.place {
            Place::Text => return self.step_text(rest, out),
            Place::Comment => match rest.find("-->") {
                Some(at) => {
                    self.place = Place::Text;
                    return at + 3;
                }
                None => return rest.len(),
            },
            Place::Tag if first == '>' => {
                let place = match self.element {
                    Some(element) => Place::Raw { element, quote: None },
                    None => Place::Text,
                };
                (place, 1)
            }
            Place::Tag if first.is_whitespace() || first == '/' => (Place::Tag, first.len_utf8()),
            Place::Tag => (Place::AttrName(String::new()), 0),
            Place::AttrName(name) => {
                let length = rest
                    .find(|ch: char| ch.is_whitespace() || matches!(ch, '=' | '>' | '/'))
                    .unwrap_or(rest.len());
                let name = format!("{name}{}", rest.get(..length).unwrap_or_default());
                let is_over = length < rest.len();
                (if is_over { Place::AfterName(kind_of(&name)) } else { Place::AttrName(name) }, length)
            }
            Place::AfterName(kind) => match first {
                '=' => (Place::BeforeValue(*kind), 1),
                ch if ch.is_whitespace() => (Place::AfterName(*kind), ch.len_utf8()),
                _ => (Place::Tag, 0),
            },
            Place::BeforeValue(kind) => {
                let begin =
                    |delimiter| Place::Value { kind: *kind, delimiter, url: UrlPart::Start, quote: None };
                match first {
                    ch if ch.is_whitespace() => (Place::BeforeValue(*kind), ch.len_utf8()),
                    '"' => (begin(Delimiter::Double), 1),
                    '\'' => (begin(Delimiter::Single), 1),
                    '>' => (Place::Tag, 0),
                    _ => (begin(Delimiter::Space), 0),
                }
            }
            Place::Value { kind, delimiter, url, quote } => in_value(first, *kind, *delimiter, *url, *quote),
            Place::Raw { element, quote } => match end_of_raw(*element, rest) {
                true => (Place::Text, 0),
                false => {
                    let (quote, length) = in_script(rest, *quote);
                    (Place::Raw { element: *element, quote }, length)
                }
            },
        };
        self.place = next;
        if length == 0 && matches!(self.place, Place::Text) {
            return self.step_text(rest, out);
        }
        if length == 0 {
            return self.step(rest, out);
        }
        out.push_str(rest.get(..length).unwrap_or_default());
        length
    }

    fn step_text(&mut self, rest: &str, out: &mut String) -> usize {
        let Some(at) = rest.find('<') else {
            out.push_str(rest);
            return rest.len();
        };
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        if tag.starts_with("<!--") {
            self.place = Place::Comment;
            return at + 4;
        }
        let body = tag.get(1..).unwrap_or_default();
        let is_end = body.starts_with('/');
        let name = if is_end { body.get(1..).unwrap_or_default() } else { body };
        let length = name
            .find(|ch: char| !ch.is_ascii_alphanumeric() && !matches!(ch, ':' | '-'))
            .unwrap_or(name.len());
        let name = name.get(..length).unwrap_or_default();
        if !name.starts_with(|ch: char| ch.is_ascii_alphabetic()) {
            out.push('<');
            return at + 1;
        }
        self.element = if is_end { None } else { element_of(name) };
        self.place = Place::Tag;
        let taken = 1 + usize::from(is_end) + length;
        out.push_str(tag.get(..taken).unwrap_or_default());
        at + taken
    }

    /// Escapes what an action prints; `is_url_query` when the action has encoded it for a query already.
    pub(crate) fn value(&mut self, value: &Value, is_url_query: bool) -> Result<String, String> {
        let safe = match value {
            Value::Object(object) => object.as_any().downcast_ref::<Safe>().map(|safe| safe.kind),
            _ => None,
        };
        // html/template prints nothing for nothing.
        let text = if matches!(value, Value::Nil) { String::new() } else { value.to_string() };
        if let Place::BeforeValue(kind) = self.place {
            let url = UrlPart::Start;
            self.place = Place::Value { kind, delimiter: Delimiter::Space, url, quote: None };
        }
        Ok(match &mut self.place {
            Place::Text if safe == Some(SafeKind::Html) => text,
            Place::Text => escape::html(&text),
            Place::Comment => String::new(),
            Place::Raw { element: Element::Textarea | Element::Title, .. } => match safe {
                Some(SafeKind::Html) => escape::html_once(&text),
                _ => escape::html(&text),
            },
            Place::Raw { element: Element::Script, quote: Some(_) } => escape::script_string(&text),
            Place::Raw { element: Element::Script, quote: None } => escape::script_value(value),
            Place::Raw { element: Element::Style, .. } => escape::style(&text).to_owned(),
            Place::Tag | Place::AttrName(_) | Place::AfterName(_) => {
                let name = escape::attribute_name(&text);
                self.place = Place::AttrName(name.clone());
                name
            }
            Place::BeforeValue(_) => return Err("an action before an attribute's value".to_owned()),
            Place::Value { kind, delimiter, url, quote } => {
                let inner = match kind {
                    AttrKind::Plain if safe == Some(SafeKind::Html) => escape::without_tags(&text),
                    AttrKind::Plain => text,
                    AttrKind::Url => {
                        let part = std::mem::replace(
                            url,
                            if *url == UrlPart::Query { UrlPart::Query } else { UrlPart::Path },
                        );
                        let is_safe = safe == Some(SafeKind::Url);
                        match part {
                            UrlPart::Start if !is_safe => escape::url(&escape::filter_url(&text), true),
                            UrlPart::Start | UrlPart::Path => escape::url(&text, true),
                            // `urlquery` has done it.
                            UrlPart::Query if is_url_query => text,
                            UrlPart::Query => escape::url(&text, is_safe),
                        }
                    }
                    AttrKind::Script if quote.is_some() => escape::script_string(&text),
                    AttrKind::Script => escape::script_value(value),
                    AttrKind::Style => escape::style(&text).to_owned(),
                };
                let is_html = safe == Some(SafeKind::Html) && *kind == AttrKind::Plain;
                match delimiter {
                    Delimiter::Space => escape::html_no_space(&inner),
                    _ if is_html => escape::html_once(&inner),
                    _ => escape::html(&inner),
                }
            }
        })
    }
}

fn element_of(name: &str) -> Option<Element> {
    match name.to_ascii_lowercase().as_str() {
        "script" => Some(Element::Script),
        "style" => Some(Element::Style),
        "textarea" => Some(Element::Textarea),
        "title" => Some(Element::Title),
        _ => None,
    }
}

fn kind_of(name: &str) -> AttrKind {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("data-").unwrap_or(&name);
    let name = name.rsplit(':').next().unwrap_or(name);
    match name {
        "action" | "archive" | "background" | "cite" | "classid" | "codebase" | "data" | "formaction"
        | "href" | "icon" | "longdesc" | "manifest" | "poster" | "profile" | "src" | "usemap" | "xmlns" => {
            AttrKind::Url
        }
        "style" => AttrKind::Style,
        name if name.starts_with("on") => AttrKind::Script,
        name if name.contains("src") || name.contains("uri") || name.contains("url") => AttrKind::Url,
        _ => AttrKind::Plain,
    }
}

/// Moves over one character of an attribute's value.
fn in_value(
    first: char,
    kind: AttrKind,
    delimiter: Delimiter,
    url: UrlPart,
    quote: Option<char>,
) -> (Place, usize) {
    let is_end = match delimiter {
        Delimiter::Double => first == '"',
        Delimiter::Single => first == '\'',
        Delimiter::Space => first.is_whitespace() || first == '>',
    };
    if is_end {
        let is_quoted = delimiter != Delimiter::Space;
        return (Place::Tag, if is_quoted { 1 } else { 0 });
    }
    let url = match first {
        '?' | '#' => UrlPart::Query,
        _ if url == UrlPart::Query => UrlPart::Query,
        ch if ch.is_whitespace() && url == UrlPart::Start => UrlPart::Start,
        _ => UrlPart::Path,
    };
    let quote = match (quote, first) {
        (Some(open), ch) if open == ch => None,
        (None, '\'' | '"' | '`') => Some(first),
        (quote, _) => quote,
    };
    (Place::Value { kind, delimiter, url, quote }, first.len_utf8())
}

fn end_of_raw(element: Element, rest: &str) -> bool {
    let end = match element {
        Element::Script => "</script",
        Element::Style => "</style",
        Element::Textarea => "</textarea",
        Element::Title => "</title",
    };
    rest.get(..end.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(end))
}

/// Moves over one character, or one escape, of a script.
fn in_script(rest: &str, quote: Option<char>) -> (Option<char>, usize) {
    let mut chars = rest.chars();
    let first = chars.next().unwrap_or(' ');
    match (quote, first) {
        (Some(_), '\\') => (quote, 1 + chars.next().map_or(0, char::len_utf8)),
        (Some(open), ch) if open == ch => (None, 1),
        (None, '\'' | '"' | '`') => (Some(first), 1),
        (quote, ch) => (quote, ch.len_utf8()),
    }
}
