//! Judges one answer by its question: its type, the options there are, and the bounds that extensions set.

use std::cmp::Ordering;

use conformance::Definitions;
use conformance::place::{Place, quoted};
use fhir::document::Node;
use fhir::identity::Reference;
use fhir::outcome::Code;
use fhirpath::model::Model;
use regex::RegexBuilder;

use crate::around::contained_in;
use crate::binding::listed;
use crate::enable::is_same_coding;
use crate::response::{Form, each, extension, extensions};
use crate::same::{compare, shown};
use crate::walk::Walk;

/// Memory for one pattern of a questionnaire.
const PATTERN_BYTES: usize = 1 << 20;

/// An answer's value: its type, and where it stands.
struct Given<'f, 'p> {
    kind: &'p str,
    node: Node<'f>,
    /// Of the value.
    place: &'p Place<'p>,
    /// Of the answer around it.
    answer: &'p Place<'p>,
}

/// The types that answers to a type of question may have (<https://hl7.org/fhir/R4/valueset-item-type.html>).
fn types_of(question: &str) -> &'static [&'static str] {
    match question {
        "boolean" => &["boolean"],
        "decimal" => &["decimal"],
        "integer" => &["integer"],
        "date" => &["date"],
        "dateTime" => &["dateTime"],
        "time" => &["time"],
        "string" | "text" => &["string"],
        "url" => &["uri"],
        "choice" => &["Coding", "date", "time", "integer", "string", "Reference"],
        "open-choice" => &["Coding", "string", "date", "time", "integer", "Reference"],
        "attachment" => &["Attachment"],
        "reference" => &["Reference"],
        "quantity" => &["Quantity"],
        _ => &[],
    }
}

