//! Selects nodes of a document by the part of XPath 1.0 that [`select_parse`](crate::select_parse) reads.

use crate::document::{Document, Node, What};
use crate::namespace::{FHIR, XML};
use crate::select_parse::{Expression, Name, Path, Step, Test};

/// What a selection comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Selected<'d> {
    /// Nodes in the order of the document.
    Nodes(Vec<Node<'d>>),
    /// A declaration of this prefix, on these elements.
    Declaration(Vec<Node<'d>>, String),
}

/// Which namespace a prefix of a selector stands for; the empty prefix is the default.
pub(crate) type Prefixes<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why nothing could be selected, as the end of a sentence.
#[derive(Debug, PartialEq)]
pub(crate) enum Failed {
    /// A prefix stands for nothing.
    Prefix(String),
    /// More would be looked at than is allowed.
    Costly,
}

/// Takes some looks off those that are left.
pub(crate) fn pay(looks: &mut usize, some: usize) -> Result<(), Failed> {
    *looks = looks.checked_sub(some).ok_or(Failed::Costly)?;
    Ok(())
}

/// Selects from a whole document, with so many `looks` at nodes left, which it takes its own off.
pub(crate) fn select<'d>(
    document: &'d Document<'d>,
    path: &Path,
    prefixes: Prefixes<'_>,
    looks: &mut usize,
) -> Result<Selected<'d>, Failed> {
    let mut selection = Selection {
        document,
        prefixes,
        looks,
    };
    match path.steps.split_last() {
        Some((
            Step {
                test: Test::Namespace(prefix),
                ..
            },
            before,
        )) => {
            let found = selection.walk(vec![Place::Document], before)?;
            Ok(Selected::Declaration(nodes(found), prefix.clone()))
        }
        _ => selection.path(Place::Document, path).map(Selected::Nodes),
    }
}

/// A node, or the document above its outermost element.
#[derive(Clone, Copy, PartialEq)]
enum Place<'d> {
    Document,
    Node(Node<'d>),
}

