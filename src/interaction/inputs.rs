//! What an operation is given: by parameters in the address, by a Parameters resource, or by one bare resource.
//!
//! See <https://hl7.org/fhir/R4/operations.html#request>.

use std::borrow::Cow;

use fhir::document::{Document, Node};
use fhir::parse::Limits;
use fhir::tree::Tree;

use crate::engine::Engine;
use crate::operation::Call;
use crate::operation_parameters;
use crate::refusal::{Reason, Refusal};
use crate::request::Request;

/// The inputs of one call.
pub struct Inputs {
    address: Vec<(String, String)>,
    body: Option<Document>,
    /// The address of this server, as the caller sees it.
    base: String,
}

/// One entry of `Parameters.parameter`, or of a `part`.
#[derive(Clone, Copy)]
pub struct Parameter<'a>(Node<'a>);

impl<'a> Parameter<'a> {
    /// Its name.
    pub fn name(&self) -> Cow<'a, str> {
        self.0.string("name").unwrap_or_default()
    }

    /// Its value and the member it stands in: `valueCoding`, `valueCode`.
    pub fn value(&self) -> Option<(Cow<'a, str>, Node<'a>)> {
        self.0.members().find(|(name, _)| name.starts_with("value"))
    }

    /// The text of a primitive value.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        self.value()?.1.scalar()
    }

    /// Its resource.
    pub fn resource(&self) -> Option<Node<'a>> {
        self.0.get("resource")
    }

    /// Its parts.
    pub fn parts(&self) -> impl Iterator<Item = Parameter<'a>> + use<'a> {
        let part = self.0.get("part");
        part.into_iter().flat_map(|part| part.each()).map(Parameter)
    }
}

impl Inputs {
    /// Reads them.
    ///
    /// # Errors
    /// Those of [`Engine::parse`] for a body that cannot be read; 400 for a parameter that the operation does not know.
    pub fn read(engine: &Engine, request: &Request<'_>, call: &Call<'_>) -> Result<Inputs, Refusal> {
        let body = match request.body.is_empty() {
            true => None,
            false => Some(engine.parse(request, engine.limits.bundle_bytes)?),
        };
        let inputs = Inputs {
            address: call.params.to_vec(),
            body,
            base: request.base.to_owned(),
        };
        inputs.held(request, call)
    }

    /// Itself, where the operation knows all of it, or what it does not know may be left away.
    ///
    /// # Errors
    /// 400 for a parameter that the operation does not know.
    pub(crate) fn held(self, request: &Request<'_>, call: &Call<'_>) -> Result<Inputs, Refusal> {
        let prefers = request.prefer.handling;
        if let Some(known) = operation_parameters::known(call.operation, call.id.is_some(), prefers) {
            self.only(call.operation.name, known)?;
        }
        Ok(self)
    }

    /// Inputs of this server's own: of each parameter its name, the member of its value and that.
    pub(crate) fn of_own(parameters: &[(&str, &str, Tree)]) -> Result<Inputs, Refusal> {
        let parameter = |(name, member, value): &(&str, &str, Tree)| {
            Tree::object([("name", Tree::string(*name)), (*member, value.clone())])
        };
        let all = Tree::Array(parameters.iter().map(parameter).collect());
        let root = Tree::object([("resourceType", Tree::string("Parameters")), ("parameter", all)]);
        Ok(Inputs {
            address: Vec::new(),
            base: String::new(),
            body: Some(Document::parse(&root.to_bytes(), Limits::default())?),
        })
    }

