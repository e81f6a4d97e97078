//! Members of a customer that the contract does not have, as a newer version of the real API may add them. The control
//! API sets them.
//!
//! Responses with one customer include them, masked and unmasked. A PUT keeps the ones that it names and clears the
//! others. A member that the customer does not have is a 400, as always.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The unknown members by name. Those inside an object of the contract are in an object of the same name.
pub(crate) type UnknownMembers = Map<String, Value>;

/// The objects of the contract that can have unknown members.
const OBJECTS: [&str; 3] = ["address", "compliance_profile", "device"];

/// Adds the members to a record. Members of an object that the record does not have are skipped.
pub(crate) fn add(record: &mut Value, members: &UnknownMembers) {
    let Some(record) = record.as_object_mut() else { return };
    for (name, value) in members {
        match (record.get_mut(name), value) {
            (Some(inside), Value::Object(members)) if OBJECTS.contains(&name.as_str()) => add(inside, members),
            _ if OBJECTS.contains(&name.as_str()) => {}
            _ => {
                record.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Splits a body into the contract's part and the customer's unknown members that it names.
pub(crate) fn split<'b>(body: &'b [u8], members: &UnknownMembers) -> (Cow<'b, [u8]>, UnknownMembers) {
    let parsed = if members.is_empty() { None } else { serde_json::from_slice::<Value>(body).ok() };
    let Some(mut parsed) = parsed else { return (Cow::Borrowed(body), UnknownMembers::new()) };
    let extracted = extract(&mut parsed, members);
    (Cow::Owned(parsed.to_string().into_bytes()), extracted)
}

fn extract(body: &mut Value, members: &UnknownMembers) -> UnknownMembers {
    let mut extracted = UnknownMembers::new();
    let Some(body) = body.as_object_mut() else { return extracted };
    for (name, value) in members {
        let found = match (body.get_mut(name), value) {
            (Some(inside), Value::Object(members)) if OBJECTS.contains(&name.as_str()) => {
                Some(Value::Object(extract(inside, members)))
            }
            _ if OBJECTS.contains(&name.as_str()) => None,
            _ => body.remove(name),
        };
        extracted.extend(found.map(|found| (name.clone(), found)));
    }
    extracted
}
