//! Labels and environment of containers as labels of their metrics.
//!
//! # Source
//! `spec/exporters-linux.md` B1, B2: cAdvisor's `container_label_<k>` and `container_env_<k>`.

use std::collections::BTreeMap;

use wf_exposition::LabelPair;

/// Labels that one container may add; no real one has so many.
const PAIRS_MAX: usize = 200;

/// Which labels and variables of containers are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Labels of the runtime.
    pub labels: ShownLabels,
    /// Variables whose names begin with one of these.
    pub environment: Vec<String>,
}

/// Which labels of the runtime are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ShownLabels {
    /// None but those that name pod, namespace and container.
    #[default]
    None,
    /// These.
    Named(Vec<String>),
    /// All.
    All,
}

impl Shown {
    /// Returns whether variables have to be asked for: runtimes tell them one container at a time.
    pub(crate) fn wants_environment(&self) -> bool {
        !self.environment.is_empty()
    }

    /// Makes labels of what a runtime told, variables as `NAME=value`. Of names that become the same the first is kept.
    pub(crate) fn pairs<'a>(
        &self,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        environment: impl IntoIterator<Item = &'a str>,
    ) -> Vec<LabelPair> {
        let is_shown = |name: &str| match &self.labels {
            ShownLabels::None => false,
            ShownLabels::Named(names) => names.iter().any(|wanted| wanted == name),
            ShownLabels::All => true,
        };
        let labels = labels.into_iter().filter(|(name, _)| is_shown(name));
        let labels = labels.map(|(name, value)| (label_name("container_label_", name), value));
        let is_wanted = |name: &str| self.environment.iter().any(|prefix| name.starts_with(prefix.as_str()));
        let variables = environment.into_iter().filter_map(|variable| variable.split_once('='));
        let variables = variables.filter(|(name, _)| is_wanted(name));
        let variables =
            variables.map(|(name, value)| (label_name("container_env_", &name.to_lowercase()), value));
        let mut pairs = BTreeMap::new();
        for (name, value) in labels.chain(variables).take(PAIRS_MAX) {
            pairs.entry(name).or_insert_with(|| value.to_owned());
        }
        pairs.into_iter().map(|(name, value)| (name.into(), value)).collect()
    }
}

fn label_name(prefix: &str, name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    prefix.chars().chain(name.chars().map(allowed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [(&str, &str); 3] = [("com.shop/team", "web"), ("com.shop_team", "other"), ("tier", "1")];
    const ENVIRONMENT: [&str; 4] = ["HTTP_PORT=80", "HTTP_HOST=a=b", "PATH=/bin", "nonsense"];

    fn shown(labels: ShownLabels, environment: &[&str]) -> Vec<(String, String)> {
        let environment = environment.iter().map(|prefix| (*prefix).to_owned()).collect();
        let pairs = Shown { labels, environment }.pairs(LABELS, ENVIRONMENT);
        pairs.into_iter().map(|(name, value)| (name.into_owned(), value)).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn names_that_become_the_same_are_shown_once() {
        let want = [pair("container_label_com_shop_team", "web"), pair("container_label_tier", "1")];
        assert_eq!(shown(ShownLabels::All, &[]), want);
        assert_eq!(shown(ShownLabels::Named(vec!["tier".to_owned()]), &[]), want[1..]);
        assert_eq!(shown(ShownLabels::None, &[]), []);
    }

    #[test]
    fn variables_are_chosen_by_how_they_begin() {
        let want = [pair("container_env_http_host", "a=b"), pair("container_env_http_port", "80")];
        assert_eq!(shown(ShownLabels::None, &["HTTP_"]), want);
        assert_eq!(shown(ShownLabels::None, &["HTTP_PORT", "X"]), want[1..]);
    }
}
