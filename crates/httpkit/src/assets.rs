//! The web UI's files, embedded in the binary and served under any path.
//!
//! The build compresses each file once; [`Assets`] serves them as they are to clients that take gzip. The page
//! itself, `index.html`, is adapted once at start: its `<base href>` leads from the depth of the requested path back to
//! the root (`./`, `../`, …), so every link of the UI works behind a proxy's sub-path that nobody told us about. Where
//! the path is configured, that path is written instead.
//!
//! # Invariants
//! - Only embedded paths are served: there is no file system behind a request, so none to traverse.
//! - `index.html` is never cached; files under `assets/` carry a hash in their name and are cached for good.

use std::io::{Read, Write};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// A policy for a page without inline script: everything comes from this server.
pub const DEFAULT_CSP: &str = "default-src 'self'; base-uri 'self'; object-src 'none'; frame-ancestors 'self'; \
     form-action 'self'";

/// Deepest route of the UI, counted in slashes; deeper paths are not found.
const DEPTH_MAX: usize = 4;

/// Decompressed assets larger than this are a build mistake.
const ASSET_BYTES_MAX: u64 = 64 << 20;

const INDEX: &str = "index.html";

/// One embedded file.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Path without a leading slash: `assets/app-1a2b.js`.
    pub path: &'static str,
    /// Media type with charset.
    pub content_type: &'static str,
    /// Content, compressed with gzip.
    pub gzip_bytes: &'static [u8],
    /// Strong validator with its quotes: `"1a2b"`.
    pub etag: &'static str,
}

/// Why assets cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AssetsError {
    /// There is no page to start from.
    #[error("the embedded UI has no index.html: build it with `make ui`")]
    NoIndex,
    /// A file is damaged.
    #[error("decompress embedded {path}")]
    Damaged {
        /// Which.
        path: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The base path or policy holds characters that no header or attribute takes.
    #[error("{what} cannot be used: {value:?}")]
    BadOption {
        /// Which option.
        what: &'static str,
        /// Its value.
        value: String,
    },
}

/// How assets are served.
#[derive(Clone, Debug)]
pub struct AssetOptions {
    /// Path under which browsers reach the UI, such as `/prometheus`; `/` where only the browser knows it.
    pub base_path: String,
    /// Content-Security-Policy of the page. Default: [`DEFAULT_CSP`].
    pub content_security_policy: String,
    /// Which component serves the UI: one app, with the pages that this one has. It stands in the page as
    /// `<html data-component="…">`; without it the page is that of the server.
    pub component: Option<&'static str>,
    /// Title of the page; none leaves its own.
    pub title: Option<String>,
}

impl Default for AssetOptions {
    fn default() -> Self {
        Self {
            base_path: "/".to_owned(),
            content_security_policy: DEFAULT_CSP.to_owned(),
            component: None,
            title: None,
        }
    }
}

/// Serves embedded files, and the page for every path that is a route of the UI. Clones share it.
#[derive(Clone, Debug)]
pub struct Assets {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    assets: &'static [Asset],
    /// By the depth of the requested path.
    pages: Vec<Page>,
    csp: HeaderValue,
}

/// The adapted page in both encodings.
#[derive(Debug)]
struct Page {
    plain: Bytes,
    gzip: Bytes,
}

impl Assets {
    /// Prepares the page.
    /// # Errors
    /// See [`AssetsError`].
    pub fn new(assets: &'static [Asset], options: &AssetOptions) -> Result<Self, AssetsError> {
        let index = assets.iter().find(|asset| asset.path == INDEX).ok_or(AssetsError::NoIndex)?;
        let html = gunzip(index)?;
        let mut html = String::from_utf8_lossy(&html).into_owned();
        if let Some(component) = options.component {
            html = html.replacen("<html", &format!("<html data-component=\"{component}\""), 1);
        }
        if let Some(title) = &options.title {
            html = with_title(&html, title);
        }
        let csp = &options.content_security_policy;
        let bad = |_| AssetsError::BadOption { what: "content security policy", value: csp.clone() };
        let csp = HeaderValue::from_str(csp).map_err(bad)?;
        let mut pages = Vec::new();
        for depth in 0..=DEPTH_MAX {
            let html = with_base(&html, &base_href(&options.base_path, depth)?);
            pages.push(Page { gzip: gzip(html.as_bytes()).into(), plain: html.into() });
        }
        Ok(Self { inner: Arc::new(Inner { assets, pages, csp }) })
    }

