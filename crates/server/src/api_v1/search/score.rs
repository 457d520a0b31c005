//! How well a name matches what was typed: 1 from its beginning, less the further inside, and with fuzziness also what only
//! resembles it.

/// How names that do not hold a term are compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// All letters of the term, in their order, with gaps.
    Subsequence,
    /// Common letters at near places, and a common beginning.
    JaroWinkler,
}

/// Longest name, in letters, that is compared letter by letter; longer ones are cut for it.
const N_LETTERS_MAX: usize = 256;

/// What was typed.
#[derive(Debug)]
pub(super) struct Search {
    terms: Vec<Vec<char>>,
    /// From 0 to 1; at 0 a name must hold the term.
    threshold: f64,
    algorithm: Algorithm,
    is_case_sensitive: bool,
}

impl Search {
    pub(super) fn new(
        terms: Vec<String>,
        threshold: f64,
        algorithm: Algorithm,
        is_case_sensitive: bool,
    ) -> Self {
        let letters = |term: String| letters(&term, is_case_sensitive);
        Self { terms: terms.into_iter().map(letters).collect(), threshold, algorithm, is_case_sensitive }
    }

    /// Returns the score of the term that fits best, from 0 to 1; none when no term fits. Without terms all fit.
    pub(super) fn score(&self, name: &str) -> Option<f64> {
        if self.terms.is_empty() {
            return Some(1.0);
        }
        let name = letters(name, self.is_case_sensitive);
        self.terms.iter().filter_map(|term| self.score_of(term, &name)).max_by(f64::total_cmp)
    }

    fn score_of(&self, term: &[char], name: &[char]) -> Option<f64> {
        if let Some(at) = name.windows(term.len().max(1)).position(|part| part == term) {
            return Some(by_position(at, name.len()));
        }
        if self.threshold == 0.0 {
            return None;
        }
        let name = name.get(..N_LETTERS_MAX).unwrap_or(name);
        let score = match self.algorithm {
            Algorithm::Subsequence => subsequence(term, name)?,
            Algorithm::JaroWinkler => jaro_winkler(term, name),
        };
        (score >= self.threshold).then_some(score)
    }
}

fn letters(text: &str, is_case_sensitive: bool) -> Vec<char> {
    if is_case_sensitive {
        text.chars().collect()
    } else {
        text.chars().flat_map(char::to_lowercase).collect()
    }
}

/// 1 at the beginning, down to 0.1 at the end.
#[expect(clippy::cast_precision_loss, reason = "lengths of names")]
fn by_position(at: usize, n_letters: usize) -> f64 {
    if at == 0 { 1.0 } else { (1.0 - at as f64 / n_letters.max(1) as f64).mul_add(0.9, 0.1) }
}

/// The share of the name, from the first to the last letter used, that the term's letters fill.
#[expect(clippy::cast_precision_loss, reason = "lengths of names")]
fn subsequence(term: &[char], name: &[char]) -> Option<f64> {
    let mut wanted = term.iter();
    let mut next = wanted.next()?;
    let mut first = None;
    for (at, letter) in name.iter().enumerate() {
        if letter != next {
            continue;
        }
        let start = *first.get_or_insert(at);
        match wanted.next() {
            Some(letter) => next = letter,
            None => return Some(term.len() as f64 / (at - start + 1) as f64),
        }
    }
    None
}

/// Winkler's similarity: common letters no further apart than half the longer text, transpositions, and up to four
/// letters of common beginning.
#[expect(clippy::cast_precision_loss, reason = "lengths of names")]
fn jaro_winkler(a: &[char], b: &[char]) -> f64 {
    let window = (a.len().max(b.len()) / 2).saturating_sub(1);
    let mut is_taken = vec![false; b.len()];
    let mut common_of_a = Vec::new();
    for (at, letter) in a.iter().enumerate() {
        let (from, to) = (at.saturating_sub(window), (at + window + 1).min(b.len()));
        let mut places = (from..to).zip(b.iter().skip(from));
        let fits = places.find(|(place, other)| *other == letter && is_taken.get(*place) == Some(&false));
        if let Some((place, _)) = fits
            && let Some(taken) = is_taken.get_mut(place)
        {
            *taken = true;
            common_of_a.push(*letter);
        }
    }
    if common_of_a.is_empty() {
        return 0.0;
    }
    let common_of_b = b.iter().zip(&is_taken).filter(|(_, is_taken)| **is_taken).map(|(letter, _)| letter);
    let n_transposed = common_of_a.iter().zip(common_of_b).filter(|(x, y)| x != y).count() / 2;
    let common = common_of_a.len() as f64;
    let jaro =
        (common / a.len() as f64 + common / b.len() as f64 + (common - n_transposed as f64) / common) / 3.0;
    let n_prefix = a.iter().zip(b).take(4).take_while(|(x, y)| x == y).count();
    (n_prefix as f64 * 0.1).mul_add(1.0 - jaro, jaro)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(term: &str, name: &str, threshold: f64, algorithm: Algorithm) -> Option<f64> {
        Search::new(vec![term.to_owned()], threshold, algorithm, true).score(name)
    }

    #[test]
    fn the_further_inside_the_lower_the_score() {
        let at = |name: &str| score("cpu", name, 0.0, Algorithm::Subsequence);
        assert_eq!(at("cpu_seconds"), Some(1.0));
        let (near, far) = (at("node_cpu").unwrap(), at("a_very_long_node_cpu").unwrap());
        assert!(0.1 < far && far < near && near < 1.0, "{near} {far}");
        assert_eq!(at("memory"), None);
        assert_eq!(score("", "anything", 0.0, Algorithm::Subsequence), None);
    }

    #[test]
    fn letters_with_gaps_match_when_fuzziness_is_asked_for() {
        let check = |threshold| score("ncpu", "node_cpu_seconds", threshold, Algorithm::Subsequence);
        assert_eq!((check(0.0), check(0.5), check(0.9)), (None, Some(0.5), None));
        assert_eq!(score("upc", "node_cpu", 0.1, Algorithm::Subsequence), None, "order matters");
    }

    #[test]
    fn similarity_is_that_of_the_literature() {
        let check = |a: &str, b: &str, want: f64| {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            let got = jaro_winkler(&letters(a), &letters(b));
            assert!((got - want).abs() < 5e-4, "{a} {b}: {got}");
        };
        check("MARTHA", "MARHTA", 0.9611);
        check("DWAYNE", "DUANE", 0.84);
        check("DIXON", "DICKSONX", 0.8133);
        check("abc", "xyz", 0.0);
    }
}
