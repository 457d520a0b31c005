//! Selectors and expressions out of parameters.

use wf_model::Matcher;
use wf_promql::ast::Expr;
use wf_promql::engine::Engine;
use wf_promql::parser::{ParseOptions, parse, parse_selector};

use super::error::ApiError;
use super::params::Params;

/// Reads one series selector of `match[]`.
pub(crate) fn selector(text: &str) -> Result<Vec<Matcher>, ApiError> {
    selector_of("match[]", text)
}

/// Reads the series selector of parameter `name`.
pub(crate) fn selector_of(name: &str, text: &str) -> Result<Vec<Matcher>, ApiError> {
    let empty = || ApiError::parameter(name, format!("{name} must contain at least one non-empty matcher"));
    let matchers = parse_selector(text).map_err(|error| {
        // The parser refuses such a selector in the words of an expression; the API has words of its own.
        let is_empty = error.message.contains("at least one non-empty matcher");
        if is_empty { empty() } else { ApiError::parameter(name, error) }
    })?;
    if matchers.iter().all(Matcher::matches_empty) { Err(empty()) } else { Ok(matchers) }
}

/// Returns the parts of the language that `engine` has switched on.
pub(crate) fn options(engine: &Engine) -> ParseOptions {
    let features = &engine.options().features;
    ParseOptions {
        experimental_functions: features.experimental_functions,
        extended_range_selectors: features.extended_range_selectors,
        binop_fill_modifiers: features.binop_fill_modifiers,
    }
}

/// Reads the parameter `query` under the features of `engine`.
pub(crate) fn expression(engine: &Engine, params: &Params) -> Result<Expr, ApiError> {
    let query = params.get("query").unwrap_or("");
    parse(query, &options(engine)).map_err(|error| ApiError::parameter("query", error))
}
