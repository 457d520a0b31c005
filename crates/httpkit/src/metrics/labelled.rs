//! Metrics of one family that differ in label values.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use wf_exposition::Metric;

use super::Cell;

/// Children by the values of `N` labels. Clones share them.
///
/// Keep the handle that [`MetricVec::with`] returns where it is hot: the lookup takes a read lock and a binary
/// search. Values must come from a bounded set (status codes, routes, jobs), never from request content.
pub struct MetricVec<T, const N: usize> {
    inner: Arc<Inner<T, N>>,
}

struct Inner<T, const N: usize> {
    label_names: [&'static str; N],
    make: Box<dyn Fn() -> T + Send + Sync>,
    /// Sorted by label values.
    children: RwLock<Vec<([String; N], T)>>,
}

impl<T: Cell, const N: usize> MetricVec<T, N> {
    pub(super) fn new(label_names: [&'static str; N], make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self { inner: Arc::new(Inner { label_names, make: Box::new(make), children: RwLock::default() }) }
    }

    /// Returns the child with these label values and makes it, at zero, if there is none yet.
    pub fn with(&self, values: &[&str; N]) -> T {
        let found =
            |children: &Vec<([String; N], T)>| children.binary_search_by(|(key, _)| order(key, values));
        {
            let children = self.inner.children.read();
            if let Some((_, child)) = found(&children).ok().and_then(|idx| children.get(idx)) {
                return child.clone();
            }
        }
        let mut children = self.inner.children.write();
        match found(&children).map(|idx| children.get(idx)) {
            Ok(Some((_, child))) => child.clone(),
            Ok(None) => (self.inner.make)(),
            Err(idx) => {
                let child = (self.inner.make)();
                children.insert(idx, (values.map(str::to_owned), child.clone()));
                child
            }
        }
    }

    /// Removes the child with these label values, so that it is no longer exposed. Returns whether there was one.
    pub fn remove(&self, values: &[&str; N]) -> bool {
        let mut children = self.inner.children.write();
        match children.binary_search_by(|(key, _)| order(key, values)) {
            Ok(idx) => {
                children.remove(idx);
                true
            }
            Err(_) => false,
        }
    }

    /// Keeps only the children for whose label values `keep` holds.
    pub fn retain(&self, mut keep: impl FnMut(&[String; N]) -> bool) {
        self.inner.children.write().retain(|(key, _)| keep(key));
    }

    pub(super) fn read_into(&self, metrics: &mut Vec<Metric>) {
        for (values, child) in self.inner.children.read().iter() {
            let names = self.inner.label_names.iter().map(|name| Cow::Borrowed(*name));
            let labels = names.zip(values.iter().cloned()).collect();
            metrics.push(Metric { labels, value: child.read(), timestamp_ms: None });
        }
    }
}

fn order<const N: usize>(key: &[String; N], values: &[&str; N]) -> Ordering {
    key.iter().map(String::as_str).cmp(values.iter().copied())
}

impl<T, const N: usize> Clone for MetricVec<T, N> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T, const N: usize> fmt::Debug for MetricVec<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MetricVec({:?}, {} children)", self.inner.label_names, self.inner.children.read().len())
    }
}
