//! Parses a body: its members and their types. An error is a 400 that names all problems at once.
//!
//! It is strict, as the contract's `additionalProperties: false` (server-side strictness is not confirmed): unknown
//! members, missing members, a `null` that is not allowed and unknown enum values are errors. `validation` checks the
//! values.

use serde_json::{Map, Value};

use super::customer::{Address, Configuration, Metadata, Profile, Representative};
use super::enums::{CustomerStatus, CustomerType, Outcome, ProcessingMethod};
use super::response::FieldProblem;

/// The members that create and update share.
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) ip_address: String,
    /// Complete or absent.
    pub(crate) address: Option<Address>,
    /// Unmasked.
    pub(crate) profile: Option<Profile>,
    /// The caller's own id.
    pub(crate) external_id: Option<String>,
    /// The caller's own key-value pairs.
    pub(crate) metadata: Option<Metadata>,
}

/// The body of a POST.
pub(crate) struct Creation {
    /// The shared members.
    pub(crate) draft: Draft,
    pub(crate) kind: CustomerType,
    /// With the server's defaults.
    pub(crate) configuration: Configuration,
}

/// The body of a PUT.
pub(crate) struct Replacement {
    /// The shared members.
    pub(crate) draft: Draft,
    /// The new status.
    pub(crate) status: CustomerStatus,
}

const COMMON_KEYS: [&str; 8] =
    ["name", "email", "phone", "device", "address", "compliance_profile", "external_id", "metadata"];
const INDIVIDUAL_KEYS: [&str; 2] = ["dob", "ssn"];
const BUSINESS_KEYS: [&str; 4] = ["ein", "legal_business_name", "representatives", "website"];

/// Parses the body of a create.
pub(crate) fn creation(body: &[u8]) -> Result<Creation, Vec<FieldProblem>> {
    let mut parser = BodyParser::default();
    let value = parse_root(body)?;
    let object = parser.object("", &value, &[&COMMON_KEYS[..], &["type", "config"]].concat());
    let kind = parser.enum_value(object, "", "type", CustomerType::parse, CustomerType::VALUES);
    let draft = parser.draft(object, kind);
    let configuration = parser.configuration(object);
    // Each `None` has a recorded problem, so a valid body has both.
    match (kind, draft) {
        (Some(kind), Some(draft)) if parser.problems.is_empty() => Ok(Creation { draft, kind, configuration }),
        _ => Err(parser.problems),
    }
}

/// Parses the body of an update. The type is not in the body, and is not known before the look-up.
pub(crate) fn replacement(body: &[u8]) -> Result<Replacement, Vec<FieldProblem>> {
    let mut parser = BodyParser::default();
    let value = parse_root(body)?;
    let object = parser.object("", &value, &[&COMMON_KEYS[..], &["status"]].concat());
    let status = parser.enum_value(object, "", "status", CustomerStatus::parse, CustomerStatus::VALUES);
    let draft = parser.draft(object, None);
    match (status, draft) {
        (Some(status), Some(draft)) if parser.problems.is_empty() => Ok(Replacement { draft, status }),
        _ => Err(parser.problems),
    }
}

/// Parses the body of a decision. The result is `verified` or `rejected`.
pub(crate) fn decision(body: &[u8]) -> Result<CustomerStatus, Vec<FieldProblem>> {
    let mut parser = BodyParser::default();
    let value = parse_root(body)?;
    let object = parser.object("", &value, &["status"]);
    let decided = |word: &str| {
        CustomerStatus::parse(word)
            .filter(|status| matches!(status, CustomerStatus::Verified | CustomerStatus::Rejected))
    };
    match parser.enum_value(object, "", "status", decided, &["verified", "rejected"]) {
        Some(status) if parser.problems.is_empty() => Ok(status),
        _ => Err(parser.problems),
    }
}

fn parse_root(body: &[u8]) -> Result<Value, Vec<FieldProblem>> {
    let malformed = |detail: &str| vec![FieldProblem::without_path(detail)];
    if body.is_empty() {
        return Err(malformed("A body is required."));
    }
    serde_json::from_slice(body).map_err(|_| malformed("The body is not well-formed JSON."))
}

