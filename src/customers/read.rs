//! Reading customers: one at a time, as lists, as windows of lists.

pub mod listing;
pub mod loaders;
pub mod reader;
pub mod screening;
pub mod window;
