//! Whether the index keeps of a record all that the record says: extracted again and looked for, value by value.

use std::collections::BTreeMap;

use query::Registry;
use store::Version;
use tantivy::schema::{Field, FieldType, Value};
use tantivy::{DocId, TantivyError};

use crate::columns::{Fields, Segment};
use crate::compile::postings;
use crate::entry::Entry;
use crate::slots::Slots;
use crate::stored;
use crate::trouble::Trouble;

/// What the comparison works with.
pub(crate) struct Deep<'a> {
    pub(crate) fields: &'a Fields,
    pub(crate) slots: &'a Slots,
    pub(crate) registry: &'a Registry,
}

/// A value of a column, numbers as their bytes.
type Kept = Vec<u8>;

impl Deep<'_> {
    /// Whether a document says what the version says: every term leads to it, every column has the values and no other.
    pub(crate) fn says(&self, segment: &Segment, doc: DocId, version: &Version) -> Result<bool, Trouble> {
        let entry = Entry::read(self.registry, version);
        let document = stored::document(self.fields, self.slots, &entry);
        let mut expected: BTreeMap<Field, Vec<Kept>> = BTreeMap::new();
        for (field, value) in document.field_values() {
            let number = value.as_u64().map(u64::to_be_bytes);
            let number = number.or_else(|| value.as_i64().map(i64::to_be_bytes));
            let kept = number.map(|bytes| bytes.to_vec());
            let kept = kept.or_else(|| value.as_bytes().map(<[u8]>::to_vec));
            expected.entry(field).or_default().extend(kept);
        }
        for (field, _) in self.fields.schema.fields() {
            let mut wanted = expected.remove(&field).unwrap_or_default();
            wanted.sort_unstable();
            let same = if self.is_indexed(field) {
                wanted.dedup();
                self.leads_here(segment, doc, field, &wanted)?
            } else {
                let mut found = self.column(segment, doc, field)?;
                found.sort_unstable();
                found == wanted
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_indexed(&self, field: Field) -> bool {
        [self.fields.terms, self.fields.texts, self.fields.words].contains(&field)
    }

    /// Whether every one of the keys lists the document.
    fn leads_here(&self, segment: &Segment, doc: DocId, field: Field, keys: &[Kept]) -> Result<bool, TantivyError> {
        let columns = &segment.columns;
        let reader = match field {
            field if field == self.fields.terms => &columns.terms,
            field if field == self.fields.texts => &columns.texts,
            _ => &columns.words,
        };
        for key in keys {
            let Some(mut list) = postings(reader, key)? else {
                return Ok(false);
            };
            if list.doc() < doc {
                list.seek(doc);
            }
            if list.doc() != doc {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What a column has of the document.
    fn column(&self, segment: &Segment, doc: DocId, field: Field) -> Result<Vec<Kept>, TantivyError> {
        let entry = self.fields.schema.get_field_entry(field);
        let fast = segment.reader.fast_fields();
        Ok(match entry.field_type() {
            FieldType::U64(_) => match fast.column_opt::<u64>(entry.name())? {
                Some(column) => column
                    .values_for_doc(doc)
                    .map(|value| value.to_be_bytes().to_vec())
                    .collect(),
                None => Vec::new(),
            },
            FieldType::I64(_) => match fast.column_opt::<i64>(entry.name())? {
                Some(column) => column
                    .values_for_doc(doc)
                    .map(|value| value.to_be_bytes().to_vec())
                    .collect(),
                None => Vec::new(),
            },
            _ => {
                let Some(column) = fast.bytes(entry.name())? else {
                    return Ok(Vec::new());
                };
                let mut values = Vec::new();
                for ord in column.ords().values_for_doc(doc) {
                    let mut value = Vec::new();
                    column.ord_to_bytes(ord, &mut value)?;
                    values.push(value);
                }
                values
            }
        })
    }
}
