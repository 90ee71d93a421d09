//! Records that stand for one: a Patient that was merged names the one that replaces it, and references lead on to that.
//!
//! Nothing else is kept of a merge: `Patient.link` of type `replaced-by` (<https://hl7.org/fhir/R4/patient.html#linking>)
//! is a value of the search parameter `replaced-by`, and follows the log like every other. Records that such links join,
//! whichever way and over however many steps, are one *person*; to refer to one of them is to refer to her.

use std::sync::{Arc, LazyLock};

use fhir::identity::{Id, Kind};

use crate::predicate::{Predicate, RecordSet, ReferenceTest, Test};
use crate::values::{ParamId, Target, Value, Values};

/// The kind of records that replace each other.
pub const KIND: &str = "Patient";

static KIND_OF_THEM: LazyLock<Kind> = LazyLock::new(|| Kind::new(KIND).expect("it is a kind's name"));
static PARAM: LazyLock<ParamId> = LazyLock::new(|| ParamId::of("replaced-by"));

/// The kind of records that replace each other.
pub fn kind() -> &'static Kind {
    &KIND_OF_THEM
}

/// The parameter by which a record names the one that replaces it.
pub fn param() -> ParamId {
    *PARAM
}

/// The records that a record with these values names as replacing it: none, or one where all is in order.
pub fn replacing<'v>(kind: &Kind, values: &'v Values) -> impl Iterator<Item = &'v Id> {
    let values = (kind.as_str() == KIND).then_some(values);
    values
        .into_iter()
        .flat_map(|values| values.of(*PARAM))
        .filter_map(|value| match value {
            Value::Reference(Target::Local { kind, id, .. }) if kind.as_str() == KIND => Some(id),
            _ => None,
        })
}

/// Who knows which records are of one person.
pub trait Persons {
    /// Why that cannot be said.
    type Trouble;

    /// The other records of a record's person.
    ///
    /// # Errors
    /// Where it cannot be said.
    fn others(&self, id: &Id) -> Result<Vec<Id>, Self::Trouble>;

    /// The set with all records of every person of whom it has one; `None` where it has them already.
    ///
    /// # Errors
    /// Where it cannot be said.
    fn completed(&self, set: &RecordSet) -> Result<Option<RecordSet>, Self::Trouble>;
}

impl Predicate {
    /// Whether the condition asks for a reference to a record that others may stand for.
    pub fn names_persons(&self) -> bool {
        let mut found = false;
        self.walk(&mut |part| {
            found |= match part {
                Predicate::Test { param, test } => refers_to(*param, test).is_some(),
                Predicate::RefersTo { .. } => true,
                _ => false,
            }
        });
        found
    }

    /// The condition with every reference to a record read as one to any record of that person. Joins are left as they are:
    /// what they stand for is looked up first.
    ///
    /// # Errors
    /// Those of `persons`.
    pub fn of_persons<P: Persons>(self, persons: &P) -> Result<Predicate, P::Trouble> {
        let every = |list: Vec<Predicate>| -> Result<Vec<_>, _> {
            list.into_iter().map(|part| part.of_persons(persons)).collect()
        };
        Ok(match self {
            Predicate::And(all) => Predicate::And(every(all)?),
            Predicate::Or(any) => Predicate::Or(every(any)?),
            Predicate::Not(inner) => inner.of_persons(persons)?.negate(),
            Predicate::RefersTo { param, set } => {
                let completed = persons.completed(&set)?;
                Predicate::RefersTo {
                    param,
                    set: completed.map_or(set, Arc::new),
                }
            }
            Predicate::Test { param, test } => match refers_to(param, &test) {
                Some(id) => {
                    let others = persons.others(id)?;
                    let others = others.into_iter().map(|other| Predicate::Test {
                        param,
                        test: reference(other),
                    });
                    let others: Vec<Predicate> = others.collect();
                    Predicate::any([vec![Predicate::Test { param, test }], others].concat())
                }
                None => Predicate::Test { param, test },
            },
            other => other,
        })
    }
}

/// The record that a test asks for, where others may stand for it. Who replaces whom is asked to the letter.
fn refers_to(param: ParamId, test: &Test) -> Option<&Id> {
    match test {
        Test::Reference(ReferenceTest::Record {
            kinds,
            id,
            version: None,
        }) if param != *PARAM && kinds.contains(&KIND_OF_THEM) => Some(id),
        _ => None,
    }
}

fn reference(id: Id) -> Test {
    Test::Reference(ReferenceTest::Record {
        kinds: vec![KIND_OF_THEM.clone()],
        id,
        version: None,
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::values::record_hash;

    /// `a` and `b` are one person.
    struct Two;

    impl Persons for Two {
        type Trouble = Infallible;

        fn others(&self, id: &Id) -> Result<Vec<Id>, Infallible> {
            let other = [("a", "b"), ("b", "a")]
                .into_iter()
                .find(|(one, _)| *one == id.as_str());
            Ok(other.and_then(|(_, other)| Id::new(other)).into_iter().collect())
        }

        fn completed(&self, set: &RecordSet) -> Result<Option<RecordSet>, Infallible> {
            let (a, b) = (record_hash(KIND, "a"), record_hash(KIND, "b"));
            let lacks = set.contains(&a) != set.contains(&b);
            Ok(lacks.then(|| set.iter().copied().chain([a, b]).collect()))
        }
    }

    fn test(param: ParamId, kind: &str, id: &str, version: Option<&str>) -> Predicate {
        let record = ReferenceTest::Record {
            kinds: vec![Kind::new(kind).unwrap()],
            id: Id::new(id).unwrap(),
            version: version.map(Into::into),
        };
        Predicate::Test {
            param,
            test: Test::Reference(record),
        }
    }

    #[test]
    fn a_reference_to_one_record_is_one_to_the_person() {
        let subject = ParamId::of("subject");
        let plain = |id| test(subject, KIND, id, None);
        let both = Predicate::Or(vec![plain("a"), plain("b")]);
        let table = [
            (plain("a"), both.clone()),
            (plain("a").negate(), both.negate()),
            (plain("c"), plain("c")),
            (test(subject, "Group", "a", None), test(subject, "Group", "a", None)),
            (
                test(subject, KIND, "a", Some("0-1")),
                test(subject, KIND, "a", Some("0-1")),
            ),
            (test(param(), KIND, "a", None), test(param(), KIND, "a", None)),
        ];
        for (asked, expected) in table {
            let to_the_letter = matches!(&asked, Predicate::Test { param, test } if refers_to(*param, test).is_none());
            assert_eq!(asked.names_persons(), !to_the_letter);
            let Ok(found) = asked.of_persons(&Two);
            assert_eq!(found, expected);
        }
        let set = |ids: &[&str]| -> Arc<RecordSet> { Arc::new(ids.iter().map(|id| record_hash(KIND, id)).collect()) };
        let refers = |ids: &[&str]| Predicate::RefersTo {
            param: subject,
            set: set(ids),
        };
        let Ok(found) = refers(&["b", "c"]).of_persons(&Two);
        assert_eq!(found, refers(&["a", "b", "c"]));
    }
}
