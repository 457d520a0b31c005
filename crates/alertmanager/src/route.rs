//! The routing tree: which routes an alert takes, and how each groups.
//!
//! Children that ask for one value of a label are found by that value, so that a tree of hundreds of teams costs a
//! lookup, not hundreds of comparisons.
//! Source: `spec/alertmanager-pushgateway.md` §A3.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use wf_model::{Labels, MatchOp, Matcher};

use crate::config::{AlertmanagerConfig, Route as RouteFile};
use crate::labels::group_text;
use crate::matchers::{Mode, matches_all, set_text, sort};

/// A node with everything inherited filled in.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) receiver: String,
    pub(crate) matchers: Vec<Matcher>,
    /// Names of labels; none for all labels.
    group_by: Option<BTreeSet<String>>,
    pub(crate) group_wait: Duration,
    pub(crate) group_interval: Duration,
    pub(crate) repeat_interval: Duration,
    continues: bool,
    pub(crate) mute_intervals: Vec<String>,
    pub(crate) active_intervals: Vec<String>,
    /// Templates of route labels, those of ancestors among them.
    pub(crate) labels: BTreeMap<String, String>,
    /// Matchers from the root to here.
    key: String,
    /// As `key`, with the positions among siblings.
    pub(crate) id: String,
    children: Vec<usize>,
    switch: Option<Switch>,
    /// The receiver as the API shows it.
    pub(crate) receiver_json: Box<str>,
}

/// Children by the value that they ask of one label.
#[derive(Clone, Debug)]
struct Switch {
    label: String,
    /// Positions among the children, ascending.
    by_value: HashMap<String, Vec<usize>>,
    others: Vec<usize>,
}

/// The tree; node 0 is the root.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    pub(crate) nodes: Vec<Route>,
}

impl Route {
    /// Returns the labels by which `labels` are grouped here.
    pub(crate) fn group_labels(&self, labels: &Labels) -> Labels {
        match &self.group_by {
            None => labels.clone(),
            Some(names) => labels.without(|name| !names.contains(name)),
        }
    }

    /// Returns the key of a group of this route.
    pub(crate) fn group_key(&self, group_labels: &Labels) -> String {
        format!("{}:{}", self.key, group_text(group_labels))
    }
}

impl Route {
    /// Returns the positions of the children among all nodes.
    pub(crate) fn children(&self) -> &[usize] {
        &self.children
    }

    /// Whether siblings behind this one are looked at as well.
    pub(crate) fn continues(&self) -> bool {
        self.continues
    }
}

impl Routes {
    /// Compiles the tree of a checked configuration.
    /// # Errors
    /// When a matcher cannot be compiled, which the configuration's checks exclude.
    pub(crate) fn compile(config: &AlertmanagerConfig) -> Result<Self, String> {
        let Some(root) = &config.file.route else { return Err("no route provided in config".to_owned()) };
        let mut routes = Self { nodes: Vec::new() };
        routes.add(root, None, 0, config.mode)?;
        Ok(routes)
    }

    fn add(
        &mut self,
        file: &RouteFile,
        parent: Option<usize>,
        position: usize,
        mode: Mode,
    ) -> Result<usize, String> {
        let node = node(file, parent.and_then(|parent| self.nodes.get(parent)), position, mode)?;
        let idx = self.nodes.len();
        self.nodes.push(node);
        let mut children = Vec::with_capacity(file.routes.len());
        for (position, child) in file.routes.iter().enumerate() {
            children.push(self.add(child, Some(idx), position, mode)?);
        }
        let switch = self.switch_of(&children);
        if let Some(node) = self.nodes.get_mut(idx) {
            (node.children, node.switch) = (children, switch);
        }
        Ok(idx)
    }

    /// Chooses the label that most children ask a value of.
    fn switch_of(&self, children: &[usize]) -> Option<Switch> {
        let wanted = |child: &usize| {
            let matchers = self.nodes.get(*child).map_or(&[][..], |node| &node.matchers);
            matchers.iter().filter_map(|matcher| Some((matcher.name(), values_of(matcher)?)))
        };
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, _) in children.iter().flat_map(wanted) {
            *counts.entry(name).or_default() += 1;
        }
        let (label, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        if count < 4 {
            return None;
        }
        let mut switch = Switch { label: label.to_owned(), by_value: HashMap::new(), others: Vec::new() };
        for (position, child) in children.iter().enumerate() {
            match wanted(child).find(|(name, _)| *name == label) {
                Some((_, values)) => values.into_iter().for_each(|value| {
                    let positions = switch.by_value.entry(value.to_owned()).or_default();
                    // A value may be written twice.
                    if positions.last() != Some(&position) {
                        positions.push(position);
                    }
                }),
                None => switch.others.push(position),
            }
        }
        Some(switch)
    }

