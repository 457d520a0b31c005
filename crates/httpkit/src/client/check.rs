//! Which options of a client go together, in Prometheus's words.
//!
//! # Source
//! `spec/prometheus-core.md` §2, the HTTP client block.

use super::options::{Authorization, BasicAuth, ClientOptions, OAuth2, OptionsError, TlsOptions};

type Checked = Result<(), OptionsError>;

/// Headers that the client, or a protocol on top of it, sets itself; in lower case.
const RESERVED: [&str; 18] = [
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-prometheus-scrape-timeout-seconds",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// Returns whether a configuration may not set this header.
pub fn is_reserved_header(name: &str) -> bool {
    RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
}

fn require(is_met: bool, message: &str) -> Checked {
    if is_met { Ok(()) } else { Err(OptionsError::Contradiction(message.to_owned())) }
}

fn at_most_one<const N: usize>(are_set: [bool; N], message: &str) -> Checked {
    require(are_set.into_iter().filter(|is_set| *is_set).count() <= 1, message)
}

impl ClientOptions {
    /// Checks that the options fit together, without touching files.
    /// # Errors
    /// A [`OptionsError::Contradiction`] in Prometheus's words, or what is not supported.
    pub fn validate(&self) -> Checked {
        let (has_token, has_file) = (self.bearer_token.is_some(), self.bearer_token_file.is_some());
        let has_bearer = has_token || has_file;
        let (has_basic, has_oauth2) = (self.basic_auth.is_some(), self.oauth2.is_some());
        let has_authorization = self.authorization.is_some();
        at_most_one(
            [has_token, has_file],
            "at most one of bearer_token & bearer_token_file must be configured",
        )?;
        require(
            !(has_bearer && has_authorization),
            "authorization is not compatible with bearer_token & bearer_token_file",
        )?;
        require(
            !(has_bearer && (has_basic || has_oauth2)),
            "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
        )?;
        at_most_one(
            [has_basic, has_oauth2, has_authorization],
            "at most one of basic_auth, oauth2 & authorization must be configured",
        )?;
        self.basic_auth.as_ref().map_or(Ok(()), BasicAuth::validate)?;
        self.authorization.as_ref().map_or(Ok(()), Authorization::validate)?;
        self.oauth2.as_ref().map_or(Ok(()), OAuth2::validate)?;
        self.tls_config.validate()?;
        self.proxy().validate()?;
        let reserved = self.http_headers.keys().find(|name| is_reserved_header(name));
        reserved.map_or(Ok(()), |name| require(false, &format!("setting header {name:?} is not allowed")))
    }

    fn proxy(&self) -> Proxy<'_> {
        Proxy {
            has_url: self.proxy_url.is_some(),
            no_proxy: &self.no_proxy,
            is_of_environment: self.proxy_from_environment,
            has_header: !self.proxy_connect_header.is_empty(),
        }
    }
}

/// What a block says about proxies.
struct Proxy<'a> {
    has_url: bool,
    no_proxy: &'a str,
    is_of_environment: bool,
    has_header: bool,
}

impl Proxy<'_> {
    fn validate(&self) -> Checked {
        require(
            !self.has_header || self.has_url || self.is_of_environment,
            "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
        )?;
        require(
            !(self.is_of_environment && self.has_url),
            "if proxy_from_environment is configured, proxy_url must not be configured",
        )?;
        require(
            !self.is_of_environment || self.no_proxy.is_empty(),
            "if proxy_from_environment is configured, no_proxy must not be configured",
        )?;
        require(
            self.has_url || self.no_proxy.is_empty(),
            "if no_proxy is configured, proxy_url must also be configured",
        )
    }
}

impl BasicAuth {
    fn validate(&self) -> Checked {
        at_most_one(
            [!self.username.is_empty(), self.username_file.is_some()],
            "at most one of basic_auth username & username_file must be configured",
        )?;
        at_most_one(
            [self.password.is_some(), self.password_file.is_some()],
            "at most one of basic_auth password & password_file must be configured",
        )
    }
}

impl Authorization {
    fn validate(&self) -> Checked {
        at_most_one(
            [self.credentials.is_some(), self.credentials_file.is_some()],
            "at most one of authorization credentials & credentials_file must be configured",
        )?;
        let is_basic = self.kind.as_deref().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("basic"));
        require(!is_basic, "authorization type cannot be set to \"basic\", use \"basic_auth\" instead")
    }
}

impl OAuth2 {
    fn validate(&self) -> Checked {
        require(!self.client_id.is_empty(), "oauth2 client_id must be configured")?;
        require(!self.token_url.is_empty(), "oauth2 token_url must be configured")?;
        at_most_one(
            [self.client_secret.is_some(), self.client_secret_file.is_some()],
            "at most one of oauth2 client_secret & client_secret_file must be configured",
        )?;
        self.tls_config.validate()?;
        let proxy = Proxy {
            has_url: self.proxy_url.is_some(),
            no_proxy: &self.no_proxy,
            is_of_environment: self.proxy_from_environment,
            has_header: !self.proxy_connect_header.is_empty(),
        };
        proxy.validate()
    }
}

impl TlsOptions {
    fn validate(&self) -> Checked {
        let (has_cert, has_cert_file) = (self.cert.is_some(), self.cert_file.is_some());
        let (has_key, has_key_file) = (self.key.is_some(), self.key_file.is_some());
        at_most_one(
            [self.ca.is_some(), self.ca_file.is_some()],
            "at most one of ca and ca_file must be configured",
        )?;
        at_most_one([has_cert, has_cert_file], "at most one of cert and cert_file must be configured")?;
        at_most_one([has_key, has_key_file], "at most one of key and key_file must be configured")?;
        require(
            !(has_cert || has_cert_file) || has_key || has_key_file,
            "exactly one of key or key_file must be configured when a client certificate is configured",
        )?;
        require(
            !(has_key || has_key_file) || has_cert || has_cert_file,
            "exactly one of cert or cert_file must be configured when a client key is configured",
        )
    }
}
