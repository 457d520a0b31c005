//! What a registry promises to its users.

use super::*;

fn page(registry: &Registry) -> String {
    let mut page = String::new();
    wf_exposition::text::write_page(&mut page, &registry.gather());
    page
}

#[test]
fn families_are_sorted_and_read_at_gathering() {
    let registry = Registry::new();
    let requests = registry.counter_vec("b_total", "B.", ["code", "handler"]);
    let temperature = registry.gauge("a", "A.");
    requests.with(&["500", "/"]).add(2);
    requests.with(&["200", "/"]).add_f64(0.5);
    temperature.set(-3.0);
    let want = concat!(
        "# HELP a A.\n# TYPE a gauge\na -3\n",
        "# HELP b_total B.\n# TYPE b_total counter\n",
        "b_total{code=\"200\",handler=\"/\"} 0.5\nb_total{code=\"500\",handler=\"/\"} 2\n",
    );
    assert_eq!(page(&registry), want);
    assert!(requests.remove(&["500", "/"]));
    assert!(!page(&registry).contains("500"));
}

#[test]
fn histograms_are_cumulative_with_inclusive_bounds() {
    let registry = Registry::new();
    let sizes = registry.histogram("s", "S.", &[1.0, 5.0]);
    for value in [1.0, 2.0, 6.0] {
        sizes.observe(value);
    }
    let want = concat!(
        "# HELP s S.\n# TYPE s histogram\ns_bucket{le=\"1\"} 1\ns_bucket{le=\"5\"} 2\n",
        "s_bucket{le=\"+Inf\"} 3\ns_sum 9\ns_count 3\n"
    );
    assert_eq!(page(&registry), want);
}

#[test]
fn one_name_registered_twice_is_one_family() {
    let registry = Registry::new();
    registry.counter("x_total", "X.").inc();
    registry.collect(|families| {
        let mut family = MetricFamily::new("x_total", "X.", MetricType::Counter);
        family.push(&[("part", "other")], 7.0);
        families.push(family);
    });
    registry.gauge("x_total", "Contradicts.");
    assert_eq!(
        page(&registry),
        "# HELP x_total X.\n# TYPE x_total counter\nx_total 1\nx_total{part=\"other\"} 7\n"
    );
}

#[test]
fn a_tracked_gauge_falls_when_its_guard_goes() {
    let gauge = Registry::new().gauge("g", "G.");
    let guard = gauge.track();
    assert_eq!(gauge.get(), 1.0);
    drop(guard);
    assert_eq!(gauge.get(), 0.0);
}
