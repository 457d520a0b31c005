//! Walks a tree and writes text.

mod operand;

use wf_model::quote::GoQuoted;

use crate::error::ExecError;
use crate::functions::Functions;
use crate::html::Escaper;
use crate::template::TemplateSet;
use crate::tree::{Branch, Node, Pipeline, Tree};
use crate::value::Value;

/// What an execution may cost: no template runs for ever or fills the memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of output.
    pub n_output_bytes: usize,
    /// Nodes executed and operands evaluated.
    pub n_steps: u64,
    /// Templates calling templates.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { n_output_bytes: 16 << 20, n_steps: 10_000_000, depth: 100 }
    }
}

/// Executes `tree` on `data`.
pub(crate) fn run(
    set: &TemplateSet,
    tree: &Tree,
    data: &Value,
    functions: &dyn Functions,
    limits: Limits,
    escaper: Option<Escaper>,
) -> Result<String, ExecError> {
    let mut budget = Budget { limits, n_steps: 0, depth: 0, output: String::new(), escaper };
    let mut execution = Execution {
        set,
        tree,
        functions,
        budget: &mut budget,
        variables: vec![("$".to_owned(), data.clone())],
    };
    execution.list(&tree.body, data)?;
    if let Some(unfinished) = execution.budget.escaper.as_ref().and_then(Escaper::unfinished) {
        return execution.fail(0, "", format!("ends in a non-text context: {unfinished}"));
    }
    Ok(budget.output)
}

/// What is used up, over all templates of one execution.
struct Budget {
    limits: Limits,
    n_steps: u64,
    depth: usize,
    output: String,
    /// Set for html/template.
    escaper: Option<Escaper>,
}

/// One template being executed.
struct Execution<'a> {
    set: &'a TemplateSet,
    tree: &'a Tree,
    functions: &'a dyn Functions,
    budget: &'a mut Budget,
    variables: Vec<(String, Value)>,
}

type Executed<T> = Result<T, ExecError>;

/// How a list of nodes was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Through,
    Break,
    Continue,
}

