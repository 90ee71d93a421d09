//! Whether an item of a questionnaire is enabled by what was answered (`Questionnaire.item.enableWhen`).

use std::cmp::Ordering;

use conformance::place::{Place, quoted};
use fhir::document::Node;
use fhirpath::expression::Expression;
use fhirpath::value::{Element, Item};
use rustc_hash::FxHashSet;

use crate::focus::{Focus, Scope};
use crate::response::{Form, Holder, each, flag, link_id};
use crate::same::compare;
use crate::walk::Walk;

/// The extension that enables by FHIRPath.
const BY_EXPRESSION: &str = "/sdc-questionnaire-enableWhenExpression";

/// Whether a question is to be answered, as the response stands.
pub(crate) fn is_enabled(walk: &Walk<'_>, form: &Form<'_>, question: Node<'_>, holder: &Holder<'_, '_>) -> bool {
    if let Some(text) = by_expression(question) {
        return Expression::parse(&text).is_ok_and(|expression| holds(walk, form, &expression));
    }
    let mut conditions = each(question, "enableWhen").peekable();
    if conditions.peek().is_none() {
        return true;
    }
    let met = |condition: Node<'_>| is_met(walk, condition, holder);
    match question.string("enableBehavior").as_deref() {
        Some("all") => conditions.all(met),
        _ => conditions.any(met),
    }
}

fn by_expression(question: Node<'_>) -> Option<String> {
    let is_it = |one: &Node<'_>| one.string("url").is_some_and(|url| url.ends_with(BY_EXPRESSION));
    let value = each(question, "extension").find(is_it)?.get("valueExpression")?;
    let known = value
        .string("language")
        .is_some_and(|language| language == "text/fhirpath");
    known
        .then(|| value.string("expression").map(|text| text.into_owned()))
        .flatten()
}

/// Whether an expression is true of the response; what cannot be tried enables.
fn holds(walk: &Walk<'_>, form: &Form<'_>, expression: &Expression) -> bool {
    let root = Element::resource(walk.definitions, form.response);
    let Some(kind) = root.kind else { return true };
    let scope = Scope::alone(root);
    let focus = Focus::outermost(root, kind, &Place::Root(""), &scope);
    let questionnaire = Element::resource(walk.definitions, form.questionnaire);
    let variables = [("questionnaire", vec![Item::Element(questionnaire)])];
    let truth = |items: &[Item<'_>]| match items {
        [Item::Boolean(value)] => *value,
        [Item::Element(element)] => element.node.as_bool().unwrap_or(true),
        _ => false,
    };
    walk.evaluated(&focus, expression, &variables, truth).unwrap_or(true)
}

fn is_met(walk: &Walk<'_>, condition: Node<'_>, holder: &Holder<'_, '_>) -> bool {
    let link = condition.string("question").unwrap_or_default();
    let answers = nearest(walk, holder, &link);
    let mut members = condition.members();
    let Some((_, wanted)) = members.find(|(name, _)| name.starts_with("answer")) else {
        return false;
    };
    let operator = condition.string("operator").unwrap_or_default();
    if operator == "exists" {
        return wanted.as_bool().unwrap_or(true) != answers.is_empty();
    }
    answers.iter().any(|answer| stands(*answer, &operator, wanted))
}

fn stands(answer: Node<'_>, operator: &str, wanted: Node<'_>) -> bool {
    let same = match wanted.is_object() && wanted.get("value").is_none() {
        true => is_same_coding(answer, wanted).then_some(Ordering::Equal),
        false => order(answer, wanted),
    };
    match operator {
        "=" => same == Some(Ordering::Equal),
        "!=" => same != Some(Ordering::Equal),
        ">" => same == Some(Ordering::Greater),
        "<" => same == Some(Ordering::Less),
        ">=" => matches!(same, Some(Ordering::Greater | Ordering::Equal)),
        "<=" => matches!(same, Some(Ordering::Less | Ordering::Equal)),
        _ => false,
    }
}

