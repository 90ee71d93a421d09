//! A value of every data type, the same each time, and the words that find it.

use fhir::tree::Tree;

/// The system of every code made here: one whose hierarchy the server knows.
pub const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
/// Every code made here; `_ActEncounterCode` lies above it, `ACUTE` below it, `AMB` beside it.
pub const CODE: &str = "IMP";
/// The system of the type of every identifier made here.
pub const TYPES: &str = "http://example.org/types";
/// Every text made here.
pub const TEXT: &str = "Sample Élan";
/// Every address made here, and of every extension where none is asked for.
pub const ADDRESS: &str = "http://example.org/sample/one";
/// The moment of every date made here, cut to what the type keeps.
pub const MOMENT: &str = "2020-02-29T10:30:00+06:00";
/// The id of every record referred to.
pub const TARGET: &str = "target";

fn quantity(value: &str) -> Tree {
    Tree::object([
        ("value", Tree::number(value)),
        ("unit", Tree::string("milligram")),
        ("system", Tree::string("http://unitsofmeasure.org")),
        ("code", Tree::string("mg")),
    ])
}

fn coding() -> Tree {
    Tree::object([
        ("system", Tree::string(SYSTEM)),
        ("code", Tree::string(CODE)),
        ("display", Tree::string(TEXT)),
    ])
}

fn list(item: Tree) -> Tree {
    Tree::Array(vec![item])
}

/// A reference to the record of the kind that is there for it.
pub fn reference(kind: &str) -> Tree {
    Tree::object([("reference", Tree::string(format!("{kind}/{TARGET}")))])
}

/// A value of a data type; `None` for those made of elements. References point to `target`.
pub fn value(data_type: &str, target: &str) -> Option<Tree> {
    Some(match data_type {
        "boolean" => Tree::Bool(true),
        "integer" | "positiveInt" | "unsignedInt" => Tree::number(7),
        "decimal" => Tree::number("7.5"),
        "date" => Tree::string(&MOMENT[..10]),
        "dateTime" | "instant" => Tree::string(MOMENT),
        "time" => Tree::string("10:30:00"),
        "base64Binary" => Tree::string("QQ=="),
        "uri" | "url" | "canonical" => Tree::string(ADDRESS),
        "oid" => Tree::string("urn:oid:1.2.3"),
        "uuid" => Tree::string("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
        "code" | "id" => Tree::string(CODE),
        "string" | "markdown" => Tree::string(TEXT),
        "xhtml" => Tree::string("<div xmlns=\"http://www.w3.org/1999/xhtml\">Sample</div>"),
        "Coding" => coding(),
        "CodeableConcept" => Tree::object([("coding", list(coding())), ("text", Tree::string("Other words"))]),
        "Identifier" => Tree::object([
            (
                "type",
                Tree::object([(
                    "coding",
                    list(Tree::object([
                        ("system", Tree::string(TYPES)),
                        ("code", Tree::string("MR")),
                    ])),
                )]),
            ),
            ("system", Tree::string(SYSTEM)),
            ("value", Tree::string(CODE)),
        ]),
        "ContactPoint" => Tree::object([("system", Tree::string("other")), ("value", Tree::string(CODE))]),
        "HumanName" => Tree::object([("family", Tree::string(TEXT))]),
        "Address" => Tree::object([("city", Tree::string(TEXT))]),
        "Reference" => reference(target),
        "Period" => Tree::object([("start", Tree::string(MOMENT)), ("end", Tree::string(MOMENT))]),
        "Timing" => Tree::object([("event", list(Tree::string(MOMENT)))]),
        "Quantity" | "Age" | "Duration" | "Count" | "Distance" | "SimpleQuantity" | "MoneyQuantity" => quantity("7.5"),
        "Money" => Tree::object([("value", Tree::number("7.5")), ("currency", Tree::string("BTN"))]),
        "Range" => Tree::object([("low", quantity("7.5")), ("high", quantity("7.5"))]),
        "Extension" => Tree::object([("url", Tree::string(ADDRESS)), ("valueString", Tree::string(TEXT))]),
        _ => return None,
    })
}
