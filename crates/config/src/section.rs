//! Sections described by a table of their fields: read, checked for unknown keys, asked for values and printed alike.
//!
//! Most sections of prometheus.yml hold a dozen plain fields that one place uses. A [`Schema`] says what they are called,
//! of what [`Kind`] they are and what they are when nobody says; a [`Section`] holds what was typed.
//!
//! # Invariants
//! - A field that was not typed, or typed as null, has its default; [`Section`] keeps only what differs from it.
//! - Relative paths are below the directory of the file they stand in.

use std::collections::BTreeMap;
use std::time::Duration;

use wf_httpkit::{ClientOptions, Secret};
use wf_model::NameScheme;
use wf_model::relabel::Rule;

use crate::http_client::HttpClientFile;
use crate::relabel::{self, RelabelFile, RuleList};
use crate::yaml::reader::{At, FromYaml, Reader, read_fields};
use crate::yaml::{Node, Value as YamlValue};

/// What a section may hold.
#[derive(Debug)]
pub struct Schema {
    /// Name of its type in errors.
    pub type_name: &'static str,
    /// What an entry is called when it is null.
    pub entry: &'static str,
    /// Its fields, in the order they are printed.
    pub fields: &'static [Field],
    /// Whether the keys of an HTTP client stand beside the fields, and whether that client offers HTTP/2.
    pub client: ClientBlock,
}

/// Whether a section holds the keys of an HTTP client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientBlock {
    /// It does not.
    None,
    /// It does.
    Inline,
    /// It does, and HTTP/2 is off unless asked for.
    InlineHttp1,
}

/// One field of a section.
#[derive(Debug)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// What it holds, and its default.
    pub kind: Kind,
}

/// What a field holds, with its default.
#[derive(Debug)]
pub enum Kind {
    /// A text.
    Text(&'static str),
    /// A text that is never shown.
    Secret,
    /// A path.
    Path,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A duration, milliseconds.
    Millis(u64),
    /// Texts.
    Texts(&'static [&'static str]),
    /// Paths.
    Paths,
    /// Texts by name.
    Map,
    /// A section of its own.
    Record(&'static Schema),
    /// A list of sections.
    Records(&'static Schema),
    /// Relabeling rules.
    Rules(RuleList),
}

/// What was typed.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text or a path.
    Text(String),
    /// A text that is never shown.
    Secret(Secret<String>),
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A duration.
    Time(Duration),
    /// Texts.
    Texts(Vec<String>),
    /// Texts by name.
    Map(BTreeMap<String, String>),
    /// A section.
    Record(Box<Section>),
    /// Sections.
    Records(Vec<Section>),
    /// Relabeling rules.
    Rules(Vec<Rule>),
}

/// A section as it was typed, defaults left out.
#[derive(Clone, Debug)]
pub struct Section {
    schema: &'static Schema,
    values: BTreeMap<&'static str, Value>,
    /// Credentials, TLS, redirects and proxies; the default where the section has none.
    pub client: ClientOptions,
}

impl PartialEq for Section {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.schema, other.schema) && self.values == other.values && self.client == other.client
    }
}

impl Section {
    /// Returns the section in which nothing was typed.
    pub fn empty(schema: &'static Schema) -> Self {
        let client = ClientOptions {
            enable_http2: schema.client != ClientBlock::InlineHttp1,
            ..ClientOptions::default()
        };
        Self { schema, values: BTreeMap::new(), client }
    }

    /// Reads a section, reporting what is wrong.
    pub(crate) fn read(schema: &'static Schema, node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut section = Self::empty(schema);
        let mut client = HttpClientFile(section.client.clone());
        read_fields(node, reader, schema.type_name, &[], |name, node, reader| {
            let Some(field) = schema.fields.iter().find(|field| field.name == name) else {
                return schema.client != ClientBlock::None && client.set_field(name, node, reader);
            };
            if !node.is_null()
                && let Some(value) = read_value(&field.kind, node, reader)
                && value != default_of(&field.kind)
            {
                section.values.insert(field.name, value);
            }
            true
        })?;
        section.client = client.resolve(node.position, reader);
        Some(section)
    }

