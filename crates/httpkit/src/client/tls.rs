//! From TLS options to a rustls configuration.

use std::path::Path;
use std::sync::Arc;

use hyper_rustls::{ConfigBuilderExt, FixedServerNameResolver};
use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};

use super::options::{OptionsError, TlsOptions, TlsVersion};

/// Builds the configuration; reads certificate files now. For protocols other than HTTP that use the same options.
/// # Errors
/// When a version, certificate or key cannot be used.
pub fn client_config(options: &TlsOptions) -> Result<ClientConfig, OptionsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = versions(options)?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| failed("versions", error))?;
    let ca = pem(options.ca.as_deref(), options.ca_file.as_deref(), "ca")?;
    let builder: ConfigBuilder<ClientConfig, WantsClientCert> = if options.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
    } else if let Some(ca) = ca {
        builder.with_root_certificates(roots(&ca)?)
    } else {
        match builder.clone().with_native_roots() {
            Ok(builder) => builder,
            // An image without certificates can still scrape plain HTTP; a TLS server will be refused as unknown.
            Err(_) => builder.with_root_certificates(RootCertStore::empty()),
        }
    };
    let cert = pem(options.cert.as_deref(), options.cert_file.as_deref(), "cert")?;
    let inline_key = options.key.as_ref().map(|key| key.reveal().as_str());
    let key = pem(inline_key, options.key_file.as_deref(), "key")?;
    match (cert, key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| failed("key", error))?;
            builder
                .with_client_auth_cert(certificates(&cert, "cert")?, key)
                .map_err(|error| failed("cert", error))
        }
        (Some(_), None) => Err(failed("key", "a certificate needs its key: set key or key_file")),
        (None, Some(_)) => Err(failed("cert", "a key needs its certificate: set cert or cert_file")),
    }
}

/// Returns a resolver that expects the configured name whatever the URL says.
pub(super) fn server_name_resolver(
    options: &TlsOptions,
) -> Result<Option<FixedServerNameResolver>, OptionsError> {
    let Some(name) = options.server_name.as_deref().filter(|name| !name.is_empty()) else { return Ok(None) };
    let name = ServerName::try_from(name.to_owned()).map_err(|error| failed("server_name", error))?;
    Ok(Some(FixedServerNameResolver::new(name)))
}

/// Returns why nothing can be reached under these options although nothing is wrong with them, if that is so.
pub(super) fn unspoken(options: &TlsOptions) -> Option<&'static str> {
    let is_old = options.max_version.is_some_and(|version| version < TlsVersion::Tls12);
    is_old.then_some("tls_config.max_version: TLS 1.0 and 1.1 are not spoken: raise it to TLS12 or TLS13")
}

fn versions(options: &TlsOptions) -> Result<Vec<&'static SupportedProtocolVersion>, OptionsError> {
    let (min, max) = (options.min_version.unwrap_or(TlsVersion::Tls12), options.max_version);
    let max = max.unwrap_or(TlsVersion::Tls13);
    let mut versions = Vec::new();
    if min <= TlsVersion::Tls12 && TlsVersion::Tls12 <= max {
        versions.push(&rustls::version::TLS12);
    }
    if max == TlsVersion::Tls13 {
        versions.push(&rustls::version::TLS13);
    }
    if versions.is_empty() {
        return Err(failed("max_version", "TLS 1.2 and 1.3 are spoken, nothing older: raise it"));
    }
    Ok(versions)
}

type Why = Box<dyn std::error::Error>;

fn failed(what: &str, why: impl Into<Why>) -> OptionsError {
    OptionsError::Tls { what: what.to_owned(), why: why.into().to_string() }
}

/// Reads PEM given in place or by file.
fn pem(inline: Option<&str>, file: Option<&Path>, what: &str) -> Result<Option<Vec<u8>>, OptionsError> {
    let file = file.filter(|path| !path.as_os_str().is_empty());
    match (inline.filter(|text| !text.is_empty()), file) {
        (Some(_), Some(_)) => {
            let text = format!("at most one of {what} and {what}_file must be configured");
            Err(OptionsError::Contradiction(text))
        }
        (Some(text), None) => Ok(Some(text.as_bytes().to_vec())),
        (None, Some(path)) => {
            let read = std::fs::read(path);
            read.map(Some).map_err(|error| failed(&format!("read {what}_file {}", path.display()), error))
        }
        (None, None) => Ok(None),
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, OptionsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| failed(what, error))?;
    if certificates.is_empty() {
        return Err(failed(what, "holds no certificate in PEM form"));
    }
    Ok(certificates)
}

fn roots(pem: &[u8]) -> Result<RootCertStore, OptionsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, "ca")? {
        roots.add(certificate).map_err(|error| failed("ca", error))?;
    }
    Ok(roots)
}

/// Accepts any certificate, as `insecure_skip_verify` asks; signatures are still checked against it.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
