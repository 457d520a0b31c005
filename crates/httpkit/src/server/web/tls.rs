//! From TLS options of a listener to a rustls configuration.

use std::fs;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CipherSuite, DigitallySignedStruct, DistinguishedName, Error, NamedGroup, RootCertStore, ServerConfig,
    SignatureScheme, client::danger::HandshakeSignatureValid,
};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{ClientAuth, Pem, Stamp, TlsServerOptions, WebError, WebOptions};

/// A configuration and what it was made from.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    made_from: Option<(TlsServerOptions, bool, [Stamp; 3])>,
    config: Option<Arc<ServerConfig>>,
}

impl Loaded {
    pub(super) fn load(options: &WebOptions) -> Result<Self, WebError> {
        let mut loaded = Self::default();
        loaded.refresh(options)?;
        Ok(loaded)
    }

    /// Reads certificates again if they, or the options, are others than before. An error is told once, until they are
    /// others again; what was there stays.
    pub(super) fn refresh(&mut self, options: &WebOptions) -> Result<(), WebError> {
        let Some(tls) = &options.tls else { return Ok(()) };
        let stamps = [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()].map(stamp);
        let is_same = |(made_tls, made_http2, made_stamps): &(TlsServerOptions, bool, [Stamp; 3])| {
            made_tls == tls && *made_http2 == options.http2 && *made_stamps == stamps
        };
        if self.made_from.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        self.made_from = Some((tls.clone(), options.http2, stamps));
        self.config = Some(Arc::new(server_config(tls, options.http2)?));
        Ok(())
    }

    pub(super) fn config(&self) -> Option<Arc<ServerConfig>> {
        self.config.clone()
    }
}

fn stamp(pem: Option<&Pem>) -> Stamp {
    match pem {
        Some(Pem::File(path)) => Stamp::of(path),
        Some(Pem::Inline(_)) | None => Stamp::default(),
    }
}

/// Builds the configuration; reads certificate files now. For protocols other than HTTP that use the same options.
/// # Errors
/// When a certificate or key cannot be used.
pub fn server_config(options: &TlsServerOptions, http2: bool) -> Result<ServerConfig, WebError> {
    let provider = Arc::new(provider(options)?);
    let mut versions = Vec::new();
    versions.extend(options.has_tls12.then_some(&rustls::version::TLS12));
    versions.extend(options.has_tls13.then_some(&rustls::version::TLS13));
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| failed("max_version", error))?;
    let builder = match verifier(options, &provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let key = read(&options.key, "key")?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| failed("key", error))?;
    let chain = certificates(&options.cert, "cert")?;
    let mut config = builder.with_single_cert(chain, key).map_err(|error| failed("cert and key", error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    Ok(config)
}

/// Names that Go gives to what rustls has not: they are passed over with a warning.
const GO_ALONE: [&str; 5] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "CurveP521",
];

fn provider(options: &TlsServerOptions) -> Result<CryptoProvider, WebError> {
    let mut provider = rustls::crypto::ring::default_provider();
    if !options.cipher_suites.is_empty() {
        let mut wanted = Vec::new();
        for name in &options.cipher_suites {
            match suite_named(name) {
                Some(suite) => wanted.push(suite),
                None if GO_ALONE.contains(&name.as_str()) => warn_absent("cipher_suites", name),
                None => return Err(failed("cipher_suites", format!("unknown cipher: {name}"))),
            }
        }
        // Those of TLS 1.3 cannot be chosen in the original either.
        provider.cipher_suites.retain(|suite| suite.tls13().is_some() || wanted.contains(&suite.suite()));
        provider.cipher_suites.sort_by_key(|suite| wanted.iter().position(|w| *w == suite.suite()));
    }
    if !options.curve_preferences.is_empty() {
        let mut groups = Vec::new();
        for name in &options.curve_preferences {
            let group = group_named(name);
            match provider.kx_groups.iter().find(|have| Some(have.name()) == group) {
                Some(have) => groups.push(*have),
                None if GO_ALONE.contains(&name.as_str()) => warn_absent("curve_preferences", name),
                None => return Err(failed("curve_preferences", format!("unknown curve: {name}"))),
            }
        }
        if groups.is_empty() {
            return Err(failed("curve_preferences", "none of these curves is available: add X25519"));
        }
        provider.kx_groups = groups;
    }
    Ok(provider)
}

