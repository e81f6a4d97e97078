//! A review: the results of a customer's identity screening, module by module.

use std::sync::Arc;

use async_graphql::{Enum, ID, SimpleObject};
use serde::{Deserialize, Deserializer, Serialize};

use super::lenient::{self, Readable};
use super::{Customer, DateTime, ReputationCheck};
use crate::privacy::Personal;
use crate::privacy::pii::{PersonalDataClass::Identity, pii};
use crate::response_size::Counted;

/// The upstream's review answer: the whole masked customer, and its screening where one has run.
#[derive(Clone, Debug)]
pub struct Review {
    pub customer: Arc<Customer>,
    pub identity: Readable<Option<Arc<IdentityReview>>>,
}

/// Results of an identity screening. Scores are 0 to 1; there is no score over all.
#[derive(SimpleObject, Clone, Debug, Deserialize)]
#[graphql(complex)]
pub struct IdentityReview {
    /// The id of this screening; a refresh gives a new one.
    pub review_id: ID,
    /// The screening's own outcome. It can be `ACCEPT` on a rejected customer: what counts is `Customer.status`.
    #[serde(deserialize_with = "lenient::word")]
    pub decision: IdentityDecision,
    /// The eight modules.
    pub breakdown: IdentityBreakdown,
    /// Know-your-customer check of a person's data; null where it did not run.
    #[serde(default)]
    pub kyc: Option<KycCheck>,
    /// Alerts from the network of other institutions; null where it did not run.
    #[serde(default)]
    pub network_alerts: Option<NetworkAlertsCheck>,
    /// History with banks and merchants; null where it did not run.
    #[serde(default)]
    pub reputation: Option<ReputationCheck>,
    /// Sanction and watch lists; null where it did not run.
    #[serde(default, rename = "watch_list")]
    pub watchlist: Option<WatchlistCheck>,
    /// The texts of all codes in this review, sorted by code.
    #[serde(default, deserialize_with = "messages")]
    pub messages: Vec<ReasonMessage>,
    /// When the screening was made.
    pub created_at: DateTime,
    /// When it last changed.
    pub updated_at: DateTime,
}

/// What a check of the screening says.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityDecision {
    /// Nothing against the customer.
    Accept,
    /// A person should look at it.
    Review,
    /// Against the customer.
    Reject,
    /// A word of the upstream that this version of the gateway does not know. Output only.
    #[serde(other)]
    Unrecognized,
}

/// What a person can decide about a customer in `REVIEW`.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewDecision {
    /// The customer may transact.
    Verified,
    /// The customer may not transact.
    Rejected,
}

/// The eight modules of a screening; null where one did not run. The business ones run for companies.
#[derive(SimpleObject, Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IdentityBreakdown {
    /// The postal address.
    pub address: Option<IdentityCheck>,
    /// The company's risk.
    pub business_evaluation: Option<IdentityCheck>,
    /// Which company it is.
    pub business_identification: Option<IdentityCheck>,
    /// Whether the company's data are right.
    pub business_validation: Option<IdentityCheck>,
    /// The e-mail address.
    pub email: Option<IdentityCheck>,
    /// Signs of fraud.
    pub fraud: Option<IdentityCheck>,
    /// The phone number.
    pub phone: Option<IdentityCheck>,
    /// Signs of a made-up identity.
    pub synthetic: Option<IdentityCheck>,
}

/// The result of one module.
#[derive(SimpleObject, Clone, Debug, Deserialize)]
pub struct IdentityCheck {
    /// What this module says.
    #[serde(default, deserialize_with = "lenient::optional_word")]
    pub decision: Option<IdentityDecision>,
    /// Codes of what was found: `I…` is an insight, `R…` a risk, `B…` about a business; `IdentityReview.messages` has
    /// their texts.
    #[serde(default, deserialize_with = "lenient::null_as_empty")]
    pub codes: Vec<Counted<String>>,
    /// How well it fits known records, in words.
    #[serde(default, deserialize_with = "lenient::optional_word")]
    pub correlation: Option<Correlation>,
    /// 0 to 1, higher is closer to known records.
    #[serde(default)]
    pub correlation_score: Option<f64>,
    /// 0 to 1, higher is riskier.
    #[serde(default)]
    pub risk_score: Option<f64>,
}

/// How well something fits known records, from weak to strong.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correlation {
    /// Hardly.
    LowConfidence,
    /// Perhaps.
    PotentialMatch,
    /// Probably.
    LikelyMatch,
    /// Almost certainly.
    HighConfidence,
    /// A word of the upstream that this version of the gateway does not know. Output only.
    #[serde(other)]
    Unrecognized,
}

/// Know-your-customer check: which of a person's data agree with official records.
#[derive(SimpleObject, Clone, Debug, Deserialize)]
pub struct KycCheck {
    /// What this check says.
    #[serde(default, deserialize_with = "lenient::optional_word")]
    pub decision: Option<IdentityDecision>,
    /// Codes of what was found; `IdentityReview.messages` has their texts.
    #[serde(default, deserialize_with = "lenient::null_as_empty")]
    pub codes: Vec<Counted<String>>,
    /// Field by field.
    #[serde(default, deserialize_with = "lenient::null_as_empty")]
    pub validations: KycValidations,
}

