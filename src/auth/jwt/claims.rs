//! Reads a verified token's claims: the caller's subject, permissions and accounts.
//!
//! Providers choose the names of these claims, so the settings contain them. Unknown permission words are ignored,
//! because such a claim often lists rights in other services too. A claim with an invalid account is an error and not
//! ignored: otherwise the gateway's own account would be used instead.

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::auth::Permission;
use crate::error::{ErrorCode, PublicError};

/// The names of the claims. Each is the name of a claim, or a path with dots: `realm_access.roles`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimNames {
    /// The claim with the caller's subject.
    pub subject: String,
    pub permissions: String,
    /// `None` if no claim lists accounts. Then all callers act for the gateway's own account.
    pub account: Option<String>,
}

/// The caller's subject.
///
/// # Errors
/// `UNAUTHENTICATED` if the token has none: audit records could not name the caller. The token is valid, so the
/// message may say what is missing.
pub fn subject<'a>(names: &ClaimNames, claims: &'a Map<String, Json>) -> Result<&'a str, PublicError> {
    let subject =
        find_claim(claims, &names.subject).and_then(Json::as_str).filter(|subject| !subject.trim().is_empty());
    subject.ok_or_else(|| {
        let message = format!(
            "Your token has no text claim `{}` that identifies you. Ask the issuer of your tokens to add it.",
            names.subject
        );
        PublicError::new(ErrorCode::Unauthenticated, message)
    })
}

/// The caller's permissions, in the order of the schema.
pub fn permissions(names: &ClaimNames, claims: &Map<String, Json>) -> Vec<Permission> {
    let granted: Vec<Permission> =
        permission_words(names, claims).into_iter().filter_map(Permission::from_word).collect();
    Permission::ALL.iter().copied().filter(|permission| granted.contains(permission)).collect()
}

/// Whether the permissions claim contains the word that permits introspection. It is no permission of the schema,
/// because it does not concern customers.
pub fn may_introspect(names: &ClaimNames, claims: &Map<String, Json>) -> bool {
    has_permission_word(names, claims, "SCHEMA_INTROSPECT")
}

/// Whether the permissions claim contains the word that permits the report of upstream calls. The report reveals
/// whether another caller of the scope has read a customer recently. The word is no permission of the schema either.
pub fn may_request_upstream_report(names: &ClaimNames, claims: &Map<String, Json>) -> bool {
    has_permission_word(names, claims, "UPSTREAM_REPORT")
}

fn has_permission_word(names: &ClaimNames, claims: &Map<String, Json>, wanted: &str) -> bool {
    let is_it = |word: &str| word.replace([':', '.'], "_").eq_ignore_ascii_case(wanted);
    permission_words(names, claims).into_iter().any(is_it)
}

