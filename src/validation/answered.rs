//! Questionnaires in short forms, and what is found in the responses to them.

use fhir::outcome::Severity;

use crate::hostile::judged;

/// The items of a questionnaire; then, a row each, the items of a response and the places of its errors.
const FORMS: [(&str, &str); 12] = [
    (
        r#"{"linkId":"a","type":"integer","required":true}"#,
        r#"{"linkId":"a","answer":[{"valueInteger":1}]} => ""
           {"linkId":"a","answer":[{"valueString":"1"}]} => item[0].answer[0].value.ofType(string)
           {"linkId":"a"} => item[0]
           {"linkId":"a","answer":[{"valueInteger":1},{"valueInteger":2}]} => item[0]
           {"linkId":"b","answer":[{"valueInteger":1}]} => , "#,
    ),
    (
        r#"{"linkId":"a","type":"string","maxLength":3,"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/minLength","valueInteger":2},{"url":"http://hl7.org/fhir/StructureDefinition/regex","valueString":"[a-z]+"}]}"#,
        r#"{"linkId":"a","answer":[{"valueString":"abc"}]} => ""
           {"linkId":"a","answer":[{"valueString":"abcd"}]} => item[0].answer[0].value.ofType(string)
           {"linkId":"a","answer":[{"valueString":"a"}]} => item[0].answer[0].value.ofType(string)
           {"linkId":"a","answer":[{"valueString":"A1"}]} => item[0].answer[0].value.ofType(string)"#,
    ),
    (
        r#"{"linkId":"g","type":"group","required":true,"item":[{"linkId":"a","type":"boolean","item":[{"linkId":"b","type":"date","required":true}]}]}"#,
        r#"{"linkId":"g","item":[{"linkId":"a","answer":[{"valueBoolean":true,"item":[{"linkId":"b","answer":[{"valueDate":"2020"}]}]}]}]} => ""
           {"linkId":"g","item":[{"linkId":"a","answer":[{"valueBoolean":true}]}]} => item[0].item[0].answer[0]
           {"linkId":"g"} => item[0]
           {"linkId":"g","answer":[{"valueBoolean":true}]} => item[0]
           {"linkId":"a","answer":[{"valueBoolean":true}]} => item[0], "#,
    ),
    (
        r#"{"linkId":"a","type":"choice","repeats":true,"answerOption":[{"valueCoding":{"system":"http://s","code":"x"}},{"valueCoding":{"system":"http://s","code":"none"},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/questionnaire-optionExclusive","valueBoolean":true}]}]}"#,
        r#"{"linkId":"a","answer":[{"valueCoding":{"system":"http://s","code":"x"}}]} => ""
           {"linkId":"a","answer":[{"valueCoding":{"system":"http://s","code":"y"}}]} => item[0].answer[0]
           {"linkId":"a","answer":[{"valueCoding":{"system":"http://s","code":"x"}},{"valueCoding":{"system":"http://s","code":"none"}}]} => item[0]
           {"linkId":"a","answer":[{"valueString":"x"}]} => item[0].answer[0]"#,
    ),
    (
        r#"{"linkId":"a","type":"open-choice","answerOption":[{"valueCoding":{"code":"x"}}]}"#,
        r#"{"linkId":"a","answer":[{"valueString":"anything"}]} => ""
           {"linkId":"a","answer":[{"valueCoding":{"code":"y"}}]} => item[0].answer[0]"#,
    ),
    (
        r#"{"linkId":"a","type":"choice","answerValueSet":"http://hl7.org/fhir/ValueSet/administrative-gender"}"#,
        r#"{"linkId":"a","answer":[{"valueCoding":{"system":"http://hl7.org/fhir/administrative-gender","code":"male"}}]} => ""
           {"linkId":"a","answer":[{"valueCoding":{"system":"http://s","code":"male"}}]} => item[0].answer[0]"#,
    ),
    (
        r#"{"linkId":"a","type":"boolean"},{"linkId":"b","type":"string","required":true,"enableWhen":[{"question":"a","operator":"=","answerBoolean":true}]}"#,
        r#"{"linkId":"a","answer":[{"valueBoolean":true}]},{"linkId":"b","answer":[{"valueString":"x"}]} => ""
           {"linkId":"a","answer":[{"valueBoolean":false}]} => ""
           {"linkId":"a","answer":[{"valueBoolean":true}]} =>  
           {"linkId":"a","answer":[{"valueBoolean":false}]},{"linkId":"b","answer":[{"valueString":"x"}]} => item[1]
           {"linkId":"b","answer":[{"valueString":"x"}]},{"linkId":"a","answer":[{"valueBoolean":true}]} => item[1]"#,
    ),
    (
        r#"{"linkId":"a","type":"integer"},{"linkId":"b","type":"integer"},{"linkId":"c","type":"string","enableBehavior":"all","enableWhen":[{"question":"a","operator":">","answerInteger":1},{"question":"b","operator":"exists","answerBoolean":false}]}"#,
        r#"{"linkId":"a","answer":[{"valueInteger":2}]},{"linkId":"c","answer":[{"valueString":"x"}]} => ""
           {"linkId":"a","answer":[{"valueInteger":1}]},{"linkId":"c","answer":[{"valueString":"x"}]} => item[1]
           {"linkId":"a","answer":[{"valueInteger":2}]},{"linkId":"b","answer":[{"valueInteger":2}]},{"linkId":"c","answer":[{"valueString":"x"}]} => item[2]"#,
    ),
    (
        r#"{"linkId":"a","type":"attachment","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/mimeType","valueCode":"image/png"},{"url":"http://hl7.org/fhir/StructureDefinition/maxSize","valueDecimal":3}]}"#,
        r#"{"linkId":"a","answer":[{"valueAttachment":{"contentType":"image/png","data":"eHh4"}}]} => ""
           {"linkId":"a","answer":[{"valueAttachment":{"contentType":"image/jpeg","data":"eHh4"}}]} => item[0].answer[0]
           {"linkId":"a","answer":[{"valueAttachment":{"contentType":"image/png","data":"eHh4eA=="}}]} => item[0].answer[0]"#,
    ),
    (
        r#"{"linkId":"a","type":"reference","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/questionnaire-referenceResource","valueCode":"Patient"}]}"#,
        r#"{"linkId":"a","answer":[{"valueReference":{"reference":"Patient/1"}}]} => ""
           {"linkId":"a","answer":[{"valueReference":{"reference":"Group/1"}}]} => item[0].answer[0]"#,
    ),
    (
        r#"{"linkId":"g","type":"group","repeats":true,"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/questionnaire-maxOccurs","valueInteger":1}],"item":[{"linkId":"a","type":"decimal","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/maxDecimalPlaces","valueInteger":1},{"url":"http://hl7.org/fhir/StructureDefinition/minValue","valueDecimal":0}]}]}"#,
        r#"{"linkId":"g","item":[{"linkId":"a","answer":[{"valueDecimal":0.5}]}]} => ""
           {"linkId":"g","item":[{"linkId":"a","answer":[{"valueDecimal":0.55}]}]} => item[0].item[0].answer[0].value.ofType(decimal)
           {"linkId":"g","item":[{"linkId":"a","answer":[{"valueDecimal":-1}]}]} => item[0].item[0].answer[0].value.ofType(decimal)
           {"linkId":"g","item":[{"linkId":"a"}]},{"linkId":"g","item":[{"linkId":"a"}]} =>  "#,
    ),
    (
        r#"{"linkId":"a","type":"display","text":"x"}"#,
        r#"{"linkId":"a","text":"x"} => ""
           {"linkId":"a","text":"y"} => item[0]
           {"linkId":"a","answer":[{"valueString":"x"}]} => item[0]"#,
    ),
];

