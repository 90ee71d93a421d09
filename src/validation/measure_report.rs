//! Judges a MeasureReport by its Measure: that it reports on the groups and populations that the measure has.

use std::sync::Arc;

use conformance::place::{Place, quoted};
use fhir::document::{Document, Node};
use fhir::identity::Reference;
use fhir::outcome::Code;

use crate::focus::Focus;
use crate::response::each;
use crate::walk::Walk;

impl Walk<'_> {
    /// Judges a MeasureReport (<https://hl7.org/fhir/R4/measurereport.html>).
    pub(crate) fn measure_report(&mut self, focus: &Focus<'_, '_>) {
        let report = focus.element.node;
        let Some(address) = report.string("measure") else {
            return;
        };
        let measure: Option<Arc<Document>> = self.library.definition("Measure", &address);
        let Some(measure) = &measure else {
            return self
                .found
                .warning(Code::NotFound, &Place::Member(focus.place, "measure"), || {
                    format!(
                        "The measure {} is not known here, so the report is not judged by it.",
                        quoted(&address)
                    )
                });
        };
        self.scores(report, measure.root(), focus.place);
        let lists_subjects = report.string("type").is_some_and(|kind| kind == "subject-list");
        let list = Place::Member(focus.place, "group");
        let only = each(measure.root(), "group").count() == 1;
        for (at, group) in each(report, "group").enumerate() {
            let place = Place::Item(&list, at);
            let mut groups = each(measure.root(), "group");
            // Where the measure has one group, a report need not say which it is.
            match groups.find(|one| same(group, *one) || only && group.get("code").is_none()) {
                Some(measured) => self.reported(focus, (group, measured), lists_subjects, &place),
                None => self.found.error(Code::NotFound, &place, || {
                    "The measure has no group with this code.".to_owned()
                }),
            }
        }
    }

    /// A score is of the kind that the measure's scoring makes (<https://hl7.org/fhir/R4/valueset-measure-scoring.html>): a
    /// cohort is only counted, and a proportion is a part of a whole.
    fn scores(&mut self, report: Node<'_>, measure: Node<'_>, place: &Place<'_>) {
        let codings = each(measure, "scoring").flat_map(|concept| each(concept, "coding").collect::<Vec<_>>());
        let Some(scoring) = codings.into_iter().find_map(|coding| coding.string("code")) else {
            return;
        };
        let list = Place::Member(place, "group");
        for (at, group) in each(report, "group").enumerate() {
            let Some(score) = group.get("measureScore") else {
                continue;
            };
            let group = Place::Item(&list, at);
            let place = Place::Member(&group, "measureScore");
            let value = score
                .get("value")
                .and_then(|value| value.as_number()?.parse::<f64>().ok());
            let whole = match score.string("unit").or_else(|| score.string("code")).as_deref() {
                Some("%") => 100.0,
                _ => 1.0,
            };
            match &*scoring {
                "cohort" => self.found.error(Code::BusinessRule, &place, || {
                    "The measure is of a cohort, which is counted and has no score.".to_owned()
                }),
                "proportion" if value.is_some_and(|value| !(0.0..=whole).contains(&value)) => {
                    self.found.error(Code::Value, &place, || {
                        format!("The score of a proportion is between 0 and {whole}.")
                    });
                }
                _ => {}
            }
        }
    }

    fn reported(
        &mut self,
        focus: &Focus<'_, '_>,
        (group, measured): (Node<'_>, Node<'_>),
        lists_subjects: bool,
        place: &Place<'_>,
    ) {
        self.populations(focus, (group, measured), lists_subjects, place);
        let list = Place::Member(place, "stratifier");
        for (at, stratifier) in each(group, "stratifier").enumerate() {
            let place = Place::Item(&list, at);
            let known = each(measured, "stratifier").any(|one| {
                let parts = each(one, "component");
                same(stratifier, one) || parts.into_iter().any(|part| same(stratifier, part))
            });
            if !known {
                self.found.error(Code::NotFound, &place, || {
                    "The measure's group has no stratifier with this code.".to_owned()
                });
            }
        }
    }

    fn populations(
        &mut self,
        focus: &Focus<'_, '_>,
        (group, measured): (Node<'_>, Node<'_>),
        lists_subjects: bool,
        place: &Place<'_>,
    ) {
        let list = Place::Member(place, "population");
        for (at, population) in each(group, "population").enumerate() {
            let place = Place::Item(&list, at);
            if !each(measured, "population").any(|one| same(population, one)) {
                self.found.error(Code::NotFound, &place, || {
                    "The measure's group has no population with this code.".to_owned()
                });
            }
            self.subjects(focus, population, &place);
            if population.get("subjectResults").is_some() && !lists_subjects {
                self.found.error(Code::BusinessRule, &place, || {
                    "Only a report of the type subject-list lists its subjects.".to_owned()
                });
            }
        }
    }

    /// The count is that of the list, which has an entry "for each subject in this population"
    /// (<https://hl7.org/fhir/R4/measurereport-definitions.html#MeasureReport.group.population.subjectResults>).
    fn subjects(&mut self, focus: &Focus<'_, '_>, population: Node<'_>, place: &Place<'_>) {
        let count = population
            .get("count")
            .and_then(|count| count.as_number()?.parse::<usize>().ok());
        let listed = population
            .get("subjectResults")
            .and_then(|list| list.string("reference"));
        let (Some(count), Some(text)) = (count, listed) else {
            return;
        };
        let is_list = |kind: &str| kind == "List";
        let found = self
            .around(focus.scope)
            .find(&text)
            .element()
            .map(|element| element.node);
        let subjects = match (found, Reference::parse(&text)) {
            (Some(list), _) if list.string("resourceType").is_some_and(|kind| is_list(&kind)) => {
                each(list, "entry").count()
            }
            (None, Reference::Literal { kind, .. }) if is_list(kind) => return,
            // Whatever is no list is one subject.
            (Some(_), _) | (None, Reference::Literal { .. }) => 1,
            _ => return,
        };
        if subjects != count {
            self.found.error(Code::BusinessRule, place, || {
                format!("The count is {count}, but subjectResults lists {subjects}.")
            });
        }
    }
}

/// Whether the codes of two parts are the same: one of their codings, or their texts where there are none. Parts without
/// any code are told apart by nothing.
fn same(own: Node<'_>, other: Node<'_>) -> bool {
    let codings = |node: Node<'_>| -> Vec<(String, String)> {
        let text = |coding: Node<'_>, name: &str| coding.string(name).unwrap_or_default().into_owned();
        let concepts = each(node, "code").collect::<Vec<_>>();
        let all = concepts.into_iter().flat_map(|concept| each(concept, "coding"));
        all.map(|coding| (text(coding, "system"), text(coding, "code")))
            .collect()
    };
    let words = |node: Node<'_>| -> Vec<String> {
        let concepts = each(node, "code").collect::<Vec<_>>();
        let texts = concepts.into_iter().filter_map(|concept| concept.string("text"));
        texts.map(|text| text.into_owned()).collect()
    };
    let (mine, theirs) = (codings(own), codings(other));
    if mine.is_empty() || theirs.is_empty() {
        let (mine, theirs) = (words(own), words(other));
        return mine.iter().any(|word| theirs.contains(word))
            || own.get("code").is_none() && other.get("code").is_none();
    }
    mine.iter().any(|coding| theirs.contains(coding))
}