fn warn_absent(field: &str, name: &str) {
    tracing::warn!(field, name, "not available in this TLS library: passed over");
}

fn suite_named(name: &str) -> Option<CipherSuite> {
    Some(match name {
        "TLS_AES_128_GCM_SHA256" => CipherSuite::TLS13_AES_128_GCM_SHA256,
        "TLS_AES_256_GCM_SHA384" => CipherSuite::TLS13_AES_256_GCM_SHA384,
        "TLS_CHACHA20_POLY1305_SHA256" => CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" | "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => {
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        }
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" | "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        }
        _ => return None,
    })
}

fn group_named(name: &str) -> Option<NamedGroup> {
    Some(match name {
        "CurveP256" => NamedGroup::secp256r1,
        "CurveP384" => NamedGroup::secp384r1,
        "X25519" => NamedGroup::X25519,
        _ => return None,
    })
}

fn verifier(
    options: &TlsServerOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, WebError> {
    let is_mandatory = match options.client_auth {
        ClientAuth::NoClientCert => return Ok(None),
        ClientAuth::RequestClientCert => {
            return Ok(Some(Arc::new(AcceptAny { provider: Arc::clone(provider), is_mandatory: false })));
        }
        ClientAuth::RequireAnyClientCert => {
            return Ok(Some(Arc::new(AcceptAny { provider: Arc::clone(provider), is_mandatory: true })));
        }
        ClientAuth::VerifyClientCertIfGiven => false,
        ClientAuth::RequireAndVerifyClientCert => true,
    };
    let ca = options.client_ca.as_ref();
    let ca = ca.ok_or_else(|| failed("client_ca_file", "is needed to verify certificates of clients"))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca, "client_ca")? {
        roots.add(certificate).map_err(|error| failed("client_ca", error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if is_mandatory { builder } else { builder.allow_unauthenticated() };
    Ok(Some(builder.build().map_err(|error| failed("client_ca", error))?))
}

/// Returns whether a certificate has one of `names`: DNS, e-mail, IP or URI.
pub(in crate::server) fn has_allowed_name(certificate: &CertificateDer<'_>, names: &[String]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return false };
    extension.value.general_names.iter().any(|name| match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            names.iter().any(|allowed| allowed == text)
        }
        GeneralName::IPAddress(bytes) => {
            let ip = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
            let ip = ip.or_else(|_| <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from));
            ip.is_ok_and(|ip| names.iter().any(|allowed| allowed.parse() == Ok(ip)))
        }
        _ => false,
    })
}

fn failed(what: &str, why: impl Into<Box<dyn std::error::Error>>) -> WebError {
    WebError::Tls { what: what.to_owned(), why: why.into().to_string() }
}

fn read(pem: &Pem, what: &str) -> Result<Vec<u8>, WebError> {
    match pem {
        Pem::Inline(text) => Ok(text.reveal().as_bytes().to_vec()),
        Pem::File(path) => {
            fs::read(path).map_err(|error| failed(&format!("read {what}_file {}", path.display()), error))
        }
    }
}

fn certificates(pem: &Pem, what: &str) -> Result<Vec<CertificateDer<'static>>, WebError> {
    let bytes = read(pem, what)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|error| failed(what, error))?;
    if certificates.is_empty() {
        return Err(failed(what, "holds no certificate in PEM form"));
    }
    Ok(certificates)
}

/// Takes any certificate, as `RequestClientCert` and `RequireAnyClientCert` ask; the client must still own its key.
#[derive(Debug)]
struct AcceptAny {
    provider: Arc<CryptoProvider>,
    is_mandatory: bool,
}

impl ClientCertVerifier for AcceptAny {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
