//! How strictly a record is judged when it is written, kind by kind.
//!
//! Whatever the policy, a record must have the structure of its type; and but where it is off, the codes that R4's
//! required bindings allow. The rest is what `$validate` judges: invariants, profiles, other bindings, references. Only
//! a definition may lack what its type asks for, so that it can be tried before it is published (decision 11).

use std::collections::BTreeMap;

use conformance::Definitions;
use fhir::identity::Kind;
use fhir::outcome::{Code, Issue, Severity};
use fhirpath::model::Model;

use crate::refusal::{Reason, Refusal};

/// What is done about what is not structure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Judging {
    /// Nothing.
    Off,
    /// Codes outside required bindings are refused. Of the rest, whoever asks for it, with `Prefer: return=OperationOutcome`, is told; nobody else pays for it.
    #[default]
    Warn,
    /// An error is a reason not to write (422).
    Reject,
    /// So is a display that its code system does not have.
    Exact,
}

/// What is done when a patient is registered who may be registered already. Who is registered all the same is put on the
/// worklist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Nothing.
    Off,
    /// Whoever asks for it, with `Prefer: return=OperationOutcome`, is told who it may be.
    #[default]
    Warn,
    /// It is refused with those it may be (409), but from a caller who has looked: `Prefer: handling=lenient`.
    Refuse,
}

impl Duplicates {
    /// Reads the word of a setting.
    ///
    /// # Errors
    /// The end of a sentence that begins with the setting's name.
    pub fn read(word: &str) -> Result<Duplicates, String> {
        match word {
            "off" => Ok(Duplicates::Off),
            "warn" => Ok(Duplicates::Warn),
            "refuse" => Ok(Duplicates::Refuse),
            other => Err(format!("is {other:?}; it is off, warn or refuse")),
        }
    }
}

/// What a centre does about patients who were registered at clinics and are new to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newcomers {
    /// Nothing.
    Off,
    /// Whoever is likely somebody it knows is put on the worklist of duplicates.
    Queue,
    /// Whoever is certainly one other is linked with her; the rest is put on the worklist.
    #[default]
    Link,
}

impl Newcomers {
    /// Reads the word of a setting.
    ///
    /// # Errors
    /// The end of a sentence that begins with the setting's name.
    pub fn read(word: &str) -> Result<Newcomers, String> {
        match word {
            "off" => Ok(Newcomers::Off),
            "queue" => Ok(Newcomers::Queue),
            "link" => Ok(Newcomers::Link),
            other => Err(format!("is {other:?}; it is off, queue or link")),
        }
    }
}

/// Who may say here that two records are one person, or that they are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Merging {
    /// Nobody: it is decided elsewhere.
    Nobody,
    /// Whoever is named, with a reason.
    Named,
    /// Anybody who may ask at all.
    #[default]
    Anybody,
}

impl Merging {
    /// Reads the word of a setting.
    ///
    /// # Errors
    /// The end of a sentence that begins with the setting's name.
    pub fn read(word: &str) -> Result<Merging, String> {
        match word {
            "nobody" => Ok(Merging::Nobody),
            "named" => Ok(Merging::Named),
            "anybody" => Ok(Merging::Anybody),
            other => Err(format!("is {other:?}; it is nobody, named or anybody")),
        }
    }

    /// Whether somebody may, who is named or not and says why or does not.
    ///
    /// # Errors
    /// 403 with the reason.
    pub(crate) fn permit(self, is_named: bool, says_why: bool) -> Result<(), Refusal> {
        let text = match self {
            Merging::Nobody => {
                "Nobody merges patients here, undoes that or keeps them apart (the setting merging is nobody): leave it to \
                 the centre, where the pair can be put on the worklist. A preview is answered."
            }
            Merging::Named if !is_named || !says_why => {
                "Whoever decides that records are of one person or of two has to be named, and to say why (the setting merging \
                 is named): give agent, a reference with a display, and reason, a text."
            }
            _ => return Ok(()),
        };
        Err(Refusal::because(Reason::Forbidden, text))
    }
}

/// The policy of every kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    usual: Judging,
    kinds: BTreeMap<String, Judging>,
}

