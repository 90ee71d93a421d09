//! Functions over elements of a record, and what the surroundings say: now, today.

use std::borrow::Cow;

use crate::calendar::DateTime;
use crate::context::Failure;
use crate::evaluate::{Evaluator, List, Scope, only};
use crate::functions::Records;
use crate::syntax::Call;
use crate::value::{Item, is_kind};
use crate::{coded, html, keys, kinds, navigate, place};

/// Where HL7's own definitions have their addresses.
const DEFINITIONS: &str = "http://hl7.org/fhir/StructureDefinition/";

/// What judging an element by a profile counts, in steps.
const PROFILE_STEPS: u64 = 5_000;

/// What looking for the definition of an element counts, in steps.
const DEFINITION_STEPS: u64 = 500;

/// Applies a function to a collection.
pub(crate) fn apply<'a>(
    run: &mut Evaluator<'_, 'a>,
    function: Records,
    call: &'a Call,
    mut input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let answer = match function {
        Records::CheckModifiers => return check_modifiers(run, call, input, scope),
        Records::ElementDefinition => return definitions(run, input),
        Records::GetValue => {
            let model = run.context.model;
            let value = only(&input)?
                .map(|item| item.system(model))
                .filter(|item| item.element().is_none());
            input.clear();
            input.extend(value);
            return Ok(input);
        }
        Records::HasValue => {
            let has_value = |item: &Item<'_>| item.element().is_none_or(|element| element.has_value());
            input.len() == 1 && input.iter().all(has_value)
        }
        Records::HasExtension => return has_extension(run, call, input, scope),
        Records::HtmlChecks => {
            let model = run.context.model;
            let Some(item) = only(&input)? else {
                return Ok(input);
            };
            item.system(model).text().is_some_and(|text| html::is_narrative(&text))
        }
        Records::ConformsTo => match only(&input)?.cloned() {
            Some(item) => conforms(run, call, &item, scope)?,
            None => return Ok(input),
        },
        Records::MemberOf | Records::Subsumes | Records::SubsumedBy => {
            return coded::apply(run, function, call, input, scope);
        }
        Records::Now | Records::Today | Records::TimeOfDay => {
            let moment = moment(run, function)?;
            return Ok(run.one(input, moment));
        }
        Records::ResourceKey => {
            let key = only(&input)?.and_then(Item::element).and_then(keys::of_resource);
            input.clear();
            input.extend(key);
            return Ok(input);
        }
        Records::Slice => return sliced(run, call, input, scope),
        Records::Type => {
            let model = run.context.model;
            for item in &mut input {
                *item = Item::Type(Box::new(kinds::info(model, item)));
            }
            return Ok(input);
        }
    };
    Ok(run.one(input, Item::Boolean(answer)))
}

fn moment<'a>(run: &Evaluator<'_, 'a>, function: Records) -> Result<Item<'a>, Failure> {
    let now = DateTime::of_instant(run.context.now, run.context.zone);
    let now = now.ok_or_else(|| Failure::values("The present is outside the years 1 to 9999"))?;
    Ok(match (function, now.time) {
        (Records::Today, _) => Item::Date(now.date),
        (Records::TimeOfDay, Some(time)) => Item::Time(time),
        _ => Item::DateTime(now),
    })
}

/// The input, where no element has a modifier extension but those with the urls named.
fn check_modifiers<'a>(
    run: &mut Evaluator<'_, 'a>,
    call: &'a Call,
    input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let mut known = Vec::new();
    for url in &call.arguments {
        known.extend(run.single(url, scope)?.and_then(|item| item.text()));
    }
    for element in input.iter().filter_map(Item::element) {
        let modifiers = element.node.get("modifierExtension");
        for modifier in modifiers.into_iter().flat_map(|list| list.each()) {
            run.spend(1 + known.len() as u64)?;
            let url = modifier.string("url").unwrap_or_default();
            if !known.contains(&url) {
                let text = format!("The modifier extension {url} changes what is meant, and is not among those known");
                return Err(Failure::values(text));
            }
        }
    }
    Ok(input)
}

fn has_extension<'a>(
    run: &mut Evaluator<'_, 'a>,
    call: &'a Call,
    input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let Some(url) = run.single(&call.arguments[0], scope)?.and_then(|item| item.text()) else {
        return Ok(run.one(input, Item::Boolean(false)));
    };
    let mut answer = false;
    for element in input.iter().filter_map(Item::element) {
        navigate::extensions(run.context.model, &element, &url, &mut |_| {
            answer = true;
            Ok(())
        })?;
    }
    Ok(run.one(input, Item::Boolean(answer)))
}

