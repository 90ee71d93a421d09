//! When two values of one parameter count as equal, and whether a record's values are not all equal.
//!
//! `ne` of `_filter` asks for a value that is unequal (<https://hl7.org/fhir/R4/search_filter.html>). A record has one
//! where it has a value and none is equal, or where one is equal and its values differ: [`Sameness`] says by what.

use std::borrow::Cow;

use crate::fold::{fold, fold_code};
use crate::test::{ReferenceTest, StringTest, Test, TokenTest, UriTest, bare};
use crate::values::{Target, Value};

/// What of the values is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sameness {
    /// The folded code.
    Code,
    /// The system and the folded code.
    Coded,
    /// The system.
    System,
    /// The folded text.
    Text,
    /// The record or address, whatever its version.
    Address,
    /// The record or address with its version.
    Version,
}

impl Sameness {
    const ALL: [Sameness; 6] = [
        Sameness::Code,
        Sameness::Coded,
        Sameness::System,
        Sameness::Text,
        Sameness::Address,
        Sameness::Version,
    ];

    /// By what a test compares a value with the one it asks for; `None` where it asks for no single value.
    pub fn of(test: &Test) -> Option<Sameness> {
        let of_address = |address: &str| match bare(address) == address {
            true => Sameness::Address,
            false => Sameness::Version,
        };
        Some(match test {
            Test::Token(TokenTest::Code(_)) => Sameness::Code,
            Test::Token(TokenTest::Coded(..)) => Sameness::Coded,
            Test::Token(TokenTest::System(_)) => Sameness::System,
            Test::String(StringTest::Equal(_)) => Sameness::Text,
            Test::Uri(UriTest::Exact(uri)) => of_address(uri),
            Test::Reference(ReferenceTest::Address(address)) => of_address(address),
            Test::Reference(ReferenceTest::Record { kinds, version, .. }) if kinds.len() == 1 => match version {
                None => Sameness::Address,
                Some(_) => Sameness::Version,
            },
            _ => return None,
        })
    }

    /// A name for the index.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Sameness::Code => "code",
            Sameness::Coded => "coded",
            Sameness::System => "system",
            Sameness::Text => "text",
            Sameness::Address => "address",
            Sameness::Version => "version",
        }
    }

    /// What of a value is compared, empty where it has none of it; `None` of a value that is not compared so.
    fn key(self, value: &Value) -> Option<Cow<'_, str>> {
        let text = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().to_owned();
        Some(match (self, value) {
            (Sameness::Code, Value::Token { code, .. }) => {
                code.as_deref().map_or(Cow::Borrowed(""), |code| fold_code(code))
            }
            (
                Sameness::Coded,
                Value::Token {
                    system,
                    code: Some(code),
                    ..
                },
            ) => format!("{}|{}", text(system), fold_code(code)).into(),
            (Sameness::Coded, Value::Token { .. }) => "".into(),
            (Sameness::System, Value::Token { system, .. }) => text(system).into(),
            (Sameness::Text, Value::String(text)) => fold(text),
            (Sameness::Address, Value::Uri(uri)) => bare(uri).into(),
            (Sameness::Version, Value::Uri(uri)) => (**uri).into(),
            (Sameness::Address | Sameness::Version, Value::Reference(target)) => self.of_target(target),
            _ => return None,
        })
    }

    fn of_target(self, target: &Target) -> Cow<'_, str> {
        match (self, target) {
            (
                Sameness::Version,
                Target::Local {
                    kind,
                    id,
                    version: Some(version),
                },
            ) => format!("{kind}/{id}/_history/{version}").into(),
            (_, Target::Local { kind, id, .. }) => format!("{kind}/{id}").into(),
            (Sameness::Version, Target::Elsewhere(address)) => (**address).into(),
            (_, Target::Elsewhere(address)) => bare(address).into(),
            // No address is equal to one of these.
            (_, Target::Identifier { .. }) => "".into(),
        }
    }

    /// Whether the values that can be compared so are not all the same.
    pub(crate) fn differ<'v>(self, values: impl Iterator<Item = &'v Value>) -> bool {
        let mut keys = values.filter_map(|value| self.key(value));
        let first = keys.next();
        keys.any(|key| Some(key) != first)
    }

    /// Calls `each` with everything by which two values of one parameter differ.
    pub(crate) fn each_between(one: &Value, other: &Value, each: &mut dyn FnMut(Sameness)) {
        if one == other {
            return;
        }
        for by in Sameness::ALL {
            if let (Some(one), Some(other)) = (by.key(one), by.key(other))
                && one != other
            {
                each(by);
            }
        }
    }
}