/// The words of the claim: a list, or one text with words separated by spaces.
fn permission_words<'a>(names: &ClaimNames, claims: &'a Map<String, Json>) -> Vec<&'a str> {
    match find_claim(claims, &names.permissions) {
        Some(Json::String(list)) => list.split_whitespace().collect(),
        Some(Json::Array(list)) => list.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The account that the caller acts for. The token lists the permitted accounts. If there are several, the caller
/// chooses one.
///
/// `chosen` is the account that the request names, `own` the gateway's account.
///
/// # Errors
/// `FORBIDDEN` for an account that the token does not list. `BAD_REQUEST` if the caller has to choose and did not.
pub fn account(
    names: &ClaimNames,
    claims: &Map<String, Json>,
    chosen: Option<Uuid>,
    own: Option<Uuid>,
) -> Result<Option<Uuid>, PublicError> {
    let Some(claim) = names.account.as_deref().and_then(|name| find_claim(claims, name)) else {
        // Only the gateway's own account is permitted. Otherwise the gateway's key would be sent with any account that
        // a caller names.
        return if chosen.is_none_or(|chosen| own == Some(chosen)) { Ok(own) } else { Err(account_forbidden()) };
    };
    let listed = account_ids(claim).filter(|listed| !listed.is_empty());
    let Some(listed) = listed else {
        let message = "Your token contains no valid account. Ask the issuer of your tokens to correct it.";
        return Err(PublicError::new(ErrorCode::Forbidden, message));
    };
    match (chosen, listed.as_slice()) {
        (Some(chosen), listed) if listed.contains(&chosen) => Ok(Some(chosen)),
        (Some(_), _) => Err(account_forbidden()),
        (None, [only]) => Ok(Some(*only)),
        (None, _) => {
            let message = "Your token lists several accounts: name one of them in the header `Straddle-Account-Id`.";
            Err(PublicError::new(ErrorCode::BadRequest, message))
        }
    }
}

fn account_forbidden() -> PublicError {
    let message = "Your token does not list the account that `Straddle-Account-Id` names.";
    PublicError::new(ErrorCode::Forbidden, message)
}

/// The accounts in a claim, without duplicates. `None` if one of them is not a UUID.
fn account_ids(claim: &Json) -> Option<Vec<Uuid>> {
    let one = |value: &Json| value.as_str().and_then(|text| Uuid::try_parse(text.trim()).ok());
    let mut listed = match claim {
        Json::Array(list) => list.iter().map(one).collect::<Option<Vec<_>>>()?,
        value => vec![one(value)?],
    };
    listed.sort_unstable();
    listed.dedup();
    Some(listed)
}

/// A claim by its name or path. Names can contain dots (`https://example.com/roles`, or a client's name in
/// `resource_access`), so at each level the longest existing name is used.
fn find_claim<'a>(claims: &'a Map<String, Json>, path: &str) -> Option<&'a Json> {
    let mut splits: Vec<usize> = path.match_indices('.').map(|(at, _)| at).collect();
    splits.reverse();
    claims.get(path).or_else(|| {
        splits.into_iter().find_map(|at| {
            let (name, rest) = path.split_at(at);
            find_claim(claims.get(name)?.as_object()?, rest.trim_start_matches('.'))
        })
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const A: &str = "0a000000-0000-4000-8000-00000000000a";
    const B: &str = "0b000000-0000-4000-8000-00000000000b";
    const C: &str = "0c000000-0000-4000-8000-00000000000c";

    fn names(permissions: &str) -> ClaimNames {
        ClaimNames {
            subject: "sub".to_owned(),
            permissions: permissions.to_owned(),
            account: Some("account_id".to_owned()),
        }
    }

    fn claims(value: Json) -> Map<String, Json> {
        value.as_object().expect("an object").clone()
    }

    #[rstest]
    #[case::there("sub", json!({"sub": "tess"}), Some("tess"))]
    #[case::another_one("act.sub", json!({"sub": "desk", "act": {"sub": "tess"}}), Some("tess"))]
    #[case::missing("sub", json!({}), None)]
    #[case::null("sub", json!({"sub": null}), None)]
    #[case::blank("sub", json!({"sub": " "}), None)]
    #[case::a_number("sub", json!({"sub": 7}), None)]
    fn a_caller_has_a_name(#[case] claim: &str, #[case] token: Json, #[case] subject: Option<&str>) {
        let names = ClaimNames { subject: claim.to_owned(), ..names("permissions") };
        let claims = claims(token);
        let got = super::subject(&names, &claims);
        assert_eq!(got.as_ref().ok().copied(), subject);
        let refused = got.err().map(|failure| (failure.code, failure.message.contains(claim)));
        assert_eq!(refused, subject.is_none().then_some((ErrorCode::Unauthenticated, true)));
    }

    #[rstest]
    #[case::with_it(json!({"permissions": ["customers:read", "schema:introspect"]}), true)]
    #[case::without(json!({"permissions": "CUSTOMERS_READ INTROSPECT"}), false)]
    fn a_word_of_the_token_opens_introspection(#[case] token: Json, #[case] opened: bool) {
        assert_eq!(may_introspect(&names("permissions"), &claims(token)), opened);
    }

    #[rstest]
    #[case::names("permissions", json!({"permissions": ["REVIEWS_READ", "CUSTOMERS_READ"]}))]
    #[case::any_case_and_separator("permissions", json!({"permissions": ["reviews:read", "Customers.Read", "customers_read"]}))]
    #[case::one_string("scope", json!({"scope": "openid  customers:read reviews:read profile"}))]
    #[case::path("realm_access.roles", json!({"realm_access": {"roles": ["customers_read", "reviews_read"]}}))]
    #[case::name_with_dots("https://example.com/roles", json!({"https://example.com/roles": ["customers:read", "reviews:read"]}))]
    #[case::client_with_dots("resource_access.api.example.roles",
        json!({"resource_access": {"api.example": {"roles": ["customers:read", "reviews:read"]}}}))]
    #[case::unknown_words("permissions", json!({"permissions": ["customers:read", "admin", "", 7, null, "reviews:read", "customers"]}))]
    fn permissions_are_read_in_every_shape(#[case] name: &str, #[case] token: Json) {
        let expected = vec![Permission::CustomersRead, Permission::ReviewsRead];
        assert_eq!(permissions(&names(name), &claims(token)), expected);
    }

    #[rstest]
    #[case::missing(json!({}))]
    #[case::null(json!({"permissions": null}))]
    #[case::object(json!({"permissions": {"CUSTOMERS_READ": true}}))]
    #[case::number(json!({"permissions": 1}))]
    #[case::nothing_known(json!({"permissions": ["*", "all", "customers:*"]}))]
    fn without_a_permission_that_is_known_there_is_none(#[case] token: Json) {
        assert_eq!(permissions(&names("permissions"), &claims(token)), []);
    }

    #[rstest]
    #[case::one(json!({"account_id": A}), None, Ok(Some(A)))]
    #[case::one_in_a_list(json!({"account_id": [A, A]}), None, Ok(Some(A)))]
    #[case::one_and_named(json!({"account_id": A}), Some(A), Ok(Some(A)))]
    #[case::another_is_named(json!({"account_id": A}), Some(B), Err(ErrorCode::Forbidden))]
    #[case::several_and_one_named(json!({"account_id": [A, B]}), Some(B), Ok(Some(B)))]
    #[case::several_and_none_named(json!({"account_id": [A, B]}), None, Err(ErrorCode::BadRequest))]
    #[case::several_and_another_named(json!({"account_id": [A, B]}), Some(C), Err(ErrorCode::Forbidden))]
    #[case::none(json!({}), None, Ok(Some(C)))]
    #[case::none_and_the_gateways_named(json!({}), Some(C), Ok(Some(C)))]
    #[case::none_and_another_named(json!({}), Some(A), Err(ErrorCode::Forbidden))]
    #[case::not_a_uuid(json!({"account_id": "acct_1"}), None, Err(ErrorCode::Forbidden))]
    #[case::one_of_them_not_a_uuid(json!({"account_id": [A, "acct_1"]}), Some(A), Err(ErrorCode::Forbidden))]
    #[case::empty_list(json!({"account_id": []}), None, Err(ErrorCode::Forbidden))]
    #[case::null(json!({"account_id": null}), None, Err(ErrorCode::Forbidden))]
    fn the_account_is_one_that_the_token_lists(
        #[case] token: Json,
        #[case] named: Option<&str>,
        #[case] expected: Result<Option<&str>, ErrorCode>,
    ) {
        let id = |text: &str| Uuid::try_parse(text).expect("a UUID");
        let got = account(&names("permissions"), &claims(token), named.map(id), Some(id(C)));
        assert_eq!(got.map_err(|failure| failure.code), expected.map(|account| account.map(id)));
    }

    #[test]
    fn without_an_account_anywhere_a_caller_can_name_none() {
        let got = account(&names("permissions"), &Map::new(), Some(Uuid::from_u128(1)), None);
        assert_eq!(got.expect_err("not the caller's to choose").code, ErrorCode::Forbidden);
        assert_eq!(account(&names("permissions"), &Map::new(), None, None), Ok(None));
    }
}
