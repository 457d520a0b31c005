//! Why a scrape failed. The text is what users read as a target's `lastError`.

use wf_exposition::ParseError;
use wf_exposition::protobuf::ProtobufError;
use wf_series::AppendError;

/// Why a scrape failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ScrapeError {
    /// The target was not reached, or the connection broke before the answer's head.
    #[error("Get \"{url}\": {message}")]
    Request {
        /// Address of the page.
        url: String,
        /// The causes, joined.
        message: String,
    },
    /// The scrape took longer than its timeout.
    #[error("Get \"{url}\": context deadline exceeded: no complete answer within the scrape timeout")]
    Timeout {
        /// Address of the page.
        url: String,
    },
    /// Any status but 200.
    #[error("server returned HTTP status {0}")]
    Status(http::StatusCode),
    /// The page broke off.
    #[error("read body: {0}")]
    Body(String),
    /// The page is longer than allowed.
    #[error(
        "body size limit exceeded: the uncompressed page reaches {limit_bytes} bytes; raise body_size_limit or expose less"
    )]
    BodyTooLarge {
        /// The bound.
        limit_bytes: u64,
    },
    /// The page is not the gzip stream that it says it is.
    #[error("gzip: {0}")]
    Gzip(String),
    /// The page is not the zstd stream that it says it is.
    #[error("zstd: {0}")]
    Zstd(String),
    /// An encoding that was not asked for.
    #[error("unsupported Content-Encoding {0:?}: gzip and zstd are read")]
    Encoding(String),
    /// No known format.
    #[error(
        "received unsupported Content-Type {content_type:?} and no fallback_scrape_protocol specified for target"
    )]
    ContentType {
        /// As received; empty if absent.
        content_type: String,
    },
    /// The page leaves its grammar.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// A series of the page cannot be accepted.
    #[error("{place}: {problem}")]
    Series {
        /// Line, counted from 1, or metric family.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A protobuf page leaves its grammar.
    #[error("{0}")]
    Protobuf(#[from] ProtobufError),
    /// A native histogram has more buckets than allowed, in the lowest resolution too.
    #[error("histogram bucket limit exceeded (buckets: {n_buckets}, native_histogram_bucket_limit: {limit})")]
    BucketLimit {
        /// Buckets in the lowest resolution.
        n_buckets: usize,
        /// The bound.
        limit: usize,
    },
    /// More samples than allowed.
    #[error("sample limit exceeded (samples: {n_samples}, limit: {limit})")]
    SampleLimit {
        /// Samples on the page.
        n_samples: usize,
        /// The bound.
        limit: usize,
    },
    /// The job has more targets than allowed; none of them is scraped.
    #[error("target_limit exceeded (number of targets: {n_targets}, limit: {limit})")]
    TargetLimit {
        /// Targets of the job.
        n_targets: usize,
        /// The bound.
        limit: u64,
    },
    /// Storage took nothing.
    #[error("append samples: {0}")]
    Append(#[from] AppendError),
    /// A sample is older than late ones may be.
    #[error(
        "too old sample: the page tells a time before the window for late samples: widen out_of_order_time_window or set honor_timestamps to false"
    )]
    TooOld,
    /// A bug of ours.
    #[error("internal error: the scrape ended in a panic")]
    Panic,
}
