//! The request bodies of create and update. They contain only members that the API has.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::input::{
    AddressInput, BusinessComplianceProfileInput, ComplianceProfileInput, CreateCustomerInput, DeviceInput,
    IndividualComplianceProfileInput, MetadataEntryInput, RepresentativeInput,
};
use crate::model::{CustomerStatus, CustomerType, ProcessingMethod, SandboxOutcome};
use crate::privacy::Personal;

type Text = Personal<String>;

/// Metadata as on the wire: a map.
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

/// `PUT /v1/customers/{id}`: the whole customer. A `null` clears the field.
#[derive(Serialize, Debug)]
pub struct Replacement {
    pub name: Text,
    pub email: Text,
    pub phone: Text,
    pub device: DeviceInput,
    pub status: CustomerStatus,
    pub address: Option<AddressInput>,
    /// `None` omits the member: the unmasked profile could not be read, and must not be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compliance_profile: Option<Option<ProfileBody>>,
    pub external_id: Option<Text>,
    pub metadata: Option<Metadata>,
}

/// An unmasked compliance profile. The API requires both members of an individual's, and the first two of a business's.
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
    /// Omitted fields are null: for a customer without a profile.
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

/// The entries as a map. Of a repeated key the last one counts, but validation rejects repeated keys before.
pub fn metadata(entries: Vec<MetadataEntryInput>) -> Metadata {
    entries.into_iter().map(|entry| (entry.key.reveal().clone(), entry.value)).collect()
}
