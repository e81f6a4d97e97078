//! The enums of the wire.
//!
//! Only the lower-case values of the current contract are accepted. Capitalised values, `resubmit` and `match`, which
//! older pages of the vendor show, are errors in requests and never sent.

/// Declares an enum that responses carry: each variant has its wire value.
macro_rules! output_enum {
    ($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $value:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($(#[$note])* $variant),+ }

        impl $name {
            /// The wire value.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $value),+ }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

/// Declares an enum that requests carry too: it can also be parsed.
macro_rules! wire_enum {
    ($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $value:literal),+ $(,)? }) => {
        output_enum! { $(#[$about])* $name { $($(#[$note])* $variant = $value),+ } }

        impl $name {
            /// All wire values, for error texts.
            pub(crate) const VALUES: &'static [&'static str] = &[$($value),+];

            /// Parses a wire value exactly; `None` for any other text.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                match text { $($value => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

wire_enum! {
    /// The status of a customer.
    CustomerStatus {
        /// Screening runs, or was skipped.
        Pending = "pending",
        /// A person must decide.
        Review = "review",
        /// May transact.
        Verified = "verified",
        /// Deactivated.
        Inactive = "inactive",
        /// May not transact.
        Rejected = "rejected",
    }
}

wire_enum! {
    /// The type of a customer.
    CustomerType {
        /// A person.
        Individual = "individual",
        /// A company.
        Business = "business",
    }
}

output_enum! {
    /// The decision of a screening or of one of its modules.
    Decision {
        /// No findings against the customer.
        Accept = "accept",
        /// Findings against the customer.
        Reject = "reject",
        /// A person must review the findings.
        Review = "review",
    }
}

output_enum! {
    /// How closely a value matches known records, weakest first.
    Correlation {
        Low = "low_confidence",
        Potential = "potential_match",
        Likely = "likely_match",
        High = "high_confidence",
    }
}

wire_enum! {
    /// When a new customer is screened.
    ProcessingMethod {
        /// During the call; the server's default.
        Inline = "inline",
        /// After the response.
        Background = "background",
        /// Never.
        Skip = "skip",
    }
}

wire_enum! {
    /// The requested result of a screening.
    Outcome {
        /// As the real screening decides.
        Standard = "standard",
        Verified = "verified",
        Rejected = "rejected",
        Review = "review",
    }
}

wire_enum! {
    /// The sort key of a list.
    SortBy {
        /// The name, ignoring case.
        Name = "name",
        /// The time of creation.
        CreatedAt = "created_at",
    }
}

wire_enum! {
    /// The sort order of a list.
    SortOrder {
        /// Smallest first.
        Ascending = "asc",
        /// Largest first; ties still have ascending ids.
        Descending = "desc",
    }
}