    /// Returns what the section may hold.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// Returns whether a field differs from its default.
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Returns the value of a field, its default if nothing else was typed; `None` for a field the schema lacks.
    pub fn value(&self, name: &str) -> Option<Value> {
        let field = self.schema.fields.iter().find(|field| field.name == name)?;
        Some(self.values.get(name).cloned().unwrap_or_else(|| default_of(&field.kind)))
    }

    /// Returns a text or a path; empty for a field of another kind.
    pub fn text(&self, name: &str) -> String {
        match self.value(name) {
            Some(Value::Text(text)) => text,
            _ => String::new(),
        }
    }

    /// Returns a secret, if one was typed.
    pub fn secret(&self, name: &str) -> Option<Secret<String>> {
        match self.value(name) {
            Some(Value::Secret(secret)) => Some(secret).filter(|secret| !secret.reveal().is_empty()),
            _ => None,
        }
    }

    /// Returns a boolean; false for a field of another kind.
    pub fn flag(&self, name: &str) -> bool {
        self.value(name) == Some(Value::Bool(true))
    }

    /// Returns a whole number; 0 for a field of another kind.
    pub fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            Some(Value::Int(number)) => number,
            _ => 0,
        }
    }

    /// Returns a number; 0 for a field of another kind.
    pub fn float(&self, name: &str) -> f64 {
        match self.value(name) {
            Some(Value::Float(number)) => number,
            _ => 0.0,
        }
    }

    /// Returns a duration; zero for a field of another kind.
    pub fn time(&self, name: &str) -> Duration {
        match self.value(name) {
            Some(Value::Time(time)) => time,
            _ => Duration::ZERO,
        }
    }

    /// Returns texts; none for a field of another kind.
    pub fn texts(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Some(Value::Texts(texts)) => texts,
            _ => Vec::new(),
        }
    }

    /// Returns texts by name; none for a field of another kind.
    pub fn map(&self, name: &str) -> BTreeMap<String, String> {
        match self.value(name) {
            Some(Value::Map(map)) => map,
            _ => BTreeMap::new(),
        }
    }

    /// Returns a section in this one, empty unless typed; `None` for a field of another kind.
    pub fn record(&self, name: &str) -> Option<Self> {
        match self.value(name)? {
            Value::Record(section) => Some(*section),
            _ => None,
        }
    }

    /// Returns the sections of a list; none for a field of another kind.
    pub fn records(&self, name: &str) -> Vec<Self> {
        match self.value(name) {
            Some(Value::Records(sections)) => sections,
            _ => Vec::new(),
        }
    }

    /// Returns relabeling rules; none for a field of another kind.
    pub fn rules(&self, name: &str) -> Vec<Rule> {
        match self.value(name) {
            Some(Value::Rules(rules)) => rules,
            _ => Vec::new(),
        }
    }
}

fn default_of(kind: &Kind) -> Value {
    match kind {
        Kind::Text(text) => Value::Text((*text).to_owned()),
        Kind::Path => Value::Text(String::new()),
        Kind::Secret => Value::Secret(Secret::new(String::new())),
        Kind::Bool(value) => Value::Bool(*value),
        Kind::Int(value) => Value::Int(*value),
        Kind::Float(value) => Value::Float(*value),
        Kind::Millis(millis) => Value::Time(Duration::from_millis(*millis)),
        Kind::Texts(texts) => Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect()),
        Kind::Paths => Value::Texts(Vec::new()),
        Kind::Map => Value::Map(BTreeMap::new()),
        Kind::Record(schema) => Value::Record(Box::new(Section::empty(schema))),
        Kind::Records(_) => Value::Records(Vec::new()),
        Kind::Rules(_) => Value::Rules(Vec::new()),
    }
}

