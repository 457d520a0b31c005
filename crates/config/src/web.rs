//! `web.config.file`: who may talk to a listener, read for every server here.
//!
//! # Source: `spec/exporters-linux.md` §A2.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use wf_httpkit::Secret;
use wf_httpkit::client::{TlsOptions, TlsVersion};
use wf_httpkit::server::web::{ClientAuth, Pem, RateLimit, TlsServerOptions, WebOptions};

use crate::http_client::read_tls;
use crate::yaml::reader::{FromYaml, Reader, read_fields};
use crate::yaml::{self, Node, Position};
use crate::{Listed, Problem};

/// The headers that may be set: anything else is somebody's mistake.
const HEADERS: [&str; 5] = [
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
];

/// Reads the text of a `web.config.file`; relative paths in it are below the directory of `path`.
/// # Errors
/// Everything that is wrong with it, with positions.
pub fn read_web(text: &str, path: &Path) -> Result<WebOptions, String> {
    let mut reader = Reader::default();
    let root = yaml::parse(text).map_err(|error| {
        let problem = Problem {
            position: error.position,
            path: String::new(),
            message: format!("yaml: {}", error.message),
        };
        listed(path, &[problem])
    })?;
    let file: WebFile = root.map(|node| reader.read(&node)).unwrap_or_default();
    let directory = path.parent().unwrap_or(Path::new(""));
    let options = WebOptions {
        tls: file.tls.and_then(|tls| resolve_tls(tls, directory, &mut reader)),
        http2: file.http2.unwrap_or(true),
        headers: resolve_headers(file.headers, &mut reader),
        users: file.users,
        rate_limit: file.rate_limit,
    };
    let problems = reader.into_problems();
    if problems.is_empty() { Ok(options) } else { Err(listed(path, &problems)) }
}

fn listed(path: &Path, problems: &[Problem]) -> String {
    format!("parsing web config file: {}", Listed(path, problems))
}

/// Reads the text of a `--cluster.tls-config`: how members of a cluster accept and open connections. Relative paths in it
/// are below the directory of `path`.
/// # Errors
/// Everything that is wrong with it, with positions.
pub fn read_cluster_tls(text: &str, path: &Path) -> Result<(TlsServerOptions, TlsOptions), String> {
    let mut reader = Reader::default();
    let failed = |problems: &[Problem]| format!("parsing cluster TLS file: {}", Listed(path, problems));
    let root = yaml::parse(text).map_err(|error| {
        let message = format!("yaml: {}", error.message);
        failed(&[Problem { position: error.position, path: String::new(), message }])
    })?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let (mut server, mut client) = (None, None);
    if let Some(node) = &root {
        read_fields(node, &mut reader, "cluster.TLSTransportConfig", &[], |name, node, reader| {
            match name {
                "tls_server_config" => {
                    let file: Option<TlsFile> = reader.read(node);
                    server = file.and_then(|file| resolve_tls(file, directory, reader));
                }
                "tls_client_config" => client = reader.read::<Option<TlsClientFile>>(node),
                _ => return false,
            }
            true
        });
    }
    let problems = reader.into_problems();
    match (server, client) {
        _ if !problems.is_empty() => Err(failed(&problems)),
        (Some(server), Some(client)) => {
            let mut options = client.0;
            for file in [&mut options.ca_file, &mut options.cert_file, &mut options.key_file] {
                *file = file.take().map(|file| directory.join(file));
            }
            Ok((server, options))
        }
        _ => Err(format!("{}: both tls_server_config and tls_client_config are required", path.display())),
    }
}

#[derive(Debug, Default)]
struct TlsClientFile(TlsOptions);

impl FromYaml for TlsClientFile {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        read_tls(node, reader, "config.TLSConfig").map(Self)
    }
}

/// What was typed.
#[derive(Debug, Default)]
struct WebFile {
    tls: Option<TlsFile>,
    http2: Option<bool>,
    headers: Vec<(String, Position, String)>,
    users: BTreeMap<String, Secret<String>>,
    rate_limit: Option<RateLimit>,
}

impl FromYaml for WebFile {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut file = Self::default();
        read_fields(node, reader, "web.Config", &[], |name, node, reader| {
            match name {
                "tls_server_config" => file.tls = reader.read(node),
                "http_server_config" => read_http(node, reader, &mut file),
                "basic_auth_users" => file.users = reader.read(node),
                "rate_limit" => file.rate_limit = reader.read::<Option<RateFile>>(node).map(|rate| rate.0),
                _ => return false,
            }
            true
        })?;
        Some(file)
    }
}

/// What was typed about TLS.
#[derive(Debug, Default)]
struct TlsFile {
    position: Position,
    cert: Option<String>,
    cert_file: Option<PathBuf>,
    key: Option<String>,
    key_file: Option<PathBuf>,
    client_ca: Option<String>,
    client_ca_file: Option<PathBuf>,
    client_auth: ClientAuthFile,
    client_allowed_sans: Vec<String>,
    cipher_suites: Vec<String>,
    curve_preferences: Vec<String>,
    min_version: Option<TlsVersion>,
    max_version: Option<TlsVersion>,
}

