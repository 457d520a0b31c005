//! Operands: constants, variables, fields, methods and functions.

use wf_model::quote::GoQuoted;

use super::{Executed, Execution};
use crate::functions::{call_builtin, is_builtin};
use crate::token::Number;
use crate::tree::{Arg, ArgKind, Command};
use crate::value::Value;

impl Execution<'_> {
    /// Evaluates a command; `piped` is the value of the one before, its last argument.
    pub(super) fn command(
        &mut self,
        command: &Command,
        dot: &Value,
        piped: Option<Value>,
    ) -> Executed<Value> {
        let Some((first, args)) = command.args.split_first() else { return Ok(Value::Nil) };
        self.step(first.at)?;
        match &first.kind {
            ArgKind::Function(name) => self.function(first, name, args, dot, piped),
            ArgKind::Field(names) => self.chain(first, dot.clone(), names, args, dot, piped),
            ArgKind::Variable(names) if names.len() > 1 => {
                let value = self.variable(first, names)?;
                self.chain(first, value, names.get(1..).unwrap_or_default(), args, dot, piped)
            }
            ArgKind::Chain(inner, names) => {
                let value = self.arg(inner, dot)?;
                self.chain(first, value, names, args, dot, piped)
            }
            _ if !args.is_empty() || piped.is_some() => {
                let node = first.to_string();
                self.fail(first.at, &node, format!("can't give argument to non-function {node}"))
            }
            ArgKind::Nil => self.fail(first.at, "nil", "nil is not a command"),
            _ => self.arg(first, dot),
        }
    }

    /// Evaluates an operand that takes no arguments.
    fn arg(&mut self, arg: &Arg, dot: &Value) -> Executed<Value> {
        self.step(arg.at)?;
        Ok(match &arg.kind {
            ArgKind::Dot => dot.clone(),
            ArgKind::Nil => Value::Nil,
            ArgKind::Bool(value) => Value::Bool(*value),
            ArgKind::Text { value, .. } => Value::text(value),
            ArgKind::Number(number) => self.number(arg, number)?,
            ArgKind::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
            ArgKind::Function(name) => self.function(arg, name, &[], dot, None)?,
            ArgKind::Field(names) => self.chain(arg, dot.clone(), names, &[], dot, None)?,
            ArgKind::Variable(names) => {
                let value = self.variable(arg, names)?;
                self.chain(arg, value, names.get(1..).unwrap_or_default(), &[], dot, None)?
            }
            ArgKind::Chain(inner, names) => {
                let value = self.arg(inner, dot)?;
                self.chain(arg, value, names, &[], dot, None)?
            }
        })
    }

    /// Constants are integers unless they are written as floats.
    fn number(&self, arg: &Arg, number: &Number) -> Executed<Value> {
        match (number.int, number.uint, number.float) {
            (_, _, Some(float)) if number.is_written_as_float() => Ok(Value::Float(float)),
            (Some(int), _, _) => Ok(Value::Int(int)),
            (None, Some(_), _) => self.fail(arg.at, &number.text, format!("{} overflows int", number.text)),
            (None, None, Some(float)) => Ok(Value::Float(float)),
            (None, None, None) => self.fail(arg.at, &number.text, "not a number"),
        }
    }

    fn variable(&self, arg: &Arg, names: &[String]) -> Executed<Value> {
        let name = names.first().map_or("", String::as_str);
        match self.variables.iter().rev().find(|(known, _)| known == name) {
            Some((_, value)) => Ok(value.clone()),
            None => self.fail(arg.at, &arg.to_string(), format!("undefined variable: {name}")),
        }
    }

    /// Follows fields from `value`; the last gets the arguments.
    fn chain(
        &mut self,
        node: &Arg,
        mut value: Value,
        names: &[String],
        args: &[Arg],
        dot: &Value,
        piped: Option<Value>,
    ) -> Executed<Value> {
        let Some((last, inner)) = names.split_last() else { return Ok(value) };
        for name in inner {
            value = self.field(node, &value, name, &[])?;
        }
        let mut values = args.iter().map(|arg| self.arg(arg, dot)).collect::<Executed<Vec<_>>>()?;
        values.extend(piped);
        self.field(node, &value, last, &values)
    }

    /// Returns a method's result, a field, or an entry of a map.
    fn field(&self, node: &Arg, value: &Value, name: &str, args: &[Value]) -> Executed<Value> {
        if let Value::Object(object) = value {
            match object.method(name, args) {
                Some(Ok(result)) => return Ok(result),
                Some(Err(message)) => {
                    return self.fail(node.at, &node.to_string(), format!("error calling {name}: {message}"));
                }
                None => {}
            }
        }
        let found = match value {
            Value::Nil => Some(Value::Nil),
            Value::Object(object) => object.field(name).or_else(|| value.entry(name)),
            other => other.entry(name),
        };
        match found {
            Some(_) if !args.is_empty() => {
                let message = format!("{name} has arguments but cannot be invoked as function");
                self.fail(node.at, &node.to_string(), message)
            }
            Some(found) => Ok(found),
            None => {
                let message = format!("can't evaluate field {name} in type {}", value.type_name());
                self.fail(node.at, &node.to_string(), message)
            }
        }
    }

    fn function(
        &mut self,
        node: &Arg,
        name: &str,
        args: &[Arg],
        dot: &Value,
        piped: Option<Value>,
    ) -> Executed<Value> {
        let is_own = !self.functions.knows(name);
        if is_own && matches!(name, "and" | "or") {
            return self.short_circuit(node, name, args, dot, piped);
        }
        let mut values = args.iter().map(|arg| self.arg(arg, dot)).collect::<Executed<Vec<_>>>()?;
        values.extend(piped);
        let result = match is_own {
            true if is_builtin(name) => call_builtin(name, &values),
            true => Err(format!("{} is not a defined function", GoQuoted(name))),
            false => self.functions.call(name, &values),
        };
        match result {
            Ok(value) => Ok(value),
            Err(message) => {
                self.fail(node.at, &node_text(name, args), format!("error calling {name}: {message}"))
            }
        }
    }

    /// `and` returns its first false operand, `or` its first true one, or the last; what follows is not evaluated.
    fn short_circuit(
        &mut self,
        node: &Arg,
        name: &str,
        args: &[Arg],
        dot: &Value,
        piped: Option<Value>,
    ) -> Executed<Value> {
        let mut last = None;
        for arg in args {
            let value = self.arg(arg, dot)?;
            if value.is_true() == (name == "or") {
                return Ok(value);
            }
            last = Some(value);
        }
        match piped.or(last) {
            Some(value) => Ok(value),
            None => {
                let message = format!("wrong number of args for {name}: want at least 1 got 0");
                self.fail(node.at, name, message)
            }
        }
    }
}

fn node_text(name: &str, args: &[Arg]) -> String {
    args.iter().fold(name.to_owned(), |text, arg| format!("{text} {arg}"))
}
