//! Judges attachments: that the size they state is that of their data.

use fhir::document::Node;
use fhir::outcome::Code;

use crate::focus::Focus;
use crate::walk::Walk;

impl Walk<'_> {
    /// Judges an Attachment (<https://hl7.org/fhir/R4/datatypes.html#Attachment>).
    pub(crate) fn attachment(&mut self, focus: &Focus<'_, '_>) {
        let node = focus.element.node;
        let stated = node
            .get("size")
            .and_then(|size| size.as_number()?.parse::<usize>().ok());
        if let (Some(stated), Some(size)) = (stated, data_size(node))
            && stated != size
        {
            self.found.error(Code::Value, focus.place, || {
                format!("The size is said to be {stated} bytes, but the data has {size}.")
            });
        }
    }
}

/// The size of an attachment in bytes: of its data, or as stated.
pub(crate) fn size(node: Node<'_>) -> Option<usize> {
    let stated = || node.get("size")?.as_number()?.parse().ok();
    data_size(node).or_else(stated)
}

fn data_size(node: Node<'_>) -> Option<usize> {
    let data = node.string("data")?;
    let letters = data.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b'=').count();
    Some(letters * 3 / 4)
}
