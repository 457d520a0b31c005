//! Cases from the specification of the language, and what must not happen.

use proptest::prelude::*;

use super::*;

fn run_with(text: &str, data: &Value) -> Result<String, String> {
    let mut set = TemplateSet::default();
    set.add("t", text, &NoFunctions).map_err(|error| error.to_string())?;
    set.execute("t", data, &NoFunctions, Limits::default()).map_err(|error| error.to_string())
}

fn data() -> Value {
    let labels = Value::strings([("instance", "a:9100"), ("job", "node")]);
    let mut map = Map::default();
    map.entries.insert("labels".into(), labels);
    map.entries.insert("list".into(), Value::list([Value::Int(1), Value::Int(2), Value::Int(3)]));
    map.entries.insert("name".into(), Value::text("x<y"));
    map.entries.insert("zero".into(), Value::Float(0.0));
    map.entries.insert("big".into(), Value::Float(1_234_567.0));
    Value::Map(std::sync::Arc::new(map))
}

#[track_caller]
fn check(text: &str, want: &str) {
    assert_eq!(run_with(text, &data()).as_deref(), Ok(want), "{text}");
}

#[track_caller]
fn check_error(text: &str, want: &str) {
    let error = run_with(text, &data()).unwrap_err();
    assert!(error.contains(want), "{text}\n have {error}\n want {want}");
}

#[test]
fn text_and_trimming() {
    check("plain", "plain");
    check("a  {{- 1 -}}  b", "a1b");
    check("{{-3}}", "-3");
    check("a {{/* note */}} b", "a  b");
    check("a {{- /* note */ -}} b", "ab");
    check("{{ `raw\nline` }}", "raw\nline");
    check("{{ \"tab\\t\" }}", "tab\t");
    check("{{ 'a' }} {{ 0x1F }} {{ 1_000 }} {{ 1.0 }} {{ 1e3 }} {{ 1e6 }}", "97 31 1000 1 1000 1e+06");
}

#[test]
fn fields_and_missing_entries() {
    check(
        "{{ .labels.instance }}|{{ .labels.nope }}|{{ .nope }}|{{ .nope.deeper }}",
        "a:9100||<no value>|<no value>",
    );
    check("{{ $.name }}{{ with .labels }}{{ .job }}{{ $.name }}{{ end }}", "x<ynodex<y");
    check("{{ (index .list 1) }}{{ (.labels).job }}", "2node");
    check_error("{{ .name.foo }}", "executing \"t\" at <.name.foo>: can't evaluate field foo in type string");
    check_error("{{ .labels.job 1 }}", "job has arguments but cannot be invoked as function");
}

#[test]
fn control_structures() {
    check("{{ if .zero }}a{{ else if .name }}b{{ else }}c{{ end }}", "b");
    check("{{ range .list }}{{ . }},{{ end }}", "1,2,3,");
    check("{{ range $i, $e := .list }}{{ $i }}={{ $e }} {{ end }}", "0=1 1=2 2=3 ");
    check("{{ range .labels }}{{ . }} {{ else }}none{{ end }}", "a:9100 node ");
    check("{{ range .nothing }}x{{ else }}none{{ end }}", "none");
    check("{{ range 3 }}{{ . }}{{ end }}", "012");
    check(
        "{{ range .list }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ . }}{{ if eq . 3 }}{{ break }}{{ end }}{{ end }}",
        "13",
    );
    check("{{ with .nothing }}x{{ else with .name }}{{ . }}{{ end }}", "x<y");
    check("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ end }}{{ $x }}", "2");
    check("{{ range $e := .list }}{{ $e }}{{ end }}", "123");
}

#[test]
fn templates_call_each_other() {
    check(
        "{{ define \"a\" }}[{{ . }}]{{ end }}{{ template \"a\" .name }}{{ template \"a\" }}",
        "[x<y][<no value>]",
    );
    check("{{ block \"b\" .list }}{{ len . }}{{ end }}", "3");
    check_error("{{ template \"none\" }}", "template \"none\" not defined");
    check_error(
        "{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}",
        "exceeded maximum template depth",
    );
    check_error(
        "{{ define \"a\" }}1{{ end }}{{ define \"a\" }}2{{ end }}",
        "multiple definition of template \"a\"",
    );
}

#[test]
fn a_blank_definition_does_not_replace() {
    let mut set = TemplateSet::default();
    set.add("f", "{{ define \"x\" }}kept{{ end }}", &NoFunctions).unwrap();
    set.add("g", "{{ define \"x\" }} {{/* nothing */}} {{ end }}", &NoFunctions).unwrap();
    let out = set.execute("x", &Value::Nil, &NoFunctions, Limits::default()).unwrap();
    assert_eq!(out, "kept");
    set.add("g", "{{ define \"x\" }}{{ \"\" }}{{ end }}", &NoFunctions).unwrap();
    let out = set.execute("x", &Value::Nil, &NoFunctions, Limits::default()).unwrap();
    assert_eq!(out, "");
}

