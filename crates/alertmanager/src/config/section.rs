//! Declares the sections of the file once: keys, types and defaults; reading and printing follow from that.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value as Json;
use wf_config::yaml::reader::{FromYaml, Reader};
use wf_config::yaml::{Node, Value};
use wf_httpkit::Secret;
use wf_httpkit::client::{ClientOptions, TlsOptions};

/// Whether a value says nothing, so that printing leaves it out. Booleans and numbers always say something.
pub(crate) trait Blank {
    fn is_blank(&self) -> bool;
}

macro_rules! blank_when {
    ($($type:ty => $is:expr),* $(,)?) => {
        $(impl Blank for $type { fn is_blank(&self) -> bool { let is: fn(&Self) -> bool = $is; is(self) } })*
    };
}
blank_when!(
    String => |text| text.is_empty(),
    bool => |_| false,
    u64 => |_| false,
    i64 => |_| false,
    f64 => |_| false,
    Millis => |_| false,
    GoDuration => |_| false,
    UrlText => |url| url.0.is_empty(),
    SecretUrl => |url| url.0.reveal().is_empty(),
    Regex => |_| false,
    Tree => |tree| tree.0.is_null(),
    HttpConfig => |_| false,
    TlsConfig => |tls| tls.0 == TlsOptions::default(),
    Secret<String> => |secret| secret.reveal().is_empty(),
);

impl<T> Blank for Option<T> {
    fn is_blank(&self) -> bool {
        self.is_none()
    }
}

impl<T> Blank for Vec<T> {
    fn is_blank(&self) -> bool {
        self.is_empty()
    }
}

impl<T> Blank for BTreeMap<String, T> {
    fn is_blank(&self) -> bool {
        self.is_empty()
    }
}

/// A duration as Prometheus writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Millis(pub(crate) Duration);

impl FromYaml for Millis {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        Duration::from_yaml(node, reader).map(Self)
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&wf_model::duration::format(self.0))
    }
}

/// A duration as Go writes it: `1m30s`, `1.5h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GoDuration(pub(crate) Duration);

impl FromYaml for GoDuration {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = String::from_yaml(node, reader)?;
        let duration = crate::flags::go_duration(&text);
        if let Err(error) = &duration {
            reader.report(node.position, error.clone());
        }
        duration.ok().map(Self)
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&wf_gotemplate::GoDuration::from_std(self.0).to_string())
    }
}

/// A URL of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct UrlText(pub(crate) String);

impl FromYaml for UrlText {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = String::from_yaml(node, reader)?;
        if let Err(why) = check_url(&text) {
            reader.report(node.position, why);
            return None;
        }
        Some(Self(text))
    }
}

/// A URL that is a secret. `<secret>` is taken as one, so that what the status API prints can be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct SecretUrl(pub(crate) Secret<String>);

impl FromYaml for SecretUrl {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = String::from_yaml(node, reader)?;
        if text != wf_httpkit::secret::REDACTED
            && let Err(why) = check_url(&text)
        {
            // The message must not hold the secret: what seems to be a scheme may be part of it.
            let is_safe = !text.contains(':') || why == MISSING_HOST;
            reader.report(
                node.position,
                if is_safe { &why } else { "not a URL of the form http(s)://host/path" },
            );
            return None;
        }
        Some(Self(Secret::new(text)))
    }
}

const MISSING_HOST: &str = "missing host for URL";

/// Finds what is wrong with the URL of a server, in the original's words.
pub(crate) fn check_url(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => "unsupported scheme \"\" for URL".to_owned(),
        url::ParseError::EmptyHost => MISSING_HOST.to_owned(),
        error => format!("parse url: {error}"),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("unsupported scheme {:?} for URL", url.scheme()));
    }
    if url.host_str().unwrap_or("").is_empty() {
        return Err(MISSING_HOST.to_owned());
    }
    Ok(())
}

/// A regular expression, not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Regex(pub(crate) String);

