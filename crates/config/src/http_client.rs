//! The HTTP client block: credentials, TLS and redirects, inline in whatever speaks HTTP.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::yaml::reader::{At, Reader, yaml_struct};

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// Returns the text: for the wire only, never for logs or pages.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

yaml_struct! {
    /// The keys of an HTTP client.
    pub struct HttpClientFile("config.plain") {
        /// User and password.
        pub basic_auth: Option<At<BasicAuthFile>>,
        /// `Authorization` header with a type and credentials.
        pub authorization: Option<At<AuthorizationFile>>,
        /// Deprecated spelling of `authorization.credentials`.
        pub bearer_token: Option<At<String>>,
        /// Deprecated spelling of `authorization.credentials_file`.
        pub bearer_token_file: Option<At<String>>,
        /// Trust and client certificate.
        pub tls_config: TlsFile,
        /// Whether redirects are followed. Default: true.
        pub follow_redirects: Option<bool>,
        /// Whether HTTP/2 is offered. Default: true.
        pub enable_http2: Option<bool>,
        /// Further headers.
        pub http_headers: BTreeMap<String, HeaderFile>,
    }
    flatten {}
    not_yet {}
    null("HTTP client")
}

yaml_struct! {
    /// `basic_auth`.
    pub struct BasicAuthFile("config.plain") {
        /// User.
        pub username: Option<String>,
        /// File with the user.
        pub username_file: Option<String>,
        /// Password.
        pub password: Option<String>,
        /// File with the password, read at each use.
        pub password_file: Option<String>,
    }
    flatten {}
    not_yet {}
    null("basic_auth")
}

yaml_struct! {
    /// `authorization`.
    pub struct AuthorizationFile("config.plain") {
        /// Scheme. Default: Bearer.
        pub r#type: Option<String>,
        /// What follows the scheme.
        pub credentials: Option<String>,
        /// File with what follows the scheme, read at each use.
        pub credentials_file: Option<String>,
    }
    flatten {}
    not_yet {}
    null("authorization")
}

yaml_struct! {
    /// `tls_config`.
    pub struct TlsFile("config.plain") {
        /// File with trusted certificates, PEM. Default: those of the system.
        pub ca_file: Option<String>,
        /// Client certificate, PEM.
        pub cert_file: Option<String>,
        /// Its key, PEM.
        pub key_file: Option<String>,
        /// Name that the server's certificate must have. Default: the host of the URL.
        pub server_name: Option<String>,
        /// Trusts any certificate. Default: false.
        pub insecure_skip_verify: Option<bool>,
    }
    flatten {}
    not_yet { "ca", "cert", "key", "min_version", "max_version" }
    null("tls_config")
}

yaml_struct! {
    /// One of `http_headers`.
    pub struct HeaderFile("config.plain") {
        /// Values to send.
        pub values: Vec<String>,
        /// Values to send that are never shown.
        pub secrets: Vec<String>,
        /// Files with values.
        pub files: Vec<String>,
    }
    flatten {}
    not_yet {}
    null("header")
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The configuration itself.
    Inline(Secret),
    /// A file, read at each use so that it can be rotated.
    File(PathBuf),
}

/// How a client shows who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// User and password.
    Basic {
        /// The user.
        username: SecretSource,
        /// The password.
        password: SecretSource,
    },
    /// `Authorization: <scheme> <credentials>`.
    Header {
        /// Such as `Bearer`.
        scheme: String,
        /// What follows.
        credentials: SecretSource,
    },
}

/// Trust and client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Trusted certificates; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// Client certificate and key.
    pub client_cert: Option<(PathBuf, PathBuf)>,
    /// Expected name in the server's certificate, when not the host of the URL.
    pub server_name: Option<String>,
    /// Trusts any certificate.
    pub insecure_skip_verify: bool,
}

/// A resolved HTTP client block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpClientConfig {
    /// At most one kind of credentials.
    pub auth: Option<Auth>,
    /// Trust.
    pub tls: TlsConfig,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 is offered.
    pub enable_http2: bool,
    /// Further headers: name and values.
    pub headers: Vec<(String, Vec<SecretSource>)>,
}

impl Default for HttpClientConfig {
    fn default() -> Self {
        Self {
            auth: None,
            tls: TlsConfig::default(),
            follow_redirects: true,
            enable_http2: true,
            headers: Vec::new(),
        }
    }
}

