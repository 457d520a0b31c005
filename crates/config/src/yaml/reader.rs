//! From nodes to types: Go's conversions, and every problem collected with its path.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Node, Position, Value};

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where in the file; zero when the file as a whole is meant.
    pub position: Position,
    /// Where in the tree, such as `scrape_configs[0].job_name`; empty at the root.
    pub path: String,
    /// What is wrong, and how to mend it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.position.line > 0 {
            write!(f, "line {}, column {}: ", self.position.line, self.position.column)?;
        }
        f.write_str(&self.message)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, " (at {})", self.path) }
    }
}

/// Collects problems while a tree is read.
#[derive(Debug, Default)]
pub struct Reader {
    path: Vec<String>,
    problems: Vec<Problem>,
    /// What relative paths are below.
    directory: PathBuf,
    /// Whether `${env:NAME}` and `${file:PATH}` in secrets stand for what they name.
    expands_secrets: bool,
}

/// At most so many problems are reported; a file of another format would give thousands.
const N_PROBLEMS_MAX: usize = 50;

impl Reader {
    /// Builds a reader of a file in `directory`.
    pub fn below(directory: &Path, expands_secrets: bool) -> Self {
        Self { directory: directory.to_owned(), expands_secrets, ..Self::default() }
    }

    /// Makes a path relative to the directory of the file; an empty one stays empty.
    pub(crate) fn below_directory(&self, path: &str) -> String {
        if path.is_empty() || self.directory.as_os_str().is_empty() {
            return path.to_owned();
        }
        self.directory.join(path).to_string_lossy().into_owned()
    }

    /// Returns the directory that relative paths are below.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns whether secrets may name environment variables and files.
    pub(crate) fn expands_secrets(&self) -> bool {
        self.expands_secrets
    }

    /// Reads `node` as a `T`; null is the zero value.
    pub fn read<T: FromYaml + Default>(&mut self, node: &Node) -> T {
        if node.is_null() {
            return T::default();
        }
        T::from_yaml(node, self).unwrap_or_default()
    }

    /// Runs `body` one level down: `.name` for a key, `[3]` for a list entry.
    pub fn inside<T>(&mut self, segment: String, body: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(segment);
        let value = body(self);
        self.path.pop();
        value
    }

    /// Reports a problem at the current path.
    pub fn report(&mut self, position: Position, message: impl Into<String>) {
        if self.problems.len() < N_PROBLEMS_MAX {
            let path = self.path.concat().trim_start_matches('.').to_owned();
            self.problems.push(Problem { position, path, message: message.into() });
        }
    }

    /// Returns what was found.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

/// A type that can be read from a node that is not null.
pub trait FromYaml: Sized {
    /// Reads the node; `None` after reporting why it cannot be read.
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// What a null list entry or map value becomes: nothing, after a report.
    fn from_null(node: &Node, reader: &mut Reader) -> Option<Self> {
        reader.report(node.position, "empty or null entry");
        None
    }
}

/// A value and where it stands, for checks that come after reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct At<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub position: Position,
}

impl<T: FromYaml> FromYaml for At<T> {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        T::from_yaml(node, reader).map(|value| Self { value, position: node.position })
    }

    fn from_null(node: &Node, reader: &mut Reader) -> Option<Self> {
        T::from_null(node, reader).map(|value| Self { value, position: node.position })
    }
}

impl<T: FromYaml> FromYaml for Option<T> {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        T::from_yaml(node, reader).map(Some)
    }

    fn from_null(_: &Node, _: &mut Reader) -> Option<Self> {
        Some(None)
    }
}

impl FromYaml for String {
    /// Any scalar is a string as written: `1.0`, `yes`.
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        scalar(node, reader, "a string").map(str::to_owned)
    }

    fn from_null(_: &Node, _: &mut Reader) -> Option<Self> {
        Some(Self::new())
    }
}

impl FromYaml for bool {
    /// YAML 1.1: `true`, `yes`, `on`, `y` and their opposites.
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = scalar(node, reader, "a boolean")?;
        let is_plain = matches!(&node.value, Value::Scalar { is_plain: true, .. });
        match text {
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" if is_plain => {
                Some(true)
            }
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N"
                if is_plain =>
            {
                Some(false)
            }
            _ => {
                reader.report(node.position, mismatch(node, text, "bool", "use true or false"));
                None
            }
        }
    }
}

impl FromYaml for u64 {
    /// Decimal, `0x`, `0b`, octal with a leading `0`; `_` between digits.
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = scalar(node, reader, "a number")?;
        let number = parse_uint(text.trim_start_matches('+'));
        if number.is_none() {
            reader.report(node.position, mismatch(node, text, "uint", "not a whole number ≥ 0"));
        }
        number
    }
}

