//! What is sent: the bodies of create and update, in the wire's names and with no key that the API does not know.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::input::{
    AddressInput, BusinessComplianceProfileInput, ComplianceProfileInput, CreateCustomerInput, DeviceInput,
    IndividualComplianceProfileInput, MetadataEntryInput, RepresentativeInput,
};
use crate::model::{CustomerStatus, CustomerType, ProcessingMethod, SandboxOutcome};
use crate::privacy::Personal;

type Text = Personal<String>;

/// Caller's own pairs as the wire has them.
pub type Metadata = BTreeMap<String, Text>;

/// `POST /v1/customers`.
#[derive(Serialize, Debug)]
pub struct NewCustomer {
    name: Text,
    #[serde(rename = "type")]
    kind: CustomerType,
    email: Text,
    phone: Text,
    device: DeviceInput,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<AddressInput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compliance_profile: Option<ProfileBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<ConfigBody>,
}

#[derive(Serialize, Debug)]
struct ConfigBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    processing_method: Option<ProcessingMethod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox_outcome: Option<SandboxOutcome>,
}

/// `PUT /v1/customers/{id}`: the whole customer. What is `null` here is cleared there.
#[derive(Serialize, Debug)]
pub struct Replacement {
    pub name: Text,
    pub email: Text,
    pub phone: Text,
    pub device: DeviceInput,
    pub status: CustomerStatus,
    pub address: Option<AddressInput>,
    /// `None` leaves the key out: for a profile that could not be read in clear and must not be touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compliance_profile: Option<Option<ProfileBody>>,
    pub external_id: Option<Text>,
    pub metadata: Option<Metadata>,
}

/// A compliance profile in clear. Both keys of a person and the first two of a company are always there.
#[derive(Serialize, Clone, Debug)]
#[serde(untagged)]
pub enum ProfileBody {
    Individual {
        dob: Option<Text>,
        ssn: Option<Text>,
    },
    Business {
        ein: Option<Text>,
        legal_business_name: Option<Text>,
        representatives: Option<Vec<RepresentativeInput>>,
        website: Option<Text>,
    },
}

impl From<CreateCustomerInput> for NewCustomer {
    fn from(input: CreateCustomerInput) -> Self {
        Self {
            name: input.name,
            kind: input.kind,
            email: input.email,
            phone: input.phone,
            device: input.device,
            address: input.address,
            compliance_profile: input.compliance_profile.map(ProfileBody::from),
            external_id: input.external_id,
            metadata: input.metadata.map(metadata),
            config: input.config.map(|config| ConfigBody {
                processing_method: config.processing_method,
                sandbox_outcome: config.sandbox_outcome,
            }),
        }
    }
}

impl From<ComplianceProfileInput> for ProfileBody {
    /// What is left out is null: for a customer that has no profile yet.
    fn from(input: ComplianceProfileInput) -> Self {
        match input {
            ComplianceProfileInput::Individual(IndividualComplianceProfileInput { dob, ssn }) => {
                Self::Individual { dob: dob.take(), ssn: ssn.take() }
            }
            ComplianceProfileInput::Business(input) => {
                let BusinessComplianceProfileInput { ein, legal_business_name, representatives, website } = input;
                Self::Business {
                    ein: ein.take(),
                    legal_business_name: legal_business_name.take(),
                    representatives: representatives.take(),
                    website: website.take(),
                }
            }
        }
    }
}

/// The entries as the wire's map. Of a key given twice the last one wins; validation has refused that before.
pub fn metadata(entries: Vec<MetadataEntryInput>) -> Metadata {
    entries.into_iter().map(|entry| (entry.key.reveal().clone(), entry.value)).collect()
}