    /// Returns the routes that an alert with these labels takes, in order.
    pub(crate) fn matching(&self, labels: &Labels) -> Vec<usize> {
        let mut found = Vec::new();
        self.visit(0, labels, &mut found);
        found
    }

    fn visit(&self, idx: usize, labels: &Labels, found: &mut Vec<usize>) -> bool {
        let Some(node) = self.nodes.get(idx).filter(|node| matches_all(&node.matchers, labels)) else {
            return false;
        };
        let n_before = found.len();
        for position in node.candidates(labels) {
            let Some(child) = node.children.get(position) else { continue };
            let is_match = self.visit(*child, labels, found);
            if is_match && !self.nodes.get(*child).is_some_and(|child| child.continues) {
                break;
            }
        }
        if found.len() == n_before {
            found.push(idx);
        }
        true
    }
}

impl Route {
    /// Returns the positions of children that may match, in order.
    fn candidates(&self, labels: &Labels) -> Candidates<'_> {
        let Some(switch) = &self.switch else {
            return Candidates { all: 0..self.children.len(), chosen: &[], others: &[] };
        };
        let value = labels.get(&switch.label).unwrap_or("");
        let chosen = switch.by_value.get(value).map_or(&[][..], Vec::as_slice);
        Candidates { all: 0..0, chosen, others: &switch.others }
    }
}

/// All positions, or two ascending lists as one.
struct Candidates<'a> {
    all: std::ops::Range<usize>,
    chosen: &'a [usize],
    others: &'a [usize],
}

impl Iterator for Candidates<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let list = match (self.chosen.first(), self.others.first()) {
            (None, None) => return self.all.next(),
            (Some(chosen), Some(other)) if chosen > other => &mut self.others,
            (None, Some(_)) => &mut self.others,
            (Some(_), _) => &mut self.chosen,
        };
        let (first, rest) = list.split_first()?;
        *list = rest;
        Some(*first)
    }
}

/// Returns the only values of a label that a matcher lets through, the empty one not among them.
pub(crate) fn values_of(matcher: &Matcher) -> Option<Vec<&str>> {
    let values: Vec<&str> = match matcher.op() {
        MatchOp::Equal => vec![matcher.value()],
        MatchOp::Regex => matcher.regex()?.set_matches()?.iter().map(String::as_str).collect(),
        MatchOp::NotEqual | MatchOp::NotRegex => return None,
    };
    (!values.is_empty() && !values.contains(&"")).then_some(values)
}

fn node(file: &RouteFile, parent: Option<&Route>, position: usize, mode: Mode) -> Result<Route, String> {
    let matchers = pooled(&file.match_equal, &file.match_re, &file.matchers, mode)?;
    let own = set_text(&matchers);
    let (key, id) = match parent {
        Some(parent) => (format!("{}/{own}", parent.key), format!("{}/{own}/{position}", parent.id)),
        None => (own.clone(), own),
    };
    let mut labels = parent.map(|parent| parent.labels.clone()).unwrap_or_default();
    labels.extend(file.labels.clone());
    let receiver = match (file.receiver.is_empty(), parent) {
        (true, Some(parent)) => parent.receiver.clone(),
        _ => file.receiver.clone(),
    };
    let group_by = match (&file.group_by, parent) {
        (Some(names), _) if names.iter().any(|name| name == "...") => None,
        (Some(names), _) => Some(names.iter().cloned().collect()),
        (None, Some(parent)) => parent.group_by.clone(),
        (None, None) => Some(BTreeSet::new()),
    };
    let time = |own: Option<crate::config::section::Millis>, inherited: Option<Duration>, default_s: u64| {
        own.map(|own| own.0).or(inherited).unwrap_or(Duration::from_secs(default_s))
    };
    let mut receiver_json = "{\"name\":".to_owned();
    crate::json::write_string(&mut receiver_json, &receiver);
    receiver_json.push('}');
    Ok(Route {
        receiver_json: receiver_json.into(),
        receiver,
        matchers,
        group_by,
        group_wait: time(file.group_wait, parent.map(|parent| parent.group_wait), 30),
        group_interval: time(file.group_interval, parent.map(|parent| parent.group_interval), 300),
        repeat_interval: time(file.repeat_interval, parent.map(|parent| parent.repeat_interval), 4 * 3600),
        continues: file.continues,
        mute_intervals: file.mute_time_intervals.clone(),
        active_intervals: file.active_time_intervals.clone(),
        labels,
        key,
        id,
        children: Vec::new(),
        switch: None,
    })
}

