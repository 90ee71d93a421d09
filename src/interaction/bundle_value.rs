//! What an entry's resource carries besides a record: a patch inside a Binary or as Parameters.

use fhir::base64;
use fhir::document::Node;

/// The media type and the bytes of the patch in a PATCH entry: a Binary with a JSON Patch or an XML Patch in base64, or Parameters.
///
/// # Errors
/// The sentence that says why it is no patch.
pub fn patch(resource: Node<'_>) -> Result<(&'static str, Vec<u8>), String> {
    match resource.string("resourceType").as_deref() {
        Some("Parameters") => Ok(("application/fhir+json", resource.text().as_bytes().to_vec())),
        Some("Binary") => {
            let media = resource.string("contentType").unwrap_or_default();
            let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            let media = match essence.as_str() {
                "application/json-patch+json" => "application/json-patch+json",
                "application/xml-patch+xml" => "application/xml-patch+xml",
                "application/fhir+json" => "application/fhir+json",
                _ => {
                    return Err(format!(
                        "The Binary of a PATCH is of type \"{media}\"; this server reads application/json-patch+json and application/xml-patch+xml."
                    ));
                }
            };
            let data = resource.string("data").unwrap_or_default();
            let bytes = base64::decode(&data).ok_or("The data of the Binary is no base64.")?;
            Ok((media, bytes))
        }
        _ => Err(
            "A PATCH carries a Binary with a JSON Patch or an XML Patch, or Parameters with a FHIRPath Patch.".into(),
        ),
    }
}