fn nodes(places: Vec<Place<'_>>) -> Vec<Node<'_>> {
    let node = |place| match place {
        Place::Document => None,
        Place::Node(node) => Some(node),
    };
    places.into_iter().filter_map(node).collect()
}

/// What an operand comes to.
enum Value<'d> {
    Nodes(Vec<Node<'d>>),
    Text(String),
    Number(f64),
    Truth(bool),
}

struct Selection<'d, 'p> {
    document: &'d Document<'d>,
    prefixes: Prefixes<'p>,
    looks: &'p mut usize,
}

impl<'d> Selection<'d, '_> {
    fn look(&mut self) -> Result<(), Failed> {
        pay(self.looks, 1)
    }

    fn path(&mut self, from: Place<'d>, path: &Path) -> Result<Vec<Node<'d>>, Failed> {
        let from = if path.absolute { Place::Document } else { from };
        Ok(nodes(self.walk(vec![from], &path.steps)?))
    }

    fn walk(&mut self, mut places: Vec<Place<'d>>, steps: &[Step]) -> Result<Vec<Place<'d>>, Failed> {
        for step in steps {
            if step.deep {
                let mut all = Vec::new();
                for place in places {
                    self.below(place, &mut all)?;
                }
                places = all;
            }
            let mut next = Vec::new();
            for place in places {
                let found = self.step(place, &step.test)?;
                next.extend(self.kept(found, &step.predicates)?);
            }
            let order = |place: &Place<'_>| match place {
                Place::Document => None,
                Place::Node(node) => Some(node.place()),
            };
            next.sort_by_key(order);
            next.dedup();
            places = next;
        }
        Ok(places)
    }

    /// A place and all elements below it.
    fn below(&mut self, place: Place<'d>, all: &mut Vec<Place<'d>>) -> Result<(), Failed> {
        let mut open = vec![place];
        while let Some(place) = open.pop() {
            self.look()?;
            all.push(place);
            open.extend(self.children(place).filter(Node::is_element).map(Place::Node));
        }
        Ok(())
    }

    fn children(&self, place: Place<'d>) -> crate::document::Nodes<'d> {
        match place {
            Place::Document => self.document.outermost(),
            Place::Node(node) => node.children(),
        }
    }

    fn step(&mut self, place: Place<'d>, test: &Test) -> Result<Vec<Place<'d>>, Failed> {
        let mut found = Vec::new();
        match (test, place) {
            (Test::Itself, place) => found.push(place),
            (Test::Attribute(name), Place::Node(node)) => {
                for attribute in node.attributes().filter(|attribute| !attribute.is_declaration()) {
                    self.look()?;
                    if self.is_named(attribute, name)? {
                        found.push(Place::Node(attribute));
                    }
                }
            }
            (Test::Attribute(_) | Test::Namespace(_), _) => {}
            (Test::Id(id), place) => {
                let mut all = Vec::new();
                self.below(place, &mut all)?;
                let has = |place: &Place<'_>| match place {
                    Place::Document => false,
                    Place::Node(node) => {
                        let mut ids = node
                            .attributes()
                            .filter(|a| a.name() == "id" && matches!(a.space(), "" | XML));
                        ids.any(|attribute| attribute.value() == *id)
                    }
                };
                found.extend(all.into_iter().filter(has));
            }
            (test, place) => {
                for child in self.children(place) {
                    self.look()?;
                    if self.fits(child, test)? {
                        found.push(Place::Node(child));
                    }
                }
            }
        }
        Ok(found)
    }

    fn fits(&self, node: Node<'_>, test: &Test) -> Result<bool, Failed> {
        Ok(match (test, node.what()) {
            (Test::Element(name), What::Element) => self.is_named(node, name)?,
            (Test::Text, What::Text) | (Test::Comment, What::Comment) | (Test::Node, _) => true,
            (Test::Instruction(target), What::Instruction) => target.as_ref().is_none_or(|t| t == node.name()),
            _ => false,
        })
    }

    /// A name without a prefix is in the default namespace of the patch, where that declares one (RFC 5261, 4.2.2);
    /// where it does not, it may be FHIR's as well as none. An attribute's name without a prefix is in none.
    fn is_named(&self, node: Node<'_>, name: &Name) -> Result<bool, Failed> {
        if name.local.as_ref().is_some_and(|local| local != node.name()) {
            return Ok(false);
        }
        let space = node.space();
        if !name.prefix.is_empty() {
            let wanted = (self.prefixes)(&name.prefix).ok_or_else(|| Failed::Prefix(name.prefix.clone()))?;
            return Ok(space == wanted);
        }
        if name.local.is_none() {
            return Ok(true);
        }
        if node.what() == What::Attribute {
            return Ok(space.is_empty());
        }
        Ok(match (self.prefixes)("") {
            Some(wanted) => space == wanted,
            None => matches!(space, "" | FHIR),
        })
    }

    /// Those for which all predicates hold, each predicate counting anew.
    fn kept(&mut self, mut found: Vec<Place<'d>>, predicates: &[Expression]) -> Result<Vec<Place<'d>>, Failed> {
        for predicate in predicates {
            let last = found.len();
            let mut next = Vec::new();
            for (at, place) in found.into_iter().enumerate() {
                let holds = match self.value(place, (at + 1, last), predicate)? {
                    Value::Number(number) => number == (at + 1) as f64,
                    value => truth(&value),
                };
                if holds {
                    next.push(place);
                }
            }
            found = next;
        }
        Ok(found)
    }

    fn value(&mut self, place: Place<'d>, count: (usize, usize), of: &Expression) -> Result<Value<'d>, Failed> {
        self.look()?;
        let mut holds = |expression: &Expression| Ok(truth(&self.value(place, count, expression)?));
        Ok(match of {
            Expression::Or(all) => {
                for one in all {
                    if holds(one)? {
                        return Ok(Value::Truth(true));
                    }
                }
                Value::Truth(false)
            }
            Expression::And(all) => {
                for one in all {
                    if !holds(one)? {
                        return Ok(Value::Truth(false));
                    }
                }
                Value::Truth(true)
            }
            Expression::Not(inner) => Value::Truth(!holds(inner)?),
            Expression::Compare(operands, equal) => {
                let left = self.value(place, count, &operands.0)?;
                let right = self.value(place, count, &operands.1)?;
                Value::Truth(self.compare(&left, &right, *equal)?)
            }
            Expression::Number(number) => Value::Number(*number),
            Expression::Text(text) => Value::Text(text.clone()),
            Expression::Last => Value::Number(count.1 as f64),
            Expression::Position => Value::Number(count.0 as f64),
            Expression::Count(path) => Value::Number(self.path(place, path)?.len() as f64),
            Expression::Path(path) => Value::Nodes(self.path(place, path)?),
        })
    }

    /// XPath 1.0, 3.4: nodes are equal to something where one of them is; a truth makes both sides truths, and else a
    /// number makes both sides numbers.
    fn compare(&mut self, left: &Value<'_>, right: &Value<'_>, equal: bool) -> Result<bool, Failed> {
        if matches!(left, Value::Truth(_)) || matches!(right, Value::Truth(_)) {
            return Ok((truth(left) == truth(right)) == equal);
        }
        let numbers = matches!(left, Value::Number(_)) || matches!(right, Value::Number(_));
        let (left, right) = (self.texts(left)?, self.texts(right)?);
        for left in &left {
            for right in &right {
                self.look()?;
                let same = match numbers {
                    true => number(left).is_some_and(|left| number(right) == Some(left)),
                    false => left == right,
                };
                if same == equal {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn texts(&mut self, value: &Value<'_>) -> Result<Vec<String>, Failed> {
        let nodes = match value {
            Value::Nodes(nodes) => nodes,
            Value::Text(text) => return Ok(vec![text.clone()]),
            Value::Number(number) => return Ok(vec![number.to_string()]),
            Value::Truth(truth) => return Ok(vec![truth.to_string()]),
        };
        let mut texts = Vec::with_capacity(nodes.len());
        for node in nodes {
            // The text of an element is gathered from all that is below it.
            pay(self.looks, 1 + node.span().len() / 16)?;
            texts.push(node.string_value());
        }
        Ok(texts)
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

fn truth(value: &Value<'_>) -> bool {
    match value {
        Value::Nodes(nodes) => !nodes.is_empty(),
        Value::Text(text) => !text.is_empty(),
        Value::Number(number) => *number != 0.0,
        Value::Truth(truth) => *truth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Limits;
    use crate::select_parse::parse;

    const TEXT: &str = "<!--top--><a xmlns='http://hl7.org/fhir' xmlns:h='urn:h'><b n='1'>x<c/></b><b n='2'>y<!--i--></b>\
                        <h:b>z</h:b><c xml:id='here'><b n='3'>y</b></c><?go on?></a>";

    fn found(selector: &str) -> Result<String, String> {
        let document = Document::parse(TEXT.as_bytes(), Limits::default()).unwrap();
        let prefixes = |prefix: &str| match prefix {
            "f" => Some(FHIR.to_owned()),
            "h" => Some("urn:h".to_owned()),
            _ => None,
        };
        match select(&document, &parse(selector)?, &prefixes, &mut 1_000) {
            Ok(Selected::Nodes(nodes)) => Ok(nodes.iter().map(|node| node.source()).collect::<Vec<_>>().join(" ")),
            Ok(Selected::Declaration(nodes, prefix)) => Ok(format!("{prefix} on {}", nodes.len())),
            Err(failed) => Err(format!("{failed:?}")),
        }
    }

    #[test]
    fn selects_what_xpath_selects() {
        let table = [
            ("/f:a/f:b[2]", "<b n='2'>y<!--i--></b>"),
            ("a/b[@n='2']/text()", "y"),
            ("f:a/f:b/@n", "n='1' n='2'"),
            ("/a/h:b", "<h:b>z</h:b>"),
            ("/a/*[last()]/b", "<b n='3'>y</b>"),
            ("//f:b[.='y'][@n=3]", "<b n='3'>y</b>"),
            ("//b[1]", "<b n='1'>x<c/></b> <b n='3'>y</b>"),
            ("a/b[c]", "<b n='1'>x<c/></b>"),
            ("a/b[not(c) and position()!=1]/comment()[1]", "<!--i-->"),
            ("a/c[b/@n = \"3\" or false]", "<c xml:id='here'><b n='3'>y</b></c>"),
            ("a/*[count(b)=1]/@xml:id", "Prefix"),
            ("id('here')/b/text()", "y"),
            ("comment()", "<!--top-->"),
            ("a/processing-instruction('go')", "<?go on?>"),
            ("a/processing-instruction()", "<?go on?>"),
            ("/f:a/namespace::h", "h on 1"),
            ("a/./b[1]/node()", "x <c/>"),
            ("f:*/h:*", "<h:b>z</h:b>"),
            ("//a//b[@n>1]", "wants \"]\" before"),
            ("a/b[", "wants a name"),
            ("a/b[1", "wants \"]\""),
            ("a b", "not understood"),
            ("", "wants a name"),
            ("x:a", "Prefix(\"x\")"),
            ("nothing/at/all", ""),
            ("//*[count(//*[count(//*) = 1]) = 1]", "Costly"),
        ];
        for (selector, expected) in table {
            match found(selector) {
                Ok(nodes) => assert_eq!(nodes, expected, "{selector}"),
                Err(what) => assert!(what.contains(expected) && !expected.is_empty(), "{selector}: {what}"),
            }
        }
        assert!(
            parse(&format!("a{}{}", "[b".repeat(9), "]".repeat(9)))
                .unwrap_err()
                .contains("nests deeper")
        );
        assert!(parse(&"a/".repeat(2_000)).is_err());
    }
}