/// The definition of each element where it stands; computed items have none.
fn definitions<'a>(run: &mut Evaluator<'_, 'a>, mut input: List<'a>) -> Result<List<'a>, Failure> {
    let mut found = run.take();
    for element in input.iter().filter_map(Item::element) {
        run.spend(DEFINITION_STEPS)?;
        found.extend(place::definition(run.context.model, &element).map(Item::Element));
    }
    input.clear();
    run.give(input);
    Ok(found)
}

/// The elements that belong to a slice of a profile.
fn sliced<'a>(
    run: &mut Evaluator<'_, 'a>,
    call: &'a Call,
    mut input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let profile = run.operand(&call.arguments[0], scope)?.and_then(|item| item.text());
    let slice = run.operand(&call.arguments[1], scope)?.and_then(|item| item.text());
    let profiles = run.context.profiles.ok_or_else(|| {
        Failure::unsupported("slice() needs somebody who judges by profiles, and nobody is at hand here")
    })?;
    let mut kept = run.take();
    for item in input.drain(..) {
        run.spend(PROFILE_STEPS)?;
        if let (Some(element), Some(profile), Some(slice)) = (item.element(), &profile, &slice)
            && profiles.is_in_slice(element, profile, slice)?
        {
            kept.push(item);
        }
    }
    run.give(input);
    Ok(kept)
}

/// Whether the item conforms to a profile; without anybody to ask, whether it is of the type that one of HL7's
/// base definitions defines.
fn conforms<'a>(
    run: &mut Evaluator<'_, 'a>,
    call: &'a Call,
    item: &Item<'a>,
    scope: Scope<'_, 'a>,
) -> Result<bool, Failure> {
    let url = run.single(&call.arguments[0], scope)?.and_then(|item| item.text());
    let url = url.ok_or_else(|| Failure::values("conformsTo() takes a url as a string"))?;
    if let (Some(profiles), Some(element)) = (run.context.profiles, item.element()) {
        run.spend(PROFILE_STEPS)?;
        return profiles.conforms(element, &url);
    }
    let model = run.context.model;
    let name = url
        .strip_prefix(DEFINITIONS)
        .filter(|name| model.type_id(name).is_some());
    let (Some(name), Some(kind)) = (name, item.element().and_then(|element| element.kind)) else {
        let text = format!("Judging by {url} needs the profile, which isn't at hand here");
        return Err(Failure::unsupported(text));
    };
    Ok(is_kind(model, kind, name))
}

/// A member of a computed item: of what `type()` says, and of quantities.
pub(crate) fn computed_member<'a>(item: &Item<'a>, name: &str) -> Option<Item<'a>> {
    match (item, name) {
        (Item::Type(info), "namespace") => Some(Item::String(Cow::Borrowed(info.namespace))),
        (Item::Type(info), "name") => Some(Item::String(info.name.clone())),
        (Item::Type(info), "baseType") => info.base.clone().map(Item::String),
        (Item::Quantity(quantity), "value") => Some(Item::Decimal(quantity.value)),
        (Item::Quantity(quantity), "unit" | "code") => Some(Item::String(Cow::Owned(quantity.unit.code().to_owned()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::trial::{check, check_observation};

    #[test]
    fn records_answer() {
        check(&[
            ("active.getValue()", "true"),
            ("name.getValue()", "Values:"),
            ("text.`div`.htmlChecks()", "true"),
            ("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", "true"),
            (
                "conformsTo('http://hl7.org/fhir/StructureDefinition/Observation')",
                "false",
            ),
            ("conformsTo('http://x')", "Unsupported:"),
            ("active.memberOf('http://x')", "Unsupported:"),
            ("name.checkModifiers().count()", "2"),
            ("name.slice('http://x', 'y')", "Unsupported:"),
            ("active.type()", "FHIR.boolean"),
            ("1.type().name", "'Integer'"),
            ("type().baseType", "'FHIR.DomainResource'"),
            ("true.type()", "System.Boolean"),
            ("contact.type().namespace", "'FHIR'"),
            ("1 'mg'.value", "1"),
            ("1 'mg'.unit", "'mg'"),
        ]);
        check_observation(&[
            ("component.checkModifiers('http://m').count()", "2"),
            ("component.checkModifiers()", "Values:"),
        ]);
    }
}
