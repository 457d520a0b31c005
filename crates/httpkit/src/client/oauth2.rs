//! Tokens from an authorization server: fetched when needed, kept until shortly before they expire.
//!
//! # Source
//! RFC 6749 §4.4 (client credentials), RFC 7523 §2.1 (JWT bearer); `spec/prometheus-core.md` §3, `oauth2`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;

use super::credentials;
use super::names::NameCache;
use super::options::{ClientOptions, OAuth2, OptionsError, SecretSource};
use super::{ClientError, HttpClient};

/// A token is fetched anew this long before it expires.
const EARLY: Duration = Duration::from_secs(10);

/// How long an assertion of ours holds.
const ASSERTION_LIFE: Duration = Duration::from_secs(3600);

/// Longest answer of an authorization server.
const ANSWER_BYTES_MAX: usize = 1 << 20;

const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The tokens of one client.
#[derive(Debug)]
pub(super) struct Tokens {
    options: OAuth2,
    url: Url,
    client: HttpClient,
    /// Whoever needs a token while one is fetched waits for that one, until its own deadline.
    current: Mutex<Option<Token>>,
    /// Whether the server wants our name and password in the form rather than in a header.
    wants_form: AtomicBool,
}

struct Token {
    /// Value of the `Authorization` header.
    header: String,
    expires: Option<Instant>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(<secret>)")
    }
}

