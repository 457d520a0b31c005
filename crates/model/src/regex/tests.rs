//! Tables of what matches and what is refused, and that the short ways agree with the engine.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(pattern: &str, matching: &[&str], others: &[&str]) {
    let regex = AnchoredRegex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    for subject in matching {
        assert!(regex.is_match(subject), "{pattern} should match {subject:?}");
    }
    for subject in others {
        assert!(!regex.is_match(subject), "{pattern} should not match {subject:?}");
    }
}

#[track_caller]
fn fails(pattern: &str, want: &str) {
    let error = AnchoredRegex::new(pattern).expect_err(pattern);
    assert_eq!(error.to_string(), format!("error parsing regexp: {want}"), "{pattern}");
}

#[test]
fn patterns_match_the_whole_subject() {
    check("a|b", &["a", "b"], &["ab", "", "A", "a\n"]);
    check("a.*", &["a", "abc", "a\n\n"], &["ba"]);
    check(".*a.*b", &["ab", "xaxb", "aab"], &["ba", "a"]);
    check(".+", &["a", "\n"], &[""]);
    check("", &[""], &["a"]);
    check("^a$", &["a"], &["aa"]);
    check("(?-s).+", &["a"], &["a\nb"]);
    check("(?m)a$\n^b", &["a\nb"], &["ab"]);
    check("(?i)straße", &["STRAßE", "straße"], &["strasse"]);
    check("a(?i)b", &["ab", "aB"], &["AB"]);
    check("(?i:a)b", &["Ab"], &["AB"]);
}

#[test]
fn syntax_is_that_of_re2() {
    check(r"\d", &["7"], &["٣"]);
    check(r"\w+", &["a_9"], &["é"]);
    check(r"\s", &[" ", "\t", "\u{c}"], &["\u{b}", "\u{a0}"]);
    check(r"[a&&b]", &["a", "&", "b"], &["c"]);
    check("a{,2}", &["a{,2}"], &["", "a", "aa"]);
    check("a{2,3}", &["aa", "aaa"], &["a", "aaaa"]);
    check("{", &["{"], &[]);
    check(r"\Qa.b\E+", &["a.b", "a.bb"], &["axb"]);
    check(r"\Qa.b", &["a.b"], &["axb"]);
    check(r"\101\x41\x{1F525}\n", &["AA🔥\n"], &[]);
    check(r"[]a]", &["]", "a"], &[]);
    check(r"[a-]", &["a", "-"], &["b"]);
    check(r"[^a]", &["b", "\n"], &["a"]);
    check(r"[[:alpha:]\d]", &["a", "1"], &["_"]);
    check(r"\pL\P{Greek}", &["éa"], &["éα"]);
    check(r"(?P<x>a)(?<y>b)", &["ab"], &[]);
    check(r"\ba\b", &["a"], &["b"]);
    check(r"(|a)*", &["", "aa"], &["b"]);
}

#[test]
fn refusals_are_in_gos_words() {
    fails("*", "missing argument to repetition operator: `*`");
    fails("a|*", "missing argument to repetition operator: `*`");
    fails("a**", "invalid nested repetition operator: `**`");
    fails("a*{2}", "invalid nested repetition operator: `*{2}`");
    fails("a{1001}", "invalid repeat count: `{1001}`");
    fails("(a{100}){100}", "invalid repeat count: `{100}`");
    fails("(", "missing closing ): `(`");
    fails("a)", "unexpected ): `a)`");
    fails("[a", "missing closing ]: `[a`");
    fails("[b-a]", "invalid character class range: `b-a`");
    fails("[[:nope:]]", "invalid character class range: `[:nope:]`");
    fails(r"\pX", r"invalid character class range: `\pX`");
    fails(r"\", "trailing backslash at end of expression: ``");
    fails(r"\8", r"invalid escape sequence: `\8`");
    fails(r"\1", r"invalid escape sequence: `\1`");
    fails(r"\C", r"invalid escape sequence: `\C`");
    fails("(?=a)", "invalid or unsupported Perl syntax: `(?=`");
    fails("(?P<a-b>x)", "invalid named capture: `(?P<a-b>`");
    assert!(AnchoredRegex::new(&"(".repeat(10_000)).is_err());
    assert!(AnchoredRegex::new(r"(\pL{1000}|x){1}(\pL{1000}){1}").is_err());
}

#[test]
fn sets_and_prefixes_are_found() {
    let set = |pattern: &str| AnchoredRegex::new(pattern).unwrap().set_matches().map(<[String]>::to_vec);
    assert_eq!(set("b|a"), Some(vec!["a".into(), "b".into()]));
    assert_eq!(set("web-(1|2)?"), Some(vec!["web-".into(), "web-1".into(), "web-2".into()]));
    assert_eq!(set("x[12]{2}").map(|values| values.len()), Some(4));
    assert_eq!(set("a.*"), None);
    assert_eq!(set("[0-9]{5}"), None);
    let prefix = |pattern: &str| AnchoredRegex::new(pattern).unwrap().prefix().map(str::to_owned);
    assert_eq!(prefix("api_.*"), Some("api_".into()));
    assert_eq!(prefix("(ab)c+"), Some("ab".into()));
    assert_eq!(prefix("(?i)ab"), None);
}

#[test]
fn templates_expand_as_in_go() {
    let check = |pattern: &str, subject: &str, template: &str, want: Option<&str>| {
        let regex = AnchoredRegex::new(pattern).unwrap();
        assert_eq!(regex.expand(subject, template).as_deref(), want, "{pattern} {subject} {template}");
    };
    check("a(.*)c", "abc", "<$1>", Some("<b>"));
    check("a(.*)c", "abc", "<${1}x>", Some("<bx>"));
    check("a(.*)c", "abc", "<$1x>", Some("<>"));
    check("a(?P<rest>.*)", "abc", "$rest$$", Some("bc$"));
    check("a", "a", "$ ${ ${} $-", Some("$ ${ ${} $-"));
    check("(?P<n>a)|(?P<n>b)", "b", "<$n>", Some("<b>"));
    check("(?P<n>a)(?P<n>b)", "ab", "$n${2}$01", Some("ab"));
    check("(a)", "a", "$1é|${1}é|$온", Some("|aé|"));
    check("a", "b", "x", None);
    check("b", "abc", "x", None);
}

proptest! {
    /// Whatever the plan, the engine would say the same.
    #[test]
    fn the_short_way_agrees_with_the_engine(pattern in r"([ab]|\.\*|\.\+|\||[ab]\?|\[ab\]|\(a\|b\)){0,6}", subject in "[ab\n]{0,6}") {
        let Ok(regex) = AnchoredRegex::new(&pattern) else { return Ok(()) };
        let engine = compile(&regex.inner.hir).unwrap();
        prop_assert_eq!(regex.is_match(&subject), engine.is_match(&subject), "{} {:?}", pattern, regex.inner.plan);
    }

    #[test]
    fn no_pattern_makes_it_panic(pattern in r"[a-c(){}\[\]*+?|^$.\\0-9,:PpQEdwi<>=!&-]{0,24}", subject in "[a-c0-9]{0,4}") {
        if let Ok(regex) = AnchoredRegex::new(&pattern) {
            regex.is_match(&subject);
            regex.expand(&subject, "$1${x}");
        }
    }
}
