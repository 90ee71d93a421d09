//! Judges a QuestionnaireResponse by its Questionnaire (<https://hl7.org/fhir/R4/questionnaireresponse.html#notes>).

use conformance::place::{Place, quoted};
use fhir::document::Node;
use fhir::outcome::{Code, Severity};
use rustc_hash::FxHashMap;

use crate::around::contained_in;
use crate::enable;
use crate::focus::Focus;
use crate::walk::{DEPTH_MAX, Walk};

/// The questionnaire, and the response to it.
pub(crate) struct Form<'f> {
    pub(crate) questionnaire: Node<'f>,
    pub(crate) response: Node<'f>,
    /// How bad it is that something required is not answered.
    missing: Severity,
}

/// Where a response's items stand: what holds them, and what holds that, outermost first.
#[derive(Clone, Copy)]
pub(crate) struct Holder<'h, 'f> {
    pub(crate) node: Node<'f>,
    pub(crate) place: &'h Place<'h>,
    pub(crate) outer: Option<&'h Holder<'h, 'f>>,
}

impl Walk<'_> {
    /// Judges a response, where its questionnaire is at hand.
    pub(crate) fn response(&mut self, focus: &Focus<'_, '_>) {
        let node = focus.element.node;
        let Some(address) = node.string("questionnaire") else {
            return;
        };
        if let Some(id) = address.strip_prefix('#') {
            return match contained_in(focus.scope.root.node, id) {
                Some(questionnaire) => self.answer(focus, questionnaire),
                None => self.found.error(Code::NotFound, focus.place, || {
                    format!("The questionnaire {} is not contained here.", quoted(&address))
                }),
            };
        }
        match self.library.definition("Questionnaire", &address) {
            Some(document) => {
                let shelf = self.shelf;
                self.answer(focus, shelf.keep(document).root());
            }
            None => self.found.warning(Code::NotFound, focus.place, || {
                let shown = quoted(&address);
                format!("The questionnaire {shown} is not known here, so the answers are not judged by it.")
            }),
        }
    }

    fn answer(&mut self, focus: &Focus<'_, '_>, questionnaire: Node<'_>) {
        let response = focus.element.node;
        let status = response.string("status");
        let done = matches!(status.as_deref(), Some("completed" | "amended"));
        let form = Form {
            questionnaire,
            response,
            missing: if done { Severity::Error } else { Severity::Information },
        };
        let holder = Holder {
            node: response,
            place: focus.place,
            outer: None,
        };
        self.items(&form, questionnaire, &holder);
    }

    /// Judges the items below one holder by the items that the questionnaire has there.
    pub(crate) fn items<'f>(&mut self, form: &Form<'f>, asked: Node<'f>, holder: &Holder<'_, 'f>) {
        if self.depth >= DEPTH_MAX || !self.found.step() {
            return;
        }
        self.depth += 1;
        let list = Place::Member(holder.place, "item");
        let items: Vec<Node<'f>> = each(holder.node, "item").collect();
        let order: FxHashMap<String, usize> = each(asked, "item").map(link_id).zip(0..).collect();
        let mut by_link: FxHashMap<String, Vec<(usize, Node<'f>)>> = FxHashMap::default();
        let mut last = 0;
        for (at, item) in items.iter().enumerate() {
            let link = link_id(*item);
            let place = Place::Item(&list, at);
            match order.get(&link).copied() {
                Some(found) if found < last => self.found.error(Code::Structure, &place, || {
                    format!(
                        "The item {} stands after one that comes later in the questionnaire.",
                        quoted(&link)
                    )
                }),
                Some(found) => last = found,
                None if link.is_empty() => {}
                None if self.is_somewhere(form.questionnaire, &link) => {
                    self.found.error(Code::Structure, &place, || {
                        format!("The questionnaire has the item {} elsewhere.", quoted(&link))
                    })
                }
                None => self.found.error(Code::NotFound, holder.place, || {
                    format!("The questionnaire has no item {}.", quoted(&link))
                }),
            }
            by_link.entry(link).or_default().push((at, *item));
        }
        for question in each(asked, "item") {
            let of_it = by_link.get(&link_id(question));
            self.question(form, question, holder, &list, of_it.map_or(&[], Vec::as_slice));
        }
        self.depth -= 1;
    }

    fn is_somewhere(&self, holder: Node<'_>, link: &str) -> bool {
        let mut items = each(holder, "item").take_while(|_| self.found.step());
        items.any(|item| link_id(item) == link || self.is_somewhere(item, link))
    }

    fn question<'f>(
        &mut self,
        form: &Form<'f>,
        question: Node<'f>,
        holder: &Holder<'_, 'f>,
        list: &Place<'_>,
        items: &[(usize, Node<'f>)],
    ) {
        let link = link_id(question);
        if !enable::is_enabled(self, form, question, holder) {
            for (at, item) in items {
                if has_content(*item) {
                    self.found.error(Code::BusinessRule, &Place::Item(list, *at), || {
                        format!("The item {} has an answer, though it is not enabled.", quoted(&link))
                    });
                }
            }
            return;
        }
        if items.is_empty() && flag(question, "required") {
            return self.found.report(form.missing, Code::Required, holder.place, || {
                format!("The item {} is required, and there is none.", quoted(&link))
            });
        }
        let kind = question.string("type").unwrap_or_default();
        let repeats = kind == "group" && flag(question, "repeats");
        if items.len() > 1 && !repeats {
            self.found.error(Code::Structure, &Place::Item(list, items[1].0), || {
                format!("The item {} may occur once.", quoted(&link))
            });
        }
        if repeats {
            self.occurrence_bounds(form, question, holder.place, items.len());
        }
        for (at, item) in items {
            let place = Place::Item(list, *at);
            self.same_text(question, *item, &place);
            let inner = Holder {
                node: *item,
                place: &place,
                outer: Some(holder),
            };
            match &*kind {
                "group" => self.group(form, question, &inner),
                "display" | "question" => self.unanswerable(*item, &kind, &place),
                _ => self.answers(form, question, &inner),
            }
        }
    }

    fn same_text(&mut self, question: Node<'_>, item: Node<'_>, place: &Place<'_>) {
        if let (Some(asked), Some(own)) = (question.string("text"), item.string("text"))
            && asked != own
        {
            self.found.error(Code::Value, place, || {
                format!(
                    "The text {} is not that of the questionnaire, {}.",
                    quoted(&own),
                    quoted(&asked)
                )
            });
        }
    }

    fn group<'f>(&mut self, form: &Form<'f>, question: Node<'f>, holder: &Holder<'_, 'f>) {
        let item = holder.node;
        if item.get("answer").is_some() {
            return self.unanswerable(item, "group", holder.place);
        }
        if item.get("item").is_none() && flag(question, "required") {
            return self.found.report(form.missing, Code::Required, holder.place, || {
                "This group is required, and has no items.".to_owned()
            });
        }
        self.items(form, question, holder);
    }

    fn unanswerable(&mut self, item: Node<'_>, kind: &str, place: &Place<'_>) {
        if item.get("answer").is_some() {
            self.found.error(Code::Structure, place, || {
                format!("An item of the type {kind} has no answers.")
            });
        }
    }

    /// Judges the answers to a question: how many there are, each by itself, and what is asked below each.
    fn answers<'f>(&mut self, form: &Form<'f>, question: Node<'f>, holder: &Holder<'_, 'f>) {
        let answers: Vec<Node<'f>> = each(holder.node, "answer").collect();
        self.answer_count(form, question, holder.place, &answers);
        let list = Place::Member(holder.place, "answer");
        for (at, answer) in answers.iter().enumerate() {
            let place = Place::Item(&list, at);
            self.answer_value(form, question, *answer, &place);
            let inner = Holder {
                node: *answer,
                place: &place,
                outer: Some(holder),
            };
            self.items(form, question, &inner);
        }
    }

    fn answer_count(&mut self, form: &Form<'_>, question: Node<'_>, place: &Place<'_>, answers: &[Node<'_>]) {
        let (link, count) = (link_id(question), answers.len());
        if count == 0 && flag(question, "required") {
            self.found.report(form.missing, Code::Required, place, || {
                format!("The item {} is required, and has no answer.", quoted(&link))
            });
        }
        if count > 1 && !flag(question, "repeats") {
            self.found.error(Code::Structure, place, || {
                format!("The item {} has {count} answers; it may have one.", quoted(&link))
            });
        }
        self.occurrence_bounds(form, question, place, count);
        self.exclusive(question, answers, place);
    }

    /// An option that excludes the others is chosen alone.
    fn exclusive(&mut self, question: Node<'_>, answers: &[Node<'_>], place: &Place<'_>) {
        let alone = |option: &Node<'_>| {
            extension(*option, "questionnaire-optionExclusive").and_then(|is| is.as_bool()) == Some(true)
        };
        let excluding = each(question, "answerOption").filter(alone);
        let mut excluding = excluding.filter_map(|option| option.get("valueCoding"));
        let chosen = excluding.any(|option| {
            let mut own = answers.iter().filter_map(|answer| answer.get("valueCoding"));
            own.any(|own| enable::is_same_coding(own, option))
        });
        if answers.len() > 1 && chosen {
            self.found.error(Code::BusinessRule, place, || {
                "One of the answers excludes all others, which are there too.".to_owned()
            });
        }
    }

    /// How often a question is answered, or a group repeated, within the bounds that extensions set.
    fn occurrence_bounds(&mut self, form: &Form<'_>, question: Node<'_>, place: &Place<'_>, count: usize) {
        let link = link_id(question);
        let bound = |name: &str| extension(question, name)?.as_number()?.parse::<usize>().ok();
        if let Some(min) = bound("questionnaire-minOccurs").filter(|min| count < *min) {
            self.found.report(form.missing, Code::Required, place, || {
                format!("The item {} has {count} answers; it needs {min}.", quoted(&link))
            });
        }
        if let Some(max) = bound("questionnaire-maxOccurs").filter(|max| count > *max) {
            self.found.error(Code::Structure, place, || {
                format!("The item {} has {count} answers; it may have {max}.", quoted(&link))
            });
        }
    }
}