    /// Returns the page as adapted for a path of this depth.
    fn page(&self, depth: usize, headers: &HeaderMap) -> Response {
        let Inner { pages, csp, .. } = &*self.inner;
        let Some(index) = pages.get(depth) else { return StatusCode::NOT_FOUND.into_response() };
        let (body, encoding) = pick(headers, || index.gzip.clone(), || index.plain.clone());
        let mut response = body.into_response();
        set(&mut response, CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        set(&mut response, CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        set(&mut response, CONTENT_SECURITY_POLICY, csp.clone());
        finish(response, encoding)
    }

    /// Answers for `path`, without a leading slash: the file, or the page when no file is meant.
    pub fn respond(&self, path: &str, headers: &HeaderMap) -> Response {
        if path.is_empty() || path == INDEX {
            return self.page(0, headers);
        }
        match self.inner.assets.iter().find(|asset| asset.path == path) {
            Some(asset) => serve_asset(asset, headers),
            None if is_client_route(path) => self.page(path.matches('/').count(), headers),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }

    /// A router that answers every GET; merge or nest it below the API, or use it as the fallback.
    pub fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }
}

async fn answer(State(assets): State<Assets>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    assets.respond(request.uri().path().trim_start_matches('/'), request.headers())
}

/// Routes of the UI have no dot in their last part; a missing file must be a 404, not a page of HTML.
fn is_client_route(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or(path);
    !last.contains('.') && !path.starts_with("assets/") && !path.starts_with("api/")
}

fn serve_asset(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let is_known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = is_known.flat_map(|list| list.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    if tags.any(|tag| tag == asset.etag || tag == "*") {
        return with_asset_headers(StatusCode::NOT_MODIFIED.into_response(), asset);
    }
    // Every browser takes gzip; decompressing for the rest on each request saves their memory.
    let plain = || gunzip(asset).map_or_else(|_| Bytes::new(), Bytes::from);
    let (body, encoding) = pick(headers, || Bytes::from_static(asset.gzip_bytes), plain);
    let mut response = with_asset_headers(Body::from(body).into_response(), asset);
    set(&mut response, CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    finish(response, encoding)
}

fn with_asset_headers(mut response: Response, asset: &'static Asset) -> Response {
    let is_hashed = asset.path.starts_with("assets/");
    let caching = if is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    set(&mut response, CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(etag) = HeaderValue::from_str(asset.etag) {
        set(&mut response, ETAG, etag);
    }
    response
}

fn set(response: &mut Response, name: HeaderName, value: HeaderValue) {
    response.headers_mut().insert(name, value);
}

fn finish(mut response: Response, encoding: Option<&'static str>) -> Response {
    set(&mut response, VARY, HeaderValue::from_static("Accept-Encoding"));
    // Naming the plain encoding too keeps the server's compression away from what was just decompressed.
    set(&mut response, CONTENT_ENCODING, HeaderValue::from_static(encoding.unwrap_or("identity")));
    response
}

fn pick(
    headers: &HeaderMap,
    gzip: impl FnOnce() -> Bytes,
    plain: impl FnOnce() -> Bytes,
) -> (Bytes, Option<&'static str>) {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut items = accepted.flat_map(|list| list.split(',')).map(str::trim);
    let is_gzip_welcome = items.any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        name.trim().eq_ignore_ascii_case("gzip")
            && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    });
    if is_gzip_welcome { (gzip(), Some("gzip")) } else { (plain(), None) }
}

/// Returns where relative links of a page lead that was asked for at `depth` slashes below the root.
fn base_href(base_path: &str, depth: usize) -> Result<String, AssetsError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte);
    if !base_path.bytes().all(is_plain) {
        return Err(AssetsError::BadOption { what: "base path", value: base_path.to_owned() });
    }
    match base_path.trim_matches('/') {
        "" if depth == 0 => Ok("./".to_owned()),
        "" => Ok("../".repeat(depth)),
        path => Ok(format!("/{path}/")),
    }
}

/// Replaces the page's `<base href="…">`, or adds one after `<head>`.
fn with_base(html: &str, href: &str) -> String {
    const BASE: &str = "<base href=\"";
    if let Some((before, rest)) = html.split_once(BASE)
        && let Some((_, after)) = rest.split_once('"')
    {
        return format!("{before}{BASE}{href}\"{after}");
    }
    html.replacen("<head>", &format!("<head>{BASE}{href}\">"), 1)
}

/// Replaces the page's title.
fn with_title(html: &str, title: &str) -> String {
    let escaped = title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    match html.split_once("<title>").and_then(|(before, rest)| Some((before, rest.split_once("</title>")?.1)))
    {
        Some((before, after)) => format!("{before}<title>{escaped}</title>{after}"),
        None => html.replacen("</head>", &format!("<title>{escaped}</title></head>"), 1),
    }
}

fn gunzip(asset: &Asset) -> Result<Vec<u8>, AssetsError> {
    let mut plain = Vec::new();
    let read = GzDecoder::new(asset.gzip_bytes).take(ASSET_BYTES_MAX).read_to_end(&mut plain);
    read.map_err(|source| AssetsError::Damaged { path: asset.path, source })?;
    Ok(plain)
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).expect("writing to a vector cannot fail");
    encoder.finish().expect("writing to a vector cannot fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assets(base_path: &str) -> Assets {
        serving(base_path, None)
    }

