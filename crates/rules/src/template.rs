//! Templates of labels and annotations, as rules know them.
//!
//! # Not here yet: the functions that ask the storage.

use wf_gotemplate::{Functions, TemplateSet, Value};

/// What every text begins with: variables that people write instead of fields.
const VARIABLES: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// Names of the functions that rules may call beside the language's own.
const FUNCTIONS: &[&str] = &[
    "query",
    "first",
    "label",
    "value",
    "strvalue",
    "sortByLabel",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "toTime",
    "toDuration",
    "now",
    "parseDuration",
    "title",
    "toUpper",
    "toLower",
    "stripPort",
    "stripDomain",
    "match",
    "reReplaceAll",
    "urlQueryEscape",
    "graphLink",
    "tableLink",
    "args",
    "safeHtml",
    "externalURL",
    "pathPrefix",
];

/// Knows the functions; nobody calls them while a text is only parsed.
struct Known;

impl Functions for Known {
    fn knows(&self, name: &str) -> bool {
        FUNCTIONS.contains(&name)
    }

    fn call(&self, name: &str, _: &[Value]) -> Result<Value, String> {
        Err(format!("{name} has no storage to ask"))
    }
}

/// Parses a text of the alert `name`, without executing it.
/// # Errors
/// What is wrong, in the words of the original.
pub fn check(name: &str, text: &str) -> Result<(), String> {
    let mut set = TemplateSet::default();
    let name = format!("__alert_{name}");
    set.add(&name, &format!("{VARIABLES}{text}"), &Known)
        .map_err(|error| format!("error parsing template {name}: {error}"))
}
