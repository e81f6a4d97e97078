//! The members of a customer's record that this version does not know.
//!
//! The upstream replaces whole customers, so an update without these members would delete them. They are stored byte
//! for byte, and never printed: they can contain personal data. Null and empty members are omitted, because their loss
//! changes nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::ser::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::upstream::wire::body::Replacement;

/// The members of an object that this version knows, and the known members of nested objects.
type KnownMembers = &'static [(&'static str, MemberKind)];

#[derive(Clone, Copy)]
enum MemberKind {
    /// Completely known, or never sent back.
    Known,
    Object(KnownMembers),
    Profile,
    Items(KnownMembers),
}

use MemberKind::{Items, Known, Object, Profile};

/// The fourteen members of a customer. No update contains `id`, `type`, `config` and the times.
const CUSTOMER: KnownMembers = &[
    ("id", Known),
    ("name", Known),
    ("type", Known),
    ("email", Known),
    ("phone", Known),
    ("external_id", Known),
    ("status", Known),
    ("created_at", Known),
    ("updated_at", Known),
    ("address", Object(ADDRESS)),
    ("compliance_profile", Profile),
    ("device", Object(&[("ip_address", Known)])),
    ("metadata", Known),
    ("config", Known),
];
const ADDRESS: KnownMembers =
    &[("address1", Known), ("address2", Known), ("city", Known), ("state", Known), ("zip", Known)];
const INDIVIDUAL: KnownMembers = &[("dob", Known), ("ssn", Known)];
const BUSINESS: KnownMembers =
    &[("ein", Known), ("legal_business_name", Known), ("representatives", Items(REPRESENTATIVE)), ("website", Known)];
const REPRESENTATIVE: KnownMembers = &[("name", Known), ("email", Known), ("phone", Known)];

/// The largest number and length of the names of [`UnknownMembers::names`].
const MAX_NAMES: usize = 5;
const MAX_NAME_CHARS: usize = 40;
/// A name with more digits may contain a personal number.
const MAX_DIGITS: usize = 2;

/// What an update does with members that this version does not know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownMembersPolicy {
    /// It sends them back unchanged.
    Carry,
    /// It is rejected.
    Refuse,
}

/// The unknown members of an object, and the known ones that contain unknown members.
#[derive(Clone, Default)]
pub struct UnknownMembers(BTreeMap<String, Member>);

#[derive(Clone)]
enum Member {
    Value(Box<RawValue>),
    Object(UnknownMembers),
    Items(Vec<UnknownMembers>),
}

impl fmt::Debug for UnknownMembers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

impl UnknownMembers {
    /// The unknown members of a customer's record. The known members of its profile are those of a business or of an
    /// individual.
    pub fn from_record(record: &RawValue, is_company: bool) -> Self {
        Self::diff(record, CUSTOMER, if is_company { BUSINESS } else { INDIVIDUAL })
    }

