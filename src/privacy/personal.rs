//! A wrapper for personal values. It serialises and can be an output of a query, but never prints.
//!
//! `Debug` prints a placeholder, so no log line, panic or error text can contain the value by accident. There is no
//! `Display`: code that needs the value calls [`Personal::reveal`].

use std::borrow::Cow;
use std::fmt;

use async_graphql::registry::Registry;
use async_graphql::{InputType, InputValueError, InputValueResult, Value};
use serde::{Deserialize, Serialize};

use crate::response_size::counted_output;

/// A personal value. In the schema it is a `T`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the wire or for a requested field of a response. Never for a log.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

counted_output!(Personal);

impl<T: InputType> InputType for Personal<T> {
    type RawValueType = T::RawValueType;

    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        T::parse(value).map(Self).map_err(InputValueError::propagate)
    }

    fn to_value(&self) -> Value {
        self.0.to_value()
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        self.0.as_raw_value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_personal_value_never_prints() {
        let ssn = Personal::new("123-45-6789".to_owned());
        assert_eq!(format!("{ssn:?} {:?}", Some(&ssn)), "[personal] Some([personal])");
    }
}
