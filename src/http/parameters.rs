//! The parameters of a GraphQL request: from the query of a GET, or from the JSON body of a POST or a QUERY.

use serde_json::{Map, Value as Json};

use super::body;
use super::response::bad_request;
use crate::error::PublicError;
use crate::operation::document::trusted::DocumentReference;
use crate::operation::{GraphqlRequest, OnError};

/// The operation in the query string of a GET.
pub fn from_query(query: &str) -> Result<GraphqlRequest, PublicError> {
    let mut parameters: Map<String, Json> = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = match name.as_ref() {
            "query" if value.is_empty() => Json::Null,
            "query" | "documentId" | "operationName" | "onError" => Json::String(value.into_owned()),
            "variables" | "extensions" if value.is_empty() => Json::Null,
            "variables" | "extensions" => serde_json::from_str(&value)
                .map_err(|_| bad_request("The parameters `variables` and `extensions` must be JSON objects."))?,
            _ => continue,
        };
        if parameters.insert(name.into_owned(), value).is_some() {
            return Err(bad_request("A parameter was given twice."));
        }
    }
    parse_parameters(parameters)
}

/// The operation in the body of a POST or a QUERY.
pub fn from_body(body: &[u8]) -> Result<GraphqlRequest, PublicError> {
    // RFC 8259, section 8.1, allows parsers to ignore a byte order mark. Some clients send one.
    match serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)) {
        Ok(body::JsonBody::Object(parameters)) => parse_parameters(parameters),
        Ok(body::JsonBody::DuplicateMember) => Err(bad_request("A parameter was given twice.")),
        Ok(body::JsonBody::Batch) => Err(bad_request("Batches are not taken: send one operation in each request.")),
        Ok(body::JsonBody::Other) => Err(bad_request("The body must be a JSON object with `query`.")),
        Err(_) => Err(bad_request("The body is not JSON.")),
    }
}

fn parse_parameters(mut parameters: Map<String, Json>) -> Result<GraphqlRequest, PublicError> {
    let mut text = |name: &str, wrong: &'static str| match parameters.remove(name) {
        Some(Json::String(text)) => Ok(Some(text)),
        Some(Json::Null) | None => Ok(None),
        Some(_) => Err(bad_request(wrong)),
    };
    let document = text("query", "The parameter `query` must be a string.")?;
    // With every method an empty name means no name.
    let is_given = |name: &String| !name.is_empty();
    let id = text("documentId", "The parameter `documentId` must be a string.")?.filter(is_given);
    let name = text("operationName", "The parameter `operationName` must be a string.")?.filter(is_given);
    const ON_ERROR: &str = "The parameter `onError` must be \"NULL\", \"PROPAGATE\" or \"HALT\".";
    let on_error = match text("onError", ON_ERROR)?.filter(is_given) {
        Some(name) => Some(OnError::from_name(&name).ok_or_else(|| bad_request(ON_ERROR))?),
        None => None,
    };
    let variables = match parameters.remove("variables") {
        Some(Json::Object(variables)) => variables,
        Some(Json::Null) | None => Map::new(),
        Some(_) => return Err(bad_request("The parameter `variables` must be an object.")),
    };
    let sha256 = match parameters.remove("extensions") {
        Some(Json::Object(mut extensions)) => extensions.remove("persistedQuery").and_then(|query| sha256_of(&query)),
        Some(Json::Null) | None => None,
        Some(_) => return Err(bad_request("The parameter `extensions` must be an object.")),
    };
    Ok(GraphqlRequest {
        document: DocumentReference { text: document, id, sha256 },
        operation_name: name,
        variables,
        on_error,
    })
}

/// The SHA-256 hash that Apollo clients send in place of a document.
fn sha256_of(persisted: &Json) -> Option<String> {
    persisted.get("sha256Hash").and_then(Json::as_str).map(str::to_owned)
}
