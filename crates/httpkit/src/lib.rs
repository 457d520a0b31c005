//! What every server and client here shares: self-metrics, HTTP client options, listeners, serving and shutdown.
//!
//! A component builds its numbers from a [`metrics::Registry`], talks to others through [`client::HttpClient`] and
//! hands an axum `Router` to [`server::serve`], which adds what every server needs: limits, timeouts, compression,
//! protection against hostile web pages, request metrics, isolation of panics and graceful shutdown.
//!
//! # Reading order
//! `metrics`, `process` (numbers about ourselves), `profiles`, `secret`, `client`, `server`, `assets` (the embedded web UI),
//! `component` (how long-running parts look and stop).
//! # Not here
//! OAuth2 and proxies of clients.
#![warn(missing_docs)]

pub mod assets;
pub mod client;
pub mod component;
pub mod metrics;
pub mod process;
pub mod profiles;
pub mod secret;
pub mod server;

pub use client::{ClientError, ClientOptions, HttpClient};
pub use metrics::Registry;
pub use secret::Secret;
pub use server::{Listener, ServerOptions, serve};