/// What an authorization server answers.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    #[serde(default)]
    token_type: String,
    expires_in: Option<Value>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Tokens {
    pub(super) fn new(options: &OAuth2, names: &NameCache) -> Result<Self, OptionsError> {
        let failed = |why: String| OptionsError::Contradiction(format!("oauth2: {why}"));
        let url = Url::parse(&options.token_url).map_err(|error| failed(format!("token_url: {error}")))?;
        if !matches!(options.grant_type.as_str(), "" | "client_credentials" | JWT_GRANT) {
            return Err(failed(format!("unknown grant_type {:?}", options.grant_type)));
        }
        let client = ClientOptions {
            tls_config: options.tls_config.clone(),
            proxy_url: options.proxy_url.clone(),
            no_proxy: options.no_proxy.clone(),
            proxy_from_environment: options.proxy_from_environment,
            proxy_connect_header: options.proxy_connect_header.clone(),
            ..ClientOptions::default()
        };
        let client = HttpClient::with_names(&client, names.clone())?;
        let wants_form = AtomicBool::new(false);
        Ok(Self { options: options.clone(), url, client, current: Mutex::new(None), wants_form })
    }

    /// Returns the value of the `Authorization` header.
    pub(super) async fn header(&self, deadline: Instant) -> Result<String, ClientError> {
        let mut current = self.current.lock().await;
        let now = Instant::now();
        let is_good = |token: &&Token| token.expires.is_none_or(|expires| now + EARLY < expires);
        if let Some(token) = current.as_ref().filter(is_good) {
            return Ok(token.header.clone());
        }
        let token = self.fetch(deadline).await?;
        let header = token.header.clone();
        *current = Some(token);
        Ok(header)
    }

    /// Forgets the token: a server has refused it.
    pub(super) async fn forget(&self) {
        *self.current.lock().await = None;
    }

    async fn fetch(&self, deadline: Instant) -> Result<Token, ClientError> {
        let asks_as_jwt = self.options.grant_type == JWT_GRANT;
        let in_form = self.wants_form.load(Ordering::Relaxed);
        let answer = if asks_as_jwt {
            self.ask_by_assertion(deadline).await?
        } else {
            self.ask_by_secret(in_form, deadline).await?
        };
        // Servers are free in how they take our credentials: the header is the standard's preference, the form its
        // alternative. What works is remembered.
        let answer = match answer {
            (status, _) if status.is_client_error() && !asks_as_jwt && !in_form => {
                let second = self.ask_by_secret(true, deadline).await?;
                self.wants_form.store(second.0.is_success(), Ordering::Relaxed);
                second
            }
            answer => answer,
        };
        self.read_answer(answer.0, &answer.1)
    }

    async fn ask_by_secret(
        &self,
        in_form: bool,
        deadline: Instant,
    ) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let options = &self.options;
        let inline = options.client_secret.as_ref().map_or("", |secret| secret.reveal());
        let file = options.client_secret_file.as_deref().map(SecretSource::File);
        let secret = file.unwrap_or(SecretSource::Inline(inline));
        let secret = credentials::resolve(secret, "oauth2 client_secret").await?;
        let pairs = if in_form {
            vec![("client_id", options.client_id.as_str()), ("client_secret", secret.as_str())]
        } else {
            Vec::new()
        };
        let authorization = (!in_form).then(|| {
            let encode =
                |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encode(&options.client_id), encode(&secret));
            format!("Basic {}", STANDARD.encode(pair))
        });
        let scope = options.scopes.join(" ");
        let scope = Some(("scope", scope.as_str())).filter(|(_, scope)| !scope.is_empty());
        let form = self.form("client_credentials", pairs.into_iter().chain(scope));
        self.post(form, authorization, deadline).await
    }

    /// Encodes a token request; what the configuration adds comes last.
    fn form<'a>(&self, grant_type: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", grant_type).extend_pairs(pairs);
        form.extend_pairs(&self.options.endpoint_params).finish()
    }

    async fn ask_by_assertion(&self, deadline: Instant) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let options = &self.options;
        let inline = options.client_certificate_key.as_ref().map_or("", |key| key.reveal());
        let file = options.client_certificate_key_file.as_deref().map(SecretSource::File);
        let key = file.unwrap_or(SecretSource::Inline(inline));
        let key = credentials::resolve(key, "oauth2 client_certificate_key").await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let assertion = assertion(options, &key, now).map_err(|why| self.failed(why))?;
        let form = self.form(JWT_GRANT, [("assertion", assertion.as_str())].into_iter());
        self.post(form, None, deadline).await
    }

    async fn post(
        &self,
        form: String,
        authorization: Option<String>,
        deadline: Instant,
    ) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = authorization {
            let value = credentials::header_value("Authorization", &authorization)?;
            headers.insert(AUTHORIZATION, value);
        }
        let body = Bytes::from(form);
        let response = self.client.request(Method::POST, &self.url, &headers, body, deadline.into_std());
        let response = response.await.map_err(|error| self.failed(with_causes(&error)))?;
        let status = response.status();
        let mut answer = Vec::new();
        let read = response.into_body().read_into(&mut answer, ANSWER_BYTES_MAX).await;
        read.map_err(|error| self.failed(with_causes(&error)))?;
        Ok((status, answer))
    }

    fn read_answer(&self, status: StatusCode, body: &[u8]) -> Result<Token, ClientError> {
        let answer: Result<Answer, _> = serde_json::from_slice(body);
        let answer = match answer {
            Ok(answer) if status.is_success() && answer.error.is_empty() => answer,
            Ok(answer) if !answer.error.is_empty() => {
                let why = format!("{status}: {} {}", answer.error, answer.error_description);
                return Err(self.failed(why.trim_end().to_owned()));
            }
            Err(error) if status.is_success() => {
                return Err(self.failed(format!("the answer is no token: {error}")));
            }
            _ => return Err(self.failed(format!("the server answered {status}"))),
        };
        let no_token = || self.failed("the answer holds no access_token".to_owned());
        let token = answer.access_token.filter(|token| !token.is_empty()).ok_or_else(no_token)?;
        let seconds = answer.expires_in.as_ref().and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        });
        let life = seconds.filter(|seconds| *seconds > 0.0).and_then(|s| Duration::try_from_secs_f64(s).ok());
        let kind = match answer.token_type.to_ascii_lowercase().as_str() {
            "" | "bearer" => "Bearer",
            "mac" => "MAC",
            "basic" => "Basic",
            _ => answer.token_type.as_str(),
        };
        // A life beyond the clock's end is no limit.
        let expires = life.and_then(|life| Instant::now().checked_add(life));
        Ok(Token { header: format!("{kind} {token}"), expires })
    }

    fn failed(&self, message: String) -> ClientError {
        ClientError::Token { url: self.url.clone(), message }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Returns a signed JWT that says who we are.
fn assertion(options: &OAuth2, key: &str, now: Duration) -> Result<String, String> {
    let (algorithm, scheme) = match options.signature_algorithm.as_str() {
        "" | "RS256" => ("RS256", SignatureScheme::RSA_PKCS1_SHA256),
        "RS384" => ("RS384", SignatureScheme::RSA_PKCS1_SHA384),
        "RS512" => ("RS512", SignatureScheme::RSA_PKCS1_SHA512),
        other => {
            return Err(format!("signature_algorithm {other:?} is unknown: write RS256, RS384 or RS512"));
        }
    };
    let mut header = Map::new();
    header.insert("alg".to_owned(), algorithm.into());
    header.insert("typ".to_owned(), "JWT".into());
    if !options.client_certificate_key_id.is_empty() {
        header.insert("kid".to_owned(), options.client_certificate_key_id.as_str().into());
    }
    let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
    let mut claims = Map::new();
    claims.insert("iss".to_owned(), or(&options.iss, &options.client_id).into());
    claims.insert("aud".to_owned(), or(&options.audience, &options.token_url).into());
    claims.insert("iat".to_owned(), now.as_secs().into());
    claims.insert("exp".to_owned(), (now + ASSERTION_LIFE).as_secs().into());
    if !options.scopes.is_empty() {
        claims.insert("scope".to_owned(), options.scopes.join(" ").into());
    }
    for (name, value) in &options.claims {
        claims.insert(name.clone(), value.as_str().into());
    }
    let encode = |part: Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(part).to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| format!("client_certificate_key: {error}"))?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key);
    let key = key.map_err(|error| format!("client_certificate_key: {error}"))?;
    let signer = key.choose_scheme(&[scheme]).ok_or("client_certificate_key is no RSA key")?;
    let signature = signer.sign(signed.as_bytes()).map_err(|error| error.to_string())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