/// Which data agree with official records: true, false, or null where it could not be checked.
#[derive(SimpleObject, Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct KycValidations {
    /// The street address.
    pub address: Option<bool>,
    /// The city.
    pub city: Option<bool>,
    /// The date of birth.
    pub dob: Option<bool>,
    /// The e-mail address.
    pub email: Option<bool>,
    /// The first name.
    pub first_name: Option<bool>,
    /// The last name.
    pub last_name: Option<bool>,
    /// The phone number.
    pub phone: Option<bool>,
    /// The social security number.
    pub ssn: Option<bool>,
    /// The state.
    pub state: Option<bool>,
    /// The ZIP code.
    pub zip: Option<bool>,
}

/// Alerts from the network of other institutions. It decides on its own, apart from the breakdown.
#[derive(SimpleObject, Clone, Debug, Deserialize)]
pub struct NetworkAlertsCheck {
    /// What this check says.
    #[serde(default, deserialize_with = "lenient::optional_word")]
    pub decision: Option<IdentityDecision>,
    /// Codes of what was found; `IdentityReview.messages` has their texts.
    #[serde(default, deserialize_with = "lenient::null_as_empty")]
    pub codes: Vec<Counted<String>>,
    /// The alerts, in the network's words.
    #[graphql(directive = pii::apply(Identity))]
    #[serde(default, deserialize_with = "lenient::null_as_empty")]
    pub alerts: Vec<Personal<String>>,
}

/// Sanction and watch lists. It decides on its own, apart from the breakdown.
#[derive(SimpleObject, Clone, Debug, Deserialize)]
pub struct WatchlistCheck {
    /// What this check says.
    #[serde(default, deserialize_with = "lenient::optional_word")]
    pub decision: Option<IdentityDecision>,
    /// Codes of what was found; `IdentityReview.messages` has their texts.
    #[serde(default, deserialize_with = "lenient::null_as_empty")]
    pub codes: Vec<Counted<String>>,
    /// Names of the lists that matched.
    #[serde(default, deserialize_with = "lenient::null_as_empty")]
    pub matched: Vec<Counted<String>>,
    /// The matches, one by one.
    #[serde(default, deserialize_with = "lenient::null_as_empty")]
    pub matches: Vec<WatchlistMatch>,
}

/// An entry of a watch list that looks like the customer.
#[derive(SimpleObject, Clone, Debug, Deserialize)]
pub struct WatchlistMatch {
    /// How alike they are.
    #[serde(deserialize_with = "lenient::word")]
    pub correlation: Correlation,
    /// The name of the list.
    pub list_name: Counted<String>,
    /// Which fields are alike.
    #[serde(default, deserialize_with = "lenient::null_as_empty")]
    pub match_fields: Vec<Counted<String>>,
    /// Where to read about the entry.
    #[graphql(directive = pii::apply(Identity))]
    #[serde(default, deserialize_with = "lenient::null_as_empty")]
    pub urls: Vec<Personal<String>>,
}

/// A code with its text.
#[derive(SimpleObject, Clone, PartialEq, Eq, Debug)]
pub struct ReasonMessage {
    /// The code, such as `R1022`.
    pub code: Counted<String>,
    /// What it means, in words for people.
    pub message: Counted<String>,
}

/// A check of the screening that ran, whichever it is, in the one form that all twelve have.
#[derive(SimpleObject, Clone, PartialEq, Debug)]
pub struct ReviewCheck {
    /// Which check.
    pub check: IdentityCheckKind,
    /// What it says; null where it only has scores.
    pub decision: Option<IdentityDecision>,
    /// Its codes.
    pub codes: Vec<Counted<String>>,
    /// The texts of its codes, where the upstream sent one.
    pub messages: Vec<ReasonMessage>,
    /// 0 to 1, higher is riskier; null where the check has no such score.
    pub risk_score: Option<f64>,
    /// How well it fits known records, in words; null where the check does not compare with any.
    pub correlation: Option<Correlation>,
    /// 0 to 1, higher is closer to known records; null where the check does not compare with any.
    pub correlation_score: Option<f64>,
}

/// A check that does not simply accept, with all that explains it in one place.
#[derive(SimpleObject, Clone, PartialEq, Debug)]
pub struct ReviewReason {
    /// Which check.
    pub check: IdentityCheckKind,
    /// What it says; never `ACCEPT` here.
    pub decision: IdentityDecision,
    /// Its codes.
    pub codes: Vec<Counted<String>>,
    /// The texts of its codes, where the upstream sent one.
    pub messages: Vec<ReasonMessage>,
    /// 0 to 1, higher is riskier; null where the check has no such score.
    pub risk_score: Option<f64>,
}

/// The checks of a screening: the eight modules of the breakdown, and the four that decide on their own.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdentityCheckKind {
    /// `breakdown.address`
    Address,
    /// `breakdown.businessEvaluation`
    BusinessEvaluation,
    /// `breakdown.businessIdentification`
    BusinessIdentification,
    /// `breakdown.businessValidation`
    BusinessValidation,
    /// `breakdown.email`
    Email,
    /// `breakdown.fraud`
    Fraud,
    /// `breakdown.phone`
    Phone,
    /// `breakdown.synthetic`
    Synthetic,
    /// `kyc`
    Kyc,
    /// `networkAlerts`
    NetworkAlerts,
    /// `reputation`
    Reputation,
    /// `watchlist`
    Watchlist,
}

/// The wire's map of code to text as a list sorted by code; a code without a text is left out.
fn messages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ReasonMessage>, D::Error> {
    type Texts = std::collections::BTreeMap<String, Option<String>>;
    Ok(Option::<Texts>::deserialize(deserializer)?
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(code, message)| {
            message.map(|message| ReasonMessage { code: code.into(), message: message.into() })
        })
        .collect())
}
