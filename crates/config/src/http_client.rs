//! The HTTP client block: credentials, TLS and redirects, inline in whatever speaks HTTP.
//!
//! The meaning lives in [`wf_httpkit::ClientOptions`]; here are its keys, read with all problems at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wf_httpkit::Secret;
use wf_httpkit::client::{
    Authorization, BasicAuth, ClientOptions, HeaderValues, OAuth2, TlsOptions, TlsVersion,
};

use crate::Listed;
use crate::yaml::reader::{FromYaml, Reader, read_fields};
use crate::yaml::{self, Node, Position};

/// What was typed of an HTTP client, key by key as [`ClientOptions`] has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpClientFile(pub ClientOptions);

impl HttpClientFile {
    /// Reads one key; returns whether it is one of this block.
    pub(crate) fn set_field(&mut self, name: &str, node: &Node, reader: &mut Reader) -> bool {
        let options = &mut self.0;
        match name {
            "oauth2" => options.oauth2 = section(node, reader, read_oauth2),
            "proxy_url" => {
                options.proxy_url = reader.read::<Option<String>>(node).filter(|url| !url.is_empty());
            }
            "no_proxy" => options.no_proxy = reader.read(node),
            "proxy_from_environment" => options.proxy_from_environment = reader.read(node),
            "proxy_connect_header" => options.proxy_connect_header = reader.read(node),
            "basic_auth" => options.basic_auth = section(node, reader, read_basic_auth),
            "authorization" => options.authorization = section(node, reader, read_authorization),
            "bearer_token" => options.bearer_token = reader.read(node),
            "bearer_token_file" => options.bearer_token_file = reader.read(node),
            "tls_config" => options.tls_config = section(node, reader, read_plain_tls).unwrap_or_default(),
            "follow_redirects" => {
                options.follow_redirects = reader.read::<Option<bool>>(node).unwrap_or(true);
            }
            "enable_http2" => options.enable_http2 = reader.read::<Option<bool>>(node).unwrap_or(true),
            "http_headers" => options.http_headers = read_headers(node, reader),
            _ => return false,
        }
        true
    }

    /// Resolves the block: relative paths are below the file's directory, and the options must fit together.
    pub(crate) fn resolve(&self, position: Position, reader: &mut Reader) -> ClientOptions {
        let mut options = self.0.clone();
        options.resolve_paths(reader.directory());
        if let Err(error) = options.validate() {
            reader.report(position, error.to_string());
        }
        options
    }
}

impl FromYaml for HttpClientFile {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut file = Self::default();
        read_fields(node, reader, "config.plain", &[], |name, node, reader| {
            file.set_field(name, node, reader)
        })?;
        Some(file)
    }
}

/// Reads the text of an `http.config.file`, a file of its own with nothing but this block; relative paths in it are below
/// the directory of `path`.
/// # Errors
/// Everything that is wrong with it, with positions.
pub fn read_http_client(text: &str, path: &Path) -> Result<ClientOptions, String> {
    let mut reader = Reader::default();
    let root = yaml::parse(text).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut options = root.map_or_else(ClientOptions::default, |node| reader.read::<HttpClientFile>(&node).0);
    options.resolve_paths(path.parent().unwrap_or(Path::new("")));
    if let Err(error) = options.validate() {
        reader.report(Position::default(), error.to_string());
    }
    let problems = reader.into_problems();
    if problems.is_empty() { Ok(options) } else { Err(Listed(path, &problems).to_string()) }
}

impl FromYaml for Secret<String> {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = String::from_yaml(node, reader)?;
        if !reader.expands_secrets() {
            return Some(Self::new(text));
        }
        match expand(&text, reader.directory()) {
            Ok(text) => Some(Self::new(text)),
            Err(message) => {
                reader.report(node.position, message);
                None
            }
        }
    }
}

/// Replaces `${env:NAME}` by an environment variable and `${file:PATH}` by the content of a file, without the white space
/// at its end. What is absent is an error: a secret that is silently empty fails later and elsewhere.
fn expand(text: &str, directory: &Path) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let reference =
            after.split_once('}').and_then(|(inner, after)| Some((inner.split_once(':')?, after)));
        match reference {
            Some((("env", name), after)) => {
                let value = std::env::var(name);
                out.push_str(
                    &value.map_err(|_| format!("environment variable {name} of a secret is not set"))?,
                );
                rest = after;
            }
            Some((("file", path), after)) => {
                let path = directory.join(path);
                let value = std::fs::read_to_string(&path)
                    .map_err(|error| format!("read the secret in {}: {error}", path.display()))?;
                out.push_str(value.trim_end());
                rest = after;
            }
            _ => {
                out.push_str("${");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

impl FromYaml for PathBuf {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        String::from_yaml(node, reader).map(Self::from)
    }
}

impl FromYaml for TlsVersion {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        match String::from_yaml(node, reader)?.as_str() {
            "TLS10" => Some(Self::Tls10),
            "TLS11" => Some(Self::Tls11),
            "TLS12" => Some(Self::Tls12),
            "TLS13" => Some(Self::Tls13),
            other => {
                reader.report(node.position, format!("unknown TLS version: {other}; use TLS12 or TLS13"));
                None
            }
        }
    }
}

