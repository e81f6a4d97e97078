//! Validates inputs before anything is sent, and returns all errors at once.
//!
//! The forms are those of `docs/upstream.md`, section 3. Messages describe the form and never contain the value.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use url::Url;

use crate::customers::write::merge::profile_type_mismatch;
use crate::customers::write::updatable_fields::UPDATABLE_FIELDS;
use crate::model::input::{
    AddressInput, BusinessComplianceProfileInput, ComplianceProfileInput, CreateCustomerInput, DeviceInput,
    IndividualComplianceProfileInput, MetadataEntryInput, RepresentativeInput, UpdateCustomerInput,
};
use crate::model::user_error::MAX_USER_ERRORS;
use crate::model::{
    CustomerStatus, CustomerType, Date, MaybeUndefined, ProcessingMethod, SandboxOutcome, UserError, UserErrorCode,
};
use crate::privacy::Personal;

const MAX_METADATA_ENTRIES: usize = 20;
const MAX_REPRESENTATIVES: usize = 100;
const MAX_METADATA_CHARS: usize = 40;
/// The items of a longer list are not checked.
const MAX_CHECKED_ITEMS: usize = 100;
const MAX_ADDRESS_LINE_CHARS: usize = 100;
const IDEMPOTENCY_KEY_CHARS: std::ops::RangeInclusive<usize> = 10..=40;
/// RFC 5321: the longest path without its angle brackets, and the longest local part.
const MAX_EMAIL_CHARS: usize = 254;
const MAX_LOCAL_PART_CHARS: usize = 64;

const CANNOT_BE_CLEARED: &str = "Cannot be cleared: give a value, or leave it out to keep the one known.";
const OUTPUT_ONLY: &str = "`UNRECOGNIZED` is for output only: give another value.";

type Text = Personal<String>;

/// Collects user errors with their paths below `input`.
#[derive(Default)]
struct Violations {
    found: Vec<UserError>,
}

