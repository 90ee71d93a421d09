//! What can be told of an expression without evaluating it.

use std::collections::BTreeSet;

use crate::functions::{Function, Loops};
use crate::syntax::{Expr, Gather, Step};
use crate::value::Item;

/// The variables that an expression asks for and does not define itself, sorted.
pub(crate) fn variables(expr: &Expr) -> Vec<&str> {
    let mut names = Names::default();
    names.expression(expr);
    names.asked.difference(&names.defined).copied().collect()
}

#[derive(Default)]
struct Names<'e> {
    asked: BTreeSet<&'e str>,
    defined: BTreeSet<&'e str>,
}

impl<'e> Names<'e> {
    fn expression(&mut self, expr: &'e Expr) {
        match expr {
            Expr::Empty | Expr::Constant(_) | Expr::This | Expr::Index | Expr::Total => {}
            Expr::Variable(name) => {
                self.asked.insert(name);
            }
            Expr::Path(path) => {
                self.expression(&path.start);
                path.flow.iter().for_each(|step| self.step(step));
                for stage in &path.stages {
                    self.gather(&stage.gather);
                    stage.flow.iter().for_each(|step| self.step(step));
                }
            }
            Expr::Negate(operand) | Expr::Plus(operand) | Expr::Is(operand, _) => self.expression(operand),
            Expr::Union(parts) => parts.iter().for_each(|part| self.expression(part)),
            Expr::Binary(_, pair) => {
                self.expression(&pair.0);
                self.expression(&pair.1);
            }
        }
    }

    fn step(&mut self, step: &'e Step) {
        match step {
            Step::Where(argument) | Step::Select(argument) | Step::Extension(argument) => self.expression(argument),
            Step::Root(_)
            | Step::Member(_)
            | Step::OfType(_)
            | Step::ReferenceKey(_)
            | Step::Resolve
            | Step::Children
            | Step::Descendants => {}
        }
    }

    fn gather(&mut self, gather: &'e Gather) {
        match gather {
            Gather::At(index) => self.expression(index),
            Gather::Is(_) => {}
            Gather::Call(call) => {
                let names = call.function == Function::Loops(Loops::DefineVariable);
                if let (true, Some(Expr::Constant(Item::String(name)))) = (names, call.arguments.first()) {
                    self.defined.insert(name);
                }
                call.arguments.iter().for_each(|argument| self.expression(argument));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::expression::Expression;

    #[test]
    fn variables_are_gathered() {
        let table = [
            ("name.where(use = %use).given", "use"),
            ("%a | -%b.x + (%c is Patient)", "a b c"),
            ("defineVariable('a', %b).select(%a)", "b"),
            ("a[%n].extension(%e).exists(%x > 1)", "e n x"),
            ("name.given", ""),
        ];
        for (text, expected) in table {
            let expression = Expression::parse(text).expect(text);
            assert_eq!(expression.variables().join(" "), expected, "{text}");
        }
    }
}
