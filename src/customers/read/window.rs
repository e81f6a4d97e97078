//! Maps a window of a connection to numbered pages. Positions count from 0.

use std::sync::Arc;

use crate::model::CustomerSummary;

/// The largest page of the upstream (observed in its `meta.max_page_size`).
pub const MAX_PAGE_SIZE: u32 = 1000;

/// A window: `count` rows from one end of the range between two exclusive positions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WindowSpec {
    pub count: u32,
    pub direction: Direction,
    pub after: Option<u32>,
    pub before: Option<u32>,
}

/// The end from which rows are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Forward,
    Backward,
}

/// How to read the rows of a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FetchPlan {
    /// The rows from `start` (inclusive) to `end` (exclusive).
    Between { start: u32, end: u32 },
    /// The last rows of a list whose length is not known yet; see [`last_rows`].
    FromEnd,
}

/// The numbered pages that contain a range of rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pages {
    None,
    One {
        number: u32,
        size: u32,
    },
    /// This page and the next one.
    Two {
        number: u32,
        size: u32,
    },
}

/// The rows of a window, their position, and the length of the list.
#[derive(Clone, Debug)]
pub struct Window {
    pub rows: Vec<Arc<CustomerSummary>>,
    /// The position of the first row, also if the window is empty.
    pub start: u32,
    pub total: u32,
}

/// Plans the read of a window.
pub fn plan(cut: WindowSpec) -> FetchPlan {
    let from = cut.after.map_or(0, |after| after.saturating_add(1));
    match (cut.direction, cut.before) {
        (Direction::Forward, before) => {
            let end = from.saturating_add(cut.count);
            FetchPlan::Between { start: from, end: before.map_or(end, |before| end.min(before)) }
        }
        (Direction::Backward, Some(before)) => {
            FetchPlan::Between { start: from.max(before.saturating_sub(cut.count)), end: before }
        }
        (Direction::Backward, None) => FetchPlan::FromEnd,
    }
}

/// The positions of the last rows of a list of known length: the first row, and the one after the last row.
pub fn last_rows(cut: WindowSpec, total: u32) -> (u32, u32) {
    let from = cut.after.map_or(0, |after| after.saturating_add(1));
    (from.max(total.saturating_sub(cut.count)), total)
}

/// Whether a window counted from the end has to be read again from the end of the list, since the list is shorter than
/// the window's end.
pub fn must_reread_from_end(cut: WindowSpec, total: u32) -> bool {
    cut.direction == Direction::Backward && cut.before.is_some_and(|before| before > total)
}

/// The pages that contain the rows from `start` (inclusive) to `end` (exclusive): the smallest single page, or two
/// adjacent pages if no single page contains them.
pub fn pages(start: u32, end: u32) -> Pages {
    let Some(count) = end.checked_sub(start).filter(|count| *count > 0) else { return Pages::None };
    let last = end - 1;
    match (count..=MAX_PAGE_SIZE).find(|size| start / size == last / size) {
        Some(size) => Pages::One { number: start / size + 1, size },
        None => Pages::Two { number: start / count + 1, size: count },
    }
}

impl Window {
    /// The window from `start` to `end` of rows whose first has the position `base`.
    pub fn slice(rows: &[Arc<CustomerSummary>], base: u32, start: u32, end: u32, total: u32) -> Self {
        let place =
            |position: u32| usize::try_from(position.saturating_sub(base)).unwrap_or(usize::MAX).min(rows.len());
        Self { rows: rows.get(place(start)..place(end)).unwrap_or_default().to_vec(), start, total }
    }

    /// Without the rows up to and with a position.
    #[must_use]
    pub fn skip_through(self, after: Option<u32>) -> Self {
        let from = after.map_or(0, |after| after.saturating_add(1));
        let Some(passed) = from.checked_sub(self.start).filter(|passed| *passed > 0) else { return self };
        let passed = usize::try_from(passed).unwrap_or(usize::MAX).min(self.rows.len());
        Self { rows: self.rows.into_iter().skip(passed).collect(), start: from, ..self }
    }

    /// Whether rows precede this window. A window without rows has no cursors, so both this and [`Self::has_next`] are
    /// false.
    pub fn has_previous(&self) -> bool {
        !self.rows.is_empty() && self.start.min(self.total) > 0
    }