    /// The inputs of one call of several in one: those of the Parameters resource that a parameter holds, then all of this
    /// call but the parameters of that name.
    ///
    /// # Errors
    /// 400 where the parameter holds no Parameters resource.
    pub(crate) fn with(&self, part: Parameter<'_>, name: &str) -> Result<Inputs, Refusal> {
        let own = part
            .resource()
            .filter(|r| r.string("resourceType").as_deref() == Some("Parameters"));
        let own = own.ok_or_else(|| Refusal::because(Reason::Invalid, "It holds no Parameters resource."))?;
        let own = own
            .get("parameter")
            .into_iter()
            .flat_map(|list| list.each())
            .map(Parameter);
        // What came along for all is known already.
        let shared = self
            .all()
            .filter(|shared| shared.name() != name && shared.resource().is_none());
        let all: Vec<&str> = own.chain(shared).map(|parameter| parameter.0.text()).collect();
        let text = format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, all.join(","));
        Ok(Inputs {
            address: self.address.clone(),
            base: self.base.clone(),
            body: Some(Document::parse(text.as_bytes(), Limits::default())?),
        })
    }

    /// Whether what stands before `Type/id` in a reference is this server.
    pub(crate) fn is_here(&self, base: &str) -> bool {
        base.is_empty() || base == self.base
    }

    /// The body, whatever it is.
    pub fn root(&self) -> Option<Node<'_>> {
        Some(self.body.as_ref()?.root())
    }

    fn parameters_resource(&self) -> Option<Node<'_>> {
        let root = self.body.as_ref()?.root();
        (root.string("resourceType")? == "Parameters").then_some(root)
    }

    /// All entries of the Parameters resource, in order.
    pub fn all(&self) -> impl Iterator<Item = Parameter<'_>> {
        let list = self.parameters_resource().and_then(|root| root.get("parameter"));
        list.into_iter().flat_map(|list| list.each()).map(Parameter)
    }

    /// The entries of a name.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Parameter<'a>> {
        self.all().filter(move |parameter| parameter.name() == name)
    }

    /// All texts given under a name: those of the address, then those of the body.
    pub fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        let address = self.address.iter().filter(move |(n, _)| n == name);
        let address = address.map(|(_, value)| Cow::Borrowed(value.as_str()));
        address.chain(self.of(name).filter_map(|parameter| parameter.text()))
    }

    /// The first text given under a name.
    pub fn text<'a>(&'a self, name: &'a str) -> Option<Cow<'a, str>> {
        self.texts(name).next()
    }

    /// The first value given under a name that is an object: a Coding, a CodeableConcept, a Reference.
    pub fn object<'a>(&'a self, name: &'a str) -> Option<Node<'a>> {
        let values = self.of(name).filter_map(|parameter| parameter.value());
        values.map(|(_, node)| node).find(Node::is_object)
    }

    /// The first resource given under a name; a bare body that is no Parameters is the one called `bare`.
    pub fn resource<'a>(&'a self, name: &'a str, bare: &str) -> Option<Node<'a>> {
        let given = self.of(name).find_map(|parameter| parameter.resource());
        given.or_else(|| {
            let root = self.body.as_ref()?.root();
            (name == bare && self.parameters_resource().is_none()).then_some(root)
        })
    }

    /// A yes or no.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.text(name).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(bad(name, other, "write true or false")),
        }
    }

    /// A whole number, not negative.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let number = text.parse().map_err(|_| bad(name, &text, "write a whole number"))?;
        Ok(Some(number))
    }

    /// All names and texts, of the address and of the body: what a search asked as an operation is made of.
    ///
    /// # Errors
    /// 400 where a parameter of the body has no primitive value.
    pub fn pairs(&self) -> Result<Vec<(String, String)>, Refusal> {
        let mut pairs = self.address.clone();
        for parameter in self.all() {
            let name = parameter.name().into_owned();
            let Some(text) = parameter.text() else {
                let text = format!("The parameter \"{name}\" needs a primitive value, such as a valueString.");
                return Err(Refusal::because(Reason::Invalid, text).at("Parameters.parameter"));
            };
            pairs.push((name, text.into_owned()));
        }
        Ok(pairs)
    }

    /// Refuses a name that is none of those the operation knows: a parameter ignored is another question answered.
    ///
    /// # Errors
    /// 400, naming it and those there are.
    fn only(&self, operation: &str, known: &[&str]) -> Result<(), Refusal> {
        let address = self.address.iter().map(|(name, _)| Cow::Borrowed(name.as_str()));
        // Parameters may be what is to be judged, not how.
        let within = self.all().filter(|_| operation != "validate");
        let mut names = address.chain(within.map(|parameter| parameter.name()));
        let Some(name) = names.find(|name| !known.contains(&&**name)) else {
            return Ok(());
        };
        let text = format!(
            "${operation} knows no parameter \"{name}\"{}; Prefer: handling=lenient leaves it away.",
            match known {
                [] => ": it has none".to_owned(),
                known => format!("; it knows {}", known.join(", ")),
            }
        );
        Err(Refusal::because(Reason::NotSupported, text).at(format!("http.{name}")))
    }
}

fn bad(name: &str, value: &str, instead: &str) -> Refusal {
    let text = format!("{name} is \"{value}\"; {instead}.");
    Refusal::because(Reason::Invalid, text).at(format!("http.{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::parse::Limits;

    fn inputs(address: &[(&str, &str)], body: &str) -> Inputs {
        Inputs {
            base: "http://x/fhir".to_owned(),
            address: address.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            body: (!body.is_empty()).then(|| Document::parse(body.as_bytes(), Limits::default()).unwrap()),
        }
    }

    const BODY: &str = r#"{"resourceType":"Parameters","parameter":[
        {"name":"code","valueCode":"a"},{"name":"flag","valueBoolean":true},{"name":"count","valueInteger":3},
        {"name":"coding","valueCoding":{"system":"s","code":"c"}},
        {"name":"resource","resource":{"resourceType":"Patient"}},
        {"name":"property","part":[{"name":"code","valueCode":"p"}]}]}"#;

    #[test]
    fn the_address_and_a_parameters_resource_say_the_same() {
        let both = inputs(&[("code", "b"), ("count", "x")], BODY);
        assert_eq!(both.texts("code").collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(both.flag("flag").unwrap(), Some(true));
        assert!(both.flag("code").is_err() && both.number("count").is_err() && both.number("none").unwrap().is_none());
        assert_eq!(inputs(&[], BODY).number("count").unwrap(), Some(3));
        let coding = both.object("coding").unwrap();
        assert_eq!(coding.string("code").unwrap(), "c");
        assert!(both.object("code").is_none());
        let part = both.of("property").next().unwrap().parts().next().unwrap();
        assert_eq!((&*part.name(), &*part.text().unwrap()), ("code", "p"));
        assert!(both.resource("resource", "").is_some() && both.resource("other", "other").is_none());
        let known = ["code", "flag", "count", "coding", "resource", "property"];
        assert!(both.only("x", &known).is_ok() && both.only("x", &known[1..]).is_err());
    }

    #[test]
    fn a_bare_resource_is_the_parameter_it_stands_for() {
        let bare = inputs(&[], r#"{"resourceType":"Patient"}"#);
        assert!(bare.resource("resource", "resource").is_some() && bare.resource("valueSet", "resource").is_none());
        assert!(bare.all().next().is_none());
    }
}
