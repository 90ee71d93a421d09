//! Functions over coded elements, which the terminology at hand answers: memberOf, subsumes, subsumedBy.

use fhir::document::Node;

use crate::compare::describe;
use crate::context::{Code, Failure, Terminology};
use crate::evaluate::{Evaluator, List, Scope, only};
use crate::functions::Records;
use crate::syntax::Call;
use crate::value::Item;

/// Applies a function to a collection of at most one coded element. Without terminology it fails.
pub(crate) fn apply<'a>(
    run: &mut Evaluator<'_, 'a>,
    function: Records,
    call: &'a Call,
    input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let terminology = run.context.terminology.ok_or_else(|| {
        Failure::unsupported(
            "memberOf(), subsumes() and subsumedBy() need a terminology service, which isn't at hand here",
        )
    })?;
    let Some(item) = only(&input)? else {
        return Ok(input);
    };
    let codes = codes(run, item)?;
    let argument = run.single(&call.arguments[0], scope)?;
    let answer = match (function, argument) {
        (_, None) => None,
        (Records::MemberOf, Some(address)) => {
            let address = address.text();
            let address = address.ok_or_else(|| Failure::values("memberOf() takes a value set's url as a string"))?;
            Some(terminology.member_of(&codes, &address)?)
        }
        (_, Some(other)) => {
            let others = self::codes(run, &other)?;
            let (broader, narrower) = if function == Records::Subsumes {
                (codes, others)
            } else {
                (others, codes)
            };
            Some(subsumes(run, terminology, &broader, &narrower)?)
        }
    };
    let mut out = input;
    out.clear();
    out.extend(answer.map(Item::Boolean));
    Ok(out)
}

/// Whether one of the codes is one of the others or a broader one.
fn subsumes(
    run: &mut Evaluator<'_, '_>,
    terminology: &dyn Terminology,
    broader: &[Code<'_>],
    narrower: &[Code<'_>],
) -> Result<bool, Failure> {
    let mut failure = None;
    for broader in broader {
        for narrower in narrower {
            run.spend(16)?;
            match terminology.subsumes(broader, narrower) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(found) => failure = Some(found),
            }
        }
    }
    // What no pair can say for certain is not denied either.
    failure.map_or(Ok(false), Err)
}

/// The codes of a code, a Coding, a CodeableConcept, a Quantity's unit, or a string.
fn codes<'a>(run: &Evaluator<'_, 'a>, item: &Item<'a>) -> Result<Vec<Code<'a>>, Failure> {
    if let Some(code) = item.text() {
        return Ok(vec![Code {
            system: None,
            version: None,
            code,
        }]);
    }
    let element = item.element().filter(|element| element.node.is_object());
    let Some(element) = element else {
        let found = describe(run.context.model, item);
        return Err(Failure::values(format!("A coded element is needed here, not {found}")));
    };
    let coding = |node: Node<'a>| {
        Some(Code {
            system: node.string("system"),
            version: node.string("version"),
            code: node.string("code")?,
        })
    };
    Ok(match element.node.get("coding") {
        Some(codings) => codings.each().filter_map(coding).collect(),
        None => coding(element.node).into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use crate::context::{Code, Failure, Profiles, Terminology};
    use crate::trial::answer;
    use crate::value::Element;

    /// Codes that begin with a letter are below that letter; the value set `http://a` has those below `a`.
    struct Letters;

    impl Terminology for Letters {
        fn member_of(&self, codes: &[Code<'_>], value_set: &str) -> Result<bool, Failure> {
            match value_set {
                "http://a" => Ok(codes.iter().any(|code| code.code.starts_with(['2', 'a', 'o']))),
                _ => Err(Failure::unsupported("There is no such value set.")),
            }
        }

        fn subsumes(&self, broader: &Code<'_>, narrower: &Code<'_>) -> Result<bool, Failure> {
            Ok(narrower.code.starts_with(&*broader.code))
        }
    }

    impl Profiles for Letters {
        fn conforms(&self, element: Element<'_>, profile: &str) -> Result<bool, Failure> {
            Ok(element.node.string("id").is_some_and(|id| profile.ends_with(&*id)))
        }

        fn is_in_slice(&self, element: Element<'_>, _profile: &str, slice: &str) -> Result<bool, Failure> {
            Ok(element.node.string("code").is_some_and(|code| code == slice))
        }
    }

    #[test]
    fn what_is_at_hand_is_asked() {
        let table = [
            ("code.memberOf('http://a')", "true"),
            ("code.coding.first().memberOf('http://a')", "true"),
            ("'b'.memberOf('http://a')", "false"),
            ("{}.memberOf('http://a')", ""),
            ("code.memberOf({})", ""),
            ("code.memberOf('http://x')", "Unsupported: There is no such value set."),
            (
                "1.memberOf('http://a')",
                "Values: A coded element is needed here, not the integer 1",
            ),
            (
                "code.coding.memberOf('http://a')",
                "Values: One item is needed here, not 2",
            ),
            ("'2'.subsumes(code)", "true"),
            ("code.subsumedBy('2')", "true"),
            ("code.subsumes('2')", "false"),
            ("code.coding[0].subsumes(code.coding[0])", "true"),
            ("conformsTo('http://profile/o')", "true"),
            ("conformsTo('http://profile/x')", "false"),
            ("code.coding.slice('http://p', '29463-7').count()", "1"),
            ("code.coding.slice('http://p', {})", ""),
        ];
        for (expression, expected) in table {
            let found = answer(expression, true, |context| {
                context.terminology = Some(&Letters);
                context.profiles = Some(&Letters);
            });
            assert_eq!(found, expected, "{expression}");
        }
    }
}