    fn diff(object: &RawValue, shape: KnownMembers, profile: KnownMembers) -> Self {
        // A value that is no object has no members.
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(object.get()).unwrap_or_default();
        let found = members.into_iter().filter_map(|(name, value)| {
            let known = shape.iter().find(|(known, _)| *known == name).map(|(_, inside)| *inside);
            let member = match known {
                Some(Known) => return None,
                Some(Object(shape)) => Member::Object(Self::diff(value, shape, profile)),
                Some(Profile) => Member::Object(Self::diff(value, profile, profile)),
                Some(Items(shape)) => {
                    let items: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
                    Member::Items(items.into_iter().map(|item| Self::diff(item, shape, profile)).collect())
                }
                None => Member::Value(value.to_owned()),
            };
            (!member.is_empty()).then_some((name, member))
        });
        Self(found.collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is masked, so that it cannot be sent back.
    pub fn has_mask(&self) -> bool {
        self.0.values().any(|member| match member {
            Member::Value(value) => value.get().contains('*'),
            Member::Object(members) => members.has_mask(),
            Member::Items(items) => items.iter().any(Self::has_mask),
        })
    }

    /// Removes the members inside an object or a list that the update replaces. `path` is its path.
    #[must_use]
    pub fn without(mut self, path: &[&str]) -> Self {
        let Some((name, inside)) = path.split_first() else { return Self::default() };
        if let Some(Member::Object(members)) = self.0.get_mut(*name).filter(|_| !inside.is_empty()) {
            *members = std::mem::take(members).without(inside);
            if !members.is_empty() {
                return self;
            }
        }
        self.0.remove(*name);
        self
    }

    /// The paths of some of them, for operators: `nickname, address.country`. A name that is no plain word is omitted,
    /// because it can be personal data.
    pub fn names(&self) -> String {
        let mut names = Vec::new();
        self.collect_names("", &mut names);
        let count = names.len();
        let mut shown: Vec<String> = names.into_iter().flatten().take(MAX_NAMES).collect();
        if shown.len() < count {
            shown.push("…".to_owned());
        }
        shown.join(", ")
    }

    fn collect_names(&self, place: &str, names: &mut Vec<Option<String>>) {
        for (name, member) in &self.0 {
            let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            match member {
                Member::Value(_) => names.push(is_loggable_name(name).then_some(place)),
                Member::Object(members) => members.collect_names(&place, names),
                Member::Items(items) => items.iter().for_each(|item| item.collect_names(&place, names)),
            }
        }
    }
}

impl Member {
    fn is_empty(&self) -> bool {
        match self {
            Self::Value(value) => {
                let text: String = value.get().chars().filter(|c| !c.is_whitespace()).take(5).collect();
                matches!(text.as_str(), "null" | "[]" | "{}")
            }
            Self::Object(members) => members.is_empty(),
            Self::Items(items) => items.iter().all(UnknownMembers::is_empty),
        }
    }
}

fn is_loggable_name(name: &str) -> bool {
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_word && !name.is_empty() && name.len() <= MAX_NAME_CHARS && digits <= MAX_DIGITS
}

/// `PUT /v1/customers/{id}` with the unknown members of the record at their paths. If the object around them is
/// removed, they are removed.
#[derive(Debug)]
pub struct FullReplacement {
    pub known: Replacement,
    pub unknown: UnknownMembers,
}

impl Serialize for FullReplacement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.unknown.is_empty() {
            return self.known.serialize(serializer);
        }
        let known = serde_json::to_value(&self.known);
        // The error can quote the value, so it is dropped.
        let known = known.map_err(|_| serde::ser::Error::custom("the known members could not be written"))?;
        MergedJson::merge(known, Some(&self.unknown)).serialize(serializer)
    }
}