#[test]
fn own_functions() {
    check("{{ and 1 0 2 }} {{ or 0 \"\" 3 }} {{ not 1 }}", "0 3 false");
    check("{{ len \"온도\" }} {{ len .list }} {{ index \"abc\" 1 }}", "6 3 98");
    check("{{ slice \"abcdef\" 1 3 }} {{ slice .list 1 }}", "bc [2 3]");
    check("{{ print 1 2 \"a\" \"b\" 3 }}|{{ println 1 \"a\" }}", "1 2ab3|1 a\n");
    check("{{ html .name }} {{ urlquery \"a b&c\" }} {{ js \"it's\" }}", "x&lt;y a+b%26c it\\'s");
    check("{{ eq 1 2 1 }} {{ ne 1 2 }} {{ lt 1 2 }} {{ ge \"b\" \"a\" }}", "true true true true");
    check("{{ .name | len | printf \"%03d\" }}", "003");
    check_error("{{ eq 1 1.0 }}", "incompatible types for comparison");
    check_error("{{ eq 1 \"1\" }}", "error calling eq: incompatible types for comparison");
    check_error("{{ index .list 9 }}", "error calling index: index out of range: 9");
}

#[test]
fn values_print_as_in_go() {
    check(
        "{{ .big }} {{ 123456.0 }} {{ 0.00001 }} {{ .list }} {{ .labels }}",
        "1.234567e+06 123456 1e-05 [1 2 3] map[instance:a:9100 job:node]",
    );
}

#[test]
fn printf_writes_as_in_go() {
    for (call, want) in [
        ("\"%d|%5d|%-5d|%05d|%+d\" 42 42 42 42 42", "42|   42|42   |00042|+42"),
        ("\"%x %X %o %b %c %U\" 255 255 8 5 65 65", "ff FF 10 101 A U+0041"),
        (
            "\"%.2f %8.3f %e %g %.3g\" 3.14159 2.5 1500.0 0.5 1234.5",
            "3.14    2.500 1.500000e+03 0.5 1.23e+03",
        ),
        ("\"%.4g %.4g %.4g\" 0.00001234 123456789.0 1.5", "1.234e-05 1.235e+08 1.5"),
        ("\"%s|%10s|%-4s|%q|%.2s\" \"a\" \"b\" \"c\" \"d\" \"xyz\"", "a|         b|c   |\"d\"|xy"),
        ("\"%v %t %%\" true false", "true false %"),
        ("\"%d\" \"a\"", "%!d(string=a)"),
        ("\"%d %d\" 1", "1 %!d(MISSING)"),
        ("\"%d\" 1 \"b\"", "1%!(EXTRA string=b)"),
        ("\"%*d\" 4 7", "   7"),
        ("\"%T %T\" 1 \"a\"", "int string"),
        ("\"%!\" 1", "%!!(int=1)"),
        ("\"%\"", "%!(NOVERB)"),
    ] {
        check(&format!("{{{{ printf {call} }}}}"), want);
    }
}

#[test]
fn parse_errors_name_the_place() {
    for (text, want) in [
        ("a\n{{ nope }}", "template: t:2: function \"nope\" not defined"),
        ("{{ $x }}", "template: t:1: undefined variable \"$x\""),
        ("{{ if }}", "missing value for if"),
        ("{{ if 1 }}", "unexpected EOF"),
        ("{{ end }}", "unexpected {{end}}"),
        ("{{ \"abc }}", "unterminated quoted string"),
        ("{{ 1 | 2 }}", "non executable command in pipeline stage 2"),
        ("{{ nil }}", "nil is not a command"),
        ("{{ (1 }}", "unclosed left paren"),
        ("{{ 1) }}", "unexpected right paren"),
        ("{{ .a", "unclosed action"),
        ("{{/* a", "unclosed comment"),
        ("{{ break }}", "{{break}} outside {{range}}"),
        ("{{ .x | }}", "missing value for command"),
        ("{{ 12x }}", "bad number syntax: \"12x\""),
        ("{{ @ }}", "unexpected U+0040 '@' in command"),
    ] {
        check_error(text, want);
    }
}

#[test]
fn nothing_runs_for_ever_or_fills_memory() {
    check_error("{{ range 100000000 }}{{ end }}", "execution exceeds 10000000 steps");
    check_error("{{ range 1000000 }}{{ printf \"%10000d\" 1 }}{{ end }}", "output exceeds");
    let deep = format!("{}1{}", "{{ if 1 }}".repeat(300), "{{ end }}".repeat(300));
    check_error(&deep, "nested more than 200 deep");
    check_error(&format!("{{{{ {}1{} }}}}", "(".repeat(300), ")".repeat(300)), "nested more than 200 deep");
}

proptest! {
    #[test]
    fn no_text_panics(text in "(\\{\\{|\\}\\}|-|\\.|\\$|x|:=|=|,|\\||\\(|\\)|if|end|else|range|define|\"|`|'|[0-9]| |\\n|/\\*|\\*/|é){0,40}") {
        let _ = run_with(&text, &data());
    }
}