/// A path in the input, from the outermost name to the innermost.
type InputPath<'a> = &'a [&'a str];

impl Violations {
    fn invalid(&mut self, place: InputPath<'_>, message: &str) {
        let code = UserErrorCode::Invalid;
        match self.found.len() {
            MAX_USER_ERRORS => {
                let more = format!("More is wrong than is told here: these are the first {MAX_USER_ERRORS}.");
                self.found.push(UserError::without_path(code, more));
            }
            told if told < MAX_USER_ERRORS => self.found.push(UserError::at(code, place.iter().copied(), message)),
            _ => {}
        }
    }

    /// Checks a text by a rule.
    fn check(&mut self, place: InputPath<'_>, value: &Text, rule: impl Fn(&str) -> Result<(), &'static str>) {
        if let Err(message) = rule(value.reveal()) {
            self.invalid(place, message);
        }
    }

    /// As [`Self::check`], for a field of an update that cannot be cleared.
    fn check_required(
        &mut self,
        place: InputPath<'_>,
        value: &MaybeUndefined<Text>,
        rule: impl Fn(&str) -> Result<(), &'static str>,
    ) {
        match value {
            MaybeUndefined::Undefined => {}
            MaybeUndefined::Null => self.invalid(place, CANNOT_BE_CLEARED),
            MaybeUndefined::Value(value) => self.check(place, value, rule),
        }
    }
}

/// The errors of a new customer.
pub fn new_customer(input: &CreateCustomerInput, today: Date) -> Vec<UserError> {
    let mut complaints = Violations::default();
    complaints.check(&["name"], &input.name, not_blank);
    if input.kind == CustomerType::Unrecognized {
        complaints.invalid(&["type"], OUTPUT_ONLY);
    }
    complaints.check(&["email"], &input.email, email);
    complaints.check(&["phone"], &input.phone, phone);
    device(&mut complaints, &input.device);
    if let Some(given) = &input.address {
        address(&mut complaints, given);
    }
    if let Some(given) = &input.compliance_profile {
        profile(&mut complaints, given, today);
        complaints.found.extend(profile_type_mismatch(given, input.kind));
    }
    if let Some(entries) = &input.metadata {
        metadata(&mut complaints, entries);
    }
    if let Some(config) = &input.config {
        if config.processing_method == Some(ProcessingMethod::Unrecognized) {
            complaints.invalid(&["config", "processingMethod"], OUTPUT_ONLY);
        }
        if config.sandbox_outcome == Some(SandboxOutcome::Unrecognized) {
            complaints.invalid(&["config", "sandboxOutcome"], OUTPUT_ONLY);
        }
    }
    idempotency_key(&mut complaints, input.idempotency_key.as_ref());
    complaints.found
}

/// The errors of an update that do not depend on the customer.
pub fn update(input: &UpdateCustomerInput, today: Date) -> Vec<UserError> {
    let mut complaints = Violations::default();
    if !UPDATABLE_FIELDS.iter().any(|field| (field.is_given)(input)) {
        complaints.invalid(&[], "Give at least one field to change.");
    }
    complaints.check_required(&["name"], &input.name, not_blank);
    complaints.check_required(&["email"], &input.email, email);
    complaints.check_required(&["phone"], &input.phone, phone);
    match &input.status {
        MaybeUndefined::Null => complaints.invalid(&["status"], CANNOT_BE_CLEARED),
        MaybeUndefined::Value(CustomerStatus::Unrecognized) => complaints.invalid(&["status"], OUTPUT_ONLY),
        MaybeUndefined::Undefined | MaybeUndefined::Value(_) => {}
    }
    match &input.device {
        MaybeUndefined::Null => complaints.invalid(&["device"], CANNOT_BE_CLEARED),
        MaybeUndefined::Value(given) => device(&mut complaints, given),
        MaybeUndefined::Undefined => {}
    }
    if let MaybeUndefined::Value(given) = &input.address {
        address(&mut complaints, given);
    }
    if let MaybeUndefined::Value(given) = &input.compliance_profile {
        profile(&mut complaints, given, today);
    }
    if let MaybeUndefined::Value(entries) = &input.metadata {
        metadata(&mut complaints, entries);
    }
    idempotency_key(&mut complaints, input.idempotency_key.as_ref());
    complaints.found
}

/// The errors of an idempotency key.
pub fn idempotency_key_only(key: Option<&Text>) -> Vec<UserError> {
    let mut complaints = Violations::default();
    idempotency_key(&mut complaints, key);
    complaints.found
}

/// The error of a missing reason. If a reason is required, a blank one counts as missing.
pub fn reason(reason: Option<&Text>, needed: bool) -> Vec<UserError> {
    if !needed || reason.is_some_and(|reason| !reason.reveal().trim().is_empty()) {
        return Vec::new();
    }
    vec![UserError::at(UserErrorCode::Required, ["reason"], "Give a reason: it is recorded with who did this.")]
}

fn device(complaints: &mut Violations, given: &DeviceInput) {
    complaints.check(&["device", "ipAddress"], &given.ip_address, |text| {
        let address = text.parse::<Ipv4Addr>();
        address.map(drop).map_err(|_| "Not an IPv4 address, such as 203.0.113.9; 0.0.0.0 for a sign-up offline.")
    });
}

fn address(complaints: &mut Violations, given: &AddressInput) {
    complaints.check(&["address", "address1"], &given.address1, address_line);
    if let Some(line) = &given.address2 {
        complaints.check(&["address", "address2"], line, address_line_length);
    }
    complaints.check(&["address", "city"], &given.city, address_line);
    complaints.check(&["address", "state"], &given.state, |text| {
        let fits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if fits { Ok(()) } else { Err("Not a state as two capital letters, such as NV.") }
    });
    complaints.check(&["address", "zip"], &given.zip, |text| {
        let fits = matches_pattern(text, "00000") || matches_pattern(text, "00000-0000");
        if fits { Ok(()) } else { Err("Not a ZIP code, such as 89501 or 89501-1234.") }
    });
}

fn profile(complaints: &mut Violations, given: &ComplianceProfileInput, today: Date) {
    match given {
        ComplianceProfileInput::Individual(IndividualComplianceProfileInput { dob, ssn }) => {
            if let MaybeUndefined::Value(dob) = dob {
                complaints.check(&["complianceProfile", "individual", "dob"], dob, |text| match Date::parse(text) {
                    None => Err("Not a date as YYYY-MM-DD that exists."),
                    Some(date) if date > today => Err("A date of birth cannot be in the future."),
                    Some(_) => Ok(()),
                });
            }
            if let MaybeUndefined::Value(ssn) = ssn {
                complaints.check(&["complianceProfile", "individual", "ssn"], ssn, |text| {
                    let fits = matches_pattern(text, "000-00-0000");
                    if fits { Ok(()) } else { Err("Not a social security number of the form 123-45-6789.") }
                });
            }
        }
        ComplianceProfileInput::Business(given) => business_profile(complaints, given),
    }
}

fn business_profile(complaints: &mut Violations, given: &BusinessComplianceProfileInput) {
    if let MaybeUndefined::Value(ein) = &given.ein {
        complaints.check(&["complianceProfile", "business", "ein"], ein, |text| {
            let fits = matches_pattern(text, "00-0000000");
            if fits { Ok(()) } else { Err("Not an employer identification number of the form 12-3456789.") }
        });
    }
    if let MaybeUndefined::Value(name) = &given.legal_business_name {
        complaints.check(&["complianceProfile", "business", "legalBusinessName"], name, not_blank);
    }
    if let MaybeUndefined::Value(website) = &given.website {
        complaints.check(&["complianceProfile", "business", "website"], website, |text| {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            url.map(drop).ok_or("Not a web address, such as https://example.com.")
        });
    }
    if let MaybeUndefined::Value(representatives) = &given.representatives {
        if representatives.len() > MAX_REPRESENTATIVES {
            return complaints
                .invalid(&["complianceProfile", "business", "representatives"], "At most 100 representatives.");
        }
        for (index, RepresentativeInput { name, email: mail, phone: number }) in representatives.iter().enumerate() {
            let index = index.to_string();
            let place = |field| ["complianceProfile", "business", "representatives", &index, field];
            complaints.check(&place("name"), name, not_blank);
            if let Some(mail) = mail {
                complaints.check(&place("email"), mail, email);
            }
            if let Some(number) = number {
                complaints.check(&place("phone"), number, phone);
            }
        }
    }
}

fn metadata(complaints: &mut Violations, entries: &[MetadataEntryInput]) {
    if entries.len() > MAX_METADATA_ENTRIES {
        complaints.invalid(&["metadata"], "At most 20 entries.");
    }
    if entries.len() > MAX_CHECKED_ITEMS {
        return;
    }
    let mut keys = HashSet::new();
    // The error above covers all entries past the limit.
    for (index, entry) in entries.iter().take(MAX_METADATA_ENTRIES).enumerate() {
        let index = index.to_string();
        complaints.check(&["metadata", &index, "key"], &entry.key, |text| {
            not_blank(text)?;
            if text.chars().count() > MAX_METADATA_CHARS { Err("At most 40 characters.") } else { Ok(()) }
        });
        complaints.check(&["metadata", &index, "value"], &entry.value, |text| {
            if text.chars().count() > MAX_METADATA_CHARS { Err("At most 40 characters.") } else { Ok(()) }
        });
        if !keys.insert(entry.key.reveal()) {
            complaints.invalid(&["metadata", &index, "key"], "This key was given already: each key once.");
        }
    }
}

fn idempotency_key(complaints: &mut Violations, key: Option<&Text>) {
    let Some(key) = key else { return };
    complaints.check(&["idempotencyKey"], key, |text| {
        // The key is sent in a header, so it must be plain ASCII.
        let fits = IDEMPOTENCY_KEY_CHARS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(()) } else { Err("10 to 40 visible ASCII characters without spaces, such as a UUID.") }
    });
}