#[test]
fn responses_are_judged_by_their_questionnaires() {
    for (items, rows) in FORMS {
        let form =
            format!(r#"{{"resourceType":"Questionnaire","url":"http://a/form","status":"active","item":[{items}]}}"#);
        for row in rows.lines() {
            let (answers, places) = row.rsplit_once("=>").unwrap_or_else(|| panic!("two columns in {row}"));
            let response = format!(
                r#"{{"resourceType":"QuestionnaireResponse","questionnaire":"http://a/form","status":"completed","item":[{answers}]}}"#
            );
            let (_, mut issues) = judged(std::slice::from_ref(&form), &response, "");
            issues.retain(|issue| issue.severity >= Severity::Error);
            let found: Vec<String> = issues.iter().map(|issue| short(&issue.expression)).collect();
            let wanted: Vec<String> = match places.trim() {
                "\"\"" => Vec::new(),
                places => places.split(',').map(|place| place.trim().to_owned()).collect(),
            };
            assert_eq!(found, wanted, "{items}\n{row}\n{issues:#?}");
        }
    }
}

/// A place without the name of the resource, empty for the whole of it.
fn short(place: &str) -> String {
    let rest = place.trim_start_matches("QuestionnaireResponse");
    rest.trim_start_matches('.').to_owned()
}
