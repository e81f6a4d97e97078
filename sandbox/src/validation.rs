//! Validates the values of parsed fields. An error is a 422 that names all problems at once, with lower-case paths.
//!
//! Formats and lengths are the contract's; the lengths of metadata are in the vendor's guide only. A masked value that
//! a client sends back has an invalid format, so it is never stored.

use std::net::Ipv4Addr;

use chrono::NaiveDate;
use url::Url;

use super::customer::{Address, Metadata, Profile};
use super::enums::CustomerType;
use super::parse_body::Draft;
use super::response::FieldProblem;

const MAX_ADDRESS_LINE: usize = 100;
const MAX_METADATA_ENTRIES: usize = 20;
const MAX_METADATA_CHARS: usize = 40;

/// All problems of a draft for a customer of type `kind`.
pub(crate) fn validate(draft: &Draft, kind: CustomerType) -> Vec<FieldProblem> {
    let mut violations = Violations(Vec::new());
    violations.require(!draft.name.trim().is_empty(), "name", "Must not be blank.");
    violations.require(is_email(&draft.email), "email", "Not an e-mail address.");
    violations.require(is_phone(&draft.phone), "phone", "Not an E.164 number.");
    violations.require(draft.ip_address.parse::<Ipv4Addr>().is_ok(), "device.ip_address", "Not an IPv4 address.");
    if let Some(address) = &draft.address {
        violations.address(address);
    }
    if let Some(profile) = &draft.profile {
        violations.profile(profile, kind);
    }
    if let Some(metadata) = &draft.metadata {
        violations.metadata(metadata);
    }
    violations.0
}

struct Violations(Vec<FieldProblem>);

impl Violations {
    fn require(&mut self, holds: bool, path: impl Into<String>, detail: &str) {
        if !holds {
            self.0.push(FieldProblem::at(path, detail));
        }
    }

    fn address(&mut self, address: &Address) {
        let lines = [
            ("address.address1", Some(&address.address1)),
            ("address.address2", address.address2.as_ref()),
            ("address.city", Some(&address.city)),
        ];
        for (path, line) in lines {
            let fits = line.is_none_or(|line| line.chars().count() <= MAX_ADDRESS_LINE);
            self.require(fits, path, "Must have at most 100 characters.");
        }
        let state = address.state.len() == 2 && address.state.bytes().all(|byte| byte.is_ascii_uppercase());
        self.require(state, "address.state", "Must be two capital letters.");
        let zip = matches_pattern(&address.zip, "#####") || matches_pattern(&address.zip, "#####-####");
        self.require(zip, "address.zip", "Must be a ZIP code of five or nine digits.");
    }

    fn profile(&mut self, profile: &Profile, kind: CustomerType) {
        if profile.kind() != kind {
            let detail = format!("Does not fit a customer of type {}.", kind.as_str());
            self.require(false, "compliance_profile", &detail);
        }
        match profile {
            Profile::Individual { dob, ssn } => {
                let date = |text: &str| matches_pattern(text, "####-##-##") && text.parse::<NaiveDate>().is_ok();
                self.require(dob.as_deref().is_none_or(date), "compliance_profile.dob", "Must be a date, YYYY-MM-DD.");
                let number = ssn.as_deref().is_none_or(|ssn| matches_pattern(ssn, "###-##-####"));
                self.require(number, "compliance_profile.ssn", "Must have the form 000-00-0000.");
            }
            Profile::Business { ein, website, representatives, .. } => {
                let number = ein.as_deref().is_none_or(|ein| matches_pattern(ein, "##-#######"));
                self.require(number, "compliance_profile.ein", "Must have the form 00-0000000.");
                let uri = website.as_deref().is_none_or(|website| Url::parse(website).is_ok());
                self.require(uri, "compliance_profile.website", "Must be an absolute URI.");
                for (index, representative) in representatives.iter().flatten().enumerate() {
                    let path = format!("compliance_profile.representatives[{index}].name");
                    self.require(!representative.name.trim().is_empty(), path, "Must not be blank.");
                }
            }
        }
    }

    fn metadata(&mut self, metadata: &Metadata) {
        let short = |text: &str| text.chars().count() <= MAX_METADATA_CHARS;
        self.require(metadata.len() <= MAX_METADATA_ENTRIES, "metadata", "Must have at most 20 pairs.");
        self.require(metadata.keys().all(|key| short(key)), "metadata", "Keys must have at most 40 characters.");
        self.require(
            metadata.values().all(|value| short(value)),
            "metadata",
            "Values must have at most 40 characters.",
        );
    }
}

/// Whether the text has exactly this form; `#` stands for an ASCII digit.
fn matches_pattern(text: &str, form: &str) -> bool {
    let fits = |(byte, sign): (u8, u8)| {
        if sign == b'#' { byte.is_ascii_digit() } else { byte == sign }
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}

/// `^\+[1-9]\d{1,14}$`
fn is_phone(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else {
        return false;
    };
    (2..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0')
}

/// At most 254 bytes, exactly one `@`, a non-empty local part, a domain with a dot, no spaces, no control characters.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let labels = domain.split('.').collect::<Vec<_>>();
    text.len() <= 254
        && !local.is_empty()
        && !text.chars().any(|character| character.is_whitespace() || character.is_control())
        && !domain.contains('@')
        && labels.len() > 1
        && labels.iter().all(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{DOB_MASK, EIN_MASK, IP_MASK, SSN_MASK};

    fn draft() -> Draft {
        Draft {
            name: "Ada".into(),
            email: "ada@example.test".into(),
            phone: "+12025550100".into(),
            ip_address: "203.0.113.9".into(),
            address: None,
            profile: None,
            external_id: None,
            metadata: None,
        }
    }

    fn broken(draft: &Draft, kind: CustomerType) -> Vec<String> {
        validate(draft, kind).into_iter().filter_map(|problem| problem.path).collect()
    }

    #[test]
    fn masked_values_are_rejected_in_every_masked_field() {
        let profile = Profile::Individual { dob: Some(DOB_MASK.into()), ssn: Some(SSN_MASK.into()) };
        let person = Draft { ip_address: IP_MASK.into(), profile: Some(profile), ..draft() };
        let paths = ["device.ip_address", "compliance_profile.dob", "compliance_profile.ssn"];
        assert_eq!(broken(&person, CustomerType::Individual), paths);
        let profile = Profile::Business {
            ein: Some(EIN_MASK.into()),
            legal_business_name: None,
            representatives: None,
            website: None,
        };
        let company = Draft { profile: Some(profile), ..draft() };
        assert_eq!(broken(&company, CustomerType::Business), ["compliance_profile.ein"]);
        assert_eq!(broken(&company, CustomerType::Individual), ["compliance_profile", "compliance_profile.ein"]);
    }

    #[test]
    fn phone_and_email_formats_are_exact() {
        for good in ["+12", "+12025550100", "+123456789012345"] {
            assert!(is_phone(good), "{good}");
        }
        for bad in ["12025550100", "+02025550100", "+1", "+1234567890123456", "+1202555010x"] {
            assert!(!is_phone(bad), "{bad}");
        }
        for bad in ["ada", "@example.test", "ada@", "ada@test", "a@b@example.test", "a da@example.test", "a@.test"] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(broken(&draft(), CustomerType::Individual).is_empty());
    }
}