/// Says that a scalar is of another type than wanted, as the original's reader does, and how to mend it.
fn mismatch(node: &Node, text: &str, wanted: &str, hint: &str) -> String {
    let is_plain = matches!(&node.value, Value::Scalar { is_plain: true, .. });
    let unsigned = text.trim_start_matches(['-', '+']);
    let tag = match text {
        _ if !is_plain => "str",
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => "bool",
        _ if parse_uint(unsigned).is_some() => "int",
        _ if unsigned.starts_with(|ch: char| ch.is_ascii_digit() || ch == '.')
            && unsigned.parse::<f64>().is_ok() =>
        {
            "float"
        }
        _ => "str",
    };
    format!("yaml: unmarshal errors: cannot unmarshal !!{tag} `{text}` into {wanted}: {hint}")
}

fn parse_uint(text: &str) -> Option<u64> {
    let digits = text.replace('_', "");
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, digits.trim_start_matches("0x")),
        [b'0', b'b', ..] => (2, digits.trim_start_matches("0b")),
        [b'0', b'o', ..] => (8, digits.trim_start_matches("0o")),
        [b'0', _, ..] => (8, digits.as_str()),
        _ => (10, digits.as_str()),
    };
    // A sign would be a second one.
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, radix).ok() }
}

impl FromYaml for i64 {
    /// As a number without a sign, with one.
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = scalar(node, reader, "a number")?;
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text.trim_start_matches('+')),
        };
        let number =
            parse_uint(digits).and_then(|number| Self::try_from(number).ok()).map(|number| sign * number);
        if number.is_none() {
            reader.report(node.position, mismatch(node, text, "int", "not a whole number"));
        }
        number
    }
}

impl FromYaml for f64 {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = scalar(node, reader, "a number")?;
        let number = match text {
            ".nan" | ".NaN" | ".NAN" => Some(Self::NAN),
            ".inf" | ".Inf" | ".INF" | "+.inf" => Some(Self::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => Some(Self::NEG_INFINITY),
            // What begins like a word is one: `inf` and `nan` are texts in YAML.
            _ if text.bytes().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E')) => None,
            _ => text.replace('_', "").parse().ok(),
        };
        if number.is_none() {
            reader.report(node.position, mismatch(node, text, "float64", "not a number"));
        }
        number
    }
}

impl FromYaml for Duration {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = scalar(node, reader, "a duration such as 15s")?;
        match wf_model::duration::parse(text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                reader.report(node.position, format!("{error}; write it like 15s, 1m or 1h30m"));
                None
            }
        }
    }
}

/// A size in bytes, written with a base-2 unit: `512KB`, `1GB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromYaml for Bytes {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = scalar(node, reader, "a size such as 10MB")?;
        match parse_bytes(text) {
            Ok(bytes) => Some(Self(bytes)),
            Err(message) => {
                reader.report(node.position, message);
                None
            }
        }
    }
}

/// Parses a size with its unit; a bare `0` needs none.
fn parse_bytes(text: &str) -> Result<u64, String> {
    if text == "0" {
        return Ok(0);
    }
    let n_digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if text.starts_with('-') {
        return Err("'storage.tsdb.retention.size' must be greater than or equal to 0".to_owned());
    }
    let (digits, unit) = text.split_at(n_digits);
    let shift = match unit {
        "B" => 0,
        "KB" | "KiB" => 10,
        "MB" | "MiB" => 20,
        "GB" | "GiB" => 30,
        "TB" | "TiB" => 40,
        "PB" | "PiB" => 50,
        "EB" | "EiB" => 60,
        // Two blanks around nothing: the text is compared with the original's.
        _ => return Err(format!("units: unknown unit {unit} in {text}; use B, KB, MB, GB, TB, PB or EB")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("units: invalid {text}"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("units: {text} is too large"))
}

impl<T: FromYaml> FromYaml for Vec<T> {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            reader.report(
                node.position,
                format!("yaml: unmarshal errors: expected a list, got {}", node.kind()),
            );
            return None;
        };
        let mut values = Self::with_capacity(items.len());
        for (idx, item) in items.iter().enumerate() {
            values.extend(reader.inside(format!("[{idx}]"), |reader| read_entry(item, reader)));
        }
        Some(values)
    }
}

impl<T: FromYaml> FromYaml for BTreeMap<String, T> {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            reader.report(
                node.position,
                format!("yaml: unmarshal errors: expected a mapping, got {}", node.kind()),
            );
            return None;
        };
        let mut map = Self::new();
        for (key, item) in entries {
            if map.contains_key(&key.text) {
                reader.report(
                    key.position,
                    format!("key {} already set in map", wf_model::quote::GoQuoted(&key.text)),
                );
                continue;
            }
            if let Some(value) = reader.inside(format!(".{}", key.text), |reader| read_entry(item, reader)) {
                map.insert(key.text.clone(), value);
            }
        }
        Some(map)
    }
}

fn read_entry<T: FromYaml>(node: &Node, reader: &mut Reader) -> Option<T> {
    if node.is_null() { T::from_null(node, reader) } else { T::from_yaml(node, reader) }
}

fn scalar<'a>(node: &'a Node, reader: &mut Reader, wanted: &str) -> Option<&'a str> {
    match &node.value {
        Value::Scalar { text, .. } => Some(text),
        _ => {
            reader.report(
                node.position,
                format!("yaml: unmarshal errors: expected {wanted}, got {}", node.kind()),
            );
            None
        }
    }
}

