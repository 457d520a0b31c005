//! Options of a client, in the shape of Prometheus's HTTP client block.
//!
//! # Source
//! `spec/prometheus-core.md` §3, "HTTP client block".

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Why options cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// Options that exclude each other, in Prometheus's words.
    #[error("{0}")]
    Contradiction(String),
    /// A proxy cannot be used.
    #[error("{what}: {why}")]
    Proxy {
        /// Which option, or environment variable.
        what: String,
        /// Why.
        why: String,
    },
    /// A certificate, key or name cannot be used.
    #[error("tls_config: {what}: {why}")]
    Tls {
        /// Which part.
        what: String,
        /// Why.
        why: String,
    },
}

/// How a client reaches and authenticates to its servers. Serialises with secrets hidden.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientOptions {
    /// Name and password sent with every request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// A token sent with every request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// Tokens fetched from an authorization server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2>,
    /// Deprecated form of `authorization.credentials`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<Secret<String>>,
    /// Deprecated form of `authorization.credentials_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer_token_file: Option<PathBuf>,
    /// How TLS servers are checked and what we show them.
    #[serde(skip_serializing_if = "TlsOptions::is_default")]
    pub tls_config: TlsOptions,
    /// Whether redirects are followed. Default: true.
    pub follow_redirects: bool,
    /// Whether HTTP/2 is offered over TLS. Default: true.
    pub enable_http2: bool,
    /// Proxy for all requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<String>,
    /// Hosts that are reached without the proxy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub no_proxy: String,
    /// Whether `HTTP_PROXY` and its relatives are honoured.
    #[serde(skip_serializing_if = "is_false")]
    pub proxy_from_environment: bool,
    /// Headers sent to the proxy on CONNECT.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub proxy_connect_header: BTreeMap<String, Vec<Secret<String>>>,
    /// Headers sent with every request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub http_headers: BTreeMap<String, HeaderValues>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            bearer_token: None,
            bearer_token_file: None,
            tls_config: TlsOptions::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy_url: None,
            no_proxy: String::new(),
            proxy_from_environment: false,
            proxy_connect_header: BTreeMap::new(),
            http_headers: BTreeMap::new(),
        }
    }
}

/// Name and password, each given in place or by a file that is read for every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BasicAuth {
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// File with the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username_file: Option<PathBuf>,
    /// The password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret<String>>,
    /// File with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// A token for the `Authorization` header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Authorization {
    /// Scheme before the token. Default: `Bearer`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Secret<String>>,
    /// File with the token, read for every request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
}

/// Tokens from an authorization server, in place of credentials of our own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct OAuth2 {
    /// Name of this client at the authorization server.
    pub client_id: String,
    /// Password of this client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret<String>>,
    /// File with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// Scopes asked for.
    pub scopes: Vec<String>,
    /// Where tokens are fetched.
    pub token_url: String,
    /// More parameters of the token request.
    pub endpoint_params: BTreeMap<String, String>,
    /// How tokens are asked for: `client_credentials` when empty, or JWT bearer.
    pub grant_type: String,
    /// Name of the key that signs JWTs.
    pub client_certificate_key_id: String,
    /// The key that signs JWTs, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_key: Option<Secret<String>>,
    /// File with that key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_key_file: Option<PathBuf>,
    /// `RS256` when empty, `RS384` or `RS512`.
    pub signature_algorithm: String,
    /// Issuer in JWTs; the client's name when empty.
    pub iss: String,
    /// Audience in JWTs; the token URL when empty.
    pub audience: String,
    /// More claims in JWTs.
    pub claims: BTreeMap<String, String>,
    /// How the authorization server is checked.
    #[serde(skip_serializing_if = "TlsOptions::is_default")]
    pub tls_config: TlsOptions,
    /// Proxy for token requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<String>,
    /// Hosts that are reached without that proxy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub no_proxy: String,
    /// Whether `HTTP_PROXY` and its relatives are honoured for token requests.
    #[serde(skip_serializing_if = "is_false")]
    pub proxy_from_environment: bool,
    /// Headers sent to that proxy on CONNECT.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub proxy_connect_header: BTreeMap<String, Vec<Secret<String>>>,
}

/// Oldest and newest protocol versions, as Prometheus names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub enum TlsVersion {
    /// TLS 1.0, which is never spoken; as a minimum it means TLS 1.2.
    #[serde(rename = "TLS10")]
    Tls10,
    /// TLS 1.1, which is never spoken; as a minimum it means TLS 1.2.
    #[serde(rename = "TLS11")]
    Tls11,
    /// TLS 1.2.
    #[serde(rename = "TLS12")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "TLS13")]
    Tls13,
}