fn order(answer: Node<'_>, wanted: Node<'_>) -> Option<Ordering> {
    if let (Some(own), Some(wanted)) = (answer.as_bool(), wanted.as_bool()) {
        return Some(own.cmp(&wanted));
    }
    compare(answer, wanted)
}

/// Whether two codings, or references, name the same.
pub(crate) fn is_same_coding(own: Node<'_>, wanted: Node<'_>) -> bool {
    if let Some(reference) = wanted.string("reference") {
        return own.string("reference") == Some(reference);
    }
    let same = |name: &str| wanted.get(name).is_none() || own.string(name) == wanted.string(name);
    own.string("code") == wanted.string("code") && same("system")
}

/// The answers to a question that are nearest: below the same holder, or what holds that, up to the whole response.
fn nearest<'f>(walk: &Walk<'_>, holder: &Holder<'_, 'f>, link: &str) -> Vec<Node<'f>> {
    let mut at = Some(holder);
    while let Some(holder) = at {
        let mut found = Vec::new();
        below(walk, holder.node, link, &mut found);
        if !found.is_empty() {
            return found;
        }
        at = holder.outer;
    }
    Vec::new()
}

fn below<'f>(walk: &Walk<'_>, holder: Node<'f>, link: &str, out: &mut Vec<Node<'f>>) {
    for item in each(holder, "item").take_while(|_| walk.found.step()) {
        for answer in each(item, "answer") {
            if link_id(item) == link {
                let mut members = answer.members();
                out.extend(
                    members
                        .find(|(name, _)| name.starts_with("value"))
                        .map(|(_, value)| value),
                );
            }
            below(walk, answer, link, out);
        }
        below(walk, item, link, out);
    }
}

impl Walk<'_> {
    /// A question can depend only on one that is asked, and not on what is asked below it.
    pub(crate) fn questionnaire(&mut self, focus: &Focus<'_, '_>) {
        let (mut asked, mut open) = (FxHashSet::default(), vec![focus.element.node]);
        while let Some(holder) = open.pop().filter(|_| self.found.step()) {
            for item in each(holder, "item") {
                asked.insert(link_id(item));
                open.push(item);
            }
        }
        self.dependencies(focus.element.node, &asked, focus.place, 0);
    }

    fn dependencies(&mut self, holder: Node<'_>, asked: &FxHashSet<String>, place: &Place<'_>, depth: usize) {
        if depth > crate::walk::DEPTH_MAX {
            return;
        }
        let list = Place::Member(place, "item");
        for (at, item) in each(holder, "item").enumerate() {
            let place = Place::Item(&list, at);
            let inner = |condition: &Node<'_>| {
                let link = condition.string("question").unwrap_or_default();
                !link.is_empty() && is_below(self, item, &link)
            };
            if each(item, "enableWhen").any(|condition| inner(&condition)) {
                self.found.error(fhir::outcome::Code::BusinessRule, &place, || {
                    "This is enabled by the answer to a question below it, which is never asked before.".to_owned()
                });
            }
            let links = each(item, "enableWhen").filter_map(|condition| condition.string("question"));
            let links: Vec<_> = links.filter(|link| !asked.contains(&**link)).collect();
            for link in links {
                self.found.error(fhir::outcome::Code::NotFound, &place, || {
                    format!("This depends on the question {}, which is not asked.", quoted(&link))
                });
            }
            if flag(item, "required") && item.string("type").is_some_and(|kind| kind == "display") {
                self.found.error(fhir::outcome::Code::BusinessRule, &place, || {
                    "A display has no answer, so it cannot be required.".to_owned()
                });
            }
            self.dependencies(item, asked, &place, depth + 1);
        }
    }
}

fn is_below(walk: &Walk<'_>, holder: Node<'_>, link: &str) -> bool {
    let mut items = each(holder, "item").take_while(|_| walk.found.step());
    items.any(|item| link_id(item) == link || is_below(walk, item, link))
}
