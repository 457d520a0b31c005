//! `sns_configs`: AWS's query API, signed with version 4.

use std::fmt::Write;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use url::Url;

use super::http::{Http, Request};
use super::{Context, Memory, NotifyError, cut_bytes};
use crate::config::receivers::{Sigv4, Sns};

const MESSAGE_BYTES_MAX: usize = 256 << 10;
const SMS_BYTES_MAX: usize = 1600;

pub(super) async fn tell(config: &Sns, http: &Http, ctx: &Context<'_>) -> Result<Memory, NotifyError> {
    let sigv4 = &config.sigv4;
    for (is_used, name) in [(!sigv4.role_arn.is_empty(), "role_arn"), (!sigv4.profile.is_empty(), "profile")]
    {
        if is_used {
            return Err(NotifyError::permanent(format!(
                "sigv4.{name} is not supported yet: use access_key and secret_key"
            )));
        }
    }
    let credentials = Credentials::find(sigv4)?;
    let region = region_of(sigv4)?;
    let endpoint = match ctx.text(&config.api_url)?.as_str() {
        "" => format!("https://sns.{region}.amazonaws.com/"),
        url => url.to_owned(),
    };
    let body = form(&parameters(config, ctx)?);
    let now = Timestamp::now();
    let mut request = Request::new(http::Method::POST, endpoint.clone()).with_body(body.clone());
    for (name, value) in sign(&endpoint, &body, &region, &credentials, now)? {
        request = request.header(name, value);
    }
    http.deliver(request, ctx, &[429]).await?;
    Ok(Memory::new())
}

fn parameters(config: &Sns, ctx: &Context<'_>) -> Result<Vec<(String, String)>, NotifyError> {
    // Templates are tried again until the deadline, as the original does.
    let text = |template: &str| ctx.text(template).map_err(|error| NotifyError { retries: true, ..error });
    let mut parameters =
        vec![("Action".to_owned(), "Publish".to_owned()), ("Version".to_owned(), "2010-03-31".to_owned())];
    let mut set = |name: &str, value: String| parameters.push((name.to_owned(), value));
    let mut limit = MESSAGE_BYTES_MAX;
    if !config.topic_arn.is_empty() {
        let topic = text(&config.topic_arn)?;
        if topic.ends_with(".fifo") {
            set("MessageDeduplicationId", ctx.note.key_hash());
            set("MessageGroupId", ctx.note.key_hash());
        }
        set("TopicArn", topic);
    } else if !config.phone_number.is_empty() {
        limit = SMS_BYTES_MAX;
        set("PhoneNumber", text(&config.phone_number)?);
    } else {
        set("TargetArn", text(&config.target_arn)?);
    }
    let subject = text(&config.subject)?;
    if !subject.is_empty() {
        set("Subject", subject);
    }
    let (message, was_cut) = cut_bytes(&text(&config.message)?, limit);
    set("Message", message);
    let mut attributes = Vec::new();
    for (name, value) in &config.attributes {
        attributes.push((text(name)?, text(value)?));
    }
    if was_cut {
        attributes.push(("truncated".to_owned(), "true".to_owned()));
    }
    for (idx, (name, value)) in attributes.into_iter().enumerate() {
        let entry = |rest: &str| format!("MessageAttributes.entry.{}.{rest}", idx + 1);
        set(&entry("Name"), name);
        set(&entry("Value.DataType"), "String".to_owned());
        set(&entry("Value.StringValue"), value);
    }
    Ok(parameters)
}

/// Percent-encodes as the signature wants it: spaces are `%20`.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            byte => drop(write!(out, "%{byte:02X}")),
        }
        out
    })
}

fn form(parameters: &[(String, String)]) -> String {
    let mut sorted: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    sorted.sort();
    sorted.join("&")
}

struct Credentials {
    access_key: String,
    secret_key: String,
    session_token: String,
}

impl Credentials {
    /// Those of the configuration, or of the environment.
    fn find(sigv4: &Sigv4) -> Result<Self, NotifyError> {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let found = match sigv4.access_key.is_empty() {
            false => Self {
                access_key: sigv4.access_key.clone(),
                secret_key: sigv4.secret_key.reveal().clone(),
                session_token: String::new(),
            },
            true => Self {
                access_key: variable("AWS_ACCESS_KEY_ID"),
                secret_key: variable("AWS_SECRET_ACCESS_KEY"),
                session_token: variable("AWS_SESSION_TOKEN"),
            },
        };
        match found.access_key.is_empty() || found.secret_key.is_empty() {
            true => Err(NotifyError::permanent(
                "no AWS credentials: set sigv4.access_key and secret_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )),
            false => Ok(found),
        }
    }
}

fn region_of(sigv4: &Sigv4) -> Result<String, NotifyError> {
    let names = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    let from_environment = || names.iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
    let region = if sigv4.region.is_empty() { from_environment() } else { sigv4.region.clone() };
    match region.is_empty() {
        true => Err(NotifyError::permanent("region not configured in sigv4 or in default credentials chain")),
        false => Ok(region),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    super::smtp::hmac(key, message, 64, |bytes| Sha256::digest(bytes).to_vec())
}

/// Returns the headers that sign a form posted to `endpoint`.
/// Source: AWS, "Create a signed AWS API request".
fn sign(
    endpoint: &str,
    body: &str,
    region: &str,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Vec<(&'static str, String)>, NotifyError> {
    let url = Url::parse(endpoint)
        .map_err(|error| NotifyError::permanent(format!("api_url is no URL: {error}")))?;
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or("")),
        None => url.host_str().unwrap_or("").to_owned(),
    };
    let date = now.strftime("%Y%m%d").to_string();
    let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let content_type = "application/x-www-form-urlencoded; charset=utf-8";
    let mut headers =
        vec![("content-type", content_type.to_owned()), ("host", host), ("x-amz-date", stamp.clone())];
    if !credentials.session_token.is_empty() {
        headers.push(("x-amz-security-token", credentials.session_token.clone()));
    }
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let signed = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let path = if url.path().is_empty() { "/" } else { url.path() };
    let request = format!("POST\n{path}\n\n{lines}\n{signed}\n{}", hex(&Sha256::digest(body.as_bytes())));
    let scope = format!("{date}/{region}/sns/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let first = format!("AWS4{}", credentials.secret_key).into_bytes();
    let parts = [date.as_str(), region, "sns", "aws4_request"];
    let key = parts.iter().fold(first, |key, part| hmac(&key, part.as_bytes()));
    let signature = hex(&hmac(&key, to_sign.as_bytes()));
    let access_key = &credentials.access_key;
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"
    );
    headers.retain(|(name, _)| *name != "host");
    headers.push(("authorization", authorization));
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_the_standard() {
        // RFC 4231, test case 2.
        assert_eq!(
            hex(&hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn forms_are_sorted_and_encoded() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(form(&[pair("b", "x y&"), pair("a", "é~")]), "a=%C3%A9~&b=x%20y%26");
    }
}