impl Walk<'_> {
    /// Judges the value of an answer.
    pub(crate) fn answer_value(&mut self, form: &Form<'_>, question: Node<'_>, answer: Node<'_>, place: &Place<'_>) {
        let definitions = self.definitions;
        let Some(holder) = definitions.type_id("QuestionnaireResponse.item.answer") else {
            return;
        };
        let steps = answer
            .members()
            .filter_map(|(name, node)| Some((definitions.step(holder, &name)?, node)));
        let Some((step, node)) = steps.into_iter().find(|(step, _)| step.typed) else {
            return;
        };
        let kind = definitions.type_name(step.kind);
        let given = Given {
            kind,
            node,
            place: &Place::Choice(place, step.element, kind),
            answer: place,
        };
        let asked = question.string("type").unwrap_or_default();
        let types = types_of(&asked);
        if !types.is_empty() && !types.contains(&kind) {
            return self.found.error(Code::Structure, given.place, || {
                format!(
                    "An answer to a question of the type {asked} is of {}, not {kind}.",
                    types[0]
                )
            });
        }
        self.options(form, question, &asked, &given);
        self.bounds_of_answer(question, &given);
        self.text_of_answer(question, &given);
        match kind {
            "Quantity" => self.unit_of_answer(question, &given),
            "Attachment" => self.media_of_answer(question, &given),
            "Reference" => self.target_of_answer(question, &given),
            _ => {}
        }
    }

    /// The content type is one of those that are allowed.
    fn media_of_answer(&mut self, question: Node<'_>, given: &Given<'_, '_>) {
        let allowed: Vec<_> = extensions(question, "mimeType")
            .filter_map(|one| one.as_str())
            .collect();
        let own = given.node.string("contentType").unwrap_or_default();
        let plain = own.split(';').next().unwrap_or_default().trim();
        if !allowed.is_empty() && !allowed.iter().any(|one| one.eq_ignore_ascii_case(plain)) {
            self.found.error(Code::Value, given.answer, || {
                format!(
                    "The content type {} is none of those allowed: {}.",
                    quoted(&own),
                    allowed.join(", ")
                )
            });
        }
    }

    /// What is referred to has one of the types that are allowed.
    fn target_of_answer(&mut self, question: Node<'_>, given: &Given<'_, '_>) {
        let allowed: Vec<_> = extensions(question, "questionnaire-referenceResource")
            .filter_map(|one| one.as_str())
            .collect();
        let reference = given.node.string("reference").unwrap_or_default();
        let Reference::Literal { kind, .. } = Reference::parse(&reference) else {
            return;
        };
        if !allowed.is_empty() && !allowed.iter().any(|one| *one == kind) {
            self.found.error(Code::Value, given.answer, || {
                format!("This refers to {kind}; the question asks for {}.", allowed.join(" or "))
            });
        }
    }

    /// The answer is one of the options, where there are some.
    fn options(&mut self, form: &Form<'_>, question: Node<'_>, asked: &str, given: &Given<'_, '_>) {
        let free = asked == "open-choice" && given.kind == "string";
        if let Some(set) = question.string("answerValueSet") {
            if given.kind == "Coding" {
                self.among_codes(form, &set, given);
            }
            return;
        }
        let values = each(question, "answerOption").filter_map(|option| {
            let mut members = option.members();
            members.find(|(name, _)| name.starts_with("value") && !name.starts_with('_'))
        });
        let values: Vec<_> = values.collect();
        if values.is_empty() || free {
            return;
        }
        let same_type = |name: &str| is_member_of_type(self.definitions, name, given.kind);
        if !values.iter().any(|(name, _)| same_type(name)) {
            return self.found.error(Code::Value, given.answer, || {
                format!("None of the options is of the type {}.", given.kind)
            });
        }
        let fits = |value: Node<'_>| match value.is_object() {
            true => is_same_coding(given.node, value),
            false => value.scalar() == given.node.scalar(),
        };
        if !values.iter().any(|(_, value)| fits(*value)) {
            let place = if given.node.is_object() {
                given.answer
            } else {
                given.place
            };
            let text = if given.node.is_object() {
                coding_shown(given.node)
            } else {
                shown(given.node)
            };
            self.found.error(Code::Value, place, || {
                format!("{} is none of the options.", quoted(&text))
            });
        }
    }

    fn among_codes(&mut self, form: &Form<'_>, set: &str, given: &Given<'_, '_>) {
        let system = given.node.string("system").unwrap_or_default();
        let Some(code) = given.node.string("code") else { return };
        let within = match set.strip_prefix('#') {
            Some(id) => {
                contained_in(form.questionnaire, id).and_then(|set| listed(self.terminology, set, Some(&system), &code))
            }
            None => self.terminology.validate(set, Some(&system), &code).ok(),
        };
        match within {
            Some(true) => {}
            Some(false) => self.found.error(Code::CodeInvalid, given.answer, || {
                let text = coding_shown(given.node);
                format!("{} is no code of the options, the value set {set}.", quoted(&text))
            }),
            None => self.found.remark(Code::NotSupported, given.answer, || {
                format!("Whether the answer is among the options, the value set {set}, cannot be told here.")
            }),
        }
    }

    /// The least and the greatest value, the places of a decimal, the size of an attachment.
    fn bounds_of_answer(&mut self, question: Node<'_>, given: &Given<'_, '_>) {
        let quantity = given.kind == "Quantity";
        let names = if quantity {
            ["sdc-questionnaire-minQuantity", "sdc-questionnaire-maxQuantity"]
        } else {
            ["minValue", "maxValue"]
        };
        for (name, wrong, word) in [
            (names[0], Ordering::Less, "less"),
            (names[1], Ordering::Greater, "greater"),
        ] {
            let Some(bound) = extension(question, name) else {
                continue;
            };
            let (own, limit) = (quoted(&shown(given.node)), quoted(&shown(bound)));
            let coded = |node: Node<'_>| !quantity || node.get("code").is_some();
            let order = compare(given.node, bound).filter(|_| coded(given.node) && coded(bound));
            match order {
                Some(order) if order == wrong => self.found.error(Code::Value, given.place, || {
                    format!("{own} is {word} than {limit}, which is allowed.")
                }),
                Some(_) => {}
                None => self.found.error(Code::Value, given.place, || {
                    format!("{own} cannot be compared with {limit}, which bounds it.")
                }),
            }
        }
        let number = |name: &str| extension(question, name)?.as_number()?.parse::<f64>().ok();
        let digits = given.node.as_number().and_then(|text| text.split_once('.'));
        if let (Some(max), Some((_, places))) = (number("maxDecimalPlaces"), digits)
            && places.len() as f64 > max
        {
            self.found.error(Code::Value, given.place, || {
                format!("{} has more than {max} decimal places.", quoted(given.node.text()))
            });
        }
        if let (Some(max), "Attachment") = (number("maxSize"), given.kind)
            && let Some(size) = crate::attachment::size(given.node).filter(|size| *size as f64 > max)
        {
            self.found.error(Code::TooLong, given.answer, || {
                format!("The attachment has {size} bytes; it may have {max}.")
            });
        }
    }

    fn text_of_answer(&mut self, question: Node<'_>, given: &Given<'_, '_>) {
        let Some(text) = given.node.as_str() else { return };
        let length = text.chars().count();
        let max = question
            .get("maxLength")
            .and_then(|max| max.as_number()?.parse::<usize>().ok());
        if let Some(max) = max.filter(|max| length > *max) {
            self.found.error(Code::TooLong, given.place, || {
                format!("The answer has {length} characters; it may have {max}.")
            });
        }
        let min = extension(question, "minLength").and_then(|min| min.as_number()?.parse::<usize>().ok());
        if let Some(min) = min.filter(|min| length < *min) {
            self.found.error(Code::Value, given.place, || {
                format!("The answer has {length} characters; it needs {min}.")
            });
        }
        let Some(pattern) = extension(question, "regex").and_then(|pattern| pattern.as_str()) else {
            return;
        };
        let whole = format!("^(?:{pattern})$");
        match RegexBuilder::new(&whole).size_limit(PATTERN_BYTES).build() {
            Ok(regex) if !regex.is_match(&text) => self.found.error(Code::Value, given.place, || {
                format!("{} is not written as {} asks.", quoted(&text), quoted(&pattern))
            }),
            Ok(_) => {}
            Err(_) => self.found.warning(Code::NotSupported, given.place, || {
                format!("The pattern {} of the question is not understood.", quoted(&pattern))
            }),
        }
    }

    /// The unit is one of those that are offered.
    fn unit_of_answer(&mut self, question: Node<'_>, given: &Given<'_, '_>) {
        let system = given.node.string("system").unwrap_or_default();
        let code = given.node.string("code").unwrap_or_default();
        if let Some(set) = extension(question, "questionnaire-unitValueSet").and_then(|set| set.as_str()) {
            let within = match code.is_empty() {
                true => Ok(false),
                false => self.terminology.validate(&set, Some(&system), &code),
            };
            if matches!(within, Ok(false)) {
                self.found.error(Code::CodeInvalid, given.place, || {
                    format!(
                        "The unit of {} is no code of the value set {set}.",
                        quoted(&shown(given.node))
                    )
                });
            }
        }
        let mut options = extensions(question, "questionnaire-unitOption").peekable();
        if options.peek().is_some() && !options.any(|option| is_same_coding(given.node, option)) {
            self.found.error(Code::CodeInvalid, given.place, || {
                format!("The unit of {} is none of those offered.", quoted(&shown(given.node)))
            });
        }
    }
}

/// Whether a member's name, `valueCoding`, is of a type.
fn is_member_of_type(definitions: &Definitions, name: &str, kind: &str) -> bool {
    let holder = definitions.type_id("Questionnaire.item.answerOption");
    let step = holder.and_then(|holder| definitions.step(holder, name));
    step.is_some_and(|step| definitions.type_name(step.kind) == kind)
}

fn coding_shown(node: Node<'_>) -> String {
    let part = |name: &str| node.string(name).unwrap_or_default();
    format!("{}|{}", part("system"), part("code"))
}
