//! The closed sets of words of the wire, written once.
//!
//! Only the lower-case words of the current contract are known: capitalised twins, `resubmit` or
//! `match`, which older pages of the vendor show, are refused on the way in and never sent.

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
    /// Where a customer stands.
    CustomerStatus {
        /// Screening runs, or was skipped.
        Pending = "pending",
        /// A person must decide.
        Review = "review",
        /// May transact.
        Verified = "verified",
        /// Switched off.
        Inactive = "inactive",
        /// May not transact.
        Rejected = "rejected",
    }
}

wire_enum! {
    /// What a customer is.
    CustomerType {
        /// A person.
        Individual = "individual",
        /// A company.
        Business = "business",
    }
}

output_enum! {
    /// What a screening module, or the screening as a whole, came to.
    Decision {
        /// Nothing against it.
        Accept = "accept",
        /// Something speaks against it.
        Reject = "reject",
        /// A person should look.
        Review = "review",
    }
}

output_enum! {
    /// How close a value is to known records, weakest first.
    Correlation {
        /// Hardly.
        Low = "low_confidence",
        /// Perhaps.
        Potential = "potential_match",
        /// Probably.
        Likely = "likely_match",
        /// Surely.
        High = "high_confidence",
    }
}

wire_enum! {
    /// When a new customer is screened.
    ProcessingMethod {
        /// During the call; the server's default.
        Inline = "inline",
        /// After the answer.
        Background = "background",
        /// Not at all.
        Skip = "skip",
    }
}

wire_enum! {
    /// The status that the caller wants a screening to end in.
    Outcome {
        /// The real screening.
        Standard = "standard",
        /// Always verified.
        Verified = "verified",
        /// Always rejected.
        Rejected = "rejected",
        /// Always in review.
        Review = "review",
    }
}

wire_enum! {
    /// What a list is ordered by.
    SortBy {
        /// The name, without regard to case.
        Name = "name",
        /// The time of creation.
        CreatedAt = "created_at",
    }
}

wire_enum! {
    /// Which way a list runs.
    SortOrder {
        /// Smallest first.
        Ascending = "asc",
        /// Largest first; equal ones still by ascending id.
        Descending = "desc",
    }
}
