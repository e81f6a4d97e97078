//! Compliance profiles, and the four values that masked records contain only masked.

use serde::Deserialize;
use tracing::warn;

use super::PersonalText;
use crate::model::lenient::{LenientField, Object, Readable, UnreadableField};
use crate::model::{
    BusinessComplianceProfile, ComplianceProfile, CustomerType, Date, IndividualComplianceProfile, Representative,
    UnmaskedBusinessComplianceProfile, UnmaskedComplianceProfile, UnmaskedIndividualComplianceProfile,
};
use crate::privacy::Personal;
use crate::upstream::call::metrics;

/// A profile of either kind. A member with `null` tells the kind as well as one with a value.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct WireProfile {
    dob: LenientField<PersonalText>,
    ssn: LenientField<PersonalText>,
    ein: LenientField<PersonalText>,
    legal_business_name: LenientField<PersonalText>,
    representatives: LenientField<Vec<LenientField<Object<WireRepresentative>>>>,
    website: LenientField<PersonalText>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireRepresentative {
    name: LenientField<PersonalText>,
    email: LenientField<PersonalText>,
    phone: LenientField<PersonalText>,
}

impl WireProfile {
    /// Whether it is the profile of an individual: by the members that are present; with members of both kinds or of
    /// none, by the customer's type; with an unknown type, by the members that have a value. Never by the form of a
    /// value, because masks change it.
    pub fn is_individual(&self, kind: CustomerType) -> bool {
        let person = self.dob.is_present() || self.ssn.is_present();
        let company = self.ein.is_present()
            || self.legal_business_name.is_present()
            || self.representatives.is_present()
            || self.website.is_present();
        match (person, company, kind) {
            (true, false, _) => true,
            (false, true, _) => false,
            (_, _, CustomerType::Individual) => true,
            (_, _, CustomerType::Business) => false,
            (_, _, CustomerType::Unrecognized) => self.dob.has_value() || self.ssn.has_value(),
        }
    }

    /// The profile of a masked record.
    ///
    /// # Errors
    /// If a value cannot be read.
    pub fn masked(self, kind: CustomerType) -> Readable<ComplianceProfile> {
        if self.is_individual(kind) {
            let dob = self.dob.optional("complianceProfile.dob")?;
            let ssn = self.ssn.optional("complianceProfile.ssn")?;
            Ok(ComplianceProfile::Individual(IndividualComplianceProfile {
                dob: dob.map(|value| ensure_masked(value, MaskedField::Dob)),
                ssn: ssn.map(|value| ensure_masked(value, MaskedField::Ssn)),
            }))
        } else {
            let ein = self.ein.optional("complianceProfile.ein")?;
            Ok(ComplianceProfile::Business(BusinessComplianceProfile {
                ein: ein.map(|value| ensure_masked(value, MaskedField::Ein)),
                legal_business_name: self.legal_business_name.optional("complianceProfile.legalBusinessName")?,
                representatives: representatives(self.representatives)?,
                website: self.website.optional("complianceProfile.website")?,
            }))
        }
    }

    /// The profile of an unmasked record.
    ///
    /// # Errors
    /// If a value is masked or cannot be read, or the date of birth is no date.
    pub fn unmasked(self, kind: CustomerType) -> Result<UnmaskedComplianceProfile, NotUnmasked> {
        if self.is_individual(kind) {
            let dob = self.dob.optional("complianceProfile.dob")?.map(|text| {
                let date = text.reveal().get(..10).and_then(Date::parse);
                check_unmasked(&text)?;
                date.map(Personal::new).ok_or(NotUnmasked::NotADate)
            });
            let ssn = self.ssn.optional("complianceProfile.ssn")?;
            ssn.as_ref().map_or(Ok(()), check_unmasked)?;
            Ok(UnmaskedComplianceProfile::Individual(UnmaskedIndividualComplianceProfile {
                dob: dob.transpose()?,
                ssn,
            }))
        } else {
            let ein = self.ein.optional("complianceProfile.ein")?;
            ein.as_ref().map_or(Ok(()), check_unmasked)?;
            Ok(UnmaskedComplianceProfile::Business(UnmaskedBusinessComplianceProfile {
                ein,
                legal_business_name: self.legal_business_name.optional("complianceProfile.legalBusinessName")?,
                representatives: representatives(self.representatives)?,
                website: self.website.optional("complianceProfile.website")?,
            }))
        }
    }
}

fn representatives(
    list: LenientField<Vec<LenientField<Object<WireRepresentative>>>>,
) -> Readable<Option<Vec<Representative>>> {
    let field = "complianceProfile.representatives";
    let read = |item: LenientField<Object<WireRepresentative>>| {
        let Object(WireRepresentative { name, email, phone }) = item.required(field)?;
        Ok(Representative { name: name.required(field)?, email: email.optional(field)?, phone: phone.optional(field)? })
    };
    list.optional(field)?.map(|list| list.into_iter().map(read).collect()).transpose()
}