impl Policy {
    /// Reads the words of a setting: `warn` for all kinds, `Patient=reject` for one.
    ///
    /// # Errors
    /// The end of a sentence that begins with the setting's name.
    pub fn read(words: &[String]) -> Result<Policy, String> {
        let mut policy = Policy::default();
        for word in words {
            let (kind, level) = word
                .split_once('=')
                .map_or(("", word.as_str()), |(kind, level)| (kind.trim(), level));
            let judging = match level.trim() {
                "off" => Judging::Off,
                "warn" => Judging::Warn,
                "reject" => Judging::Reject,
                "exact" => Judging::Exact,
                other => {
                    return Err(format!(
                        "has {other:?}; it is off, warn, reject or exact, as in \"Patient=reject\""
                    ));
                }
            };
            if kind.is_empty() {
                policy.usual = judging;
            } else {
                policy.kinds.insert(kind.to_owned(), judging);
            }
        }
        Ok(policy)
    }

    /// What is done about records of a kind.
    pub fn of(&self, kind: &Kind) -> Judging {
        self.kinds.get(kind.as_str()).copied().unwrap_or(self.usual)
    }
}

/// Whether the records of a kind define something that others name by its address: they have a `url`, a `version` and a
/// `status` (<https://hl7.org/fhir/R4/resource.html#canonical>).
pub(crate) fn defines(definitions: &Definitions, kind: &Kind) -> bool {
    let has = |kind, name: &&str| definitions.own_element(kind, name).is_some();
    let known = definitions.type_id(kind.as_str());
    known.is_some_and(|kind| ["url", "version", "status"].iter().all(|name| has(kind, name)))
}

/// Makes warnings of the errors that say only that something required is missing.
pub(crate) fn let_be_unfinished(issues: &mut [Issue]) {
    let missing = issues.iter_mut().filter(|issue| issue.code == Code::Required);
    missing.for_each(|issue| issue.severity = issue.severity.min(Severity::Warning));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_those_with_a_canonical_address() {
        let r4 = Definitions::r4();
        for (kind, is_one) in [
            ("StructureDefinition", true),
            ("Questionnaire", true),
            ("ImplementationGuide", true),
            ("Patient", false),
            ("NamingSystem", false),
        ] {
            assert_eq!(defines(&r4, &Kind::new(kind).unwrap()), is_one, "{kind}");
        }
    }

    #[test]
    fn what_is_done_about_duplicates_is_one_of_three_words() {
        assert_eq!(Duplicates::read("refuse"), Ok(Duplicates::Refuse));
        assert_eq!(Duplicates::read("warn"), Ok(Duplicates::default()));
        assert!(Duplicates::read("merge").unwrap_err().contains("merge"));
    }

    #[test]
    fn what_is_done_about_newcomers_is_one_of_three_words() {
        assert_eq!(Newcomers::read("queue"), Ok(Newcomers::Queue));
        assert_eq!(Newcomers::read("link"), Ok(Newcomers::default()));
        assert!(Newcomers::read("merge").unwrap_err().contains("merge"));
    }

    #[test]
    fn who_may_merge_is_one_of_three_words() {
        let table = [
            // who: neither, named, named with a reason
            ("nobody", [false, false, false]),
            ("named", [false, false, true]),
            ("anybody", [true, true, true]),
        ];
        for (word, allowed) in table {
            let merging = Merging::read(word).unwrap();
            let told = [(false, false), (true, false), (true, true)];
            let permitted = told.map(|(is_named, says_why)| merging.permit(is_named, says_why).is_ok());
            assert_eq!(permitted, allowed, "{word}");
        }
        assert_eq!(Merging::Nobody.permit(true, true).unwrap_err().status, 403);
        assert!(Merging::read("clerks").unwrap_err().contains("clerks"));
    }

    #[test]
    fn a_kind_has_its_own_policy_or_the_usual_one() {
        let read = |words: &[&str]| Policy::read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let policy = read(&["off", "Patient=reject", "Group = warn"]).unwrap();
        let table = [
            ("Patient", Judging::Reject),
            ("Group", Judging::Warn),
            ("Observation", Judging::Off),
        ];
        for (kind, judging) in table {
            assert_eq!(policy.of(&Kind::new(kind).unwrap()), judging, "{kind}");
        }
        assert_eq!(read(&[]).unwrap(), Policy::default());
        assert!(read(&["Patient=perhaps"]).unwrap_err().contains("perhaps"));
    }
}
