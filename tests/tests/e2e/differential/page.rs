//! The simulated targets: everything that tells two engines apart, in values whose sums are exact.

use wf_e2e::regexes::SUBJECTS;
use wf_model::Labels;

/// Scrapes during which the failing target does not answer: all its series go stale.
const FAILURE: std::ops::Range<u64> = 30..34;

/// What one scrape finds.
pub(super) type Page = Vec<(Labels, f64)>;

/// The page of the target that always answers.
pub(super) fn steady(number: u64) -> Option<Page> {
    let mut page = Page::new();
    for (idx, (node, code)) in pairs(&["n1", "n2", "n3"], &["200", "404", "500"]).into_iter().enumerate() {
        let room = ROOMS[idx % ROOMS.len()];
        let idx = idx as u64;
        // A big beginning, so that zero is far: 2.42 and 3.x look for it in different order.
        let count = 4096 + number * (idx + 1) * 3;
        line(&mut page, "requests_total", &[("node", node), ("code", code)], count as f64);
        let level = (((number * (7 + idx * 5)) % 41) as f64 - 20.0) / 8.0 + idx as f64 * 64.0;
        line(&mut page, "temperature", &[("node", node), ("room", room)], level);
    }
    for (idx, node) in ["n1", "n2", "n4"].into_iter().enumerate() {
        // Restarts: the count falls every 11th, 14th and 17th scrape.
        let count = (number % (11 + 3 * idx as u64)) * 5;
        line(&mut page, "restarts_total", &[("node", node)], count as f64);
        line(&mut page, "constant", &[("node", node)], 5.0);
        line(&mut page, "node_info", &[("node", node), ("version", ["1", "2", "2"][idx])], 1.0);
        if (number / (5 + idx as u64)).is_multiple_of(2) {
            line(&mut page, "flaky_total", &[("node", node)], (65_536 + number * 7) as f64);
        }
    }
    for (idx, (from, to)) in [(0, 12), (20, 40), (45, 1000)].into_iter().enumerate() {
        if (from..to).contains(&number) {
            line(&mut page, "short_lived", &[("node", &format!("n{idx}"))], number as f64 / 4.0);
        }
    }
    special(&mut page, number);
    for subject in SUBJECTS {
        line(&mut page, "subject", &[("text", subject)], 1.0);
    }
    Some(page)
}

/// The page of the target that answers with histograms, and for a while not at all.
pub(super) fn failing(number: u64) -> Option<Page> {
    (!FAILURE.contains(&number)).then(|| histograms(number))
}

fn histograms(number: u64) -> Page {
    let mut page = Page::new();
    for (idx, node) in ["n1", "n2"].into_iter().enumerate() {
        for (bucket, bound) in ["0.125", "0.5", "1", "4", "+Inf"].into_iter().enumerate() {
            let count = 1024 * (bucket as u64 + 1) + number * (bucket as u64 * 3 + idx as u64);
            line(&mut page, "latency_seconds_bucket", &[("node", node), ("le", bound)], count as f64);
        }
        line(&mut page, "constant", &[("node", node), ("kind", "failing")], 7.0);
    }
    page
}

const ROOMS: [&str; 4] = ["온도", "küche", "bad \"1\"", "ц"];

fn special(page: &mut Page, number: u64) {
    let cycle = [1.0, f64::NAN, -0.0, f64::INFINITY, 0.0, f64::NEG_INFINITY, 2.0, 2.0];
    let flipping = cycle.into_iter().nth(usize::try_from(number % 8).unwrap()).unwrap();
    let values = [
        ("nan", f64::NAN),
        ("inf", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
        ("-0", -0.0),
        ("flip", flipping),
        ("some-nan", if number.is_multiple_of(5) { f64::NAN } else { number as f64 }),
        ("big", 1e6 + number as f64),
        ("negative", -(number as f64) / 2.0),
    ];
    for (kind, value) in values {
        line(page, "odd", &[("kind", kind)], value);
    }
}

fn pairs<'a>(left: &[&'a str], right: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b))).collect()
}

fn line(page: &mut Page, name: &str, labels: &[(&str, &str)], value: f64) {
    let labels = labels.iter().copied().chain([("__name__", name)]);
    page.push((Labels::from_pairs(labels), value));
}