/// A JSON object of the body; `None` if it is absent or has a recorded problem.
type JsonMembers<'v> = Option<&'v Map<String, Value>>;

#[derive(Default)]
struct BodyParser {
    problems: Vec<FieldProblem>,
}

impl BodyParser {
    fn record(&mut self, path: &str, detail: impl Into<String>) {
        self.problems.push(if path.is_empty() {
            FieldProblem::without_path(detail)
        } else {
            FieldProblem::at(path, detail)
        });
    }

    fn object<'v>(&mut self, path: &str, value: &'v Value, known: &[&str]) -> JsonMembers<'v> {
        let Some(object) = value.as_object() else {
            self.record(path, "Must be an object.");
            return None;
        };
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            self.record(&join(path, name), "There is no such member.");
        }
        Some(object)
    }

    /// A member that must be present and not `null`.
    fn required<'v>(&mut self, object: JsonMembers<'v>, path: &str, name: &str) -> Option<&'v Value> {
        let value = object?.get(name).filter(|value| !value.is_null());
        if value.is_none() {
            self.record(&join(path, name), "Is required.");
        }
        value
    }

    fn text(&mut self, object: JsonMembers<'_>, path: &str, name: &str) -> Option<String> {
        let value = self.required(object, path, name)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.record(&join(path, name), "Must be a string.");
        }
        text
    }

    fn optional_text(&mut self, object: JsonMembers<'_>, path: &str, name: &str) -> Option<String> {
        match object?.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                self.record(&join(path, name), "Must be a string or null.");
                None
            }
        }
    }

    /// A member that must be present and may be `null`.
    fn nullable_text(&mut self, object: JsonMembers<'_>, path: &str, name: &str) -> Option<String> {
        if object.is_some_and(|object| !object.contains_key(name)) {
            self.record(&join(path, name), "Is required, but may be null.");
        }
        self.optional_text(object, path, name)
    }

    fn enum_value<T>(
        &mut self,
        object: JsonMembers<'_>,
        path: &str,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        accepted: &[&str],
    ) -> Option<T> {
        let value = self.required(object, path, name)?;
        let word = value.as_str().and_then(parse);
        if word.is_none() {
            self.record(&join(path, name), format!("Must be one of: {}.", accepted.join(", ")));
        }
        word
    }

    fn draft(&mut self, object: JsonMembers<'_>, kind: Option<CustomerType>) -> Option<Draft> {
        let name = self.text(object, "", "name");
        let email = self.text(object, "", "email");
        let phone = self.text(object, "", "phone");
        let ip_address = match self.required(object, "", "device") {
            Some(device) => {
                let device = self.object("device", device, &["ip_address"]);
                self.text(device, "device", "ip_address")
            }
            None => None,
        };
        let given = |name| object.and_then(|object| object.get(name)).filter(|value| !value.is_null());
        let address = given("address").and_then(|value| self.address(value));
        let profile = given("compliance_profile").and_then(|value| self.profile(value, kind));
        let external_id = self.optional_text(object, "", "external_id");
        let metadata = given("metadata").and_then(|value| self.metadata(value));
        Some(Draft {
            name: name?,
            email: email?,
            phone: phone?,
            ip_address: ip_address?,
            address,
            profile,
            external_id,
            metadata,
        })
    }

    fn address(&mut self, value: &Value) -> Option<Address> {
        const PATH: &str = "address";
        let object = self.object(PATH, value, &["address1", "address2", "city", "state", "zip"]);
        let address1 = self.text(object, PATH, "address1");
        let address2 = self.optional_text(object, PATH, "address2");
        let city = self.text(object, PATH, "city");
        let state = self.text(object, PATH, "state");
        let zip = self.text(object, PATH, "zip");
        Some(Address { address1: address1?, address2, city: city?, state: state?, zip: zip? })
    }

    /// The wire has two profile shapes, which differ only by their keys. Keys of only one shape select it. Otherwise
    /// `kind` selects it, and the keys of the other shape are unknown members.
    fn profile(&mut self, value: &Value, kind: Option<CustomerType>) -> Option<Profile> {
        const PATH: &str = "compliance_profile";
        let has = |names: &[&str]| names.iter().any(|name| value.get(name).is_some());
        let kind = match (has(&INDIVIDUAL_KEYS), has(&BUSINESS_KEYS)) {
            (true, false) => CustomerType::Individual,
            (false, true) => CustomerType::Business,
            _ => kind.unwrap_or(CustomerType::Individual),
        };
        if kind == CustomerType::Individual {
            let object = self.object(PATH, value, &INDIVIDUAL_KEYS);
            let dob = self.nullable_text(object, PATH, "dob");
            let ssn = self.nullable_text(object, PATH, "ssn");
            return object.map(|_| Profile::Individual { dob, ssn });
        }
        let object = self.object(PATH, value, &BUSINESS_KEYS);
        let ein = self.nullable_text(object, PATH, "ein");
        let legal_business_name = self.nullable_text(object, PATH, "legal_business_name");
        let representatives = match object.and_then(|object| object.get("representatives")) {
            None | Some(Value::Null) => None,
            Some(Value::Array(values)) => Some(self.representatives(values)),
            Some(_) => {
                self.record("compliance_profile.representatives", "Must be an array or null.");
                None
            }
        };
        let website = self.optional_text(object, PATH, "website");
        object.map(|_| Profile::Business { ein, legal_business_name, representatives, website })
    }

    fn representatives(&mut self, values: &[Value]) -> Vec<Representative> {
        let mut representatives = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let path = format!("compliance_profile.representatives[{index}]");
            let object = self.object(&path, value, &["name", "email", "phone"]);
            let name = self.text(object, &path, "name");
            let email = self.optional_text(object, &path, "email");
            let phone = self.optional_text(object, &path, "phone");
            representatives.extend(name.map(|name| Representative { name, email, phone }));
        }
        representatives
    }

    fn metadata(&mut self, value: &Value) -> Option<Metadata> {
        let Some(object) = value.as_object() else {
            self.record("metadata", "Must be an object or null.");
            return None;
        };
        if object.values().any(|value| !value.is_string()) {
            self.record("metadata", "Every value must be a string.");
        }
        let pair = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        Some(object.iter().filter_map(pair).collect())
    }

    fn configuration(&mut self, object: JsonMembers<'_>) -> Configuration {
        let mut configuration = Configuration::default();
        let Some(value) = object.and_then(|object| object.get("config")) else {
            return configuration;
        };
        let members = self.object("config", value, &["processing_method", "sandbox_outcome"]);
        let has = |name| members.is_some_and(|members| members.contains_key(name));
        if has("processing_method") {
            let values = ProcessingMethod::VALUES;
            let method = self.enum_value(members, "config", "processing_method", ProcessingMethod::parse, values);
            configuration.processing_method = method.unwrap_or(ProcessingMethod::Inline);
        }
        if has("sandbox_outcome") {
            configuration.sandbox_outcome =
                self.enum_value(members, "config", "sandbox_outcome", Outcome::parse, Outcome::VALUES);
        }
        configuration
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(body: &Value) -> Vec<String> {
        let problems = creation(body.to_string().as_bytes()).err().unwrap_or_default();
        problems.into_iter().filter_map(|problem| problem.path).collect()
    }

    #[test]
    fn all_missing_and_unknown_members_are_reported_at_once() {
        let body = json!({"colour": "red", "type": "cat", "device": {"mac": 1}, "compliance_profile": {"dob": null}});
        assert_eq!(
            paths(&body),
            ["colour", "type", "name", "email", "phone", "device.mac", "device.ip_address", "compliance_profile.ssn"]
        );
    }

    #[test]
    fn members_of_the_other_profile_shape_are_unknown() {
        let body = json!({"name": "A", "type": "business", "email": "a@example.test", "phone": "+12025550100",
            "device": {"ip_address": "0.0.0.0"},
            "compliance_profile": {"ein": null, "legal_business_name": null, "ssn": null}});
        assert_eq!(paths(&body), ["compliance_profile.ssn"]);
    }
}
