//! The Prometheus server: storage, scraping, engine and HTTP API wired together.
//!
//! [`Server`] is a component: [`Config`] in, [`Server::router`] for a listener, [`Server::run`] until the token is
//! cancelled. Handlers share one [`state`]; queries run on threads that may block, as many as there are slots, and
//! their answers are written straight from columns.
//!
//! ```text
//! request → cors → ready? → handler → parameters → slot → engine on a blocking thread → JSON as it is taken
//! ```
//! # Invariants
//! - Nothing that needs storage is answered before the data directory is read: 503 until then.
//! - A configuration is taken over as a whole or not at all.
//! - A client that goes away ends its query at the engine's next check.
//! # Reading order: `server`, `router`, `state`, `api_v1`, `json`, then the rest.
//! # Not here: listeners, request metrics, compression, protection against web pages (`wf-httpkit`).

mod active_queries;
mod api_v1;
mod auto_reload;
#[doc(hidden)]
pub mod bench;
mod chores;
mod consoles;
pub mod control;
mod cors;
mod discovery;
mod federate;
mod json;
mod lifecycle;
mod methods;
mod metrics;
mod notifications;
mod pressure;
mod pulled;
pub mod query_json;
mod query_log;
mod query_pool;
mod range_results;
mod router;
pub mod rules;
mod scraping;
pub mod server;
pub mod state;
mod storage;

pub use auto_reload::auto_reload;
pub use control::ControlHandle;
pub use discovery::{DiscoveredOnce, discover_once};
pub use pressure::MemoryPressure;
pub use rules::RuleOptions;
pub use server::{Config, ConfigSource, Server, ServerError, Ui};
pub use state::{Clock, Facts, Phase};

/// The version clients see: what they may ask of a Prometheus of this version, they may ask of us.
pub const PROMETHEUS_VERSION: &str = "3.14.0";

/// Ends of paths that only read although they are posted to: pages of other origins may ask them.
pub const READ_ONLY_POSTS: [&str; 12] = [
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/query_exemplars",
    "/api/v1/format_query",
    "/api/v1/parse_query",
    "/api/v1/query_lint",
    "/api/v1/query_explain",
    "/api/v1/series",
    "/api/v1/labels",
    "/api/v1/search/metric_names",
    "/api/v1/search/label_names",
    "/api/v1/search/label_values",
];
pub use wf_scrape::{ExplainedTarget, ScrapeFeatures, StartTimes};
