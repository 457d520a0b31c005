//! Conditions of a selector: simpler ones, and those that select nothing, everything or more than they seem to.

use wf_model::{METRIC_NAME, MatchOp, Matcher};

use super::Report;
use crate::ast::{DurationSpec, Pos, VectorSelector};

pub(super) fn selector(selector: &VectorSelector, pos: Pos, report: &mut Report<'_>) {
    for (idx, matcher) in selector.matchers.iter().enumerate() {
        let others =
            || selector.matchers.iter().enumerate().filter(move |(other, _)| *other != idx).map(|(_, m)| m);
        let same_label = || others().filter(|other| other.name() == matcher.name());
        regex(matcher, pos, report);
        if matcher.op() == MatchOp::Equal {
            equality(matcher, same_label(), pos, report);
        }
        if selector.matchers.iter().take(idx).any(|earlier| earlier == matcher) {
            report.info("repeated-matcher", pos, format!("{matcher} stands there twice"), "write it once");
        }
        let is_negative = matches!(matcher.op(), MatchOp::NotEqual | MatchOp::NotRegex);
        let demands_presence = |other: &Matcher| !other.matches_empty();
        if is_negative && matcher.matches_empty() && !same_label().any(demands_presence) {
            let message = format!("{matcher} also selects series that have no label {:?}", matcher.name());
            let suggestion = format!("add {}!=\"\" if these are not meant", matcher.name());
            report.info("negative-selects-absent", pos, message, &suggestion);
        }
    }
    everything(selector, pos, report);
    if let DurationSpec::Fixed(ms) = selector.offset
        && ms < 0
    {
        let message =
            "a negative offset looks into the future: at the newest steps there is nothing yet".to_owned();
        report.info("negative-offset", pos, message, "shift the other side back instead");
    }
}

fn regex(matcher: &Matcher, pos: Pos, report: &mut Report<'_>) {
    let (is_positive, equality) = match matcher.op() {
        MatchOp::Regex => (true, "="),
        MatchOp::NotRegex => (false, "!="),
        MatchOp::Equal | MatchOp::NotEqual => return,
    };
    let (name, value) = (matcher.name(), matcher.value());
    if value == ".*" {
        let message = format!(
            "{matcher} {}",
            if is_positive { "is true of every series" } else { "is true of no series" }
        );
        if is_positive {
            return report.info(
                "matches-everything",
                pos,
                message,
                "leave it out, or write .+ to demand the label",
            );
        }
        return report.warn(
            "selects-nothing",
            pos,
            message,
            "leave it out, or write .+ to demand that the label is absent",
        );
    }
    if value == ".+" && !is_positive {
        return report.info(
            "regex-is-equality",
            pos,
            format!("{matcher} means {name}=\"\""),
            &format!("write {name}=\"\""),
        );
    }
    let inner = value.strip_prefix('^').unwrap_or(value);
    let inner = inner.strip_suffix('$').filter(|rest| !rest.ends_with('\\')).unwrap_or(inner);
    if is_literal(inner) {
        let plain = Matcher::new(if is_positive { MatchOp::Equal } else { MatchOp::NotEqual }, name, inner);
        let text = plain.map_or_else(|_| format!("{name}{equality}\"…\""), |plain| plain.to_string());
        let message = format!("{matcher} has nothing of a regular expression");
        return report.info("regex-is-equality", pos, message, &format!("write {text}"));
    }
    if inner.len() != value.len() {
        let message = format!("{matcher}: expressions are anchored at both ends anyway");
        report.info("regex-is-anchored", pos, message, "leave out ^ and $");
    }
}

fn is_literal(pattern: &str) -> bool {
    !pattern.chars().any(|ch| "\\.+*?()|[]{}^$".contains(ch))
}

/// `a="x"` beside other conditions on `a`: they contradict it, or say nothing new.
fn equality<'a>(
    matcher: &Matcher,
    others: impl Iterator<Item = &'a Matcher>,
    pos: Pos,
    report: &mut Report<'_>,
) {
    for other in others {
        if !other.matches(matcher.value()) {
            let message = format!("{matcher} and {other} are never both true");
            report.warn("selects-nothing", pos, message, "keep one of them");
        } else if other.op() != MatchOp::Equal {
            let message = format!("{other} says nothing that {matcher} does not say");
            report.info("repeated-matcher", pos, message, "leave it out");
        }
    }
}

fn everything(selector: &VectorSelector, pos: Pos, report: &mut Report<'_>) {
    let selects = |matcher: &&Matcher| !matcher.matches_empty();
    let is_any_name = |matcher: &Matcher| {
        matcher.name() == METRIC_NAME
            && match matcher.op() {
                MatchOp::Regex => matches!(matcher.value(), ".+" | ".*"),
                MatchOp::NotEqual => matcher.value().is_empty(),
                MatchOp::Equal | MatchOp::NotRegex => false,
            }
    };
    let mut selective = selector.matchers.iter().filter(selects);
    if selector.name.is_none() && selector.matchers.iter().any(is_any_name) && selective.all(is_any_name) {
        let message = "this selects every series of the server".to_owned();
        report.warn("selects-everything", pos, message, "name a metric or a label");
    }
}
