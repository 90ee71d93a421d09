//! Namespaces: the addresses that are known by heart, and which prefix stands for which (<https://www.w3.org/TR/xml-names/>).

/// The namespace of FHIR's own elements.
pub const FHIR: &str = "http://hl7.org/fhir";
/// The namespace of narratives.
pub const XHTML: &str = "http://www.w3.org/1999/xhtml";
/// The namespace of the prefix `xml`.
pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of declarations.
pub(crate) const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
/// The namespace of `xsi:schemaLocation`.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Namespaces that one text may name, and declarations that may be in force at one place.
const COUNT_MAX: usize = 200;

/// The addresses by number, and the declarations in force while a text is read.
pub(crate) struct Namespaces {
    addresses: Vec<Box<str>>,
    /// Prefix and the number of its address; the latest of a prefix holds.
    declared: Vec<(Box<str>, u16)>,
}

/// The numbers of what is always there.
pub(crate) const NONE: u16 = 0;
/// The number of [`XMLNS`].
pub(crate) const DECLARATION: u16 = 2;

impl Default for Namespaces {
    fn default() -> Namespaces {
        let known = ["", XML, XMLNS, FHIR, XHTML];
        Namespaces {
            addresses: known.map(Box::from).into(),
            declared: vec![(Box::from(""), NONE), (Box::from("xml"), 1)],
        }
    }
}

impl Namespaces {
    /// How many declarations are in force.
    pub(crate) fn mark(&self) -> usize {
        self.declared.len()
    }

    /// Lets go of the declarations since a mark.
    pub(crate) fn back_to(&mut self, mark: usize) {
        self.declared.truncate(mark);
    }

    /// Declares a prefix, empty for the default.
    pub(crate) fn declare(&mut self, prefix: &str, address: &str) -> Result<(), String> {
        let reserved = prefix == "xmlns" || address == XMLNS || (prefix == "xml") != (address == XML);
        if reserved {
            return Err("the namespaces of xml and xmlns are declared already and stand for nothing else".into());
        }
        if address.is_empty() && !prefix.is_empty() {
            return Err(format!("the prefix \"{prefix}\" is declared for no namespace"));
        }
        let known = self.addresses.iter().position(|known| **known == *address);
        if known.is_none() && self.addresses.len() >= COUNT_MAX || self.declared.len() >= COUNT_MAX {
            return Err(format!("there are more than {COUNT_MAX} namespaces"));
        }
        let number = known.unwrap_or_else(|| {
            self.addresses.push(address.into());
            self.addresses.len() - 1
        });
        self.declared.push((prefix.into(), number as u16));
        Ok(())
    }

    /// The number of the namespace that a prefix stands for.
    pub(crate) fn find(&self, prefix: &str) -> Result<u16, String> {
        if prefix == "xmlns" {
            return Ok(DECLARATION);
        }
        let found = self.declared.iter().rev().find(|(declared, _)| **declared == *prefix);
        let unknown = || format!("the prefix \"{prefix}\" is not declared");
        found.map(|(_, number)| *number).ok_or_else(unknown)
    }

    /// The addresses by number.
    pub(crate) fn into_addresses(self) -> Vec<Box<str>> {
        self.addresses
    }
}
