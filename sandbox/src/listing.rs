//! A page of the customer list: its parameters, filters and sort order.
//!
//! Where the wire is not documented, the stricter reading applies: page 0, a page size of 0 or over 1000, unknown enum
//! values and invalid dates are a 422; `email` is an exact match that ignores case; both date bounds are inclusive.
//! Unknown parameters are ignored and an empty value counts as absent, as in every ASP.NET service.

use std::sync::Arc;

use url::form_urlencoded;

use super::customer::Customer;
use super::enums::{CustomerStatus, CustomerType, SortBy, SortOrder};
use super::response::FieldProblem;
use super::store::CustomerStore;
use super::timestamp::{self, Timestamp};

/// The largest page size (seen in `meta`).
pub(crate) const MAX_PAGE_SIZE: u32 = 1000;

/// The parsed parameters of a list.
pub(crate) struct Query {
    /// Starts at 1.
    pub(crate) page_number: u32,
    /// 1 to 1000.
    pub(crate) page_size: u32,
    /// Default `name` (seen).
    pub(crate) sort_by: SortBy,
    /// Default `asc`.
    pub(crate) sort_order: SortOrder,
    created_from: Option<Timestamp>,
    created_to: Option<Timestamp>,
    name: Option<String>,
    email: Option<String>,
    external_id: Option<String>,
    statuses: Vec<CustomerStatus>,
    kinds: Vec<CustomerType>,
    search_text: Option<String>,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            page_number: 1,
            page_size: 100,
            sort_by: SortBy::Name,
            sort_order: SortOrder::Ascending,
            created_from: None,
            created_to: None,
            name: None,
            email: None,
            external_id: None,
            statuses: Vec::new(),
            kinds: Vec::new(),
            search_text: None,
        }
    }
}

/// A page and the total.
pub(crate) struct Page {
    /// The rows.
    pub(crate) customers: Vec<Arc<Customer>>,
    /// Over all pages.
    pub(crate) total_items: usize,
}

impl Query {
    /// Parses a query string. The error has all problems.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<FieldProblem>> {
        let mut query = Self::default();
        let mut problems = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if !value.is_empty() {
                query.set_parameter(&name, &value, &mut problems);
            }
        }
        if problems.is_empty() { Ok(query) } else { Err(problems) }
    }

    fn set_parameter(&mut self, name: &str, value: &str, problems: &mut Vec<FieldProblem>) {
        match name {
            "page_number" => match value.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok()) {
                Some(number) if number > 0 => self.page_number = number,
                _ => problems.push(FieldProblem::at(name, "Must be a whole number from 1.")),
            },
            "page_size" => match value.parse() {
                Ok(size) if (1..=MAX_PAGE_SIZE).contains(&size) => self.page_size = size,
                _ => {
                    problems.push(FieldProblem::at(name, format!("Must be a whole number from 1 to {MAX_PAGE_SIZE}.")))
                }
            },
            "sort_by" => match SortBy::parse(value) {
                Some(word) => self.sort_by = word,
                None => problems.push(unknown_value(name, SortBy::VALUES)),
            },
            "sort_order" => match SortOrder::parse(value) {
                Some(word) => self.sort_order = word,
                None => problems.push(unknown_value(name, SortOrder::VALUES)),
            },
            "created_from" | "created_to" => {
                let timestamp = timestamp::parse(value);
                if timestamp.is_none() {
                    problems.push(FieldProblem::at(name, "Must be a date-time."));
                }
                if name == "created_from" { self.created_from = timestamp } else { self.created_to = timestamp }
            }
            "name" => self.name = Some(value.to_lowercase()),
            "email" => self.email = Some(value.to_lowercase()),
            "external_id" => self.external_id = Some(value.to_owned()),
            "search_text" => self.search_text = Some(value.to_lowercase()),
            // Python, Node and .NET join values with commas, Ruby repeats the key: both are accepted.
            "status" => parse_values(value, CustomerStatus::parse, &mut self.statuses)
                .unwrap_or_else(|()| problems.push(unknown_value(name, CustomerStatus::VALUES))),
            "types" => parse_values(value, CustomerType::parse, &mut self.kinds)
                .unwrap_or_else(|()| problems.push(unknown_value(name, CustomerType::VALUES))),
            _ => {}
        }
    }

    /// Whether a customer passes every filter.
    fn matches(&self, customer: &Customer) -> bool {
        let holds = |part: &Option<String>, check: &dyn Fn(&str) -> bool| part.as_deref().is_none_or(check);
        (self.statuses.is_empty() || self.statuses.contains(&customer.status))
            && (self.kinds.is_empty() || self.kinds.contains(&customer.kind))
            && self.created_from.is_none_or(|from| customer.created_at >= from)
            && self.created_to.is_none_or(|to| customer.created_at <= to)
            && holds(&self.external_id, &|id| customer.external_id.as_deref() == Some(id))
            && holds(&self.email, &|email| customer.email_key() == email)
            && holds(&self.name, &|part| customer.name_key().contains(part))
            && holds(&self.search_text, &|part| matches_search(customer, part))
    }

    /// The requested page. A page past the end is empty and has the right total.
    pub(crate) fn page(&self, store: &CustomerStore) -> Page {
        let skipped = (self.page_number as usize - 1).saturating_mul(self.page_size as usize);
        let mut page = Page { customers: Vec::new(), total_items: 0 };
        let mut collect = |customer: &Arc<Customer>| {
            if self.matches(customer) {
                if page.total_items >= skipped && page.customers.len() < self.page_size as usize {
                    page.customers.push(Arc::clone(customer));
                }
                page.total_items += 1;
            }
        };
        store.in_order(self.sort_by, self.sort_order).for_each(&mut collect);
        page
    }
}