impl FromYaml for Regex {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = String::from_yaml(node, reader)?;
        if let Err(error) = wf_model::AnchoredRegex::new(&text) {
            reader.report(node.position, error.to_string());
            return None;
        }
        Some(Self(text))
    }

    fn from_null(node: &Node, reader: &mut Reader) -> Option<Self> {
        reader.report(node.position, "invalid regexp value: it is empty");
        None
    }
}

/// Any YAML, scalars typed as YAML 1.1 has them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Tree(pub(crate) Json);

impl FromYaml for Tree {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        match crate::json::from_yaml(node) {
            Ok(value) => Some(Self(value)),
            Err(why) => {
                reader.report(node.position, why);
                None
            }
        }
    }

    fn from_null(_: &Node, _: &mut Reader) -> Option<Self> {
        Some(Self::default())
    }
}

/// The HTTP client block.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct HttpConfig(pub(crate) ClientOptions);

impl FromYaml for HttpConfig {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let options: ClientOptions = from_serde(node, reader)?;
        if let Err(error) = options.validate() {
            reader.report(node.position, error.to_string());
        }
        Some(Self(options))
    }
}

/// A TLS block that stands outside an HTTP client block.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct TlsConfig(pub(crate) TlsOptions);

impl FromYaml for TlsConfig {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        from_serde(node, reader).map(Self)
    }
}

/// Keys of the client block that are booleans; every other scalar in it is a text.
const BOOLEANS: [&str; 4] =
    ["follow_redirects", "enable_http2", "insecure_skip_verify", "proxy_from_environment"];

fn from_serde<T: serde::de::DeserializeOwned>(node: &Node, reader: &mut Reader) -> Option<T> {
    let value = plain(node, "", reader);
    match serde_json::from_value(value) {
        Ok(value) => Some(value),
        Err(error) => {
            reader.report(
                node.position,
                error.to_string().replace("unknown field", "field not found in type: "),
            );
            None
        }
    }
}

/// Turns a node into JSON for serde: null entries are left out, as they are zero values.
fn plain(node: &Node, key: &str, reader: &mut Reader) -> Json {
    match &node.value {
        Value::Scalar { .. } if BOOLEANS.contains(&key) => Json::Bool(reader.read(node)),
        Value::Scalar { text, .. } => Json::String(text.clone()),
        Value::Sequence(items) => items.iter().map(|item| plain(item, "", reader)).collect(),
        Value::Mapping(entries) => {
            let mut object = serde_json::Map::new();
            for (key, value) in entries {
                if object.contains_key(&key.text) {
                    reader.report(key.position, format!("field {} already set", key.text));
                }
                if !value.is_null() {
                    object.insert(key.text.clone(), plain(value, &key.text, reader));
                }
            }
            Json::Object(object)
        }
    }
}

/// Declares a section: `pub key: Type = default`, or `pub field "key": …` where the key is no identifier.
macro_rules! section {
    (
        $(#[$meta:meta])*
        pub(crate) struct $name:ident($type_name:literal) {
            $($(#[$field_meta:meta])* pub(crate) $field:ident $($key:literal)?: $type:ty = $default:expr,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        pub(crate) struct $name {
            $(
                $(#[$field_meta])*
                $(#[serde(rename = $key)])?
                #[serde(skip_serializing_if = "crate::config::section::Blank::is_blank")]
                pub(crate) $field: $type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl wf_config::yaml::reader::FromYaml for $name {
            fn from_yaml(
                node: &wf_config::yaml::Node, reader: &mut wf_config::yaml::reader::Reader,
            ) -> Option<Self> {
                let mut this = Self::default();
                wf_config::yaml::reader::read_fields(
                    node, reader, $type_name, &[],
                    |name, node, reader| {
                        $(
                            if name == crate::config::section::key!($field $($key)?) {
                                this.$field = reader.read(node);
                                return true;
                            }
                        )*
                        false
                    },
                )?;
                Some(this)
            }
        }

        impl crate::config::section::Blank for $name {
            fn is_blank(&self) -> bool {
                false
            }
        }
    };
}
pub(crate) use section;

macro_rules! key {
    ($field:ident $key:literal) => {
        $key
    };
    ($field:ident) => {
        stringify!($field)
    };
}
pub(crate) use key;
