//! Generated RE2 patterns, most of them valid, and the subjects they are tried on.

use crate::dice::Dice;

/// What patterns are matched against: short, many alike, some that only Unicode rules tell apart.
pub const SUBJECTS: [&str; 32] = [
    "a", "b", "ab", "aB", "abc", "aab", "abab", "aaaa", "bca", "c-1", "x1", "x12", "12", "007", "a.b", "a b",
    "A", "Ab", "é", "aé", "É", "온도", "온b", "ß", "ſ", "K", "k", "_a", "a-b|c", "a\nb", "(a)", "$1",
];

/// Replacements of `label_replace`.
pub const REPLACEMENTS: [&str; 8] = ["$1", "$1-$2", "${1}x", "$0", "<$n>", "[${n}]$3", "$$1", "c$1x"];

/// Makes a pattern.
pub fn pattern(dice: &mut Dice) -> String {
    let mut text = String::new();
    if dice.chance(12) {
        text.push_str(dice.pick(&["(?i)", "(?s)", "(?-s)", "(?m)", "(?U)", "(?im)"]));
    }
    alternation(dice, 3, &mut text);
    if dice.chance(4) {
        text.push_str(
            dice.pick(&["(", ")", "[", "**", "\\", "{2", "(?<", "a{1001}", "(?=a)", "\\1", "[b-a]"]),
        );
    }
    text
}

fn alternation(dice: &mut Dice, depth: u32, text: &mut String) {
    let n_branches = if dice.chance(35) { 2 + dice.below(3) } else { 1 };
    for branch in 0..n_branches {
        if branch > 0 {
            text.push('|');
        }
        for _ in 0..dice.below(4) {
            repeated(dice, depth, text);
        }
    }
}

fn repeated(dice: &mut Dice, depth: u32, text: &mut String) {
    atom(dice, depth, text);
    if dice.chance(35) {
        let repeat = ["*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "*?", "+?", "??", "{0}", "{1,2}?"];
        text.push_str(dice.pick(&repeat));
    }
}

fn atom(dice: &mut Dice, depth: u32, text: &mut String) {
    const LITERALS: [&str; 16] =
        ["a", "b", "c", "ab", "1", "é", "온", "\\.", "\\-", "\\|", "x", "A", "k", "s", "_", "-"];
    const CLASSES: [&str; 26] = [
        "[a-c]",
        "[^a]",
        "[ab]",
        "[^a-z]",
        "\\d",
        "\\w",
        "\\s",
        "\\D",
        "\\W",
        "\\S",
        "[[:alpha:]]",
        "[[:^digit:]]",
        "\\pL",
        "\\p{Hangul}",
        "\\P{Lu}",
        "[\\d.]",
        "[^\\w]",
        "[\\pL-]",
        "\\x61",
        "\\x{c628}",
        "\\Qa.b\\E",
        "[]a]",
        "[a\\]]",
        "\\141",
        "[[:word:]_]",
        "\\pN",
    ];
    match dice.below(if depth == 0 { 12 } else { 16 }) {
        0..=4 => text.push_str(dice.pick(&LITERALS)),
        5..=8 => text.push_str(dice.pick(&CLASSES)),
        9 | 10 => text.push('.'),
        11 => text.push_str(dice.pick(&["^", "$", "\\b", "\\B", "\\A", "\\z"])),
        _ => {
            text.push_str(dice.pick(&["(", "(", "(", "(?:", "(?i:", "(?P<n>", "(?s:", "(?-s:"]));
            alternation(dice, depth - 1, text);
            text.push(')');
        }
    }
}