    /// Whether rows follow this window; see [`Self::has_previous`].
    pub fn has_next(&self) -> bool {
        let end = u64::from(self.start) + self.rows.len() as u64;
        !self.rows.is_empty() && end < u64::from(self.total)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{CustomerId, CustomerStatus, CustomerType, DateTime};

    fn row(position: u32) -> Arc<CustomerSummary> {
        let time = DateTime(chrono::DateTime::UNIX_EPOCH);
        Arc::new(CustomerSummary {
            id: Ok(CustomerId(uuid::Uuid::from_u128(position.into()))),
            name: Ok(String::new().into()),
            kind: Ok(CustomerType::Individual),
            email: Ok(String::new().into()),
            phone: Ok(String::new().into()),
            external_id: Ok(None),
            status: Ok(CustomerStatus::Verified),
            created_at: Ok(time),
            updated_at: Ok(time),
        })
    }

    fn positions(rows: &[Arc<CustomerSummary>]) -> Vec<u32> {
        rows.iter().map(|row| u32::try_from(row.id.expect("it has one").0.as_u128()).expect("small")).collect()
    }

    /// What slicing the whole list gives.
    fn sliced(total: u32, cut: WindowSpec) -> Vec<u32> {
        let within: Vec<u32> = (0..total)
            .filter(|position| cut.after.is_none_or(|after| *position > after))
            .filter(|position| cut.before.is_none_or(|before| *position < before))
            .collect();
        let count = cut.count as usize;
        match cut.direction {
            Direction::Forward => within.into_iter().take(count).collect(),
            Direction::Backward => within[within.len().saturating_sub(count)..].to_vec(),
        }
    }

    /// What the reader does, over a list in memory; also counts the pages.
    fn read(total: u32, cut: WindowSpec) -> (Window, u32) {
        let page = |number: u32, size: u32| -> Vec<_> {
            let start = (number - 1) * size;
            (start..(start + size).min(total)).map(row).collect()
        };
        let between = |start: u32, end: u32| match pages(start, end) {
            Pages::None => (Window { rows: vec![], start, total }, 1),
            Pages::One { number, size } => {
                (Window::slice(&page(number, size), (number - 1) * size, start, end, total), 1)
            }
            Pages::Two { number, size } => {
                let rows = [page(number, size), page(number + 1, size)].concat();
                (Window::slice(&rows, (number - 1) * size, start, end, total), 2)
            }
        };
        let from_the_end = || match last_rows(cut, total) {
            (start, end) if start >= end => (Window { rows: vec![], start, total }, 0),
            (start, end) => between(start, end),
        };
        match plan(cut) {
            FetchPlan::FromEnd => {
                let (window, calls) = from_the_end();
                (window, 1 + calls)
            }
            FetchPlan::Between { start, end } => {
                let (window, calls) = between(start, end);
                if must_reread_from_end(cut, total) {
                    let (window, more) = from_the_end();
                    return (window, calls + more);
                }
                (window.skip_through(cut.after), calls)
            }
        }
    }

    fn cuts() -> impl Strategy<Value = WindowSpec> {
        let position = || prop_oneof![1 => Just(None), 3 => (0..2600_u32).prop_map(Some)];
        let end = prop_oneof![Just(Direction::Forward), Just(Direction::Backward)];
        (1..=100_u32, end, position(), position()).prop_map(|(count, end, after, before)| WindowSpec {
            count,
            direction: end,
            after,
            before,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn any_window_is_what_slicing_the_whole_list_gives(total in 0..=2500_u32, cut in cuts()) {
            let (window, calls) = read(total, cut);
            let expected = sliced(total, cut);
            prop_assert_eq!(positions(&window.rows), expected.clone());
            let most = match plan(cut) {
                // The total, and two pages.
                FetchPlan::FromEnd => 3,
                FetchPlan::Between { .. } if must_reread_from_end(cut, total) => 4,
                FetchPlan::Between { .. } => 2,
            };
            prop_assert!(calls <= most, "{} calls", calls);
            if let (Some(first), Some(last)) = (expected.first(), expected.last()) {
                prop_assert_eq!(window.start, *first);
                prop_assert_eq!(window.has_previous(), *first > 0);
                prop_assert_eq!(window.has_next(), *last + 1 < total);
            }
        }

        #[test]
        fn one_page_of_a_thousand_rows_at_most_holds_a_window_or_two_neighbours_do(start in 0..1_000_000_u32, count in 1..=100_u32) {
            match pages(start, start + count) {
                Pages::One { number, size } => {
                    prop_assert!((number - 1) * size <= start && start + count <= number * size && size <= MAX_PAGE_SIZE);
                }
                Pages::Two { number, size } => {
                    prop_assert!((number - 1) * size <= start && start + count <= (number + 1) * size);
                    prop_assert!((count..=MAX_PAGE_SIZE).all(|size| start / size != (start + count - 1) / size));
                }
                Pages::None => prop_assert!(false, "a window with rows has a page"),
            }
        }
    }

    #[test]
    fn the_usual_pages_of_a_list_cost_one_call_of_their_own_size() {
        for page in 0..50 {
            assert_eq!(pages(page * 25, page * 25 + 25), Pages::One { number: page + 1, size: 25 });
        }
    }
}
