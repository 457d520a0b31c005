//! TLS and authentication on a listener, asked by this crate's own client.

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::*;
use crate::client::{BasicAuth, ClientOptions, HttpClient, TlsOptions, TlsVersion};
use crate::server::{Listener, ServerOptions, serve};

/// A folder with the options as our tests write them: `read` gives what `web.yml` names.
struct Site {
    folder: tempfile::TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Site {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let site = Self { folder: tempfile::tempdir().unwrap(), ca };
        site.write("ca.crt", &site.ca.pem());
        site.issue("server", "127.0.0.1");
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Writes `NAME.crt` and `NAME.key` for a subject.
    fn issue(&self, name: &str, subject: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        self.write(&format!("{name}.crt"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn tls(&self) -> TlsServerOptions {
        TlsServerOptions {
            cert: Pem::File(self.path("server.crt")),
            key: Pem::File(self.path("server.key")),
            client_auth: ClientAuth::NoClientCert,
            client_ca: None,
            client_allowed_sans: Vec::new(),
            has_tls12: true,
            has_tls13: true,
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
        }
    }

    /// Returns what a client is told that trusts our authority and shows the certificate `name`.
    fn client(&self, name: Option<&str>) -> ClientOptions {
        let file = |end: &str| name.map(|name| self.path(&format!("{name}.{end}")));
        let tls_config = TlsOptions {
            ca_file: Some(self.path("ca.crt")),
            cert_file: file("crt"),
            key_file: file("key"),
            ..TlsOptions::default()
        };
        ClientOptions { tls_config, ..ClientOptions::default() }
    }

    /// Serves under `options` until the guard goes.
    async fn serve(&self, options: WebOptions) -> (Url, tokio_util::sync::DropGuard) {
        let policy = Arc::new(WebPolicy::fixed(options).unwrap());
        let scheme = if policy.is_tls() { "https" } else { "http" };
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("{scheme}://{}/", listener.local_addr())).unwrap();
        let router = Router::new().route("/", get(|| async { "in" }));
        let options = ServerOptions { web: Some(policy), ..ServerOptions::default() };
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, router, stop.clone(), options));
        (url, stop.drop_guard())
    }
}

impl WebPolicy {
    /// A policy of these options, without a file.
    fn fixed(options: WebOptions) -> Result<Self, WebError> {
        auth::check(&options.users).map_err(WebError::Invalid)?;
        Ok(Self {
            path: PathBuf::new(),
            read: |_, _| Err(String::new()),
            is_tls: options.tls.is_some(),
            tls: Mutex::new(tls::Loaded::load(&options)?),
            current: Mutex::new(Current { stamp: Stamp::default(), options: Arc::new(options) }),
            auth: auth::Verifier::new(),
            rate: rate::Bucket::default(),
        })
    }
}

/// Returns the status of an answer; an error when there is none.
async fn status(client: &HttpClient, url: &Url) -> Result<u16, String> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let response = client.get(url, &HeaderMap::new(), deadline).await;
    response.map(|response| response.status().as_u16()).map_err(|error| error.to_string())
}

async fn ask(options: &ClientOptions, url: &Url) -> Result<u16, String> {
    status(&HttpClient::new(options).unwrap(), url).await
}

fn is_spoken(answer: &Result<u16, String>) -> bool {
    matches!(answer, Ok(200))
}

