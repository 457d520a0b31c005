//! A table per action, the refusals, and what no rule can do.

use proptest::prelude::*;

use super::*;

fn spec(action: Action, sources: &[&str], regex: &str, target: &str, replacement: &str) -> RuleSpec {
    RuleSpec {
        source_labels: sources.iter().map(|name| (*name).to_owned()).collect(),
        regex: regex.to_owned(),
        target_label: target.to_owned(),
        replacement: replacement.to_owned(),
        action,
        ..RuleSpec::default()
    }
}

/// Runs one rule over `{a="foo", b="bar", c="Baz"}`.
#[track_caller]
fn check(spec: RuleSpec, want: &str) {
    let labels = Labels::from_pairs([("a", "foo"), ("b", "bar"), ("c", "Baz")]);
    let rule = Rule::new(spec, NameScheme::Utf8).unwrap();
    assert_eq!(run(&[rule], &labels), want);
}

fn run(rules: &[Rule], labels: &Labels) -> String {
    let mut builder = LabelsBuilder::from_labels(labels);
    match apply(rules, &mut builder) {
        Verdict::Keep => builder.build().to_string(),
        Verdict::Drop => "dropped".to_owned(),
    }
}

const SAME: &str = r#"{a="foo", b="bar", c="Baz"}"#;

