//! Cases of the specification.

use super::{Safe, SafeKind};
use crate::{Functions, Limits, TemplateSet, Value};

#[derive(Debug)]
struct Vouching;

impl Functions for Vouching {
    fn knows(&self, name: &str) -> bool {
        matches!(name, "safeHtml" | "safeUrl")
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        let kind = if name == "safeHtml" { SafeKind::Html } else { SafeKind::Url };
        let text = args.first().map(ToString::to_string).unwrap_or_default();
        Ok(Value::object(Safe { kind, text }))
    }
}

fn render(template: &str, data: &str) -> Result<String, String> {
    let mut set = TemplateSet::default();
    set.add("t", template, &Vouching).unwrap();
    set.execute_html("t", &Value::text(data), &Vouching, Limits::default()).map_err(|error| error.to_string())
}

fn check(template: &str, data: &str, want: &str) {
    assert_eq!(render(template, data).as_deref(), Ok(want), "{template} {data:?}");
}

#[test]
fn text_and_quoted_attributes_escape_markup() {
    check("<b>{{ . }}</b>", "a&<b>\"'+\0", "<b>a&amp;&lt;b&gt;&#34;&#39;&#43;\u{fffd}</b>");
    check("<p title=\"{{ . }}\">", "\"x\"", "<p title=\"&#34;x&#34;\">");
    check("<p title='{{ . }}'>", "it's", "<p title='it&#39;s'>");
    check("<title>{{ . }}</title><i>{{ . }}</i>", "<", "<title>&lt;</title><i>&lt;</i>");
    check("{{ . | html }}", "<", "&lt;");
}

#[test]
fn attributes_without_quotes_escape_space() {
    check("<p title={{ . }}>x", "a b=`c", "<p title=a&#32;b&#61;&#96;c>x");
    check("<p title={{ . }}>x", "", "<p title=ZgotmplZ>x");
}

#[test]
fn urls_are_filtered_normalised_and_encoded() {
    check("<a href=\"{{ . }}\">", "javascript:alert(1)", "<a href=\"#ZgotmplZ\">");
    check("<a href=\"{{ . }}\">", "http://h/a b?c=d&e=%20", "<a href=\"http://h/a%20b?c=d&amp;e=%20\">");
    check("<a href=\"{{ . }}\">", "/relative:x", "<a href=\"/relative:x\">");
    check("<a href=\"/x?q={{ . }}\">", "a b&c/d", "<a href=\"/x?q=a%20b%26c%2fd\">");
    check("<a href=\"/x/#/alerts?r={{ . | urlquery }}\">", "team a", "<a href=\"/x/#/alerts?r=team&#43;a\">");
    check("<a href=\"{{ . | safeUrl }}\">", "tel:1", "<a href=\"tel:1\">");
    check("<img src={{ . }}>", "http://h/a b", "<img src=http://h/a%20b>");
}

#[test]
fn scripts_and_styles_get_literals_or_nothing() {
    check(
        "<script>x = {{ . }};</script>",
        "</script>'",
        "<script>x = \"\\u003c/script\\u003e\\u0027\";</script>",
    );
    check("<script>x = '{{ . }}';</script>", "a'b", "<script>x = 'a\\u0027b';</script>");
    check("<p style=\"color: {{ . }}\">", "red", "<p style=\"color: red\">");
    check("<p style=\"color: {{ . }}\">", "x:expression(1)", "<p style=\"color: ZgotmplZ\">");
    check("<p {{ . }}=\"x\">", "onclick", "<p ZgotmplZ=\"x\">");
}

#[test]
fn safe_texts_skip_their_escaper_only() {
    check("<b>{{ . | safeHtml }}</b>", "<i>x</i>", "<b><i>x</i></b>");
    check("<b title=\"{{ . | safeHtml }}\">", "<i>\"x\"</i>&amp;", "<b title=\"&#34;x&#34;&amp;\">");
    check("<a href=\"{{ . | safeHtml }}\">", "javascript:x", "<a href=\"#ZgotmplZ\">");
}

#[test]
fn comments_go_and_unfinished_places_are_errors() {
    check("a<!-- {{ . }} -->b < c", "x", "ab < c");
    assert!(render("<a href=\"{{ . }}", "x").unwrap_err().contains("ends in a non-text context"));
    check(
        "{{ define \"u\" }}{{ . }}{{ end }}<a href=\"{{ template \"u\" . }}\">{{ template \"u\" . }}</a>",
        "a:b c",
        "<a href=\"#ZgotmplZ\">a:b c</a>",
    );
}
