//! Which fields an action needs and which it refuses.

use std::sync::LazyLock;

use super::{Action, RuleError, RuleSpec};
use crate::labels::NameScheme;
use crate::regex::AnchoredRegex;

/// A legacy label name in which `$1` and `${name}` may stand.
static LEGACY_TEMPLATE: LazyLock<AnchoredRegex> = LazyLock::new(|| {
    AnchoredRegex::new(r"(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+").expect("a constant pattern, tested below")
});

/// Checks everything but the pattern.
pub(super) fn check(spec: &RuleSpec, scheme: NameScheme) -> Result<(), RuleError> {
    let action = spec.action;
    if action == Action::HashMod && spec.modulus == 0 {
        return Err(RuleError::NoModulus);
    }
    if needs_target(action) {
        check_target(spec, scheme)?;
    }
    if action == Action::LabelMap && !is_name_template(&spec.replacement, scheme) {
        return Err(RuleError::InvalidReplacement { name: spec.replacement.clone(), action });
    }
    if let Some(name) = spec.source_labels.iter().find(|name| !scheme.is_label_name(name)) {
        return Err(RuleError::InvalidSource(name.clone()));
    }
    check_surplus(spec)
}

fn needs_target(action: Action) -> bool {
    match action {
        Action::Replace
        | Action::HashMod
        | Action::Lowercase
        | Action::Uppercase
        | Action::KeepEqual
        | Action::DropEqual => true,
        Action::Keep | Action::Drop | Action::LabelMap | Action::LabelDrop | Action::LabelKeep => false,
    }
}

fn check_target(spec: &RuleSpec, scheme: NameScheme) -> Result<(), RuleError> {
    let (name, action) = (&spec.target_label, spec.action);
    if name.is_empty() {
        return Err(RuleError::NoTarget(action));
    }
    let is_valid = match action {
        Action::Replace => is_name_template(name, scheme),
        _ => scheme.is_label_name(name),
    };
    if is_valid { Ok(()) } else { Err(RuleError::InvalidTarget { name: name.clone(), action }) }
}

fn is_name_template(name: &str, scheme: NameScheme) -> bool {
    match scheme {
        NameScheme::Legacy if name.contains('$') => LEGACY_TEMPLATE.is_match(name),
        NameScheme::Utf8 | NameScheme::Legacy => scheme.is_label_name(name),
    }
}

/// A field counts as set when it differs from its default.
fn check_surplus(spec: &RuleSpec) -> Result<(), RuleError> {
    let default = RuleSpec::default();
    let has_replacement = spec.replacement != default.replacement;
    let has_regex = spec.regex != default.regex;
    let has_numbers = spec.modulus != default.modulus || spec.separator != default.separator;
    match spec.action {
        Action::Lowercase | Action::Uppercase | Action::KeepEqual | Action::DropEqual if has_replacement => {
            Err(RuleError::Replacement(spec.action))
        }
        Action::KeepEqual | Action::DropEqual if has_regex || has_numbers => {
            Err(RuleError::MoreThanLabels(spec.action))
        }
        Action::LabelDrop | Action::LabelKeep
            if has_replacement
                || has_numbers
                || !spec.source_labels.is_empty()
                || !spec.target_label.is_empty() =>
        {
            Err(RuleError::MoreThanRegex(spec.action))
        }
        _ => Ok(()),
    }
}