/// Returns the matchers of all three ways to write them, sorted. A `match_re` value is anchored visibly: it is part of
/// group keys.
pub(crate) fn pooled(
    equal: &BTreeMap<String, String>,
    regexes: &BTreeMap<String, crate::config::section::Regex>,
    texts: &[String],
    mode: Mode,
) -> Result<Vec<Matcher>, String> {
    let mut matchers: Vec<Matcher> = equal.iter().map(|(name, value)| Matcher::equal(name, value)).collect();
    for (name, regex) in regexes {
        let anchored = format!("^(?:{})$", regex.0);
        matchers.push(Matcher::new(MatchOp::Regex, name, &anchored).map_err(|error| error.to_string())?);
    }
    for text in texts {
        matchers.extend(mode.parse(text)?);
    }
    sort(&mut matchers);
    Ok(matchers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(text: &str) -> Routes {
        let text = format!("{text}\nreceivers: [{{name: a}}, {{name: b}}, {{name: c}}]\n");
        let config = AlertmanagerConfig::load(&text, std::path::Path::new("x.yml"), Mode::Fallback).unwrap();
        Routes::compile(&config).unwrap()
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    const TREE: &str = "
route:
  receiver: a
  group_by: [alertname]
  routes:
  - matchers: ['team=~\"x|y\"', 'a!=b']
    receiver: b
    continue: true
    group_by: ['...']
    routes:
    - match: {severity: page}
      match_re: {team: x}
      group_by: []
      group_wait: 1s
  - match: {team: x}
    receiver: c
";

    #[test]
    fn the_deepest_matching_routes_win() {
        let routes = routes(TREE);
        let keys = |pairs: &[(&str, &str)]| -> Vec<String> {
            let labels = labels(pairs);
            let found = routes.matching(&labels);
            found
                .iter()
                .map(|idx| routes.nodes[*idx].group_key(&routes.nodes[*idx].group_labels(&labels)))
                .collect()
        };
        assert_eq!(keys(&[("alertname", "n"), ("z", "1")]), ["{}:{alertname=\"n\"}"]);
        assert_eq!(
            keys(&[("alertname", "n"), ("team", "x")]),
            [
                "{}/{a!=\"b\",team=~\"x|y\"}:{alertname=\"n\", team=\"x\"}",
                "{}/{team=\"x\"}:{alertname=\"n\"}"
            ]
        );
        assert_eq!(
            keys(&[("severity", "page"), ("team", "x")]),
            ["{}/{a!=\"b\",team=~\"x|y\"}/{severity=\"page\",team=~\"^(?:x)$\"}:{}", "{}/{team=\"x\"}:{}"]
        );
    }

    #[test]
    fn settings_are_inherited() {
        let routes = routes(TREE);
        let deep = &routes.nodes[2];
        assert_eq!(
            (deep.receiver.as_str(), deep.group_wait.as_secs(), deep.group_interval.as_secs()),
            ("b", 1, 300)
        );
        assert_eq!(deep.id, "{}/{a!=\"b\",team=~\"x|y\"}/0/{severity=\"page\",team=~\"^(?:x)$\"}/0");
    }

    #[test]
    fn many_teams_are_found_by_value_and_order_is_kept() {
        let mut text = "route:\n  receiver: a\n  routes:\n".to_owned();
        for team in 0..20 {
            text.push_str(&format!("  - matchers: ['team=\"{team}\"']\n    receiver: b\n"));
            if team == 7 {
                text.push_str("  - matchers: ['severity=\"page\"']\n    receiver: c\n    continue: true\n");
            }
        }
        text.push_str("  - matchers: ['team=~\"7|x|y\"']\n    receiver: c\n");
        let routes = routes(&text);
        assert!(routes.nodes[0].switch.is_some());
        let found = |pairs: &[(&str, &str)]| -> Vec<String> {
            routes.matching(&labels(pairs)).iter().map(|idx| routes.nodes[*idx].key.clone()).collect()
        };
        assert_eq!(found(&[("team", "3"), ("severity", "page")]), ["{}/{team=\"3\"}"]);
        assert_eq!(
            found(&[("team", "9"), ("severity", "page")]),
            ["{}/{severity=\"page\"}", "{}/{team=\"9\"}"]
        );
        assert_eq!(found(&[("team", "none")]), ["{}"]);
        assert_eq!(found(&[("team", "y")]), ["{}/{team=~\"7|x|y\"}"]);
        assert_eq!(found(&[("team", "7")]), ["{}/{team=\"7\"}"]);
    }
}
