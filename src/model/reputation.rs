//! The reputation module of a review, and its thirty-three figures of history.

use async_graphql::SimpleObject;
use serde::Deserialize;

use super::lenient;
use super::{Date, IdentityDecision};
use crate::response_size::Counted;

/// What is known of a customer's history with banks and merchants. It decides on its own, apart from the breakdown.
#[derive(SimpleObject, Clone, Debug, Deserialize)]
pub struct ReputationCheck {
    /// What this check says.
    #[serde(default, deserialize_with = "lenient::optional_word")]
    pub decision: Option<IdentityDecision>,
    /// Codes of what was found; `IdentityReview.messages` has their texts.
    #[serde(default, deserialize_with = "lenient::null_as_empty")]
    pub codes: Vec<Counted<String>>,
    /// 0 to 1, higher is riskier.
    #[serde(default)]
    pub risk_score: Option<f64>,
    /// The figures behind it.
    #[serde(default)]
    pub insights: Option<ReputationInsights>,
}

/// Figures of a customer's history. Counts and dates are of what the network of the upstream's provider has seen;
/// amounts are in US dollars; null means not known, which is not zero.
#[derive(SimpleObject, Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReputationInsights {
    /// Bank accounts open now.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub accounts_active_count: Option<i32>,
    /// Bank accounts closed.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub accounts_closed_count: Option<i32>,
    /// When accounts were closed.
    pub accounts_closed_dates: Option<Vec<Counted<Date>>>,
    /// Bank accounts ever seen.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub accounts_count: Option<i32>,
    /// Accounts marked as fraudulent.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub accounts_fraud_count: Option<i32>,
    /// When accounts were marked as fraudulent.
    pub accounts_fraud_labeled_dates: Option<Vec<Counted<Date>>>,
    /// Loss by fraudulent accounts, in US dollars.
    pub accounts_fraud_loss_total_amount: Option<f64>,
    /// ACH transactions reported as fraud.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub ach_fraud_transactions_count: Option<i32>,
    /// When ACH transactions were reported as fraud.
    pub ach_fraud_transactions_dates: Option<Vec<Counted<Date>>>,
    /// Sum of the ACH transactions reported as fraud, in US dollars.
    pub ach_fraud_transactions_total_amount: Option<f64>,
    /// ACH transactions that were returned.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub ach_returned_transactions_count: Option<i32>,
    /// When ACH transactions were returned.
    pub ach_returned_transactions_dates: Option<Vec<Counted<Date>>>,
    /// Sum of the returned ACH transactions, in US dollars.
    pub ach_returned_transactions_total_amount: Option<f64>,
    /// Applications for accounts that were approved.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub applications_approved_count: Option<i32>,
    /// Applications for accounts.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub applications_count: Option<i32>,
    /// When applications were made.
    pub applications_dates: Option<Vec<Counted<Date>>>,
    /// Applications that were declined.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub applications_declined_count: Option<i32>,
    /// Applications that were fraudulent.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub applications_fraud_count: Option<i32>,
    /// Card transactions in dispute.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub card_disputed_transactions_count: Option<i32>,
    /// When card transactions were disputed.
    pub card_disputed_transactions_dates: Option<Vec<Counted<Date>>>,
    /// Sum of the disputed card transactions, in US dollars.
    pub card_disputed_transactions_total_amount: Option<f64>,
    /// Card transactions reported as fraud.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub card_fraud_transactions_count: Option<i32>,
    /// When card transactions were reported as fraud.
    pub card_fraud_transactions_dates: Option<Vec<Counted<Date>>>,
    /// Sum of the card transactions reported as fraud, in US dollars.
    pub card_fraud_transactions_total_amount: Option<f64>,
    /// Card transactions that were stopped.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub card_stopped_transactions_count: Option<i32>,
    /// When card transactions were stopped.
    pub card_stopped_transactions_dates: Option<Vec<Counted<Date>>>,
    /// Profiles of this person that are active.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub user_active_profile_count: Option<i32>,
    /// Addresses seen with this person.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub user_address_count: Option<i32>,
    /// Profiles of this person that are closed.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub user_closed_profile_count: Option<i32>,
    /// Dates of birth seen with this person.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub user_dob_count: Option<i32>,
    /// E-mail addresses seen with this person.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub user_email_count: Option<i32>,
    /// Institutions that know this person.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub user_institution_count: Option<i32>,
    /// Mobile numbers seen with this person.
    #[serde(deserialize_with = "lenient::optional_clamped")]
    pub user_mobile_count: Option<i32>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Without `float_roundtrip` of serde_json, 92 of 1,210 doubles came out one step off.
        #[test]
        fn a_number_is_answered_with_the_digits_that_it_came_with(number in any::<f64>().prop_filter("JSON has it", |n| n.is_finite())) {
            let text = serde_json::to_string(&number).expect("a number");
            let check: ReputationCheck = serde_json::from_str(&format!("{{\"risk_score\": {text}}}")).expect("a check");
            let answered = async_graphql::Value::from(check.risk_score.expect("it came"));
            prop_assert_eq!(serde_json::to_string(&answered).expect("a number"), text);
        }
    }
}