/// Reads the entries of a mapping into fields: `set` returns whether it knows the key. What the original knows and we
/// do not yet is told apart from what nobody knows.
pub fn read_fields(
    node: &Node,
    reader: &mut Reader,
    type_name: &str,
    not_yet: &[&str],
    mut set: impl FnMut(&str, &Node, &mut Reader) -> bool,
) -> Option<()> {
    let Value::Mapping(entries) = &node.value else {
        reader.report(
            node.position,
            format!("yaml: unmarshal errors: expected a mapping, got {}", node.kind()),
        );
        return None;
    };
    let mut known = HashSet::new();
    for (key, value) in entries {
        let name = key.text.as_str();
        if !known.insert(name) {
            reader.report(key.position, format!("field {name} already set in type {type_name}"));
        } else if not_yet.contains(&name) {
            // An empty section asks for nothing. The stock prometheus.yml spells one out: an Alertmanager without targets.
            let asks_nothing = match &value.value {
                Value::Sequence(entries) => entries.is_empty(),
                Value::Mapping(entries) if name != "alerting" => entries.is_empty(),
                _ => value.is_void(),
            };
            if !asks_nothing {
                reader.report(key.position, format!("field {name} is not supported yet: remove it"));
            }
        } else if !reader.inside(format!(".{name}"), |reader| set(name, value, reader)) {
            reader.report(key.position, format!("field {name} not found in type {type_name}"));
        }
    }
    Some(())
}

/// Declares a struct whose fields are the keys of a mapping, with [`FromYaml`].
macro_rules! yaml_struct {
    (
        $(#[$meta:meta])*
        pub struct $name:ident($type_name:literal) {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
        }
        flatten { $($flat:ident: $flat_type:ty,)* }
        not_yet { $($not_yet:literal),* $(,)? }
        null($null:literal)
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            $(/// The shared block whose keys stand beside the others.
            pub $flat: $flat_type,)*
        }

        impl $name {
            #[allow(dead_code, reason = "only blocks that stand inside others need it")]
            pub(crate) fn set_field(
                &mut self, name: &str, node: &$crate::yaml::Node, reader: &mut $crate::yaml::reader::Reader,
            ) -> bool {
                match name {
                    $(stringify!($field) => self.$field = reader.read(node),)*
                    _ => return false $(|| self.$flat.set_field(name, node, reader))*,
                }
                true
            }
        }

        impl $crate::yaml::reader::FromYaml for $name {
            fn from_yaml(node: &$crate::yaml::Node, reader: &mut $crate::yaml::reader::Reader) -> Option<Self> {
                let mut this = Self::default();
                $crate::yaml::reader::read_fields(
                    node, reader, $type_name, &[$($not_yet),*],
                    |name, node, reader| this.set_field(name, node, reader),
                )?;
                Some(this)
            }

            fn from_null(node: &$crate::yaml::Node, reader: &mut $crate::yaml::reader::Reader) -> Option<Self> {
                reader.report(node.position, concat!("empty or null ", $null));
                None
            }
        }
    };
}
pub(crate) use yaml_struct;

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: FromYaml + Default>(text: &str) -> Result<T, String> {
        let node = super::super::parse(text).unwrap().unwrap();
        let mut reader = Reader::default();
        let value = reader.read(&node);
        match reader.into_problems().first() {
            None => Ok(value),
            Some(problem) => Err(problem.to_string()),
        }
    }

    #[test]
    fn scalars_convert_as_in_go() {
        assert_eq!(
            read::<Vec<bool>>("[yes, on, True, no, off, n]").unwrap(),
            [true, true, true, false, false, false]
        );
        assert_eq!(
            read::<Vec<String>>("[yes, 1.0, 0x1F, null, 'null', ~]").unwrap(),
            ["yes", "1.0", "0x1F", "", "null", ""]
        );
        assert_eq!(read::<Vec<u64>>("[10, 0x10, 010, 1_000]").unwrap(), [10, 16, 8, 1000]);
        assert_eq!(read::<Vec<Bytes>>("[1KB, 10MB, 0]").unwrap(), [Bytes(1024), Bytes(10 << 20), Bytes(0)]);
        assert_eq!(
            read::<Vec<Duration>>("[15s, 1h30m]").unwrap(),
            [Duration::from_secs(15), Duration::from_secs(5400)]
        );
    }

    #[test]
    fn a_refusal_names_place_and_cause() {
        let check =
            |result: Result<BTreeMap<String, u64>, String>, want: &str| assert_eq!(result.unwrap_err(), want);
        check(
            read("a: 1\nb: x\n"),
            "line 2, column 4: yaml: unmarshal errors: cannot unmarshal !!str `x` into uint: not a whole number ≥ 0 (at b)",
        );
        check(read("a: 1\na: 2\n"), "line 2, column 1: key \"a\" already set in map");
        check(
            read("a: [1]\n"),
            "line 1, column 4: yaml: unmarshal errors: expected a number, got a list (at a)",
        );
        assert_eq!(
            parse_bytes("100"),
            Err("units: unknown unit  in 100; use B, KB, MB, GB, TB, PB or EB".to_owned())
        );
    }
}
