//! What a push is answered.

/// An HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The media type of the body.
    pub content_type: &'static str,
    /// The name and the value of a header that goes with the status.
    pub header: Option<(&'static str, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

impl Response {
    /// One with a JSON body.
    pub fn json(status: u16, body: Vec<u8>) -> Self {
        Response {
            status,
            content_type: "application/json",
            header: None,
            body,
        }
    }
}
