//! What is a query, how it is formatted and what is said about what is none: as Debian's prometheus 2.42 has it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use wf_e2e::process::{Server, free_port};
use wf_e2e::skip::{binary, peer};
use wf_e2e::{figure, http};
use wf_promql::functions::FunctionId;
use wf_promql::testing::{Dice, Generator, Scope, Vocabulary};

use crate::setup::Site;

const VOCABULARY: Vocabulary = Vocabulary {
    metrics: &[
        "requests_total",
        "up",
        "a:b",
        "sum",
        "by",
        "offset",
        "temperature_celsius_with_a_rather_long_name",
    ],
    matchers: &["job=\"a\"", "job!=\"b\"", "code=~\"2..|3..\"", "x!~'y.*'", "le=`+Inf`"],
    labels: &["job", "instance", "by", "sum", "le"],
    times: &["0", "1.5", "1234567.891", "-3"],
};

/// Functions that 2.42 has not.
const NEWER: [FunctionId; 4] = [
    FunctionId::FirstOverTime,
    FunctionId::HistogramAvg,
    FunctionId::HistogramStddev,
    FunctionId::HistogramStdvar,
];

/// What a server says about a text: its form, or an error.
type Verdict = Result<String, String>;

struct Pair {
    ours: Server,
    theirs: Server,
    client: http::Client,
    _site: Site,
}

impl Pair {
    fn start() -> Option<Self> {
        let (binary, prometheus) = (binary()?, peer("prometheus")?);
        let site = Site::new();
        site.configure("1m", &[]);
        let ours = site.server(&binary);
        let empty = site.path("empty.yml");
        fs::write(&empty, "").unwrap();
        let port = free_port().unwrap();
        let arguments = [
            format!("--config.file={}", empty.display()),
            format!("--storage.tsdb.path={}", site.path("theirs").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let theirs = Server::start(&prometheus, &arguments, port, &site.path("prometheus.log")).unwrap();
        Some(Self { ours, theirs, client: http::Client::new(), _site: site })
    }

    fn ask(&self, base: &str, text: &str) -> Verdict {
        let url = format!("{base}/api/v1/format_query?query={}", http::encode(text));
        let answer: Value = self.client.get(&url).unwrap().json().unwrap();
        match answer["data"].as_str() {
            Some(formatted) => Ok(formatted.to_owned()),
            None => {
                let error = answer["error"].as_str().unwrap_or_default();
                let error = error.strip_prefix("invalid parameter \"query\": ").unwrap_or(error);
                Err(error.to_owned())
            }
        }
    }
}

#[test]
fn texts_are_judged_and_formatted_as_by_prometheus() {
    let Some(pair) = Pair::start() else { return };
    let seed = std::env::var("WF_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(42);
    let scope = Scope {
        experiments: false,
        modifiers: false,
        query_times: true,
        odd_spelling: false,
        without: &NEWER,
    };
    let mut generator = Generator::new(seed, VOCABULARY, scope);
    let (mut tally, mut wrong) = (BTreeMap::new(), Vec::new());
    for round in 0..3_000 {
        let mut text = generator.query();
        if round % 2 == 1 {
            text = mutated(&text, &mut generator.dice);
        }
        let (ours, theirs) = (pair.ask(&pair.ours.base, &text), pair.ask(&pair.theirs.base, &text));
        let outcome = match (&ours, &theirs) {
            (Ok(a), Ok(b)) if a == b => "formatted alike",
            (Err(a), Err(b)) if a == b => "refused in the same words",
            (Ok(a), Ok(b)) if without_indent(a) == without_indent(b) => {
                "formatted alike, but a subquery is indented"
            }
            (Err(a), Err(_)) if a.contains("bad number or duration syntax") => {
                "numbers are read differently since 3.0"
            }
            (Ok(a), Ok(_)) if is_formatted_better(a) => {
                "formatted without losing a modifier, which 2.42 does"
            }
            (_, Err(b)) if is_of_the_old_grammar(b, &text) => "not in the older grammar",
            _ => {
                wrong.push(format!("{text}\n  ours:   {ours:?}\n  theirs: {theirs:?}"));
                continue;
            }
        };
        *tally.entry(outcome).or_insert(0) += 1;
    }
    for (outcome, count) in &tally {
        figure(&format!("texts of queries, {outcome}"), count);
    }
    let n_shown: usize = std::env::var("WF_SHOW").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let shown = wrong.iter().take(n_shown).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "seed {seed}: {} texts are judged differently:\n{shown}", wrong.len());
}

/// 2.42 forgets to indent a subquery that fits a line.
fn without_indent(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

/// 2.42 drops `ignoring ()` together with the group behind it, and cannot read what it makes of an infinite base.
fn is_formatted_better(ours: &str) -> bool {
    ours.contains(" ignoring () group_") || ours.contains("Inf ^")
}

/// What 2.42 says where the grammar has grown since: numbers and durations are one, colons may stand in groupings,
/// numbers may have underscores, a string alone in braces is a name. It also has no word for a stray `@`.
fn is_of_the_old_grammar(theirs: &str, text: &str) -> bool {
    const OLD: [&str; 13] = [
        "missing unit character in duration",
        "expected duration",
        "unexpected duration",
        "bad duration syntax",
        "not a valid duration string",
        "bad number or duration syntax",
        "unexpected metric identifier",
        "<Item ",
        "unexpected string",
        "error parsing number",
        "unexpected colon",
        "duration must be greater than 0",
        // It names the anchored expression, 3.x what was written.
        "error parsing regexp",
    ];
    let has_duration = text
        .as_bytes()
        .windows(2)
        .any(|pair| pair[0].is_ascii_digit() && matches!(pair[1], b's' | b'm' | b'h' | b'd' | b'w' | b'y'));
    OLD.iter().any(|old| theirs.contains(old))
        || (theirs.contains("trailing commas not allowed") && has_duration)
        || (theirs.contains("unexpected <op:/>") && (text.contains("</") || text.contains(">/")))
        || (theirs.contains("in subquery or range, expected") && theirs.contains("<op:"))
}

/// Changes a few characters.
fn mutated(text: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let alphabet: Vec<char> = "(){}[]\"',:@=~!<>+-*/%^ 09.eamsby".chars().collect();
    for _ in 0..=dice.below(2) {
        let at = usize::try_from(dice.below(chars.len().max(1) as u64)).unwrap();
        match dice.below(3) {
            0 if !chars.is_empty() => chars[at] = dice.pick(&alphabet),
            1 if !chars.is_empty() => drop(chars.remove(at)),
            _ => chars.insert(at, dice.pick(&alphabet)),
        }
    }
    chars.into_iter().collect()
}