fn not_blank(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() { Err("Must not be blank.") } else { Ok(()) }
}

fn address_line_length(text: &str) -> Result<(), &'static str> {
    if text.chars().count() > MAX_ADDRESS_LINE_CHARS { Err("At most 100 characters.") } else { Ok(()) }
}

fn address_line(text: &str) -> Result<(), &'static str> {
    not_blank(text)?;
    address_line_length(text)
}

/// An e-mail address: one `@`, parts of limited length on both sides, and a host with a dot. The check does not tell
/// whether the address exists.
fn email(text: &str) -> Result<(), &'static str> {
    let plain = text.len() <= MAX_EMAIL_CHARS && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let fits = plain
        && text.split_once('@').is_some_and(|(local, host)| {
            let labels = host.split('.').count() > 1 && host.split('.').all(|label| !label.is_empty());
            !local.is_empty() && local.len() <= MAX_LOCAL_PART_CHARS && labels && !host.contains('@')
        });
    if fits { Ok(()) } else { Err("Not an e-mail address, such as name@example.com.") }
}

/// E.164: a plus, a digit that is not zero, and up to 14 more digits. The upstream's pattern requires at least one
/// more.
fn phone(text: &str) -> Result<(), &'static str> {
    let digits = text.strip_prefix('+').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let fits = digits.is_some_and(|digits| (2..=15).contains(&digits.len()) && !digits.starts_with('0'));
    if fits { Ok(()) } else { Err("Not a phone number in E.164, such as +12025550123.") }
}

/// Whether a text has the form of a pattern in which `0` stands for any digit.
fn matches_pattern(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            form => byte == form,
        })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ada@example.test", true)]
    #[case("a.b+c@sub.example.com", true)]
    #[case("ada", false)]
    #[case("ada@example", false)]
    #[case("ada@@example.test", false)]
    #[case("ada@b@example.test", false)]
    #[case("@example.test", false)]
    #[case("ada@example..test", false)]
    #[case("a da@example.test", false)]
    fn e_mails(#[case] text: &str, #[case] fits: bool) {
        assert_eq!(email(text).is_ok(), fits);
    }

    #[rstest]
    #[case("+12025550123", true)]
    #[case("+123456789012345", true)]
    #[case("+1234567890123456", false)]
    #[case("12025550123", false)]
    #[case("+02025550123", false)]
    #[case("+1 202 555 0123", false)]
    #[case("+", false)]
    fn phones(#[case] text: &str, #[case] fits: bool) {
        assert_eq!(phone(text).is_ok(), fits);
    }

    #[rstest]
    #[case("123-45-6789", "000-00-0000", true)]
    #[case("***-**-****", "000-00-0000", false)]
    #[case("１23-45-6789", "000-00-0000", false)]
    #[case("89501-1234", "00000-0000", true)]
    fn forms(#[case] text: &str, #[case] pattern: &str, #[case] fits: bool) {
        assert_eq!(matches_pattern(text, pattern), fits);
    }
}