/// The items of a list within a node.
pub(crate) fn each<'a>(node: Node<'a>, name: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
    node.get(name).into_iter().flat_map(|list| list.each())
}

pub(crate) fn link_id(item: Node<'_>) -> String {
    item.string("linkId").unwrap_or_default().into_owned()
}

pub(crate) fn flag(node: Node<'_>, name: &str) -> bool {
    node.get(name).and_then(|value| value.as_bool()) == Some(true)
}

/// The value of an extension whose address ends in a name.
pub(crate) fn extension<'a>(node: Node<'a>, name: &str) -> Option<Node<'a>> {
    extensions(node, name).next()
}

/// The values of the extensions whose address ends in a name.
pub(crate) fn extensions<'a>(node: Node<'a>, name: &str) -> impl Iterator<Item = Node<'a>> {
    let is_it = move |one: &Node<'a>| {
        one.string("url")
            .is_some_and(|url| url.rsplit('/').next() == Some(name))
    };
    each(node, "extension").filter(is_it).filter_map(|one| {
        let mut members = one.members();
        members
            .find(|(key, _)| key.starts_with("value"))
            .map(|(_, value)| value)
    })
}

fn has_content(item: Node<'_>) -> bool {
    item.get("answer").is_some() || each(item, "item").any(has_content)
}
