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
    /// An option of Prometheus that Watchfire does not have yet.
    #[error("{option} is not supported yet: remove it, or scrape through a proxy that does it")]
    Unsupported {
        /// Name of the option.
        option: &'static str,
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
    /// Tokens fetched from an authorization server. Not supported yet.
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
    /// Proxy for all requests. Not supported yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<String>,
    /// Hosts that are reached without the proxy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub no_proxy: String,
    /// Whether `HTTP_PROXY` and its relatives are honoured. Not supported yet.
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

/// An `oauth2` block: kept so that a configuration loads, refused when a client is built.
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

    /// Checks that the options fit together, without touching files.
    /// # Errors
    /// A [`OptionsError::Contradiction`] in Prometheus's words, or what is not supported.
    pub fn validate(&self) -> Result<(), OptionsError> {
        let contradiction = |text: &str| Err(OptionsError::Contradiction(text.to_owned()));
        let has_bearer = self.bearer_token.is_some() || self.bearer_token_file.is_some();
        if self.bearer_token.is_some() && self.bearer_token_file.is_some() {
            return contradiction("at most one of bearer_token & bearer_token_file must be configured");
        }
        let n_others =
            [self.basic_auth.is_some(), self.oauth2.is_some(), self.authorization.is_some()].into_iter();
        let n_others = n_others.filter(|is_set| *is_set).count();
        if has_bearer && self.authorization.is_some() {
            return contradiction("authorization is not compatible with bearer_token & bearer_token_file");
        }
        if has_bearer && n_others > 0 {
            return contradiction(
                "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
            );
        }
        if n_others > 1 {
            return contradiction("at most one of basic_auth, oauth2 & authorization must be configured");
        }
        self.basic_auth.as_ref().map_or(Ok(()), BasicAuth::validate)?;
        self.authorization.as_ref().map_or(Ok(()), Authorization::validate)?;
        self.validate_proxy()
    }

    fn validate_proxy(&self) -> Result<(), OptionsError> {
        let contradiction = |text: &str| Err(OptionsError::Contradiction(text.to_owned()));
        if self.proxy_from_environment && self.proxy_url.is_some() {
            return contradiction(
                "if proxy_from_environment is configured, proxy_url must not be configured",
            );
        }
        if self.proxy_from_environment && !self.no_proxy.is_empty() {
            return contradiction("if proxy_from_environment is configured, no_proxy must not be configured");
        }
        if self.proxy_url.is_none() && !self.no_proxy.is_empty() {
            return contradiction("if no_proxy is configured, proxy_url must also be configured");
        }
        Ok(())
    }

    /// Refuses what [`super::HttpClient`] cannot do yet.
    pub(super) fn refuse_unsupported(&self) -> Result<(), OptionsError> {
        let unsupported = [
            (self.oauth2.is_some(), "oauth2"),
            (self.proxy_url.is_some(), "proxy_url"),
            (self.proxy_from_environment, "proxy_from_environment"),
            (!self.proxy_connect_header.is_empty(), "proxy_connect_header"),
        ];
        match unsupported.into_iter().find(|(is_used, _)| *is_used) {
            Some((_, option)) => Err(OptionsError::Unsupported { option }),
            None => Ok(()),
        }
    }
}

impl BasicAuth {
    fn validate(&self) -> Result<(), OptionsError> {
        let contradiction = |text: &str| Err(OptionsError::Contradiction(text.to_owned()));
        if !self.username.is_empty() && self.username_file.is_some() {
            return contradiction("at most one of basic_auth username & username_file must be configured");
        }
        if self.password.is_some() && self.password_file.is_some() {
            return contradiction("at most one of basic_auth password & password_file must be configured");
        }
        Ok(())
    }

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
    fn validate(&self) -> Result<(), OptionsError> {
        let contradiction = |text: &str| Err(OptionsError::Contradiction(text.to_owned()));
        if self.credentials.is_some() && self.credentials_file.is_some() {
            return contradiction(
                "at most one of authorization credentials & credentials_file must be configured",
            );
        }
        if self.kind.as_deref().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("basic")) {
            return contradiction(
                "authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
            );
        }
        Ok(())
    }

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