impl Execution<'_> {
    fn list(&mut self, nodes: &[Node], dot: &Value) -> Executed<Flow> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::Through {
                return Ok(flow);
            }
        }
        Ok(Flow::Through)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Executed<Flow> {
        self.step(0)?;
        match node {
            Node::Text(text) => match self.budget.escaper.as_mut().map(|escaper| escaper.literal(text)) {
                Some(text) => self.write(&text, 0)?,
                None => self.write(text, 0)?,
            },
            Node::Action(pipeline) => self.action(pipeline, dot)?,
            Node::If(branch) => return self.conditional(branch, dot, false),
            Node::With(branch) => return self.conditional(branch, dot, true),
            Node::Range(branch) => return self.range(branch, dot),
            Node::Call { at, name, argument } => self.call(*at, name, argument.as_ref(), dot)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Through)
    }

    fn action(&mut self, pipeline: &Pipeline, dot: &Value) -> Executed<()> {
        let own = pipeline.commands.last().and_then(|last| last.lone_function());
        // The escaper does what a final `html` would: twice would show entities to people.
        if let (Some(_), Some("html"), [before @ .., _], true) =
            (&self.budget.escaper, own, pipeline.commands.as_slice(), pipeline.commands.len() > 1)
        {
            let mut value = None;
            for command in before {
                value = Some(self.command(command, dot, value)?);
            }
            return self.write_value(&value.unwrap_or_default(), false, pipeline.at);
        }
        let value = self.pipeline(pipeline, dot)?;
        match pipeline.targets.is_empty() {
            true => self.write_value(&value, own == Some("urlquery"), pipeline.at),
            false => Ok(()),
        }
    }

    fn write_value(&mut self, value: &Value, is_url_query: bool, at: usize) -> Executed<()> {
        match (&mut self.budget.escaper, value) {
            (Some(escaper), value) => match escaper.value(value, is_url_query) {
                Ok(text) => self.write(&text, at),
                Err(message) => self.fail(at, "", message),
            },
            (None, Value::Nil) => self.write("<no value>", at),
            (None, value) => self.write(&value.to_string(), at),
        }
    }

    fn conditional(&mut self, branch: &Branch, dot: &Value, moves_dot: bool) -> Executed<Flow> {
        let n_variables = self.variables.len();
        let value = self.pipeline(&branch.pipeline, dot)?;
        let flow = match value.is_true() {
            true if moves_dot => self.list(&branch.body, &value),
            true => self.list(&branch.body, dot),
            false => self.list(&branch.otherwise, dot),
        };
        self.variables.truncate(n_variables);
        flow
    }

    fn range(&mut self, branch: &Branch, dot: &Value) -> Executed<Flow> {
        let n_variables = self.variables.len();
        let value = self.pipeline(&branch.pipeline, dot)?;
        let n_declared = self.variables.len();
        let mut n_rounds = 0_usize;
        for (key, element) in self.rounds(&value, branch.pipeline.at)? {
            n_rounds += 1;
            self.step(branch.pipeline.at)?;
            self.bind(&branch.pipeline, key, &element);
            let flow = self.list(&branch.body, &element)?;
            self.variables.truncate(n_declared);
            if flow == Flow::Break {
                break;
            }
        }
        // A loop ends its own jumps; those in its `else` belong to the loop around it.
        let flow = if n_rounds == 0 { self.list(&branch.otherwise, dot)? } else { Flow::Through };
        self.variables.truncate(n_variables);
        Ok(flow)
    }

    /// Returns what is ranged over: index or key, and element.
    fn rounds<'v>(
        &self,
        value: &'v Value,
        at: usize,
    ) -> Executed<Box<dyn Iterator<Item = (Value, Value)> + 'v>> {
        if let Value::Int(n) = value {
            return Ok(Box::new((0..*n).map(|at| (Value::Int(at), Value::Int(at)))));
        }
        if let Value::Uint(n) = value {
            return Ok(Box::new((0..*n).map(|at| (Value::Uint(at), Value::Uint(at)))));
        }
        if let Some(elements) = value.elements() {
            let numbered = (0_i64..).zip(elements);
            return Ok(Box::new(numbered.map(|(at, element)| (Value::Int(at), element))));
        }
        if let Some(entries) = value.entries() {
            return Ok(Box::new(entries.into_iter().map(|(key, value)| (Value::Text(key), value))));
        }
        match value {
            Value::Nil => Ok(Box::new(std::iter::empty())),
            _ => self.fail(at, "", format!("range can't iterate over {value}")),
        }
    }

    /// Gives the variables of a `range` what this round is about.
    fn bind(&mut self, pipeline: &Pipeline, key: Value, element: &Value) {
        let values = match pipeline.targets.len() {
            2 => vec![key, element.clone()],
            _ => vec![element.clone()],
        };
        for (name, value) in pipeline.targets.iter().zip(values) {
            self.assign(name, value);
        }
    }

    /// Sets the innermost variable of this name.
    fn assign(&mut self, name: &str, value: Value) {
        if let Some((_, slot)) = self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            *slot = value;
        }
    }

    fn call(&mut self, at: usize, name: &str, argument: Option<&Pipeline>, dot: &Value) -> Executed<()> {
        let Some(tree) = self.set.tree(name) else {
            let node = format!("{{{{template {}}}}}", GoQuoted(name));
            return self.fail(at, &node, format!("template {} not defined", GoQuoted(name)));
        };
        if self.budget.depth >= self.budget.limits.depth {
            let depth = self.budget.limits.depth;
            return self.fail(at, "", format!("exceeded maximum template depth ({depth})"));
        }
        let data = argument.map_or(Ok(Value::Nil), |pipeline| self.pipeline(pipeline, dot))?;
        self.budget.depth += 1;
        let variables = vec![("$".to_owned(), data.clone())];
        Execution { set: self.set, tree, functions: self.functions, budget: self.budget, variables }
            .list(&tree.body, &data)?;
        self.budget.depth -= 1;
        Ok(())
    }

    /// Evaluates a pipeline and sets its variables.
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Executed<Value> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?);
        }
        let value = value.unwrap_or_default();
        for name in &pipeline.targets {
            match pipeline.is_assignment {
                true => self.assign(name, value.clone()),
                false => self.variables.push((name.clone(), value.clone())),
            }
        }
        Ok(value)
    }

    fn write(&mut self, text: &str, at: usize) -> Executed<()> {
        let limit = self.budget.limits.n_output_bytes;
        if text.len() > limit.saturating_sub(self.budget.output.len()) {
            return self.fail(at, "", format!("output exceeds {limit} bytes"));
        }
        self.budget.output.push_str(text);
        Ok(())
    }

    fn step(&mut self, at: usize) -> Executed<()> {
        self.budget.n_steps += 1;
        let limit = self.budget.limits.n_steps;
        match self.budget.n_steps > limit {
            true => self.fail(at, "", format!("execution exceeds {limit} steps")),
            false => Ok(()),
        }
    }

    /// Fails at the byte `at` of the source, quoting the beginning of `node` when there is one.
    fn fail<T>(&self, at: usize, node: &str, message: impl Into<String>) -> Executed<T> {
        let before = self.tree.source.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rfind('\n').map_or(at, |newline| at - newline - 1);
        let mut place =
            format!("{}:{line}:{column}: executing {} ", self.tree.file, GoQuoted(&self.tree.name));
        if !node.is_empty() {
            let short: String = node.chars().take(20).collect();
            let dots = if short.len() < node.len() { "..." } else { "" };
            place.push_str(&format!("at <{short}{dots}>: "));
        }
        Err(ExecError { place, message: message.into() })
    }
}