/// Resolves the block; relative paths are below `directory`.
pub(crate) fn resolve(file: &HttpClientFile, directory: &Path, reader: &mut Reader) -> HttpClientConfig {
    let headers = file.http_headers.iter().map(|(name, header)| {
        let plain =
            header.values.iter().chain(&header.secrets).map(|value| SecretSource::Inline(Secret::new(value)));
        let files = header.files.iter().map(|path| SecretSource::File(directory.join(path)));
        (name.clone(), plain.chain(files).collect())
    });
    HttpClientConfig {
        auth: resolve_auth(file, directory, reader),
        tls: resolve_tls(&file.tls_config, directory, reader),
        follow_redirects: file.follow_redirects.unwrap_or(true),
        enable_http2: file.enable_http2.unwrap_or(true),
        headers: headers.collect(),
    }
}

fn resolve_auth(file: &HttpClientFile, directory: &Path, reader: &mut Reader) -> Option<Auth> {
    let tokens = [&file.bearer_token, &file.bearer_token_file];
    if let [Some(_), Some(second)] = tokens {
        reader.report(second.position, "at most one of bearer_token & bearer_token_file must be configured");
    }
    let bearer = tokens.into_iter().flatten().next();
    if let (Some(basic), Some(_)) = (&file.basic_auth, bearer) {
        let message =
            "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured";
        reader.report(basic.position, message);
    }
    if let Some(authorization) = &file.authorization {
        if bearer.is_some() {
            reader.report(
                authorization.position,
                "authorization is not compatible with bearer_token & bearer_token_file",
            );
        }
        if file.basic_auth.is_some() {
            reader.report(
                authorization.position,
                "at most one of basic_auth, oauth2 & authorization must be configured",
            );
        }
    }
    if let Some(basic) = &file.basic_auth {
        return Some(resolve_basic(basic, directory, reader));
    }
    if let Some(authorization) = &file.authorization {
        return resolve_authorization(authorization, directory, reader);
    }
    let bearer = |credentials| Auth::Header { scheme: "Bearer".to_owned(), credentials };
    match (&file.bearer_token, &file.bearer_token_file) {
        (Some(token), _) => Some(bearer(SecretSource::Inline(Secret::new(&token.value)))),
        (None, Some(path)) => Some(bearer(SecretSource::File(directory.join(&path.value)))),
        (None, None) => None,
    }
}

fn resolve_basic(basic: &At<BasicAuthFile>, directory: &Path, reader: &mut Reader) -> Auth {
    let BasicAuthFile { username, username_file, password, password_file } = &basic.value;
    let mut one_of = |inline: &Option<String>, path: &Option<String>, name: &str| {
        if inline.is_some() && path.is_some() {
            let message = format!("at most one of basic_auth {name} & {name}_file must be configured");
            reader.report(basic.position, message);
        }
        source_of(inline.as_ref(), path.as_ref(), directory)
            .unwrap_or(SecretSource::Inline(Secret::default()))
    };
    Auth::Basic {
        username: one_of(username, username_file, "username"),
        password: one_of(password, password_file, "password"),
    }
}

fn resolve_authorization(
    authorization: &At<AuthorizationFile>,
    directory: &Path,
    reader: &mut Reader,
) -> Option<Auth> {
    let AuthorizationFile { r#type, credentials, credentials_file } = &authorization.value;
    let scheme = r#type.as_deref().unwrap_or("Bearer").trim();
    if scheme.eq_ignore_ascii_case("basic") {
        reader.report(
            authorization.position,
            "authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
        );
    }
    if credentials.is_some() && credentials_file.is_some() {
        let message = "at most one of authorization credentials & credentials_file must be configured";
        reader.report(authorization.position, message);
    }
    let credentials = source_of(credentials.as_ref(), credentials_file.as_ref(), directory)?;
    Some(Auth::Header { scheme: scheme.to_owned(), credentials })
}

fn source_of(inline: Option<&String>, path: Option<&String>, directory: &Path) -> Option<SecretSource> {
    let inline = inline.map(|text| SecretSource::Inline(Secret::new(text)));
    inline.or_else(|| path.map(|path| SecretSource::File(directory.join(path))))
}

fn resolve_tls(file: &TlsFile, directory: &Path, reader: &mut Reader) -> TlsConfig {
    let TlsFile { ca_file, cert_file, key_file, server_name, insecure_skip_verify } = file;
    let client_cert = match (cert_file, key_file) {
        (Some(cert), Some(key)) => Some((directory.join(cert), directory.join(key))),
        (None, None) => None,
        _ => {
            reader.report(
                crate::Position::default(),
                "exactly one of cert_file and key_file is set: both are needed",
            );
            None
        }
    };
    TlsConfig {
        ca_file: ca_file.as_ref().map(|path| directory.join(path)),
        client_cert,
        server_name: server_name.clone().filter(|name| !name.is_empty()),
        insecure_skip_verify: insecure_skip_verify.unwrap_or(false),
    }
}