/// Null is no section.
fn section<T>(
    node: &Node,
    reader: &mut Reader,
    read: impl FnOnce(&Node, &mut Reader) -> Option<T>,
) -> Option<T> {
    if node.is_null() { None } else { read(node, reader) }
}

fn read_basic_auth(node: &Node, reader: &mut Reader) -> Option<BasicAuth> {
    let mut auth = BasicAuth::default();
    read_fields(node, reader, "config.plain", &[], |name, node, reader| {
        match name {
            "username" => auth.username = reader.read(node),
            "username_file" => auth.username_file = reader.read(node),
            "password" => auth.password = reader.read(node),
            "password_file" => auth.password_file = reader.read(node),
            _ => return false,
        }
        true
    })?;
    Some(auth)
}

fn read_authorization(node: &Node, reader: &mut Reader) -> Option<Authorization> {
    let mut auth = Authorization::default();
    read_fields(node, reader, "config.plain", &[], |name, node, reader| {
        match name {
            // The default, said or not, is the same setting.
            "type" => auth.kind = reader.read::<Option<String>>(node).filter(|kind| kind != "Bearer"),
            "credentials" => auth.credentials = reader.read(node),
            "credentials_file" => auth.credentials_file = reader.read(node),
            _ => return false,
        }
        true
    })?;
    Some(auth)
}

fn read_oauth2(node: &Node, reader: &mut Reader) -> Option<OAuth2> {
    let mut oauth2 = OAuth2::default();
    read_fields(node, reader, "config.plain", &[], |name, node, reader| {
        match name {
            "client_id" => oauth2.client_id = reader.read(node),
            "client_secret" => oauth2.client_secret = reader.read(node),
            "client_secret_file" => oauth2.client_secret_file = reader.read(node),
            "client_certificate_key_id" => oauth2.client_certificate_key_id = reader.read(node),
            "client_certificate_key" => oauth2.client_certificate_key = reader.read(node),
            "client_certificate_key_file" => oauth2.client_certificate_key_file = reader.read(node),
            "signature_algorithm" => oauth2.signature_algorithm = reader.read(node),
            "grant_type" => oauth2.grant_type = reader.read(node),
            "iss" => oauth2.iss = reader.read(node),
            "audience" => oauth2.audience = reader.read(node),
            "claims" => oauth2.claims = reader.read(node),
            "scopes" => oauth2.scopes = reader.read(node),
            "token_url" => oauth2.token_url = reader.read(node),
            "endpoint_params" => oauth2.endpoint_params = reader.read(node),
            "tls_config" => oauth2.tls_config = section(node, reader, read_plain_tls).unwrap_or_default(),
            "proxy_url" => {
                oauth2.proxy_url = reader.read::<Option<String>>(node).filter(|url| !url.is_empty());
            }
            "no_proxy" => oauth2.no_proxy = reader.read(node),
            "proxy_from_environment" => oauth2.proxy_from_environment = reader.read(node),
            "proxy_connect_header" => oauth2.proxy_connect_header = reader.read(node),
            _ => return false,
        }
        true
    })?;
    Some(oauth2)
}

fn read_plain_tls(node: &Node, reader: &mut Reader) -> Option<TlsOptions> {
    read_tls(node, reader, "config.plain")
}

/// Reads the options of TLS; `type_name` is how errors call what they stand in.
pub(crate) fn read_tls(node: &Node, reader: &mut Reader, type_name: &'static str) -> Option<TlsOptions> {
    let mut tls = TlsOptions::default();
    read_fields(node, reader, type_name, &[], |name, node, reader| {
        match name {
            "ca" => tls.ca = reader.read(node),
            "ca_file" => tls.ca_file = reader.read(node),
            "cert" => tls.cert = reader.read(node),
            "cert_file" => tls.cert_file = reader.read(node),
            "key" => tls.key = reader.read(node),
            "key_file" => tls.key_file = reader.read(node),
            "server_name" => tls.server_name = reader.read(node),
            "insecure_skip_verify" => tls.insecure_skip_verify = reader.read(node),
            "min_version" => tls.min_version = reader.read(node),
            "max_version" => tls.max_version = reader.read(node),
            _ => return false,
        }
        true
    })?;
    Some(tls)
}

/// One header of `http_headers`.
#[derive(Debug, Default)]
struct HeaderFile(HeaderValues);

impl FromYaml for HeaderFile {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut header = HeaderValues::default();
        read_fields(node, reader, "config.plain", &[], |name, node, reader| {
            match name {
                "values" => header.values = reader.read(node),
                "secrets" => header.secrets = reader.read(node),
                "files" => header.files = reader.read(node),
                _ => return false,
            }
            true
        })?;
        Some(Self(header))
    }
}

fn read_headers(node: &Node, reader: &mut Reader) -> BTreeMap<String, HeaderValues> {
    let headers: BTreeMap<String, HeaderFile> = reader.read(node);
    headers.into_iter().map(|(name, header)| (name, header.0)).collect()
}
