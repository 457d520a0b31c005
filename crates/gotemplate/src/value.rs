//! What templates compute with: Go's values as far as templates can tell them apart.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A value.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Nothing: a missing entry, or no data at all. Printed as `<no value>`.
    #[default]
    Nil,
    /// A boolean.
    Bool(bool),
    /// Any signed integer.
    Int(i64),
    /// Any unsigned integer.
    Uint(u64),
    /// A float.
    Float(f64),
    /// A string.
    Text(Arc<str>),
    /// A slice.
    List(Arc<[Value]>),
    /// A map from strings.
    Map(Arc<Map>),
    /// Something with fields and methods.
    Object(Arc<dyn Object>),
}

/// A map from strings.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// What is in it; ranged over in order of keys.
    pub entries: BTreeMap<Arc<str>, Value>,
    /// What a missing key gives: an empty string for a map of strings.
    pub absent: Value,
}

/// A value with fields and methods: alerts, lists of pairs, times.
///
/// A method of this trait that does not apply keeps its default.
pub trait Object: fmt::Debug + Send + Sync {
    /// Returns the name of its type, as errors show it.
    fn type_name(&self) -> &str;

    /// Returns a field.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// Calls a method; `None` when there is none of this name.
    fn method(&self, _name: &str, _args: &[Value]) -> Option<Result<Value, String>> {
        None
    }

    /// Returns the elements, when it is a list.
    fn elements(&self) -> Option<Vec<Value>> {
        None
    }

    /// Returns the entries in order of keys, when it is a map.
    fn entries(&self) -> Option<Vec<(Arc<str>, Value)>> {
        None
    }

    /// Returns what a missing key gives, when it is a map.
    fn absent(&self) -> Value {
        Value::Nil
    }

    /// Writes it as `print` does.
    /// # Errors
    /// Those of the writer.
    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Returns it as a string constant, for functions that take strings, when it is one underneath.
    fn as_text(&self) -> Option<&str> {
        None
    }

    /// Allows functions of the owner to recognise it.
    fn as_any(&self) -> &dyn std::any::Any;
}

impl Value {
    /// Returns a string.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }

    /// Returns a list.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// Returns a map of strings: missing keys give `""`.
    pub fn strings<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let entries = pairs.into_iter().map(|(key, value)| (key.into(), Self::text(value))).collect();
        Self::Map(Arc::new(Map { entries, absent: Self::text("") }))
    }

    /// Returns an object.
    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Arc::new(object))
    }

    /// Returns the string it is.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Object(object) => object.as_text(),
            _ => None,
        }
    }

    /// Returns the name of its type, as errors show it.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Map(map) if matches!(map.absent, Self::Text(_)) => "map[string]string",
            Self::Map(_) => "map[string]interface {}",
            Self::Object(object) => object.type_name(),
        }
    }

    /// Returns whether `if` takes its first branch: not for false, zero, nothing, and what is empty.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Uint(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(_) | Self::Map(_) => self.len() != Some(0),
            Self::Object(_) => self.len() != Some(0),
        }
    }

    /// Returns how many bytes, elements or entries it has, when that makes sense.
    #[expect(clippy::len_without_is_empty, reason = "not everything has a length")]
    pub fn len(&self) -> Option<usize> {
        match self {
            Self::Text(text) => Some(text.len()),
            Self::List(list) => Some(list.len()),
            Self::Map(map) => Some(map.entries.len()),
            Self::Object(object) => {
                let of_text = || object.as_text().map(str::len);
                let of_map = || object.entries().map(|entries| entries.len());
                object.elements().map(|elements| elements.len()).or_else(of_map).or_else(of_text)
            }
            _ => None,
        }
    }

    /// Returns the elements, when it is a list.
    pub fn elements(&self) -> Option<Vec<Self>> {
        match self {
            Self::List(list) => Some(list.to_vec()),
            Self::Object(object) => object.elements(),
            _ => None,
        }
    }

    /// Returns the entries in order of keys, when it is a map.
    pub fn entries(&self) -> Option<Vec<(Arc<str>, Self)>> {
        match self {
            Self::Map(map) => {
                Some(map.entries.iter().map(|(key, value)| (Arc::clone(key), value.clone())).collect())
            }
            Self::Object(object) => object.entries(),
            _ => None,
        }
    }

    /// Returns an entry of a map, or what stands for a missing one; `None` when it is no map.
    pub fn entry(&self, key: &str) -> Option<Self> {
        match self {
            Self::Map(map) => Some(map.entries.get(key).unwrap_or(&map.absent).clone()),
            Self::Object(object) => {
                let entries = object.entries()?;
                let found = entries.into_iter().find(|(name, _)| &**name == key);
                Some(found.map_or_else(|| object.absent(), |(_, value)| value))
            }
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// Writes a value as Go's `fmt.Print` does. Inside lists and maps strings stay bare and nothing is `<nil>`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("<nil>"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Uint(value) => write!(f, "{value}"),
            Self::Float(value) => f.write_str(&crate::format::shortest(*value)),
            Self::Text(text) => f.write_str(text),
            Self::List(list) => write_list(f, list),
            Self::Map(map) => {
                f.write_str("map[")?;
                for (position, (key, value)) in map.entries.iter().enumerate() {
                    let separator = if position > 0 { " " } else { "" };
                    write!(f, "{separator}{key}:{value}")?;
                }
                f.write_str("]")
            }
            Self::Object(object) => object.print(f),
        }
    }
}

/// Writes `[a b c]`.
/// # Errors
/// Those of the writer.
pub fn write_list(f: &mut fmt::Formatter<'_>, list: &[Value]) -> fmt::Result {
    f.write_str("[")?;
    for (position, value) in list.iter().enumerate() {
        let separator = if position > 0 { " " } else { "" };
        write!(f, "{separator}{value}")?;
    }
    f.write_str("]")
}
