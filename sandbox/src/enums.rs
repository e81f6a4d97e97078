//! The closed sets of words of the wire, written once.
//!
//! Only the lower-case words of the current contract are known: capitalised twins, `resubmit` or
//! `match`, which older pages of the vendor show, are refused on the way in and never sent.

/// Declares an enum whose values are words of the wire.
macro_rules! wire_enum {
    ($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$note])* $variant),+ }

        impl $name {
            /// Every word, for texts that say what is accepted.
            pub const VALUES: &'static [&'static str] = &[$($word),+];

            /// The word as it stands on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the exact word; anything else is unknown.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
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

wire_enum! {
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

wire_enum! {
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
