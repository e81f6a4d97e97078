//! Members of a record that the contract does not have, as a newer version of the real API may have them. They are asked for
//! through the control door.
//!
//! Single answers show them, masked and clear alike. A PUT that names them keeps them; one that leaves them out clears
//! them, as anything that it leaves out. Members that a customer does not have are refused as ever.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The members, those inside an object of the contract inside of one of the same name.
pub(crate) type UnknownMembers = Map<String, Value>;

/// The objects of the contract that can hold some.
const OBJECTS: [&str; 3] = ["address", "compliance_profile", "device"];

/// Puts them into a record, where the object around them is there.
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

/// Takes those that a customer has out of a body, so that what remains is of the contract.
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
