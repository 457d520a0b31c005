//! Headers that authenticate a request.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{ClientError, ClientOptions, SecretSource};

/// Returns the headers that `options` add to every request. Files are read anew, so a rotated secret is used at once.
pub(super) async fn headers_of(options: &ClientOptions) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    for (name, values) in &options.http_headers {
        let plain = values.values.iter().map(|value| SecretSource::Inline(value));
        let secret = values.secrets.iter().map(|value| SecretSource::Inline(value.reveal()));
        let files = values.files.iter().map(|path| SecretSource::File(path));
        for source in plain.chain(secret).chain(files) {
            let value = header_value(name, &resolve(source, "http_headers file").await?)?;
            let name: HeaderName =
                name.parse().map_err(|_| ClientError::BadHeader { name: name.to_owned() })?;
            headers.append(name, value);
        }
    }
    if let Some(value) = authorization(options).await? {
        headers.insert(AUTHORIZATION, header_value("Authorization", &value)?);
    }
    Ok(headers)
}

async fn authorization(options: &ClientOptions) -> Result<Option<String>, ClientError> {
    if let Some(basic) = &options.basic_auth {
        let username = resolve(basic.username_source(), "basic_auth username").await?;
        let password = resolve(basic.password_source(), "basic_auth password").await?;
        return Ok(Some(format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))));
    }
    if let Some((authorization, source)) = options.authorization.as_ref().and_then(|a| Some((a, a.source()?)))
    {
        let token = resolve(source, "authorization credentials").await?;
        return Ok(Some(format!("{} {token}", authorization.scheme())));
    }
    let inline = options.bearer_token.as_ref().map(|token| SecretSource::Inline(token.reveal()));
    let file = options.bearer_token_file.as_deref().map(SecretSource::File);
    match file.or(inline) {
        Some(source) => Ok(Some(format!("Bearer {}", resolve(source, "bearer token").await?))),
        None => Ok(None),
    }
}

pub(super) async fn resolve(source: SecretSource<'_>, what: &'static str) -> Result<String, ClientError> {
    match source {
        SecretSource::Inline(text) => Ok(text.to_owned()),
        SecretSource::File(path) => read_trimmed(path, what).await,
    }
}

async fn read_trimmed(path: &Path, what: &'static str) -> Result<String, ClientError> {
    let failed = |source| ClientError::Credential { what, path: path.display().to_string(), source };
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path));
    let text = read.await.map_err(std::io::Error::other).and_then(|result| result).map_err(failed)?;
    Ok(text.trim().to_owned())
}

pub(super) fn header_value(name: &str, value: &str) -> Result<HeaderValue, ClientError> {
    let mut value =
        HeaderValue::from_str(value).map_err(|_| ClientError::BadHeader { name: name.to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}