impl FromYaml for TlsFile {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut tls = Self { position: node.position, ..Self::default() };
        read_fields(node, reader, "web.TLSConfig", &[], |name, node, reader| {
            match name {
                "cert" => tls.cert = reader.read(node),
                "cert_file" => tls.cert_file = reader.read(node),
                "key" => tls.key = reader.read(node),
                "key_file" => tls.key_file = reader.read(node),
                "client_ca" => tls.client_ca = reader.read(node),
                "client_ca_file" => tls.client_ca_file = reader.read(node),
                "client_auth_type" => tls.client_auth = reader.read(node),
                "client_allowed_sans" => tls.client_allowed_sans = reader.read(node),
                "cipher_suites" => tls.cipher_suites = reader.read(node),
                "curve_preferences" => tls.curve_preferences = reader.read(node),
                "min_version" => tls.min_version = reader.read(node),
                "max_version" => tls.max_version = reader.read(node),
                // Without effect in the original too, since Go decides by itself.
                "prefer_server_cipher_suites" => drop(reader.read::<Option<bool>>(node)),
                _ => return false,
            }
            true
        })?;
        Some(tls)
    }
}

#[derive(Debug, Default)]
struct ClientAuthFile(ClientAuth);

impl FromYaml for ClientAuthFile {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        Some(Self(match String::from_yaml(node, reader)?.as_str() {
            "" | "NoClientCert" => ClientAuth::NoClientCert,
            "RequestClientCert" => ClientAuth::RequestClientCert,
            "RequireAnyClientCert" | "RequireClientCert" => ClientAuth::RequireAnyClientCert,
            "VerifyClientCertIfGiven" => ClientAuth::VerifyClientCertIfGiven,
            "RequireAndVerifyClientCert" => ClientAuth::RequireAndVerifyClientCert,
            other => {
                let known = "NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven or \
                             RequireAndVerifyClientCert";
                reader.report(node.position, format!("invalid ClientAuth: {other}; use {known}"));
                return None;
            }
        }))
    }
}

#[derive(Debug)]
struct RateFile(RateLimit);

impl FromYaml for RateFile {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let (mut interval, mut burst) = (Duration::ZERO, 0_u64);
        read_fields(node, reader, "web.RateLimiterConfig", &[], |name, node, reader| {
            match name {
                "interval" => interval = reader.read(node),
                "burst" => burst = reader.read(node),
                _ => return false,
            }
            true
        })?;
        if interval.is_zero() {
            // As in the original: no interval, no limit.
            return None;
        }
        Some(Self(RateLimit { interval, burst: u32::try_from(burst).unwrap_or(u32::MAX) }))
    }
}

fn read_http(node: &Node, reader: &mut Reader, file: &mut WebFile) {
    if node.is_null() {
        return;
    }
    read_fields(node, reader, "web.HTTPConfig", &[], |name, node, reader| {
        match name {
            "http2" => file.http2 = reader.read(node),
            "headers" => {
                let headers: BTreeMap<String, String> = reader.read(node);
                file.headers =
                    headers.into_iter().map(|(name, value)| (name, node.position, value)).collect();
            }
            _ => return false,
        }
        true
    });
}

fn resolve_headers(
    typed: Vec<(String, Position, String)>,
    reader: &mut Reader,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (name, position, value) in typed {
        let known = HEADERS.iter().any(|header| header.eq_ignore_ascii_case(&name));
        match (HeaderName::try_from(&name), HeaderValue::try_from(&value)) {
            (Ok(name), Ok(value)) if known => {
                if !value.is_empty() {
                    headers.push((name, value));
                }
            }
            (Ok(_), Ok(_)) => {
                reader.report(
                    position,
                    format!("HTTP header {name:?} can not be configured; these can: {}", HEADERS.join(", ")),
                );
            }
            _ => reader
                .report(position, format!("HTTP header {name:?} or its value holds what no header may hold")),
        }
    }
    headers
}

