//! The syntax tree, and its text as errors quote it.

use std::fmt;

use crate::token::Number;

/// A template: its body, and its source for the places of errors.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) name: String,
    /// Name and text in which the template was defined: errors point there.
    pub(crate) file: String,
    pub(crate) source: std::sync::Arc<str>,
    pub(crate) body: Vec<Node>,
}

impl Tree {
    /// Returns whether the body is white space and comments only: such a definition never replaces another.
    pub(crate) fn is_blank(&self) -> bool {
        self.body.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
    }
}

/// A piece of a body.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(String),
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    /// Executes another template with the pipeline's value.
    Call {
        at: usize,
        name: String,
        argument: Option<Pipeline>,
    },
    Break,
    Continue,
}

/// A control structure.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) pipeline: Pipeline,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

/// Commands, each the last argument of the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pipeline {
    pub(crate) at: usize,
    /// Names of variables, with `$`, that get the value.
    pub(crate) targets: Vec<String>,
    /// `=` instead of `:=`.
    pub(crate) is_assignment: bool,
    pub(crate) commands: Vec<Command>,
}

/// An operand with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) args: Vec<Arg>,
}

impl Command {
    /// Returns the function's name when the command is one without arguments of its own.
    pub(crate) fn lone_function(&self) -> Option<&str> {
        match self.args.as_slice() {
            [Arg { kind: ArgKind::Function(name), .. }] => Some(name),
            _ => None,
        }
    }
}

/// An operand and the byte it begins at.
#[derive(Clone, Debug)]
pub(crate) struct Arg {
    pub(crate) at: usize,
    pub(crate) kind: ArgKind,
}

/// What an operand is.
#[derive(Clone, Debug)]
pub(crate) enum ArgKind {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    Text {
        value: String,
        source: String,
    },
    /// `.a.b`
    Field(Vec<String>),
    /// `$x.a.b`: the variable first.
    Variable(Vec<String>),
    Function(String),
    Pipeline(Box<Pipeline>),
    /// Fields of what is neither dot nor variable: `(x).a.b`.
    Chain(Box<Arg>, Vec<String>),
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ArgKind::Dot => f.write_str("."),
            ArgKind::Nil => f.write_str("nil"),
            ArgKind::Bool(value) => write!(f, "{value}"),
            ArgKind::Number(number) => f.write_str(&number.text),
            ArgKind::Text { source, .. } => f.write_str(source),
            ArgKind::Field(names) => names.iter().try_for_each(|name| write!(f, ".{name}")),
            ArgKind::Variable(names) => f.write_str(&names.join(".")),
            ArgKind::Function(name) => f.write_str(name),
            ArgKind::Pipeline(pipeline) => write!(f, "({pipeline})"),
            ArgKind::Chain(first, names) => {
                write!(f, "{first}")?;
                names.iter().try_for_each(|name| write!(f, ".{name}"))
            }
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, arg) in self.args.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{arg}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.targets.is_empty() {
            let sign = if self.is_assignment { "=" } else { ":=" };
            write!(f, "{} {sign} ", self.targets.join(", "))?;
        }
        for (position, command) in self.commands.iter().enumerate() {
            if position > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{command}")?;
        }
        Ok(())
    }
}
