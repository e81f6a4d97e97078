//! The query parameters of a list.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{CustomerFilter, CustomerSort, CustomerSortField, SortOrder};

/// The form of a filter with several values. The official clients differ (`docs/upstream.md`, section 2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrayEncoding {
    /// `status=pending,review`: Python, Node and .NET.
    Comma,
    /// `status=pending&status=review`: Ruby.
    Repeated,
}

/// The query of one page of a list.
#[derive(Clone, Debug)]
pub struct PageQuery {
    pub filter: Arc<CustomerFilter>,
    pub sort: CustomerSort,
    /// From 1.
    pub number: u32,
    /// 1 to 1000.
    pub size: u32,
}

impl PageQuery {
    /// The parameters, in the order of the upstream's documentation. Parameters without a value are omitted.
    pub fn pairs(&self, arrays: ArrayEncoding) -> Vec<(&'static str, String)> {
        let mut pairs = vec![
            ("page_number", self.number.to_string()),
            ("page_size", self.size.to_string()),
            ("sort_by", sort_field(self.sort.by).to_owned()),
            ("sort_order", sort_order(self.sort.order).to_owned()),
        ];
        pairs.extend(filter_pairs(&self.filter, arrays));
        pairs
    }
}

/// The parameters of a filter. Equivalent filters have equal parameters.
pub fn filter_pairs(filter: &CustomerFilter, arrays: ArrayEncoding) -> Vec<(&'static str, String)> {
    let texts = [
        ("name", &filter.name),
        ("email", &filter.email),
        ("external_id", &filter.external_id),
        ("search_text", &filter.search),
    ];
    let mut pairs: Vec<_> = texts
        .into_iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| (name, value.reveal().clone())))
        .collect();
    pairs.extend(filter.created_from.map(|time| ("created_from", time.to_string())));
    pairs.extend(filter.created_to.map(|time| ("created_to", time.to_string())));
    let lists = [("status", wire_words(filter.statuses.as_deref())), ("types", wire_words(filter.types.as_deref()))];
    for (name, words) in lists {
        match arrays {
            _ if words.is_empty() => {}
            ArrayEncoding::Comma => pairs.push((name, words.join(","))),
            ArrayEncoding::Repeated => pairs.extend(words.into_iter().map(|word| (name, word))),
        }
    }
    pairs
}

/// The wire's names of enum values, in alphabetical order, without duplicates.
fn wire_words<T: Serialize>(values: Option<&[T]>) -> Vec<String> {
    let mut words: Vec<String> = values.unwrap_or_default().iter().filter_map(wire_word).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The wire's name of an enum value.
fn wire_word<T: Serialize>(value: &T) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

/// The wire's name of a sort field.
pub fn sort_field(field: CustomerSortField) -> &'static str {
    match field {
        CustomerSortField::Name => "name",
        CustomerSortField::CreatedAt => "created_at",
    }
}

/// The wire's name of a sort order.
pub fn sort_order(order: SortOrder) -> &'static str {
    match order {
        SortOrder::Asc => "asc",
        SortOrder::Desc => "desc",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CustomerStatus;

    #[test]
    fn arrays_are_written_in_the_form_that_the_settings_name() {
        let filter = CustomerFilter {
            statuses: Some(vec![CustomerStatus::Review, CustomerStatus::Pending, CustomerStatus::Review]),
            types: Some(vec![]),
            ..CustomerFilter::default()
        };
        assert_eq!(filter_pairs(&filter, ArrayEncoding::Comma), [("status", "pending,review".to_owned())]);
        assert_eq!(
            filter_pairs(&filter, ArrayEncoding::Repeated),
            [("status", "pending".to_owned()), ("status", "review".to_owned())]
        );
    }
}
