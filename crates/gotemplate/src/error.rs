//! Errors in the words of the original: people search for them.

/// Why a template could not be parsed: `template: NAME:LINE: MESSAGE`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template: {name}:{line}: {message}")]
pub struct ParseError {
    /// Name of the template.
    pub name: String,
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl ParseError {
    pub(crate) fn new(line: usize, message: impl Into<String>) -> Self {
        Self { name: String::new(), line, message: message.into() }
    }

    pub(crate) fn in_template(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }
}

/// Why a template could not be executed: `template: NAME:LINE:COLUMN: executing "NAME" at <NODE>: MESSAGE`, without
/// the place when the template as a whole is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template: {place}{message}")]
pub struct ExecError {
    /// Where, with a colon and a space behind.
    pub place: String,
    /// What is wrong.
    pub message: String,
}
