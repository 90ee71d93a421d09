//! What a record is sorted by: one value of one parameter, the same for the index and for one record.
//!
//! Ascending order takes the least of a record's values, descending the greatest. A record without a
//! value comes last either way. Dates and quantities are placed by where they begin, quantities in base
//! units where they have such a form.

use crate::fold::{fold, fold_code};
use crate::span::order;
use crate::values::{ParamId, Target, Value, Values};

/// A value to sort by. All values of one parameter are of the same sort.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SortValue {
    /// A whole number: microseconds of a date, [`order`] of a number.
    Number(i64),
    /// A folded text, compared by its bytes.
    Text(Box<str>),
}

/// The value a record is sorted by; `None` where it has none, which comes last.
pub fn sort_key(values: &Values, param: ParamId, descending: bool) -> Option<SortValue> {
    let found = values.of(param).filter_map(sort_value);
    if descending { found.max() } else { found.min() }
}

fn sort_value(value: &Value) -> Option<SortValue> {
    let text = |text: &str| Some(SortValue::Text(text.into()));
    match value {
        Value::Token { code: Some(code), .. } => text(&fold_code(code)),
        Value::Token { text: label, .. } => text(&fold(label.as_deref()?)),
        Value::OfType { .. } | Value::Position(_) | Value::Composite(_) => None,
        Value::String(string) => text(&fold(string)),
        Value::Reference(Target::Local { kind, id, .. }) => text(&format!("{kind}/{id}")),
        Value::Reference(Target::Elsewhere(address)) => text(address),
        Value::Reference(Target::Identifier { value, .. }) => text(value.as_deref()?),
        Value::Date(range) => Some(SortValue::Number(range.start)),
        Value::Number { low, .. } => Some(SortValue::Number(order(*low))),
        Value::Quantity(quantity) => {
            let low = quantity.canonical.map_or(quantity.low, |canonical| canonical.low);
            Some(SortValue::Number(order(low)))
        }
        Value::Uri(uri) => text(uri),
    }
}
