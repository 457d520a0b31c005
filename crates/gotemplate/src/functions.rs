//! Functions that templates call: the language's own, and those of the owner.

mod builtin;
mod compare;
mod escape;

pub(crate) use builtin::{call_builtin, is_builtin};

use crate::value::Value;

/// The functions that an owner adds. They win over the language's own.
pub trait Functions {
    /// Returns whether there is a function of this name.
    fn knows(&self, name: &str) -> bool;

    /// Calls one that is known.
    /// # Errors
    /// Why it failed, in the words that follow `error calling NAME: `.
    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String>;
}

/// No functions beyond the language's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFunctions;

impl Functions for NoFunctions {
    fn knows(&self, _name: &str) -> bool {
        false
    }

    fn call(&self, name: &str, _args: &[Value]) -> Result<Value, String> {
        Err(format!("{name} is not a function"))
    }
}
