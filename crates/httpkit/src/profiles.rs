//! `/debug/pprof`: what this process spends CPU and memory on, in the form that `go tool pprof` and its kin read.
//!
//! | Path | Tells |
//! |---|---|
//! | `profile?seconds=30` | CPU, sampled 100 times per second of CPU time |
//! | `heap`, `allocs` | memory by its owner: nobody counts single allocations here, so the "stacks" are names of parts |
//! | `goroutine`, `threadcreate` | threads by name |
//! | `block`, `mutex` | nothing, as in a Go program that was not told to look |
//! | `trace` | an empty execution trace: Go's scheduler is not here |
//! | `cmdline` | the command line |
//!
//! `?debug=1` gives text instead, but for `profile`.
//!
//! # Invariants
//! - One CPU profile at a time, of five minutes at most; it ends when its client goes away.
//! - While nobody takes a profile this costs nothing.
//! # Reading order: this file, `format`, `cpu` (the only unsafe part), `threads`.
//! # Source: the forms of `net/http/pprof`; promtool's `debug` commands fetch them.

mod cpu;
mod format;
mod threads;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Query;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use serde::Deserialize;

use cpu::Sampling;
use format::{Profile, Unit};

/// Longest CPU profile.
const SECONDS_MAX: u64 = 300;

/// A part of the program's memory: its names, outermost first, and its bytes.
pub type MemoryPart = (Vec<&'static str>, u64);

/// Tells who holds how much memory.
pub type MemoryParts = Arc<dyn Fn() -> Vec<MemoryPart> + Send + Sync>;

/// What may be asked of every profile.
#[derive(Debug, Default, Deserialize)]
struct Wish {
    /// Text instead of a profile, if not 0.
    #[serde(default)]
    debug: u8,
    /// Of a CPU profile.
    seconds: Option<u64>,
}

/// Returns the routes below `/debug/pprof`. `parts` tells what memory is used for; what they leave is shown as such.
pub fn router<S: Clone + Send + Sync + 'static>(parts: MemoryParts) -> Router<S> {
    let heap = move |Query(wish): Query<Wish>| {
        let parts = Arc::clone(&parts);
        async move { taken(move || threads::memory(&parts()), "heap", &wish).await }
    };
    let nothing = |kind: &'static str| {
        move |Query(wish): Query<Wish>| async move {
            taken(|| Profile::new(&[("contentions", Unit::Count), ("delay", Unit::Nanoseconds)]), kind, &wish)
                .await
        }
    };
    let by_name = |kind: &'static str| {
        move |Query(wish): Query<Wish>| async move { taken(move || threads::threads(kind), kind, &wish).await }
    };
    Router::new()
        // Relative, so that it holds under a route prefix too.
        .route("/debug/pprof", get(|| async { (StatusCode::FOUND, [(LOCATION, "pprof/")]) }))
        .route("/debug/pprof/", get(index))
        .route("/debug/pprof/cmdline", get(command_line))
        .route("/debug/pprof/profile", get(cpu_profile))
        .route("/debug/pprof/heap", get(heap.clone()))
        .route("/debug/pprof/allocs", get(heap))
        .route("/debug/pprof/goroutine", get(by_name("goroutine")))
        .route("/debug/pprof/threadcreate", get(by_name("threadcreate")))
        .route("/debug/pprof/block", get(nothing("block")))
        .route("/debug/pprof/mutex", get(nothing("mutex")))
        .route("/debug/pprof/trace", get(trace))
}

async fn index() -> Html<&'static str> {
    Html(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Profiles</title></head><body>\
         <h1>Profiles</h1><p>For <code>go tool pprof</code>, or as text with <code>?debug=1</code>.</p><ul>\
         <li><a href=\"profile\">profile</a>: CPU over 30 s, or <code>?seconds=</code> up to 300</li>\
         <li><a href=\"heap?debug=1\">heap</a>, allocs: memory by the part of the program that holds it</li>\
         <li><a href=\"goroutine?debug=1\">goroutine</a>, threadcreate: threads by name</li>\
         <li><a href=\"cmdline\">cmdline</a>: the command line</li>\
         <li>block, mutex, trace: empty, for tools that want them to be there</li></ul></body></html>",
    )
}

async fn command_line() -> Response {
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], arguments.join("\0")).into_response()
}

/// An execution trace in which nothing happens.
async fn trace() -> Response {
    attached("trace", b"go 1.22 trace\0\0\0".to_vec())
}

/// Makes a profile, off the threads of the network: it reads `/proc`.
async fn taken(make: impl FnOnce() -> Profile + Send + 'static, name: &'static str, wish: &Wish) -> Response {
    let is_text = wish.debug > 0;
    let made = tokio::task::spawn_blocking(move || {
        let profile = make();
        if is_text { profile.to_text().into_bytes() } else { profile.to_gzip() }
    });
    match made.await {
        Ok(text) if is_text => ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response(),
        Ok(bytes) => attached(name, bytes),
        Err(_) => failed("the profile could not be made: see the server's log"),
    }
}

async fn cpu_profile(Query(wish): Query<Wish>) -> Response {
    let seconds = wish.seconds.filter(|seconds| *seconds > 0).unwrap_or(30);
    if seconds > SECONDS_MAX {
        let message = format!("seconds={seconds}: a profile takes {SECONDS_MAX} s at most\n");
        return (StatusCode::BAD_REQUEST, message).into_response();
    }
    let mut sampling = match Sampling::start() {
        Ok(sampling) => sampling,
        Err(error) => return failed(&format!("Could not enable CPU profiling: {error}")),
    };
    let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
    // Samples are fetched while they come: there is room for those of some seconds.
    while tokio::time::Instant::now() < end {
        tokio::time::sleep_until(end.min(tokio::time::Instant::now() + cpu::FETCH_EVERY)).await;
        sampling.fetch();
    }
    // Finding names reads the program's file.
    match tokio::task::spawn_blocking(move || sampling.finish().to_gzip()).await {
        Ok(bytes) => attached("profile", bytes),
        Err(_) => failed("the profile could not be made: see the server's log"),
    }
}

fn attached(name: &str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_DISPOSITION, disposition)], bytes)
        .into_response()
}

fn failed(message: &str) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{message}\n")).into_response()
}

#[cfg(test)]
mod tests;
