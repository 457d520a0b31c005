//! What end-to-end tests share: start the real binary on free ports, speak HTTP with it, expose targets to it, and
//! end every process that was started, by its id.

pub mod answers;
pub mod dice;
pub mod history;
pub mod http;
pub mod meter;
pub mod process;
pub mod queries;
pub mod regexes;
pub mod remote_write;
pub mod skip;
pub mod target;

/// Reports a figure: the suite lists these lines last, and `cargo xtask show` reads them.
pub fn figure(name: &str, value: impl std::fmt::Display) {
    skip::print_line(&format!("FIGURE: {name}: {value}"));
}
