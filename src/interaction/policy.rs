//! How strictly a record is judged when it is written, kind by kind.
//!
//! Whatever the policy, a record must have the structure of its type; and but where it is off, the codes that R4's
//! required bindings allow. The rest is what `$validate` judges: invariants, profiles, other bindings, references.

use std::collections::BTreeMap;

use fhir::identity::Kind;

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
                other => {
                    return Err(format!(
                        "has {other:?}; it is off, warn or reject, as in \"Patient=reject\""
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

#[cfg(test)]
mod tests {
    use super::*;

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
