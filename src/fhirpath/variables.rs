//! The `%variables`: fixed ones, those handed in, and those that `defineVariable()` defines.

use std::borrow::Cow;

use crate::context::Failure;
use crate::evaluate::{Evaluator, List};
use crate::value::Item;

impl<'a> Evaluator<'_, 'a> {
    /// Appends the value of a variable.
    pub(crate) fn variable(&mut self, name: &str, out: &mut List<'a>) -> Result<(), Failure> {
        let defined = self.defined.iter().rev().find(|(defined, _)| defined == name);
        let items = defined.map(|(_, items)| items.as_slice());
        if let Some(items) = items.or_else(|| self.handed_in(name)) {
            let start = out.len();
            out.extend_from_slice(items);
            return self.weigh(&out[start..]);
        }
        if name == "context" {
            self.weigh(self.focus)?;
            out.extend_from_slice(self.focus);
            return Ok(());
        }
        let text = |text: String| Item::String(Cow::Owned(text));
        out.push(match name {
            "resource" => Item::Element(self.context.resource),
            "rootResource" => Item::Element(self.context.root),
            "sct" => Item::String(Cow::Borrowed("http://snomed.info/sct")),
            "loinc" => Item::String(Cow::Borrowed("http://loinc.org")),
            "ucum" => Item::String(Cow::Borrowed("http://unitsofmeasure.org")),
            _ => match (name.strip_prefix("vs-"), name.strip_prefix("ext-")) {
                (Some(value_set), _) => text(format!("http://hl7.org/fhir/ValueSet/{value_set}")),
                (_, Some(extension)) => text(format!("http://hl7.org/fhir/StructureDefinition/{extension}")),
                _ => return Err(Failure::values(format!("There is no variable %{name}"))),
            },
        });
        Ok(())
    }

    fn handed_in(&self, name: &str) -> Option<&'a [Item<'a>]> {
        let found = self.context.variables.iter().find(|(known, _)| *known == name)?;
        Some(&found.1)
    }

    /// Whether a name is one that `defineVariable()` may not take.
    pub(crate) fn is_taken(&self, name: &str) -> bool {
        let fixed = ["context", "resource", "rootResource", "sct", "loinc", "ucum"];
        let prefixed = name.starts_with("vs-") || name.starts_with("ext-");
        let defined = self.defined.iter().any(|(known, _)| known == name);
        fixed.contains(&name) || prefixed || defined || self.handed_in(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use crate::trial::check;

    #[test]
    fn variables_are_known() {
        check(&[
            ("%context.id", "'p1'"),
            ("%resource.active", "true"),
            ("%rootResource.id", "'p1'"),
            ("%ucum", "'http://unitsofmeasure.org'"),
            ("%`vs-x`", "'http://hl7.org/fhir/ValueSet/x'"),
            ("%'ext-y'", "'http://hl7.org/fhir/StructureDefinition/y'"),
            ("%nothing", "Values: There is no variable %nothing"),
            ("name.first().defineVariable('n', given).select(%n.count())", "2"),
            (
                "defineVariable('a', 1).defineVariable('a', 2)",
                "Values: The variable %a is defined already",
            ),
            ("defineVariable('a', 1).active | %a", "Values: There is no variable %a"),
            ("defineVariable('a').select(%a.id)", "'p1'"),
            ("defineVariable('context', 1)", "Values:"),
            ("now()", "@2024-05-06T10:30:00.000+06:00"),
            ("today()", "@2024-05-06"),
            ("timeOfDay()", "@T10:30:00.000"),
        ]);
    }
}