/// Checks of a TLS server, and our certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsOptions {
    /// Authorities to trust, PEM. Default: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// File with the authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Our certificate chain, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
    /// File with our certificate chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// Our private key, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret<String>>,
    /// File with our private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Name to expect in the server's certificate. Default: the host of the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Whether the server's certificate is accepted unchecked.
    pub insecure_skip_verify: bool,
    /// Oldest version spoken. Default: TLS12.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_version: Option<TlsVersion>,
    /// Newest version spoken. Default: TLS13.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_version: Option<TlsVersion>,
}

/// Values of one header: all of them are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderValues {
    /// Values that may be shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Values that must not be shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret<String>>,
    /// Files with values, read for every request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PathBuf>,
}

/// Where a secret comes from.
#[derive(Clone, Debug)]
pub enum SecretSource<'a> {
    /// Written in the configuration.
    Inline(&'a str),
    /// In a file that is read for every request, without white space at its ends.
    File(&'a Path),
}

fn is_false(value: &bool) -> bool {
    !*value
}

impl TlsOptions {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl ClientOptions {
    /// Makes relative file names relative to `dir`, the directory of the file they were read from.
    pub fn resolve_paths(&mut self, dir: &Path) {
        let basic = self.basic_auth.iter_mut().flat_map(|b| [&mut b.username_file, &mut b.password_file]);
        let token = self.authorization.iter_mut().map(|a| &mut a.credentials_file);
        let oauth2 = self.oauth2.iter_mut().flat_map(|o| {
            let tls = &mut o.tls_config;
            [
                &mut o.client_secret_file,
                &mut o.client_certificate_key_file,
                &mut tls.ca_file,
                &mut tls.cert_file,
                &mut tls.key_file,
            ]
        });
        let tls = &mut self.tls_config;
        let tls = [&mut tls.ca_file, &mut tls.cert_file, &mut tls.key_file];
        let optional =
            basic.chain(token).chain(oauth2).chain(tls).chain([&mut self.bearer_token_file]).flatten();
        let headers = self.http_headers.values_mut().flat_map(|values| &mut values.files);
        for path in optional.chain(headers).filter(|path| !path.as_os_str().is_empty()) {
            *path = dir.join(&path);
        }
    }

    /// Returns what of the options will not be as their author may expect, by their names.
    pub fn warnings(&self) -> Vec<String> {
        let oauth2 = self.oauth2.iter().map(|oauth2| ("oauth2.tls_config", &oauth2.tls_config));
        let mut warnings = Vec::new();
        for (name, tls) in [("tls_config", &self.tls_config)].into_iter().chain(oauth2) {
            let is_old = |version: &TlsVersion| *version < TlsVersion::Tls12;
            if tls.max_version.as_ref().is_some_and(is_old) {
                warnings.push(format!(
                    "{name}.max_version: TLS 1.0 and 1.1 are not spoken, so nothing can be reached: raise it to TLS12"
                ));
            } else if tls.min_version.as_ref().is_some_and(is_old) {
                warnings.push(format!(
                    "{name}.min_version: TLS 1.0 and 1.1 are not spoken; servers that have nothing newer are down"
                ));
            }
        }
        warnings
    }
}

impl BasicAuth {
    /// Where the name comes from.
    pub fn username_source(&self) -> SecretSource<'_> {
        self.username_file.as_deref().map_or(SecretSource::Inline(&self.username), SecretSource::File)
    }

    /// Where the password comes from; an absent one is empty.
    pub fn password_source(&self) -> SecretSource<'_> {
        let inline = self.password.as_ref().map_or("", |password| password.reveal());
        self.password_file.as_deref().map_or(SecretSource::Inline(inline), SecretSource::File)
    }
}

impl Authorization {
    /// Scheme before the token.
    pub fn scheme(&self) -> &str {
        self.kind.as_deref().map(str::trim).filter(|kind| !kind.is_empty()).unwrap_or("Bearer")
    }

    /// Where the token comes from, if there is one.
    pub fn source(&self) -> Option<SecretSource<'_>> {
        let inline = self.credentials.as_ref().map(|token| SecretSource::Inline(token.reveal()));
        self.credentials_file.as_deref().map(SecretSource::File).or(inline)
    }
}
