//! Remarks on a query that did not stop it: warnings and infos, each text once.
//!
//! # Source
//! `spec/prometheus-query.md` §2.11.

/// Warnings and infos, rendered with their position, in order of first appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// `PromQL warning: …` and warnings of storage.
    pub warnings: Vec<String>,
    /// `PromQL info: …`
    pub infos: Vec<String>,
}

impl Annotations {
    /// Returns whether there is nothing to remark.
    pub fn is_empty(&self) -> bool {
        self.warnings.is_empty() && self.infos.is_empty()
    }

    /// Returns at most `limit` warnings and infos each (0: all), and for what was left out one line that counts it.
    pub fn limited(&self, limit: usize) -> Self {
        Self {
            warnings: limited(&self.warnings, limit, "warning"),
            infos: limited(&self.infos, limit, "info"),
        }
    }
}

fn limited(texts: &[String], limit: usize, noun: &str) -> Vec<String> {
    let mut kept: Vec<String> =
        texts.iter().take(if limit == 0 { texts.len() } else { limit }).cloned().collect();
    let n_omitted = texts.len() - kept.len();
    if n_omitted > 0 {
        kept.push(format!("{n_omitted} more {noun} annotations omitted"));
    }
    kept
}