fn read_value(kind: &Kind, node: &Node, reader: &mut Reader) -> Option<Value> {
    Some(match kind {
        Kind::Text(_) => Value::Text(FromYaml::from_yaml(node, reader)?),
        Kind::Path => {
            let path: String = FromYaml::from_yaml(node, reader)?;
            Value::Text(reader.below_directory(&path))
        }
        Kind::Secret => Value::Secret(FromYaml::from_yaml(node, reader)?),
        Kind::Bool(_) => Value::Bool(FromYaml::from_yaml(node, reader)?),
        Kind::Int(_) => Value::Int(FromYaml::from_yaml(node, reader)?),
        Kind::Float(_) => Value::Float(FromYaml::from_yaml(node, reader)?),
        Kind::Millis(_) => Value::Time(FromYaml::from_yaml(node, reader)?),
        Kind::Texts(_) => Value::Texts(FromYaml::from_yaml(node, reader)?),
        Kind::Paths => {
            let paths: Vec<String> = FromYaml::from_yaml(node, reader)?;
            Value::Texts(paths.iter().map(|path| reader.below_directory(path)).collect())
        }
        Kind::Map => Value::Map(FromYaml::from_yaml(node, reader)?),
        Kind::Record(schema) => Value::Record(Box::new(Section::read(schema, node, reader)?)),
        Kind::Records(schema) => {
            Value::Records(read_records(schema, node, reader)?.into_iter().map(|at| at.value).collect())
        }
        Kind::Rules(list) => {
            let rules: Vec<At<Option<RelabelFile>>> = FromYaml::from_yaml(node, reader)?;
            Value::Rules(relabel::resolve_here(&rules, *list, NameScheme::Utf8, reader))
        }
    })
}

/// Reads a list of sections with their places.
pub(crate) fn read_records(
    schema: &'static Schema,
    node: &Node,
    reader: &mut Reader,
) -> Option<Vec<At<Section>>> {
    let YamlValue::Sequence(items) = &node.value else {
        reader.report(node.position, format!("yaml: unmarshal errors: expected a list, got {}", node.kind()));
        return None;
    };
    let mut sections = Vec::with_capacity(items.len());
    for (idx, item) in items.iter().enumerate() {
        reader.inside(format!("[{idx}]"), |reader| {
            if item.is_null() {
                reader.report(item.position, format!("empty or null {}", schema.entry));
            } else if let Some(value) = Section::read(schema, item, reader) {
                sections.push(At { value, position: item.position });
            }
        });
    }
    Some(sections)
}

/// Short names for tables of fields.
pub(crate) mod table {
    use super::{Field, Kind, RuleList, Schema};

    pub(crate) const fn text(name: &'static str, default: &'static str) -> Field {
        Field { name, kind: Kind::Text(default) }
    }
    pub(crate) const fn secret(name: &'static str) -> Field {
        Field { name, kind: Kind::Secret }
    }
    pub(crate) const fn path(name: &'static str) -> Field {
        Field { name, kind: Kind::Path }
    }
    pub(crate) const fn flag(name: &'static str, default: bool) -> Field {
        Field { name, kind: Kind::Bool(default) }
    }
    pub(crate) const fn int(name: &'static str, default: i64) -> Field {
        Field { name, kind: Kind::Int(default) }
    }
    pub(crate) const fn float(name: &'static str, default: f64) -> Field {
        Field { name, kind: Kind::Float(default) }
    }
    pub(crate) const fn secs(name: &'static str, default: u64) -> Field {
        millis(name, default * 1000)
    }
    pub(crate) const fn millis(name: &'static str, default: u64) -> Field {
        Field { name, kind: Kind::Millis(default) }
    }
    pub(crate) const fn texts(name: &'static str) -> Field {
        Field { name, kind: Kind::Texts(&[]) }
    }
    pub(crate) const fn map(name: &'static str) -> Field {
        Field { name, kind: Kind::Map }
    }
    pub(crate) const fn record(name: &'static str, schema: &'static Schema) -> Field {
        Field { name, kind: Kind::Record(schema) }
    }
    pub(crate) const fn records(name: &'static str, schema: &'static Schema) -> Field {
        Field { name, kind: Kind::Records(schema) }
    }
    pub(crate) const fn rules(name: &'static str, list: RuleList) -> Field {
        Field { name, kind: Kind::Rules(list) }
    }
}