/// Why a record is not a valid unmasked record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotUnmasked {
    /// A value is masked: the account has no permission for unmasked values.
    Masked,
    /// The date of birth is no date.
    NotADate,
    /// A field cannot be read.
    Unreadable(UnreadableField),
}

impl From<UnreadableField> for NotUnmasked {
    fn from(field: UnreadableField) -> Self {
        Self::Unreadable(field)
    }
}

/// The four values that masked records contain only masked.
#[derive(Clone, Copy)]
pub enum MaskedField {
    Dob,
    Ssn,
    Ein,
    IpAddress,
}

/// Masks a value of a masked record that the upstream has sent unmasked: readers of masked records have no permission
/// for it, and masked records are cached.
pub fn ensure_masked(value: PersonalText, mask: MaskedField) -> PersonalText {
    if value.reveal().contains('*') {
        return value;
    }
    let (field, mask) = match mask {
        MaskedField::Dob => ("dob", "****-**-**"),
        MaskedField::Ssn => ("ssn", "***-**-****"),
        MaskedField::Ein => ("ein", "**-*******"),
        MaskedField::IpAddress => ("ip_address", "**.**.**.**"),
    };
    metrics::record_value_masked(field);
    warn!(field, "the upstream sent an unmasked value where a masked value is required; the gateway masked it");
    mask.to_owned().into()
}

/// Checks that a value of an unmasked record is unmasked.
///
/// # Errors
/// If it is masked.
pub fn check_unmasked(text: &PersonalText) -> Result<(), NotUnmasked> {
    if text.reveal().contains('*') { Err(NotUnmasked::Masked) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Customer, UnmaskedCustomer};
    use crate::upstream::wire::WireCustomer;

    fn customer(kind: &str, profile: &str) -> WireCustomer {
        serde_json::from_str(&format!(
            r#"{{"id": "0190b2de-7c11-7c3a-8f10-2f6b2c3d4e5f", "name": "A", "type": "{kind}", "email": "e", "phone": "p",
                 "status": "review", "created_at": "2026-07-07T06:21:44", "updated_at": "2026-07-07T06:21:44",
                 "compliance_profile": {profile}, "metadata": {{"b": "2", "a": "1", "c": null}}}}"#
        ))
        .expect("the customer of this test")
    }

    fn is_person(kind: &str, profile: &str) -> bool {
        let customer = Customer::from(customer(kind, profile));
        matches!(customer.detail.compliance_profile, Ok(Some(ComplianceProfile::Individual(_))))
    }

    #[test]
    fn a_masked_individual_is_never_taken_for_a_business() {
        let masked = r#"{"dob": "****-**-**", "ssn": "***-**-****"}"#;
        for kind in ["individual", "Individual", "business", "cooperative"] {
            assert!(is_person(kind, masked), "{kind}");
        }
        assert!(is_person("individual", r#"{"dob": null, "ssn": null}"#));
        assert!(is_person("individual", "{}"));
    }

    #[test]
    fn a_profile_with_the_keys_of_both_goes_by_the_type_and_then_by_the_values() {
        let flat = r#"{"dob": null, "ssn": "***-**-****", "ein": null, "legal_business_name": null, "website": null}"#;
        assert!(is_person("individual", flat));
        assert!(!is_person("business", flat));
        assert!(is_person("cooperative", flat));
        assert!(!is_person("individual", r#"{"ein": "**-*******", "legal_business_name": "A Inc"}"#));
    }

    #[test]
    fn a_masked_record_contains_no_unmasked_value() {
        let person = Customer::from(customer("individual", r#"{"dob": "1980-02-29", "ssn": "***-**-6789"}"#));
        let Ok(Some(ComplianceProfile::Individual(profile))) = person.detail.compliance_profile else { unreachable!() };
        let shown = [profile.dob, profile.ssn].map(|text| text.map(|text| text.reveal().clone()).unwrap_or_default());
        assert_eq!(shown, ["****-**-**", "***-**-6789"]);
    }

    #[test]
    fn a_record_with_masked_values_is_not_unmasked() {
        let masked = customer("individual", r#"{"dob": "****-**-**", "ssn": "123-45-6789"}"#);
        assert_eq!(UnmaskedCustomer::try_from(masked).err(), Some(NotUnmasked::Masked));
        let clear = customer("individual", r#"{"dob": "1980-02-29", "ssn": "123-45-6789"}"#);
        assert!(UnmaskedCustomer::try_from(clear).is_ok());
    }
}
