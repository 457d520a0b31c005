//! Who is measured when.

/// Returns the order of measurements: forwards, backwards, forwards, … With two subjects and two passes A B B A: a machine
/// that gets slower or faster all the while hurts both alike.
pub fn passes<T: Clone>(subjects: &[T], n_passes: usize) -> Vec<(usize, T)> {
    let pass = |pass: usize| {
        let forwards = subjects.iter().cloned();
        let order: Vec<T> =
            if pass.is_multiple_of(2) { forwards.collect() } else { forwards.rev().collect() };
        order.into_iter().map(move |subject| (pass, subject))
    };
    (0..n_passes).flat_map(pass).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_pass_runs_backwards() {
        let order =
            |n| passes(&["a", "b", "c"], n).into_iter().map(|(_, subject)| subject).collect::<String>();
        assert_eq!(order(1), "abc");
        assert_eq!(order(2), "abccba");
        assert_eq!(order(3), "abccbaabc");
    }
}
