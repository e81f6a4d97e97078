//! Why a review is not a plain accept.
//!
//! The overall decision can be "review" while all eight modules accept, because reputation, network alerts, watch
//! lists and KYC decide on their own (seen, wire document section 9). A reviewer's screen needs all of them.

use std::cmp::{Ordering, Reverse};

use crate::model::{IdentityCheckKind, IdentityDecision, IdentityReview, ReviewReason};

/// Every check that does not accept, worst first: rejections, reviews, words that are not known; among equals the
/// higher risk first, then the order of the schema. A check without a decision has nothing to say.
pub fn of(review: &IdentityReview) -> Vec<ReviewReason> {
    use IdentityCheckKind as Kind;
    let modules = &review.breakdown;
    let breakdown = [
        (Kind::Address, &modules.address),
        (Kind::BusinessEvaluation, &modules.business_evaluation),
        (Kind::BusinessIdentification, &modules.business_identification),
        (Kind::BusinessValidation, &modules.business_validation),
        (Kind::Email, &modules.email),
        (Kind::Fraud, &modules.fraud),
        (Kind::Phone, &modules.phone),
        (Kind::Synthetic, &modules.synthetic),
    ];
    let breakdown = breakdown
        .into_iter()
        .filter_map(|(kind, check)| check.as_ref().map(|check| (kind, check.decision, &check.codes, check.risk_score)));
    let kyc = review.kyc.as_ref().map(|check| (Kind::Kyc, check.decision, &check.codes, None));
    let alerts = review.network_alerts.as_ref();
    let alerts = alerts.map(|check| (Kind::NetworkAlerts, check.decision, &check.codes, None));
    let reputation = review.reputation.as_ref();
    let reputation = reputation.map(|check| (Kind::Reputation, check.decision, &check.codes, check.risk_score));
    let watchlist = review.watchlist.as_ref().map(|check| (Kind::Watchlist, check.decision, &check.codes, None));

    let mut reasons: Vec<ReviewReason> = breakdown
        .chain([kyc, alerts, reputation, watchlist].into_iter().flatten())
        .filter_map(|(check, decision, codes, risk_score)| {
            let decision = decision.filter(|decision| *decision != IdentityDecision::Accept)?;
            let known = review.messages.iter().filter(|message| codes.contains(&message.code));
            Some(ReviewReason { check, decision, codes: codes.clone(), messages: known.cloned().collect(), risk_score })
        })
        .collect();
    // A stable sort: what is equal stays in the order of the schema.
    reasons.sort_by(|a, b| {
        Reverse(weight(a.decision)).cmp(&Reverse(weight(b.decision))).then_with(|| by_risk(a.risk_score, b.risk_score))
    });
    reasons
}

fn weight(decision: IdentityDecision) -> u8 {
    match decision {
        IdentityDecision::Reject => 3,
        IdentityDecision::Review => 2,
        IdentityDecision::Unrecognized => 1,
        IdentityDecision::Accept => 0,
    }
}

/// Higher risk first, no score last.
fn by_risk(a: Option<f64>, b: Option<f64>) -> Ordering {
    b.unwrap_or(-1.0).total_cmp(&a.unwrap_or(-1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_that_does_not_accept_is_a_reason_and_the_worst_comes_first() {
        let review: IdentityReview = serde_json::from_str(
            r#"{"review_id": "r", "decision": "review", "created_at": "2026-07-07T06:21:44", "updated_at": "2026-07-07T06:21:44",
                "messages": {"R1": "one", "R2": "two", "I1": "fine"},
                "breakdown": {
                  "email": {"decision": "review", "codes": ["R2", "R404"], "risk_score": 0.2},
                  "phone": {"decision": "review", "risk_score": 0.9},
                  "fraud": {"decision": "accept", "codes": ["I1"]},
                  "synthetic": {"codes": null}},
                "network_alerts": {"decision": "brand_new"},
                "watch_list": {"decision": "reject", "codes": ["R1"]}}"#,
        )
        .expect("the review of this test");
        let reasons = of(&review);
        let checks: Vec<_> = reasons.iter().map(|reason| reason.check).collect();
        use IdentityCheckKind::{Email, NetworkAlerts, Phone, Watchlist};
        assert_eq!(checks, [Watchlist, Phone, Email, NetworkAlerts]);
        let texts: Vec<_> = reasons[2].messages.iter().map(|message| message.message.as_str()).collect();
        assert_eq!((texts, reasons[2].codes.len()), (vec!["two"], 2));
    }
}
