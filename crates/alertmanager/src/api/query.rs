//! Parameters of requests.

use wf_model::{AnchoredRegex, Labels, Matcher};

use super::Refusal;
use crate::matchers::{Mode, matches_all};

/// The parameters in the order they came.
#[derive(Clone, Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn of(query: Option<&str>) -> Self {
        Self(url::form_urlencoded::parse(query.unwrap_or("").as_bytes()).into_owned().collect())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn last(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns a boolean that is true unless it is told otherwise; a text that is none is false.
    pub(super) fn flag(&self, name: &str) -> bool {
        let Some(value) = self.last(name).filter(|value| !value.is_empty()) else { return true };
        let value = value.to_lowercase();
        ["true", "1", "t", "y", "yes", "ok", "on", "checked", "selected", "enabled"].contains(&value.as_str())
    }

    /// Returns the matchers of `filter`.
    pub(super) fn filter(&self, mode: Mode) -> Result<Vec<Matcher>, Refusal> {
        self.all("filter").map(|text| mode.parse_one(text).map_err(Refusal::bad)).collect()
    }

    /// Returns who asks to be shown only some receivers.
    pub(super) fn receivers(&self, mode: Mode) -> Result<ReceiverFilter, Refusal> {
        let name = match self.last("receiver").filter(|pattern| !pattern.is_empty()) {
            None => None,
            Some(pattern) => Some(AnchoredRegex::new(pattern).map_err(|_| {
                // The original shows the pattern with the anchors that it adds.
                let why = AnchoredRegex::new(&format!("^(?:{pattern})$"))
                    .map_or_else(|error| error.to_string(), |_| String::new());
                Refusal::bad(format!("failed to parse receiver param: {why}"))
            })?),
        };
        let mut matchers = Vec::new();
        for text in self.all("receiver_matchers") {
            let parsed = mode.parse_one(text);
            matchers
                .push(parsed.map_err(|why| {
                    Refusal::bad(format!("failed to parse receiver_matchers param: {why}"))
                })?);
        }
        Ok(ReceiverFilter { name, matchers })
    }
}

/// Which receivers are shown.
#[derive(Debug)]
pub(super) struct ReceiverFilter {
    name: Option<AnchoredRegex>,
    pub(super) matchers: Vec<Matcher>,
}

impl ReceiverFilter {
    /// Whether every receiver is shown.
    pub(super) fn keeps_all(&self) -> bool {
        self.name.is_none() && self.matchers.is_empty()
    }

    pub(super) fn keeps(
        &self,
        name: &str,
        labels: Option<&std::collections::BTreeMap<String, String>>,
    ) -> bool {
        let is_named = self.name.as_ref().is_none_or(|pattern| pattern.is_match(name));
        if !is_named || self.matchers.is_empty() {
            return is_named;
        }
        let labels = labels.map(Labels::from_pairs).unwrap_or_default();
        matches_all(&self.matchers, &labels)
    }
}
