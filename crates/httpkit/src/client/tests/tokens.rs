//! OAuth2: how tokens are asked for, and how long they are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;

use super::*;

/// An authorization server that gives out `token-1`, `token-2`, … as `answer` says, and remembers how it was asked.
struct Authority {
    url: Url,
    n_given: Arc<AtomicUsize>,
    asked: Arc<parking_lot::Mutex<Vec<(String, String)>>>,
}

impl Authority {
    async fn start(
        answer: impl Fn(usize, &HeaderMap, &str) -> (u16, String) + Clone + Send + Sync + 'static,
    ) -> Self {
        let n_given = Arc::new(AtomicUsize::new(0));
        let asked = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let (counter, log) = (Arc::clone(&n_given), Arc::clone(&asked));
        let router = Router::new().route(
            "/token",
            post(move |headers: HeaderMap, form: String| async move {
                let n = counter.fetch_add(1, Ordering::SeqCst) + 1;
                let (status, body) = answer(n, &headers, &form);
                let authorization = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
                log.lock().push((authorization.to_owned(), form));
                (StatusCode::from_u16(status).unwrap(), body)
            }),
        );
        let url = serve(router).await.join("token").unwrap();
        Self { url, n_given, asked }
    }

    fn options(&self) -> OAuth2 {
        OAuth2 {
            client_id: "me".to_owned(),
            client_secret: Some("s cret".to_owned().into()),
            scopes: vec!["read".to_owned(), "all".to_owned()],
            token_url: self.url.to_string(),
            endpoint_params: [("tenant".to_owned(), "7".to_owned())].into(),
            ..OAuth2::default()
        }
    }
}

fn with_tokens(oauth2: OAuth2) -> HttpClient {
    client(&ClientOptions { oauth2: Some(oauth2), ..ClientOptions::default() })
}

fn token(n: usize, life: &str) -> (u16, String) {
    (200, format!(r#"{{"access_token":"token-{n}","token_type":"bearer","expires_in":{life}}}"#))
}

async fn site() -> Url {
    serve(Router::new().route("/", get(echo_headers))).await
}

#[tokio::test]
async fn a_token_is_fetched_once_and_kept() {
    let authority = Authority::start(|n, _, _| token(n, "3600")).await;
    let (client, site) = (with_tokens(authority.options()), site().await);
    let (a, b) = tokio::join!(text(&client, &site), text(&client, &site));
    assert_eq!((a.unwrap().as_str(), b.unwrap().as_str()), ("Bearer token-1 -", "Bearer token-1 -"));
    assert_eq!(authority.n_given.load(Ordering::SeqCst), 1);
    let (authorization, form) = authority.asked.lock()[0].clone();
    assert_eq!(authorization, "Basic bWU6cytjcmV0", "me:s+cret");
    assert_eq!(form, "grant_type=client_credentials&scope=read+all&tenant=7");
}

#[tokio::test]
async fn a_token_that_expires_soon_is_fetched_anew() {
    let authority = Authority::start(|n, _, _| token(n, "\"5\"")).await;
    let (client, site) = (with_tokens(authority.options()), site().await);
    assert_eq!(text(&client, &site).await.unwrap(), "Bearer token-1 -");
    assert_eq!(text(&client, &site).await.unwrap(), "Bearer token-2 -");
}

#[tokio::test]
async fn a_refused_token_is_not_used_again() {
    let authority = Authority::start(|n, _, _| token(n, "3600")).await;
    let site = serve(Router::new().route(
        "/",
        get(|headers: HeaderMap| async move {
            let is_first = headers["authorization"] == "Bearer token-1";
            if is_first { StatusCode::UNAUTHORIZED } else { StatusCode::OK }
        }),
    ))
    .await;
    let client = with_tokens(authority.options());
    for n in 1..=2 {
        text(&client, &site).await.unwrap();
        assert_eq!(authority.n_given.load(Ordering::SeqCst), n);
    }
}

#[tokio::test]
async fn servers_that_want_the_secret_in_the_form_get_it_there() {
    let answer = |n, _: &HeaderMap, form: &str| {
        if form.contains("client_secret=s+cret") { token(n, "1") } else { (401, "{}".to_owned()) }
    };
    let authority = Authority::start(answer).await;
    let (client, site) = (with_tokens(authority.options()), site().await);
    assert_eq!(text(&client, &site).await.unwrap(), "Bearer token-2 -");
    assert_eq!(text(&client, &site).await.unwrap(), "Bearer token-3 -", "what works is remembered");
}

#[tokio::test]
async fn why_there_is_no_token_is_told_without_the_secret() {
    let authority =
        Authority::start(|_, _, _| (400, r#"{"error":"invalid_scope","error_description":"no"}"#.to_owned()))
            .await;
    let error = text(&with_tokens(authority.options()), &site().await).await.unwrap_err().to_string();
    assert!(error.ends_with("400 Bad Request: invalid_scope no"), "{error}");
    assert!(!error.contains("s cret"));
    let grant = OAuth2 { grant_type: "password".to_owned(), ..authority.options() };
    let refused = HttpClient::new(&ClientOptions { oauth2: Some(grant), ..ClientOptions::default() });
    assert!(refused.unwrap_err().to_string().contains("unknown grant_type \"password\""));
}

#[tokio::test]
async fn a_signed_assertion_stands_for_the_secret() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    // The generator of test certificates makes no RSA keys; openssl does.
    let made = std::process::Command::new("openssl")
        .args(["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"])
        .arg(&path)
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: openssl: no RSA key could be made");
        return;
    }
    let authority = Authority::start(|n, _, _| token(n, "3600")).await;
    let oauth2 = OAuth2 {
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned(),
        client_certificate_key_file: Some(path),
        client_certificate_key_id: "k1".to_owned(),
        claims: [("sub".to_owned(), "robot".to_owned())].into(),
        ..authority.options()
    };
    assert_eq!(text(&with_tokens(oauth2), &site().await).await.unwrap(), "Bearer token-1 -");
    let (_, form) = authority.asked.lock()[0].clone();
    let form: std::collections::BTreeMap<String, String> =
        url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let parts: Vec<&str> = form["assertion"].split('.').collect();
    let decode = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!(decode(parts[0]), r#"{"alg":"RS256","typ":"JWT","kid":"k1"}"#);
    let claims: serde_json::Value = serde_json::from_str(&decode(parts[1])).unwrap();
    assert_eq!((&claims["iss"], &claims["sub"]), (&"me".into(), &"robot".into()));
    assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 256);
}
