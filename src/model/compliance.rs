//! Compliance profiles: what screening needs to know of a person or a company, masked and clear.

use async_graphql::{SimpleObject, Union};

use super::Date;
use crate::privacy::Personal;
use crate::privacy::pii::{
    PersonalDataClass::{Contact, Identity},
    pii,
};

/// What the screening knows of a customer, masked: of a person or of a company.
#[derive(Union, Clone, Debug)]
pub enum ComplianceProfile {
    Individual(IndividualComplianceProfile),
    Business(BusinessComplianceProfile),
}

/// A person's compliance data, masked. These are texts to show, not values to parse.
#[derive(SimpleObject, Clone, Debug, Default)]
pub struct IndividualComplianceProfile {
    /// Date of birth, masked: `****-**-**`. null where none is known.
    #[graphql(directive = pii::apply(Identity))]
    pub dob: Option<Personal<String>>,
    /// Social security number, masked: `***-**-****`. null where none is known.
    #[graphql(directive = pii::apply(Identity))]
    pub ssn: Option<Personal<String>>,
}

/// A company's compliance data, its tax number masked.
#[derive(SimpleObject, Clone, Debug, Default)]
pub struct BusinessComplianceProfile {
    /// Employer identification number, masked: `**-*******`. null where none is known.
    #[graphql(directive = pii::apply(Identity))]
    pub ein: Option<Personal<String>>,
    /// The name that the company is registered under.
    #[graphql(directive = pii::apply(Identity))]
    pub legal_business_name: Option<Personal<String>>,
    /// The people who act for the company.
    pub representatives: Option<Vec<Representative>>,
    /// The company's web site.
    #[graphql(directive = pii::apply(Contact))]
    pub website: Option<Personal<String>>,
}

/// A person who acts for a company. Not masked.
#[derive(SimpleObject, Clone, Debug)]
pub struct Representative {
    /// Full name.
    #[graphql(directive = pii::apply(Contact))]
    pub name: Personal<String>,
    /// E-mail address.
    #[graphql(directive = pii::apply(Contact))]
    pub email: Option<Personal<String>>,
    /// Phone number in E.164, such as `+12025550123`.
    #[graphql(directive = pii::apply(Contact))]
    pub phone: Option<Personal<String>>,
}

/// What the screening knows of a customer, in clear.
#[derive(Union, Clone, Debug)]
pub enum UnmaskedComplianceProfile {
    Individual(UnmaskedIndividualComplianceProfile),
    Business(UnmaskedBusinessComplianceProfile),
}

/// A person's compliance data in clear. Show it, do not keep it.
#[derive(SimpleObject, Clone, Debug, Default)]
pub struct UnmaskedIndividualComplianceProfile {
    /// Date of birth.
    #[graphql(directive = pii::apply(Identity))]
    pub dob: Option<Personal<Date>>,
    /// Social security number, `123-45-6789`.
    #[graphql(directive = pii::apply(Identity))]
    pub ssn: Option<Personal<String>>,
}

/// A company's compliance data in clear. Show it, do not keep it.
#[derive(SimpleObject, Clone, Debug, Default)]
pub struct UnmaskedBusinessComplianceProfile {
    /// Employer identification number, `12-3456789`.
    #[graphql(directive = pii::apply(Identity))]
    pub ein: Option<Personal<String>>,
    /// The name that the company is registered under.
    #[graphql(directive = pii::apply(Identity))]
    pub legal_business_name: Option<Personal<String>>,
    /// The people who act for the company.
    pub representatives: Option<Vec<Representative>>,
    /// The company's web site.
    #[graphql(directive = pii::apply(Contact))]
    pub website: Option<Personal<String>>,
}
