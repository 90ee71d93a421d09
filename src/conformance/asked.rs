//! Answers what FHIRPath asks of terminology: `memberOf()`, `subsumes()`, `subsumedBy()`.

use fhirpath::evaluate::{Code, Failure, Terminology as Asks};

use crate::terminology::{Terminology, Unanswered};

/// What answers expressions from any terminology.
pub struct Asked<'t>(pub &'t dyn Terminology);

fn failure(unanswered: Unanswered) -> Failure {
    Failure::unsupported(unanswered.to_string().trim_end_matches('.'))
}

impl Asks for Asked<'_> {
    fn member_of(&self, codes: &[Code<'_>], value_set: &str) -> Result<bool, Failure> {
        for code in codes {
            if self
                .0
                .validate(value_set, code.system.as_deref(), &code.code)
                .map_err(failure)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn subsumes(&self, broader: &Code<'_>, narrower: &Code<'_>) -> Result<bool, Failure> {
        let (one, other) = (broader.system.as_deref(), narrower.system.as_deref());
        let system = match (one, other) {
            (Some(one), Some(other)) if one != other => {
                let text = format!("Whether {one} and {other} have codes in common is not known here");
                return Err(Failure::unsupported(text));
            }
            _ => one.or(other),
        };
        let Some(system) = system else {
            return Err(Failure::unsupported("Codes without a system cannot be compared"));
        };
        if broader.code == narrower.code {
            return Ok(true);
        }
        let below = self.0.below(system, &broader.code).map_err(failure)?;
        Ok(below.has(system, &narrower.code))
    }
}