#[test]
fn replace_sets_the_expansion_if_the_source_matches() {
    let replace = |sources: &[&str], regex: &str, target: &str, replacement: &str| {
        spec(Action::Replace, sources, regex, target, replacement)
    };
    check(replace(&["a"], "f(.*)", "d", "ch${1}-$1"), r#"{a="foo", b="bar", c="Baz", d="choo-oo"}"#);
    check(replace(&["a", "b"], "(.*);(.*)", "a", "$2$1"), r#"{a="barfoo", b="bar", c="Baz"}"#);
    check(replace(&["a", "nil", "b"], "foo;;bar", "d", "x"), r#"{a="foo", b="bar", c="Baz", d="x"}"#);
    check(replace(&["a"], "fo", "d", "x"), SAME);
    check(
        replace(&["a"], "(?P<name>f).*", "${name}_x", "$$1 $"),
        r#"{a="foo", b="bar", c="Baz", f_x="$1 $"}"#,
    );
    check(replace(&["a"], "(.*)", "a", "$1_x"), r#"{b="bar", c="Baz"}"#);
    check(replace(&[], "(.*)", "d", "fixed"), r#"{a="foo", b="bar", c="Baz", d="fixed"}"#);
    check(replace(&["a"], ".*", "a", ""), r#"{b="bar", c="Baz"}"#);
    check(replace(&["a"], "(x)?foo", "$1", "no name, no change"), SAME);
}

#[test]
fn a_dot_matches_a_newline_too() {
    let rule = Rule::new(spec(Action::Replace, &["a"], "x(.*)z", "a", "$1"), NameScheme::Utf8).unwrap();
    assert_eq!(run(&[rule], &Labels::from_pairs([("a", "x1\n2z")])), r#"{a="1\n2"}"#);
}

#[test]
fn a_legacy_target_that_expands_to_no_legacy_name_is_not_set() {
    let rule = Rule::new(spec(Action::Replace, &["a"], "(.*)", "${1}", "x"), NameScheme::Legacy).unwrap();
    assert_eq!(run(std::slice::from_ref(&rule), &Labels::from_pairs([("a", "x-y")])), r#"{a="x-y"}"#);
    assert_eq!(run(&[rule], &Labels::from_pairs([("a", "x_y")])), r#"{a="x_y", x_y="x"}"#);
}

#[test]
fn keep_and_drop_judge_the_source_value() {
    check(spec(Action::Keep, &["a"], "f.*", "", "$1"), SAME);
    check(spec(Action::Keep, &["a"], "f", "", "$1"), "dropped");
    check(spec(Action::Drop, &["a", "b"], "foo;bar", "", "$1"), "dropped");
    check(spec(Action::Drop, &["a"], "bar", "", "$1"), SAME);
    check(spec(Action::Drop, &["nil"], "", "", "$1"), "dropped");
}

#[test]
fn keepequal_and_dropequal_compare_with_the_target_label() {
    let labels = Labels::from_pairs([("x", "1"), ("y", "1"), ("z", "2")]);
    let check = |action: Action, target: &str, want: Verdict| {
        let rule = Rule::new(spec(action, &["x"], "(.*)", target, "$1"), NameScheme::Utf8).unwrap();
        assert_eq!(apply(&[rule], &mut LabelsBuilder::from_labels(&labels)), want, "{action} {target}");
    };
    check(Action::KeepEqual, "y", Verdict::Keep);
    check(Action::KeepEqual, "z", Verdict::Drop);
    check(Action::KeepEqual, "nil", Verdict::Drop);
    check(Action::DropEqual, "y", Verdict::Drop);
    check(Action::DropEqual, "z", Verdict::Keep);
}

#[test]
fn hashmod_takes_the_end_of_the_md5() {
    let hashmod = |sources: &[&str], modulus: u64| RuleSpec {
        modulus,
        ..spec(Action::HashMod, sources, "(.*)", "d", "$1")
    };
    // Counted by another program: the last half of md5("foo"), md5("foo;bar") and md5("baz").
    assert_eq!(hash("foo"), 0xedef_654f_ccc4_a4d8);
    assert_eq!(hash("baz") % 1000, 976);
    check(hashmod(&["a"], 1000), r#"{a="foo", b="bar", c="Baz", d="696"}"#);
    check(hashmod(&["a"], u64::MAX), r#"{a="foo", b="bar", c="Baz", d="17145033699835028696"}"#);
    check(hashmod(&["a", "b"], 1000), r#"{a="foo", b="bar", c="Baz", d="750"}"#);
}

#[test]
fn labelmap_copies_and_sees_only_the_set_it_was_given() {
    let labelmap = |regex: &str, replacement: &str| spec(Action::LabelMap, &[], regex, "", replacement);
    check(labelmap("([ab])", "x_$1"), r#"{a="foo", b="bar", c="Baz", x_a="foo", x_b="bar"}"#);
    check(labelmap("(.*)", "${1}x"), r#"{a="foo", ax="foo", b="bar", bx="bar", c="Baz", cx="Baz"}"#);
    check(labelmap("[ab]", "d"), r#"{a="foo", b="bar", c="Baz", d="bar"}"#);
    check(labelmap("a|(b)", "$1"), SAME);
}

#[test]
fn labeldrop_and_labelkeep_look_at_names() {
    check(spec(Action::LabelDrop, &[], "a|b", "", "$1"), r#"{c="Baz"}"#);
    check(spec(Action::LabelKeep, &[], "a|b", "", "$1"), r#"{a="foo", b="bar"}"#);
    check(spec(Action::LabelDrop, &[], ".*", "", "$1"), "{}");
}

#[test]
fn lowercase_and_uppercase_map_character_by_character() {
    check(
        spec(Action::Lowercase, &["c", "b"], "(.*)", "d", "$1"),
        r#"{a="foo", b="bar", c="Baz", d="baz;bar"}"#,
    );
    check(spec(Action::Uppercase, &["c"], "(.*)", "c", "$1"), r#"{a="foo", b="bar", c="BAZ"}"#);
    let upper = |text: &str| text.chars().map(simple_upper).collect::<String>();
    let lower = |text: &str| text.chars().map(simple_lower).collect::<String>();
    assert_eq!(
        (upper("ß é ŉ ᾀ ᾳ").as_str(), lower("İ ΑΣ").as_str()),
        ("ß É ŉ ᾈ ᾼ", "i ας".replace('ς', "σ").as_str())
    );
}

#[test]
fn a_drop_ends_the_run_and_a_trace_shows_every_set() {
    let rules = [
        Rule::new(spec(Action::Replace, &["a"], "(.*)", "b", "$1!"), NameScheme::Utf8).unwrap(),
        Rule::new(spec(Action::Drop, &["b"], "x!", "", "$1"), NameScheme::Utf8).unwrap(),
        Rule::new(spec(Action::LabelDrop, &[], "a", "", "$1"), NameScheme::Utf8).unwrap(),
    ];
    let shown = |value: &str| -> Vec<String> {
        let steps = trace(&rules, &Labels::from_pairs([("a", value)]));
        steps.iter().map(|step| format!("{} -> {} {:?}", step.before, step.after, step.verdict)).collect()
    };
    assert_eq!(
        shown("x"),
        [r#"{a="x"} -> {a="x", b="x!"} Keep"#, r#"{a="x", b="x!"} -> {a="x", b="x!"} Drop"#]
    );
    assert_eq!(
        shown("y"),
        [
            r#"{a="y"} -> {a="y", b="y!"} Keep"#,
            r#"{a="y", b="y!"} -> {a="y", b="y!"} Keep"#,
            r#"{a="y", b="y!"} -> {b="y!"} Keep"#,
        ]
    );
}

#[test]
fn what_an_action_lacks_or_cannot_use_is_named() {
    let check = |spec: RuleSpec, scheme: NameScheme, want: &str| {
        let got = Rule::new(spec, scheme).map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
        assert_eq!(got, want);
    };
    let (utf8, legacy) = (NameScheme::Utf8, NameScheme::Legacy);
    let needs_target = "relabel configuration for replace action requires 'target_label' value";
    check(RuleSpec::default(), utf8, needs_target);
    check(
        RuleSpec { regex: "(".to_owned(), ..RuleSpec::default() },
        utf8,
        "error parsing regexp: missing closing ): `(`",
    );
    check(
        spec(Action::HashMod, &[], "x", "a", "$1"),
        utf8,
        "relabel configuration for hashmod requires non-zero modulus",
    );
    check(spec(Action::Replace, &[], "x", "a-b", "$1"), utf8, "accepted");
    check(
        spec(Action::Replace, &[], "x", "a-b", "$1"),
        legacy,
        "\"a-b\" is invalid 'target_label' for replace action",
    );
    check(spec(Action::Replace, &[], "x", "a_${1}_$b", "$1"), legacy, "accepted");
    check(
        spec(Action::Replace, &[], "x", "$1-", "$1"),
        legacy,
        "\"$1-\" is invalid 'target_label' for replace action",
    );
    check(
        spec(Action::Lowercase, &[], "(.*)", "$1", "$1"),
        legacy,
        "\"$1\" is invalid 'target_label' for lowercase action",
    );
    check(
        spec(Action::LabelMap, &[], "x", "", ""),
        utf8,
        "\"\" is invalid 'replacement' for labelmap action",
    );
    check(spec(Action::Keep, &[""], "x", "", "$1"), utf8, "\"\" is not a valid label name");
    check(
        spec(Action::Uppercase, &["a"], "(.*)", "b", "x"),
        utf8,
        "'replacement' can not be set for uppercase action",
    );
    check(
        spec(Action::DropEqual, &["a"], "x", "b", "$1"),
        utf8,
        "dropequal action requires only 'source_labels' and `target_label`, and no other fields",
    );
    check(
        spec(Action::LabelKeep, &["a"], "x", "", "$1"),
        utf8,
        "labelkeep action requires only 'regex', and no other fields",
    );
}

#[test]
fn actions_are_known_by_name_in_any_case() {
    for (name, action) in Action::ALL {
        assert_eq!((Action::parse(&name.to_uppercase()), action.as_str()), (Some(action), name));
    }
    assert_eq!(Action::parse("keep "), None);
}

fn any_rule() -> impl Strategy<Value = RuleSpec> {
    let text =
        || proptest::sample::select(vec!["", "a", "b", "$1", "${1}x", "(.*)", "a|(b)", "[^a]*", "é-", "$$"]);
    let action = proptest::sample::select(Action::ALL.map(|(_, action)| action).to_vec());
    let sources = proptest::collection::vec(text().prop_map(str::to_owned), 0..3);
    (sources, text(), text(), text(), text(), 0_u64..3, action).prop_map(
        |(source_labels, separator, target, regex, replacement, modulus, action)| {
            let is_plain = modulus == 2;
            let default = RuleSpec::default();
            RuleSpec {
                source_labels,
                target_label: target.to_owned(),
                regex: regex.to_owned(),
                modulus,
                action,
                separator: if is_plain { default.separator } else { separator.to_owned() },
                replacement: if is_plain { default.replacement } else { replacement.to_owned() },
            }
        },
    )
}

proptest! {
    /// No run leaves a label without name or value, a name twice, or, under the legacy scheme, a new foreign name; and a
    /// trace ends where a run ends.
    #[test]
    fn rules_never_make_an_invalid_set(
        specs in proptest::collection::vec(any_rule(), 0..6),
        pairs in proptest::collection::vec(("[a-c]", ".{0,3}"), 0..4),
        is_legacy: bool,
    ) {
        let scheme = if is_legacy { NameScheme::Legacy } else { NameScheme::Utf8 };
        let rules: Vec<Rule> = specs.into_iter().filter_map(|spec| Rule::new(spec, scheme).ok()).collect();
        let labels = Labels::from_pairs(pairs);
        let mut builder = LabelsBuilder::from_labels(&labels);
        let verdict = apply(&rules, &mut builder);
        let built = builder.build();
        prop_assert!(built.iter().zip(built.iter().skip(1)).all(|(a, b)| a.0 < b.0), "{built}");
        prop_assert!(built.iter().all(|(name, value)| scheme.is_label_name(name) && !value.is_empty()), "{built}");
        let steps = trace(&rules, &labels);
        if let Some(last) = steps.last() {
            prop_assert_eq!((&last.after, last.verdict), (&built, verdict));
        }
    }
}
