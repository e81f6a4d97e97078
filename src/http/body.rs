//! The body of a POST or a QUERY: its JSON object, and draining the bodies of rejected requests.
//!
//! A duplicate member is rejected, because a proxy or a log in front of the gateway may use the other one. Inside
//! `variables` the last duplicate wins, as in most JSON parsers.

use std::fmt;

use http_body_util::BodyExt;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json};
use tokio::time::{Instant, timeout_at};

/// The most bytes of a body that are drained.
const MAX_DRAINED_BYTES: usize = 16 * 1024 * 1024;

/// Reads a body and drops it, up to a limit and the deadline. A rejected request gets its response at once. But if the
/// gateway closed the connection while the client still sends, the client's system would discard the response.
pub async fn drain(mut body: axum::body::Body, deadline: Instant) {
    let draining = async {
        let mut left = MAX_DRAINED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, bytes::Bytes::len)) {
                Some(less) => left = less,
                None => break,
            }
        }
    };
    let _in_time = timeout_at(deadline, draining).await;
}

/// A parsed body.
pub enum JsonBody {
    Object(Map<String, Json>),
    /// An object with a duplicate member.
    DuplicateMember,
    /// A list of operations.
    Batch,
    /// Any other JSON value.
    Other,
}

impl<'de> Deserialize<'de> for JsonBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonBodyVisitor)
    }
}

struct JsonBodyVisitor;

impl<'de> Visitor<'de> for JsonBodyVisitor {
    type Value = JsonBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<JsonBody, A::Error> {
        let (mut object, mut twice) = (Map::new(), false);
        while let Some((name, value)) = members.next_entry::<String, Json>()? {
            twice |= object.insert(name, value).is_some();
        }
        Ok(if twice { JsonBody::DuplicateMember } else { JsonBody::Object(object) })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<JsonBody, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(JsonBody::Batch)
    }

    fn visit_bool<E>(self, _: bool) -> Result<JsonBody, E> {
        Ok(JsonBody::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<JsonBody, E> {
        Ok(JsonBody::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<JsonBody, E> {
        Ok(JsonBody::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<JsonBody, E> {
        Ok(JsonBody::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<JsonBody, E> {
        Ok(JsonBody::Other)
    }

    fn visit_unit<E>(self) -> Result<JsonBody, E> {
        Ok(JsonBody::Other)
    }
}