#[tokio::test]
async fn clients_get_in_with_the_certificate_that_is_asked_for() {
    let site = Site::new();
    site.issue("scraper", "scraper.example");
    let stranger = Site::new();
    stranger.issue("scraper", "scraper.example");
    // A stranger's client trusts our server, and shows what its own authority signed.
    let mut from_stranger = stranger.client(Some("scraper"));
    from_stranger.tls_config.ca_file = Some(site.path("ca.crt"));
    let clients = [site.client(None), from_stranger, site.client(Some("scraper"))];
    for (client_auth, expected) in [
        (ClientAuth::NoClientCert, [true, true, true]),
        (ClientAuth::RequestClientCert, [true, true, true]),
        (ClientAuth::RequireAnyClientCert, [false, true, true]),
        (ClientAuth::VerifyClientCertIfGiven, [true, false, true]),
        (ClientAuth::RequireAndVerifyClientCert, [false, false, true]),
    ] {
        let client_ca = Some(Pem::File(site.path("ca.crt")));
        let tls = TlsServerOptions { client_auth, client_ca, ..site.tls() };
        let (url, _guard) = site.serve(WebOptions { tls: Some(tls), ..WebOptions::default() }).await;
        for (client, expected) in clients.iter().zip(expected) {
            let answer = ask(client, &url).await;
            assert_eq!(is_spoken(&answer), expected, "{client_auth:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn only_certificates_with_an_allowed_name_get_in() {
    let site = Site::new();
    site.issue("scraper", "scraper.example");
    site.issue("other", "other.example");
    site.issue("address", "10.1.2.3");
    let tls = TlsServerOptions {
        client_auth: ClientAuth::RequireAndVerifyClientCert,
        client_ca: Some(Pem::File(site.path("ca.crt"))),
        client_allowed_sans: vec!["scraper.example".to_owned(), "10.1.2.3".to_owned()],
        ..site.tls()
    };
    let (url, _guard) = site.serve(WebOptions { tls: Some(tls), ..WebOptions::default() }).await;
    for (name, expected) in [("scraper", true), ("other", false), ("address", true)] {
        assert_eq!(is_spoken(&ask(&site.client(Some(name)), &url).await), expected, "{name}");
    }
}

#[tokio::test]
async fn versions_and_curves_are_those_that_are_asked_for() {
    let site = Site::new();
    let limited = |max| {
        let mut options = site.client(None);
        options.tls_config.max_version = Some(max);
        options
    };
    let tls = TlsServerOptions {
        has_tls12: false,
        curve_preferences: vec!["CurveP521".to_owned(), "CurveP256".to_owned()],
        ..site.tls()
    };
    let (url, _guard) =
        site.serve(WebOptions { tls: Some(tls), http2: false, ..WebOptions::default() }).await;
    assert!(is_spoken(&ask(&limited(TlsVersion::Tls13), &url).await));
    assert!(!is_spoken(&ask(&limited(TlsVersion::Tls12), &url).await));
    let suites = |names: &[&str]| TlsServerOptions {
        cipher_suites: names.iter().map(|name| (*name).to_owned()).collect(),
        ..site.tls()
    };
    let gcm = suites(&["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"]);
    let (url, _guard) = site.serve(WebOptions { tls: Some(gcm), ..WebOptions::default() }).await;
    assert!(is_spoken(&ask(&limited(TlsVersion::Tls12), &url).await));
    let unknown = WebOptions { tls: Some(suites(&["TLS_NONE"])), ..WebOptions::default() };
    assert!(WebPolicy::fixed(unknown).unwrap_err().to_string().contains("unknown cipher: TLS_NONE"));
}

#[tokio::test]
async fn a_new_certificate_needs_no_restart_and_a_broken_one_does_no_harm() {
    let site = Site::new();
    let tls = Some(site.tls());
    let (url, _guard) = site.serve(WebOptions { tls, ..WebOptions::default() }).await;
    let served = || async {
        let client = HttpClient::new(&site.client(None)).unwrap();
        status(&client, &url).await
    };
    assert!(is_spoken(&served().await));
    site.write("server.crt", "not a certificate, and of another length");
    assert!(is_spoken(&served().await));
    // Another name on it, so that it is seen that it is the new one.
    site.issue("server", "elsewhere.example");
    assert!(served().await.is_err());
}

/// A hash of `secret`, at the lowest cost.
fn users() -> std::collections::BTreeMap<String, Secret<String>> {
    let hash = bcrypt::hash("secret", 4).unwrap();
    [("ann".to_owned(), Secret::new(hash))].into()
}

#[tokio::test]
async fn only_users_with_their_password_get_in_and_headers_are_set() {
    let site = Site::new();
    let frame = (header::X_FRAME_OPTIONS, HeaderValue::from_static("deny"));
    let options = WebOptions { users: users(), headers: vec![frame], ..WebOptions::default() };
    let (url, _guard) = site.serve(options).await;
    let with = |user: &str, password: &str| {
        let basic_auth = BasicAuth {
            username: user.to_owned(),
            password: Some(password.to_owned().into()),
            ..BasicAuth::default()
        };
        ClientOptions { basic_auth: Some(basic_auth), ..ClientOptions::default() }
    };
    // Twice: what was right once is remembered, what was wrong is not right the second time.
    for _ in 0..2 {
        assert_eq!(ask(&with("ann", "secret"), &url).await, Ok(200));
        assert_eq!(ask(&with("ann", "Secret"), &url).await, Ok(401));
        assert_eq!(ask(&with("bob", "secret"), &url).await, Ok(401));
        assert_eq!(ask(&ClientOptions::default(), &url).await, Ok(401));
    }
    let client = HttpClient::new(&ClientOptions::default()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let response = client.get(&url, &HeaderMap::new(), deadline).await.unwrap();
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Basic");
    assert_eq!(response.headers()[header::X_FRAME_OPTIONS], "deny");
}

#[test]
fn a_hash_that_is_none_is_named() {
    let users = [("ann".to_owned(), Secret::new("secret".to_owned()))].into();
    let error = auth::check(&users).unwrap_err();
    assert!(error.contains("\"ann\"") && error.contains("htpasswd") && !error.contains("secret"), "{error}");
    auth::check(&[("nobody".to_owned(), Secret::new(auth::NOBODY.to_owned()))].into()).unwrap();
}

#[test]
fn a_changed_file_holds_at_once_and_a_broken_one_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yml");
    let read: ReadWebOptions = |text, _| match text.parse() {
        Ok(burst) => {
            let rate_limit = Some(RateLimit { interval: Duration::from_secs(1), burst });
            Ok(WebOptions { rate_limit, ..WebOptions::default() })
        }
        Err(_) => Err("not a number".to_owned()),
    };
    assert!(matches!(WebPolicy::load(&path, read), Err(WebError::Read { .. })));
    fs::write(&path, "1").unwrap();
    let policy = WebPolicy::load(&path, read).unwrap();
    let burst = || policy.options().rate_limit.map(|limit| limit.burst);
    assert_eq!(burst(), Some(1));
    fs::write(&path, "20").unwrap();
    assert_eq!(burst(), Some(20));
    fs::write(&path, "many").unwrap();
    assert_eq!(burst(), Some(20));
    fs::remove_file(&path).unwrap();
    assert_eq!(burst(), Some(20));
}

#[tokio::test]
async fn beyond_the_rate_requests_are_refused() {
    let site = Site::new();
    let rate_limit = Some(RateLimit { interval: Duration::from_secs(3600), burst: 2 });
    let (url, _guard) = site.serve(WebOptions { rate_limit, ..WebOptions::default() }).await;
    let client = HttpClient::new(&ClientOptions::default()).unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(status(&client, &url).await.unwrap());
    }
    assert_eq!(seen, [200, 200, 429]);
}