/// JSON of which a part is written unchanged.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum MergedJson<'a> {
    Known(Value),
    Unknown(&'a RawValue),
    Object(BTreeMap<String, MergedJson<'a>>),
    Items(Vec<MergedJson<'a>>),
}

impl<'a> MergedJson<'a> {
    fn merge(known: Value, unknown: Option<&'a UnknownMembers>) -> Self {
        match (known, unknown) {
            (Value::Object(known), Some(UnknownMembers(unknown))) => {
                let mut members: BTreeMap<String, MergedJson<'a>> = known
                    .into_iter()
                    .map(|(name, value)| {
                        let merged = match unknown.get(&name) {
                            Some(Member::Object(inside)) => Self::merge(value, Some(inside)),
                            Some(Member::Items(items)) => Self::merge_items(value, items),
                            Some(Member::Value(_)) | None => Self::Known(value),
                        };
                        (name, merged)
                    })
                    .collect();
                for (name, member) in unknown {
                    if let Member::Value(value) = member {
                        members.entry(name.clone()).or_insert(Self::Unknown(value));
                    }
                }
                Self::Object(members)
            }
            (known, _) => Self::Known(known),
        }
    }

    fn merge_items(known: Value, unknown: &'a [UnknownMembers]) -> Self {
        match known {
            Value::Array(items) if items.len() == unknown.len() => {
                let items = items.into_iter().zip(unknown);
                Self::Items(items.map(|(item, unknown)| Self::merge(item, Some(unknown))).collect())
            }
            known => Self::Known(known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CustomerStatus;
    use crate::model::input::{AddressInput, DeviceInput, RepresentativeInput};
    use crate::privacy::Personal;
    use crate::upstream::ProfileBody;

    fn unknown(record: &str, is_company: bool) -> UnknownMembers {
        let record: Box<RawValue> = serde_json::from_str(record).expect("the record of this test");
        UnknownMembers::from_record(&record, is_company)
    }

    fn text(value: &str) -> Personal<String> {
        Personal::new(value.to_owned())
    }

    fn replacement(address: bool) -> Replacement {
        let [address1, city, state, zip] = ["1 Way", "Reno", "NV", "89501"].map(text);
        let representative = RepresentativeInput { name: text("Eve"), email: None, phone: None };
        Replacement {
            name: text("Blue"),
            email: text("blue@example.test"),
            phone: text("+12025550123"),
            device: DeviceInput { ip_address: text("203.0.113.9") },
            status: CustomerStatus::Verified,
            address: address.then_some(AddressInput { address1, address2: None, city, state, zip }),
            compliance_profile: Some(Some(ProfileBody::Business {
                ein: None,
                legal_business_name: None,
                representatives: Some(vec![representative]),
                website: None,
            })),
            external_id: None,
            metadata: None,
        }
    }

    const RECORD: &str = r#"{"id": "1", "name": "Blue", "nickname": "Bl\u00fc", "score": 0.30000000000000004, "ids": [12345678901234567890123],
        "none": null, "empty": [ ], "address": {"city": "Reno", "country": "US", "geo": {"lat": 1.50}},
        "compliance_profile": {"ein": null, "ssn": null, "naics": "1", "representatives": [{"name": "Eve", "title": "CEO"}]},
        "config": {"processing_method": "inline", "more": 1}, "metadata": {"any": "thing"}}"#;

    #[test]
    fn unknown_members_are_sent_back_to_the_byte_where_they_stood() {
        let unknown = unknown(RECORD, true);
        assert_eq!(
            unknown.names(),
            "address.country, address.geo, compliance_profile.naics, compliance_profile.representatives.title, ids, …"
        );
        let body = serde_json::to_string(&FullReplacement { known: replacement(true), unknown }).expect("JSON");
        for kept in [
            r#""nickname":"Bl\u00fc""#,
            r#""score":0.30000000000000004"#,
            r#""ids":[12345678901234567890123]"#,
            r#""country":"US","geo":{"lat": 1.50}"#,
            r#""naics":"1""#,
            r#""title":"CEO""#,
        ] {
            assert!(body.contains(kept), "{kept}: {body}");
        }
        for left_out in ["none", "empty", "config", "more", "ssn", r#""id":"#] {
            assert!(!body.contains(left_out), "{left_out}: {body}");
        }
    }

    #[test]
    fn unknown_members_are_removed_with_their_object() {
        let unknown = unknown(RECORD, true).without(&["compliance_profile", "representatives"]);
        let body = serde_json::to_string(&FullReplacement { known: replacement(false), unknown }).expect("JSON");
        assert!(body.contains(r#""address":null"#) && !body.contains("country") && !body.contains("title"), "{body}");
    }

    #[test]
    fn unknown_members_of_a_replaced_object_are_removed() {
        let all = || unknown(RECORD, true);
        assert_eq!(all().without(&["address"]).without(&["compliance_profile"]).names(), "ids, nickname, score");
        let rest = "address.country, address.geo, compliance_profile.naics, ids, nickname, …";
        assert_eq!(all().without(&["compliance_profile", "representatives"]).names(), rest);
        assert_eq!(all().without(&["device"]).names(), all().names());
        let only = unknown(r#"{"compliance_profile": {"representatives": [{"title": "CEO"}]}}"#, true);
        assert!(only.without(&["compliance_profile", "representatives"]).is_empty());
    }

    #[test]
    fn a_member_of_the_other_kind_of_profile_is_unknown_and_a_known_record_has_none() {
        let person = r#"{"name": "A", "compliance_profile": {"dob": "1980-01-01", "ssn": null, "ein": "12-3456789"}}"#;
        assert_eq!(unknown(person, false).names(), "compliance_profile.ein");
        let known =
            r#"{"name": "A", "address": null, "device": {"ip_address": "x"}, "compliance_profile": {"dob": null}}"#;
        assert!(unknown(known, false).is_empty());
        assert!(unknown("[]", false).is_empty());
    }

    #[test]
    fn masks_are_found_at_any_depth_and_names_that_can_be_personal_are_not_listed() {
        let masked = unknown(r#"{"address": {"unit": "**"}, "ada@example.test": 1, "k12025550123": 2}"#, false);
        assert!(masked.has_mask());
        assert_eq!(masked.names(), "address.unit, …");
        assert!(!unknown(RECORD, true).has_mask());
        assert_eq!(format!("{masked:?}"), "[personal]");
    }
}
