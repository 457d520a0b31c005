//! What the client promises, against servers on loopback.

mod tokens;
mod ways;

use std::error::Error;
use std::time::{Duration, Instant};

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use http::HeaderValue;

use super::*;

async fn serve(router: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    url
}

fn client(options: &ClientOptions) -> HttpClient {
    HttpClient::new(options).unwrap()
}

async fn text(client: &HttpClient, url: &Url) -> Result<String, ClientError> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let response = client.get(url, &HeaderMap::new(), deadline).await?;
    let mut body = Vec::new();
    response.into_body().read_into(&mut body, 1000).await?;
    Ok(String::from_utf8(body).unwrap())
}

async fn echo_headers(headers: HeaderMap) -> String {
    let show = |name| headers.get(name).map_or("-", |value: &HeaderValue| value.to_str().unwrap());
    format!("{} {}", show("authorization"), show("x-team"))
}

fn with_credentials() -> ClientOptions {
    let basic =
        BasicAuth { username: "u".to_owned(), password: Some("p".to_owned().into()), ..BasicAuth::default() };
    let team = HeaderValues { secrets: vec!["red".to_owned().into()], ..HeaderValues::default() };
    ClientOptions {
        basic_auth: Some(basic),
        http_headers: [("X-Team".to_owned(), team)].into(),
        ..ClientOptions::default()
    }
}

#[tokio::test]
async fn credentials_and_headers_are_sent_and_not_carried_to_another_host() {
    let other = serve(Router::new().route("/", get(echo_headers))).await;
    let elsewhere = other.to_string();
    let first = serve(
        Router::new()
            .route("/", get(echo_headers))
            .route("/here", get(|| async { Redirect::temporary("/") }))
            .route("/away", get(move || async move { Redirect::temporary(&elsewhere) })),
    )
    .await;
    let client = client(&with_credentials());
    assert_eq!(text(&client, &first).await.unwrap(), "Basic dTpw red");
    assert_eq!(text(&client, &first.join("/here").unwrap()).await.unwrap(), "Basic dTpw red");
    assert_eq!(text(&client, &first.join("/away").unwrap()).await.unwrap(), "- -");
}

#[tokio::test]
async fn redirects_end_somewhere_or_are_not_followed() {
    let url = serve(Router::new().route("/", get(|| async { Redirect::to("/") }))).await;
    let error = text(&client(&ClientOptions::default()), &url).await.unwrap_err();
    assert!(matches!(error, ClientError::TooManyRedirects { .. }), "{error}");
    let stay = client(&ClientOptions { follow_redirects: false, ..ClientOptions::default() });
    let deadline = Instant::now() + Duration::from_secs(60);
    let response = stay.get(&url, &HeaderMap::new(), deadline).await.unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn failures_are_told_apart() {
    let client = client(&ClientOptions::default());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ask = async |url: String| text(&client, &Url::parse(&url).unwrap()).await.unwrap_err();
    let error = ask(format!("http://{closed}/")).await;
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    let error = ask("http://host.invalid/".to_owned()).await;
    assert!(matches!(error, ClientError::Resolve { .. }), "{error} {:?}", error.source());
    let error = ask("ftp://127.0.0.1/".to_owned()).await;
    assert!(matches!(error, ClientError::BadUrl { .. }), "{error}");
    let plain = serve(Router::new()).await;
    let error = ask(plain.to_string().replace("http:", "https:")).await;
    assert!(matches!(error, ClientError::Tls { .. } | ClientError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn the_deadline_covers_headers_and_body() {
    let url = serve(Router::new().route("/", get(std::future::pending::<&str>)).route(
        "/body",
        get(|| async {
            let stream = http_body_util::combinators::UnsyncBoxBody::new(Stalled);
            axum::body::Body::new(stream)
        }),
    ))
    .await;
    let client = client(&ClientOptions::default());
    let ask = async |path: &str| {
        let deadline = Instant::now() + Duration::from_millis(50);
        let response = client.get(&url.join(path).unwrap(), &HeaderMap::new(), deadline).await?;
        response.into_body().read_into(&mut Vec::new(), 10).await
    };
    for path in ["/", "/body"] {
        let error = ask(path).await.unwrap_err();
        assert!(matches!(error, ClientError::Timeout { .. }), "{path}: {error}");
    }
}

/// A body that never comes.
struct Stalled;

impl hyper::body::Body for Stalled {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let url = serve(Router::new().route("/", get(|| async { "x".repeat(2000) }))).await;
    let error = text(&client(&ClientOptions::default()), &url).await.unwrap_err();
    assert!(matches!(error, ClientError::BodyTooLarge { limit_bytes: 1000, .. }), "{error}");
}

#[test]
fn contradictions_and_unsupported_options_fail_at_construction() {
    let check = |options: ClientOptions, want: &str| {
        let error = HttpClient::new(&options).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    };
    check(
        ClientOptions { bearer_token: Some("t".to_owned().into()), ..with_credentials() },
        "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
    );
    let basic = Authorization { kind: Some("Basic".to_owned()), ..Authorization::default() };
    check(
        ClientOptions { authorization: Some(basic), ..ClientOptions::default() },
        "authorization type cannot be set to \"basic\"",
    );
    let tls = TlsOptions { cert: Some("x".to_owned()), ..TlsOptions::default() };
    check(
        ClientOptions { tls_config: tls, ..ClientOptions::default() },
        "exactly one of key or key_file must be configured",
    );
}
