//! A list of customers: a filter and a sort in a normal form, so that two spellings of the same list share cache
//! entries.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::customers::Error;
use crate::model::{CustomerFilter, CustomerSort, CustomerStatus, CustomerType};
use crate::privacy::Personal;
use crate::privacy::digest::KeyedDigest;
use crate::upstream::wire::query::{filter_pairs, sort_field, sort_order};
use crate::upstream::{ArrayEncoding, PageQuery};

/// The filter and the sort of a list.
#[derive(Clone, Debug)]
pub struct Listing {
    filter: Arc<CustomerFilter>,
    sort: CustomerSort,
}

/// The longest text of a filter, in bytes. It becomes part of a URL, and servers close the connection if a URL is too
/// long. That would count as a failure of the upstream and open the circuit breaker for all callers.
const MAX_TEXT_BYTES: usize = 500;

/// The most values of a list in a filter.
const MAX_VALUES: usize = 100;

impl Listing {
    /// The list for a filter and a sort. Blank texts and empty lists count as left out.
    ///
    /// # Errors
    /// `InvalidInput` if a text or a list is too long, or if the filter contains `UNRECOGNIZED`, which is for output
    /// only.
    pub fn new(filter: Option<CustomerFilter>, sort: Option<CustomerSort>) -> Result<Self, Error> {
        let given = filter.unwrap_or_default();
        let filter = CustomerFilter {
            name: filter_text("filter.name", given.name)?,
            email: filter_text("filter.email", given.email)?,
            external_id: filter_text("filter.externalId", given.external_id)?,
            search: filter_text("filter.search", given.search)?,
            statuses: filter_values("filter.statuses", given.statuses)?,
            types: filter_values("filter.types", given.types)?,
            ..given
        };
        let unrecognized = |place: &str| {
            Err(Error::InvalidInput(format!("`UNRECOGNIZED` in `filter.{place}` is for output only: leave it out.")))
        };
        if filter.statuses.as_deref().unwrap_or_default().contains(&CustomerStatus::Unrecognized) {
            return unrecognized("statuses");
        }
        if filter.types.as_deref().unwrap_or_default().contains(&CustomerType::Unrecognized) {
            return unrecognized("types");
        }
        Ok(Self { filter: Arc::new(filter), sort: sort.unwrap_or_default() })
    }

    /// The customers with this id in the caller's own system.
    ///
    /// # Errors
    /// `InvalidInput` if the id is too long.
    pub fn with_external_id(external_id: String) -> Result<Self, Error> {
        let external_id = filter_text("externalId", Some(external_id.into()))?;
        let filter = CustomerFilter { external_id, ..CustomerFilter::default() };
        Ok(Self { filter: Arc::new(filter), sort: CustomerSort::default() })
    }

    /// A numbered page of the list.
    pub fn page(&self, number: u32, size: u32) -> PageQuery {
        PageQuery { filter: Arc::clone(&self.filter), sort: self.sort, number, size }
    }

    /// A short fingerprint for cursors, the same in every process. Its 32 bits suffice to detect a cursor of another
    /// list. It lets a reader test a guess of the filter's values, so a cursor is as confidential as its list.
    pub fn fingerprint(&self) -> u32 {
        let mut hash = Sha256::new();
        for text in self.canonical_texts() {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        digest.iter().take(4).fold(0, |sum, byte| sum << 8 | u32::from(*byte))
    }

    /// A digest of a page's query for the cache key: the query can contain an e-mail address or a name, and a key must
    /// not.
    pub fn digest(&self, digests: &KeyedDigest, number: u32, size: u32) -> u128 {
        let texts = self.canonical_texts();
        let page = [number.to_string(), size.to_string()];
        digests.digest(texts.iter().chain(&page).map(String::as_str))
    }

    fn canonical_texts(&self) -> Vec<String> {
        let sort = [sort_field(self.sort.by).to_owned(), sort_order(self.sort.order).to_owned()];
        let filter = filter_pairs(&self.filter, ArrayEncoding::Comma);
        sort.into_iter().chain(filter.into_iter().flat_map(|(name, value)| [name.to_owned(), value])).collect()
    }
}

/// The values of a list; `None` if it is empty or left out.
fn filter_values<T: PartialEq>(place: &str, given: Option<Vec<T>>) -> Result<Option<Vec<T>>, Error> {
    match given {
        Some(values) if values.len() > MAX_VALUES => {
            Err(Error::InvalidInput(format!("`{place}` takes {MAX_VALUES} values at most.")))
        }
        given => Ok(given.filter(|values| !values.is_empty()).map(deduplicated)),
    }
}

/// The values without duplicates.
fn deduplicated<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    values.into_iter().fold(Vec::new(), |mut seen, value| {
        if !seen.contains(&value) {
            seen.push(value);
        }
        seen
    })
}

/// A text of a filter; `None` if it is blank.
fn filter_text(place: &str, given: Option<Personal<String>>) -> Result<Option<Personal<String>>, Error> {
    match given {
        Some(text) if text.reveal().len() > MAX_TEXT_BYTES => {
            Err(Error::InvalidInput(format!("`{place}` is too long: {MAX_TEXT_BYTES} bytes at most.")))
        }
        given => Ok(given.filter(|text| !text.reveal().trim().is_empty())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CustomerSortField, SortOrder};

    fn with(filter: CustomerFilter) -> Listing {
        Listing::new(Some(filter), None).expect("the filter of this test")
    }

    #[test]
    fn two_ways_of_asking_for_the_same_list_are_the_same_list() {
        let none = Listing::new(None, None).expect("no filter").fingerprint();
        let blank = CustomerFilter { name: Some(" ".to_owned().into()), statuses: Some(vec![]), ..Default::default() };
        assert_eq!(with(blank).fingerprint(), none);
        let order = |statuses: &[CustomerStatus]| {
            with(CustomerFilter { statuses: Some(statuses.to_vec()), ..Default::default() }).fingerprint()
        };
        use CustomerStatus::{Pending, Review};
        assert_eq!(order(&[Review, Pending]), order(&[Pending, Review, Review]));
        assert_ne!(order(&[Review]), none);
    }

    #[test]
    fn filter_and_sort_make_different_lists() {
        let named = |name: &str| CustomerFilter { name: Some(name.to_owned().into()), ..Default::default() };
        let external = CustomerFilter { external_id: Some("a".to_owned().into()), ..Default::default() };
        assert_ne!(with(named("a")).fingerprint(), with(external).fingerprint());
        let newest = CustomerSort { by: CustomerSortField::CreatedAt, order: SortOrder::Desc };
        let newest = Listing::new(None, Some(newest)).expect("a sort").fingerprint();
        assert_ne!(newest, Listing::new(None, None).expect("no sort").fingerprint());
    }

    #[test]
    fn words_for_output_only_are_refused() {
        let filter = CustomerFilter { types: Some(vec![CustomerType::Unrecognized]), ..Default::default() };
        assert!(
            matches!(Listing::new(Some(filter), None), Err(Error::InvalidInput(text)) if text.contains("filter.types"))
        );
    }
}
