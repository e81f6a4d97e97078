//! The body of a POST or a QUERY: the JSON object in it, and what is done with one that nobody wants.
//!
//! A member that comes twice is refused: what stands before us, or keeps a log, may go by
//! the other one. What is inside `variables` is the caller's own: there the last one counts, as it does nearly everywhere.

use std::fmt;

use http_body_util::BodyExt;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json};
use tokio::time::{Instant, timeout_at};

/// How much of a body is passed over at most, in bytes.
const MAX_DRAINED_BYTES: usize = 16 * 1024 * 1024;

/// Takes a body and drops it, up to a bound and the deadline. A request is answered as soon as it is refused; but with a
/// connection that is closed while the other side still sends, its system throws away the answer as well.
pub async fn drain(mut body: axum::body::Body, deadline: Instant) {
    let passing = async {
        let mut left = MAX_DRAINED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, bytes::Bytes::len)) {
                Some(less) => left = less,
                None => break,
            }
        }
    };
    let _in_time = timeout_at(deadline, passing).await;
}

/// What a body is.
pub enum JsonBody {
    Object(Map<String, Json>),
    /// An object with a member that comes twice.
    DuplicateMember,
    /// A list: several operations at once.
    Batch,
    /// Any other JSON.
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
