//! A set of templates that know each other by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use wf_model::quote::GoQuoted;

use crate::error::{ExecError, ParseError};
use crate::exec::{self, Limits};
use crate::functions::{Functions, is_builtin};
use crate::html::Escaper;
use crate::parser;
use crate::tree::Tree;
use crate::value::Value;

/// See the module. Cloning is cheap: definitions added to a clone stay there.
#[derive(Clone, Debug, Default)]
pub struct TemplateSet {
    trees: BTreeMap<String, Arc<Tree>>,
}

impl TemplateSet {
    /// Adds the template `name` with this text, and what it defines. Later definitions replace earlier ones, unless
    /// they are blank.
    /// # Errors
    /// See [`ParseError`]; nothing was added then.
    pub fn add(&mut self, name: &str, text: &str, functions: &dyn Functions) -> Result<(), ParseError> {
        let is_function = |word: &str| is_builtin(word) || functions.knows(word);
        for (name, tree) in parser::parse(name, text, &is_function)? {
            if !tree.is_blank() || !self.trees.contains_key(&name) {
                self.trees.insert(name, Arc::new(tree));
            }
        }
        Ok(())
    }

    /// Returns whether there is a template of this name.
    pub fn has(&self, name: &str) -> bool {
        self.trees.contains_key(name)
    }

    /// Executes a template.
    /// # Errors
    /// See [`ExecError`]; there is no partial output.
    pub fn execute(
        &self,
        name: &str,
        data: &Value,
        functions: &dyn Functions,
        limits: Limits,
    ) -> Result<String, ExecError> {
        self.run(name, data, functions, limits, None)
    }

    /// Executes a template as html/template does: what actions print is escaped for where it stands.
    /// # Errors
    /// See [`ExecError`]; there is no partial output.
    pub fn execute_html(
        &self,
        name: &str,
        data: &Value,
        functions: &dyn Functions,
        limits: Limits,
    ) -> Result<String, ExecError> {
        self.run(name, data, functions, limits, Some(Escaper::default()))
    }

    fn run(
        &self,
        name: &str,
        data: &Value,
        functions: &dyn Functions,
        limits: Limits,
        escaper: Option<Escaper>,
    ) -> Result<String, ExecError> {
        let Some(tree) = self.trees.get(name) else {
            let message =
                format!("no template {} associated with template {}", GoQuoted(name), GoQuoted(name));
            return Err(ExecError { place: String::new(), message });
        };
        exec::run(self, tree, data, functions, limits, escaper)
    }

    pub(crate) fn tree(&self, name: &str) -> Option<&Arc<Tree>> {
        self.trees.get(name)
    }
}