fn resolve_tls(file: TlsFile, directory: &Path, reader: &mut Reader) -> Option<TlsServerOptions> {
    let position = file.position;
    let mut pem = |inline: Option<String>, path: Option<PathBuf>, name: &str| {
        let inline = inline.filter(|text| !text.is_empty());
        let path = path.filter(|path| !path.as_os_str().is_empty());
        if inline.is_some() && path.is_some() {
            reader.report(position, format!("only one of {name} and {name}_file may be set"));
        }
        inline
            .map(|text| Pem::Inline(Secret::new(text)))
            .or_else(|| path.map(|path| Pem::File(directory.join(path))))
    };
    let cert = pem(file.cert, file.cert_file, "cert");
    let key = pem(file.key, file.key_file, "key");
    let client_ca = pem(file.client_ca, file.client_ca_file, "client_ca");
    let client_auth = file.client_auth.0;
    // An empty section is none: TLS stays off.
    if cert.is_none() && key.is_none() && client_ca.is_none() && client_auth == ClientAuth::NoClientCert {
        return None;
    }
    if cert.is_none() {
        reader.report(position, "missing one of cert or cert_file");
    }
    if key.is_none() {
        reader.report(position, "missing one of key or key_file");
    }
    if client_ca.is_some() && client_auth == ClientAuth::NoClientCert {
        reader.report(
            position,
            "client_ca is set, but client_auth_type asks for no certificate: set RequireAndVerifyClientCert",
        );
    }
    if !file.client_allowed_sans.is_empty() && client_auth != ClientAuth::RequireAndVerifyClientCert {
        reader.report(position, "client_allowed_sans needs client_auth_type RequireAndVerifyClientCert");
    }
    let min = file.min_version.unwrap_or(TlsVersion::Tls12);
    let max = file.max_version.unwrap_or(TlsVersion::Tls13);
    let (has_tls12, has_tls13) =
        (min <= TlsVersion::Tls12 && max >= TlsVersion::Tls12, max >= TlsVersion::Tls13);
    if !has_tls12 && !has_tls13 {
        reader.report(position, "TLS 1.2 and 1.3 are spoken, nothing older: raise max_version");
    }
    Some(TlsServerOptions {
        cert: cert?,
        key: key?,
        client_auth,
        client_ca,
        client_allowed_sans: file.client_allowed_sans,
        has_tls12,
        has_tls13,
        cipher_suites: file.cipher_suites,
        curve_preferences: file.curve_preferences,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<WebOptions, String> {
        read_web(text, Path::new("/etc/web/web.yml"))
    }

    #[test]
    fn a_cluster_needs_both_sides_of_tls() {
        let read = |text: &str| read_cluster_tls(text, Path::new("/etc/am/tls.yml"));
        let server = "tls_server_config: {cert_file: a, key_file: b}\n";
        let client = "tls_client_config: {ca_file: ca, server_name: x}\n";
        let (server_options, client_options) = read(&format!("{server}{client}")).unwrap();
        assert_eq!(server_options.cert, Pem::File("/etc/am/a".into()));
        assert_eq!(client_options.ca_file, Some("/etc/am/ca".into()));
        for (text, why) in [
            (server, "both tls_server_config and tls_client_config are required"),
            (client, "both tls_server_config and tls_client_config are required"),
            ("", "both tls_server_config and tls_client_config are required"),
            ("tls_server_config: {cert_file: a}\n", "missing one of key or key_file"),
            ("tls_client_config: {nope: 1}\n", "nope"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn an_empty_file_asks_for_nothing() {
        assert_eq!(read("").unwrap(), WebOptions::default());
        assert_eq!(read("tls_server_config:\nhttp_server_config:\n").unwrap(), WebOptions::default());
        assert!(read("tls_server_config: {}\n").unwrap().tls.is_none());
    }

    #[test]
    fn every_field_is_read() {
        let text = "
tls_server_config:
  cert_file: server.crt
  key_file: /run/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [scraper.example]
  min_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  curve_preferences: [X25519]
  prefer_server_cipher_suites: true
http_server_config:
  http2: false
  headers: {X-Frame-Options: deny}
basic_auth_users: {ann: hash}
rate_limit: {interval: 1s, burst: 20}
";
        let options = read(text).unwrap();
        let tls = options.tls.unwrap();
        assert_eq!(tls.cert, Pem::File("/etc/web/server.crt".into()));
        assert_eq!(tls.key, Pem::File("/run/server.key".into()));
        assert!(!tls.has_tls12 && tls.has_tls13);
        assert_eq!(tls.client_auth, ClientAuth::RequireAndVerifyClientCert);
        assert!(!options.http2);
        assert_eq!(
            options.headers,
            [(HeaderName::from_static("x-frame-options"), HeaderValue::from_static("deny"))]
        );
        assert_eq!(options.users["ann"].reveal(), "hash");
        assert_eq!(options.rate_limit, Some(RateLimit { interval: Duration::from_secs(1), burst: 20 }));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        for (text, part) in [
            ("tls: {}", "field tls not found in type web.Config"),
            ("tls_server_config: {cert_file: a}", "missing one of key or key_file"),
            ("tls_server_config: {key_file: a}", "missing one of cert or cert_file"),
            ("tls_server_config: {cert: x, cert_file: a, key_file: b}", "only one of cert and cert_file"),
            ("tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}", "asks for no certificate"),
            ("tls_server_config: {client_auth_type: Maybe}", "invalid ClientAuth: Maybe"),
            (
                "tls_server_config: {cert_file: a, key_file: b, client_allowed_sans: [x]}",
                "client_allowed_sans needs",
            ),
            ("tls_server_config: {cert_file: a, key_file: b, max_version: TLS11}", "raise max_version"),
            ("http_server_config: {headers: {Server: x}}", "can not be configured"),
            ("basic_auth_users: [a]", "web.yml:1:"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part) && error.contains("web.yml"), "{text}: {error}");
        }
    }
}
