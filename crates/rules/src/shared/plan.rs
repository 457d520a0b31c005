//! Which windows of a group are read together: those over the same series that end at the same time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use wf_model::{Matcher, TimeRange};
use wf_promql::ast::{Expr, ExprKind, RangeMode, VectorSelector};

use crate::file::Rule;

/// See the module. Times are relative to that of the queries.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedPlan {
    /// By what is selected: windows that two selectors or more look at.
    windows: HashMap<String, Vec<TimeRange>>,
    /// What instant selectors select: their newest sample is found without decoding, so their window stays as it is.
    instants: HashSet<String>,
    lookback_ms: i64,
}

impl SharedPlan {
    /// Finds what `rules` share, when instant selectors look back by `lookback_ms`.
    pub(crate) fn new(rules: &[Rule], lookback_ms: i64) -> Self {
        let (mut found, mut instants) = (Vec::new(), HashSet::new());
        rules.iter().for_each(|rule| collect(&rule.expr, &mut found, &mut instants));
        let mut together: BTreeMap<(String, i64), (i64, usize)> = BTreeMap::new();
        for (text, range) in found {
            let (start_ms, n) = together.entry((text, range.end_ms)).or_insert((range.start_ms, 0));
            *start_ms = range.start_ms.min(*start_ms);
            *n += 1;
        }
        let mut windows: HashMap<String, Vec<TimeRange>> = HashMap::new();
        for ((text, end_ms), (start_ms, n)) in together {
            if n > 1 {
                windows.entry(text).or_default().push(TimeRange { start_ms, end_ms });
            }
        }
        Self { windows, instants, lookback_ms }
    }

    /// Returns the window to read for a request: `None` when it is nobody else's.
    pub(crate) fn window_around(&self, text: &str, range: TimeRange) -> Option<TimeRange> {
        let n_ms = range.end_ms.saturating_sub(range.start_ms).saturating_add(1);
        let is_instant = n_ms == self.lookback_ms && self.instants.contains(text);
        let around = |wide: &&TimeRange| {
            let is_same = **wide == range;
            wide.end_ms == range.end_ms && wide.start_ms <= range.start_ms && (is_same || !is_instant)
        };
        self.windows.get(text)?.iter().find(around).copied()
    }
}

/// Collects what range selectors look at. Those that are pinned to a time or inside a subquery look elsewhere.
fn collect(expr: &Expr, found: &mut Vec<(String, TimeRange)>, instants: &mut HashSet<String>) {
    match &expr.kind {
        ExprKind::Range(range) => {
            let window = range.range.fixed_ms().zip(plain_offset(&range.selector));
            found.extend(window.map(|(range_ms, offset_ms)| {
                let end_ms = offset_ms.saturating_neg();
                let start_ms = end_ms.saturating_sub(range_ms).saturating_add(1);
                (text_of(&range.selector.matchers), TimeRange { start_ms, end_ms })
            }));
        }
        ExprKind::Selector(selector) => {
            instants.insert(text_of(&selector.matchers));
        }
        ExprKind::Subquery(_) => {}
        _ => expr.children().into_iter().for_each(|child| collect(child, found, instants)),
    }
}

fn plain_offset(selector: &VectorSelector) -> Option<i64> {
    let is_plain = selector.at.is_none() && selector.mode == RangeMode::Plain;
    selector.offset.fixed_ms().filter(|_| is_plain)
}

/// Writes conditions so that different ones have different texts.
pub(super) fn text_of(matchers: &[Matcher]) -> String {
    let mut text = String::new();
    for matcher in matchers {
        // Lengths keep values that look like conditions apart; writing to a string cannot fail.
        let (name, value) = (matcher.name(), matcher.value());
        let _ = write!(text, "{}{name}{}{}{value}", name.len(), matcher.op().as_str(), value.len());
    }
    text
}

/// Moves both ends of a window.
pub(super) fn shifted(range: TimeRange, by_ms: i64) -> TimeRange {
    TimeRange { start_ms: range.start_ms.saturating_add(by_ms), end_ms: range.end_ms.saturating_add(by_ms) }
}
