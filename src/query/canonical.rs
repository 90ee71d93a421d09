//! Canonical addresses: how `url|version` points to the records that have the url, and the version where it names one.
//!
//! <https://hl7.org/fhir/R4/references.html#canonical>. A canonical is no reference by id: a join through it compares the
//! addresses that records hold with the `url` and `version` of others. Versions are compared as codes are, so that case
//! does not count; an address without a version points to every version.

use std::borrow::Cow;

use fhir::document::Node;
use rustc_hash::FxHashSet;

use crate::fold::fold_code;
use crate::predicate::Predicate;
use crate::test::{Test, TokenTest, UriTest};
use crate::values::ParamId;

/// Addresses in the form of [`key`].
pub type AddressSet = FxHashSet<Box<str>>;

/// An address in the form in which it is compared: `url|version`, the version folded and empty where there is none,
/// without a fragment.
pub fn key(address: &str) -> String {
    let whole = address.split_once('#').map_or(address, |(whole, _)| whole);
    let (url, version) = parts(whole);
    format!("{url}|{version}")
}

fn parts(address: &str) -> (&str, Cow<'_, str>) {
    match address.split_once('|') {
        Some((url, version)) => (url, fold_code(version)),
        None => (address, Cow::Borrowed("")),
    }
}

/// Calls `each` with the addresses that point to a record, as [`key`] has them: without and with its version.
pub fn each_key(record: Node<'_>, each: &mut dyn FnMut(String)) {
    let Some(url) = record.string("url").filter(|url| !url.contains('|')) else {
        return;
    };
    each(format!("{url}|"));
    if let Some(version) = record.string("version").filter(|version| !version.is_empty()) {
        each(format!("{url}|{}", fold_code(&version)));
    }
}

/// The condition on records that one of the addresses points to them.
pub fn pointed_to<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Predicate {
    let by = |address: &str| {
        let address = key(address);
        let (url, version) = parts(&address);
        let by_url = Predicate::Test {
            param: ParamId::of("url"),
            test: Test::Uri(UriTest::Exact(url.into())),
        };
        match version.as_ref() {
            "" => by_url,
            version => by_url.and(Predicate::Test {
                param: ParamId::of("version"),
                test: Test::Token(TokenTest::Code(version.into())),
            }),
        }
    };
    Predicate::any(addresses.into_iter().map(by).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_by_url_and_version() {
        let table = [
            ("http://a.bt/q", "http://a.bt/q|"),
            ("http://a.bt/q|1.0-RC", "http://a.bt/q|1.0-rc"),
            ("http://a.bt/q|2#part", "http://a.bt/q|2"),
        ];
        for (address, expected) in table {
            assert_eq!(key(address), expected);
            assert_eq!(key(expected), expected, "twice");
        }
        assert_eq!(pointed_to([]), Predicate::Nothing);
    }
}
