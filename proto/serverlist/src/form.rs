//! The form in which an announcement is posted (RFC 7578).

/// Ends the parts. It begins with a line break, which JSON never holds, so no text contains it.
const BOUNDARY: &str = "----mesegate-announcement";

/// The `content-type`.
pub(crate) fn content_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// The one field of the form.
pub(crate) fn body(json: &str) -> String {
    format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"json\"\r\n\r\n{json}\r\n\
         --{BOUNDARY}--\r\n"
    )
}