    fn serving(base_path: &str, component: Option<&'static str>) -> Assets {
        let leak = |text: &str| -> &'static [u8] { Box::leak(gzip(text.as_bytes()).into_boxed_slice()) };
        let html = "<html><head><base href=\"/\"><title>x</title></head></html>";
        let list = vec![
            Asset { path: "index.html", content_type: "text/html", gzip_bytes: leak(html), etag: "\"i\"" },
            Asset {
                path: "assets/a-1.js",
                content_type: "text/javascript; charset=utf-8",
                gzip_bytes: leak("let a;"),
                etag: "\"a1\"",
            },
        ];
        let options = AssetOptions { base_path: base_path.to_owned(), component, ..AssetOptions::default() };
        Assets::new(Box::leak(list.into_boxed_slice()), &options).unwrap()
    }

    async fn body(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_page_carries_its_base_path_and_policy() {
        let response = assets("/prometheus").respond("graph/x", &HeaderMap::new());
        assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], DEFAULT_CSP);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
        assert!(body(response).await.contains("<head><base href=\"/prometheus/\"><title>"));
        assert_eq!(with_base("<head><x>", "./"), "<head><base href=\"./\"><x>");
        assert!(base_href("/\"><script>", 0).is_err());
    }

    #[test]
    fn a_title_is_replaced_or_added_as_text() {
        let check = |html: &str, want: &str| assert_eq!(with_title(html, "a<b> & c"), want);
        check("<head><title>old</title></head>", "<head><title>a&lt;b&gt; &amp; c</title></head>");
        check("<head></head>", "<head><title>a&lt;b&gt; &amp; c</title></head>");
    }

    #[tokio::test]
    async fn the_page_says_which_component_serves_it() {
        let page = body(serving("/", Some("alertmanager")).respond("", &HeaderMap::new())).await;
        assert!(page.starts_with("<html data-component=\"alertmanager\"><head>"), "{page}");
    }

    #[tokio::test]
    async fn links_lead_back_to_the_root_from_any_depth() {
        let assets = assets("/");
        for (path, href) in [("", "./"), ("query", "./"), ("query/", "../"), ("a/b/c", "../../")] {
            let page = body(assets.respond(path, &HeaderMap::new())).await;
            assert!(page.contains(&format!("<base href=\"{href}\">")), "{path}: {page}");
        }
        assert_eq!(assets.respond("a/b/c/d/e/f", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn files_are_served_compressed_cached_and_validated() {
        let assets = assets("/");
        let mut headers = HeaderMap::new();
        let plain = assets.respond("assets/a-1.js", &headers);
        assert_eq!(plain.headers()[CONTENT_ENCODING], "identity");
        assert_eq!(body(plain).await, "let a;");
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("br, gzip"));
        let packed = assets.respond("assets/a-1.js", &headers);
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
        assert!(packed.headers()[CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("\"z\", W/\"a1\""));
        assert_eq!(assets.respond("assets/a-1.js", &headers).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(assets.respond("assets/b.js", &headers).status(), StatusCode::NOT_FOUND);
        assert_eq!(assets.respond("../etc/passwd.txt", &headers).status(), StatusCode::NOT_FOUND);
    }
}
