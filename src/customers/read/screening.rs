//! The checks of a screening in one form, and the reasons why a review was not accepted.
//!
//! The overall decision can be "review" although all eight modules accept, since reputation, network alerts, watch
//! lists and KYC have decisions of their own (observed: `docs/upstream.md`, section 9). A reviewer needs all of them.

use std::cmp::{Ordering, Reverse};

use crate::model::{IdentityCheck, IdentityCheckKind, IdentityDecision, IdentityReview, ReviewCheck, ReviewReason};
use crate::response_size::Counted;

/// Every check that ran, in the order of the schema.
pub fn checks(review: &IdentityReview) -> Vec<ReviewCheck> {
    use IdentityCheckKind as Kind;
    let plain = |check, decision, codes: &[Counted<String>], risk_score| {
        let known = review.messages.iter().filter(|message| codes.contains(&message.code));
        let (codes, messages) = (codes.to_vec(), known.cloned().collect());
        ReviewCheck { check, decision, codes, messages, risk_score, correlation: None, correlation_score: None }
    };
    let module = |kind, module: &Option<IdentityCheck>| {
        module.as_ref().map(|found| ReviewCheck {
            correlation: found.correlation,
            correlation_score: found.correlation_score,
            ..plain(kind, found.decision, &found.codes, found.risk_score)
        })
    };
    let modules = &review.breakdown;
    let checks = [
        module(Kind::Address, &modules.address),
        module(Kind::BusinessEvaluation, &modules.business_evaluation),
        module(Kind::BusinessIdentification, &modules.business_identification),
        module(Kind::BusinessValidation, &modules.business_validation),
        module(Kind::Email, &modules.email),
        module(Kind::Fraud, &modules.fraud),
        module(Kind::Phone, &modules.phone),
        module(Kind::Synthetic, &modules.synthetic),
        review.kyc.as_ref().map(|found| plain(Kind::Kyc, found.decision, &found.codes, None)),
        review.network_alerts.as_ref().map(|found| plain(Kind::NetworkAlerts, found.decision, &found.codes, None)),
        review.reputation.as_ref().map(|found| plain(Kind::Reputation, found.decision, &found.codes, found.risk_score)),
        review.watchlist.as_ref().map(|found| plain(Kind::Watchlist, found.decision, &found.codes, None)),
    ];
    checks.into_iter().flatten().collect()
}

/// Each check that does not accept, worst first: rejections, reviews, unknown decisions. Among equals the higher risk
/// comes first, then the order of the schema. Checks without a decision are left out.
pub fn reasons(review: &IdentityReview) -> Vec<ReviewReason> {
    let mut reasons: Vec<_> = checks(review).into_iter().filter_map(reason).collect();
    // The sort is stable, so equal checks stay in the order of the schema.
    reasons.sort_by(|a, b| {
        Reverse(severity(a.decision))
            .cmp(&Reverse(severity(b.decision)))
            .then_with(|| compare_risk(a.risk_score, b.risk_score))
    });
    reasons
}

/// A check as a reason; `None` if it accepts or has no decision.
fn reason(found: ReviewCheck) -> Option<ReviewReason> {
    let ReviewCheck { check, decision, codes, messages, risk_score, correlation: _, correlation_score: _ } = found;
    let decision = decision.filter(|decision| *decision != IdentityDecision::Accept)?;
    Some(ReviewReason { check, decision, codes, messages, risk_score })
}

fn severity(decision: IdentityDecision) -> u8 {
    match decision {
        IdentityDecision::Reject => 3,
        IdentityDecision::Review => 2,
        IdentityDecision::Unrecognized => 1,
        IdentityDecision::Accept => 0,
    }
}

/// The higher risk first; a check without a score last.
fn compare_risk(a: Option<f64>, b: Option<f64>) -> Ordering {
    b.unwrap_or(-1.0).total_cmp(&a.unwrap_or(-1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Correlation;

    #[test]
    fn every_check_is_listed_and_those_that_do_not_accept_are_reasons_with_the_worst_first() {
        let review: IdentityReview = serde_json::from_str(
            r#"{"review_id": "r", "decision": "review", "created_at": "2026-07-07T06:21:44", "updated_at": "2026-07-07T06:21:44",
                "messages": {"R1": "one", "R2": "two", "I1": "fine"},
                "breakdown": {
                  "email": {"decision": "review", "codes": ["R2", "R404"], "risk_score": 0.2},
                  "phone": {"decision": "review", "risk_score": 0.9, "correlation": "likely_match", "correlation_score": 0.75},
                  "fraud": {"decision": "accept", "codes": ["I1"]},
                  "synthetic": {"codes": null}},
                "network_alerts": {"decision": "brand_new"},
                "watch_list": {"decision": "reject", "codes": ["R1"]}}"#,
        )
        .expect("the review of this test");
        use IdentityCheckKind::{Email, Fraud, NetworkAlerts, Phone, Synthetic, Watchlist};
        let all = checks(&review);
        let checks: Vec<_> = all.iter().map(|found| found.check).collect();
        assert_eq!(checks, [Email, Fraud, Phone, Synthetic, NetworkAlerts, Watchlist]);
        let phone = (all[2].risk_score, all[2].correlation, all[2].correlation_score);
        assert_eq!(phone, (Some(0.9), Some(Correlation::LikelyMatch), Some(0.75)));
        assert_eq!((all[1].messages.len(), all[3].decision), (1, None));

        let reasons = reasons(&review);
        let checks: Vec<_> = reasons.iter().map(|reason| reason.check).collect();
        assert_eq!(checks, [Watchlist, Phone, Email, NetworkAlerts]);
        let texts: Vec<_> = reasons[2].messages.iter().map(|message| message.message.as_str()).collect();
        assert_eq!((texts, reasons[2].codes.len()), (vec!["two"], 2));
    }
}