/// Open point 6: the fields that `search_text` searches are not documented; these four are assumed.
fn matches_search(customer: &Customer, part: &str) -> bool {
    let external_id = customer.external_id.as_deref().unwrap_or_default().to_lowercase();
    customer.name_key().contains(part)
        || customer.email_key().contains(part)
        || customer.phone.contains(part)
        || external_id.contains(part)
}

fn parse_values<T>(value: &str, parse: fn(&str) -> Option<T>, into: &mut Vec<T>) -> Result<(), ()> {
    for text in value.split(',') {
        into.push(parse(text.trim()).ok_or(())?);
    }
    Ok(())
}

fn unknown_value(name: &str, accepted: &[&str]) -> FieldProblem {
    FieldProblem::at(name, format!("Must be one of: {}.", accepted.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;

    fn ids(text: &str) -> Vec<uuid::Uuid> {
        let page = Query::parse(text).expect("a good query").page(&seed::seeded_store());
        page.customers.iter().map(|customer| customer.id).collect()
    }

    #[test]
    fn concatenated_pages_are_the_full_list() {
        let whole = ids("page_size=1000");
        let parts: Vec<_> = (1..=9).flat_map(|number| ids(&format!("page_size=29&page_number={number}"))).collect();
        assert_eq!(parts, whole);
        assert!(ids("page_size=29&page_number=10").is_empty());
    }

    #[test]
    fn descending_is_ascending_reversed_except_for_ties() {
        let store = seed::seeded_store();
        let key = |id: &uuid::Uuid, sort_by: &str| {
            let customer = store.get(*id).expect("a seeded customer");
            if sort_by == "name" { customer.name_key() } else { customer.created_at.to_rfc3339() }
        };
        for sort_by in SortBy::VALUES {
            let mut down = ids(&format!("page_size=1000&sort_by={sort_by}"));
            down.sort_by(|a, b| key(b, sort_by).cmp(&key(a, sort_by)).then(a.cmp(b)));
            assert_eq!(down, ids(&format!("page_size=1000&sort_by={sort_by}&sort_order=desc")));
        }
    }

    #[test]
    fn both_array_encodings_are_equivalent() {
        let commas = ids("status=pending,review&types=business");
        assert!(!commas.is_empty());
        assert_eq!(commas, ids("status=pending%2Creview&types=business"));
        assert_eq!(commas, ids("status=pending&status=review&types=business"));
    }

    #[test]
    fn all_invalid_parameters_are_reported_at_once() {
        let text = "page_number=0&page_size=1001&sort_by=age&status=resubmit&created_to=soon&colour=red";
        let problems = Query::parse(text).err().expect("five bad parameters");
        let paths: Vec<_> = problems.iter().filter_map(|problem| problem.path.as_deref()).collect();
        assert_eq!(paths, ["page_number", "page_size", "sort_by", "status", "created_to"]);
    }

    #[test]
    fn date_bounds_are_inclusive() {
        let store = seed::seeded_store();
        let ada = store.get(seed::ADA).expect("a seeded customer").created_at.to_rfc3339().replace('+', "%2B");
        assert_eq!(ids(&format!("created_from={ada}&created_to={ada}")), [seed::ADA]);
    }
}
