//! Properties of the whole language, over generated queries: printing, steps, chunks, limits.

#[path = "properties/chunks.rs"]
mod chunks;
#[path = "properties/data.rs"]
mod data;
#[path = "properties/limits.rs"]
mod limits;
#[path = "properties/printing.rs"]
mod printing;
#[path = "properties/sameness.rs"]
mod sameness;
#[path = "properties/steps.rs"]
mod steps;

/// How many cases: more when somebody has time.
fn n_of(usual: usize) -> usize {
    if std::env::var_os("WF_SOAK").is_some() { usual * 20 } else { usual }
}

/// The seed, which failures tell.
fn seed() -> u64 {
    std::env::var("WF_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(42)
}
