//! The HTTP API over a real data directory, asked in process.

mod admin;
mod api;
mod lifecycle;
mod long_answers;
mod openapi;
mod query_log;
mod range_cache;
mod site;
mod storage;
